//! Who is asking: keys of an issuer that come and go, tokens that are not quite good, certificates, and what was made for another.
//!
//! - rotation::a_new_key_is_taken_at_its_first_token_and_an_old_one_is_refused_once_it_is_gone
//! - rotation::tokens_of_unknown_keys_are_no_flood_for_the_issuer
//! - rotation::an_issuer_that_is_away_or_answers_nonsense_takes_no_key_away
//! - rotation::without_keys_at_the_start_it_is_not_ready_until_the_issuer_is_there
//! - tokens::a_token_counts_for_its_time_its_issuer_and_its_audience_give_or_take_the_clocks
//! - tokens::a_public_key_is_no_secret_and_no_signature_is_none
//! - certificates::who_shows_no_certificate_is_not_heard_and_a_token_is_asked_for_all_the_same
//! - certificates::a_certificate_is_replaced_without_a_restart
//! - borrowed::a_signature_a_playback_token_and_a_place_in_a_list_are_of_no_use_elsewhere

mod borrowed;
mod certificates;
mod issuer;
mod rotation;
mod tokens;

use std::{path::Path, process::Command};

use media_proto::v1::GetUsageRequest;
use tonic::{Code, Status};

use crate::harness::{Caller, World, samples};

fn openssl(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    samples::run(Command::new("openssl").args(arguments).current_dir(folder))
}

/// What a call with this token comes to.
async fn called_with(world: &World, caller: &Caller, token: String) -> Result<(), Status> {
    let mut caller = Caller::with_token(&world.fleet.grpc_url(), caller.tenant, token).await;
    caller.operations.get_usage(GetUsageRequest {}).await.map(drop)
}

fn is_refused(answer: Result<(), Status>) -> bool {
    answer.is_err_and(|status| status.code() == Code::Unauthenticated)
}
