//! Settings as a process is given them.

use crate::small_service::run;

#[test]
fn an_unknown_key_is_refused_before_a_port_opens() {
    let end = run(&[], &[("MEDIA__STORE__TYPO", "x"), ("MEDIA__STORE__ENDPOINT", "")]);
    assert_eq!(end.code, Some(1));
    assert!(end.log.contains("MEDIA__STORE__TYPO: there is no such setting"), "{}", end.log);
    assert!(end.log.contains("store.endpoint: must be given"), "{}", end.log);
    assert!(!end.log.contains("admin port"), "{}", end.log);
}

#[test]
fn check_judges_the_settings_and_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("media.toml");
    std::fs::write(&file, "[store]\nendpoint = \"http://elsewhere\"\n").unwrap();
    let good = run(&["--check", "--config", file.to_str().unwrap()], &[]);
    assert_eq!((good.code, good.stdout.as_str()), (Some(0), "small-service: the settings are good\n"));

    std::fs::write(&file, "[store]\nendpont = \"http://elsewhere\"\n").unwrap();
    let bad = run(&["--check"], &[("MEDIA_CONFIG", file.to_str().unwrap())]);
    assert_eq!(bad.code, Some(1));
    assert!(bad.log.contains("store.endpont in "), "{}", bad.log);
}

#[test]
fn print_settings_hides_secrets() {
    let end = run(&["--print-settings"], &[("MEDIA__STORE__PASSWORD", "hunter2")]);
    assert_eq!(end.code, Some(0));
    assert!(end.stdout.contains("password: ***"), "{}", end.stdout);
    assert!(end.stdout.contains(r#"endpoint: "http://localhost:8333""#), "{}", end.stdout);
    assert!(!end.stdout.contains("hunter2"));
}

#[test]
fn version_and_help_are_no_failures_and_a_wrong_flag_is() {
    assert_eq!(run(&["--version"], &[]).stdout, format!("small-service {}\n", env!("CARGO_PKG_VERSION")));
    assert!(run(&["--help"], &[]).stdout.contains("--print-settings"));
    assert_eq!(run(&["--nonsense"], &[]).code, Some(2));
}
