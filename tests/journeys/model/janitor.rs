//! What the janitor does in the model: rounds of all its sweeps, until one takes nothing.

use media_domain::{Status, erasure::Outcome};

use super::state::{DAY, Policy, Tenant, Upload};

const ABANDONED_AFTER: i64 = DAY;

impl Tenant {
    pub fn sweep(&mut self) {
        while self.round() {
            self.lower_warning();
        }
    }

    /// Whether anything was taken.
    fn round(&mut self) -> bool {
        let sweeps = [
            Self::abandoned_uploads,
            Self::changed_policies,
            Self::ended_references,
            Self::ended_retention,
            Self::ended_grace,
            Self::running_erasures,
            Self::doomed_blobs,
        ];
        let mut taken = false;
        for sweep in sweeps {
            taken |= sweep(self);
        }
        taken
    }

    fn each(&mut self, mut sweep: impl FnMut(&mut Self, usize) -> bool) -> bool {
        let mut taken = false;
        for id in self.existing() {
            taken |= sweep(self, id);
        }
        taken
    }

    fn abandoned_uploads(&mut self) -> bool {
        self.each(|tenant, id| {
            let asset = &tenant.assets[id];
            let is_old = asset.created_at + ABANDONED_AFTER <= tenant.now;
            match asset.upload {
                Some(Upload::Open { .. }) if is_old => tenant.fail(id, "upload_abandoned"),
                Some(Upload::Aborting) => {}
                _ => return false,
            }
            tenant.assets[id].upload = Some(Upload::Aborted);
            true
        })
    }

    fn changed_policies(&mut self) -> bool {
        if !std::mem::take(&mut self.is_policy_new) {
            return false;
        }
        self.existing().into_iter().for_each(|id| self.settle(id));
        true
    }

    fn ended_references(&mut self) -> bool {
        self.each(|tenant, id| {
            let (now, asset) = (tenant.now, &mut tenant.assets[id]);
            let is_over = |end: &Option<i64>| end.is_some_and(|end| end <= now);
            let Some(last) = asset.references.values().filter(|end| is_over(end)).max().copied() else { return false };
            asset.references.retain(|_, end| !is_over(end));
            asset.reference_ended_at = asset.reference_ended_at.max(last);
            tenant.settle(id);
            true
        })
    }

    fn ended_retention(&mut self) -> bool {
        self.each(|tenant, id| {
            let asset = &tenant.assets[id];
            let is_over = asset.kept_until.is_some_and(|until| until <= tenant.now);
            if asset.deleted_at.is_some() || asset.is_held() || !is_over {
                return false;
            }
            tenant.delete(id);
            true
        })
    }

    fn ended_grace(&mut self) -> bool {
        let grace = self.policy.grace_days * DAY;
        self.each(|tenant, id| {
            let asset = &tenant.assets[id];
            let is_over = asset.deleted_at.is_some_and(|deleted| deleted + grace <= tenant.now);
            if !is_over || asset.is_held() || asset.has_parts() {
                return false;
            }
            tenant.erase(id);
            true
        })
    }

    fn erase(&mut self, id: usize) {
        self.assets[id].is_erased = true;
        self.tell(id, "media.asset.erased.v1");
        self.doom_unless_named(self.assets[id].original);
    }

    fn doomed_blobs(&mut self) -> bool {
        let before = self.objects.len();
        self.objects.retain(|_, object| !object.is_doomed);
        self.objects.len() < before
    }

    fn running_erasures(&mut self) -> bool {
        let mut taken = false;
        for number in 0..self.erasures.len() {
            if self.erasures[number].is_done {
                continue;
            }
            taken |= self.each(|tenant, id| tenant.erase_for(number, id));
            taken |= self.settle_erasure(number);
        }
        taken
    }

    /// A hold beats it, and what a bundle needs stays without its owner.
    fn erase_for(&mut self, number: usize, id: usize) -> bool {
        let (erasure, asset) = (&self.erasures[number], &self.assets[id]);
        let owner = erasure.owner;
        if !erasure.concerns(id, asset) {
            return false;
        }
        let note = |tenant: &mut Self, outcome| tenant.erasures[number].assets.insert(id, outcome);
        let mut names = vec![asset.original];
        names.extend(self.objects.keys().filter(|name| name.home == id));
        let note_whole = |tenant: &mut Self, outcome| {
            note(tenant, outcome);
            tenant.erasures[number].objects.extend(names.iter().map(|name| ((id, *name), outcome)));
        };
        if asset.is_held() {
            if self.erasures[number].assets.get(&id) != Some(&Outcome::Held) {
                note_whole(self, Outcome::Held);
            }
            return false;
        }
        if owner.is_some() && asset.deleted_at.is_none() && asset.is_needed(self.now) {
            self.assets[id].owner = None;
            note_whole(self, Outcome::Anonymised);
            return true;
        }
        let is_new = asset.deleted_at.is_none();
        if is_new {
            if owner.is_none() {
                self.assets[id].references.clear();
            }
            self.delete(id);
        }
        if self.assets[id].has_parts() {
            note(self, Outcome::Pending);
            return is_new;
        }
        self.erase(id);
        for name in names {
            self.erasures[number].objects.insert((id, name), Outcome::Pending);
            // What lies in its folder and nobody else shares.
            self.doom_unless_named(name);
        }
        note(self, Outcome::Erased);
        true
    }

    fn settle_erasure(&mut self, number: usize) -> bool {
        let mut erasure = self.erasures[number].clone();
        for (id, outcome) in &mut erasure.assets {
            if matches!(outcome, Outcome::Pending | Outcome::Held) {
                let asset = &self.assets[*id];
                match (asset.is_erased, erasure.owner.is_some() && asset.owner.is_none()) {
                    (true, _) => *outcome = Outcome::Erased,
                    (false, true) => *outcome = Outcome::Anonymised,
                    (false, false) => {}
                }
            }
        }
        for ((id, name), outcome) in erasure.objects.iter_mut().filter(|(_, outcome)| **outcome != Outcome::Erased) {
            let stays = matches!(outcome, Outcome::Held | Outcome::Anonymised) && !self.assets[*id].is_erased;
            let own = erasure.assets.get(id).filter(|_| stays);
            *outcome = match (own, self.objects.get(name)) {
                (Some(Outcome::Held), _) => Outcome::Held,
                (_, None) => Outcome::Erased,
                (Some(Outcome::Anonymised), Some(_)) => Outcome::Anonymised,
                (_, Some(object)) if object.is_doomed => Outcome::Pending,
                (_, Some(_)) => Outcome::Shared,
            };
        }
        let is_open = |outcome: &Outcome| matches!(outcome, Outcome::Pending | Outcome::Held);
        let is_pending = erasure.assets.values().chain(erasure.objects.values()).any(is_open);
        let is_left = |id: &usize| erasure.concerns(*id, &self.assets[*id]);
        let is_left = self.existing().iter().any(is_left);
        let is_tenant = erasure.owner.is_none();
        self.erasures[number] = erasure;
        if is_pending || is_left {
            return false;
        }
        if is_tenant {
            if !self.objects.is_empty() {
                self.objects.values_mut().for_each(|object| object.is_doomed = true);
                return false;
            }
            self.tell_of_tenant("media.tenant.erased.v1");
            self.policy = Policy::default();
            (self.is_policy_new, self.warned_percent, self.events) = (false, 0, 0);
        }
        self.erasures[number].is_done = true;
        true
    }

    /// Which pieces of work wait for an asset.
    pub fn work(&self, id: usize) -> Option<&'static str> {
        match (self.is_there(id), self.assets[id].status) {
            (true, Status::Scanning) => Some("scan"),
            (true, Status::Transcoding) if self.assets[id].leader.is_none() => Some("transcode"),
            _ => None,
        }
    }
}
