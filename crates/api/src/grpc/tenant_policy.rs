//! The tenant's policy: read whole, changed field by field.

use std::collections::BTreeSet;

use media_domain::{
    Kind, Profiles, TenantId, TenantPolicy,
    limits::max_bytes,
    policy::{self, CaptionMode, CaptionVisibility, MAX_CAPTION_LANGUAGES, MAX_DAYS, MAX_GRACE_DAYS, MAX_PROFILES},
    profile::ProfileName,
};
use media_proto::v1;
use media_storage::tenant_policies::StoredPolicy;

use super::{Api, etag};
use crate::{
    auth::Caller,
    convert,
    error::{ApiError, Violations},
};

/// The fields that a mask may name.
const FIELDS: [&str; 10] = [
    "operational_days",
    "ai_generated_days",
    "grace_days",
    "archive_after_days",
    "quota_bytes",
    "limits",
    "captions",
    "caption_visibility",
    "caption_languages",
    "profiles",
];

pub async fn get(api: &Api, caller: &Caller) -> Result<v1::TenantPolicy, ApiError> {
    let mut tx = api.begin(caller, "api.get_tenant_policy").await?;
    Ok(shown(caller.tenant(), &tx.tenant_policies().current().await?))
}

pub async fn update(api: &Api, caller: &Caller, request: v1::UpdateTenantPolicyRequest) -> Result<v1::TenantPolicy, ApiError> {
    let given = request.policy.unwrap_or_default();
    let fields = fields(&request.update_mask.unwrap_or_default().paths)?;
    let mut tx = api.begin(caller, "api.update_tenant_policy").await?;
    // The usage first: an upload that is admitted at this moment is admitted, and kept, by one policy or by the other.
    tx.quota().lock().await?;
    let before = tx.tenant_policies().current().await?;
    if etag(&given.etag)?.is_some_and(|etag| etag != before.etag) {
        return Err(ApiError::EtagMismatch);
    }
    let policy = changed(before.policy.clone(), &given, &fields, &api.profiles)?;
    let after = tx.tenant_policies().put(&policy, &before.policy, caller.subject()).await?;
    tx.quota().warn(policy.quota_bytes).await?;
    tx.commit().await?;
    Ok(shown(caller.tenant(), &after))
}

fn fields(paths: &[String]) -> Result<Vec<&'static str>, ApiError> {
    if paths == ["*"] {
        return Ok(FIELDS.to_vec());
    }
    let known = paths.iter().map(|path| FIELDS.into_iter().find(|field| field == path)).collect::<Option<Vec<_>>>();
    match known {
        Some(fields) if !fields.is_empty() => Ok(fields),
        _ => Err(Violations::of("update_mask", format!("must name one or more of {}, or be *", FIELDS.join(", ")))),
    }
}

/// The policy with those fields as given; one that is not given goes back to its default.
fn changed(
    mut policy: TenantPolicy,
    given: &v1::TenantPolicy,
    fields: &[&'static str],
    known: &Profiles,
) -> Result<TenantPolicy, ApiError> {
    let default = TenantPolicy::default();
    let mut violations = Violations::default();
    for &field in fields {
        let mut days = |given: Option<i32>, least: u32, most: u32, default: u32| match given.map(u32::try_from) {
            None => default,
            Some(Ok(days)) if (least..=most).contains(&days) => days,
            Some(_) => {
                violations.add(field, format!("must be {least} to {most}"));
                default
            }
        };
        match field {
            "operational_days" => policy.operational_days = days(given.operational_days, 1, MAX_DAYS, default.operational_days),
            "ai_generated_days" => policy.ai_generated_days = days(given.ai_generated_days, 1, MAX_DAYS, default.ai_generated_days),
            "grace_days" => policy.grace_days = days(given.grace_days, 0, MAX_GRACE_DAYS, default.grace_days),
            "archive_after_days" => policy.archive_after_days = days(given.archive_after_days, 1, MAX_DAYS, default.archive_after_days),
            "quota_bytes" => {
                policy.quota_bytes = given.quota_bytes.map(u64::try_from).transpose().unwrap_or(Some(0));
                if policy.quota_bytes == Some(0) {
                    violations.add(field, "must be at least 1");
                }
            }
            "limits" => limits(&mut policy, &given.limits, &mut violations),
            "captions" => match v1::CaptionMode::try_from(given.captions) {
                Ok(mode) => policy.captions = caption_mode(mode).unwrap_or(default.captions),
                Err(_) => violations.add(field, "is none that this version knows"),
            },
            "caption_visibility" => match v1::CaptionVisibility::try_from(given.caption_visibility) {
                Ok(visibility) => policy.caption_visibility = caption_visibility(visibility).unwrap_or(default.caption_visibility),
                Err(_) => violations.add(field, "is none that this version knows"),
            },
            "caption_languages" => languages(&mut policy, &given.caption_languages, &mut violations),
            _ => profiles(&mut policy, &given.profiles, known, &mut violations),
        }
    }
    violations.into_result()?;
    Ok(policy)
}

fn limits(policy: &mut TenantPolicy, given: &[v1::KindLimit], violations: &mut Violations) {
    policy.max_bytes.clear();
    for limit in given {
        let Some(kind) = v1::AssetKind::try_from(limit.kind).ok().and_then(convert::read_kind) else {
            violations.add("limits", "holds a kind that this version does not know");
            continue;
        };
        let own = max_bytes(kind);
        match u64::try_from(limit.max_bytes).ok().filter(|bytes| (1..=own).contains(bytes)) {
            None => violations.add("limits", format!("of {kind} must be 1 to {own}, the service's own")),
            Some(bytes) if policy.max_bytes.insert(kind, bytes).is_none() => {}
            Some(_) => violations.add("limits", format!("holds {kind} twice")),
        }
    }
}

fn languages(policy: &mut TenantPolicy, given: &[String], violations: &mut Violations) {
    if given.len() > MAX_CAPTION_LANGUAGES {
        violations.add("caption_languages", format!("has {}, the limit is {MAX_CAPTION_LANGUAGES}", given.len()));
    } else if !given.iter().all(|language| policy::is_language_tag(language)) {
        violations.add("caption_languages", "holds what is no language tag, such as en or de-CH");
    }
    policy.caption_languages = given.to_vec();
}

fn profiles(policy: &mut TenantPolicy, given: &[String], known: &Profiles, violations: &mut Violations) {
    policy.profiles.clear();
    if given.len() > MAX_PROFILES {
        return violations.add("profiles", format!("has {}, the limit is {MAX_PROFILES}", given.len()));
    }
    let all: BTreeSet<&ProfileName> = Kind::ALL.iter().flat_map(|kind| known.of_kind(*kind)).map(|profile| &profile.name).collect();
    for name in given {
        match all.iter().find(|known| known.as_str() == name) {
            Some(&known) if policy.profiles.contains(known) => {}
            Some(&known) => policy.profiles.push(known.clone()),
            None => {
                return violations
                    .add("profiles", format!("may hold {}", all.into_iter().map(ProfileName::as_str).collect::<Vec<_>>().join(", ")));
            }
        }
    }
}

fn caption_mode(mode: v1::CaptionMode) -> Option<CaptionMode> {
    match mode {
        v1::CaptionMode::Unspecified => None,
        v1::CaptionMode::Automatic => Some(CaptionMode::Automatic),
        v1::CaptionMode::OnRequest => Some(CaptionMode::OnRequest),
        v1::CaptionMode::Off => Some(CaptionMode::Off),
    }
}

fn caption_visibility(visibility: v1::CaptionVisibility) -> Option<CaptionVisibility> {
    match visibility {
        v1::CaptionVisibility::Unspecified => None,
        v1::CaptionVisibility::Approved => Some(CaptionVisibility::Approved),
        v1::CaptionVisibility::All => Some(CaptionVisibility::All),
    }
}

fn shown(tenant: TenantId, stored: &StoredPolicy) -> v1::TenantPolicy {
    let policy = &stored.policy;
    let limit = |(kind, bytes): (&Kind, &u64)| v1::KindLimit { kind: convert::kind(*kind).into(), max_bytes: bytes.cast_signed() };
    let captions = match policy.captions {
        CaptionMode::Automatic => v1::CaptionMode::Automatic,
        CaptionMode::OnRequest => v1::CaptionMode::OnRequest,
        CaptionMode::Off => v1::CaptionMode::Off,
    };
    let caption_visibility = match policy.caption_visibility {
        CaptionVisibility::Approved => v1::CaptionVisibility::Approved,
        CaptionVisibility::All => v1::CaptionVisibility::All,
    };
    v1::TenantPolicy {
        tenant_id: tenant.to_string(),
        operational_days: Some(policy.operational_days.cast_signed()),
        ai_generated_days: Some(policy.ai_generated_days.cast_signed()),
        grace_days: Some(policy.grace_days.cast_signed()),
        archive_after_days: Some(policy.archive_after_days.cast_signed()),
        quota_bytes: policy.quota_bytes.map(u64::cast_signed),
        limits: policy.max_bytes.iter().map(limit).collect(),
        captions: captions.into(),
        caption_visibility: caption_visibility.into(),
        caption_languages: policy.caption_languages.clone(),
        profiles: policy.profiles.iter().map(ToString::to_string).collect(),
        etag: stored.etag.to_string(),
        update_time: stored.updated_at.map(convert::timestamp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(given: &v1::TenantPolicy) -> Vec<&'static str> {
        match changed(TenantPolicy::default(), given, &FIELDS, &Profiles::built_in().unwrap()) {
            Ok(_) => Vec::new(),
            Err(ApiError::Invalid(violations)) => violations.0.iter().map(|violation| violation.field).collect(),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn every_field_at_fault_is_named_at_once() {
        let given = v1::TenantPolicy {
            operational_days: Some(0),
            ai_generated_days: Some(-1),
            grace_days: Some(3_651),
            archive_after_days: Some(36_501),
            quota_bytes: Some(0),
            limits: vec![v1::KindLimit { kind: v1::AssetKind::Image.into(), max_bytes: i64::MAX }],
            captions: 99,
            caption_visibility: 99,
            caption_languages: vec!["English".into()],
            profiles: vec!["the best".into()],
            ..v1::TenantPolicy::default()
        };
        assert_eq!(faults(&given), FIELDS);
        assert!(faults(&v1::TenantPolicy { quota_bytes: Some(-1), ..v1::TenantPolicy::default() }).contains(&"quota_bytes"));
    }

    #[test]
    fn what_is_not_named_stays_and_what_is_named_and_not_given_is_the_default_again() {
        let before = TenantPolicy { operational_days: 7, grace_days: 3, quota_bytes: Some(9), ..TenantPolicy::default() };
        let known = Profiles::built_in().unwrap();
        let given = v1::TenantPolicy { ai_generated_days: Some(5), ..v1::TenantPolicy::default() };
        let after = changed(before.clone(), &given, &["ai_generated_days", "grace_days", "quota_bytes"], &known).unwrap();
        assert_eq!(after, TenantPolicy { ai_generated_days: 5, grace_days: policy::GRACE_DAYS, quota_bytes: None, ..before.clone() });
        assert_eq!(changed(before, &v1::TenantPolicy::default(), &FIELDS, &known).unwrap(), TenantPolicy::default());
    }

    #[test]
    fn a_mask_names_fields_of_the_policy_and_at_least_one() {
        let of = |paths: &[&str]| fields(&paths.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(of(&["grace_days"]).unwrap(), ["grace_days"]);
        assert_eq!(of(&["*"]).unwrap(), FIELDS);
        for bad in [&[][..], &["etag"], &["grace_days", "nonsense"], &["*", "grace_days"]] {
            assert!(of(bad).is_err(), "{bad:?}");
        }
    }
}
