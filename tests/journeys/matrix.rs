//! Every method of the contract × its happy path, its tenant case and each reason for which it may refuse, with no hole.
//!
//! Methods and reasons are those of the protos' comments (`harness::contract`). That a method has no further reason, every other journey
//! holds, too: `harness::answers` sees each answer.
//!
//! - every_method_is_shown_at_work_between_tenants_and_by_each_of_its_reasons
//! - a_request_that_is_none_is_told_so_and_is_no_fault_of_ours

mod ai_artifacts;
mod assets;
mod captions;
mod cells;
mod everyone;
mod of_service;
mod operations;
mod playback;
mod quarantine;
mod retention;
mod scene;
mod unreadable;
mod uploads;

use scene::Scene;
pub use scene::{captions, sound_of};

#[tokio::test(flavor = "multi_thread")]
async fn every_method_is_shown_at_work_between_tenants_and_by_each_of_its_reasons() {
    let scene = Scene::new().await;
    everyone::walk(&scene).await;
    uploads::walk(&scene).await;
    assets::walk(&scene).await;
    playback::walk(&scene).await;
    captions::walk(&scene).await;
    ai_artifacts::walk(&scene).await;
    retention::walk(&scene).await;
    operations::walk(&scene).await;
    quarantine::walk(&scene).await;
    of_service::walk(&scene.cells).await;
    scene.cells.assert_whole();
}
