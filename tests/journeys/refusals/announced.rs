//! What CreateUpload refuses, before a byte is sent.

use media_devstack::Binary;
use media_proto::v1::{AssetKind, CreateUploadRequest};
use tonic::Code;
use tonic_types::StatusExt;

use super::{leftovers, reason, refusal};
use crate::harness::World;

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_uploaded_is_refused_with_every_field_at_fault_and_opens_nothing() {
    let world = World::with("announced", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    let good = caller.request(AssetKind::Video, "film.mp4", 1000);
    let named = |filename: &str| CreateUploadRequest { filename: filename.to_owned(), ..good.clone() };
    let typed = |mime: &str| CreateUploadRequest { mime: mime.to_owned(), ..good.clone() };
    let sized = |size_bytes: i64| CreateUploadRequest { size_bytes, ..good.clone() };
    let all_at_once = CreateUploadRequest { size_bytes: 0, mime: "video".to_owned(), sha256: "abc".to_owned(), ..named("../film.mp4") };
    let cases = [
        ("zero bytes", sized(0), "FIELD_INVALID", &["size_bytes"][..]),
        ("less than nothing", sized(-1), "FIELD_INVALID", &["size_bytes"]),
        ("more than 64 GiB of film", sized((64 << 30) + 1), "SIZE_EXCEEDS_LIMIT", &["size_bytes"]),
        ("an unknown type", typed("application/x-nobody-knows"), "MIME_UNSUPPORTED", &["mime"]),
        ("a type of another kind", typed("image/png"), "MIME_UNSUPPORTED", &["mime"]),
        ("a name that climbs", named("../film.mp4"), "FIELD_INVALID", &["filename"]),
        ("a name that climbs in the middle", named("a/../../film.mp4"), "FIELD_INVALID", &["filename"]),
        ("a name with a NUL", named("film\0.mp4"), "FIELD_INVALID", &["filename"]),
        ("four faults", all_at_once, "FIELD_INVALID", &["filename", "size_bytes", "sha256", "mime"]),
    ];
    for (what, request, why, fields) in cases {
        let refused = caller.uploads.create_upload(request).await.expect_err(what);
        assert_eq!(refusal(&refused), reason(Code::InvalidArgument, why), "{what}");
        let details = refused.get_error_details();
        let named: Vec<&str> = details.bad_request().unwrap().field_violations.iter().map(|it| it.field.as_str()).collect();
        assert_eq!(named, fields, "{what}");
    }

    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
    let sql = world.sql().await;
    let rows: i64 = sqlx::query_scalar("SELECT (SELECT count(*) FROM media.assets) + (SELECT count(*) FROM media.outbox)")
        .fetch_one(&sql)
        .await
        .unwrap();
    assert_eq!(rows, 0, "no asset, and no event");
    caller.create(good).await;
}
