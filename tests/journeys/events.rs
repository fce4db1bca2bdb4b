//! Events as they are described for consumers, and consumers as they are described.
//!
//! - every_event_of_the_code_is_described_and_nothing_else
//! - a_life_is_published_as_its_schemas_say
//! - an_example_consumer_takes_each_event_once_and_notices_what_has_not_come

mod consumers;
mod described;
mod life;

use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
