//! Notifications from the database: a hint that something changed, never the news itself.
//!
//! LISTEN needs a direct connection: a pooler in transaction mode drops notifications. Whoever listens also polls.

use media_domain::AssetId;
use sqlx::postgres::PgListener;
use uuid::Uuid;

use crate::{Database, StorageError};

/// Wakes the relay when an outbox row was committed.
pub struct OutboxListener(PgListener);

/// Tells which assets have changed.
pub struct AssetListener(PgListener);

impl Database {
    /// # Errors
    /// [`StorageError::Unavailable`] if no connection is to be had.
    pub async fn listen_outbox(&self) -> Result<OutboxListener, StorageError> {
        Ok(OutboxListener(listen(self, "media_outbox").await?))
    }

    /// # Errors
    /// [`StorageError::Unavailable`] if no connection is to be had.
    pub async fn listen_assets(&self) -> Result<AssetListener, StorageError> {
        Ok(AssetListener(listen(self, "media_assets").await?))
    }
}

async fn listen(database: &Database, channel: &str) -> Result<PgListener, StorageError> {
    let mut listener = PgListener::connect_with(database.pool()).await?;
    listener.listen(channel).await?;
    Ok(listener)
}

impl OutboxListener {
    /// Waits for the next notification. Returns too after the connection was lost and made again: something may have
    /// been missed.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] if the connection is lost and cannot be made again.
    pub async fn woken(&mut self) -> Result<(), StorageError> {
        self.0.try_recv().await?;
        Ok(())
    }
}

impl AssetListener {
    /// The next asset that changed; `None` if the connection was lost and made again, so that any may have.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] if the connection is lost and cannot be made again.
    pub async fn changed(&mut self) -> Result<Option<AssetId>, StorageError> {
        let notification = self.0.try_recv().await?;
        Ok(notification.and_then(|notification| Uuid::try_parse(notification.payload()).ok()).map(AssetId::from))
    }
}
