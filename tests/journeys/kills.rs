//! What is killed, stopped or cut in the middle of its work leaves an asset that is `ready`, once.
//!
//! Transcoder:
//! - a_transcoder_killed_with_a_part_of_a_rung_uploaded_is_followed_by_one_that_makes_it_once
//! - a_transcoder_killed_between_complete_and_commit_is_followed_by_one_that_makes_it_once
//! - a_transcoder_killed_between_commit_and_relay_has_done_its_work
//! - a_child_that_is_killed_is_noticed_and_its_job_tried_again
//! - a_transcoder_that_slept_past_its_lease_before_complete_changes_no_object
//! - a_transcoder_that_slept_past_its_lease_after_its_last_part_does_not_complete
//! - a_transcoder_that_is_asked_to_stop_finishes_the_job_that_it_holds_and_begins_no_other
//!
//! Store:
//! - a_complete_whose_answer_is_lost_is_found_done_by_its_own_attempt
//! - a_job_whose_connections_to_the_store_are_all_cut_goes_on_without_a_failure
//!
//! Scanner and captioner:
//! - a_scanner_killed_in_the_middle_of_an_import_is_followed_by_one_that_begins_anew
//! - a_scanner_killed_in_mid_scan_is_followed_by_one_that_scans_it_once
//! - a_captioner_killed_while_it_listens_is_followed_by_one_that_writes_it_down_once
//! - a_captioner_killed_between_its_captions_and_their_commit_leaves_nothing_of_them
//!
//! Api:
//! - an_upload_whose_completion_was_lost_goes_on_by_itself
//! - an_object_of_another_size_than_was_announced_is_not_taken_for_the_upload
//!
//! Relay and broker:
//! - a_relay_killed_between_publish_and_mark_repeats_and_a_consumer_with_an_inbox_sees_each_event_once
//! - four_relays_publish_5000_events_of_20_assets_in_order
//! - a_broker_killed_while_events_flow_loses_none_and_keeps_their_order

mod asked_to_stop;
mod captioner;
mod child;
mod completion;
mod cuts;
mod durable_consumer;
mod events;
mod import;
mod relay;
mod scanner;
mod scene;
mod sleeping;
mod transcoder;

pub use scene::end_lease;
pub use sleeping::put_to_sleep;
