//! Answers that the server under test does not give, and others do.

use media_blobs::{BlobError, Blobs, Part, UploadHandle};

use crate::{
    faulty_proxy::{Fault, FaultyProxy},
    store::{blobs, blobs_through, new_blob, noise},
};

const NO_SUCH_UPLOAD: &str = "HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n<Error><Code>NoSuchUpload</Code></Error>";

async fn one_part(blobs: &Blobs) -> (UploadHandle, Vec<Part>) {
    let upload = blobs.create(&new_blob(blobs), "video/mp4").await.unwrap();
    let part = blobs.upload_part(&upload, 1, noise(70, 1000).into()).await.unwrap();
    (upload, vec![part])
}

/// SeaweedFS answers 200 to a Complete that comes again; S3 says that it does not know the upload.
#[tokio::test]
async fn an_upload_that_is_gone_because_we_completed_it_is_complete() {
    let blobs = blobs().await;
    let (upload, parts) = one_part(&blobs).await;
    let completed = blobs.complete(&upload, &parts).await.unwrap();
    let proxy = FaultyProxy::start(Fault::AnswerTo { to: "POST ", with: &[NO_SUCH_UPLOAD] }).await;
    let through = blobs_through(proxy.endpoint()).await;
    assert_eq!(through.complete(&upload, &parts).await.unwrap(), completed);
    assert_eq!(proxy.answers(), 1);
    // The same size, other bytes: somebody else's object.
    let others = [Part { etag: format!("\"{}\"", "0".repeat(32)), ..parts[0].clone() }];
    let answer = through.complete(&upload, &others).await;
    assert!(matches!(answer, Err(BlobError::UploadGone)), "{answer:?}");
}

#[tokio::test]
async fn an_answer_of_200_is_not_believed_before_the_object_is_there() {
    const DONE: &str =
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<CompleteMultipartUploadResult><ETag>\"x-1\"</ETag></CompleteMultipartUploadResult>";
    let (upload, parts) = one_part(&blobs().await).await;
    let proxy = FaultyProxy::start(Fault::AnswerTo { to: "POST ", with: &[DONE] }).await;
    let answer = blobs_through(proxy.endpoint()).await.complete(&upload, &parts).await;
    assert!(matches!(answer, Err(BlobError::Changed)), "{answer:?}");
}

/// S3 sends the 200 before it has put the parts together, and the error in the body.
#[tokio::test]
async fn an_error_inside_an_answer_of_200_is_an_error() {
    const FAILED: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<Error><Code>InternalError</Code></Error>";
    let (upload, parts) = one_part(&blobs().await).await;
    let proxy = FaultyProxy::start(Fault::AnswerTo { to: "POST ", with: &[FAILED] }).await;
    let answer = blobs_through(proxy.endpoint()).await.complete(&upload, &parts).await;
    assert!(matches!(answer, Err(BlobError::Transient(_))), "{answer:?}");
}

#[tokio::test]
async fn parts_are_read_page_by_page_and_of_two_with_one_number_the_later_counts() {
    const PAGES: &[&str] = &[
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>2</NextPartNumberMarker>\
         <Part><PartNumber>2</PartNumber><ETag>\"first\"</ETag><Size>8</Size><LastModified>2026-11-24T22:33:29Z</LastModified></Part>\
         <Part><PartNumber>2</PartNumber><ETag>\"new\"</ETag><Size>7</Size><LastModified>2026-11-24T22:33:31Z</LastModified></Part>\
         <Part><PartNumber>2</PartNumber><ETag>\"old\"</ETag><Size>8</Size><LastModified>2026-11-24T22:33:30Z</LastModified></Part>\
         <Part><PartNumber>1</PartNumber><ETag>\"one\"</ETag><Size>9</Size></Part></ListPartsResult>",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<ListPartsResult><IsTruncated>false</IsTruncated>\
         <Part><PartNumber>3</PartNumber><ETag>\"three\"</ETag><Size>1</Size></Part></ListPartsResult>",
    ];
    let (upload, _) = one_part(&blobs().await).await;
    let proxy = FaultyProxy::start(Fault::AnswerTo { to: "GET ", with: PAGES }).await;
    let parts = blobs_through(proxy.endpoint()).await.list_parts(&upload).await.unwrap();
    let part = |number, etag: &str, size| Part { number, etag: etag.to_owned(), size };
    assert_eq!(parts, [part(1, "\"one\"", 9), part(2, "\"new\"", 7), part(3, "\"three\"", 1)]);
}

#[tokio::test]
async fn a_list_of_parts_that_never_ends_is_given_up() {
    const PAGE: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>1</NextPartNumberMarker></ListPartsResult>";
    let (upload, _) = one_part(&blobs().await).await;
    let proxy = FaultyProxy::start(Fault::AnswerTo { to: "GET ", with: &[PAGE] }).await;
    let answer = blobs_through(proxy.endpoint()).await.list_parts(&upload).await;
    assert!(matches!(answer, Err(BlobError::Limit(_))), "{answer:?}");
}

/// A server that does not know ranges answers 200 with all of the object.
#[tokio::test]
async fn a_whole_object_in_place_of_a_range_is_refused() {
    const WHOLE: &str = "HTTP/1.1 200 OK\r\netag: \"x\"\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
    let proxy = FaultyProxy::start(Fault::AnswerTo { to: "GET ", with: &[WHOLE] }).await;
    let through = blobs_through(proxy.endpoint()).await;
    let blob = new_blob(&through);
    assert_eq!(through.open(&blob, .., None).await.unwrap().next().await.unwrap().unwrap(), "hello");
    let answer = through.read(&blob, 1, 3, None).await;
    assert!(matches!(answer, Err(BlobError::Transient(_))), "{answer:?}");
}
