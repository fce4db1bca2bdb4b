//! Until when an asset is kept. One pure function of its class, its references and its tenant's policy.
//!
//! A hold is not in it: it beats every deletion, whatever this says, and is looked at by whoever deletes.

use time::{Duration, OffsetDateTime};

use crate::{asset::RetentionClass, policy::TenantPolicy};

/// What decides how long an asset is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    pub class: RetentionClass,
    pub created_at: OffsetDateTime,
    /// When it was last brought back from deletion.
    pub undeleted_at: Option<OffsetDateTime>,
    /// Whether a bundle needs it, and has not said until when.
    pub is_needed: bool,
    /// When the last of its references ends, of those that say so.
    pub needed_until: Option<OffsetDateTime>,
    /// When the last of those references ended that are over.
    pub reference_ended_at: Option<OffsetDateTime>,
}

/// The moment from which an asset may be deleted; `None`: as long as nobody deletes it, or a bundle needs it.
///
/// - `authored`: never of itself.
/// - while a bundle needs it without an end: never.
/// - `operational` and `ai_generated`: the policy's days after the last reference ended, or after it was made if there was none.
/// - `bundle`: until the last reference ends. Before there was one, as `operational`: a bundle takes up what was just uploaded.
///
/// Brought back from deletion, its days count from then, if that is later.
pub fn retention_until(kept: &Kept, policy: &TenantPolicy) -> Option<OffsetDateTime> {
    if kept.class == RetentionClass::Authored || kept.is_needed {
        return None;
    }
    let days = match kept.class {
        RetentionClass::AiGenerated => policy.ai_generated_days,
        _ => policy.operational_days,
    };
    let after = |moment: OffsetDateTime| moment.saturating_add(Duration::days(days.into()));
    let ended = kept.needed_until.max(kept.reference_ended_at);
    match (kept.class, ended) {
        (RetentionClass::Bundle, Some(ended)) => Some(kept.undeleted_at.map_or(ended, |undeleted| ended.max(after(undeleted)))),
        (_, ended) => {
            // Never before it was made, whatever a reference said of its end.
            let begun = ended.map_or(kept.created_at, |ended| ended.max(kept.created_at));
            Some(after(kept.undeleted_at.map_or(begun, |undeleted| begun.max(undeleted))))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const MADE: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);
    const LATER: OffsetDateTime = datetime!(2026-03-01 00:00 UTC);
    const LATEST: OffsetDateTime = datetime!(2026-05-01 00:00 UTC);

    fn kept(class: RetentionClass) -> Kept {
        Kept { class, created_at: MADE, undeleted_at: None, is_needed: false, needed_until: None, reference_ended_at: None }
    }

    fn until(kept: &Kept) -> Option<OffsetDateTime> {
        retention_until(kept, &TenantPolicy { ai_generated_days: 10, ..TenantPolicy::default() })
    }

    #[test]
    fn what_was_never_needed_is_kept_for_the_days_of_its_class_after_it_was_made() {
        assert_eq!(until(&kept(RetentionClass::Operational)), Some(MADE + Duration::days(90)));
        assert_eq!(until(&kept(RetentionClass::AiGenerated)), Some(MADE + Duration::days(10)));
        assert_eq!(until(&kept(RetentionClass::Bundle)), Some(MADE + Duration::days(90)));
    }

    #[test]
    fn the_days_count_from_the_end_of_the_last_reference_also_of_one_that_is_still_to_end() {
        let ended = Kept { reference_ended_at: Some(LATER), ..kept(RetentionClass::Operational) };
        assert_eq!(until(&ended), Some(LATER + Duration::days(90)));
        let ending = Kept { needed_until: Some(LATEST), ..ended };
        assert_eq!(until(&ending), Some(LATEST + Duration::days(90)));
        let over = Kept { needed_until: Some(LATER), reference_ended_at: Some(LATEST), ..ended };
        assert_eq!(until(&over), Some(LATEST + Duration::days(90)));
    }

    #[test]
    fn what_belongs_to_bundles_is_kept_until_its_last_reference_ends() {
        let bundle = Kept { needed_until: Some(LATEST), reference_ended_at: Some(LATER), ..kept(RetentionClass::Bundle) };
        assert_eq!(until(&bundle), Some(LATEST));
        assert_eq!(until(&Kept { needed_until: None, ..bundle }), Some(LATER));
    }

    #[test]
    fn what_is_authored_and_what_a_bundle_needs_without_an_end_is_kept() {
        for class in RetentionClass::ALL {
            let needed = Kept { is_needed: true, needed_until: Some(LATER), reference_ended_at: Some(LATEST), ..kept(*class) };
            assert_eq!(until(&needed), None, "{class}");
        }
        assert_eq!(until(&Kept { reference_ended_at: Some(LATER), ..kept(RetentionClass::Authored) }), None);
    }

    #[test]
    fn what_was_brought_back_is_not_deleted_again_at_once() {
        for class in [RetentionClass::Operational, RetentionClass::Bundle] {
            let back = Kept { undeleted_at: Some(LATEST), reference_ended_at: Some(MADE), ..kept(class) };
            assert_eq!(until(&back), Some(LATEST + Duration::days(90)), "{class}");
        }
    }

    fn moment() -> impl Strategy<Value = OffsetDateTime> {
        (0_i64..10_000).prop_map(|hours| MADE + Duration::hours(hours))
    }

    fn any_kept() -> impl Strategy<Value = Kept> {
        let class = proptest::sample::select(RetentionClass::ALL);
        (class, moment(), proptest::option::of(moment()), any::<bool>(), proptest::option::of(moment()), proptest::option::of(moment()))
            .prop_map(|(class, created_at, undeleted_at, is_needed, needed_until, reference_ended_at)| Kept {
                class,
                created_at,
                undeleted_at,
                is_needed,
                needed_until,
                reference_ended_at,
            })
    }

    proptest! {
        #[test]
        fn nothing_ends_before_its_last_reference_does(kept in any_kept(), days in 1_u32..500) {
            let policy = TenantPolicy { operational_days: days, ai_generated_days: days, ..TenantPolicy::default() };
            if let Some(until) = retention_until(&kept, &policy) {
                prop_assert!(kept.needed_until.is_none_or(|end| until >= end));
                prop_assert!(kept.reference_ended_at.is_none_or(|end| until >= end));
                prop_assert!(kept.undeleted_at.is_none_or(|back| until > back));
            }
        }

        #[test]
        fn another_reference_or_more_days_never_shorten_it(kept in any_kept(), end in moment(), days in 1_u32..500, more in 0_u32..500) {
            let of = |days| TenantPolicy { operational_days: days, ai_generated_days: days, ..TenantPolicy::default() };
            // Class `bundle` alone is let go with its reference, where before it had days to find its first.
            prop_assume!(kept.class != RetentionClass::Bundle || kept.needed_until.max(kept.reference_ended_at).is_some());
            let before = retention_until(&kept, &of(days));
            let is_no_shorter = |after: Option<OffsetDateTime>| after.is_none_or(|after| before.is_some_and(|before| after >= before));
            let longer = Kept { needed_until: kept.needed_until.max(Some(end)), ..kept };
            prop_assert!(is_no_shorter(retention_until(&longer, &of(days))));
            prop_assert!(is_no_shorter(retention_until(&kept, &of(days + more))));
        }
    }
}
