//! What comes when all is well.

use std::sync::Arc;

use media_devstack::Binary;
use media_proto::v1::{AssetKind, AssetSource, AssetStatus, ImportAssetRequest};
use sha2::{Digest as _, Sha256};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer},
};

use super::{LIMIT, asset_id, counted, failed, import, letter, open_to, request, try_once, under_way, world};
use crate::{
    harness::{Bucket, Web, World, samples, web::Says},
    refusals::leftovers,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_fetched_once_and_goes_the_way_of_every_upload() {
    let web = Web::start().await;
    let picture = samples::picture(800, 400);
    let url = web.at("/card.png", [Says::File(picture.clone())]);
    let world = world("import", &web, &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder, Binary::Janitor]).await;
    let consumer = world.consumer().await;
    let (mut caller, sql) = (world.caller().await, world.sql().await);
    let size = i64::try_from(picture.len()).unwrap();
    let (sha256, good) = (hex::encode(Sha256::digest(&picture)), request(&caller, AssetKind::Image, "card.png", &url));

    let asset = import(&mut caller, ImportAssetRequest { size_bytes: size, sha256: sha256.clone(), ..good }).await.unwrap();
    assert_eq!((asset.status(), asset.source()), (AssetStatus::Uploading, AssetSource::Imported), "it answers at once");
    let ready = caller.until(&asset.id, AssetStatus::Ready, LIMIT).await.asset.unwrap();
    assert_eq!((ready.size_bytes, ready.sha256, ready.mime.as_str(), ready.filename.as_str()), (size, sha256, "image/png", "card.png"));
    let key = format!("tenants/{}/media/{}/original", caller.tenant, asset.id);
    assert_eq!(Bucket::of(world.isolated()).bytes(&key).await, picture);
    assert_eq!(web.heads().len(), 1);
    assert_eq!((counted(&sql, &caller).await, under_way(&sql).await), ((size, 0), (0, 0)), "what was reserved is used, the URL forgotten");

    consumer.until(&asset.id, "media.asset.ready.v1", LIMIT).await;
    consumer.assert_in_order(&asset.id);
    let events = consumer.of(&asset.id);
    let of_asset: Vec<&str> = events.iter().map(|it| it.event_type.as_str()).filter(|it| it.starts_with("media.asset.")).collect();
    assert_eq!(of_asset, ["media.asset.created.v1", "media.asset.uploaded.v1", "media.asset.scanned.v1", "media.asset.ready.v1"]);
    assert_eq!((&events[0].data["source"], &events[1].data["sizeBytes"]), (&"imported".into(), &size.to_string().into()));
    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_followed_and_a_length_need_not_be_known() {
    let web = Web::start().await;
    // More than one part of 5 MiB, and more than is reserved at a time.
    let file = samples::document(20 << 20);
    let last = web.at("/c", [Says::Chunks(file.clone())]);
    web.at("/b", [Says::Moved(last)]);
    let first = web.at("/a", [Says::Moved("b".to_owned())]);
    let world = world("import-redirects", &web, &[Binary::Relay, Binary::Api, Binary::Scanner]).await;
    let (mut caller, sql) = (world.caller().await, world.sql().await);
    let id = letter(&mut caller, &first).await;
    let asset = caller.until(&id, AssetStatus::Ready, LIMIT).await.asset.unwrap();
    let size = i64::try_from(file.len()).unwrap();
    assert_eq!((asset.size_bytes, asset.sha256), (size, hex::encode(Sha256::digest(&file))));
    assert_eq!((counted(&sql, &caller).await, web.heads().len()), ((size, 0), 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_https_only_a_server_with_a_trusted_certificate_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let (trusted, certificate) = acceptor();
    let (unknown, _) = acceptor();
    let (web, stranger) = (Web::secure(trusted).await, Web::secure(unknown).await);
    let pem = samples::on_disk(folder.path(), "trusted.pem", certificate.as_bytes());
    let mut world = World::new("import-https").await;
    open_to(&mut world, &web);
    world.fleet.set("MEDIA__IMPORT__PLAIN_HTTP", "false");
    world.fleet.set("MEDIA__IMPORT__PORTS", format!("[{}, {}]", web.port, stranger.port));
    world.start_all(&[Binary::Relay, Binary::Api]).await;
    let (mut caller, sql) = (world.caller().await, world.sql().await);
    for server in [&web, &stranger] {
        server.at("/letter.rtf", [Says::File(samples::document(5000))]);
    }
    let of = |host: &str, port: u16| format!("https://{host}:{port}/letter.rtf");
    // A name that has two addresses here, of which one is not allowed, would be refused: this one has 127.0.0.1 alone, or fails.
    let good = letter(&mut caller, &of("127.0.0.1", web.port)).await;
    let untrusted = letter(&mut caller, &of("127.0.0.1", stranger.port)).await;
    try_once(&sql).await;
    let _scanner = world.start(Binary::Scanner, &[("SSL_CERT_FILE", &pem)]).await;
    caller.until(&good, AssetStatus::Ready, LIMIT).await;
    let (reason, detail) = failed(&mut caller, &untrusted).await;
    assert_eq!(reason, "import_failed");
    assert!(detail.contains("certificate"), "{detail}");
    assert_eq!((web.heads().len(), stranger.heads().len()), (1, 0), "nothing is asked of a server that is not believed");
}

/// A server's TLS with a certificate of its own, and that certificate.
fn acceptor() -> (TlsAcceptor, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_trouble_is_asked_again() {
    let web = Web::start().await;
    let url = web.at("/letter.rtf", [Says::Status(503), Says::File(samples::document(100))]);
    let world = world("import-again", &web, &[Binary::Relay, Binary::Api, Binary::Scanner]).await;
    let (mut caller, sql) = (world.caller().await, world.sql().await);
    let id = letter(&mut caller, &url).await;
    caller.until(&id, AssetStatus::Ready, LIMIT).await;
    let tries: (i32, i32) = sqlx::query_as("SELECT attempts, failures FROM media.work WHERE asset_id = $1 AND group_name = 'import'")
        .bind(asset_id(&id).as_uuid())
        .fetch_one(&sql)
        .await
        .unwrap();
    assert_eq!((tries, web.heads().len()), ((2, 1), 2));
}
