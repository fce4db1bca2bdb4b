//! How a process ends, asked or not.

use crate::AT_ONCE;
use crate::small_service::SmallService;

#[test]
fn the_first_sigterm_stops_softly_and_well() {
    let mut service = SmallService::start(&[]);
    service.wait_for_log("works");
    service.signal("TERM");
    let end = service.wait(AT_ONCE);
    assert_eq!(end.code, Some(0), "{}", end.log);
    assert!(end.log.contains("SIGTERM: takes nothing new"), "{}", end.log);
    assert!(!end.log.contains("WARN") && !end.log.contains("ERROR"), "{}", end.log);
}

#[test]
fn sigint_stops_too() {
    let mut service = SmallService::start(&[]);
    service.wait_for_log("works");
    service.signal("INT");
    assert_eq!(service.wait(AT_ONCE).code, Some(0));
}

#[test]
fn a_second_sigterm_is_obeyed_at_once_even_by_a_service_that_blocks() {
    for behaviour in ["resist", "block"] {
        let mut service = SmallService::start(&[("MEDIA__BEHAVIOUR", behaviour)]);
        service.wait_for_log("works");
        service.signal("TERM");
        service.wait_for_log("takes nothing new");
        assert!(service.is_alive(), "one signal leaves it its grace");
        service.signal("TERM");
        let end = service.wait(AT_ONCE);
        assert_eq!(end.code, Some(1), "{}", end.log);
        assert!(end.log.contains("SIGTERM again"), "{}", end.log);
    }
}

#[test]
fn the_end_of_the_grace_cuts_off() {
    let mut service = SmallService::start(&[("MEDIA__BEHAVIOUR", "resist"), ("MEDIA__SHUTDOWN__GRACE", "300ms")]);
    service.wait_for_log("works");
    service.signal("TERM");
    let end = service.wait(AT_ONCE);
    assert_eq!(end.code, Some(1), "{}", end.log);
    assert!(end.log.contains("the grace is over"), "{}", end.log);
}

#[test]
fn a_service_that_returns_has_done_its_work() {
    assert_eq!(SmallService::start(&[("MEDIA__BEHAVIOUR", "return")]).wait(AT_ONCE).code, Some(0));
}

#[test]
fn a_service_that_fails_logs_its_chain_once_and_leaves_with_failure() {
    let end = SmallService::start(&[("MEDIA__BEHAVIOUR", "fail")]).wait(AT_ONCE);
    assert_eq!(end.code, Some(1), "{}", end.log);
    assert_eq!(end.log.matches("ERROR").count(), 1, "{}", end.log);
    assert!(end.log.contains("the service failed: the store cannot be reached: connection refused"), "{}", end.log);
}

#[test]
fn a_service_that_panics_leaves_with_failure() {
    let end = SmallService::start(&[("MEDIA__BEHAVIOUR", "panic")]).wait(AT_ONCE);
    assert_eq!(end.code, Some(1), "{}", end.log);
    assert!(end.log.contains("panicked: the service's own"), "{}", end.log);
}

#[test]
fn a_task_that_dies_takes_the_service_down() {
    for (behaviour, why) in [
        ("task_fails", "the task `pump` died: the pump is dry"),
        ("task_panics", "the pump burst"),
        ("task_ends", "the task `pump` died: it ended, and nobody had asked it to stop"),
    ] {
        let end = SmallService::start(&[("MEDIA__BEHAVIOUR", behaviour)]).wait(AT_ONCE);
        assert_eq!(end.code, Some(1), "{}", end.log);
        assert!(end.log.contains(why), "{}", end.log);
    }
}

#[test]
fn process_1_obeys_too() {
    let service = SmallService::start_as_process_1();
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
    assert!(status.lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1")), "{status}");
    service.signal("TERM");
    let end = service.wait(AT_ONCE);
    assert_eq!(end.code, Some(0), "{}", end.log);
}
