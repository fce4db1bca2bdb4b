//! Whatever a document names is there, and whatever the contract has can be typed. (What manifests name is walked by `manifests::`, what
//! alerts and dashboards name by `monitoring::`, generated documents are compared by `make lint`.)
//!
//! - every_link_leads_to_a_file_and_to_a_heading_in_it
//! - every_word_in_backticks_stands_in_the_code
//! - every_command_can_be_given
//! - what_kubectl_is_told_of_stands_in_the_manifests
//! - an_object_that_is_nowhere_is_missed
//! - every_method_has_a_verb_or_a_reason_why_no_person_needs_one

mod commands;
mod documents;
mod kubectl;
mod links;
mod methods;
mod words;
