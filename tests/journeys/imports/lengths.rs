//! More, less, and never enough.

use media_devstack::Binary;
use media_proto::v1::{AssetKind, ImportAssetRequest};

use super::{LIMIT, counted, failed, import, letter, request, try_once, under_way, world};
use crate::{
    harness::{Web, World, eventually, samples, web::Says},
    refusals::leftovers,
    retention::{lower_limit, quota},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_as_it_was_announced_fails_by_its_fault_and_leaves_nothing() {
    let web = Web::start().await;
    let mut world = world("import-lengths", &web, &[Binary::Relay, Binary::Api, Binary::Janitor]).await;
    let (mut caller, sql) = (world.caller().await, world.sql().await);
    let file = samples::document(9_999);
    let whole = || Says::File(file.clone());
    let size = i64::try_from(file.len()).unwrap();
    let good = request(&caller, AssetKind::Document, "letter.rtf", "");
    let sized = |size_bytes| ImportAssetRequest { size_bytes, ..good.clone() };
    let hashed = ImportAssetRequest { sha256: "ab".repeat(32), ..good.clone() };
    let cases = [
        ("less than its server announced", Says::Announced(20_000, file.clone()), good.clone(), "size_mismatch"),
        ("more than its server announced", Says::Announced(5_000, file.clone()), good.clone(), "size_mismatch"),
        ("less than was declared", whole(), sized(size + 1), "size_mismatch"),
        ("more than was declared", whole(), sized(size - 1), "size_mismatch"),
        ("less than was declared, of no known length", Says::Chunks(file.clone()), sized(size + 1), "size_mismatch"),
        ("more than was declared, of no known length", Says::Chunks(file.clone()), sized(size - 1), "size_mismatch"),
        ("more than was declared, without an end", Says::Endless, sized(size), "size_mismatch"),
        ("other bytes", whole(), hashed, "hash_mismatch"),
        ("no byte", Says::File(Vec::new()), good.clone(), "import_failed"),
        ("no byte, of no known length", Says::Chunks(Vec::new()), good.clone(), "import_failed"),
        ("a coding", Says::Gzip(file.clone()), good.clone(), "import_failed"),
        ("half of the file", Says::Status(206), good.clone(), "import_failed"),
        ("no file", Says::Status(403), good.clone(), "import_failed"),
    ];
    let mut imports = Vec::new();
    for (number, (what, says, request, reason)) in cases.into_iter().enumerate() {
        let url = web.at(&format!("/{number}"), [says]);
        let id = import(&mut caller, ImportAssetRequest { url, ..request }).await.unwrap().id;
        imports.push((id, what, reason));
    }
    try_once(&sql).await;
    let _scanner = world.start(Binary::Scanner, &[]).await;
    for (id, what, reason) in imports {
        let failed = failed(&mut caller, &id).await;
        assert_eq!(failed.0, reason, "{what}: {}", failed.1);
    }
    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
    assert_eq!((counted(&sql, &caller).await, under_way(&sql).await), ((0, 0), (0, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_ends_is_cut_at_the_limit() {
    let web = Web::start().await;
    let world = world("import-endless", &web, &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Janitor]).await;
    let mut caller = world.caller().await;
    lower_limit(&mut caller, AssetKind::Document, 3_000_000).await;
    let endless = letter(&mut caller, &web.at("/endless", [Says::Endless])).await;
    let (reason, detail) = failed(&mut caller, &endless).await;
    assert!(reason == "size_exceeds_limit" && detail.contains("3000000"), "{reason}: {detail}");
    // What lay in buffers on the way, and no more.
    eventually("the server has stopped", LIMIT, async || if web.sent() < 30_000_000 { Ok(()) } else { Err(web.sent()) }).await;

    let before = web.sent();
    let large = letter(&mut caller, &web.at("/large", [Says::Held(vec![0; 4_000_000], 0)])).await;
    assert_eq!(failed(&mut caller, &large).await.0, "size_exceeds_limit", "what is announced need not come");
    assert_eq!(web.sent(), before);
    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_reserved_as_they_are_known_and_the_quota_has_the_last_word() {
    let web = Web::start().await;
    let mut world = World::new("import-quota").await;
    super::open_to(&mut world, &web);
    // One that is held to the end, one beside it, and one that is left to scans.
    world.fleet.set("MEDIA__WORKER__PERMITS", "3");
    world.fleet.set("MEDIA__FETCH__IDLE_TIMEOUT", "10m");
    world.start_all(&[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Janitor]).await;
    let (mut caller, sql) = (world.caller().await, world.sql().await);
    quota(&mut caller, 12_000_000).await;
    // Of a known length, all of it is reserved before the first byte comes.
    let held = letter(&mut caller, &web.at("/held", [Says::Held(samples::document(9_999), 100)])).await;
    eventually("its length is reserved", LIMIT, async || {
        let counted = counted(&sql, &caller).await;
        if counted == (0, 10_000) { Ok(()) } else { Err(counted) }
    })
    .await;
    let large = letter(&mut caller, &web.at("/large", [Says::Held(vec![0; 11_995_000], 0)])).await;
    let (reason, detail) = failed(&mut caller, &large).await;
    assert!(reason == "quota_exceeded" && detail.contains("12000000"), "{reason}: {detail}");
    let endless = letter(&mut caller, &web.at("/endless", [Says::Endless])).await;
    assert_eq!(failed(&mut caller, &endless).await.0, "quota_exceeded");
    assert_eq!(counted(&sql, &caller).await, (0, 10_000), "what failed is given back");

    // Announced by the caller, it is reserved at once, or refused.
    let announced = ImportAssetRequest { size_bytes: 11_995_000, ..request(&caller, AssetKind::Document, "a.rtf", "https://example.com/") };
    let refused = import(&mut caller, announced).await.unwrap_err();
    assert_eq!(crate::refusals::refusal(&refused).1, "QUOTA_EXCEEDED");
    super::ended::abort(&mut caller, &held).await.unwrap();
    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
    assert_eq!(counted(&sql, &caller).await, (0, 0));
}
