//! Caption tracks under random sequences of what people and machines do to them, held against a model in memory.

use std::collections::BTreeMap;

use media_domain::{
    AssetId, CaptionKind, CaptionSource, CaptionTrackId, Kind, OwnerId, TenantId, TranscriptId,
    caption::{Decision, TrackState},
    provenance::Provenance,
};
use media_storage::{
    StorageError,
    caption_tracks::{CaptionFilter, CaptionOrigin, CaptionTrack, NewCaptionTrack},
    transcripts::NewTranscript,
};
use time::OffsetDateTime;

use super::place::{Place, blob, tenant};

const STEPS: u64 = 400;
const LANGUAGES: [&str; 2] = ["en", "de"];

/// A version as the model has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Model {
    language: &'static str,
    source: CaptionSource,
    approved: bool,
    rejected: bool,
    superseded_by: Option<CaptionTrackId>,
}

impl Model {
    fn new(language: &'static str, source: CaptionSource) -> Self {
        Self { language, source, approved: false, rejected: false, superseded_by: None }
    }

    fn state(&self) -> TrackState {
        TrackState::of(self.approved, self.rejected, self.superseded_by.is_some())
    }
}

type Versions = BTreeMap<CaptionTrackId, Model>;

#[tokio::test]
async fn whatever_people_and_machines_do_one_version_is_shown_and_no_machine_takes_a_persons_place() {
    let place = Place::new("captions-model").await;
    let tenant = tenant();
    let asset = place.asset(tenant, Kind::Video).await;
    let mut chance = Chance(20_261_128);
    let (mut model, mut told) = (Versions::new(), 0);
    for step in 0..STEPS {
        let language = LANGUAGES[chance.below(2)];
        let ids: Vec<CaptionTrackId> = model.keys().copied().collect();
        let any = (!ids.is_empty()).then(|| ids[chance.below(ids.len())]);
        let done = match (chance.below(8), any) {
            (0, _) | (_, None) => imported(&place, tenant, asset, language, &mut model).await,
            (1, _) => heard(&place, tenant, asset, language, &mut model).await,
            (2 | 3, Some(of)) => edited(&place, tenant, asset, of, &mut model).await,
            (4 | 5, Some(of)) => reviewed(&place, tenant, asset, of, Decision::Approve, &mut model).await,
            (6, Some(of)) => reviewed(&place, tenant, asset, of, Decision::Reject, &mut model).await,
            (_, Some(of)) => deleted(&place, tenant, asset, of, &mut model).await,
        };
        told += usize::from(done);
        agrees(&place, tenant, asset, &model, step).await;
    }
    assert!(told > 100, "{told} of {STEPS} steps changed something");
    let events = place.events(asset).await;
    assert_eq!(events.iter().filter(|event| event.starts_with("media.caption.")).count(), told, "each change is told once");
}

/// Rows and model are the same, and what must never be is not.
async fn agrees(place: &Place, tenant: TenantId, asset: AssetId, model: &Versions, step: u64) {
    let mut tx = place.api.in_tenant(tenant, "test.list").await.unwrap();
    let everything = CaptionFilter { superseded: true, ..CaptionFilter::default() };
    let rows = tx.caption_tracks().page(asset, &everything, None, 10_000).await.unwrap();
    let of = |row: &CaptionTrack| Model {
        language: LANGUAGES.into_iter().find(|language| *language == row.language).unwrap(),
        source: row.source,
        approved: row.approved,
        rejected: row.rejected,
        superseded_by: row.superseded_by,
    };
    let rows: Versions = rows.iter().map(|row| (row.id, of(row))).collect();
    assert_eq!(&rows, model, "after step {step}");
    for language in LANGUAGES {
        assert!(rows.values().filter(|row| row.approved && row.language == language).count() <= 1, "after step {step}");
    }
    for row in rows.values().filter(|row| row.source == CaptionSource::Human) {
        let by = row.superseded_by.and_then(|by| rows.get(&by));
        assert!(by.is_none_or(|by| by.source != CaptionSource::Ai), "after step {step}: {row:?} by {by:?}");
    }
}

fn new(asset: AssetId, language: &str, origin: CaptionOrigin) -> NewCaptionTrack {
    let id = CaptionTrackId::generate();
    NewCaptionTrack {
        id,
        asset,
        language: language.to_owned(),
        kind: CaptionKind::Captions,
        blob: blob(&id.to_string()),
        size_bytes: 1,
        origin,
    }
}

async fn imported(place: &Place, tenant: TenantId, asset: AssetId, language: &'static str, model: &mut Versions) -> bool {
    let track = new(asset, language, CaptionOrigin::Human);
    let mut tx = place.api.in_tenant(tenant, "test.import").await.unwrap();
    tx.add_caption(&track).await.unwrap();
    tx.commit().await.unwrap();
    model.insert(track.id, Model::new(language, CaptionSource::Human));
    true
}

/// What the captioner commits.
async fn heard(place: &Place, tenant: TenantId, asset: AssetId, language: &'static str, model: &mut Versions) -> bool {
    let provenance = Provenance {
        model: "tiny.en".to_owned(),
        trace_id: "t".to_owned(),
        generated_at: OffsetDateTime::UNIX_EPOCH,
        prompt_id: None,
        prompt_version: None,
        decision_id: None,
        engine: None,
        model_sha256: None,
    };
    let transcript = NewTranscript {
        id: TranscriptId::generate(),
        asset,
        language: language.to_owned(),
        asked_language: None,
        segments: Vec::new(),
        provenance: provenance.clone(),
    };
    let track = new(asset, language, CaptionOrigin::Ai { provenance, transcript: transcript.id });
    let mut tx = place.captioner.in_tenant(tenant, "test.hear").await.unwrap();
    tx.transcripts().insert(&transcript).await.unwrap();
    tx.caption_tracks().insert(&track).await.unwrap();
    tx.caption_tracks().supersede_unreviewed(&track).await.unwrap();
    tx.commit().await.unwrap();
    for other in model.values_mut().filter(|other| other.language == language && other.source == CaptionSource::Ai) {
        if other.state() == TrackState::Waiting {
            other.superseded_by = Some(track.id);
        }
    }
    model.insert(track.id, Model::new(language, CaptionSource::Ai));
    false
}

async fn edited(place: &Place, tenant: TenantId, asset: AssetId, of: CaptionTrackId, model: &mut Versions) -> bool {
    let before = model[&of];
    let track = new(asset, before.language, CaptionOrigin::Edit { of, version: 1 });
    let mut tx = place.api.in_tenant(tenant, "test.edit").await.unwrap();
    let answer = tx.add_caption(&track).await;
    if before.superseded_by.is_some() {
        assert!(matches!(answer, Err(StorageError::NotReviewable(_))), "{answer:?}");
        return false;
    }
    answer.unwrap();
    tx.commit().await.unwrap();
    model.insert(of, Model { superseded_by: Some(track.id), ..before });
    model.insert(track.id, Model::new(before.language, CaptionSource::Human));
    true
}

async fn reviewed(place: &Place, tenant: TenantId, asset: AssetId, of: CaptionTrackId, decision: Decision, model: &mut Versions) -> bool {
    let before = model[&of];
    let shown =
        model.iter().find(|(id, other)| **id != of && other.approved && other.language == before.language).map(|(id, other)| (*id, *other));
    let expected = before.state().review(before.source, decision, shown.map(|(_, shown)| shown.source));
    let mut tx = place.api.in_tenant(tenant, "test.review").await.unwrap();
    let answer = tx.review_caption(asset, of, decision, OwnerId::generate()).await;
    match expected {
        Err(why) => assert!(matches!(answer, Err(StorageError::NotReviewable(said)) if said == why), "{answer:?}"),
        Ok(false) => assert_eq!(answer.unwrap().state(), before.state()),
        Ok(true) => {
            answer.unwrap();
            tx.commit().await.unwrap();
            let approved = decision == Decision::Approve;
            if let Some((id, shown)) = shown.filter(|_| approved) {
                model.insert(id, Model { approved: false, superseded_by: Some(of), ..shown });
            }
            model.insert(of, Model { approved, rejected: !approved, ..before });
        }
    }
    expected == Ok(true)
}

async fn deleted(place: &Place, tenant: TenantId, asset: AssetId, of: CaptionTrackId, model: &mut Versions) -> bool {
    let mut tx = place.api.in_tenant(tenant, "test.delete").await.unwrap();
    tx.delete_caption(asset, of).await.unwrap();
    tx.commit().await.unwrap();
    model.remove(&of);
    for other in model.values_mut().filter(|other| other.superseded_by == Some(of)) {
        other.superseded_by = None;
    }
    true
}

/// Numbers that are the same in each run (Knuth's MMIX constants).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}
