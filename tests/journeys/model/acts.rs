//! What follows in the model from what callers ask.

use media_domain::{Status, asset::RetentionClass};

use super::{
    state::{Answer, Asset, DAY, Declared, Erasure, ILLEGAL, NOT_FOUND, Name, Nature, Object, Policy, Tenant, Upload},
    steps::OnAsset,
};

impl Tenant {
    /// CreateUpload. What the tenant has already, ready and under the same hash, is not uploaded again.
    pub fn create(&mut self, owner: usize, content: usize, declared: Declared) -> Answer {
        let twin = self.twin(content, None, Status::Ready).filter(|_| declared == Declared::Truly);
        let (id, size) = (self.assets.len(), self.contents[content].size());
        if twin.is_none() && self.policy.quota.is_some_and(|quota| self.used() + self.reserved() + size > quota) {
            return Err("QUOTA_EXCEEDED");
        }
        self.assets.push(Asset {
            owner: Some(owner),
            content,
            declared,
            status: if twin.is_some() { Status::Ready } else { Status::Uploading },
            was_ready: twin.is_some(),
            reason: None,
            class: RetentionClass::Operational,
            created_at: self.now,
            deleted_at: None,
            undeleted_at: None,
            references: Default::default(),
            reference_ended_at: None,
            holds: Vec::new(),
            original: twin.map_or(Name { is_quarantined: false, home: id }, |twin| self.assets[twin].original),
            upload: twin.is_none().then_some(Upload::Open { sent: false }),
            leader: None,
            kept_until: None,
            is_purged: false,
            is_erased: false,
            events: 0,
        });
        self.tell(id, "media.asset.created.v1");
        if twin.is_some() {
            self.tell(id, "media.asset.uploaded.v1");
            self.tell(id, "media.asset.scanned.v1");
            self.tell(id, "media.asset.ready.v1");
        }
        self.settle(id);
        self.warn();
        Ok(())
    }

    pub fn act(&mut self, id: usize, act: &OnAsset) -> Answer {
        match act {
            OnAsset::Send => self.send(id),
            OnAsset::Complete => self.complete(id),
            OnAsset::Abort => self.abort(id),
            OnAsset::Delete => self.ask_to_delete(id),
            OnAsset::Undelete => self.undelete(id),
            OnAsset::Refer(bundle, hours) => self.refer(&[id], *bundle, *hours),
            OnAsset::Unrefer(bundle) => {
                self.all_there(&[id])?;
                self.end_reference(id, *bundle);
                self.settle(id);
                Ok(())
            }
            OnAsset::Hold => {
                if self.assets[id].is_erased {
                    return NOT_FOUND;
                }
                self.assets[id].holds.push(true);
                Ok(())
            }
            OnAsset::Release => self.release(id),
            OnAsset::Class(class) => {
                self.all_there(&[id])?;
                // The same again is no change, and nothing is reckoned anew.
                if self.assets[id].class != *class {
                    self.assets[id].class = *class;
                    self.settle(id);
                }
                Ok(())
            }
            OnAsset::Reprocess => self.reprocess(id),
            OnAsset::Purge => self.purge(id),
        }
    }

    /// The store itself takes parts for as long as there is an upload.
    fn send(&mut self, id: usize) -> Answer {
        match &mut self.assets[id].upload {
            Some(Upload::Open { sent }) => {
                *sent = true;
                Ok(())
            }
            Some(Upload::Aborting) => Ok(()),
            _ => Err("STORE_REFUSED"),
        }
    }

    fn complete(&mut self, id: usize) -> Answer {
        self.all_there(&[id])?;
        match self.assets[id].upload {
            Some(Upload::Completed) => Ok(()),
            Some(Upload::Open { sent: false }) => Err("UPLOAD_PART_MISSING"),
            Some(Upload::Open { sent: true }) => {
                let (name, size) = (self.assets[id].original, self.content(id).size());
                self.assets[id].upload = Some(Upload::Completed);
                self.objects.insert(name, Object { size, is_doomed: false });
                self.tell(id, "media.asset.uploaded.v1");
                self.plan_scan(id);
                Ok(())
            }
            _ => ILLEGAL,
        }
    }

    fn abort(&mut self, id: usize) -> Answer {
        self.all_there(&[id])?;
        match self.assets[id].upload {
            Some(Upload::Open { .. }) => {
                self.assets[id].upload = Some(Upload::Aborted);
                self.lower_warning();
                self.fail(id, "upload_aborted");
                Ok(())
            }
            Some(Upload::Aborting | Upload::Aborted) => {
                self.assets[id].upload = Some(Upload::Aborted);
                Ok(())
            }
            Some(Upload::Completed) | None => ILLEGAL,
        }
    }

    fn ask_to_delete(&mut self, id: usize) -> Answer {
        let asset = &self.assets[id];
        match () {
            () if asset.is_erased => NOT_FOUND,
            () if asset.deleted_at.is_some() => Ok(()),
            () if asset.is_held() => Err("HELD"),
            () if asset.is_needed(self.now) => Err("REFERENCED"),
            () => {
                self.delete(id);
                Ok(())
            }
        }
    }

    /// Within the grace. What the deletion cut off goes on.
    fn undelete(&mut self, id: usize) -> Answer {
        let asset = &mut self.assets[id];
        let Some(deleted_at) = asset.deleted_at.filter(|_| !asset.is_erased) else {
            return if asset.is_erased { NOT_FOUND } else { Ok(()) };
        };
        if asset.is_purged || deleted_at + self.policy.grace_days * DAY <= self.now {
            return NOT_FOUND;
        }
        asset.deleted_at = None;
        asset.undeleted_at = Some(self.now);
        let (status, content) = (asset.status, asset.content);
        self.tell(id, "media.asset.undeleted.v1");
        match status {
            Status::Uploading => self.fail(id, "upload_aborted"),
            Status::Scanning => self.plan_scan(id),
            Status::Transcoding => self.assets[id].leader = self.twin(content, Some(id), Status::Transcoding),
            Status::Ready | Status::Failed | Status::Quarantined => {}
        }
        self.settle(id);
        Ok(())
    }

    fn refer(&mut self, ids: &[usize], bundle: usize, hours: Option<i64>) -> Answer {
        self.all_there(ids)?;
        for id in ids {
            self.assets[*id].references.insert(bundle, hours.map(|hours| self.now + hours));
            self.settle(*id);
        }
        Ok(())
    }

    /// SetReferences: these, and no others.
    pub fn set_bundle(&mut self, bundle: usize, wanted: &[(usize, Option<i64>)]) -> Answer {
        let ids: Vec<usize> = wanted.iter().map(|(id, _)| *id).collect();
        self.all_there(&ids)?;
        for id in self.existing().into_iter().filter(|id| !ids.contains(id)) {
            if self.end_reference(id, bundle) {
                self.settle(id);
            }
        }
        wanted.iter().try_for_each(|(id, hours)| self.refer(&[*id], bundle, *hours))
    }

    fn end_reference(&mut self, id: usize, bundle: usize) -> bool {
        let (now, asset) = (self.now, &mut self.assets[id]);
        let Some(end) = asset.references.remove(&bundle) else { return false };
        let ended = end.map_or(now, |end| end.min(now));
        asset.reference_ended_at = asset.reference_ended_at.max(Some(ended));
        true
    }

    /// Of several, the oldest that stands.
    fn release(&mut self, id: usize) -> Answer {
        let asset = &mut self.assets[id];
        if asset.is_erased {
            return NOT_FOUND;
        }
        match asset.holds.iter_mut().find(|stands| **stands) {
            Some(stands) => {
                *stands = false;
                Ok(())
            }
            None => Err("HOLD_NOT_FOUND"),
        }
    }

    fn reprocess(&mut self, id: usize) -> Answer {
        self.all_there(&[id])?;
        let asset = &self.assets[id];
        match (asset.status, asset.reason) {
            (Status::Quarantined, _) => Err("ASSET_QUARANTINED"),
            (Status::Failed, Some("upload_aborted" | "upload_abandoned")) => ILLEGAL,
            (Status::Ready | Status::Failed, _) => {
                self.plan_scan(id);
                Ok(())
            }
            _ => ILLEGAL,
        }
    }

    /// For good: the bytes go now, and the deletion cannot be taken back.
    fn purge(&mut self, id: usize) -> Answer {
        let asset = &self.assets[id];
        match () {
            () if asset.is_erased => NOT_FOUND,
            () if asset.is_purged => Ok(()),
            () if asset.status != Status::Quarantined && asset.deleted_at.is_some() => NOT_FOUND,
            () if asset.status != Status::Quarantined => ILLEGAL,
            () if asset.is_held() => Err("HELD"),
            () if asset.deleted_at.is_none() && asset.is_needed(self.now) => Err("REFERENCED"),
            () => {
                let is_new = asset.deleted_at.is_none();
                self.assets[id].is_purged = true;
                if is_new {
                    self.delete(id);
                }
                self.doom_unless_named(self.assets[id].original);
                self.lower_warning();
                Ok(())
            }
        }
    }

    pub fn change_policy(&mut self, policy: Policy) -> Answer {
        self.is_policy_new |= self.policy.operational_days != policy.operational_days;
        self.policy = policy;
        self.warn();
        Ok(())
    }

    pub fn begin_erasure(&mut self, owner: Option<usize>) -> Answer {
        let known = self.assets.len();
        self.erasures.push(Erasure { owner, known, is_done: false, assets: Default::default(), objects: Default::default() });
        Ok(())
    }

    fn plan_scan(&mut self, id: usize) {
        self.assets[id].status = Status::Scanning;
        self.assets[id].reason = None;
        self.scans.push_back(id);
    }

    fn all_there(&self, ids: &[usize]) -> Answer {
        if ids.iter().all(|id| self.is_there(*id)) { Ok(()) } else { NOT_FOUND }
    }

    /// The scanner, through all that waits for it.
    pub fn scan(&mut self) {
        while let Some(id) = self.scans.pop_front() {
            let (nature, content) = (self.content(id).nature, self.assets[id].content);
            match (nature, self.assets[id].declared) {
                (Nature::Infected, _) => self.quarantine(id),
                (_, Declared::Falsely) => self.fail(id, "hash_mismatch"),
                (Nature::Unknown, _) => self.fail(id, "mime_unsupported"),
                (Nature::ToBeMade, _) => {
                    self.tell(id, "media.asset.scanned.v1");
                    self.assets[id].status = Status::Transcoding;
                    self.assets[id].leader = self.twin(content, Some(id), Status::Transcoding);
                }
                (Nature::Plain, _) => {
                    self.tell(id, "media.asset.scanned.v1");
                    self.assets[id].status = Status::Ready;
                    let is_first = !std::mem::replace(&mut self.assets[id].was_ready, true);
                    if let Some(twin) = self.twin(content, Some(id), Status::Ready).filter(|_| is_first) {
                        let left = self.assets[id].original;
                        self.assets[id].original = self.assets[twin].original;
                        self.doom_unless_named(left);
                    }
                    self.tell(id, "media.asset.ready.v1");
                }
            }
        }
        self.lower_warning();
    }

    fn quarantine(&mut self, id: usize) {
        let left = self.assets[id].original;
        let name = Name { is_quarantined: true, home: id };
        self.objects.insert(name, Object { size: self.content(id).size(), is_doomed: false });
        self.assets[id].original = name;
        self.assets[id].status = Status::Quarantined;
        self.doom_unless_named(left);
        self.tell(id, "media.asset.scanned.v1");
        self.tell(id, "media.asset.quarantined.v1");
    }
}
