//! GenerateCaptions: speech is written down for those who ask, and made first where nobody had asked before.

use media_blobs::LanguageTag;
use media_domain::{
    AssetId, JobId, Status,
    asset::Priority,
    plan::{self, One},
    policy::CaptionMode,
    profile::{Profile, ProfileName, Recipe},
};
use media_proto::v1;
use media_storage::{TenantTx, assets::Asset, transcode_jobs::Job, work::CaptionWork};

use super::{Api, asset_id, captions::optional_language, there};
use crate::{
    auth::Caller,
    convert,
    error::{ApiError, Violations},
    once::{self, Once},
};

pub async fn generate(
    api: &Api,
    caller: &Caller,
    mut request: v1::GenerateCaptionsRequest,
) -> Result<v1::GenerateCaptionsResponse, ApiError> {
    let request_id = std::mem::take(&mut request.request_id);
    let once = Once::of(caller, "GenerateCaptions", &request_id, &request);
    let id = asset_id(&request.asset_id)?;
    let mut violations = Violations::default();
    once::check(&request_id, &mut violations);
    let language = optional_language(&request.language, &mut violations);
    let priority = match v1::Priority::try_from(request.priority) {
        Ok(priority) => convert::read_priority(priority).unwrap_or(Priority::Normal),
        Err(_) => {
            violations.add("priority", "is no priority that this version knows");
            Priority::Normal
        }
    };
    violations.into_result()?;
    let mut tx = api.begin(caller, "api.generate_captions").await?;
    // Under its lock, of two calls at once the second sees what the first has noted.
    let asset = there(tx.assets().lock(id).await?)?;
    if let Some(once) = &once
        && let Some(made) = once.made(&mut tx).await?
    {
        return answer(&mut tx, id, |job| job.id.as_uuid() == made).await;
    }
    wanted(&mut tx).await?;
    let (language, priority) = (language.as_ref().map(LanguageTag::as_str), priority.rank());
    let (planned, profile) = match speech_to_make(api, &mut tx, &asset).await? {
        None => (tx.work().plan_captions(id, language, priority).await?, ProfileName::captions()),
        Some(speech) => (tx.work().plan_speech(id, language, priority).await?, speech),
    };
    match planned {
        CaptionWork::Planned(work) => tx.transcode_jobs().plan(id, work, &profile, false).await?,
        CaptionWork::UnderWay(_) => {}
        CaptionWork::Busy => return Err(ApiError::CaptionsBusy),
    }
    let answer = answer(&mut tx, id, |job| job.profile == profile).await?;
    if let Some(once) = &once
        && let Some(job) = answer.job.as_ref().and_then(|job| job.id.parse::<JobId>().ok())
    {
        once.note(&mut tx, job.as_uuid()).await?;
    }
    tx.commit().await?;
    Ok(answer)
}

async fn answer(tx: &mut TenantTx, asset: AssetId, is_asked: impl Fn(&Job) -> bool) -> Result<v1::GenerateCaptionsResponse, ApiError> {
    let jobs = tx.transcode_jobs().list(asset).await?;
    Ok(v1::GenerateCaptionsResponse { job: jobs.iter().find(|job| is_asked(job)).map(convert::job) })
}

/// # Errors
/// [`ApiError::CaptionsOff`] where the tenant has decided against captions: then nothing is made for them, whoever asks.
pub async fn wanted(tx: &mut TenantTx) -> Result<(), ApiError> {
    match tx.tenant_policies().current().await?.policy.captions {
        CaptionMode::Off => Err(ApiError::CaptionsOff),
        CaptionMode::Automatic | CaptionMode::OnRequest => Ok(()),
    }
}

/// What has to be made before there is something to hear; `None` where it is there.
async fn speech_to_make(api: &Api, tx: &mut TenantTx, asset: &Asset) -> Result<Option<ProfileName>, ApiError> {
    match asset.status {
        Status::Ready | Status::Transcoding => {}
        Status::Quarantined => return Err(ApiError::Quarantined),
        other => return Err(ApiError::NotReady(other)),
    }
    let is_speech = |profile: &&Profile| matches!(profile.make, Recipe::Pcm { .. });
    let of_kind = api.profiles.of_kind(asset.kind);
    let Some(speech) = of_kind.into_iter().find(is_speech) else { return Err(ApiError::VariantNotFound) };
    if tx.variants().lookup(asset.id, &speech.name).await?.is_some() {
        return Ok(None);
    }
    if asset.status != Status::Ready {
        return Err(ApiError::NotReady(asset.status));
    }
    match plan::one(asset.kind, asset.info.as_ref(), &api.profiles, &speech.name) {
        One::Make(_) => {
            tx.refuse_if_archived(asset)?;
            Ok(Some(speech.name.clone()))
        }
        One::Skip(_) | One::Unknown => Err(ApiError::VariantNotFound),
    }
}
