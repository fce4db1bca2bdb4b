//! Whether the parts that the store has are those of the upload: all, of their sizes, and those that the caller sent.

use std::collections::{HashMap, HashSet};

use media_blobs::{Part, PartPlan};
use media_proto::v1;
use media_storage::uploads::Upload;

use crate::error::{ApiError, Violations};

/// The plan that the upload began with: its parts are cut as they were then.
pub fn plan_of(upload: &Upload) -> Result<PartPlan, ApiError> {
    let plan = PartPlan::for_size(upload.size_bytes)?;
    if plan.part_size().bytes() == upload.part_size_bytes && plan.count() == upload.part_count {
        Ok(plan)
    } else {
        Err(ApiError::Defect(format!("upload {} was planned in parts of {} bytes", upload.id, upload.part_size_bytes).into()))
    }
}

/// Every part of the plan is there, with its size, and no other.
pub fn parts_fit(plan: &PartPlan, found: &[Part]) -> Result<(), ApiError> {
    let there: HashSet<u32> = found.iter().map(|part| part.number).collect();
    let missing: Vec<u32> = (1..=plan.count()).filter(|number| !there.contains(number)).collect();
    if !missing.is_empty() {
        return Err(ApiError::PartsMissing(missing));
    }
    for part in found {
        match plan.size_of(part.number) {
            Some(size) if size == part.size => {}
            Some(size) => return Err(ApiError::SizeMismatch(format!("part {} has {} bytes, not {size}", part.number, part.size))),
            None => return Err(ApiError::SizeMismatch(format!("part {} is beyond the {} that were planned", part.number, plan.count()))),
        }
    }
    Ok(())
}

/// Where the caller says which parts it sent, they are all of the plan and the store has exactly those.
pub fn parts_are_as_claimed(plan: &PartPlan, found: &[Part], claimed: &[v1::CompletedPart]) -> Result<(), ApiError> {
    if claimed.is_empty() {
        return Ok(());
    }
    if let Some(stranger) = claimed.iter().find(|part| !u32::try_from(part.number).is_ok_and(|number| plan.size_of(number).is_some())) {
        return Err(Violations::of("parts", format!("names part {}, which is not one of 1 to {}", stranger.number, plan.count())));
    }
    let etags: HashMap<u32, &str> = claimed.iter().map(|claim| (claim.number.cast_unsigned(), claim.etag.as_str())).collect();
    let mut unclaimed = Vec::new();
    for part in found {
        match etags.get(&part.number) {
            None => unclaimed.push(part.number),
            Some(etag) if etag.trim_matches('"') == part.etag.trim_matches('"') => {}
            Some(_) => return Err(ApiError::PartChanged(part.number)),
        }
    }
    if unclaimed.is_empty() { Ok(()) } else { Err(ApiError::PartsMissing(unclaimed)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn part(number: u32, size: u64) -> Part {
        Part { number, size, etag: format!("\"etag {number}\"") }
    }

    fn claim(number: i32, etag: &str) -> v1::CompletedPart {
        v1::CompletedPart { number, etag: etag.into() }
    }

    #[test]
    fn missing_parts_are_all_named() {
        let plan = PartPlan::for_size(12 * MIB).unwrap();
        assert!(matches!(parts_fit(&plan, &[part(2, 5 * MIB)]), Err(ApiError::PartsMissing(numbers)) if numbers == [1, 3]));
        assert!(parts_fit(&plan, &[part(1, 5 * MIB), part(2, 5 * MIB), part(3, 2 * MIB)]).is_ok());
    }

    #[test]
    fn a_part_of_another_size_and_one_too_many_are_refused() {
        let plan = PartPlan::for_size(6 * MIB).unwrap();
        assert!(matches!(parts_fit(&plan, &[part(1, 5 * MIB), part(2, 2 * MIB)]), Err(ApiError::SizeMismatch(_))));
        assert!(matches!(parts_fit(&plan, &[part(1, 5 * MIB), part(2, MIB), part(3, 1)]), Err(ApiError::SizeMismatch(_))));
    }

    #[test]
    fn what_the_caller_says_it_sent_is_held_against_the_store() {
        let plan = PartPlan::for_size(6 * MIB).unwrap();
        let found = [part(1, 5 * MIB), part(2, MIB)];
        assert!(parts_are_as_claimed(&plan, &found, &[]).is_ok());
        assert!(parts_are_as_claimed(&plan, &found, &[claim(2, "etag 2"), claim(1, "\"etag 1\"")]).is_ok());
        assert!(
            matches!(parts_are_as_claimed(&plan, &found, &[claim(1, "etag 1")]), Err(ApiError::PartsMissing(numbers)) if numbers == [2])
        );
        assert!(matches!(parts_are_as_claimed(&plan, &found, &[claim(1, "etag 1"), claim(2, "other")]), Err(ApiError::PartChanged(2))));
        for number in [0, 3, -1] {
            assert!(matches!(parts_are_as_claimed(&plan, &found, &[claim(number, "x")]), Err(ApiError::Invalid(_))), "{number}");
        }
    }
}
