//! `media set`: changes what a person may edit of an asset.

use media_domain::{AssetId, asset::RetentionClass};
use media_proto::{
    FieldMask,
    v1::{Asset, UpdateAssetRequest},
};

use crate::{
    api::{Api, call},
    asset_text,
    failure::Failure,
    output, words,
};

#[derive(Debug, clap::Args)]
pub struct Set {
    /// The asset's id
    asset: AssetId,
    #[command(flatten)]
    change: Change,
    /// Only if the asset still has this etag
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
}

/// What is not given stays as it is.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Change {
    /// What it is called, without folders
    #[arg(long, value_name = "NAME")]
    filename: Option<String>,
    /// By which rule it is kept: operational, bundle, ai_generated, or authored, until somebody deletes it
    #[arg(long)]
    class: Option<RetentionClass>,
}

impl Set {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        let request = self.request();
        let answer = call(|| {
            let (mut assets, request) = (api.assets.clone(), request.clone());
            async move { assets.update_asset(request).await }
        })
        .await?;
        let asset = answer.asset.unwrap_or_default();
        if json { output::json(&asset) } else { output::line(&asset_text::head(&asset).join("\n")) }
    }

    fn request(self) -> UpdateAssetRequest {
        let Change { filename, class } = self.change;
        let given = [("filename", filename.is_some()), ("retention_class", class.is_some())];
        let paths = given.iter().filter(|(_, is_given)| *is_given).map(|(field, _)| (*field).to_owned()).collect();
        let asset = Asset {
            id: self.asset.to_string(),
            filename: filename.unwrap_or_default(),
            retention_class: class.map(words::retention_named).unwrap_or_default().into(),
            etag: self.etag,
            ..Asset::default()
        };
        UpdateAssetRequest { asset: Some(asset), update_mask: Some(FieldMask { paths }) }
    }
}

#[cfg(test)]
mod tests {
    use media_proto::v1;

    use super::*;

    #[test]
    fn the_mask_names_what_was_given_and_nothing_else() {
        let asked = |filename: Option<&str>, class| {
            let change = Change { filename: filename.map(str::to_owned), class };
            Set { asset: "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(), change, etag: "7".to_owned() }.request()
        };
        let paths = |request: &UpdateAssetRequest| request.update_mask.clone().unwrap().paths;
        let both = asked(Some("b.mp4"), Some(RetentionClass::Authored));
        assert_eq!(paths(&both), ["filename", "retention_class"]);
        let asset = both.asset.unwrap();
        assert_eq!((asset.filename.as_str(), asset.retention_class(), asset.etag.as_str()), ("b.mp4", v1::RetentionClass::Authored, "7"));
        assert_eq!(paths(&asked(None, Some(RetentionClass::Bundle))), ["retention_class"]);
        assert_eq!(paths(&asked(Some(""), None)), ["filename"], "that it is none, the service says");
    }
}
