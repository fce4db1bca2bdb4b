//! `media captions` and `media transcripts`, as a person types them.

use std::process::Output;

use media_devstack::Binary;
use serde_json::Value;

use super::{OTHER_VTT, SRT, VTT, asset};
use crate::harness::{Caller, World, command_line, samples};

async fn media(world: &World, caller: &Caller, arguments: &[&str]) -> Output {
    command_line::run(command_line::media(world, caller, arguments)).await
}

/// What it prints, where it does what it is asked.
async fn printed(world: &World, caller: &Caller, arguments: &[&str]) -> String {
    let output = media(world, caller, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_reviews_captions_from_a_shell() {
    let world = World::with("captions-shell", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    let id = asset(&mut caller).await;
    let folder = tempfile::tempdir().unwrap();
    let (srt, edited) =
        (samples::on_disk(folder.path(), "a.srt", SRT.as_bytes()), samples::on_disk(folder.path(), "b.vtt", OTHER_VTT.as_bytes()));
    let broken = samples::on_disk(folder.path(), "c.vtt", VTT.replace('.', ",").as_bytes());
    let person = caller.owner.to_string();

    let import = ["--json", "captions", "import", &id, &srt, "--language", "en", "--source", "human"];
    let imported: Value = serde_json::from_str(&printed(&world, &caller, &import).await).unwrap();
    let track = imported["id"].as_str().unwrap();
    assert_eq!(printed(&world, &caller, &["captions", "show", &id, track]).await, VTT);
    assert_eq!(printed(&world, &caller, &["captions", "show", &id, track, "--format", "srt"]).await, SRT);
    let edit: Value = serde_json::from_str(&printed(&world, &caller, &["--json", "captions", "edit", &id, track, &edited]).await).unwrap();
    let edit = edit["id"].as_str().unwrap();
    let approved = printed(&world, &caller, &["captions", "approve", &id, edit, "--reviewer", &person]).await;
    assert!(approved.contains("v2  en  captions  human  approved") && approved.contains(&person), "{approved}");
    assert_eq!(printed(&world, &caller, &["captions", "list", &id]).await.lines().count(), 1);
    let all = printed(&world, &caller, &["captions", "list", &id, "--all"]).await;
    assert!(all.lines().nth(1).is_some_and(|line| line.contains("superseded") && line.contains(edit)), "{all}");
    let rejected = printed(&world, &caller, &["captions", "reject", &id, edit, "--reviewer", &person]).await;
    assert!(rejected.contains("rejected"), "{rejected}");
    let deleted: Value = serde_json::from_str(&printed(&world, &caller, &["--json", "captions", "delete", &id, edit]).await).unwrap();
    assert_eq!(deleted["captionTrackId"], edit);

    let said = |output: Output| (output.status.code(), String::from_utf8(output.stderr).unwrap());
    let (code, sentence) = said(media(&world, &caller, &["captions", "import", &id, &broken, "--language", "en"]).await);
    assert!(code == Some(4) && sentence.contains("line 3") && sentence.contains("CAPTION_SYNTAX"), "{sentence}");
    let (code, sentence) = said(media(&world, &caller, &["captions", "approve", &id, track]).await);
    assert!(code == Some(4) && sentence.contains("reviewer_user_id"), "the token is no person's: {sentence}");
    let (code, sentence) = said(media(&world, &caller, &["captions", "generate", &id]).await);
    assert!(code == Some(4) && sentence.contains("ASSET_NOT_READY"), "{sentence}");
    let (code, _) = said(media(&world, &caller, &["transcripts", "show", &id]).await);
    assert_eq!(code, Some(3));
    assert_eq!(printed(&world, &caller, &["transcripts", "search", "hello"]).await, "", "a track is no transcript");
}
