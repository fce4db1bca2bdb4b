//! What a cluster is given (`deploy/kubernetes`), rendered as kubectl renders it and read again. Schemas are checked by `make lint`; here is what
//! no schema says.
//!
//! - every_container_is_locked_and_limited_and_of_a_named_version
//! - every_service_is_probed_at_its_own_admin_port_and_spread
//! - no_budget_holds_a_pod_that_is_not_ready_and_whoever_is_twice_has_one
//! - a_pod_is_given_longer_to_stop_than_its_binary_takes
//! - what_is_scaled_by_others_has_no_number_of_its_own
//! - in_gvisor_the_transcoder_is_told_what_stands_in_for_landlock
//! - every_binary_takes_the_settings_that_it_is_given
//! - whatever_is_referred_to_is_there_or_is_documented
//! - workers_are_scaled_by_the_sum_of_their_queue_and_its_leases
//! - the_network_allows_the_arrows_of_the_table_and_no_others
//! - no_service_sends_its_callers_to_a_job
//! - postgres_has_room_for_all_that_may_be_there_at_once
//! - no_role_that_an_operator_manages_is_made_a_member_by_migrations
//! - clamd_reads_all_that_it_is_sent_for_as_long_as_the_scanner_waits
//! - the_buckets_are_there_or_their_command_fails
//! - the_doctor_is_told_of_no_address_that_is_its_own
//! - prometheus_finds_each_service_under_its_name_at_its_admin_port_and_nothing_else
//! - every_image_has_a_list_of_packages_a_target_and_a_place_in_the_bake_file
//! - with_compose_every_binary_is_locked_as_in_a_cluster_and_takes_its_settings
//! - with_compose_who_needs_something_waits_until_it_is_there
//! - compose_has_the_servers_and_the_memory_that_a_cluster_has

mod images;
mod network;
mod pods;
mod references;
mod rendered;
mod scaling;
mod scraped;
mod servers;
mod settings;
