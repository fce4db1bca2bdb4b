//! Objects in another storage class. The server under test keeps classes and knows no restores; what S3 says to those is played.

use media_blobs::{
    BlobError,
    cold::{Asked, Place, Restore},
};
use media_domain::archive::ArchiveClass;

use crate::{
    faulty_proxy::{Fault, FaultyProxy},
    store::{blobs, blobs_through, new_blob, noise},
};

#[tokio::test]
async fn an_object_moves_to_a_class_where_it_lies_and_keeps_its_bytes_and_type() {
    let blobs = blobs().await;
    let (blob, bytes) = (new_blob(&blobs), noise(90, 100_000));
    blobs.put_small(&blob, bytes.clone().into(), "video/mp4").await.unwrap();
    assert_eq!(blobs.place(&blob).await.unwrap(), Place::Hot);
    for class in [ArchiveClass::GlacierIr, ArchiveClass::StandardIa, ArchiveClass::GlacierIr, ArchiveClass::GlacierIr] {
        blobs.move_to_class(&blob, class).await.unwrap();
        assert_eq!(blobs.place(&blob).await.unwrap(), Place::Cold(class, Restore::None));
    }
    let head = blobs.head(&blob).await.unwrap().unwrap();
    assert_eq!((head.size, head.content_type.as_deref()), (100_000, Some("video/mp4")));
    assert_eq!(blobs.read_whole(&blob, 1 << 20).await.unwrap(), bytes);
    let answer = blobs.move_to_class(&new_blob(&blobs), ArchiveClass::GlacierIr).await;
    assert!(matches!(answer, Err(BlobError::NotFound)), "{answer:?}");
}

#[tokio::test]
async fn a_large_object_moves_in_parts_after_what_an_earlier_try_left() {
    let blobs = blobs().await;
    let (blob, bytes) = (new_blob(&blobs), noise(91, 5 << 20));
    blobs.put_small(&blob, bytes.clone().into(), "video/mp4").await.unwrap();
    blobs.create(&blob, "video/mp4").await.unwrap();
    blobs.move_in_parts(&blob, ArchiveClass::GlacierIr, 5 << 20).await.unwrap();
    assert_eq!(blobs.place(&blob).await.unwrap(), Place::Cold(ArchiveClass::GlacierIr, Restore::None));
    assert_eq!(blobs.list_uploads(&blob.bucket, &blob.key, None).await.unwrap().uploads, []);
    assert_eq!(blobs.read_whole(&blob, 6 << 20).await.unwrap(), bytes);
    assert_eq!(blobs.head(&blob).await.unwrap().unwrap().content_type.as_deref(), Some("video/mp4"));
}

#[tokio::test]
async fn a_store_without_restores_is_told_from_one_that_only_keeps_the_class() {
    let blobs = blobs().await;
    blobs.try_class(ArchiveClass::GlacierIr).await.unwrap();
    let answer = blobs.try_class(ArchiveClass::Glacier).await;
    assert!(matches!(answer, Err(BlobError::Invalid(_))), "{answer:?}");
    let bucket = new_blob(&blobs).bucket;
    assert_eq!(blobs.list_uploads(&bucket, "probes/", None).await.unwrap().uploads, []);
}

#[tokio::test]
async fn what_s3_says_to_a_restore_is_read_by_its_code() {
    for (answer, expected) in [
        ("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", Some(Asked::Taken)),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", Some(Asked::Taken)),
        ("HTTP/1.1 409 Conflict\r\nconnection: close\r\n\r\n<Error><Code>RestoreAlreadyInProgress</Code></Error>", Some(Asked::Taken)),
        ("HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n<Error><Code>InvalidObjectState</Code></Error>", Some(Asked::NotArchived)),
        ("HTTP/1.1 501 Not Implemented\r\nconnection: close\r\n\r\n<Error><Code>NotImplemented</Code></Error>", None),
        ("HTTP/1.1 405 Method Not Allowed\r\nconnection: close\r\n\r\n<Error><Code>MethodNotAllowed</Code></Error>", None),
        ("HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n<Error><Code>AccessDenied</Code></Error>", None),
    ] {
        let answer: &'static [&'static str] = Box::leak(Box::new([answer]));
        let proxy = FaultyProxy::start(Fault::AnswerTo { to: "POST ", with: answer }).await;
        let through = blobs_through(proxy.endpoint()).await;
        let asked = through.restore(&new_blob(&through), 7).await;
        assert_eq!(asked.as_ref().ok(), expected.as_ref(), "{answer:?}: {asked:?}");
    }
}

#[tokio::test]
async fn where_an_object_lies_is_read_from_its_head() {
    const HEADS: [(&str, Place); 3] = [
        ("x-amz-storage-class: GLACIER\r\n", Place::Cold(ArchiveClass::Glacier, Restore::None)),
        (
            "x-amz-storage-class: DEEP_ARCHIVE\r\nx-amz-restore: ongoing-request=\"true\"\r\n",
            Place::Cold(ArchiveClass::DeepArchive, Restore::Ongoing),
        ),
        ("x-amz-storage-class: INTELLIGENT_TIERING\r\n", Place::Hot),
    ];
    for (headers, expected) in HEADS {
        let head = format!("HTTP/1.1 200 OK\r\netag: \"x\"\r\ncontent-length: 5\r\n{headers}connection: close\r\n\r\n");
        let answers: &'static [&'static str] = Box::leak(Box::new([&*Box::leak(head.into_boxed_str())]));
        let proxy = FaultyProxy::start(Fault::AnswerTo { to: "HEAD ", with: answers }).await;
        let through = blobs_through(proxy.endpoint()).await;
        assert_eq!(through.place(&new_blob(&through)).await.unwrap(), expected, "{headers}");
    }
    const GONE: &[&str] = &["HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n<Error><Code>InvalidObjectState</Code></Error>"];
    let proxy = FaultyProxy::start(Fault::AnswerTo { to: "GET ", with: GONE }).await;
    let through = blobs_through(proxy.endpoint()).await;
    let answer = through.read_whole(&new_blob(&through), 100).await;
    assert!(matches!(answer, Err(BlobError::Archived)), "{answer:?}");
}
