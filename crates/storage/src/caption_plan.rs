//! In which languages speech is written down: in the one that was asked for, else in those of the tenant's policy, one after the other,
//! else in the one that the model finds.

use media_domain::{
    Status,
    policy::CaptionMode,
    profile::ProfileName,
    work::{Group, UNDETERMINED},
};

use crate::{
    StorageError, TenantTx,
    work::{CaptionWork, Lease},
};

impl TenantTx {
    /// Plans the captions that follow the making of `speech`, where the tenant wants any. Text that was made before stays, for a person
    /// may have edited it, unless captions were asked for with this speech.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if the asset is not there.
    pub async fn captions_follow(&mut self, speech: &Lease, priority: i16) -> Result<(), StorageError> {
        let policy = self.tenant_policies().current().await?.policy;
        let captions = ProfileName::captions();
        let asked = speech.language.as_deref();
        if policy.captions == CaptionMode::Off || (asked.is_none() && self.transcode_jobs().is_made(speech.asset, &captions).await?) {
            return Ok(());
        }
        let language = match asked {
            Some(UNDETERMINED) => None,
            Some(language) => Some(language),
            None => policy.caption_languages.first().map(String::as_str),
        };
        if let CaptionWork::Planned(work) = self.work().plan_captions(speech.asset, language, priority).await? {
            self.transcode_jobs().plan(speech.asset, work, &captions, false).await?;
        }
        Ok(())
    }

    /// Plans captions in the language of the policy that comes after the one in which captions have just ended, well or not, if they are
    /// made of themselves and nothing is there in it yet.
    ///
    /// # Errors
    /// [`StorageError::Missing`] if the asset is not there.
    pub async fn next_language(&mut self, ended: &Lease) -> Result<(), StorageError> {
        let (Group::Captions, Some(language)) = (ended.group, &ended.language) else { return Ok(()) };
        let policy = self.tenant_policies().current().await?.policy;
        if policy.captions != CaptionMode::Automatic {
            return Ok(());
        }
        let asset = self.assets().lookup(ended.asset).await?.ok_or(StorageError::Missing { what: "asset" })?;
        if !matches!(asset.status, Status::Transcoding | Status::Ready) {
            return Ok(());
        }
        for next in policy.caption_languages.iter().skip_while(|listed| *listed != language).skip(1) {
            if self.transcripts().is_in(ended.asset, next).await? {
                continue;
            }
            if let CaptionWork::Planned(work) = self.work().plan_captions(ended.asset, Some(next), asset.priority).await? {
                self.transcode_jobs().plan_again(ended.asset, work, &ProfileName::captions()).await?;
            }
            break;
        }
        Ok(())
    }
}
