//! What is true of one tenant, by the rules of docs/retention.md and docs/architecture.md alone: no database, no store, and of the
//! service no more than its words. Time is in whole hours.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Arc,
};

use media_domain::{Kind, Status, asset::RetentionClass, erasure::Outcome};

pub type Hour = i64;
/// What a call is answered with: the reason of its refusal.
pub type Answer = Result<(), &'static str>;

pub const DAY: Hour = 24;
pub const NOT_FOUND: Answer = Err("ASSET_NOT_FOUND");
pub const ILLEGAL: Answer = Err("ILLEGAL_TRANSITION");

/// A file that is uploaded again and again.
#[derive(Debug)]
pub struct Content {
    pub kind: Kind,
    pub bytes: Vec<u8>,
    pub nature: Nature,
}

impl Content {
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Ready as soon as it is scanned: nothing is made of it.
    Plain,
    /// Waits for a transcoder, which is not there: what has the same bytes follows the first.
    ToBeMade,
    Infected,
    /// Of no type that its kind takes.
    Unknown,
}

/// What an uploader says of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    Nothing,
    Truly,
    Falsely,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upload {
    Open {
        sent: bool,
    },
    Completed,
    /// Given up, and its parts are still there.
    Aborting,
    Aborted,
}

/// Where bytes lie: an object keeps the name of the asset that it was uploaded for, whoever shares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    pub is_quarantined: bool,
    pub home: usize,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_quarantined { "quarantine/" } else { "" }, self.home)
    }
}

#[derive(Clone, Debug)]
pub struct Object {
    pub size: u64,
    /// No row names it, and the janitor has not come by yet.
    pub is_doomed: bool,
}

#[derive(Clone, Debug)]
pub struct Asset {
    /// `None`: nobody, after an erasure that had to leave it.
    pub owner: Option<usize>,
    pub content: usize,
    pub declared: Declared,
    pub status: Status,
    /// A scan after that is not its first: it keeps the bytes that it names.
    pub was_ready: bool,
    pub reason: Option<&'static str>,
    pub class: RetentionClass,
    pub created_at: Hour,
    pub deleted_at: Option<Hour>,
    pub undeleted_at: Option<Hour>,
    /// By bundle, until when it is needed; also those that are over and were not swept yet.
    pub references: BTreeMap<usize, Option<Hour>>,
    pub reference_ended_at: Option<Hour>,
    /// Of each hold that was ever placed, whether it stands.
    pub holds: Vec<bool>,
    pub original: Name,
    /// `None`: the bytes were there already.
    pub upload: Option<Upload>,
    /// Who is encoded for both.
    pub leader: Option<usize>,
    pub kept_until: Option<Hour>,
    pub is_purged: bool,
    pub is_erased: bool,
    /// How many events told of it.
    pub events: u64,
}

impl Asset {
    pub fn is_held(&self) -> bool {
        self.holds.contains(&true)
    }

    /// A reference that ends at this very hour is over: by the time that it is looked at, a moment has passed.
    pub fn is_needed(&self, now: Hour) -> bool {
        self.references.values().any(|end| end.is_none_or(|end| end > now))
    }

    /// Whether parts lie in the store that are no object.
    pub fn has_parts(&self) -> bool {
        matches!(self.upload, Some(Upload::Open { .. } | Upload::Aborting))
    }
}

#[derive(Clone, Debug)]
pub struct Policy {
    pub operational_days: i64,
    pub grace_days: i64,
    pub quota: Option<u64>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { operational_days: 90, grace_days: 30, quota: None }
    }
}

#[derive(Clone, Debug)]
pub struct Erasure {
    /// `None`: the tenant with everything.
    pub owner: Option<usize>,
    /// How many assets there were when it began: of an owner it takes no later ones.
    pub known: usize,
    pub is_done: bool,
    pub assets: BTreeMap<usize, Outcome>,
    pub objects: BTreeMap<(usize, Name), Outcome>,
}

impl Erasure {
    pub fn concerns(&self, id: usize, asset: &Asset) -> bool {
        self.owner.is_none() || asset.owner == self.owner && id < self.known
    }
}

#[derive(Clone, Debug)]
pub struct Told {
    /// `None`: the tenant itself.
    pub asset: Option<usize>,
    pub sequence: u64,
    pub event: &'static str,
}

#[derive(Clone, Debug)]
pub struct Tenant {
    pub contents: Arc<Vec<Content>>,
    pub now: Hour,
    /// All that ever were, by when they were made.
    pub assets: Vec<Asset>,
    pub objects: BTreeMap<Name, Object>,
    /// Whose scan waits, in the order in which it was planned.
    pub scans: VecDeque<usize>,
    pub policy: Policy,
    /// Whether the days changed and the janitor has not reckoned all assets anew yet.
    pub is_policy_new: bool,
    pub warned_percent: u8,
    pub events: u64,
    pub erasures: Vec<Erasure>,
    /// Since the last look.
    pub told: Vec<Told>,
}

impl Tenant {
    pub fn new(contents: &Arc<Vec<Content>>) -> Self {
        Self {
            contents: contents.clone(),
            now: 0,
            assets: Vec::new(),
            objects: BTreeMap::new(),
            scans: VecDeque::new(),
            policy: Policy::default(),
            is_policy_new: false,
            warned_percent: 0,
            events: 0,
            erasures: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Those that have a row.
    pub fn existing(&self) -> Vec<usize> {
        (0..self.assets.len()).filter(|id| !self.assets[*id].is_erased).collect()
    }

    /// Whether callers see it.
    pub fn is_there(&self, id: usize) -> bool {
        !self.assets[id].is_erased && self.assets[id].deleted_at.is_none()
    }

    pub fn content(&self, id: usize) -> &Content {
        &self.contents[self.assets[id].content]
    }

    /// Originals that are stored and not doomed, each once however many assets share it.
    pub fn used(&self) -> u64 {
        self.objects.values().filter(|object| !object.is_doomed).map(|object| object.size).sum()
    }

    /// Uploads that are open.
    pub fn reserved(&self) -> u64 {
        let is_open = |id: &usize| matches!(self.assets[*id].upload, Some(Upload::Open { .. }));
        self.existing().into_iter().filter(is_open).map(|id| self.content(id).size()).sum()
    }

    pub(super) fn tell(&mut self, id: usize, event: &'static str) {
        self.assets[id].events += 1;
        self.told.push(Told { asset: Some(id), sequence: self.assets[id].events, event });
    }

    pub(super) fn tell_of_tenant(&mut self, event: &'static str) {
        self.events += 1;
        self.told.push(Told { asset: None, sequence: self.events, event });
    }

    /// Below a step of the quota again, its next crossing is told anew.
    pub(super) fn lower_warning(&mut self) {
        self.warned_percent = self.warned_percent.min(self.reached());
    }

    /// Tells of each step that was reached since it was last told of.
    pub(super) fn warn(&mut self) {
        let reached = self.reached();
        for percent in [80, 95] {
            if self.warned_percent < percent && percent <= reached {
                self.tell_of_tenant("media.quota.warned.v1");
            }
        }
        self.warned_percent = reached;
    }

    fn reached(&self) -> u8 {
        let taken = (self.used() + self.reserved()) * 100;
        let is_reached = |percent: &u8| self.policy.quota.is_some_and(|quota| taken >= quota * u64::from(*percent));
        [95, 80].into_iter().find(is_reached).unwrap_or(0)
    }

    /// The table of docs/retention.md.
    pub(super) fn settle(&mut self, id: usize) {
        let days = self.policy.operational_days * DAY;
        let asset = &mut self.assets[id];
        let ended = asset.references.values().flatten().copied().max().max(asset.reference_ended_at);
        let is_needed_for_good = asset.references.values().any(Option::is_none);
        let whole_days_again = asset.undeleted_at.map(|undeleted| undeleted + days);
        asset.kept_until = match (asset.class, ended) {
            _ if is_needed_for_good => None,
            (RetentionClass::Authored, _) => None,
            (RetentionClass::Bundle, Some(ended)) => Some(ended).max(whole_days_again),
            (_, ended) => Some(ended.unwrap_or(asset.created_at) + days).max(whole_days_again),
        };
    }

    /// Soft, whoever asked for it.
    pub(super) fn delete(&mut self, id: usize) {
        self.leave_followers(id);
        self.scans.retain(|waiting| *waiting != id);
        let asset = &mut self.assets[id];
        asset.deleted_at = Some(self.now);
        asset.leader = None;
        if matches!(asset.upload, Some(Upload::Open { .. })) {
            asset.upload = Some(Upload::Aborting);
        }
        self.lower_warning();
        self.tell(id, "media.asset.deleted.v1");
    }

    pub(super) fn fail(&mut self, id: usize, reason: &'static str) {
        self.leave_followers(id);
        let asset = &mut self.assets[id];
        asset.status = Status::Failed;
        asset.reason = Some(reason);
        asset.leader = None;
        self.tell(id, "media.asset.failed.v1");
    }

    /// The oldest of those who waited for it gets work of its own, and the others wait for that one.
    pub(super) fn leave_followers(&mut self, leader: usize) {
        let mut followers = self.existing().into_iter().filter(|id| self.assets[*id].leader == Some(leader)).collect::<VecDeque<_>>();
        let oldest = followers.pop_front();
        oldest.iter().for_each(|id| self.assets[*id].leader = None);
        followers.iter().for_each(|id| self.assets[*id].leader = oldest);
    }

    /// The oldest with the same bytes that can be shared with: one that is ready, or else one that is at work itself.
    pub(super) fn twin(&self, content: usize, but: Option<usize>, status: Status) -> Option<usize> {
        let is_twin = |id: &usize| {
            let asset = &self.assets[*id];
            Some(*id) != but && self.is_there(*id) && asset.content == content && asset.leader.is_none() && asset.status == status
        };
        self.existing().into_iter().find(is_twin)
    }

    /// Dooms what nobody names any more; an asset in its grace still does.
    pub(super) fn doom_unless_named(&mut self, name: Name) {
        let is_named = self.assets.iter().any(|asset| !asset.is_erased && !asset.is_purged && asset.original == name);
        if let Some(object) = self.objects.get_mut(&name).filter(|_| !is_named) {
            object.is_doomed = true;
        }
    }
}
