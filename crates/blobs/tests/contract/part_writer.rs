//! Parts from bytes that are pushed.

use bytes::Bytes;
use futures::FutureExt;
use media_blobs::{BlobError, PartSize, PartWriter};

use crate::{
    faulty_proxy::{Fault, FaultyProxy},
    store::{blobs, blobs_through, new_blob, noise},
};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn pushed_bytes_become_equal_parts_and_one_object() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    let upload = blobs.create(&blob, "video/mp4").await.unwrap();
    let mut writer = PartWriter::new(blobs.clone(), upload.clone(), PartSize::expecting(1));
    let body = Bytes::from(noise(40, 12 * MIB));
    for start in (0..body.len()).step_by(700_001) {
        writer.write(body.slice(start..body.len().min(start + 700_001))).await.unwrap();
    }
    assert_eq!(writer.bytes_written(), 12 * MIB as u64);
    let sent = writer.flush_last().await.unwrap();
    assert_eq!(sent.parts().iter().map(|part| part.size as usize).collect::<Vec<_>>(), [5 * MIB, 5 * MIB, 2 * MIB]);
    assert_eq!(blobs.head(&blob).await.unwrap(), None);
    assert_eq!(blobs.list_parts(&upload).await.unwrap(), sent.parts());
    let completed = sent.complete().await.unwrap();
    assert_eq!(completed.size, sent.size());
    assert!(blobs.read(&blob, 0, completed.size, None).await.unwrap() == body);
}

#[tokio::test]
async fn what_is_known_last_stands_in_front_of_small_and_of_large_objects() {
    let blobs = blobs().await;
    for (front, rest) in [(1000, 100), (1000, 12 * MIB), (6 * MIB + 5, 13 * MIB)] {
        let blob = new_blob(&blobs);
        let mut writer = PartWriter::new(blobs.clone(), blobs.create(&blob, "video/mp4").await.unwrap(), PartSize::expecting(1));
        let (front, rest) = (noise(50, front), noise(51, rest));
        writer.reserve(front.len()).unwrap();
        for piece in rest.chunks(700_001) {
            writer.write(piece.to_vec().into()).await.unwrap();
        }
        for piece in front.chunks(400) {
            writer.write_front(piece).unwrap();
        }
        assert!(matches!(writer.write_front(b"x"), Err(BlobError::Invalid(_))));
        let sent = writer.flush_last().await.unwrap();
        let (last, equal) = sent.parts().split_last().unwrap();
        assert!(equal.windows(2).all(|two| two[0].size == two[1].size) && equal.iter().all(|part| part.size >= last.size));
        let completed = sent.complete().await.unwrap();
        assert!(blobs.read(&blob, 0, completed.size, None).await.unwrap() == [front, rest].concat());
    }
}

#[tokio::test]
async fn an_object_whose_front_is_missing_is_none() {
    let blobs = blobs().await;
    let mut writer = PartWriter::new(blobs.clone(), blobs.create(&new_blob(&blobs), "video/mp4").await.unwrap(), PartSize::expecting(1));
    writer.reserve(10).unwrap();
    writer.write_front(b"123456789").unwrap();
    assert!(matches!(writer.flush_last().await, Err(BlobError::Invalid(_))));
}

#[tokio::test]
async fn a_push_of_many_parts_at_once_is_cut_too() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    let mut writer = PartWriter::new(blobs.clone(), blobs.create(&blob, "video/mp4").await.unwrap(), PartSize::expecting(1));
    writer.write(noise(41, 10 * MIB).into()).await.unwrap();
    let sent = writer.flush_last().await.unwrap();
    assert_eq!(sent.parts().len(), 2);
    assert_eq!(sent.complete().await.unwrap().size, 10 * MIB as u64);
}

#[tokio::test]
async fn a_writer_that_is_dropped_completes_nothing_and_its_upload_can_be_aborted() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    let upload = blobs.create(&blob, "video/mp4").await.unwrap();
    let mut writer = PartWriter::new(blobs.clone(), upload.clone(), PartSize::expecting(1));
    writer.write(noise(42, 6 * MIB).into()).await.unwrap();
    drop(writer);
    assert_eq!(blobs.head(&blob).await.unwrap(), None);
    blobs.abort(&upload).await.unwrap();
    assert!(matches!(blobs.list_parts(&upload).await, Err(BlobError::UploadGone)));
}

#[tokio::test]
async fn nothing_written_is_no_object() {
    let blobs = blobs().await;
    let writer = PartWriter::new(blobs.clone(), blobs.create(&new_blob(&blobs), "video/mp4").await.unwrap(), PartSize::expecting(1));
    assert!(matches!(writer.flush_last().await, Err(BlobError::Invalid(_))));
}

#[tokio::test]
async fn a_writer_whose_upload_was_aborted_learns_it() {
    let blobs = blobs().await;
    let upload = blobs.create(&new_blob(&blobs), "video/mp4").await.unwrap();
    let mut writer = PartWriter::new(blobs.clone(), upload.clone(), PartSize::expecting(1));
    blobs.abort(&upload).await.unwrap();
    writer.write(noise(43, 6 * MIB).into()).await.unwrap();
    let ended = writer.flush_last().await.map(|sent| sent.size());
    assert!(matches!(ended, Err(BlobError::UploadGone)), "{ended:?}");
}

#[tokio::test]
async fn whoever_pushes_faster_than_the_store_takes_waits_with_two_parts_in_memory() {
    let blobs = blobs().await;
    let upload = blobs.create(&new_blob(&blobs), "video/mp4").await.unwrap();
    let proxy = FaultyProxy::start(Fault::Mute).await;
    let mut writer = PartWriter::new(blobs_through(proxy.endpoint()).await, upload, PartSize::expecting(1));
    assert!(writer.write(noise(44, 5 * MIB).into()).now_or_never().is_some(), "one part is in flight");
    assert!(writer.write(noise(45, 5 * MIB - 1).into()).now_or_never().is_some(), "one part is filling");
    assert!(writer.write(noise(46, 1).into()).now_or_never().is_none(), "the second is full and has to wait");
    assert_eq!(writer.bytes_written(), 10 * MIB as u64);
}
