use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures::stream::{self, BoxStream};
use media_proto::v1::{asset_service_server::*, *};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use super::*;
use crate::args::Caller;

fn asset(status: AssetStatus) -> Asset {
    let (failure_reason, failure_detail) = ("corrupt".into(), "21 of 180 frames".into());
    Asset { id: "A".into(), status: status.into(), failure_reason, failure_detail, ..Asset::default() }
}

fn update(status: AssetStatus, job: JobStatus) -> WatchAssetResponse {
    WatchAssetResponse { asset: Some(asset(status)), jobs: vec![Job { status: job.into(), ..Job::default() }], variants: vec![] }
}

/// A service whose streams end as the script says, one after the other.
struct Scripted {
    streams: Vec<Vec<Result<WatchAssetResponse, Status>>>,
    opened: Arc<AtomicUsize>,
}

#[tonic::async_trait]
impl AssetService for Scripted {
    type WatchAssetStream = BoxStream<'static, Result<WatchAssetResponse, Status>>;

    async fn watch_asset(&self, _: Request<WatchAssetRequest>) -> Result<Response<Self::WatchAssetStream>, Status> {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let script = self.streams.get(number).ok_or_else(|| Status::not_found("no further stream is in the script"))?;
        Ok(Response::new(Box::pin(stream::iter(script.clone()))))
    }

    async fn get_asset(&self, _: Request<GetAssetRequest>) -> Result<Response<GetAssetResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_assets(&self, _: Request<ListAssetsRequest>) -> Result<Response<ListAssetsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn batch_get_assets(&self, _: Request<BatchGetAssetsRequest>) -> Result<Response<BatchGetAssetsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn update_asset(&self, _: Request<UpdateAssetRequest>) -> Result<Response<UpdateAssetResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn delete_asset(&self, _: Request<DeleteAssetRequest>) -> Result<Response<DeleteAssetResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn reprocess_asset(&self, _: Request<ReprocessAssetRequest>) -> Result<Response<ReprocessAssetResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn request_variant(&self, _: Request<RequestVariantRequest>) -> Result<Response<RequestVariantResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn restore_asset(&self, _: Request<RestoreAssetRequest>) -> Result<Response<RestoreAssetResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn undelete_asset(&self, _: Request<UndeleteAssetRequest>) -> Result<Response<UndeleteAssetResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

/// Follows over the scripted streams. Answers how it ended, the statuses seen, and how many streams were opened.
async fn followed(streams: Vec<Vec<Result<WatchAssetResponse, Status>>>) -> (Result<AssetStatus, Failure>, Vec<AssetStatus>, usize) {
    let opened = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let service = AssetServiceServer::new(Scripted { streams, opened: Arc::clone(&opened) });
    let _service =
        tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener)));
    let api = Api::connect(&Caller { api: Some(url), token: None, tenant: None, tls: Default::default() }).await.unwrap();
    let mut seen = Vec::new();
    let ended = follow(&api, "A", |update| {
        seen.extend(update.asset.as_ref().map(Asset::status));
        Ok(())
    })
    .await;
    (ended.map(|asset| asset.status()), seen, opened.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_stream_that_breaks_or_ends_early_is_opened_again() {
    use AssetStatus::*;
    let (ended, seen, opened) = followed(vec![
        vec![Ok(update(Scanning, JobStatus::Waiting)), Err(Status::unavailable("the pod goes down"))],
        vec![Ok(update(Transcoding, JobStatus::Running))],
        vec![Ok(update(Ready, JobStatus::Running)), Ok(update(Ready, JobStatus::Succeeded))],
    ])
    .await;
    assert_eq!((ended, opened), (Ok(Ready), 3));
    assert_eq!(seen, [Scanning, Transcoding, Ready, Ready]);
}

#[tokio::test]
async fn a_refusal_is_not_asked_again() {
    let (ended, _, opened) = followed(vec![vec![Err(Status::not_found("there is no such asset"))]]).await;
    assert_eq!((ended, opened), (Err(Failure::NotFound("there is no such asset".into())), 1));
}

#[test]
fn an_asset_is_done_when_its_status_is_final_and_no_job_is_under_way() {
    assert!(is_done(&update(AssetStatus::Ready, JobStatus::Succeeded)));
    assert!(!is_done(&update(AssetStatus::Ready, JobStatus::Running)));
    assert!(!is_done(&update(AssetStatus::Transcoding, JobStatus::Succeeded)));
    assert!(!is_done(&WatchAssetResponse::default()));
}

#[test]
fn a_failed_asset_is_said_with_its_reason_and_its_detail() {
    assert_eq!(outcome(&asset(AssetStatus::Failed)), Err(Failure::Refused("A failed: corrupt (21 of 180 frames)".into())));
    assert!(outcome(&asset(AssetStatus::Ready)).is_ok());
}
