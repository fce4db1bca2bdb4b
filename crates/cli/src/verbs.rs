//! A file per verb, and who calls which.

pub mod ai;
pub mod captions;
pub mod dead_letters;
pub mod doctor;
pub mod download;
pub mod erase;
pub mod hold;
pub mod import;
pub mod jobs;
pub mod ls;
pub mod migrate;
pub mod play;
pub mod policy;
pub mod quarantine;
pub mod refs;
pub mod replay;
pub mod reprocess;
pub mod request_variant;
pub mod restore;
pub mod retry;
pub mod revoke;
pub mod rm;
pub mod set;
pub mod show;
pub mod token;
pub mod transcripts;
pub mod undelete;
pub mod upload;
pub mod usage;
pub mod watch;

use crate::{
    api::Api,
    args::{Args, Verb},
    failure::Failure,
};

/// Does what the command line says.
///
/// # Errors
/// The verb's own.
pub async fn run(args: Args) -> Result<(), Failure> {
    let Args { caller, json, verb } = args;
    match verb {
        Verb::Migrate(migrate) => migrate.run(json).await,
        Verb::Doctor(doctor) => doctor.run(&caller, json).await,
        Verb::Token(token) => token.run(caller.tenant, json),
        Verb::Upload(upload) => upload.run(&Api::connect(&caller).await?, &caller, json).await,
        Verb::Import(import) => import.run(&Api::connect(&caller).await?, &caller, json).await,
        Verb::Show(show) => show.run(&Api::connect(&caller).await?, json).await,
        Verb::Ls(ls) => ls.run(&Api::connect(&caller).await?, json).await,
        Verb::Watch(watch) => watch.run(&Api::connect(&caller).await?, json).await,
        Verb::Set(set) => set.run(&Api::connect(&caller).await?, json).await,
        Verb::Play(play) => play.run(&Api::connect(&caller).await?, json).await,
        Verb::Revoke(revoke) => revoke.run(&Api::connect(&caller).await?, json).await,
        Verb::Captions(captions) => captions.run(&Api::connect(&caller).await?, json).await,
        Verb::Transcripts(transcripts) => transcripts.run(&Api::connect(&caller).await?, json).await,
        Verb::Rm(rm) => rm.run(&Api::connect(&caller).await?, json).await,
        Verb::Undelete(undelete) => undelete.run(&Api::connect(&caller).await?, json).await,
        Verb::Restore(restore) => restore.run(&Api::connect(&caller).await?, json).await,
        Verb::Refs(refs) => refs.run(&Api::connect(&caller).await?, json).await,
        Verb::Hold(hold) => hold.run(&Api::connect(&caller).await?, json).await,
        Verb::Erase(erase) => erase.run(&Api::connect(&caller).await?, json).await,
        Verb::Policy(policy) => policy.run(&Api::connect(&caller).await?, json).await,
        Verb::Download(download) => download.run(&Api::connect(&caller).await?, json).await,
        Verb::Ai(ai) => ai.run(&Api::connect(&caller).await?, json).await,
        Verb::Reprocess(reprocess) => reprocess.run(&Api::connect(&caller).await?, json).await,
        Verb::RequestVariant(request) => request.run(&Api::connect(&caller).await?, json).await,
        Verb::Jobs(jobs) => jobs.run(&Api::connect(&caller).await?, json).await,
        Verb::Retry(retry) => retry.run(&Api::connect(&caller).await?, json).await,
        Verb::DeadLetters(letters) => letters.run(&Api::connect(&caller).await?, json).await,
        Verb::Replay(replay) => replay.run(&Api::connect(&caller).await?, json).await,
        Verb::Usage(usage) => usage.run(&Api::connect(&caller).await?, json).await,
        Verb::Quarantine(quarantine) => quarantine.run(&Api::connect(&caller).await?, json).await,
    }
}
