//! Which bytes of a file each part of an upload has.

use media_proto::v1::UploadPlan;

use crate::failure::Failure;

/// Equal parts, the last one shorter; checked against the file, so that a plan which does not fit it is never begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartPlan {
    size_bytes: u64,
    part_size_bytes: u64,
    part_count: i32,
}

impl PartPlan {
    /// # Errors
    /// [`Failure::Unexpected`] where the service's plan does not make up the file.
    pub fn of(plan: &UploadPlan, size_bytes: u64) -> Result<Self, Failure> {
        let part_size_bytes = u64::try_from(plan.part_size_bytes).unwrap_or(0);
        let part_count = u64::try_from(plan.part_count).unwrap_or(0);
        if part_size_bytes == 0 || size_bytes.div_ceil(part_size_bytes) != part_count {
            return Err(Failure::Unexpected(format!(
                "the service planned {} parts of {} bytes for a file of {size_bytes} bytes",
                plan.part_count, plan.part_size_bytes
            )));
        }
        Ok(Self { size_bytes, part_size_bytes, part_count: plan.part_count })
    }

    /// From 1.
    pub fn numbers(&self) -> std::ops::RangeInclusive<i32> {
        1..=self.part_count
    }

    /// At most `count` numbers from `first` on.
    pub fn numbers_from(&self, first: i32, count: i32) -> Vec<i32> {
        (first..first.saturating_add(count).min(self.part_count.saturating_add(1))).collect()
    }

    /// Where a part begins in the file, and how long it is. Nothing for a number that is not in the plan.
    pub fn bytes(&self, number: i32) -> Option<(u64, u64)> {
        if !self.numbers().contains(&number) {
            return None;
        }
        let offset = u64::try_from(number - 1).ok()? * self.part_size_bytes;
        Some((offset, self.part_size_bytes.min(self.size_bytes - offset)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(part_size_bytes: i64, part_count: i32) -> UploadPlan {
        UploadPlan { part_size_bytes, part_count, ..UploadPlan::default() }
    }

    #[test]
    fn the_parts_make_up_the_file_without_a_gap() {
        for (size, part_size, count) in [(1, 5, 1), (5, 5, 1), (11, 5, 3), (10, 5, 2), (999, 1, 999)] {
            let parts = PartPlan::of(&plan(part_size, count), size).unwrap();
            let mut end = 0;
            for number in parts.numbers() {
                let (offset, length) = parts.bytes(number).unwrap();
                assert_eq!(offset, end);
                assert!(length > 0);
                end += length;
            }
            assert_eq!(end, size);
            assert_eq!((parts.bytes(0), parts.bytes(count + 1)), (None, None));
        }
    }

    #[test]
    fn a_plan_that_does_not_make_up_the_file_is_refused() {
        for (size, part_size, count) in [(11, 5, 2), (11, 5, 4), (11, 0, 0), (11, -5, 3), (0, 5, 1)] {
            assert!(PartPlan::of(&plan(part_size, count), size).is_err(), "{size} {part_size} {count}");
        }
    }

    #[test]
    fn a_batch_ends_with_the_last_part() {
        let parts = PartPlan::of(&plan(1, 120), 120).unwrap();
        assert_eq!(parts.numbers_from(51, 100), (51..=120).collect::<Vec<_>>());
        assert_eq!(parts.numbers_from(120, 100), [120]);
        assert!(parts.numbers_from(121, 100).is_empty());
    }
}
