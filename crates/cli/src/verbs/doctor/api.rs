//! media-api: it answers, and takes our token.

use media_proto::v1::GetUsageRequest;

use super::finding::Finding;
use crate::{
    api::{Api, call},
    args::Caller,
    failure::Failure,
};

pub async fn look(caller: &Caller) -> Vec<Finding> {
    let api = match Api::connect(caller).await {
        Ok(api) => api,
        Err(failure) => {
            return vec![Finding::broken("api", failure.to_string(), "look at media-api's /readyz, and at what lies before it")];
        }
    };
    let asked = call(|| {
        let mut operations = api.operations.clone();
        async move { operations.get_usage(GetUsageRequest {}).await }
    });
    vec![match asked.await {
        Ok(_) => Finding::good("api", "it answers, and takes the token"),
        Err(failure @ Failure::NotPermitted(_)) => {
            Finding::odd("api", failure.to_string(), "the api answers; give a token of its issuer with the scope media.read (--token)")
        }
        Err(failure) => Finding::broken("api", failure.to_string(), "look at media-api's /readyz and log"),
    }]
}
