//! What a machine writes down, and that it does so once.

use std::process::Command;

use media_devstack::Binary;
use media_domain::AssetId;
use media_proto::v1::{
    AssetKind, AssetStatus, CaptionFormat, CaptionKind, CaptionSource, CaptionStatus, GenerateCaptionsRequest, GetTranscriptRequest, Job,
    JobStatus, ListTranscriptsRequest, SearchTranscriptsRequest,
};
use sqlx::PgPool;
use tonic::Code;

use super::{LIMIT, reason, refusal};
use crate::harness::{Caller, World, eventually, samples};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_are_heard_once_by_a_tenant_and_again_by_another() {
    let mut world = World::with("captions-generated", &[Binary::Api, Binary::Relay, Binary::Scanner, Binary::Transcoder]).await;
    let sql = world.sql().await;
    let consumer = world.consumer().await;
    let (mut caller, mut other) = (world.caller().await, world.caller().await);
    let bytes = voice();
    let id = caller.upload(AssetKind::Audio, "voice.m4a", &bytes).await;
    caller.until(&id, AssetStatus::Ready, LIMIT).await;

    // Nobody listens yet: the plan of the transcoder waits, in no language.
    let job = generate(&mut caller, &id, "").await.unwrap();
    assert_eq!((job.profile.as_str(), job.status()), ("captions", JobStatus::Waiting), "the same as is under way");
    assert_eq!(refusal(generate(&mut caller, &id, "en").await), reason(Code::Aborted, "CONTENTION"));
    let captioner = world.start(Binary::Captioner, &[]).await;
    until_done(&mut caller, &id, JobStatus::Succeeded).await;
    let tracks = caller.versions(&id).await;
    assert_eq!(
        tracks.iter().map(|track| (track.source(), track.status())).collect::<Vec<_>>(),
        [(CaptionSource::Ai, CaptionStatus::Waiting)]
    );
    assert_eq!(heard(&sql).await, 1);
    let text = caller.text(&tracks[0], CaptionFormat::Vtt).await.unwrap();

    // Asked again, and in the language that it was: nothing new is made.
    for language in ["", "en"] {
        generate(&mut caller, &id, language).await.unwrap();
        until_done(&mut caller, &id, JobStatus::Succeeded).await;
    }
    assert_eq!((caller.versions(&id).await.len(), heard(&sql).await), (1, 1));

    // In a language of which nothing is stored it is heard anew, and this model knows English only.
    generate(&mut caller, &id, "fr").await.unwrap();
    let job = until_done(&mut caller, &id, JobStatus::Failed).await;
    assert_eq!(job.reason, "language_unsupported");

    // The same bytes again: other rows, the same words, and nobody listened.
    let twin = caller.upload(AssetKind::Audio, "again.m4a", &bytes).await;
    caller.until(&twin, AssetStatus::Ready, LIMIT).await;
    until_done(&mut caller, &twin, JobStatus::Succeeded).await;
    let copied = caller.versions(&twin).await;
    assert_eq!((copied.len(), copied[0].source()), (1, CaptionSource::Ai));
    assert_eq!(caller.text(&copied[0], CaptionFormat::Vtt).await.unwrap(), text);
    assert_eq!(heard(&sql).await, 1, "it was heard once");
    assert_eq!(transcript(&mut caller, &twin).await, transcript(&mut caller, &id).await);
    consumer.until(&twin, "media.transcript.created.v1", LIMIT).await;

    // Of what a person rejected, another version is made of the stored words, and waits.
    caller.reject(&tracks[0]).await.unwrap();
    generate(&mut caller, &id, "").await.unwrap();
    until_done(&mut caller, &id, JobStatus::Succeeded).await;
    let states: Vec<_> = caller.versions(&id).await.iter().map(|track| track.status()).collect();
    assert_eq!((states, heard(&sql).await), (vec![CaptionStatus::Waiting, CaptionStatus::Rejected], 1));

    // What a person wrote stands beside it.
    let person = caller.import(&id, "en", CaptionKind::Captions, super::VTT.as_bytes()).await.unwrap();
    caller.approve(&person).await.unwrap();
    let newest = caller.versions(&id).await.into_iter().find(|track| track.source() == CaptionSource::Ai).unwrap();
    caller.delete_track(&newest).await.unwrap();
    caller.delete_track(&tracks[0]).await.unwrap();
    caller.delete_track(&copied[0]).await.unwrap();
    generate(&mut caller, &id, "en").await.unwrap();
    until_done(&mut caller, &id, JobStatus::Succeeded).await;
    assert_eq!(heard(&sql).await, 2, "the stored words were deleted: it is heard again");
    let states: Vec<_> = caller.versions(&id).await.iter().map(|track| (track.source(), track.status())).collect();
    assert_eq!(states, [(CaptionSource::Ai, CaptionStatus::Waiting), (CaptionSource::Human, CaptionStatus::Approved)]);

    // Another tenant's stored words are nobody's.
    let theirs = other.upload(AssetKind::Audio, "voice.m4a", &bytes).await;
    other.until(&theirs, AssetStatus::Ready, LIMIT).await;
    until_done(&mut other, &theirs, JobStatus::Succeeded).await;
    assert_eq!(heard(&sql).await, 3);
    let search = SearchTranscriptsRequest { query: "morning".to_owned(), ..Default::default() };
    let found = other.transcripts.search_transcripts(search).await.unwrap().into_inner().matches;
    assert_eq!(found.iter().map(|it| it.asset_id.as_str()).collect::<Vec<_>>(), [theirs.as_str()]);

    drop(captioner);
    for subject in [&id, &twin, &theirs] {
        consumer.assert_in_order(subject);
    }
}

async fn generate(caller: &mut Caller, id: &str, language: &str) -> Result<Job, tonic::Status> {
    let request = GenerateCaptionsRequest { asset_id: id.to_owned(), language: language.to_owned(), ..Default::default() };
    Ok(caller.captions.generate_captions(request).await?.into_inner().job.unwrap())
}

/// Waits until the captioner's job of an asset has come to this end.
async fn until_done(caller: &mut Caller, id: &str, status: JobStatus) -> Job {
    let mut caller = caller.clone();
    eventually(&format!("the captions of {id} are {status:?}"), LIMIT, async move || {
        let jobs = caller.get(id).await.jobs;
        let job = jobs.into_iter().find(|job| job.profile == "captions");
        job.filter(|job| job.status() == status).ok_or("not yet")
    })
    .await
}

/// How often anybody listened.
async fn heard(sql: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM media.ai_media_artifacts").fetch_one(sql).await.unwrap()
}

/// What was said, by the newest transcript.
async fn transcript(caller: &mut Caller, id: &str) -> Vec<(i64, i64, String)> {
    let request = GetTranscriptRequest { asset_id: id.to_owned(), ..Default::default() };
    let found = caller.transcripts.get_transcript(request).await.unwrap().into_inner().transcript.unwrap();
    assert_eq!(
        (found.asset_id.parse::<AssetId>().unwrap().to_string().as_str(), found.language.as_str(), found.source.as_str()),
        (id, "en", "ai")
    );
    let listed = caller.transcripts.list_transcripts(ListTranscriptsRequest { asset_id: id.to_owned(), ..Default::default() }).await;
    let listed = listed.unwrap().into_inner().transcripts;
    assert_eq!(
        listed.iter().map(|it| (it.id.as_str(), it.segment_count, it.segments.len())).collect::<Vec<_>>(),
        [(found.id.as_str(), found.segment_count, 0)]
    );
    found.segments.into_iter().map(|said| (said.start_ms, said.end_ms, said.text)).collect()
}

/// A few words by a synthesiser, as AAC.
pub fn voice() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let spoken = folder.path().join("voice.wav").display().to_string();
    samples::run(Command::new("espeak-ng").args(["-v", "en-us", "-w", &spoken, "Good morning and welcome to this short film."]));
    samples::ffmpeg("voice.m4a", &["-i", &spoken, "-c:a", "aac"])
}
