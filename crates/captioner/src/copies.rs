//! The copies of approved tracks, at the keys where readers of the bucket look for them: `captions/{lang}.vtt`.
//!
//! A reconciler: it holds what is approved against what lies there, takes the steps between the two, and looks again until they agree.
//! What is approved while the work ends is seen by its commit, under the lock of the asset's row, which then plans the work anew: no
//! approval is missed, however it falls.

use media_blobs::{BlobError, LanguageTag, keys};
use media_domain::{BlobName, Reason};
use media_storage::{StorageError, TenantTx, caption_copies::CaptionCopy, caption_tracks::CaptionTrack, work::Lease};
use media_worker::JobError;
use tokio_util::sync::CancellationToken;

use crate::caption::{Captioner, internal, store};

/// How often it looks again, before something must be wrong: a version whose object is not there.
const ROUNDS_MAX: usize = 20;

/// What is to be done about one asked-for key.
#[derive(Debug)]
enum Step {
    /// Make it a copy of this version.
    Copy(CaptionTrack),
    /// Nothing of its language and kind is approved any more.
    Remove(CaptionCopy),
}

/// It went on and on.
#[derive(Debug, thiserror::Error)]
#[error("the copies and the approved tracks did not agree after {ROUNDS_MAX} rounds")]
struct NeverAgreed;

/// What leads from what lies there to what is approved.
fn steps(tracks: Vec<CaptionTrack>, there: Vec<CaptionCopy>) -> Vec<Step> {
    let is_of = |copy: &CaptionCopy, track: &CaptionTrack| copy.language == track.language && copy.kind == track.kind;
    let (approved, _): (Vec<_>, Vec<_>) = tracks.into_iter().partition(|track| track.approved);
    let gone: Vec<_> = there.iter().filter(|copy| !approved.iter().any(|track| is_of(copy, track))).cloned().map(Step::Remove).collect();
    let is_there = |track: &CaptionTrack| there.iter().any(|copy| is_of(copy, track) && copy.of == Some(track.id));
    approved.into_iter().filter(|track| !is_there(track)).map(Step::Copy).chain(gone).collect()
}

async fn read(tx: &mut TenantTx, lease: &Lease) -> Result<Vec<Step>, StorageError> {
    let tracks = tx.caption_tracks().list(lease.asset).await?;
    Ok(steps(tracks, tx.caption_copies().list(lease.asset).await?))
}

impl Captioner {
    /// Copies what is approved, and removes what no longer is, until both agree.
    pub(crate) async fn copy_approved(&self, lease: &Lease, stop: &CancellationToken) -> Result<(), JobError> {
        for _ in 0..ROUNDS_MAX {
            let mut tx = self.database.in_tenant(lease.tenant, "captioner.copies").await?;
            let steps = read(&mut tx, lease).await?;
            drop(tx);
            if steps.is_empty() {
                return Ok(());
            }
            for step in steps {
                if stop.is_cancelled() {
                    return Err(JobError::Stopped);
                }
                match step {
                    Step::Copy(track) => self.copy(lease, track).await?,
                    Step::Remove(copy) => self.remove(lease, &copy).await?,
                }
            }
        }
        Err(JobError::Failed { reason: Reason::Internal, source: Box::new(NeverAgreed) })
    }

    /// Looks once more under the asset's lock, where nobody can approve anything.
    pub(crate) async fn commit_copies(&self, tx: &mut TenantTx, lease: &Lease) -> Result<(), StorageError> {
        if read(tx, lease).await?.is_empty() { Ok(()) } else { tx.plan_caption_copies(lease.asset).await }
    }

    async fn copy(&self, lease: &Lease, track: CaptionTrack) -> Result<(), JobError> {
        let language: LanguageTag = track.language.parse().map_err(internal)?;
        let blob = self.blobs.in_bucket(&keys::caption_current(lease.tenant, lease.asset, &language, track.kind));
        let copy = CaptionCopy { language: track.language, kind: track.kind, blob, of: Some(track.id) };
        self.begin(lease, &copy).await?;
        let Some(size_bytes) = self.copy_object(&track.blob, &copy.blob).await? else { return Ok(()) };
        let mut tx = self.held(lease).await?;
        tx.caption_copies().finish(lease.asset, &copy, size_bytes).await?;
        Ok(tx.commit().await?)
    }

    /// `None` if the version was deleted meanwhile: the next round sees it.
    async fn copy_object(&self, from: &BlobName, to: &BlobName) -> Result<Option<u64>, JobError> {
        match self.blobs.copy(from, to).await {
            Ok(head) => Ok(Some(head.size)),
            Err(BlobError::NotFound) => Ok(None),
            Err(error) => Err(store(error)),
        }
    }

    async fn remove(&self, lease: &Lease, copy: &CaptionCopy) -> Result<(), JobError> {
        self.begin(lease, copy).await?;
        // Nobody knows of it any more afterwards, and an erasure would not find what a bucket with versions keeps.
        self.blobs.erase(&copy.blob).await.map_err(store)?;
        let mut tx = self.held(lease).await?;
        tx.caption_copies().erase(lease.asset, copy).await?;
        Ok(tx.commit().await?)
    }

    /// Says, before the object is touched, that nobody knows what lies there: whoever comes after a death does it again.
    async fn begin(&self, lease: &Lease, copy: &CaptionCopy) -> Result<(), JobError> {
        let mut tx = self.held(lease).await?;
        tx.caption_copies().begin(lease.asset, &copy.language, copy.kind, &copy.blob).await?;
        Ok(tx.commit().await?)
    }

    /// A transaction that only the holder of the lease can commit. First the asset, then its work, as everybody does who locks both.
    async fn held(&self, lease: &Lease) -> Result<TenantTx, JobError> {
        let mut tx = self.database.in_tenant(lease.tenant, "captioner.copy").await?;
        tx.assets().lock(lease.asset).await?;
        tx.work().hold(lease).await?;
        Ok(tx)
    }
}

#[cfg(test)]
mod tests {
    use media_domain::{AssetId, CaptionKind, CaptionSource, CaptionTrackId};

    use super::*;

    fn track(language: &str, kind: CaptionKind, approved: bool) -> CaptionTrack {
        CaptionTrack {
            id: CaptionTrackId::generate(),
            asset: AssetId::generate(),
            language: language.to_owned(),
            kind,
            format: "vtt".to_owned(),
            source: CaptionSource::Human,
            approved,
            rejected: false,
            version: 1,
            based_on: None,
            superseded_by: None,
            reviewed_by: None,
            reviewed_at: None,
            blob: BlobName { bucket: "media".to_owned(), key: "a version".to_owned() },
        }
    }

    fn copy_of(track: &CaptionTrack, of: Option<CaptionTrackId>) -> CaptionCopy {
        CaptionCopy { language: track.language.clone(), kind: track.kind, blob: track.blob.clone(), of }
    }

    /// What each step does, and to which language.
    fn told(steps: &[Step]) -> Vec<(&'static str, &str)> {
        let told = steps.iter().map(|step| match step {
            Step::Copy(track) => ("copy", track.language.as_str()),
            Step::Remove(copy) => ("remove", copy.language.as_str()),
        });
        told.collect()
    }

    #[test]
    fn only_what_is_approved_is_copied_and_only_what_is_not_yet_there() {
        let (en, de, fr) =
            (track("en", CaptionKind::Captions, true), track("de", CaptionKind::Captions, true), track("fr", CaptionKind::Captions, false));
        let there = vec![copy_of(&en, Some(en.id))];
        assert_eq!(told(&steps(vec![en, de, fr], there)), [("copy", "de")]);
    }

    #[test]
    fn a_copy_of_an_older_version_and_one_that_nobody_knows_are_made_again() {
        let (en, de) = (track("en", CaptionKind::Captions, true), track("de", CaptionKind::Captions, true));
        let there = vec![copy_of(&en, Some(CaptionTrackId::generate())), copy_of(&de, None)];
        assert_eq!(told(&steps(vec![en, de], there)), [("copy", "en"), ("copy", "de")]);
    }

    #[test]
    fn what_is_no_longer_approved_is_removed_and_another_kind_of_its_language_stays() {
        let (captions, subtitles) = (track("en", CaptionKind::Captions, false), track("en", CaptionKind::Subtitles, true));
        let there = vec![copy_of(&captions, Some(captions.id)), copy_of(&subtitles, Some(subtitles.id))];
        let taken = steps(vec![captions, subtitles], there);
        assert!(matches!(taken.as_slice(), [Step::Remove(copy)] if copy.kind == CaptionKind::Captions), "{taken:?}");
    }

    #[test]
    fn where_both_agree_nothing_is_done() {
        let en = track("en", CaptionKind::Captions, true);
        let there = vec![copy_of(&en, Some(en.id))];
        assert!(steps(vec![en], there).is_empty());
        assert!(steps(Vec::new(), Vec::new()).is_empty());
    }
}
