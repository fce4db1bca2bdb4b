//! What may happen, and sequences of it: drawn by a number, the same each time.

use media_domain::asset::RetentionClass;
use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::state::{Declared, Hour, Policy, Tenant};

pub const TENANTS: usize = 2;
pub const OWNERS: usize = 2;
pub const BUNDLES: usize = 3;
const CLASSES: &[RetentionClass] = &[RetentionClass::Operational, RetentionClass::Bundle, RetentionClass::Authored];

/// Chooses one of those assets that there are: so that a sequence stays one, whatever is taken out of it.
pub type Pick = u16;

#[derive(Clone, Debug)]
pub enum Step {
    /// Announced, and by `calls` also sent and completed.
    Upload {
        tenant: usize,
        owner: usize,
        content: usize,
        declared: Declared,
        calls: u8,
    },
    On {
        tenant: usize,
        pick: Pick,
        act: OnAsset,
    },
    /// By a caller of the other tenant.
    Foreign {
        tenant: usize,
        pick: Pick,
        act: OnAsset,
    },
    SetBundle {
        tenant: usize,
        bundle: usize,
        picks: Vec<(Pick, Option<Hour>)>,
    },
    ChangePolicy {
        tenant: usize,
        policy: Policy,
    },
    EraseOwner {
        tenant: usize,
        owner: usize,
    },
    EraseTenant {
        tenant: usize,
    },
    /// The scanner does all that waits for it.
    Scan,
    /// The janitor does all that is left for it.
    Sweep,
    /// The clock moves on.
    Wait(Hour),
}

#[derive(Clone, Copy, Debug)]
pub enum OnAsset {
    Send,
    Complete,
    Abort,
    Delete,
    Undelete,
    Refer(usize, Option<Hour>),
    Unrefer(usize),
    Hold,
    Release,
    Class(RetentionClass),
    Reprocess,
    Purge,
}

impl Step {
    /// Whom alone it concerns; `None`: all.
    pub fn tenant(&self) -> Option<usize> {
        match self {
            Step::Upload { tenant, .. } | Step::On { tenant, .. } | Step::Foreign { tenant, .. } | Step::SetBundle { tenant, .. } => {
                Some(*tenant)
            }
            Step::ChangePolicy { tenant, .. } | Step::EraseOwner { tenant, .. } | Step::EraseTenant { tenant } => Some(*tenant),
            Step::Scan | Step::Sweep | Step::Wait(_) => None,
        }
    }
}

/// The asset that a pick chooses: mostly one that has a row.
pub fn chosen(tenant: &Tenant, pick: Pick) -> Option<usize> {
    let mut those = tenant.existing();
    if pick.is_multiple_of(16) || those.is_empty() {
        those = (0..tenant.assets.len()).collect();
    }
    // By its place, not by a remainder: with one asset less, most picks choose as before.
    those.get((usize::from(pick) * those.len()) >> Pick::BITS).copied()
}

/// The sequence of a number, of so many steps.
pub fn sequence(number: u64, steps: usize, contents: usize) -> Vec<Step> {
    let seed: Vec<u8> = number.to_le_bytes().repeat(4);
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    vec(step(contents), steps).new_tree(&mut runner).expect("no step is refused").current()
}

fn step(contents: usize) -> impl Strategy<Value = Step> {
    let tenant = || 0..TENANTS;
    let upload = (tenant(), 0..OWNERS, 0..contents, declared(), prop_oneof![2 => Just(0u8), 1 => Just(1), 7 => Just(2)]);
    let picks = vec((pick(), end()), 0..4);
    prop_oneof![
        24 => upload.prop_map(|(tenant, owner, content, declared, calls)| Step::Upload { tenant, owner, content, declared, calls }),
        45 => (tenant(), pick(), on_asset()).prop_map(|(tenant, pick, act)| Step::On { tenant, pick, act }),
        2 => (tenant(), pick(), on_asset()).prop_map(|(tenant, pick, act)| Step::Foreign { tenant, pick, act }),
        3 => (tenant(), 0..BUNDLES, picks).prop_map(|(tenant, bundle, picks)| Step::SetBundle { tenant, bundle, picks }),
        3 => (tenant(), policy()).prop_map(|(tenant, policy)| Step::ChangePolicy { tenant, policy }),
        2 => (tenant(), 0..OWNERS).prop_map(|(tenant, owner)| Step::EraseOwner { tenant, owner }),
        1 => tenant().prop_map(|tenant| Step::EraseTenant { tenant }),
        9 => Just(Step::Scan),
        6 => Just(Step::Sweep),
        6 => prop_oneof![3 => Just(2), 3 => Just(26), 3 => Just(100), 2 => Just(31 * 24), 1 => Just(92 * 24)].prop_map(Step::Wait),
    ]
}

fn on_asset() -> impl Strategy<Value = OnAsset> {
    let bundle = || 0..BUNDLES;
    prop_oneof![
        2 => Just(OnAsset::Send),
        3 => Just(OnAsset::Complete),
        4 => Just(OnAsset::Abort),
        10 => Just(OnAsset::Delete),
        6 => Just(OnAsset::Undelete),
        4 => (bundle(), end()).prop_map(|(bundle, hours)| OnAsset::Refer(bundle, hours)),
        4 => bundle().prop_map(OnAsset::Unrefer),
        2 => Just(OnAsset::Hold),
        3 => Just(OnAsset::Release),
        2 => proptest::sample::select(CLASSES).prop_map(OnAsset::Class),
        3 => Just(OnAsset::Reprocess),
        1 => Just(OnAsset::Purge),
    ]
}

/// Rather one of the newest: uploads that are open, scans that wait.
fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![3 => any::<Pick>(), 2 => 58_000..=Pick::MAX]
}

fn declared() -> impl Strategy<Value = Declared> {
    prop_oneof![5 => Just(Declared::Nothing), 4 => Just(Declared::Truly), 1 => Just(Declared::Falsely)]
}

/// Odd, where the clock moves by even hours: nothing depends on a moment.
fn end() -> impl Strategy<Value = Option<Hour>> {
    prop_oneof![2 => Just(None), 2 => Just(Some(1)), 2 => Just(Some(49)), 1 => Just(Some(1001))]
}

fn policy() -> impl Strategy<Value = Policy> {
    let quota = prop_oneof![4 => Just(None), 1 => Just(Some(6_000)), 1 => Just(Some(15_000)), 1 => Just(Some(40_000))];
    (prop_oneof![Just(90), Just(20)], prop_oneof![2 => Just(30), 1 => Just(4), 1 => Just(0)], quota)
        .prop_map(|(operational_days, grace_days, quota)| Policy { operational_days, grace_days, quota })
}
