//! A key set that lies in a file, read again when its text changes.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{
    JwtKeys,
    key_set::{self, KeySetError, MAX_BYTES},
};
use crate::error::chain;

/// How often the key set's file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Reads the file again whenever its text has changed, for as long as the service runs. A file that is no key set changes nothing.
pub async fn follow_jwks_file(keys: Arc<JwtKeys>, path: PathBuf, stop: CancellationToken) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_taken = Vec::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        match keys.reread(&path, &mut last_taken).await {
            Ok(()) => key_set::fetches("fetched").increment(1),
            Err(error) => {
                tracing::error!(error = chain(&error), "the key set cannot be used: the one before stays");
                key_set::fetches("failed").increment(1);
            }
        }
    }
}

impl JwtKeys {
    /// Takes over the file's keys, if its text is not the one that was taken last. By its text and not by its time: a mounted file is
    /// replaced by a link to one of any age.
    pub(super) async fn reread(&self, path: &Path, last_taken: &mut Vec<u8>) -> Result<(), KeySetError> {
        let text = read(path).await?;
        if text == *last_taken {
            return Ok(());
        }
        let keys = key_set::parse(&text)?;
        *last_taken = text;
        tracing::info!(keys = keys.len(), "the key set was read");
        self.set.replace(keys);
        Ok(())
    }
}

pub async fn read(path: &Path) -> Result<Vec<u8>, KeySetError> {
    let failed = |source| KeySetError::Read { path: path.to_owned(), source };
    if tokio::fs::metadata(path).await.map_err(failed)?.len() > MAX_BYTES as u64 {
        return Err(KeySetError::TooLarge);
    }
    tokio::fs::read(path).await.map_err(failed)
}
