use std::collections::BTreeMap;
use std::fs;

use secrecy::{ExposeSecret as _, SecretString};

use super::*;

const DEFAULTS: &str = r#"
name = "plain"
[s3]
endpoint = "http://localhost:8333"
secret = ""
retries = 3
ratio = 0.5
path_style = true
zones = ["a"]
sizes = [1]
wait = "30s"
region = ""
store = ""
mode = "fast"
[s3.extra]
"#;

#[derive(Debug, Deserialize, Serialize)]
struct Sample {
    name: String,
    s3: S3,
}

#[derive(Debug, Deserialize, Serialize)]
struct S3 {
    endpoint: String,
    #[serde(serialize_with = "hidden")]
    secret: SecretString,
    retries: u8,
    ratio: f64,
    path_style: bool,
    zones: Vec<String>,
    sizes: Vec<u32>,
    #[serde(with = "humantime_serde")]
    wait: Duration,
    region: Option<String>,
    store: Option<Uri>,
    mode: Mode,
    #[serde(serialize_with = "hidden")]
    extra: BTreeMap<String, SecretString>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Fast,
    Safe,
}

/// As the URLs of other crates are read: by a message of its own, which quotes.
#[derive(Debug, Serialize)]
struct Uri(String);

impl<'de> Deserialize<'de> for Uri {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl serde::de::Visitor<'_> for Reader {
            type Value = Uri;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string representing an URL")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Uri, E> {
                let fits = text.ends_with('/');
                fits.then(|| Uri(text.to_owned())).ok_or_else(|| E::custom(format!("no host: {text:?}")))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

impl Settings for Sample {
    fn problems(&self) -> Vec<Problem> {
        if self.s3.retries > 10 { vec![Problem::new("s3.retries", "at most 10")] } else { Vec::new() }
    }
}

fn load_with(file: Option<&str>, environment: &[(&str, &str)]) -> Result<Loaded<Sample>, Problems> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("media.toml");
    if let Some(text) = file {
        fs::write(&path, text).unwrap();
    }
    let environment = environment.iter().map(|(name, value)| (name.into(), value.into()));
    load(DEFAULTS, file.map(|_| path.as_path()), environment)
}

fn refusal(file: Option<&str>, environment: &[(&str, &str)]) -> String {
    load_with(file, environment).unwrap_err().to_string()
}

#[test]
fn the_defaults_alone_are_enough() {
    let loaded = load_with(None, &[]).unwrap();
    assert_eq!(loaded.config.s3.retries, 3);
    assert_eq!(loaded.config.s3.wait, Duration::from_secs(30));
    assert_eq!(loaded.config.s3.region, None);
    assert_eq!(loaded.common.shutdown.grace, Duration::from_secs(25));
    assert_eq!(loaded.common.log_format, LogFormat::Json);
    assert_eq!(loaded.common.telemetry.otlp_endpoint, None);
}

#[test]
fn the_file_beats_the_defaults_and_the_environment_beats_the_file() {
    let file = "name = \"file\"\n[s3]\nendpoint = \"http://file\"\nratio = 1\nextra = { a = \"1\" }\n[shutdown]\ngrace = \"5s\"";
    let loaded = load_with(Some(file), &[("MEDIA__S3__ENDPOINT", "http://env"), ("MEDIA__ADMIN__LISTEN", "127.0.0.1:1")]).unwrap();
    assert_eq!(loaded.config.name, "file");
    assert_eq!(loaded.config.s3.endpoint, "http://env");
    assert_eq!(loaded.config.s3.ratio.to_string(), "1");
    assert_eq!(loaded.config.s3.extra["a"].expose_secret(), "1");
    assert_eq!(loaded.config.s3.retries, 3);
    assert_eq!(loaded.common.shutdown.grace, Duration::from_secs(5));
    assert_eq!(loaded.common.admin.listen.port(), 1);
}

#[test]
fn a_variable_has_the_type_of_its_default() {
    let loaded = load_with(
        None,
        &[
            ("MEDIA__NAME", "true"),
            ("MEDIA__S3__SECRET", "12345"),
            ("MEDIA__S3__RETRIES", "7"),
            ("MEDIA__S3__RATIO", "2"),
            ("MEDIA__S3__PATH_STYLE", "false"),
            ("MEDIA__S3__ZONES", "1, b,,c "),
            ("MEDIA__S3__SIZES", "[5, 6]"),
            ("MEDIA__S3__WAIT", "2m"),
            ("MEDIA__S3__REGION", "007"),
            ("MEDIA__S3__EXTRA__KEY_1", "1e3"),
        ],
    )
    .unwrap();
    let s3 = loaded.config.s3;
    assert_eq!(loaded.config.name, "true");
    assert_eq!(s3.secret.expose_secret(), "12345");
    assert_eq!((s3.retries, s3.ratio.to_string(), s3.path_style), (7, "2".to_owned(), false));
    assert_eq!((s3.zones, s3.sizes), (vec!["1".to_owned(), "b".to_owned(), "c".to_owned()], vec![5, 6]));
    assert_eq!(s3.wait, Duration::from_secs(120));
    assert_eq!(s3.region.as_deref(), Some("007"));
    assert_eq!(s3.extra["key_1"].expose_secret(), "1e3");
}

#[test]
fn an_unknown_key_is_refused_and_named() {
    for variable in ["MEDIA__TYPO", "MEDIA__S3__TYPO", "MEDIA__S3__SECRET__DEEPER", "MEDIA__", "MEDIA__S3__", "MEDIA__S3__EXTRA__A__B"] {
        let refusal = refusal(None, &[(variable, "x")]);
        assert!(refusal.contains(&format!("{variable}: there is no such setting")), "{refusal}");
    }
    let refusal = refusal(Some("top = 1\n[s3]\ntypo = 1\n[other]\nx = 1"), &[]);
    for key in ["top in ", "s3.typo in ", "other in "] {
        assert!(refusal.contains(key), "{refusal}");
    }
}

#[test]
fn other_variables_are_not_ours() {
    load_with(None, &[("MEDIA_API_SERVICE_HOST", "10.0.0.1"), ("MEDIA", "x"), ("XMEDIA__TYPO", "x")]).unwrap();
}

#[test]
fn all_problems_are_reported_together() {
    let file = "[s3]\nendpoint = 5\ntypo = 1\n[telemetry]\notlp_endpoint = \"https://collector\"\n[admin]\nlisten = \"nowhere\"";
    let environment = [
        ("MEDIA__S3__WAIT", "soon"),
        ("MEDIA__S3__RETRIES", "300"),
        ("MEDIA__S3__RATIO", "x"),
        ("MEDIA__LOG", "a=b=c"),
        ("MEDIA__S3", "x"),
    ];
    let refusal = refusal(Some(file), &environment);
    for part in [
        "s3.endpoint in ",
        "expects a text, got a whole number",
        "s3.typo in ",
        "telemetry.otlp_endpoint: expects http://",
        "admin.listen: ",
        "s3.wait: ",
        "s3.retries: ",
        "MEDIA__S3__RATIO: expects a number",
        "MEDIA__S3: is a table",
        "log: ",
    ] {
        assert!(refusal.contains(part), "{part} is missing in {refusal}");
    }
}

#[test]
fn a_rule_of_the_binary_is_checked() {
    assert!(refusal(None, &[("MEDIA__S3__RETRIES", "11")]).contains("s3.retries: at most 10"));
}

#[test]
fn a_list_in_a_variable_cannot_smuggle_in_further_settings() {
    assert!(refusal(None, &[("MEDIA__S3__ZONES", "[]\nname = 1")]).contains("MEDIA__S3__ZONES: expects a list"));
}

#[test]
fn a_file_that_is_no_toml_is_refused_by_line_and_without_its_text() {
    let refusal = refusal(Some("[s3]\nsecret = hunter2"), &[]);
    assert!(refusal.contains("media.toml, line 2"), "{refusal}");
    assert!(!refusal.contains("hunter2"), "{refusal}");
}

#[test]
fn a_value_that_does_not_fit_is_never_repeated() {
    let file = r#"
        [s3]
        zones = [{ id = "hunter2" }]
        sizes = ["hunter2"]
        extra = { "a" = ["hunter2"] }
        [admin]
        listen = "hunter2"
    "#;
    let environment = [
        ("MEDIA__S3__RETRIES", "hunter2"),
        ("MEDIA__S3__WAIT", "hunter2"),
        ("MEDIA__S3__PATH_STYLE", "hunter2"),
        ("MEDIA__S3__STORE", "http://me:hunter2@"),
        ("MEDIA__S3__MODE", "hunter2"),
        ("MEDIA__TELEMETRY__OTLP_ENDPOINT", "hunter2"),
    ];
    let refusal = refusal(Some(file), &environment);
    assert!(!refusal.contains("hunter2"), "{refusal}");
    for part in [
        "s3.zones[0]: expects a text",
        "s3.sizes[0]: expects a whole number from 0 to 4294967295",
        "s3.extra.a: expects a text",
        "admin.listen: expects an address with a port",
        "MEDIA__S3__RETRIES: expects a whole number",
        "s3.wait: expects a duration",
        "MEDIA__S3__PATH_STYLE: expects true or false",
        "s3.store: expects a URL",
        "s3.mode: expects one of `fast`, `safe`",
        "telemetry.otlp_endpoint: expects http://",
    ] {
        assert!(refusal.contains(part), "{part} is missing in {refusal}");
    }
}

#[test]
fn a_number_out_of_its_limits_is_told_them() {
    assert!(refusal(None, &[("MEDIA__S3__SIZES", "4294967296")]).contains("s3.sizes[0]: expects a whole number from 0 to 4294967295"));
}

#[test]
fn a_file_that_is_not_there_is_refused() {
    let refusal = load::<Sample>(DEFAULTS, Some(Path::new("/nowhere/media.toml")), []).unwrap_err();
    assert!(refusal.to_string().contains("/nowhere/media.toml: "), "{refusal}");
}

#[test]
fn a_default_that_nothing_reads_is_refused() {
    let refusal = check_defaults::<Sample>(&DEFAULTS.replace("[s3.extra]", "orphan = 1\n[s3.extra]")).unwrap_err();
    assert!(refusal.to_string().contains("s3.orphan: nothing reads this setting"), "{refusal}");
}

#[test]
fn a_default_of_which_nothing_says_what_it_is_for_is_refused() {
    let commented = DEFAULTS.lines().map(|line| if line.contains('=') { format!("# For tests.\n{line}\n") } else { format!("{line}\n") });
    let commented = commented.collect::<String>();
    check_defaults::<Sample>(&commented).unwrap();
    let refusal = check_defaults::<Sample>(&commented.replace("# For tests.\nretries", "retries")).unwrap_err();
    assert_eq!(refusal.0, [Problem::new("s3.retries", "has no comment in the defaults")]);
}

#[test]
fn a_setting_without_a_default_is_refused() {
    let refusal = check_defaults::<Sample>(&DEFAULTS.replace("retries = 3", "")).unwrap_err();
    assert!(refusal.to_string().contains("missing field `retries`"), "{refusal}");
}

#[test]
fn secrets_do_not_show() {
    let shown = format!("{:?}", load_with(None, &[("MEDIA__S3__SECRET", "hunter2"), ("MEDIA__S3__EXTRA__A", "hunter2")]).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_list_in_which_a_secret_is_given_is_said_to_be_one() {
    #[derive(Debug, Deserialize, Serialize)]
    struct Key {
        id: String,
        #[serde(serialize_with = "hidden")]
        secret: SecretString,
    }
    #[derive(Debug, Deserialize, Serialize)]
    struct Ring {
        names: Vec<String>,
        keys: Vec<Key>,
    }
    impl Settings for Ring {}
    let page = page::<Ring>("ring", "# Who signs.\nnames = []\n# What they sign with.\nkeys = []\n").unwrap();
    for row in [
        "| `names` | `MEDIA__NAMES` | a list, each a text |",
        "| `keys` | `MEDIA__KEYS` | secret: a list, each a table of `id`, `secret` |",
    ] {
        assert!(page.contains(row), "{row} is not in {page}");
    }
}
