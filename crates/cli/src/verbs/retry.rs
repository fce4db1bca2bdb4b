//! `media retry`: tries one job again.

use media_domain::JobId;
use media_proto::v1::RetryJobRequest;

use crate::{api::Api, failure::Failure, operations_text, output};

#[derive(Debug, clap::Args)]
pub struct Retry {
    /// The job's id, as `media jobs` shows it
    job: JobId,
}

impl Retry {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        // Made once: a second time, the job would be found waiting already.
        let request = RetryJobRequest { job_id: self.job.to_string() };
        let job = api.operations.clone().retry_job(request).await?.into_inner().job.unwrap_or_default();
        if json { output::json(&job) } else { output::line(&operations_text::job(&job)) }
    }
}
