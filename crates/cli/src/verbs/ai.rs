//! `media ai`: records of what machines made.

use media_domain::{AiArtifactId, AssetId, provenance::ArtifactKind};
use media_proto::v1::{
    AiArtifact, GetAiArtifactRequest, ListAiArtifactsRequest, RecordAiArtifactRequest, record_ai_artifact_request::Output,
};
use uuid::Uuid;

use crate::{
    api::{Api, call},
    asset_text::when,
    failure::Failure,
    output::{self, printable},
    provenance::Provenance,
    words,
};

/// The most that the service puts on a page.
const PAGE_SIZE_MAX: u32 = 200;

#[derive(Debug, clap::Subcommand)]
pub enum Ai {
    /// Record that an asset of kind ai_image or ai_audio was made, and at which cost; `media upload --kind ai_image` hands it over
    Record {
        /// The asset's id
        asset: AssetId,
        /// What it cost, in millionths of a US dollar
        #[arg(long, default_value_t = 0, value_name = "MICRO_USD")]
        cost: i64,
        /// Where the prompt is kept; never the prompt itself
        #[arg(long, value_name = "REF")]
        prompt_ref: Option<String>,
        #[command(flatten)]
        provenance: Provenance,
    },
    /// Show one record
    Show {
        /// The record's id
        artifact: AiArtifactId,
    },
    /// List records, newest first
    Ls {
        /// Only this kind: transcript, ai_image, ai_audio
        #[arg(long)]
        kind: Option<ArtifactKind>,
        /// Only of this asset
        #[arg(long, value_name = "ULID")]
        asset: Option<AssetId>,
        /// Only by this model
        #[arg(long)]
        model: Option<String>,
        /// How many at most
        #[arg(long, short = 'n', default_value_t = 50)]
        limit: u32,
    },
}

impl Ai {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        let client = || api.ai_artifacts.clone();
        match self {
            Ai::Record { asset, cost, prompt_ref, provenance } => {
                let request = RecordAiArtifactRequest {
                    output: Some(Output::OutputAssetId(asset.to_string())),
                    prompt_ref: prompt_ref.unwrap_or_default(),
                    cost_micro_usd: cost,
                    provenance: provenance.message(),
                    request_id: Uuid::new_v4().to_string(),
                };
                let answer = call(|| {
                    let (mut client, request) = (client(), request.clone());
                    async move { client.record_ai_artifact(request).await }
                })
                .await?;
                print(&answer.ai_artifact.unwrap_or_default(), json)
            }
            Ai::Show { artifact } => {
                let request = GetAiArtifactRequest { ai_artifact_id: artifact.to_string() };
                let answer = call(|| {
                    let (mut client, request) = (client(), request.clone());
                    async move { client.get_ai_artifact(request).await }
                })
                .await?;
                print(&answer.ai_artifact.unwrap_or_default(), json)
            }
            Ai::Ls { kind, asset, model, limit } => {
                let mut request = ListAiArtifactsRequest {
                    kind: kind.map(words::artifact_kind_named).unwrap_or_default().into(),
                    output_asset_id: asset.map(|asset| asset.to_string()).unwrap_or_default(),
                    model: model.unwrap_or_default(),
                    ..ListAiArtifactsRequest::default()
                };
                let mut left = limit;
                while left > 0 {
                    request.page_size = i32::try_from(left.min(PAGE_SIZE_MAX)).unwrap_or(0);
                    let page = call(|| {
                        let (mut client, request) = (client(), request.clone());
                        async move { client.list_ai_artifacts(request).await }
                    })
                    .await?;
                    for artifact in &page.ai_artifacts {
                        print(artifact, json)?;
                    }
                    left = left.saturating_sub(u32::try_from(page.ai_artifacts.len()).unwrap_or(left));
                    if page.next_page_token.is_empty() || page.ai_artifacts.is_empty() {
                        break;
                    }
                    request.page_token = page.next_page_token;
                }
                Ok(())
            }
        }
    }
}

fn print(artifact: &AiArtifact, json: bool) -> Result<(), Failure> {
    if json { output::json(artifact) } else { output::line(&row(artifact)) }
}

fn row(artifact: &AiArtifact) -> String {
    let provenance = artifact.provenance.clone().unwrap_or_default();
    let asset = [&artifact.output_asset_id, &artifact.source_asset_id].into_iter().find(|id| !id.is_empty());
    format!(
        "{}  {}  {}  {}  {} micro-USD  {}",
        artifact.id,
        when(artifact.create_time),
        words::artifact_kind(artifact.kind()),
        asset.map_or("-", String::as_str),
        artifact.cost_micro_usd,
        printable(&provenance.model),
    )
}

#[cfg(test)]
mod tests {
    use media_proto::v1::{AiArtifactKind, AiProvenance};

    use super::*;

    #[test]
    fn a_row_says_what_was_made_by_what_and_at_which_cost() {
        let artifact = AiArtifact {
            id: "01ARZ3NDEKTSV4RRFFQ69G5FAV".into(),
            kind: AiArtifactKind::AiImage.into(),
            output_asset_id: "01ARZ3NDEKTSV4RRFFQ69G5FAW".into(),
            cost_micro_usd: 1200,
            provenance: Some(AiProvenance { model: "painter\u{1b}-3".into(), ..AiProvenance::default() }),
            ..AiArtifact::default()
        };
        let row = row(&artifact);
        assert!(row.contains("ai_image  01ARZ3NDEKTSV4RRFFQ69G5FAW  1200 micro-USD  painter\u{fffd}-3"), "{row}");
    }
}
