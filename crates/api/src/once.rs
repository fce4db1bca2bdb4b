//! A create that may be sent again: the same request under the same id is answered with what the first one made.
//!
//! The id is written by the transaction that creates. Of two calls at once the second waits, in the database, for the first.

use media_storage::{
    TenantTx,
    request_ids::{Remembered, RequestKey},
};
use prost::Message;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    auth::Caller,
    error::{ApiError, Violations},
};

/// Of a request id (AIP-155 has UUIDs in mind, with 36).
const MAX_REQUEST_ID_CHARS: usize = 64;

/// One create of one caller, by its request id.
#[derive(Clone, Debug)]
pub struct Once {
    caller_sha256: [u8; 32],
    method: &'static str,
    request_id: String,
    request_sha256: [u8; 32],
}

impl Once {
    /// `None` where the caller gave no id: then each call creates. `request` is what was asked for, without the id.
    pub fn of(caller: &Caller, method: &'static str, request_id: &str, request: &impl Message) -> Option<Self> {
        (!request_id.is_empty()).then(|| Self {
            caller_sha256: Sha256::digest(caller.subject()).into(),
            method,
            request_id: request_id.to_owned(),
            request_sha256: Sha256::digest(request.encode_to_vec()).into(),
        })
    }

    /// What an earlier call made.
    ///
    /// # Errors
    /// [`ApiError::RequestIdReused`] if that call asked for something else.
    pub async fn made(&self, tx: &mut TenantTx) -> Result<Option<Uuid>, ApiError> {
        self.same(tx.request_ids().lookup(&self.key()).await?)
    }

    /// Notes what this transaction makes; answers what another call made first. Has to come before anything is made.
    ///
    /// # Errors
    /// As [`made`](Self::made).
    pub async fn note(&self, tx: &mut TenantTx, resource: Uuid) -> Result<Option<Uuid>, ApiError> {
        self.same(tx.request_ids().remember(&self.key(), self.request_sha256, resource).await?)
    }

    fn same(&self, remembered: Option<Remembered>) -> Result<Option<Uuid>, ApiError> {
        match remembered {
            Some(before) if before.request_sha256 != self.request_sha256 => Err(ApiError::RequestIdReused),
            before => Ok(before.map(|before| before.resource)),
        }
    }

    fn key(&self) -> RequestKey<'_> {
        RequestKey { caller_sha256: self.caller_sha256, method: self.method, request_id: &self.request_id }
    }
}

/// Adds what is wrong with a request id.
pub fn check(request_id: &str, violations: &mut Violations) {
    if request_id.chars().count() > MAX_REQUEST_ID_CHARS {
        violations.add("request_id", format!("has more than {MAX_REQUEST_ID_CHARS} characters"));
    } else if request_id.contains('\0') {
        violations.add("request_id", "holds a NUL, which cannot be stored");
    }
}
