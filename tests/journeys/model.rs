//! The service against a model of it in memory: whatever is asked, in whatever order, rows, objects, quota and events are what the
//! rules say, after each step.
//!
//! - rows_objects_quota_and_events_are_what_the_rules_say_after_each_step
//!
//! Two tenants with the same few files, so that bytes are shared all the time. The api, the scanner, the janitor (`--once`) and the relay
//! are the real ones, on real servers; there is no transcoder, so that pictures wait for ever and lead those that have the same bytes.

mod acts;
mod facts;
mod janitor;
mod play;
mod real;
mod state;
mod steps;

use std::{cell::Cell, sync::Arc};

use futures::future::try_join_all;
use media_domain::Kind;

use self::{
    play::{play, shorten},
    real::Stage,
    state::{Content, Nature},
};
use crate::{harness::samples, operations::infected_document};

/// Steps of all sequences together, unless the variable `MEDIA_MODEL_STEPS` says more.
const STEPS: usize = 5_000;
/// Steps of one sequence: enough that assets grow old in it.
const SEQUENCE: usize = 250;
/// How many sequences are played at once, each in a world of its own.
const STAGES: usize = 2;

/// The same sequences each time; `MEDIA_MODEL_FIRST` is the number of the first.
#[tokio::test(flavor = "multi_thread")]
async fn rows_objects_quota_and_events_are_what_the_rules_say_after_each_step() {
    let (next, left) = (Cell::new(setting("MEDIA_MODEL_FIRST", 0)), Cell::new(setting("MEDIA_MODEL_STEPS", STEPS)));
    let contents = Arc::new(contents());
    let stages = (0..STAGES).map(|_| sequences(&contents, &next, &left));
    if let Err(parted) = try_join_all(stages).await {
        panic!("{parted}");
    }
}

/// Plays one sequence after another until enough steps are done.
async fn sequences(contents: &Arc<Vec<Content>>, next: &Cell<usize>, left: &Cell<usize>) -> Result<(), String> {
    let stage = Stage::new(contents).await;
    while left.get() > 0 {
        let number = next.replace(next.get() + 1);
        let sequence = steps::sequence(number as u64, SEQUENCE, contents.len());
        match play(&stage, &sequence).await {
            Ok(done) => left.set(left.get().saturating_sub(done)),
            Err(parted) => {
                // The other stage need not go on.
                left.set(0);
                let (whole, (shortest, parted)) = (parted.steps, shorten(&stage, &sequence, parted).await);
                return Err(format!(
                    "sequence {number} (MEDIA_MODEL_FIRST={number}) parts from the model at its step {whole}, and so do {} of its steps:\n{}",
                    shortest.len(),
                    parted.said
                ));
            }
        }
    }
    Ok(())
}

/// Each of another size, so that a sum tells which it is of.
fn contents() -> Vec<Content> {
    let of = |kind, nature, bytes| Content { kind, bytes, nature };
    vec![
        of(Kind::Document, Nature::Plain, samples::document(1_003)),
        of(Kind::Document, Nature::Plain, samples::document(3_017)),
        of(Kind::Image, Nature::ToBeMade, samples::picture(64, 48)),
        of(Kind::Document, Nature::Infected, infected_document()),
        of(Kind::Document, Nature::Unknown, b"no document, whatever its uploader says of it".to_vec()),
    ]
}

#[expect(clippy::disallowed_methods, reason = "a test has no settings")]
fn setting(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |number| number.parse().unwrap())
}
