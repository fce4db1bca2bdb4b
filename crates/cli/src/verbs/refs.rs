//! `media refs`: which bundle needs which asset.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use media_domain::AssetId;
use media_proto::{
    Timestamp,
    v1::{
        AddReferenceRequest, Asset, BundleAsset, ListReferencesRequest, Reference, RemoveReferenceRequest, SetReferencesRequest,
        SetReferencesResponse,
    },
};

use crate::{
    api::{Api, call},
    asset_text::when,
    failure::Failure,
    output::{self, printable},
    words,
};

#[derive(Debug, clap::Subcommand)]
pub enum Refs {
    /// Say that a bundle needs an asset
    Add {
        bundle: String,
        asset: AssetId,
        #[command(flatten)]
        ttl: Ttl,
    },
    /// End a bundle's need of an asset
    Remove { bundle: String, asset: AssetId },
    /// Give the whole list of a bundle: what is not in it is removed
    Set {
        bundle: String,
        /// None: the bundle needs nothing any more
        assets: Vec<AssetId>,
        #[command(flatten)]
        ttl: Ttl,
    },
    /// List the references of an asset or of a bundle
    List {
        #[command(flatten)]
        of: Of,
    },
}

/// Until when.
#[derive(Debug, clap::Args)]
pub struct Ttl {
    /// For how long, such as 30days; without it, until it is removed
    #[arg(long, value_name = "DURATION", value_parser = humantime_serde::re::humantime::parse_duration)]
    ttl: Option<Duration>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Of {
    /// The bundles that need this asset
    #[arg(long, value_name = "ULID")]
    asset: Option<AssetId>,
    /// The assets that this bundle needs
    #[arg(long)]
    bundle: Option<String>,
}

impl Ttl {
    fn expire_time(&self) -> Option<Timestamp> {
        let end = SystemTime::now().checked_add(self.ttl?)?.duration_since(UNIX_EPOCH).ok()?;
        Some(Timestamp { seconds: i64::try_from(end.as_secs()).ok()?, nanos: 0 })
    }
}

impl Refs {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        match self {
            Refs::Add { bundle, asset, ttl } => {
                let request = AddReferenceRequest { bundle_id: bundle, asset_id: asset.to_string(), expire_time: ttl.expire_time() };
                let answer = call(|| {
                    let (mut retention, request) = (api.retention.clone(), request.clone());
                    async move { retention.add_reference(request).await }
                })
                .await?;
                if json { output::json(&answer) } else { output::line(&kept(&answer.asset.unwrap_or_default())) }
            }
            Refs::Remove { bundle, asset } => {
                let request = RemoveReferenceRequest { bundle_id: bundle, asset_id: asset.to_string() };
                let answer = call(|| {
                    let (mut retention, request) = (api.retention.clone(), request.clone());
                    async move { retention.remove_reference(request).await }
                })
                .await?;
                if json { output::json(&answer) } else { output::line(&kept(&answer.asset.unwrap_or_default())) }
            }
            Refs::Set { bundle, assets, ttl } => {
                let count = assets.len();
                let expire_time = ttl.expire_time();
                let assets = assets.into_iter().map(|asset| BundleAsset { asset_id: asset.to_string(), expire_time });
                let request = SetReferencesRequest { bundle_id: bundle.clone(), assets: assets.collect() };
                let answer: SetReferencesResponse = call(|| {
                    let (mut retention, request) = (api.retention.clone(), request.clone());
                    async move { retention.set_references(request).await }
                })
                .await?;
                if json { output::json(&answer) } else { output::line(&format!("{} needs {count}", printable(&bundle))) }
            }
            Refs::List { of } => list(api, &of, json).await,
        }
    }
}

async fn list(api: &Api, of: &Of, json: bool) -> Result<(), Failure> {
    let mut request = ListReferencesRequest {
        asset_id: of.asset.map(|asset| asset.to_string()).unwrap_or_default(),
        bundle_id: of.bundle.clone().unwrap_or_default(),
        page_size: 200,
        page_token: String::new(),
    };
    loop {
        let page = call(|| {
            let (mut retention, request) = (api.retention.clone(), request.clone());
            async move { retention.list_references(request).await }
        })
        .await?;
        for reference in &page.references {
            if json { output::json(reference)? } else { output::line(&row(reference))? }
        }
        if page.next_page_token.is_empty() {
            return Ok(());
        }
        request.page_token = page.next_page_token;
    }
}

fn row(reference: &Reference) -> String {
    let until = reference.expire_time.map_or_else(|| "until it is removed".to_owned(), |time| format!("until {}", when(Some(time))));
    format!("{}  {}  {until}", reference.asset_id, printable(&reference.bundle_id))
}

/// An asset in one line, with how long it is kept.
fn kept(asset: &Asset) -> String {
    let until = asset.retention_until.map_or_else(|| "without an end".to_owned(), |time| format!("until {}", when(Some(time))));
    format!("{}  {}  kept {until}", asset.id, words::retention(asset.retention_class()))
}

#[cfg(test)]
mod tests {
    use media_proto::v1::RetentionClass;

    use super::*;

    #[test]
    fn an_asset_says_until_when_it_is_kept() {
        let asset = Asset { id: "A".into(), retention_class: RetentionClass::Operational.into(), ..Asset::default() };
        assert_eq!(kept(&asset), "A  operational  kept without an end");
        let ending = Asset { retention_until: Some(Timestamp { seconds: 0, nanos: 0 }), ..asset };
        assert_eq!(kept(&ending), "A  operational  kept until 1970-01-01T00:00:00Z");
    }

    #[test]
    fn a_reference_without_an_end_says_so() {
        let reference = Reference { asset_id: "A".into(), bundle_id: "b\n".into(), ..Reference::default() };
        assert_eq!(row(&reference), "A  b\u{fffd}  until it is removed");
        assert!(Ttl { ttl: None }.expire_time().is_none());
        assert!(Ttl { ttl: Some(Duration::from_secs(60)) }.expire_time().is_some());
    }
}
