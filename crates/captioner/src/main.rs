//! media-captioner: speech to text.

mod caption;
mod config;
mod copies;
mod pcm;
#[cfg(test)]
mod real_model_tests;
mod speech;
mod voice;
mod whisper;
mod windows;

use std::{process::ExitCode, sync::Arc};

use media_blobs::Blobs;
use media_messaging::Broker;
use media_storage::Database;

use crate::{caption::Captioner, config::CaptionerConfig, voice::Silero, whisper::Whisper, windows::Listener};

const NAME: &str = "media-captioner";
/// The profile whose variant is heard.
const SPEECH: &str = "speech";

fn main() -> ExitCode {
    media_runtime::main(NAME, include_str!("../defaults.toml"), async |cx: media_runtime::Context<CaptionerConfig>| {
        let CaptionerConfig { database, amqp, s3, worker, whisper, voice } = cx.config.clone();
        let listener = Listener::new(Arc::new(Whisper::load(&whisper)?), Arc::new(Silero::load(&voice)?));
        metrics::counter!("media_captions_used_again_total").absolute(0);
        let database = Database::connect(&database, NAME)?;
        let broker = Broker::connect(&amqp, NAME).await?;
        let captioner =
            Captioner { database: database.clone(), blobs: Blobs::connect(&s3)?, listener, speech: SPEECH.to_owned().try_into()? };
        media_worker::run(&cx, worker, database, broker, captioner).await
    })
}
