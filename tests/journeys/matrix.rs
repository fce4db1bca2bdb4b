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
    // Boxed: each is a long test of its own.
    let scene = Box::pin(Scene::new()).await;
    Box::pin(everyone::walk(&scene)).await;
    Box::pin(uploads::walk(&scene)).await;
    Box::pin(assets::walk(&scene)).await;
    Box::pin(playback::walk(&scene)).await;
    Box::pin(captions::walk(&scene)).await;
    Box::pin(ai_artifacts::walk(&scene)).await;
    Box::pin(retention::walk(&scene)).await;
    Box::pin(operations::walk(&scene)).await;
    Box::pin(quarantine::walk(&scene)).await;
    Box::pin(of_service::walk(&scene.cells)).await;
    scene.cells.assert_whole();
}
