//! What a cluster is given (`deploy/kubernetes`), rendered as kubectl renders it and read again. Schemas are checked by `make lint`; here is what
//! no schema says.
//!
//! - every_container_is_locked_and_limited_and_of_a_named_version
//! - every_service_is_probed_at_its_own_admin_port_and_spread
//! - a_pod_is_given_longer_to_stop_than_its_binary_takes
//! - what_is_scaled_by_others_has_no_number_of_its_own
//! - in_gvisor_the_transcoder_is_told_what_stands_in_for_landlock
//! - every_binary_takes_the_settings_that_it_is_given
//! - whatever_is_referred_to_is_there_or_is_documented
//! - workers_are_scaled_by_the_sum_of_their_queue_and_its_leases
//! - the_network_allows_the_arrows_of_the_table_and_no_others
//! - every_image_has_a_list_of_packages_a_target_and_a_place_in_the_bake_file
//! - with_compose_every_binary_is_locked_as_in_a_cluster_and_takes_its_settings

mod images;
mod network;
mod pods;
mod references;
mod rendered;
mod scaling;
mod settings;
