use media_devstack::Binary;
use media_proto::v1::{AssetKind, AssetStatus, GetDownloadUrlRequest};
use tonic::Code;

use super::LIMIT;
use crate::{
    harness::{World, samples},
    refusals::{reason, refused},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_saved_under_its_own_name_whatever_it_is_called() {
    let world = World::with("download", &[Binary::Api, Binary::Relay, Binary::Scanner, Binary::Transcoder]).await;
    let mut caller = world.caller().await;
    let mut downloads = Vec::new();
    for (number, (name, plain, encoded)) in [
        ("Ferien in Zürich.png", "Ferien in Z_rich.png", "Ferien%20in%20Z%C3%BCrich.png"),
        ("a\"; filename=\"evil.exe", "a_; filename=_evil.exe", "a%22%3B%20filename%3D%22evil.exe"),
        ("100%20sure; \u{202e}gpj.exe.png", "100_20sure; gpj.exe.png", "100%2520sure%3B%20gpj.exe.png"),
        ("...", "download", "download"),
    ]
    .into_iter()
    .enumerate()
    {
        let bytes = samples::picture(64, 64 + u32::try_from(number).unwrap());
        let id = caller.upload(AssetKind::Image, name, &bytes).await;
        downloads.push((id, bytes, format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")));
    }
    for (id, bytes, disposition) in downloads {
        caller.until(&id, AssetStatus::Ready, LIMIT).await;
        let of = |profile: &str| GetDownloadUrlRequest { asset_id: id.clone(), profile: profile.to_owned() };
        let url = caller.playback.get_download_url(of("")).await.unwrap().into_inner().url;
        let answer = reqwest::get(url).await.unwrap().error_for_status().unwrap();
        assert_eq!(
            (answer.headers()["content-disposition"].as_bytes(), &answer.headers()["content-type"]),
            (disposition.as_bytes(), &"image/png".parse().unwrap())
        );
        assert_eq!(answer.bytes().await.unwrap(), bytes, "one object, whole");
        let variant = caller.playback.get_download_url(of("jpeg-1280")).await.unwrap().into_inner().url;
        let answer = reqwest::get(variant).await.unwrap().error_for_status().unwrap();
        let said = answer.headers()["content-disposition"].to_str().unwrap();
        assert!(said.starts_with("attachment; filename=\"") && said.ends_with("jpeg-1280.jpg"), "{said}");
        assert_eq!(refused(caller.playback.get_download_url(of("webp-9999")).await), reason(Code::NotFound, "VARIANT_NOT_FOUND"));
    }
}
