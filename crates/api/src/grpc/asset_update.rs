//! What may be edited of an asset: reads an UpdateAsset whole, and names every field that is at fault.

use media_domain::{AssetId, asset::RetentionClass, ids::NotAnId};
use media_proto::v1;
use media_storage::assets::Asset;

use super::{etag, new_upload::filename_problem};
use crate::{
    convert,
    error::{ApiError, Violations},
};

const FIELDS: [&str; 2] = ["filename", "retention_class"];

/// An edit that can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetUpdate {
    pub id: AssetId,
    pub etag: Option<i64>,
    /// `None` stays as it is.
    pub filename: Option<String>,
    /// `None` stays as it is.
    pub retention_class: Option<RetentionClass>,
}

impl AssetUpdate {
    /// # Errors
    /// [`ApiError::Invalid`] with every field at fault; [`ApiError::EtagMismatch`] where the etag is none of ours.
    pub fn read(request: v1::UpdateAssetRequest) -> Result<Self, ApiError> {
        let asset = request.asset.ok_or_else(|| Violations::of("asset", "must be given"))?;
        let class = asset.retention_class();
        let id = asset.id.parse().map_err(|error: NotAnId| Violations::of("asset.id", format!("is {error}")))?;
        let mut violations = Violations::default();
        let paths = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
        if paths.iter().any(|path| !FIELDS.contains(&path.as_str())) {
            violations.add("update_mask", format!("may name {}", FIELDS.join(" and ")));
        }
        let is_meant = |field: &str, is_set: bool| if paths.is_empty() { is_set } else { paths.iter().any(|path| path == field) };
        let filename = Some(asset.filename).filter(|name| is_meant("filename", !name.is_empty()));
        if let Some(problem) = filename.as_deref().and_then(filename_problem) {
            violations.add("asset.filename", problem);
        }
        let is_class_meant = is_meant("retention_class", asset.retention_class != 0);
        let retention_class = convert::read_retention_class(class).filter(|_| is_class_meant);
        if is_class_meant && retention_class.is_none() {
            violations.add("asset.retention_class", "must be one that this version knows");
        }
        violations.into_result()?;
        Ok(Self { id, etag: etag(&asset.etag)?, filename, retention_class })
    }

    /// Whether the asset would be another one.
    pub fn changes(&self, asset: &Asset) -> bool {
        let renames = self.filename.is_some() && self.filename != asset.filename;
        renames || self.retention_class.is_some_and(|class| class != asset.retention_class)
    }
}

#[cfg(test)]
mod tests {
    use media_proto::FieldMask;

    use super::*;

    fn request(paths: &[&str], asset: v1::Asset) -> v1::UpdateAssetRequest {
        let update_mask = (!paths.is_empty()).then(|| FieldMask { paths: paths.iter().map(ToString::to_string).collect() });
        v1::UpdateAssetRequest { asset: Some(v1::Asset { id: AssetId::generate().to_string(), ..asset }), update_mask }
    }

    fn faults(request: v1::UpdateAssetRequest) -> Vec<&'static str> {
        match AssetUpdate::read(request) {
            Err(ApiError::Invalid(violations)) => violations.0.iter().map(|it| it.field).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_what_the_mask_names_is_changed_and_without_one_what_is_set() {
        let asset =
            || v1::Asset { filename: "new.mp4".into(), retention_class: v1::RetentionClass::Authored.into(), ..v1::Asset::default() };
        let named = AssetUpdate::read(request(&["filename"], asset())).unwrap();
        assert_eq!((named.filename.as_deref(), named.retention_class), (Some("new.mp4"), None));
        let set = AssetUpdate::read(request(&[], asset())).unwrap();
        assert_eq!((set.filename.as_deref(), set.retention_class), (Some("new.mp4"), Some(RetentionClass::Authored)));
        let nothing = AssetUpdate::read(request(&[], v1::Asset::default())).unwrap();
        assert_eq!((nothing.filename, nothing.retention_class, nothing.etag), (None, None, None));
    }

    #[test]
    fn every_field_at_fault_is_named() {
        let asset = v1::Asset { filename: "../x".into(), retention_class: 99, ..v1::Asset::default() };
        assert_eq!(
            faults(request(&["filename", "retention_class", "status"], asset)),
            ["update_mask", "asset.filename", "asset.retention_class"]
        );
        assert_eq!(faults(request(&["filename"], v1::Asset::default())), ["asset.filename"], "an empty name is none");
        assert_eq!(faults(v1::UpdateAssetRequest::default()), ["asset"]);
    }
}
