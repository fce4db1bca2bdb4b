//! `media upload`: hands files over, one after the other, and follows them if asked to. What was interrupted goes on when it is run again.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use media_domain::{Kind, OwnerId, asset::Priority};
use media_proto::v1::{
    AbortUploadRequest, Asset, AssetStatus, CompleteUploadRequest, CreateUploadRequest, CreateUploadResponse, UploadPlan,
};
use sha2::{Digest as _, Sha256};
use tokio::{fs::File, io::AsyncReadExt as _, sync::Mutex};

use crate::{
    api::{Api, call, identity, subject},
    args::Caller,
    asset_text,
    failure::{Failure, of_file},
    file_kind,
    follow::outcome,
    output,
    part_plan::PartPlan,
    progress::Progress,
    provenance::Provenance,
    resume::Attempt,
    transfer::{Transfer, http_client},
    verbs::watch,
    words,
};

const READ_BYTES: usize = 1 << 20;

#[derive(Debug, clap::Args)]
pub struct Upload {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What they are: image, audio, video, document, subtitle; without it, by their bytes and names. Of what AI made: ai_image, ai_audio
    #[arg(long)]
    kind: Option<Kind>,
    /// Whose they are; without it, the token's subject
    #[arg(long, value_name = "ULID", env = "MEDIA_OWNER")]
    owner: Option<OwnerId>,
    /// Make this profile and the required ones, instead of all; may be given several times
    #[arg(long = "profile", value_name = "PROFILE")]
    profiles: Vec<String>,
    /// Whose turn comes first: interactive, normal, backfill
    #[arg(long, default_value = "normal")]
    priority: Priority,
    /// Do not read a file beforehand for its SHA-256: neither damage on the way nor bytes that are already there will be found
    #[arg(long)]
    no_hash: bool,
    #[command(flatten)]
    provenance: Provenance,
    /// Follow each file until it is done
    #[arg(long, short)]
    watch: bool,
}

/// What is known of a file before it is announced.
struct LocalFile {
    name: String,
    size_bytes: u64,
    kind: Kind,
    sha256: String,
    modified: SystemTime,
}

impl Upload {
    pub async fn run(self, api: &Api, caller: &Caller, json: bool) -> Result<(), Failure> {
        let owner = self.owner.or_else(|| caller.token.as_deref().and_then(subject)).ok_or_else(|| {
            Failure::Usage("whose files are they? Say --owner ULID or set MEDIA_OWNER (the token's subject is no ULID)".into())
        })?;
        let mut first_failure = None;
        for path in &self.files {
            if let Err(failure) = self.one(api, caller, owner, path, json).await {
                match first_failure {
                    None if self.files.len() == 1 => return Err(failure),
                    None => {
                        failure.report();
                        first_failure = Some(failure);
                    }
                    Some(_) => failure.report(),
                }
            }
        }
        match first_failure {
            None => Ok(()),
            Some(failure) => Err(failure.in_short("not all files were handed over")),
        }
    }

    async fn one(&self, api: &Api, caller: &Caller, owner: OwnerId, path: &Path, json: bool) -> Result<(), Failure> {
        let file = self.inspect(path, Progress::of(json)).await?;
        let announced = CreateUploadRequest {
            kind: words::kind_named(file.kind).into(),
            filename: file.name.clone(),
            size_bytes: i64::try_from(file.size_bytes).map_err(|_| Failure::Refused(format!("{} is too large", path.display())))?,
            sha256: file.sha256.clone(),
            mime: String::new(),
            owner_user_id: owner.to_string(),
            profiles: self.profiles.clone(),
            priority: words::priority_named(self.priority).into(),
            request_id: String::new(),
            provenance: self.provenance.message(),
        };
        let absolute = path.canonicalize().map_err(|error| of_file(path, &error))?;
        let mut attempt = Attempt::of(&identity(caller), &absolute, file.modified, &announced);
        let begun = match begin(api, &announced, &mut attempt).await {
            Ok(begun) => begun,
            Err(failure) => {
                if is_final(&failure) {
                    attempt.ended().map_err(unforgotten)?;
                }
                return Err(failure);
            }
        };
        let asset = match begun {
            CreateUploadResponse { asset: Some(created), plan: None } => created,
            CreateUploadResponse { asset: Some(created), plan: Some(plan) } => {
                let sending = Sending { api, asset_id: &created.id, path, file: &file, resumed: attempt.begun_before };
                match sending.run(plan, Progress::of(json)).await {
                    Ok(asset) => asset,
                    Err(failure) => {
                        if is_final(&failure) {
                            attempt.ended().map_err(unforgotten)?;
                        }
                        return Err(failure);
                    }
                }
            }
            CreateUploadResponse { asset: None, .. } => return Err(Failure::Unexpected("the service sent no asset".into())),
        };
        attempt.ended().map_err(unforgotten)?;
        if self.watch {
            return watch::to_the_end(api, &asset.id, json).await.and_then(|asset| outcome(&asset));
        }
        if json { output::json(&asset) } else { output::line(&asset_text::row(&asset)) }
    }

    async fn inspect(&self, path: &Path, progress: Progress) -> Result<LocalFile, Failure> {
        let unreadable = |error: std::io::Error| of_file(path, &error);
        let mut file = File::open(path).await.map_err(unreadable)?;
        let facts = file.metadata().await.map_err(unreadable)?;
        if !facts.is_file() {
            return Err(Failure::Refused(format!("{} is no file", path.display())));
        }
        let mut buffer = vec![0; READ_BYTES];
        let head = read_full(&mut file, &mut buffer).await.map_err(unreadable)?;
        let kind = self
            .kind
            .or_else(|| file_kind::of(&buffer[..head.min(file_kind::HEAD_BYTES)], path))
            .ok_or_else(|| Failure::Usage(format!("{} is of no kind that can be told: say --kind", path.display())))?;
        let sha256 = if self.no_hash {
            String::new()
        } else {
            hash(&mut file, &mut buffer, head, path, facts.len(), progress).await.map_err(unreadable)?
        };
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(LocalFile { name, size_bytes: facts.len(), kind, sha256, modified: facts.modified().map_err(unreadable)? })
    }
}

/// Announces the upload, or finds the one that an earlier run announced.
async fn begin(api: &Api, announced: &CreateUploadRequest, attempt: &mut Attempt) -> Result<CreateUploadResponse, Failure> {
    loop {
        let request = CreateUploadRequest { request_id: attempt.request_id.clone(), ..announced.clone() };
        let answer = call(|| {
            let (mut uploads, request) = (api.uploads.clone(), request.clone());
            async move { uploads.create_upload(request).await }
        })
        .await;
        let over = match &answer {
            Ok(answer) => answer.asset.as_ref().is_some_and(|asset| asset.status() == AssetStatus::Failed),
            Err(Failure::NotFound(_)) => true,
            Err(_) => false,
        };
        if !(over && attempt.begun_before) {
            return answer;
        }
        attempt.anew().map_err(unforgotten)?;
    }
}

/// Whether no further run can bring the upload to its end. After the others, such as a token that ended, it goes on where it was.
fn is_final(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused(_) | Failure::NotFound(_))
}

fn unforgotten(error: std::io::Error) -> Failure {
    Failure::Unexpected(format!("what is kept of uploads that were begun cannot be written: {error}"))
}

/// The SHA-256 of a file whose first `filled` bytes are in the buffer.
async fn hash(
    file: &mut File,
    buffer: &mut [u8],
    mut filled: usize,
    path: &Path,
    size_bytes: u64,
    progress: Progress,
) -> std::io::Result<String> {
    // Too short a wait for lines of its own.
    let progress = if progress == Progress::Lines { Progress::Silent } else { progress };
    let bar = progress.bytes(&format!("hashing {}", path.display()), size_bytes);
    let mut digest = Sha256::new();
    while filled > 0 {
        digest.update(&buffer[..filled]);
        bar.add(u64::try_from(filled).unwrap_or(0));
        filled = read_full(file, buffer).await?;
    }
    bar.finish();
    Ok(hex::encode(digest.finalize()))
}

async fn read_full(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]).await? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// An upload that was announced, and its bytes.
struct Sending<'a> {
    api: &'a Api,
    asset_id: &'a str,
    path: &'a Path,
    file: &'a LocalFile,
    /// Whether the store may have parts of it already.
    resumed: bool,
}

impl Sending<'_> {
    /// Sends the bytes and completes the upload. What cannot succeed is given up, so that it holds nothing.
    async fn run(&self, plan: UploadPlan, progress: Progress) -> Result<Asset, Failure> {
        let bar = progress.bytes(&format!("uploading {}", self.path.display()), self.file.size_bytes);
        let sent = async {
            let parts = PartPlan::of(&plan, self.file.size_bytes)?;
            let signed = Mutex::new(plan.parts.into_iter().map(|part| (part.number, part)).collect());
            let Self { api, asset_id, path, .. } = *self;
            let transfer = Transfer { api, http: &http_client()?, asset_id, path, parts, bar: bar.clone(), signed };
            let there = if self.resumed { transfer.there().await? } else { Vec::new() };
            let parts = tokio::select! {
                parts = transfer.send(there) => parts?,
                _ = tokio::signal::ctrl_c() => {
                    let sentence = format!("{} was interrupted; run it again within a day, and it goes on where it was", path.display());
                    return Err(Failure::TryAgain(sentence));
                }
            };
            bar.finish();
            let request = CompleteUploadRequest { asset_id: asset_id.to_owned(), parts };
            let answer = call(|| {
                let (mut uploads, request) = (api.uploads.clone(), request.clone());
                async move { uploads.complete_upload(request).await }
            })
            .await?;
            answer.asset.ok_or_else(|| Failure::Unexpected("the service sent no asset".into()))
        }
        .await;
        match sent {
            Ok(asset) => Ok(asset),
            Err(failure) => {
                bar.give_up();
                if is_final(&failure) {
                    // The first failure is the one to tell. What cannot be given up now, the service gives up after a day.
                    match self.api.uploads.clone().abort_upload(AbortUploadRequest { asset_id: self.asset_id.to_owned() }).await {
                        Ok(_) | Err(_) => {}
                    }
                }
                Err(failure)
            }
        }
    }
}
