//! Caption tracks and transcripts, by everything that a caller can do with them.
//!
//! - versions::an_import_is_given_in_either_format_whichever_was_sent
//! - versions::an_edit_is_a_persons_new_version_and_the_older_one_gives_way
//! - versions::a_deleted_edit_gives_its_place_back
//! - versions::a_list_comes_in_pages_and_their_tokens_lead_nowhere_else
//! - review::a_review_says_who_and_when_and_approval_supersedes_what_was_shown
//! - review::a_machines_track_never_takes_the_place_of_a_persons
//! - review::only_who_may_review_reviews_and_only_who_may_write_writes
//! - refused::a_file_that_is_not_right_is_refused_with_its_line_and_leaves_nothing
//! - refused::every_field_at_fault_is_named
//! - refused::what_cannot_be_heard_is_not_captioned
//! - refused::of_a_quarantined_asset_no_word_is_given_out
//! - copies::what_is_approved_lies_at_the_asked_for_key_and_goes_when_it_is_not
//! - copies::what_is_approved_while_a_copy_is_made_is_what_lies_there_in_the_end
//! - copies::what_is_approved_in_the_last_moment_of_the_work_is_copied_by_another
//! - copies::a_captioner_killed_between_a_copy_and_its_row_is_followed_by_one_that_does_it_again
//! - asked::on_request_speech_is_made_first_and_captions_follow_in_the_language_that_was_asked_for
//! - asked::without_captions_nobody_gets_any_by_whatever_way_they_ask
//! - asked::captions_are_made_in_each_language_of_the_policy_also_after_one_that_fails
//! - asked::the_language_is_kept_when_captions_are_planned_again
//! - generated::the_same_bytes_are_heard_once_by_a_tenant_and_again_by_another
//! - searched::a_search_answers_asset_time_and_words_of_its_own_tenant_only
//! - searched::a_search_goes_on_by_pages_and_leaves_out_what_is_deleted
//! - command_line::a_person_reviews_captions_from_a_shell

mod asked;
mod command_line;
mod copies;
mod generated;
mod refused;
mod review;
mod searched;
mod versions;

use std::time::Duration;

pub use generated::voice;
use media_proto::v1::AssetKind;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::harness::Caller;

const LIMIT: Duration = Duration::from_secs(90);
const VTT: &str = "WEBVTT\n\n00:00:01.000 --> 00:00:02.500\nHello there.\n";
const SRT: &str = "1\n00:00:01,000 --> 00:00:02,500\nHello there.\n";
const OTHER_VTT: &str = "WEBVTT\n\n00:00:01.000 --> 00:00:02.500\nHello, there!\n";

/// An asset of which nothing has come yet: enough for a track.
async fn asset(caller: &mut Caller) -> String {
    caller.create(caller.request(AssetKind::Video, "film.mp4", 1_000)).await.asset.unwrap().id
}

/// The code of a refusal, and the reason that programs act on.
fn refusal<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String) {
    let status = answer.unwrap_err();
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("a refusal without ErrorInfo: {status:?}"));
    (status.code(), info.reason.clone())
}

fn reason(code: Code, reason: &str) -> (Code, String) {
    (code, reason.to_owned())
}
