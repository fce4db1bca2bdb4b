//! What is refused, each with its own error, and that nothing of it stays behind.
//!
//! - announced::what_cannot_be_uploaded_is_refused_with_every_field_at_fault_and_opens_nothing
//! - strangers::a_call_without_a_good_token_is_refused_by_its_fault
//! - strangers::every_method_answers_another_tenants_asset_as_one_that_never_was
//! - same_questions::an_id_that_is_anothers_asks_the_database_what_an_id_that_never_was_asks
//! - same_questions::a_hash_that_another_tenant_has_asks_what_one_that_nobody_has_asks
//! - sent::bytes_that_are_not_those_announced_are_refused_and_what_came_can_be_given_up
//! - sent::a_part_of_another_size_is_refused_also_where_the_store_took_it
//! - sent::a_part_sent_again_after_the_end_changes_nothing
//! - sent::a_file_of_another_hash_fails
//! - sent::an_upload_that_nobody_finishes_is_swept_with_its_parts
//! - content::a_text_file_named_mp4_and_bytes_of_no_known_type_fail
//! - content::a_video_that_was_cut_off_fails_and_is_never_ready
//! - clamd::while_clamd_is_down_a_file_waits_and_is_never_ready
//! - clamd::what_clamd_does_not_see_whole_is_never_called_clean
//! - clamd::a_file_that_clamd_dies_of_fails_and_those_after_it_are_scanned

mod announced;
mod clamd;
mod content;
pub mod leftovers;
mod same_questions;
mod sent;
pub mod strangers;

use media_proto::v1::Asset;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The code of a refusal, and the reason that programs act on.
pub fn refusal(status: &Status) -> (Code, String) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("a refusal without ErrorInfo: {status:?}"));
    assert_eq!(info.domain, "media.v1");
    (status.code(), info.reason.clone())
}

/// The same of a call that must have been refused.
pub fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String) {
    refusal(&answer.unwrap_err())
}

pub fn reason(code: Code, reason: &str) -> (Code, String) {
    (code, reason.to_owned())
}

/// Why an asset failed; that an owner is also told in words.
pub fn failure(asset: &Asset) -> &str {
    assert!(!asset.failure_detail.is_empty(), "{asset:?}");
    &asset.failure_reason
}
