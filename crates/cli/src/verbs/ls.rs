//! `media ls`: assets, newest first.

use std::time::SystemTime;

use media_domain::{Kind, OwnerId, Source, Status};
use media_proto::v1::ListAssetsRequest;
use time::OffsetDateTime;

use crate::{
    api::{Api, call},
    asset_text,
    failure::Failure,
    moment::Moment,
    output, words,
};

/// The most that the service puts on a page.
const PAGE_SIZE_MAX: u32 = 200;

#[derive(Debug, clap::Args)]
pub struct Ls {
    /// Only this kind: image, audio, video, document, subtitle, ai_image, ai_audio
    #[arg(long)]
    kind: Option<Kind>,
    /// Only this status: uploading, scanning, transcoding, ready, failed, quarantined
    #[arg(long)]
    status: Option<Status>,
    /// Only this source: upload, ai_generated, imported
    #[arg(long)]
    source: Option<Source>,
    /// Only of this owner
    #[arg(long, value_name = "ULID")]
    owner: Option<OwnerId>,
    /// Only with these bytes
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// Only created since: a time such as 2026-11-24T12:00:00Z, a date (its first moment, in UTC), or how long ago, such as 2h
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only created before, likewise
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// How many at most
    #[arg(long, short = 'n', default_value_t = 50)]
    limit: u32,
}

impl Ls {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        let now = OffsetDateTime::from(SystemTime::now());
        let mut request = ListAssetsRequest {
            kind: self.kind.map(words::kind_named).unwrap_or_default().into(),
            status: self.status.map(words::status_named).unwrap_or_default().into(),
            source: self.source.map(words::source_named).unwrap_or_default().into(),
            owner_user_id: self.owner.map(|owner| owner.to_string()).unwrap_or_default(),
            sha256: self.sha256.unwrap_or_default(),
            min_create_time: self.since.map(|since| since.timestamp(now)),
            max_create_time: self.until.map(|until| until.timestamp(now)),
            ..ListAssetsRequest::default()
        };
        let mut left = self.limit;
        while left > 0 {
            request.page_size = i32::try_from(left.min(PAGE_SIZE_MAX)).unwrap_or(0);
            let page = call(|| {
                let (mut assets, request) = (api.assets.clone(), request.clone());
                async move { assets.list_assets(request).await }
            })
            .await?;
            for asset in &page.assets {
                if json { output::json(asset)? } else { output::line(&asset_text::row(asset))? }
            }
            left = left.saturating_sub(u32::try_from(page.assets.len()).unwrap_or(left));
            if page.next_page_token.is_empty() || page.assets.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        Ok(())
    }
}
