//! `media policy`: what the tenant decided for itself.

use media_domain::{
    Kind,
    policy::{CaptionMode, CaptionVisibility},
};
use media_proto::{
    FieldMask,
    v1::{self, GetTenantPolicyRequest, KindLimit, TenantPolicy, UpdateTenantPolicyRequest},
};

use crate::{
    api::{Api, call},
    failure::Failure,
    output::{self, printable},
    words,
};

#[derive(Debug, clap::Subcommand)]
pub enum Policy {
    /// Show the policy, defaults filled in
    Get,
    /// Change what is given, and nothing else
    Set(Box<Set>),
}

#[derive(Debug, Default, clap::Args)]
pub struct Set {
    /// Days that an operational asset is kept after its last reference
    #[arg(long, value_name = "DAYS")]
    operational_days: Option<i32>,
    /// Days that an asset made by AI is kept after its last reference
    #[arg(long, value_name = "DAYS")]
    ai_generated_days: Option<i32>,
    /// Days in which a deletion can be taken back
    #[arg(long, value_name = "DAYS")]
    grace_days: Option<i32>,
    /// Days without use after which an original goes to the cold tier
    #[arg(long, value_name = "DAYS")]
    archive_after_days: Option<i32>,
    /// The most bytes of originals and open uploads together
    #[arg(long, value_name = "BYTES")]
    quota_bytes: Option<i64>,
    /// The most bytes of a kind, such as video=1000000000; those given replace all before
    #[arg(long = "limit", value_name = "KIND=BYTES", value_parser = limit)]
    limits: Vec<KindLimit>,
    /// When speech is written down: automatic, on_request, off
    #[arg(long)]
    captions: Option<CaptionMode>,
    /// Which tracks players are shown: approved, all
    #[arg(long)]
    caption_visibility: Option<CaptionVisibility>,
    /// A language that captions are made in; those given replace all before
    #[arg(long = "caption-language", value_name = "TAG")]
    caption_languages: Vec<String>,
    /// A profile that is made, beside the required ones, of uploads that name none; those given replace all before
    #[arg(long = "profile", value_name = "NAME")]
    profiles: Vec<String>,
    /// Let a field be as by default again, such as quota_bytes; may be given several times
    #[arg(long = "reset", value_name = "FIELD")]
    reset: Vec<String>,
    /// Only if the policy still has this etag
    #[arg(long, default_value = "")]
    etag: String,
}

impl Policy {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        let policy = match self {
            Policy::Get => {
                let answer = call(|| {
                    let mut retention = api.retention.clone();
                    async move { retention.get_tenant_policy(GetTenantPolicyRequest {}).await }
                })
                .await?;
                answer.policy
            }
            Policy::Set(set) => {
                let request = set.request()?;
                let answer = call(|| {
                    let (mut retention, request) = (api.retention.clone(), request.clone());
                    async move { retention.update_tenant_policy(request).await }
                })
                .await?;
                answer.policy
            }
        };
        let policy = policy.unwrap_or_default();
        if json { output::json(&policy) } else { output::line(&page(&policy)) }
    }
}

impl Set {
    fn request(self) -> Result<UpdateTenantPolicyRequest, Failure> {
        let given = [
            ("operational_days", self.operational_days.is_some()),
            ("ai_generated_days", self.ai_generated_days.is_some()),
            ("grace_days", self.grace_days.is_some()),
            ("archive_after_days", self.archive_after_days.is_some()),
            ("quota_bytes", self.quota_bytes.is_some()),
            ("limits", !self.limits.is_empty()),
            ("captions", self.captions.is_some()),
            ("caption_visibility", self.caption_visibility.is_some()),
            ("caption_languages", !self.caption_languages.is_empty()),
            ("profiles", !self.profiles.is_empty()),
        ];
        if let Some(both) = given.iter().find(|(field, is_given)| *is_given && self.reset.iter().any(|reset| reset == field)) {
            return Err(Failure::Usage(format!("{} is given and reset at once", both.0)));
        }
        let paths: Vec<String> = given.iter().filter(|(_, given)| *given).map(|(field, _)| (*field).to_owned()).chain(self.reset).collect();
        if paths.is_empty() {
            return Err(Failure::Usage("nothing is given to change; see media policy set --help".to_owned()));
        }
        let policy = TenantPolicy {
            operational_days: self.operational_days,
            ai_generated_days: self.ai_generated_days,
            grace_days: self.grace_days,
            archive_after_days: self.archive_after_days,
            quota_bytes: self.quota_bytes,
            limits: self.limits,
            captions: self.captions.map(words::caption_mode_named).unwrap_or_default().into(),
            caption_visibility: self.caption_visibility.map(words::caption_visibility_named).unwrap_or_default().into(),
            caption_languages: self.caption_languages,
            profiles: self.profiles,
            etag: self.etag,
            ..TenantPolicy::default()
        };
        Ok(UpdateTenantPolicyRequest { policy: Some(policy), update_mask: Some(FieldMask { paths }) })
    }
}

fn limit(text: &str) -> Result<KindLimit, String> {
    let (kind, bytes) = text.split_once('=').ok_or("it is no KIND=BYTES")?;
    let kind: Kind = kind.parse().map_err(|error: media_domain::asset::UnknownWord| error.to_string())?;
    let max_bytes = bytes.parse().map_err(|_| format!("{bytes} is no number of bytes"))?;
    Ok(KindLimit { kind: words::kind_named(kind).into(), max_bytes })
}

fn page(policy: &TenantPolicy) -> String {
    let days = |days: Option<i32>| days.unwrap_or_default();
    let mut lines = vec![
        format!("tenant {}  etag {}", policy.tenant_id, policy.etag),
        format!("  operational_days    {}", days(policy.operational_days)),
        format!("  ai_generated_days   {}", days(policy.ai_generated_days)),
        format!("  grace_days          {}", days(policy.grace_days)),
        format!("  archive_after_days  {}", days(policy.archive_after_days)),
        format!("  quota_bytes         {}", policy.quota_bytes.map_or_else(|| "none".to_owned(), |bytes| bytes.to_string())),
        format!("  captions            {}", words::caption_mode(policy.captions())),
        format!("  caption_visibility  {}", words::caption_visibility(policy.caption_visibility())),
    ];
    if !policy.caption_languages.is_empty() {
        lines.push(format!("  caption_languages   {}", printable(&policy.caption_languages.join(", "))));
    }
    if !policy.profiles.is_empty() {
        lines.push(format!("  profiles            {}", printable(&policy.profiles.join(", "))));
    }
    let kind = |limit: &KindLimit| v1::AssetKind::try_from(limit.kind).map(words::kind).unwrap_or_default();
    lines.extend(policy.limits.iter().map(|limit| format!("  limit               {}={}", kind(limit), limit.max_bytes)));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_names_what_was_given_and_what_is_reset() {
        let set = Set { grace_days: Some(3), limits: vec![limit("video=7").unwrap()], reset: vec!["quota_bytes".into()], ..Set::default() };
        let request = set.request().unwrap();
        assert_eq!(request.update_mask.unwrap().paths, ["grace_days", "limits", "quota_bytes"]);
        assert_eq!(request.policy.unwrap().grace_days, Some(3));
        assert!(matches!(Set::default().request(), Err(Failure::Usage(_))));
        let both = Set { quota_bytes: Some(3), reset: vec!["quota_bytes".into()], ..Set::default() };
        assert!(matches!(both.request(), Err(Failure::Usage(sentence)) if sentence.contains("quota_bytes")));
    }

    #[test]
    fn a_limit_is_a_kind_and_its_bytes() {
        assert_eq!(limit("ai_image=5").unwrap(), KindLimit { kind: v1::AssetKind::AiImage.into(), max_bytes: 5 });
        for bad in ["video", "film=5", "video=much"] {
            assert!(limit(bad).is_err(), "{bad}");
        }
    }
}
