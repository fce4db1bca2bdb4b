//! What an upload may be: reads a CreateUpload whole and names every field that is at fault, with its limit.

use media_domain::{
    Kind, OwnerId, Profiles,
    asset::Priority,
    limits::{MAX_FILENAME_BYTES, max_bytes},
    profile::ProfileName,
    provenance::{ArtifactKind, Provenance},
};
use media_proto::v1::{self, CreateUploadRequest};
use time::OffsetDateTime;

use crate::{
    convert::{self, provenance},
    error::{ApiError, FieldReason, Violations},
    once,
};

/// Of each half of a media type (RFC 6838, 4.2).
const MAX_MIME_NAME_CHARS: usize = 127;

/// A request for an upload that can be granted.
#[derive(Clone, Debug, PartialEq)]
pub struct NewUpload {
    pub kind: Kind,
    pub filename: String,
    pub size_bytes: u64,
    /// Lower case.
    pub sha256: Option<String>,
    /// Lower case, without parameters; `None` also where the caller does not know.
    pub mime: Option<String>,
    pub owner: OwnerId,
    pub priority: Priority,
    /// `None`: those of the tenant's policy.
    pub profiles: Option<Vec<ProfileName>>,
    /// Of what a machine made, and of nothing else.
    pub provenance: Option<Provenance>,
}

impl NewUpload {
    /// # Errors
    /// [`ApiError::Invalid`] with every field at fault.
    pub fn read(request: CreateUploadRequest, known: &Profiles) -> Result<Self, ApiError> {
        let mut violations = Violations::default();
        let kind = kind(request.kind, &mut violations);
        if let Some(problem) = filename_problem(&request.filename) {
            violations.add("filename", problem);
        }
        let size_bytes = size(request.size_bytes, kind, &mut violations);
        let sha256 = optional(request.sha256).map(|text| text.to_ascii_lowercase());
        if sha256.as_deref().is_some_and(|text| !is_sha256(text)) {
            violations.add("sha256", "must be 64 hexadecimal digits");
        }
        let mime = mime(&request.mime, kind, &mut violations);
        let owner = request
            .owner_user_id
            .parse()
            .map_err(|error: media_domain::ids::NotAnId| violations.add("owner_user_id", format!("is {error}")))
            .ok();
        let profiles = profiles(&request.profiles, kind, known, &mut violations);
        let priority = match v1::Priority::try_from(request.priority) {
            Ok(priority) => convert::read_priority(priority).unwrap_or(Priority::Normal),
            Err(_) => {
                violations.add("priority", "is no priority that this version knows");
                Priority::Normal
            }
        };
        let provenance = provenance_of(kind, request.provenance.as_ref(), &mut violations);
        once::check(&request.request_id, &mut violations);
        match (kind, owner) {
            (Some(kind), Some(owner)) if violations.0.is_empty() => {
                Ok(Self { kind, filename: request.filename, size_bytes, sha256, mime, owner, priority, profiles, provenance })
            }
            _ => Err(ApiError::Invalid(violations)),
        }
    }
}

fn provenance_of(kind: Option<Kind>, given: Option<&v1::AiProvenance>, violations: &mut Violations) -> Option<Provenance> {
    match (ArtifactKind::of(kind?), given) {
        (Some(_), given) => provenance::read(given, OffsetDateTime::now_utc(), violations),
        (None, None) => None,
        (None, Some(_)) => {
            violations.add("provenance", "is of what AI made, and of no other kind than ai_image and ai_audio");
            None
        }
    }
}

fn profiles(given: &[String], kind: Option<Kind>, known: &Profiles, violations: &mut Violations) -> Option<Vec<ProfileName>> {
    let of_kind: Vec<&ProfileName> = known.of_kind(kind?).into_iter().map(|profile| &profile.name).collect();
    let mut asked = Vec::new();
    for name in given {
        match of_kind.iter().find(|profile| profile.as_str() == name) {
            Some(profile) if !asked.contains(*profile) => asked.push((*profile).clone()),
            Some(_) => {}
            None => violations.add("profiles", format!("may hold {}", names(&of_kind))),
        }
    }
    (!asked.is_empty()).then_some(asked)
}

fn names(profiles: &[&ProfileName]) -> String {
    if profiles.is_empty() {
        return "nothing: nothing is made of this kind".to_owned();
    }
    profiles.iter().map(|profile| profile.as_str()).collect::<Vec<_>>().join(", ")
}

fn kind(given: i32, violations: &mut Violations) -> Option<Kind> {
    match v1::AssetKind::try_from(given).ok().and_then(convert::read_kind) {
        None => {
            violations.add("kind", "must be given, as one that this version knows");
            None
        }
        kind => kind,
    }
}

/// What is wrong with a file's name. It is shown to people and put into a header; it is never a part of a key.
pub fn filename_problem(name: &str) -> Option<String> {
    match name {
        "" => Some("is empty".to_owned()),
        "." | ".." => Some("is a folder".to_owned()),
        name if name.len() > MAX_FILENAME_BYTES => Some(format!("has {} bytes, the limit is {MAX_FILENAME_BYTES}", name.len())),
        name if name.contains(['/', '\\']) => Some("holds / or \\: a name has no folders".to_owned()),
        name if name.chars().any(char::is_control) => Some("holds a control character".to_owned()),
        _ => None,
    }
}

fn size(given: i64, kind: Option<Kind>, violations: &mut Violations) -> u64 {
    let size = u64::try_from(given).unwrap_or(0);
    if size == 0 {
        violations.add("size_bytes", "must be at least 1");
    } else if let Some((kind, limit)) = kind.map(|kind| (kind, max_bytes(kind))).filter(|(_, limit)| size > *limit) {
        violations.add_as(FieldReason::SizeExceedsLimit, "size_bytes", format!("is {size}, the limit for {kind} is {limit}"));
    }
    size
}

fn mime(given: &str, kind: Option<Kind>, violations: &mut Violations) -> Option<String> {
    let essence = optional(given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())?;
    match essence.split_once('/') {
        Some((group, name)) if is_mime_name(group) && is_mime_name(name) => {}
        _ => {
            violations.add("mime", "is no media type, such as video/mp4");
            return None;
        }
    }
    if essence == "application/octet-stream" {
        return None;
    }
    if let Some(kind) = kind.filter(|kind| !may_be(*kind, &essence)) {
        violations.add_as(FieldReason::MimeUnsupported, "mime", format!("is no type of a {kind}"));
    }
    Some(essence)
}

/// `restricted-name` of RFC 6838, 4.2.
fn is_mime_name(text: &str) -> bool {
    (1..=MAX_MIME_NAME_CHARS).contains(&text.len())
        && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
}

/// Whether a file of this kind can have the type at all. Generous: the bytes decide, in the scanner.
fn may_be(kind: Kind, essence: &str) -> bool {
    const CONTAINERS: &[&str] = &["application/mp4", "application/ogg", "application/x-matroska", "application/mxf"];
    const DOCUMENTS: &[&str] =
        &["application/pdf", "application/rtf", "application/msword", "application/epub+zip", "application/json", "application/xml"];
    const DOCUMENT_FAMILIES: &[&str] =
        &["application/vnd.ms-", "application/vnd.openxmlformats-officedocument.", "application/vnd.oasis.opendocument.", "text/"];
    const SUBTITLES: &[&str] = &["application/x-subrip", "application/ttml+xml"];
    match kind.pipeline() {
        Kind::Image | Kind::AiImage => essence.starts_with("image/"),
        Kind::Video => essence.starts_with("video/") || CONTAINERS.contains(&essence),
        // A container of audio alone is often called by its video's name.
        Kind::Audio | Kind::AiAudio => essence.starts_with("audio/") || essence.starts_with("video/") || CONTAINERS.contains(&essence),
        Kind::Document => DOCUMENTS.contains(&essence) || DOCUMENT_FAMILIES.iter().any(|family| essence.starts_with(family)),
        Kind::Subtitle => essence.starts_with("text/") || SUBTITLES.contains(&essence),
    }
}

pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn optional(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Profiles {
        Profiles::built_in().unwrap()
    }

    fn request() -> CreateUploadRequest {
        CreateUploadRequest {
            kind: v1::AssetKind::Video.into(),
            filename: "Ferien in Zürich.mp4".into(),
            size_bytes: 12,
            owner_user_id: "01ARZ3NDEKTSV4RRFFQ69G5FAV".into(),
            ..CreateUploadRequest::default()
        }
    }

    fn faults(request: CreateUploadRequest) -> Vec<(&'static str, FieldReason)> {
        match NewUpload::read(request, &known()) {
            Ok(_) => Vec::new(),
            Err(ApiError::Invalid(violations)) => violations.0.iter().map(|violation| (violation.field, violation.reason)).collect(),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_good_request_is_read_with_its_defaults() {
        let sha256 = "AB".repeat(32);
        let upload =
            NewUpload::read(CreateUploadRequest { sha256, mime: "Video/MP4; codecs=\"avc1\"".into(), ..request() }, &known()).unwrap();
        assert_eq!((upload.kind, upload.size_bytes, upload.priority), (Kind::Video, 12, Priority::Normal));
        assert_eq!(upload.sha256.unwrap(), "ab".repeat(32));
        assert_eq!(upload.mime.as_deref(), Some("video/mp4"));
    }

    #[test]
    fn every_field_at_fault_is_named_at_once() {
        let request = CreateUploadRequest {
            kind: v1::AssetKind::Unspecified.into(),
            filename: "../x\0".into(),
            size_bytes: 0,
            sha256: "abc".into(),
            mime: "nonsense".into(),
            owner_user_id: "me".into(),
            profiles: vec!["h264-720p".into()],
            priority: 99,
            request_id: "x".repeat(65),
            provenance: None,
        };
        let fields: Vec<_> = faults(request).into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["kind", "filename", "size_bytes", "sha256", "mime", "owner_user_id", "priority", "request_id"]);
    }

    #[test]
    fn profiles_are_those_of_the_kind_and_each_is_asked_for_once() {
        let asked = |names: &[&str]| CreateUploadRequest { profiles: names.iter().map(ToString::to_string).collect(), ..request() };
        assert_eq!(NewUpload::read(asked(&[]), &known()).unwrap().profiles, None);
        let read = NewUpload::read(asked(&["poster", "h264-360p", "poster"]), &known()).unwrap().profiles.unwrap();
        assert_eq!(read.iter().map(ProfileName::as_str).collect::<Vec<_>>(), ["poster", "h264-360p"]);
        assert_eq!(faults(asked(&["webp-320"])), [("profiles", FieldReason::Invalid)]);
        let said = NewUpload::read(asked(&["../x"]), &known()).unwrap_err().to_string();
        assert!(said.contains("h264-720p"), "{said}");
    }

    #[test]
    fn a_name_that_is_a_path_or_breaks_a_header_is_refused_with_the_limit() {
        for name in ["", ".", "..", "../etc/passwd", "a/b", "a\\b", "a\0b", "a\nb", "a\u{7f}", "a\u{85}"] {
            assert!(filename_problem(name).is_some(), "{name:?}");
        }
        assert_eq!(filename_problem(&"ü".repeat(128)).unwrap(), "has 256 bytes, the limit is 255");
        for name in ["a", "...", ".hidden", "Ünïcödé 😀.mp4", &"x".repeat(255)] {
            assert_eq!(filename_problem(name), None, "{name:?}");
        }
    }

    #[test]
    fn a_file_over_the_limit_of_its_kind_is_refused_with_the_limit() {
        let limit = max_bytes(Kind::Video).cast_signed();
        assert_eq!(faults(CreateUploadRequest { size_bytes: limit, ..request() }), []);
        let over = CreateUploadRequest { size_bytes: limit + 1, ..request() };
        assert_eq!(faults(over.clone()), [("size_bytes", FieldReason::SizeExceedsLimit)]);
        assert!(NewUpload::read(over, &known()).unwrap_err().to_string().contains(&limit.to_string()));
        assert_eq!(faults(CreateUploadRequest { size_bytes: -1, ..request() }), [("size_bytes", FieldReason::Invalid)]);
    }

    #[test]
    fn a_type_that_no_file_of_the_kind_has_is_unsupported() {
        for (kind, mime, fits) in [
            (v1::AssetKind::Video, "video/quicktime", true),
            (v1::AssetKind::Video, "image/png", false),
            (v1::AssetKind::Video, "application/x-unknown", false),
            (v1::AssetKind::Audio, "video/mp4", true),
            (v1::AssetKind::Image, "image/avif", true),
            (v1::AssetKind::Document, "application/pdf", true),
            (v1::AssetKind::Document, "application/x-msdownload", false),
            (v1::AssetKind::Subtitle, "text/vtt", true),
            (v1::AssetKind::Image, "application/octet-stream", true),
        ] {
            let found = faults(CreateUploadRequest { kind: kind.into(), mime: mime.into(), ..request() });
            assert_eq!(found.is_empty(), fits, "{kind:?} {mime}");
            assert!(fits || found == [("mime", FieldReason::MimeUnsupported)], "{kind:?} {mime}");
        }
    }

    #[test]
    fn ai_kinds_carry_their_provenance_and_no_others_do() {
        let provenance = Some(v1::AiProvenance { model: "m".into(), trace_id: "t".into(), ..v1::AiProvenance::default() });
        for kind in [v1::AssetKind::AiImage, v1::AssetKind::AiAudio] {
            let bare = CreateUploadRequest { kind: kind.into(), ..request() };
            assert_eq!(faults(bare.clone()), [("provenance", FieldReason::Invalid)]);
            let read = NewUpload::read(CreateUploadRequest { provenance: provenance.clone(), ..bare }, &known()).unwrap();
            assert_eq!(read.provenance.unwrap().model, "m");
        }
        assert_eq!(faults(CreateUploadRequest { provenance, ..request() }), [("provenance", FieldReason::Invalid)]);
    }
}
