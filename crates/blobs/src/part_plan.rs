//! How an upload is cut into parts. Pure: sizes in, sizes out.
//!
//! All parts but the last are equal, because R2 refuses others. The limits are those of S3
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).

use crate::{BlobError, error::Cause};

const MIB: u64 = 1 << 20;

/// The most parts of one upload.
pub(crate) const MAX_PARTS: u32 = 10_000;
/// The largest object that S3 stores.
pub(crate) const MAX_OBJECT_BYTES: u64 = 5 << 40;
/// The smallest part that may have another behind it.
const MIN_PART_BYTES: u64 = 5 * MIB;
/// The largest part.
pub(crate) const MAX_PART_BYTES: u64 = 5 << 30;
/// What is planned for: under [`MAX_PARTS`], so that an encode may outgrow its estimate by a tenth.
const PLANNED_PARTS: u64 = 9_000;

/// The size in bytes of every part but the last: whole MiB, at least 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartSize(u64);

impl PartSize {
    /// The size for an object of about so many bytes: for an encode, duration × peak bitrate × 1.25 (DESIGN, "S3 / R2").
    pub fn expecting(bytes: u64) -> Self {
        let needed = bytes.div_ceil(PLANNED_PARTS).div_ceil(MIB).saturating_mul(MIB);
        Self(needed.clamp(MIN_PART_BYTES, MAX_PART_BYTES))
    }

    /// The smallest size that holds so many bytes in one part.
    ///
    /// # Errors
    /// [`BlobError::Limit`] for more than 5 GiB.
    pub fn holding(bytes: u64) -> Result<Self, BlobError> {
        match bytes.div_ceil(MIB) * MIB {
            part if part > MAX_PART_BYTES => Err(Cause::TooManyBytes { bytes, limit: MAX_PART_BYTES }.limit()),
            part => Ok(Self(part.max(MIN_PART_BYTES))),
        }
    }

    pub fn bytes(self) -> u64 {
        self.0
    }
}

/// The parts of an object whose size is known. Part numbers count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartPlan {
    size: u64,
    part: PartSize,
}

impl PartPlan {
    /// # Errors
    /// [`BlobError::Invalid`] for 0 bytes, [`BlobError::Limit`] for more than 5 TiB.
    pub fn for_size(size: u64) -> Result<Self, BlobError> {
        match size {
            0 => Err(Cause::Empty.invalid()),
            1..=MAX_OBJECT_BYTES => Ok(Self { size, part: PartSize::expecting(size) }),
            _ => Err(Cause::TooManyBytes { bytes: size, limit: MAX_OBJECT_BYTES }.limit()),
        }
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn part_size(&self) -> PartSize {
        self.part
    }

    /// How many parts there are: 1 to 9,000.
    #[expect(clippy::cast_possible_truncation, reason = "at most PLANNED_PARTS")]
    pub fn count(&self) -> u32 {
        self.size.div_ceil(self.part.0) as u32
    }

    /// The size of one part, if the plan has it.
    pub fn size_of(&self, number: u32) -> Option<u64> {
        let before = u64::from(number.checked_sub(1)?) * self.part.0;
        (before < self.size).then(|| self.part.0.min(self.size - before))
    }

    /// Number and size of each part, in order.
    pub fn parts(&self) -> impl Iterator<Item = (u32, u64)> + use<> {
        let plan = *self;
        (1..=plan.count()).filter_map(move |number| Some((number, plan.size_of(number)?)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_parts_sum_to_the_size_and_all_but_the_last_are_equal(size in prop_oneof![1..=MAX_OBJECT_BYTES, 1..=100 * MIB]) {
            let plan = PartPlan::for_size(size).unwrap();
            let sizes: Vec<u64> = plan.parts().map(|(_, bytes)| bytes).collect();
            prop_assert_eq!(sizes.iter().sum::<u64>(), size);
            prop_assert_eq!(sizes.len(), plan.count() as usize);
            prop_assert!(sizes.len() <= 9_000);
            let (last, equal) = sizes.split_last().unwrap();
            prop_assert!(equal.iter().all(|bytes| *bytes == plan.part_size().bytes()));
            prop_assert!((1..=plan.part_size().bytes()).contains(last));
            prop_assert_eq!(plan.size_of(0), None);
            prop_assert_eq!(plan.size_of(plan.count() + 1), None);
        }

        #[test]
        fn every_part_size_is_whole_mib_that_s3_takes(bytes: u64) {
            let part = PartSize::expecting(bytes).bytes();
            prop_assert!(part.is_multiple_of(MIB) && (MIN_PART_BYTES..=MAX_PART_BYTES).contains(&part));
        }
    }

    #[test]
    fn what_fits_into_9000_parts_of_5_mib_has_them() {
        assert_eq!(PartPlan::for_size(1).unwrap().parts().collect::<Vec<_>>(), [(1, 1)]);
        assert_eq!(PartPlan::for_size(9_000 * 5 * MIB).unwrap().part_size().bytes(), 5 * MIB);
        assert_eq!(PartPlan::for_size(9_000 * 5 * MIB + 1).unwrap().part_size().bytes(), 6 * MIB);
    }

    #[test]
    fn the_largest_object_fits() {
        let plan = PartPlan::for_size(MAX_OBJECT_BYTES).unwrap();
        assert_eq!(plan.part_size().bytes(), 583 * MIB);
        assert_eq!(plan.count(), 8_993);
    }

    #[test]
    fn a_part_holds_what_it_must_in_whole_mib() {
        assert_eq!(PartSize::holding(1).unwrap().bytes(), 5 * MIB);
        assert_eq!(PartSize::holding(7 * MIB + 1).unwrap().bytes(), 8 * MIB);
        assert!(matches!(PartSize::holding(MAX_PART_BYTES + 1), Err(BlobError::Limit(_))));
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        assert!(matches!(PartPlan::for_size(0), Err(BlobError::Invalid(_))));
        assert!(matches!(PartPlan::for_size(MAX_OBJECT_BYTES + 1), Err(BlobError::Limit(_))));
    }

    #[test]
    fn an_encode_may_outgrow_its_estimate_by_a_tenth() {
        let expected = 40 << 30;
        let room = PartSize::expecting(expected).bytes() * u64::from(MAX_PARTS);
        assert!(room >= expected / 10 * 11);
    }
}
