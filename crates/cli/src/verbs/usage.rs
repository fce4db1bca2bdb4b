//! `media usage`: how much is stored.

use media_proto::v1::GetUsageRequest;

use crate::{
    api::{Api, call},
    failure::Failure,
    operations_text, output,
};

#[derive(Debug, clap::Args)]
pub struct Usage {}

impl Usage {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        let usage = call(|| {
            let mut operations = api.operations.clone();
            async move { operations.get_usage(GetUsageRequest {}).await }
        })
        .await?;
        if json { output::json(&usage) } else { output::line(&operations_text::usage(&usage)) }
    }
}
