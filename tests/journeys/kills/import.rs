//! `kill -9` of a scanner that fetches.

use media_devstack::Binary;
use media_domain::work::Queue;
use media_proto::v1::AssetKind;

use super::scene::Scene;
use crate::{
    harness::{Web, World, samples, web::Says},
    imports,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_scanner_killed_in_the_middle_of_an_import_is_followed_by_one_that_begins_anew() {
    let web = Web::start().await;
    let open = |world: &mut World| imports::open_to(world, &web);
    let mut scene = Scene::prepared("kill-the-import", open, &[Binary::Relay, Binary::Api, Binary::Janitor]).await;
    let first = scene.worker(Binary::Scanner).await;
    // Of the first answer a part of 5 MiB is stored when its server falls silent.
    let file = samples::document(12 << 20);
    let url = web.at("/letter.rtf", [Says::Held(file.clone(), 11 << 20), Says::File(file.clone())]);
    let request = imports::request(&scene.caller, AssetKind::Document, "letter.rtf", &url);
    let id = imports::import(&mut scene.caller, request).await.unwrap().id;
    scene.proxy.answers(1, |asked| asked.sends_part()).await;
    let left = scene.bucket.uploads().await;
    assert_eq!(left.len(), 1, "{left:?}");
    scene.kill(first, Queue::Scan).await;

    let _second = scene.worker(Binary::Scanner).await;
    scene.assert_ready_once(&id).await;
    assert_eq!((scene.attempts(&id, "import").await, scene.attempts(&id, "scan").await, web.heads().len()), (2, 1, 2));
    let key = format!("tenants/{}/media/{id}/original", scene.caller.tenant);
    assert_eq!(scene.bucket.bytes(&key).await, file, "the whole of one attempt");
}
