//! A setting that the store cannot follow.

use media_devstack::Binary;

use crate::harness::{Bucket, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_know_the_class_or_its_restores_is_told_at_the_start() {
    let mut world = World::new("cold-stores").await;
    // This store keeps the name of every class, and restores nothing.
    for class in ["GLACIER", "DEEP_ARCHIVE"] {
        let error = world.fleet.start(Binary::Janitor, &[("MEDIA__S3__ARCHIVE_CLASS", class)]).await.unwrap_err().to_string();
        assert!(error.contains("s3.archive_class") && error.contains(class) && error.contains("does not restore"), "{error}");
    }
    let unknown = world.fleet.start(Binary::Janitor, &[("MEDIA__S3__ARCHIVE_CLASS", "FRIDGE")]).await.unwrap_err().to_string();
    assert!(unknown.contains("s3.archive_class"), "{unknown}");
    let _janitor = world.start(Binary::Janitor, &[("MEDIA__S3__ARCHIVE_CLASS", "STANDARD_IA")]).await;
    assert!(Bucket::of(world.isolated()).objects().await.is_empty(), "what was tried with is gone");
}
