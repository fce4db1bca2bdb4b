//! Upload: the bytes come through us, two parts of them in memory at a time. Whoever sends faster than the store takes waits.

use std::time::Instant;

use media_blobs::PartWriter;
use media_proto::v1::{self, upload_request::Content};
use media_storage::{
    assets::Asset,
    uploads::{Upload, UploadState},
};
use tokio::time::timeout;
use tonic::{Code, Streaming};
use tracing::{Instrument as _, Span};

use super::{
    upload_parts::plan_of,
    upload_places::Pace,
    uploads::{Uploads, gone_is_ended, handle},
};
use crate::{
    auth::Caller,
    error::{ApiError, Violations, chain},
};

/// Takes a file from a stream to the begin of its scan. Goes on to a clean end also where the caller is gone.
///
/// # Errors
/// As `CreateUpload` and `CompleteUpload`; [`ApiError::SizeMismatch`]; [`ApiError::StreamBroken`].
pub async fn take(uploads: Uploads, caller: Caller, stream: Streaming<v1::UploadRequest>) -> Result<Asset, ApiError> {
    let taking = async move { from_announcement(&uploads, &caller, stream).await };
    tokio::spawn(taking.instrument(Span::current())).await.map_err(|panicked| ApiError::Defect(panicked.into()))?
}

async fn from_announcement(uploads: &Uploads, caller: &Caller, mut stream: Streaming<v1::UploadRequest>) -> Result<Asset, ApiError> {
    let mut pace = uploads.0.uploads.pace();
    let Some(Content::Announcement(announcement)) = next(&mut stream, &mut pace).await? else {
        return Err(Violations::of("announcement", "must come first"));
    };
    // Who has announced nothing keeps nobody else out.
    let _place = uploads.0.uploads.take(caller.tenant())?;
    let may_go_on = !announcement.request_id.is_empty();
    let opened = uploads.open(caller, announcement).await?;
    let Some(upload) = opened.upload.filter(|upload| upload.state == UploadState::Open) else { return Ok(opened.asset) };
    let id = opened.asset.id;
    let stored = async {
        send(uploads, &upload, &mut stream).await?;
        uploads.complete(caller, v1::CompleteUploadRequest { asset_id: id.to_string(), parts: Vec::new() }).await
    };
    let stored = stored.await;
    if stored.is_err()
        && !may_go_on
        && let Err(second) = uploads.abort(caller, id).await
    {
        tracing::warn!(error = chain(&second), asset.id = %id, "an upload whose stream ended stays until it is swept");
    }
    stored
}

/// Sends what comes, as the parts that were planned.
async fn send(uploads: &Uploads, upload: &Upload, stream: &mut Streaming<v1::UploadRequest>) -> Result<(), ApiError> {
    let mut pace = uploads.0.uploads.pace();
    let mut writer = PartWriter::new(uploads.0.blobs.clone(), handle(upload), plan_of(upload)?.part_size());
    while let Some(content) = next(stream, &mut pace).await? {
        let Content::Chunk(chunk) = content else {
            return Err(Violations::of("announcement", "may come once, as the first message"));
        };
        let total = writer.bytes_written() + chunk.len() as u64;
        if total > upload.size_bytes {
            return Err(ApiError::SizeMismatch(format!("more than the {} bytes that were announced came", upload.size_bytes)));
        }
        writer.write(chunk.into()).await.map_err(gone_is_ended)?;
    }
    if writer.bytes_written() != upload.size_bytes {
        return Err(ApiError::SizeMismatch(format!("{} bytes came, {} were announced", writer.bytes_written(), upload.size_bytes)));
    }
    writer.flush_last().await.map_err(gone_is_ended)?;
    Ok(())
}

/// The next message; `None` where the caller has sent all.
async fn next(stream: &mut Streaming<v1::UploadRequest>, pace: &mut Pace) -> Result<Option<Content>, ApiError> {
    let began = Instant::now();
    match timeout(pace.patience(), stream.message()).await.map_err(|_| ApiError::StreamBroken)? {
        Ok(None) => Ok(None),
        Ok(Some(v1::UploadRequest { content: Some(content) })) => {
            let bytes = if let Content::Chunk(chunk) = &content { chunk.len() } else { 0 };
            pace.came(bytes, began.elapsed());
            Ok(Some(content))
        }
        Ok(Some(v1::UploadRequest { content: None })) => Err(Violations::of("content", "must be given")),
        // Longer than any request may be (tonic's decoder): it came, and is not what was agreed on.
        Err(long) if long.code() == Code::OutOfRange => Err(Violations::of("chunk", "makes a message of more than 2 MiB")),
        Err(broken) => {
            tracing::debug!(error = chain(&broken), "the stream of an upload broke off");
            Err(ApiError::StreamBroken)
        }
    }
}
