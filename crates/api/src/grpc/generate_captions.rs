//! GenerateCaptions: speech is written down for those who ask, and made first where nobody had asked before.

use media_blobs::LanguageTag;
use media_domain::{
    Status,
    asset::Priority,
    plan::{self, One},
    policy::CaptionMode,
    profile::{Profile, ProfileName, Recipe},
};
use media_proto::v1;
use media_storage::{TenantTx, assets::Asset, work::CaptionWork};

use super::{Api, asset_id, captions::optional_language, there};
use crate::{
    auth::Caller,
    convert,
    error::{ApiError, Violations},
};

pub async fn generate(api: &Api, caller: &Caller, request: &v1::GenerateCaptionsRequest) -> Result<v1::GenerateCaptionsResponse, ApiError> {
    let id = asset_id(&request.asset_id)?;
    let mut violations = Violations::default();
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
    let asset = there(tx.assets().lock(id).await?)?;
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
    let jobs = tx.transcode_jobs().list(id).await?;
    tx.commit().await?;
    let job = jobs.iter().find(|job| job.profile == profile);
    Ok(v1::GenerateCaptionsResponse { job: job.map(convert::job) })
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
        One::Make(_) => Ok(Some(speech.name.clone())),
        One::Skip(_) | One::Unknown => Err(ApiError::VariantNotFound),
    }
}
