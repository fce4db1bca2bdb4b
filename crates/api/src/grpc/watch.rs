//! WatchAsset: the asset now, then at each change, until nothing more will happen by itself. A slow client gets the newest state and
//! never a queue of old ones.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, stream};
use media_domain::AssetId;
use media_proto::v1::WatchAssetResponse;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Api, there,
    watchers::{View, view},
};
use crate::{auth::Caller, error::ApiError};

pub type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchAssetResponse, tonic::Status>> + Send>>;

/// Begins a stream of an asset.
///
/// # Errors
/// [`ApiError::AssetNotFound`]; [`ApiError::Busy`] if the pod has as many streams as it takes.
pub async fn open(api: &Api, caller: &Caller, id: AssetId) -> Result<WatchStream, ApiError> {
    let watchers = &api.watchers;
    let permit = watchers.admit()?;
    let mut tx = api.begin(caller, "api.watch_asset").await?;
    there(tx.assets().lookup(id).await?)?;
    let first = Arc::new(view(&mut tx, id).await?.ok_or(ApiError::AssetNotFound)?);
    drop(tx);
    // Read again after this, so that what happened since is not missed.
    let newest = watchers.subscribe(caller.tenant(), id);
    Ok(stream_of(first, newest, watchers.stop(), permit))
}

struct Following {
    newest: watch::Receiver<Option<Arc<View>>>,
    shown: Option<Arc<View>>,
    first: Option<Arc<View>>,
    stop: CancellationToken,
    ended: bool,
    _permit: OwnedSemaphorePermit,
}

fn stream_of(
    first: Arc<View>,
    newest: watch::Receiver<Option<Arc<View>>>,
    stop: CancellationToken,
    permit: OwnedSemaphorePermit,
) -> WatchStream {
    let following = Following { newest, shown: None, first: Some(first), stop, ended: false, _permit: permit };
    Box::pin(stream::unfold(following, |mut following| async move {
        if following.ended {
            return None;
        }
        let next = match following.first.take() {
            Some(first) => Ok(first),
            None => following.next().await,
        };
        let item = match next {
            Ok(view) => {
                following.ended = view.last;
                following.shown = Some(Arc::clone(&view));
                Ok(view.response.clone())
            }
            Err(error) => {
                following.ended = true;
                Err(error.into())
            }
        };
        Some((item, following))
    }))
}

impl Following {
    async fn next(&mut self) -> Result<Arc<View>, ApiError> {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return Err(ApiError::Stopping),
                changed = self.newest.changed() => changed.map_err(|_| if self.stop.is_cancelled() { ApiError::Stopping } else { ApiError::AssetNotFound })?,
            }
            let newest = self.newest.borrow_and_update().clone();
            if let Some(view) = newest.filter(|view| self.shown.as_ref() != Some(view)) {
                return Ok(view);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use media_domain::TenantId;
    use uuid::Uuid;

    use super::*;
    use crate::grpc::watchers::{Watchers, tests::seen};

    fn etag(item: Option<Result<WatchAssetResponse, tonic::Status>>) -> String {
        item.unwrap().unwrap().asset.unwrap().etag
    }

    fn follow(watchers: &Watchers, id: AssetId, first: View) -> WatchStream {
        stream_of(Arc::new(first), watchers.subscribe(TenantId(Uuid::from_u128(1)), id), watchers.stop(), watchers.admit().unwrap())
    }

    #[tokio::test]
    async fn a_slow_client_gets_the_newest_state_and_each_only_once() {
        let (watchers, id) = (Watchers::new(CancellationToken::new(), 10), AssetId::generate());
        let mut stream = follow(&watchers, id, seen("1", false));
        assert_eq!(etag(stream.next().await), "1");
        for (tag, last) in [("1", false), ("2", false), ("3", false)] {
            watchers.publish(id, Some(seen(tag, last)));
        }
        assert_eq!(etag(stream.next().await), "3");
        watchers.publish(id, Some(seen("3", false)));
        assert!(futures::poll!(stream.next()).is_pending());
        watchers.publish(id, Some(seen("4", true)));
        assert_eq!(etag(stream.next().await), "4");
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn what_is_final_at_once_is_said_once() {
        let (watchers, id) = (Watchers::new(CancellationToken::new(), 10), AssetId::generate());
        let mut stream = follow(&watchers, id, seen("1", true));
        assert_eq!(etag(stream.next().await), "1");
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn streams_end_with_unavailable_when_the_service_stops() {
        let (watchers, id) = (Watchers::new(CancellationToken::new(), 10), AssetId::generate());
        let mut stream = follow(&watchers, id, seen("1", false));
        assert_eq!(etag(stream.next().await), "1");
        watchers.stop().cancel();
        assert_eq!(stream.next().await.unwrap().unwrap_err().code(), tonic::Code::Unavailable);
        assert!(stream.next().await.is_none());
    }
}
