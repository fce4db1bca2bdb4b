//! What an import may be: reads an ImportAsset whole and names every field that is at fault.

use media_domain::Profiles;
use media_import_rules::{ImportRules, ImportUrl};
use media_proto::v1::{CreateUploadRequest, ImportAssetRequest};

use super::new_upload::NewUpload;
use crate::{
    error::{ApiError, FieldReason, Violations},
    once,
};

/// A request for an import that can be granted.
#[derive(Clone, Debug)]
pub struct NewImport {
    pub url: ImportUrl,
    /// The file as an upload has it. Where its size was not announced, it is the least that a file has.
    pub file: NewUpload,
    pub size_bytes: Option<u64>,
}

impl NewImport {
    /// # Errors
    /// [`ApiError::Invalid`] with every field at fault.
    pub fn read(request: ImportAssetRequest, known: &Profiles, rules: &ImportRules) -> Result<Self, ApiError> {
        let mut violations = Violations::default();
        let url = ImportUrl::parse(&request.url, rules)
            .map_err(|refusal| violations.add_as(FieldReason::UrlRefused, "url", refusal.to_string()))
            .ok();
        once::check(&request.request_id, &mut violations);
        let is_announced = request.size_bytes != 0;
        let file = NewUpload::read(
            CreateUploadRequest {
                kind: request.kind,
                filename: request.filename,
                size_bytes: if is_announced { request.size_bytes } else { 1 },
                sha256: request.sha256,
                mime: request.mime,
                owner_user_id: request.owner_user_id,
                profiles: request.profiles,
                priority: request.priority,
                ..CreateUploadRequest::default()
            },
            known,
        );
        match (url, file) {
            (Some(url), Ok(file)) if violations.0.is_empty() => Ok(Self { url, size_bytes: is_announced.then_some(file.size_bytes), file }),
            (_, Err(ApiError::Invalid(more))) => {
                violations.0.extend(more.0);
                Err(ApiError::Invalid(violations))
            }
            (_, Err(error)) => Err(error),
            (_, Ok(_)) => Err(ApiError::Invalid(violations)),
        }
    }
}

#[cfg(test)]
mod tests {
    use media_domain::Kind;
    use media_proto::v1;

    use super::*;

    fn request() -> ImportAssetRequest {
        ImportAssetRequest {
            url: "https://files.example.com/film.mp4?sig=s3cret".into(),
            kind: v1::AssetKind::Video.into(),
            filename: "film.mp4".into(),
            owner_user_id: "01ARZ3NDEKTSV4RRFFQ69G5FAV".into(),
            ..ImportAssetRequest::default()
        }
    }

    fn read(request: ImportAssetRequest) -> Result<NewImport, ApiError> {
        NewImport::read(request, &Profiles::built_in().unwrap(), &ImportRules { plain_http: false, ports: vec![443], allow: Vec::new() })
    }

    fn faults(request: ImportAssetRequest) -> Vec<(&'static str, FieldReason)> {
        match read(request) {
            Ok(_) => Vec::new(),
            Err(ApiError::Invalid(violations)) => violations.0.iter().map(|violation| (violation.field, violation.reason)).collect(),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_size_need_not_be_announced() {
        assert_eq!(read(request()).unwrap().size_bytes, None);
        let announced = read(ImportAssetRequest { size_bytes: 12, ..request() }).unwrap();
        assert_eq!((announced.size_bytes, announced.file.kind), (Some(12), Kind::Video));
        assert_eq!(faults(ImportAssetRequest { size_bytes: -1, ..request() }), [("size_bytes", FieldReason::Invalid)]);
    }

    #[test]
    fn the_url_is_at_fault_beside_the_other_fields_and_is_not_repeated() {
        let bad = ImportAssetRequest { url: "http://s3cret.example.com/".into(), filename: String::new(), ..request() };
        assert_eq!(faults(bad.clone()), [("url", FieldReason::UrlRefused), ("filename", FieldReason::Invalid)]);
        assert!(!read(bad).unwrap_err().to_string().contains("s3cret"));
        assert!(!format!("{:?}", read(request()).unwrap()).contains("s3cret"));
    }
}
