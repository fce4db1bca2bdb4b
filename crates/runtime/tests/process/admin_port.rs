//! What the admin port says.

use crate::AT_ONCE;
use crate::small_service::{SmallService, run};

#[test]
fn readyz_names_what_is_missing_until_it_is_there_and_while_stopping() {
    let mut service = SmallService::start(&[("MEDIA__BEHAVIOUR", "resist")]);
    service.wait_for_log("works");
    assert!(service.get("/livez").starts_with("HTTP/1.0 200"));
    service.wait_for_page("/metrics", |page| page.contains("media_ready{service=\"small-service\"} 0\n"));
    let missing = service.get("/readyz");
    assert!(missing.starts_with("HTTP/1.0 503"), "{missing}");
    assert!(missing.ends_with(r#"{"ready":false,"missing":{"store":"starting"}}"#), "{missing}");

    service.write_line();
    service.wait_for_page("/readyz", |page| page.starts_with("HTTP/1.0 200") && page.ends_with(r#"{"ready":true,"missing":{}}"#));
    assert!(service.get("/metrics").contains(r#"media_build_info{service="small-service""#));
    service.wait_for_page("/metrics", |page| page.contains("media_ready{service=\"small-service\"} 1\n"));

    service.signal("TERM");
    service.wait_for_page("/readyz", |page| page.starts_with("HTTP/1.0 503") && page.contains(r#""service":"stopping""#));
    service.wait_for_page("/metrics", |page| page.contains("media_ready{service=\"small-service\"} 0\n"));
    assert!(service.get("/livez").starts_with("HTTP/1.0 200"));
    service.signal("TERM");
    service.wait(AT_ONCE);
}

#[test]
fn a_port_that_is_taken_is_a_failure_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let end = run(&[], &[("MEDIA__ADMIN__LISTEN", &address)]);
    assert_eq!(end.code, Some(1));
    assert!(end.log.contains(&format!("the admin port {address} cannot be opened: ")), "{}", end.log);
}
