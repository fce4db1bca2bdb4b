//! Blobs: what a row names stays, and what is doomed is never named again.

use std::time::Duration;

use media_domain::{BlobName, CaptionKind, CaptionTrackId, Kind, TenantId, TranscriptId, provenance::Provenance};
use media_storage::{
    StorageError,
    caption_tracks::{CaptionOrigin, NewCaptionTrack},
};
use time::OffsetDateTime;

use super::place::{Place, blob, profile, tenant, variant};

async fn put(place: &Place, tenant: TenantId, blob: &BlobName) -> Result<(), StorageError> {
    let mut tx = place.transcoder.in_tenant(tenant, "test.put").await.unwrap();
    tx.blobs().put(blob, None, Some(1)).await?;
    tx.commit().await
}

async fn doom(place: &Place, tenant: TenantId, blob: &BlobName, keep: Duration) {
    let mut tx = place.transcoder.in_tenant(tenant, "test.doom").await.unwrap();
    tx.blobs().doom(blob, keep).await.unwrap();
    tx.commit().await.unwrap();
}

fn is_changed(result: &Result<(), StorageError>) -> bool {
    matches!(result, Err(StorageError::Changed { what: "blob" }))
}

#[tokio::test]
async fn a_doomed_blob_is_never_named_again() {
    let place = Place::new("blobs-doomed").await;
    let tenant = tenant();
    let asset = place.asset(tenant, Kind::Video).await;
    let doomed = blob("doomed");
    put(&place, tenant, &doomed).await.unwrap();
    put(&place, tenant, &doomed).await.unwrap();
    // Also in the hour in which it may still be read.
    doom(&place, tenant, &doomed, Duration::from_secs(3600)).await;
    let refused = put(&place, tenant, &doomed).await;
    assert!(is_changed(&refused), "{refused:?}");

    let mut tx = place.transcoder.in_tenant(tenant, "test.variant").await.unwrap();
    let refused = tx.variants().put(&variant(asset, "h264-360p", "doomed", 0)).await.map(drop);
    assert!(is_changed(&refused), "{refused:?}");
    drop(tx);
    let mut tx = place.captioner.in_tenant(tenant, "test.track").await.unwrap();
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
    let track = NewCaptionTrack {
        id: CaptionTrackId::generate(),
        asset,
        language: "en".to_owned(),
        kind: CaptionKind::Captions,
        blob: doomed.clone(),
        size_bytes: 1,
        origin: CaptionOrigin::Ai { provenance, transcript: TranscriptId::generate() },
    };
    let refused = tx.caption_tracks().insert(&track).await;
    assert!(is_changed(&refused), "{refused:?}");
    assert_eq!(place.count("media.variants").await + place.count("media.caption_tracks").await, 0);
}

#[tokio::test]
async fn what_is_expected_goes_unless_a_row_names_it_in_time() {
    let place = Place::new("blobs-expected").await;
    let tenant = tenant();
    let (kept, late) = (blob("kept"), blob("late"));
    let mut tx = place.api.in_tenant(tenant, "test.expect").await.unwrap();
    tx.blobs().expect(&kept, Duration::from_secs(3600)).await.unwrap();
    tx.blobs().expect(&late, Duration::ZERO).await.unwrap();
    tx.commit().await.unwrap();
    let doomed =
        async || place.janitor.across_tenants().doomed_blobs(10).await.unwrap().into_iter().map(|(_, blob)| blob).collect::<Vec<_>>();
    assert_eq!(doomed().await, std::slice::from_ref(&late));
    let mut tx = place.api.in_tenant(tenant, "test.keep").await.unwrap();
    tx.blobs().keep(&kept).await.unwrap();
    let refused = tx.blobs().keep(&late).await;
    assert!(is_changed(&refused), "{refused:?}");
    tx.commit().await.unwrap();
    assert_eq!(place.count("media.blobs WHERE key = 'kept' AND doomed_at IS NULL").await, 1);
}

#[tokio::test]
async fn a_blob_is_removed_when_its_time_has_come_and_not_before() {
    let place = Place::new("blobs-time").await;
    let tenant = tenant();
    let (now, later, kept) = (blob("now"), blob("later"), blob("kept"));
    for blob in [&now, &later, &kept] {
        put(&place, tenant, blob).await.unwrap();
    }
    doom(&place, tenant, &now, Duration::ZERO).await;
    doom(&place, tenant, &later, Duration::from_secs(3600)).await;
    // Doomed once more, it does not live longer.
    doom(&place, tenant, &now, Duration::from_secs(3600)).await;
    assert_eq!(place.janitor.across_tenants().doomed_blobs(10).await.unwrap(), [(tenant, now.clone())]);
    let mut tx = place.janitor.in_tenant(tenant, "test.erase").await.unwrap();
    tx.blobs().erase(&now).await.unwrap();
    let refused = tx.blobs().erase(&kept).await;
    assert!(is_changed(&refused), "{refused:?}");
    tx.commit().await.unwrap();
    assert_eq!(place.janitor.across_tenants().doomed_blobs(10).await.unwrap(), []);
    assert_eq!(place.count("media.blobs").await, 2);
}

#[tokio::test]
async fn a_variant_made_again_lies_beside_the_one_before_which_goes_an_hour_later() {
    let place = Place::new("blobs-variant-again").await;
    let tenant = tenant();
    let asset = place.asset(tenant, Kind::Video).await;
    let mut tx = place.transcoder.in_tenant(tenant, "transcoder.commit").await.unwrap();
    let first = tx.variants().put(&variant(asset, "h264-360p", "one", 0)).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = place.transcoder.in_tenant(tenant, "transcoder.commit").await.unwrap();
    let second = tx.variants().put(&variant(asset, "h264-360p", "one.1", 1)).await.unwrap();
    let shown = tx.variants().lookup(asset, &profile("h264-360p")).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    // One row, whose id does not change, and which names the new object.
    assert_eq!((first, shown.id), (second, second));
    assert_eq!((shown.blob, shown.generation), (blob("one.1"), 1));
    let fate = "SELECT string_agg(key || ' ' || coalesce((doomed_at BETWEEN now() + '59 min' AND now() + '60 min')::text, '-'), ', ' ORDER BY key) FROM media.blobs";
    assert_eq!(place.text(fate).await, "(\"one true, one.1 -\")");
    assert!(place.janitor.across_tenants().doomed_blobs(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn another_tenants_blob_can_neither_be_named_nor_doomed_nor_erased() {
    let place = Place::new("blobs-foreign").await;
    let (ours, theirs) = (tenant(), tenant());
    let blob = blob("ours");
    put(&place, ours, &blob).await.unwrap();
    let refused = put(&place, theirs, &blob).await;
    assert!(matches!(refused, Err(StorageError::Refused(_))), "{refused:?}");
    doom(&place, theirs, &blob, Duration::ZERO).await;
    assert_eq!(place.count("media.blobs WHERE doomed_at IS NULL").await, 1);
    doom(&place, ours, &blob, Duration::ZERO).await;
    let mut tx = place.janitor.in_tenant(theirs, "test.erase").await.unwrap();
    let refused = tx.blobs().erase(&blob).await;
    assert!(is_changed(&refused), "{refused:?}");
    tx.commit().await.unwrap();
    assert_eq!(place.count("media.blobs").await, 1);
}
