//! The three ways in which a player gets an object's bytes ([ADR 8](../../../../docs/adr/0008-three-ways-to-the-bytes.md)).

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, header};
use media_blobs::PresignGet;
use media_storage::variants::Variant;

use super::{
    cdn::{Cdn, CdnError},
    epochs::Refusal,
    proxy,
    routes::Door,
    token::PlaybackToken,
};
use crate::{
    config::{PlaybackConfig, Way},
    error::chain,
};

pub enum Delivery {
    /// To a signature of the store, which lives for 5 to 10 minutes, also if the token is revoked meanwhile.
    Redirect,
    /// Through us. A stream that runs when its token is revoked is cut within 5 seconds.
    Proxy,
    /// To a signature that the CDN checks, and lives as long as the store's.
    Cdn(Box<Cdn>),
}

impl Delivery {
    /// # Errors
    /// [`CdnError`] where a CDN is asked for and its keys are not there.
    pub fn new(config: &PlaybackConfig) -> Result<Self, CdnError> {
        Ok(match config.delivery {
            Way::Redirect => Delivery::Redirect,
            Way::Proxy => Delivery::Proxy,
            Way::Cdn => Delivery::Cdn(Box::new(Cdn::new(&config.cdn)?)),
        })
    }
}

/// Answers with the object, or with where it can be had. A player follows a redirect with its own `Range`.
///
/// # Errors
/// [`Refusal`], as the store or a key has it.
pub async fn deliver(
    door: &Arc<Door>,
    token: PlaybackToken,
    variant: &Variant,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let now = (door.clock)();
    let url = match &door.delivery {
        Delivery::Proxy => return proxy::pass_on(door, token, variant, method, headers).await,
        Delivery::Redirect => {
            let how = PresignGet { content_type: Some(variant.mime.clone()), ..PresignGet::default() };
            door.blobs.presign_get(&variant.blob, &how, now).await?.url
        }
        Delivery::Cdn(cdn) => cdn.sign(&variant.blob, now).map_err(|error| {
            tracing::error!(error = chain(&error), "no URL of the CDN can be signed");
            Refusal::Defect
        })?,
    };
    Ok((StatusCode::FOUND, [(header::LOCATION, url)]).into_response())
}
