//! Where nothing is fetched from: inside, from wherever one is sent there.

use std::net::Ipv4Addr;

use media_devstack::Binary;
use media_proto::v1::{AssetKind, ImportAssetRequest};
use tonic::Code;
use tonic_types::StatusExt;

use super::{failed, import, letter, request, under_way, world};
use crate::{
    harness::{Web, World, web::Says},
    refusals::{leftovers, reason, refusal},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_url_itself_tells_is_refused_with_its_rule_and_leaves_nothing() {
    let world = World::with("import-urls", &[Binary::Api]).await;
    let (mut caller, sql) = (world.caller().await, world.sql().await);
    let good = request(&caller, AssetKind::Video, "film.mp4", "https://files.example.com/film.mp4?sig=s3cret");
    for (url, rule) in [
        ("http://files.example.com/s3cret", "scheme"),
        ("ftp://files.example.com/s3cret", "scheme"),
        ("file:///etc/s3cret", "scheme"),
        ("gopher://127.0.0.1:6379/s3cret", "scheme"),
        ("https://127.0.0.1/s3cret", "loopback"),
        ("https://127.1/s3cret", "loopback"),
        ("https://2130706433/s3cret", "loopback"),
        ("https://0177.0.0.1/s3cret", "loopback"),
        ("https://0x7f.0.0.1/s3cret", "loopback"),
        ("https://[::1]/s3cret", "loopback"),
        ("https://0/s3cret", "unspecified"),
        ("https://169.254.169.254/latest/s3cret", "link-local"),
        ("https://[fe80::1]/s3cret", "link-local"),
        ("https://10.0.0.1/s3cret", "private"),
        ("https://172.16.0.1/s3cret", "private"),
        ("https://192.168.1.1./s3cret", "private"),
        ("https://[fd00:ec2::254]/s3cret", "unique-local"),
        ("https://[::ffff:127.0.0.1]/s3cret", "IPv4 address within IPv6"),
        ("https://[64:ff9b::7f00:1]/s3cret", "NAT64"),
        ("https://100.64.0.1/s3cret", "shared"),
        ("https://files.example.com:6379/s3cret", "port 6379"),
        ("https://user:s3cret@files.example.com/", "user name or a password"),
        ("s3cret", "cannot be read as one"),
        ("", "cannot be read as one"),
    ] {
        let refused = import(&mut caller, ImportAssetRequest { url: url.to_owned(), ..good.clone() }).await.expect_err(url);
        assert_eq!(refusal(&refused), reason(Code::InvalidArgument, "URL_REFUSED"), "{url}");
        let details = refused.get_error_details();
        let [violation] = &details.bad_request().unwrap().field_violations[..] else { panic!("{url}: {refused:?}") };
        assert!(violation.field == "url" && violation.description.contains(rule), "{url}: {violation:?}");
        assert!(!format!("{refused:?}").contains("s3cret"), "a refusal does not repeat the URL: {refused:?}");
    }
    let many = ImportAssetRequest { url: "https://10.0.0.1/".to_owned(), filename: "../x".to_owned(), size_bytes: -1, ..good.clone() };
    let refused = import(&mut caller, many).await.unwrap_err();
    let details = refused.get_error_details();
    let fields: Vec<&str> = details.bad_request().unwrap().field_violations.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(fields, ["url", "filename", "size_bytes"]);
    let rows: i64 = sqlx::query_scalar("SELECT (SELECT count(*) FROM media.assets) + (SELECT count(*) FROM media.outbox)")
        .fetch_one(&sql)
        .await
        .unwrap();
    assert_eq!((rows, under_way(&sql).await), (0, (0, 0)), "no asset, and no event");
    import(&mut caller, good).await.unwrap();
}

/// `localhost` has 127.0.0.1 or ::1 on every machine. Nothing is allowed here: these are the rules as they are by default, but for the
/// port of a server that would notice a visitor.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_an_address_that_is_not_public_fails_and_nobody_is_connected_to() {
    let web = Web::start().await;
    web.at("/letter.rtf", [Says::File(b"inside".to_vec())]);
    let mut world = World::new("import-names").await;
    world.fleet.set("MEDIA__IMPORT__PLAIN_HTTP", "true");
    world.fleet.set("MEDIA__IMPORT__PORTS", format!("[443, {}]", web.port));
    world.start_all(&[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Janitor]).await;
    let mut caller = world.caller().await;
    let port = web.port;
    for url in [
        "https://localhost/letter.rtf".to_owned(),
        format!("http://localhost:{port}/letter.rtf"),
        format!("http://LOCALHOST:{port}/letter.rtf"),
        format!("http://ｌocalhost:{port}/letter.rtf"),
    ] {
        let id = letter(&mut caller, &url).await;
        let (reason, detail) = failed(&mut caller, &id).await;
        assert_eq!(reason, "url_refused", "{url}");
        assert!(detail.contains("loopback") && !detail.contains("127") && !detail.contains("::1"), "the class and no address: {detail}");
    }
    assert_eq!(web.heads().len(), 0);
    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_where_nothing_is_fetched_from_fails() {
    let web = Web::start().await;
    let trap = web.trap(Ipv4Addr::new(127, 0, 0, 2)).await;
    let world = world("import-away", &web, &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Janitor]).await;
    let mut caller = world.caller().await;
    let port = web.port;
    let away = [
        (format!("http://127.0.0.2:{port}/"), "loopback"),
        (format!("http://2130706434:{port}/"), "loopback"),
        (format!("http://0177.0.0.2:{port}/"), "loopback"),
        (format!("//127.2:{port}/"), "loopback"),
        (format!("http://[::1]:{port}/"), "loopback"),
        (format!("http://[::ffff:127.0.0.1]:{port}/"), "IPv4 address within IPv6"),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), "link-local"),
        ("http://10.0.0.1/".to_owned(), "private"),
        ("http://[fd00::1]/".to_owned(), "unique-local"),
        ("file:///etc/passwd".to_owned(), "scheme"),
        ("ftp://127.0.0.1/".to_owned(), "scheme"),
        ("http://127.0.0.1:22/".to_owned(), "port 22"),
        (format!("http://user:secret@127.0.0.1:{port}/"), "user name or a password"),
    ];
    let mut imports = Vec::new();
    for (number, (location, class)) in away.iter().enumerate() {
        let last = web.at(&format!("/{number}/b"), [Says::Moved(location.clone())]);
        let first = web.at(&format!("/{number}/a"), [Says::Moved(last)]);
        imports.push((letter(&mut caller, &first).await, location, class));
    }
    for (id, location, class) in imports {
        let (reason, detail) = failed(&mut caller, &id).await;
        assert_eq!(reason, "url_refused", "{location}: {detail}");
        assert!(detail.contains(class) && !detail.contains("127.0.0"), "{location}: {detail}");
    }
    assert_eq!((web.heads().len(), trap.heads().len()), (2 * away.len(), 0), "the way there was gone, and no step further");

    // A ring of redirects has no end: it is not refused for where it leads.
    let round = web.at("/round", [Says::Moved("/round".to_owned())]);
    let id = letter(&mut caller, &round).await;
    assert_eq!(failed(&mut caller, &id).await.0, "import_failed");
    assert_eq!(web.heads().len(), 2 * away.len() + 6);
    let gone = letter(&mut caller, &web.at("/gone", [Says::Status(404)])).await;
    let (reason, detail) = failed(&mut caller, &gone).await;
    assert!(reason == "import_failed" && detail.contains("404"), "{reason}: {detail}");
    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
}
