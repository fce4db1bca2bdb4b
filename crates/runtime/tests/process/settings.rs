//! Settings as a process is given them.

use crate::small_service::{run, run_unread};

#[test]
fn an_unknown_key_is_refused_before_a_port_opens() {
    let end = run(&[], &[("MEDIA__STORE__TYPO", "x"), ("MEDIA__STORE__ENDPOINT", "")]);
    assert_eq!(end.code, Some(2));
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
    assert_eq!(bad.code, Some(2));
    assert!(bad.log.contains("store.endpont in "), "{}", bad.log);
}

#[test]
fn print_settings_shows_a_file_of_what_is_in_force_without_its_secrets() {
    let end = run(&["--print-settings"], &[("MEDIA__STORE__PASSWORD", "hunter2"), ("MEDIA__STORE__ENDPOINT", "http://elsewhere")]);
    assert_eq!(end.code, Some(0));
    assert!(!end.stdout.contains("hunter2"), "{}", end.stdout);
    let shown = end.stdout.parse::<toml::Table>().unwrap();
    assert_eq!(shown["store"]["password"].as_str(), Some("***"));
    assert_eq!(shown["store"]["endpoint"].as_str(), Some("http://elsewhere"));
    assert_eq!(shown["shutdown"]["grace"].as_str(), Some("25s"));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("media.toml");
    std::fs::write(&file, &end.stdout).unwrap();
    let again = run(&["--print-settings", "--config", file.to_str().unwrap()], &[]);
    assert_eq!(again.stdout, end.stdout, "it is a file of settings itself");
}

#[test]
fn a_secret_that_is_not_given_is_shown_as_that() {
    let shown = run(&["--print-settings"], &[("MEDIA__STORE__PASSWORD", "")]).stdout.parse::<toml::Table>().unwrap();
    assert_eq!(shown["store"]["password"].as_str(), Some(""));
}

#[test]
fn a_reader_that_has_read_enough_is_no_failure() {
    for flag in ["--print-settings", "--describe-settings", "--check", "--help"] {
        let end = run_unread(&[flag]);
        assert_eq!((end.code, end.log.as_str()), (Some(0), ""), "{flag}");
    }
}

#[test]
fn every_setting_is_described_by_its_struct_and_its_defaults() {
    let page = run(&["--describe-settings"], &[]).stdout;
    let row = |setting: &str| page.lines().find(|line| line.starts_with(&format!("| `{setting}` "))).unwrap_or_else(|| panic!("{page}"));
    assert_eq!(
        row("shutdown.grace"),
        "| `shutdown.grace` | `MEDIA__SHUTDOWN__GRACE` | a duration (`250ms`, `30s`, `5m`, `24h`, `7d`) | `\"25s\"` | From the first SIGTERM to the \
         moment at which what still runs is cut off. Kubernetes' terminationGracePeriodSeconds must be at least 5 s longer. |"
    );
    assert!(row("log_format").contains("| one of `json`, `text` | `\"json\"` |"), "{page}");
    assert!(row("store.password").contains("| secret: a text |"), "{page}");
    assert!(row("admin.listen").contains("| an address with a port |"), "{page}");
}

#[test]
fn version_and_help_are_no_failures_and_a_wrong_flag_is() {
    let revision = option_env!("MEDIA_REVISION").unwrap_or("unknown");
    assert_eq!(run(&["--version"], &[]).stdout, format!("small-service {} ({revision})\n", env!("CARGO_PKG_VERSION")));
    assert!(run(&["--help"], &[]).stdout.contains("--print-settings"));
    assert_eq!(run(&["--nonsense"], &[]).code, Some(2));
}
