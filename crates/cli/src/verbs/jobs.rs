//! `media jobs`: what waits, runs, was done or failed, newest first.

use media_domain::{
    AssetId,
    work::{Queue, WorkState},
};
use media_proto::v1::ListJobsRequest;

use crate::{
    api::{Api, call},
    failure::Failure,
    operations_text, output, words,
};

/// The most that the service puts on a page.
const PAGE_SIZE_MAX: u32 = 200;

#[derive(Debug, clap::Args)]
pub struct Jobs {
    /// Only this status: waiting, running, succeeded, failed, skipped, cancelled
    #[arg(long)]
    status: Option<WorkState>,
    /// Only of this asset
    #[arg(long, value_name = "ULID")]
    asset: Option<AssetId>,
    /// Only by this profile
    #[arg(long)]
    profile: Option<String>,
    /// Only of this queue: transcode, caption
    #[arg(long)]
    queue: Option<Queue>,
    /// How many at most
    #[arg(long, short = 'n', default_value_t = 50)]
    limit: u32,
}

impl Jobs {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        if self.queue == Some(Queue::Scan) {
            return Err(Failure::Usage(
                "scans are no jobs: `media ls --status scanning` lists what they are made of, `media doctor` says how many wait".into(),
            ));
        }
        let mut request = ListJobsRequest {
            status: self.status.map(words::job_status_named).unwrap_or_default().into(),
            asset_id: self.asset.map(|asset| asset.to_string()).unwrap_or_default(),
            profile: self.profile.unwrap_or_default(),
            queue: self.queue.map(words::queue_named).unwrap_or_default().into(),
            ..ListJobsRequest::default()
        };
        let mut left = self.limit;
        while left > 0 {
            request.page_size = i32::try_from(left.min(PAGE_SIZE_MAX)).unwrap_or(0);
            let page = call(|| {
                let (mut operations, request) = (api.operations.clone(), request.clone());
                async move { operations.list_jobs(request).await }
            })
            .await?;
            for job in &page.jobs {
                if json { output::json(job)? } else { output::line(&operations_text::job(job))? }
            }
            left = left.saturating_sub(u32::try_from(page.jobs.len()).unwrap_or(left));
            if page.next_page_token.is_empty() || page.jobs.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        Ok(())
    }
}
