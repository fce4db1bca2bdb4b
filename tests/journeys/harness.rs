//! What journeys stand on: the six binaries on an environment of their own, callers, an event consumer, and files.
//!
//! Journeys speak only gRPC, AMQP, S3, HTTP and SQL. They wait for states, with a limit and the last thing seen.

pub mod answers;
pub mod asking;
pub mod bucket;
pub mod caller;
pub mod captioning;
pub mod checkout;
pub mod children;
pub mod command_line;
pub mod consumer;
pub mod contract;
pub mod database;
pub mod glacier;
pub mod query_tap;
pub mod samples;
pub mod schemas;
pub mod store_proxy;
pub mod web;
pub mod world;

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

pub use bucket::Bucket;
pub use caller::Caller;
pub use checkout::{checkout, program};
pub use children::{child_of, is_running};
pub use consumer::Consumer;
pub use glacier::Glacier;
pub use store_proxy::{Moment, StoreProxy};
pub use web::Web;
pub use world::World;

/// How long past its limit the last question may take: an answer that is lost would else be awaited for ever.
const LAST_ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Asks until `ask` gives something, for as long as `limit`; then says what it saw last.
pub async fn eventually<T, S: std::fmt::Debug>(what: &str, limit: Duration, mut ask: impl AsyncFnMut() -> Result<T, S>) -> T {
    let deadline = Instant::now() + limit;
    let mut last = None;
    loop {
        match timeout_at(deadline + LAST_ANSWER_LIMIT, Box::pin(ask())).await {
            Ok(Ok(found)) => return found,
            Ok(Err(seen)) if Instant::now() > deadline => panic!("{what}: not within {limit:?}; last seen: {seen:?}"),
            Ok(Err(seen)) => last = Some(seen),
            Err(_) => panic!("{what}: not within {limit:?}, and the last question has no answer; seen before it: {last:?}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}
