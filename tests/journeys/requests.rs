//! Calls that are sent again, many at once or too fast, and files that come through the service.
//!
//! - again::a_create_that_is_sent_again_is_answered_with_the_asset_that_it_made
//! - again::of_many_at_once_under_one_id_one_makes_the_asset
//! - again::another_request_under_the_same_id_is_refused_and_other_callers_ids_are_their_own
//! - again::an_id_is_forgotten_after_a_day
//! - edits::a_name_and_a_class_are_changed_where_the_etag_is_the_assets
//! - edits::several_assets_come_in_the_order_of_their_ids_and_foreign_ones_are_missing
//! - streams::a_file_that_comes_through_the_service_is_stored_whole
//! - streams::a_stream_of_another_length_is_refused_and_its_upload_given_up
//! - streams::a_stream_that_broke_off_goes_on_under_its_request_id
//! - creates::a_track_that_is_handed_over_again_is_the_one_that_was_made
//! - creates::a_hold_that_is_placed_again_is_the_one_that_stands_or_was_released
//! - creates::captions_that_are_asked_for_again_are_not_made_again
//! - fast::who_creates_too_fast_is_told_when_to_come_back

mod again;
mod creates;
mod edits;
pub mod fast;
mod streams;
