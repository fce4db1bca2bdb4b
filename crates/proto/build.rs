//! Rust from `/proto`: messages, clients and servers, protobuf JSON, and the descriptors for reflection. No `protoc`.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;
use protox::Compiler;

const FILES: [&str; 11] = [
    "media/v1/asset.proto",
    "media/v1/upload_service.proto",
    "media/v1/asset_service.proto",
    "media/v1/playback_service.proto",
    "media/v1/caption_service.proto",
    "media/v1/transcript_service.proto",
    "media/v1/operations_service.proto",
    "media/v1/quarantine_service.proto",
    "media/v1/retention_service.proto",
    "media/v1/ai_artifact_service.proto",
    "media/v1/events.proto",
];

#[expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts by the environment")]
fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());

    let out = PathBuf::from(env::var("OUT_DIR")?);
    let descriptors = protox::compile(FILES, [&root])?;
    let bytes = descriptors.encode_to_vec();
    fs::write(out.join("media.v1.binpb"), &bytes)?;
    // Apart: reflection serves no comments.
    let documented = Compiler::new([&root])?.include_source_info(true).open_files(FILES)?.file_descriptor_set();
    fs::write(out.join("media.v1.documented.binpb"), documented.encode_to_vec())?;

    tonic_prost_build::configure()
        .extern_path(".google.protobuf", "::pbjson_types")
        .compile_well_known_types(true)
        .compile_fds(descriptors)?;
    pbjson_build::Builder::new().register_descriptors(&bytes)?.build(&[".media.v1"])?;
    Ok(())
}
