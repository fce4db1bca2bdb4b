//! A file on its way to the store: its parts, several at a time, by PUT to signed URLs.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::SeekFrom,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::{StreamExt as _, TryStreamExt as _};
use media_proto::v1::{CompletedPart, SignUploadPartsRequest, SignUploadPartsResponse, SignedPart};
use reqwest::{Body, StatusCode, header};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
    sync::Mutex,
};
use tokio_util::io::ReaderStream;

use crate::{
    api::{Api, call},
    failure::{Failure, chain, of_file},
    part_plan::PartPlan,
    progress::ByteBar,
};

const PARTS_AT_ONCE: usize = 4;
const TRIES_AGAIN: usize = 4;
/// How many parts are signed at once. The service signs 500 at most, and a signature lives ten minutes.
const SIGNED_AT_ONCE: i32 = 50;
/// A signature that ends sooner than this is not used any more.
const SIGNATURE_MARGIN: Duration = Duration::from_secs(30);
const CHUNK_BYTES: usize = 64 << 10;
/// The slowest line that a part is given time for.
const SLOWEST_BYTES_PER_SECOND: u64 = 16 << 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The HTTP client for the object store.
///
/// # Errors
/// Where the machine has nothing to verify certificates by.
pub fn http_client() -> Result<reqwest::Client, Failure> {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .build()
        .map_err(|error| Failure::Unexpected(format!("HTTP cannot be spoken: {}", chain(&error))))
}

/// One file, and where its parts go.
pub struct Transfer<'a> {
    pub api: &'a Api,
    pub http: &'a reqwest::Client,
    pub asset_id: &'a str,
    pub path: &'a Path,
    pub parts: PartPlan,
    pub bar: ByteBar,
    pub signed: Mutex<BTreeMap<i32, SignedPart>>,
}

/// Why a part did not arrive.
enum NotSent {
    /// Another try with a fresh signature may help.
    Again(String),
    Never(Failure),
}

impl Transfer<'_> {
    /// The parts that the store has whole.
    ///
    /// # Errors
    /// What the service says.
    pub async fn there(&self) -> Result<Vec<CompletedPart>, Failure> {
        let there = self.ask(&[]).await?.uploaded_parts.into_iter();
        let whole = there.filter(|part| self.parts.bytes(part.number).is_some_and(|(_, size)| u64::try_from(part.size_bytes) == Ok(size)));
        Ok(whole.map(|part| CompletedPart { number: part.number, etag: part.etag }).collect())
    }

    /// Sends every part but those that are there, and answers what the store gave for each, by number.
    ///
    /// # Errors
    /// The first that does not go away after some tries.
    pub async fn send(&self, there: Vec<CompletedPart>) -> Result<Vec<CompletedPart>, Failure> {
        let known: BTreeSet<i32> = there.iter().map(|part| part.number).collect();
        self.bar.add(known.iter().filter_map(|number| self.parts.bytes(*number)).map(|(_, size)| size).sum());
        let missing = self.parts.numbers().filter(|number| !known.contains(number));
        let mut sent: Vec<CompletedPart> =
            futures::stream::iter(missing).map(|number| self.send_part(number)).buffer_unordered(PARTS_AT_ONCE).try_collect().await?;
        sent.extend(there);
        sent.sort_by_key(|part| part.number);
        Ok(sent)
    }

    async fn send_part(&self, number: i32) -> Result<CompletedPart, Failure> {
        let (offset, size_bytes) =
            self.parts.bytes(number).ok_or_else(|| Failure::Unexpected(format!("part {number} is not in the plan of the upload")))?;
        let mut signed = self.signature(number).await?;
        let mut waits =
            ExponentialBuilder::default().with_jitter().with_min_delay(Duration::from_millis(300)).with_max_times(TRIES_AGAIN).build();
        loop {
            match self.put(&signed, offset, size_bytes).await {
                Ok(etag) => return Ok(CompletedPart { number, etag }),
                Err(NotSent::Never(failure)) => return Err(failure),
                Err(NotSent::Again(why)) => {
                    let wait = waits
                        .next()
                        .ok_or_else(|| Failure::TryAgain(format!("part {number} of {} did not arrive: {why}", self.path.display())))?;
                    tokio::time::sleep(wait).await;
                    signed = self.sign(&[number]).await?.remove(&number).ok_or_else(|| unsigned(number))?;
                }
            }
        }
    }

    /// A signature that lives: one that is at hand, or else this part and the next ones are signed.
    async fn signature(&self, number: i32) -> Result<SignedPart, Failure> {
        let mut at_hand = self.signed.lock().await;
        if let Some(signed) = at_hand.remove(&number).filter(lives) {
            return Ok(signed);
        }
        at_hand.extend(self.sign(&self.parts.numbers_from(number, SIGNED_AT_ONCE)).await?);
        at_hand.remove(&number).ok_or_else(|| unsigned(number))
    }

    async fn sign(&self, part_numbers: &[i32]) -> Result<BTreeMap<i32, SignedPart>, Failure> {
        Ok(self.ask(part_numbers).await?.parts.into_iter().map(|part| (part.number, part)).collect())
    }

    async fn ask(&self, part_numbers: &[i32]) -> Result<SignUploadPartsResponse, Failure> {
        let request = SignUploadPartsRequest { asset_id: self.asset_id.to_owned(), part_numbers: part_numbers.to_vec() };
        call(|| {
            let (mut uploads, request) = (self.api.uploads.clone(), request.clone());
            async move { uploads.sign_upload_parts(request).await }
        })
        .await
    }

    /// One try. What it counted is taken back where it fails.
    async fn put(&self, signed: &SignedPart, offset: u64, size_bytes: u64) -> Result<String, NotSent> {
        let counted = Arc::new(AtomicU64::new(0));
        let answer = self.try_put(signed, offset, size_bytes, &counted).await;
        if answer.is_err() {
            self.bar.take_back(counted.load(Ordering::Relaxed));
        }
        answer
    }

    async fn try_put(&self, signed: &SignedPart, offset: u64, size_bytes: u64, counted: &Arc<AtomicU64>) -> Result<String, NotSent> {
        let unreadable = |error: std::io::Error| NotSent::Never(of_file(self.path, &error));
        let mut file = File::open(self.path).await.map_err(unreadable)?;
        if file.metadata().await.map_err(unreadable)?.len() < offset + size_bytes {
            return Err(NotSent::Never(Failure::Refused(format!("{} became shorter while it was uploaded", self.path.display()))));
        }
        file.seek(SeekFrom::Start(offset)).await.map_err(unreadable)?;

        let (bar, counted) = (self.bar.clone(), Arc::clone(counted));
        let chunks = ReaderStream::with_capacity(file.take(size_bytes), CHUNK_BYTES).inspect_ok(move |chunk| {
            let bytes = u64::try_from(chunk.len()).unwrap_or(0);
            counted.fetch_add(bytes, Ordering::Relaxed);
            bar.add(bytes);
        });
        let answer = self
            .http
            .put(&signed.url)
            .header(header::CONTENT_LENGTH, size_bytes)
            .timeout(CONNECT_TIMEOUT + Duration::from_secs(60 + size_bytes / SLOWEST_BYTES_PER_SECOND))
            .body(Body::wrap_stream(chunks))
            .send()
            .await
            // A URL with a signature is nobody's business.
            .map_err(|error| NotSent::Again(chain(&error.without_url())))?;

        let status = answer.status();
        if status.is_success() {
            let etag = answer.headers().get(header::ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
            return etag.ok_or_else(|| NotSent::Never(Failure::Unexpected("the store took a part and gave no ETag for it".into())));
        }
        let said = answer.text().await.unwrap_or_default();
        let sentence = format!("the store answered {status}{}", store_code(&said).map(|code| format!(" ({code})")).unwrap_or_default());
        if may_pass(status) { Err(NotSent::Again(sentence)) } else { Err(NotSent::Never(Failure::Refused(sentence))) }
    }
}

fn unsigned(number: i32) -> Failure {
    Failure::Unexpected(format!("the service did not sign part {number}"))
}

/// An expired signature is 403, and a fresh one cures it.
fn may_pass(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::FORBIDDEN | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}

fn lives(signed: &SignedPart) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    signed.expire_time.as_ref().is_none_or(|end| u64::try_from(end.seconds).unwrap_or(0) > (now + SIGNATURE_MARGIN).as_secs())
}

/// The `Code` of an S3 error document.
fn store_code(document: &str) -> Option<&str> {
    let (_, rest) = document.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    code.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(code)
}

#[cfg(test)]
#[path = "transfer_tests.rs"]
mod tests;
