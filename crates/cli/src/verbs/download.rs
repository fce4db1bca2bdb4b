//! `media download`: the original or a variant as a file, which is there when it is whole and not before.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use futures::TryStreamExt as _;
use media_domain::AssetId;
use media_proto::v1::{GetAssetResponse, GetDownloadUrlRequest};
use serde::Serialize;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;

use crate::{
    api::{Api, call},
    failure::{Failure, chain, of_file},
    output,
    progress::Progress,
    transfer::http_client,
    verbs::show,
};

#[derive(Debug, clap::Args)]
pub struct Download {
    /// The asset's id
    asset: AssetId,
    /// Which variant, such as h264-720p; without it, the original
    #[arg(long, default_value = "", hide_default_value = true)]
    profile: String,
    /// Where to; without it, under the asset's own name here, where nothing is overwritten
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Downloaded {
    path: PathBuf,
    /// A string, as 64-bit numbers are in protobuf JSON.
    size_bytes: String,
}

impl Download {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        let asset = show::get(api, &self.asset.to_string()).await?;
        let size_bytes = expected_bytes(&asset, &self.profile)?;
        let path = self.output.clone().unwrap_or_else(|| PathBuf::from(own_name(&asset, &self.profile)));
        if self.output.is_none() && path.exists() {
            return Err(Failure::Refused(format!("{} is already here: say -o FILE", path.display())));
        }
        let request = GetDownloadUrlRequest { asset_id: self.asset.to_string(), profile: self.profile.clone() };
        let url = call(|| {
            let (mut playback, request) = (api.playback.clone(), request.clone());
            async move { playback.get_download_url(request).await }
        })
        .await?
        .url;

        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let partial = new_partial(folder).map_err(|error| of_file(folder, &error))?;
        fetch(&url, &partial, size_bytes, Progress::of(json), &path).await?;
        keep(partial, &path, self.output.is_some())?;

        if json {
            output::json(&Downloaded { path, size_bytes: size_bytes.to_string() })
        } else {
            output::line(&path.display().to_string())
        }
    }
}

/// The size by the asset's row, which the download has to have.
fn expected_bytes(answer: &GetAssetResponse, profile: &str) -> Result<u64, Failure> {
    let size_bytes = if profile.is_empty() {
        answer.asset.as_ref().map(|asset| asset.size_bytes)
    } else {
        answer.variants.iter().find(|variant| variant.profile == profile).map(|variant| variant.size_bytes)
    };
    let size_bytes = size_bytes.ok_or_else(|| Failure::NotFound(format!("the asset has no variant {profile}")))?;
    u64::try_from(size_bytes).map_err(|_| Failure::Unexpected("the service says a negative size".into()))
}

/// A name in this folder: of the uploader's, only the last part and no character that is not for names.
fn own_name(answer: &GetAssetResponse, profile: &str) -> String {
    let asset = answer.asset.clone().unwrap_or_default();
    let last = asset.filename.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|character| !character.is_control()).collect();
    let name = if name.trim_matches('.').is_empty() { asset.id } else { name };
    if profile.is_empty() {
        return name;
    }
    let mime = answer.variants.iter().find(|variant| variant.profile == profile).map(|variant| variant.mime.as_str());
    let extension = match mime.unwrap_or_default() {
        "video/mp4" => "mp4",
        "audio/mp4" => "m4a",
        "audio/wav" => "wav",
        "image/webp" => "webp",
        _ => "bin",
    };
    let stem = Path::new(&name).file_stem().and_then(|stem| stem.to_str()).unwrap_or(&name);
    format!("{stem}.{profile}.{extension}")
}

/// A file that goes away unless it is kept; the umask decides who may read it, as for any file that a person makes.
fn new_partial(folder: &Path) -> std::io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(".media-download-").permissions(Permissions::from_mode(0o666)).tempfile_in(folder)
}

async fn fetch(url: &str, partial: &NamedTempFile, size_bytes: u64, progress: Progress, path: &Path) -> Result<(), Failure> {
    let lost = |error: reqwest::Error| Failure::TryAgain(format!("the download broke: {}", chain(&error.without_url())));
    let answer = http_client()?.get(url).send().await.map_err(lost)?;
    let status = answer.status();
    if !status.is_success() {
        let sentence = format!("the store answered {status}");
        return Err(if status.is_server_error() { Failure::TryAgain(sentence) } else { Failure::Refused(sentence) });
    }
    let unwritable = |error: std::io::Error| of_file(path, &error);
    let mut file = tokio::fs::File::from_std(partial.reopen().map_err(unwritable)?);
    let bar = progress.bytes(&format!("downloading {}", path.display()), size_bytes);
    let mut chunks = answer.bytes_stream();
    let mut received = 0_u64;
    while let Some(chunk) = chunks.try_next().await.map_err(lost)? {
        received += u64::try_from(chunk.len()).unwrap_or(0);
        if received > size_bytes {
            break;
        }
        file.write_all(&chunk).await.map_err(unwritable)?;
        bar.add(u64::try_from(chunk.len()).unwrap_or(0));
    }
    file.flush().await.map_err(unwritable)?;
    file.sync_all().await.map_err(unwritable)?;
    if received != size_bytes {
        bar.give_up();
        let more = if received > size_bytes { "more than " } else { "" };
        return Err(Failure::TryAgain(format!("{more}{} of {size_bytes} bytes came", received.min(size_bytes))));
    }
    bar.finish();
    Ok(())
}

/// Puts the whole file where it was wanted.
fn keep(partial: NamedTempFile, path: &Path, may_overwrite: bool) -> Result<(), Failure> {
    let kept = if may_overwrite { partial.persist(path) } else { partial.persist_noclobber(path) };
    kept.map(drop).map_err(|error| of_file(path, &error.error))
}

#[cfg(test)]
mod tests {
    use media_proto::v1::{Asset, Variant};

    use super::*;

    fn named(filename: &str) -> GetAssetResponse {
        GetAssetResponse {
            asset: Some(Asset { id: "ID".into(), filename: filename.into(), size_bytes: 7, ..Asset::default() }),
            variants: vec![Variant { profile: "aac-128k".into(), mime: "audio/mp4".into(), size_bytes: 5, ..Variant::default() }],
            ..GetAssetResponse::default()
        }
    }

    #[test]
    fn the_uploaders_name_cannot_lead_out_of_the_folder() {
        for (filename, name) in [
            ("clip.mp4", "clip.mp4"),
            ("../../etc/passwd", "passwd"),
            ("a\\b\\c.png", "c.png"),
            ("..", "ID"),
            ("x/", "ID"),
            ("", "ID"),
            ("a\0b", "ab"),
        ] {
            assert_eq!(own_name(&named(filename), ""), name, "{filename:?}");
        }
    }

    #[test]
    fn a_variant_is_named_by_its_profile_and_type() {
        assert_eq!(own_name(&named("clip.mp4"), "aac-128k"), "clip.aac-128k.m4a");
    }

    #[test]
    fn the_size_is_that_of_the_row_and_an_unknown_profile_is_not_found() {
        assert_eq!(expected_bytes(&named("x"), ""), Ok(7));
        assert_eq!(expected_bytes(&named("x"), "aac-128k"), Ok(5));
        assert!(matches!(expected_bytes(&named("x"), "nope"), Err(Failure::NotFound(_))));
    }
}
