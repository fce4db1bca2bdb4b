//! What operators do: look at jobs and dead letters, send again, replay, and decide about quarantine; and making things again.
//!
//! - jobs::jobs_are_listed_by_each_filter_and_page_by_page
//! - jobs::a_failed_optional_job_is_tried_again_alone
//! - dead_letters::what_the_broker_gives_up_becomes_a_row_of_its_tenant_and_is_sent_again
//! - dead_letters::a_message_without_a_tenant_is_kept_for_nobody
//! - dead_letters::a_dead_letter_waits_for_a_database_that_is_away_and_becomes_one_row
//! - dead_letters::an_asset_that_failed_is_made_again_from_its_dead_letter
//! - replay::a_consumer_that_came_late_is_told_again_with_the_same_ids_in_the_same_order
//! - usage::bytes_are_those_of_the_store_and_what_is_shared_counts_once
//! - quarantine::a_released_file_passes_a_new_scan_and_comes_back
//! - quarantine::a_release_lets_nothing_else_pass
//! - quarantine::a_purged_file_is_gone_from_rows_and_store
//! - quarantine::a_ready_file_is_scanned_by_new_signatures_and_nothing_is_made_again
//! - again::what_is_made_again_lies_beside_the_old_until_the_row_has_switched
//! - again::only_what_is_at_rest_and_has_its_bytes_is_made_again
//! - again::one_more_variant_is_made_also_by_a_profile_that_is_newer_than_its_asset
//! - doctor::a_sound_service_is_called_sound
//! - doctor::what_is_broken_is_named_with_what_to_do
//! - doctor::a_relay_that_is_away_shows_in_the_outbox
//! - doctor::how_far_behind_the_service_is_can_be_read_as_metrics
//! - doctor::what_cannot_be_read_keeps_nothing_else_from_being_told
//! - second_login::a_second_login_does_all_that_the_first_did
//! - typed::an_operator_types_each_verb
//! - typed::a_person_renames_keeps_and_finds_an_asset_and_ends_its_urls

mod again;
mod dead_letters;
mod doctor;
mod jobs;
mod quarantine;
mod replay;
mod second_login;
mod typed;
mod usage;

use std::time::Duration;

pub use quarantine::infected_document;

/// The longest wait for a state.
const LIMIT: Duration = Duration::from_secs(90);
