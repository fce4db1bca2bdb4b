//! Runs a pipeline to its end, which is never taken for granted.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use gstreamer::{self as gst, prelude::*};

use super::{
    activity::Watchdog,
    context::{Context, Ending},
    failed::Failed,
    process::Backstop,
};
use crate::protocol::FailureCode;

/// Builds a pipeline from its description. Numbers in it come from recipes and sizes that we computed, never from a file's text.
///
/// # Errors
/// [`Failed`] where an element is missing or does not link: our fault.
pub fn build(description: &str) -> Result<gst::Pipeline, Failed> {
    let element = gst::parse::launch(description).map_err(|error| Failed::internal(format!("{error} in {description}")))?;
    element.downcast().map(keep).map_err(|_| Failed::internal(format!("no pipeline: {description}")))
}

/// Keeps a pipeline for as long as the process lives. One that is dropped while it plays complains, or waits for threads
/// that wait for it; ours ends with the process.
pub fn keep(pipeline: gst::Pipeline) -> gst::Pipeline {
    std::mem::forget(pipeline.clone());
    pipeline
}

/// An element of a pipeline by its name.
///
/// # Errors
/// [`Failed`] where there is none: our fault.
pub fn element(pipeline: &gst::Pipeline, name: &str) -> Result<gst::Element, Failed> {
    pipeline.by_name(name).ok_or_else(|| Failed::internal(format!("no element {name}")))
}

/// Makes one element.
///
/// # Errors
/// [`Failed`] where no plugin has it: our fault.
pub fn make(factory: &str) -> Result<gst::Element, Failed> {
    gst::ElementFactory::make(factory).build().map_err(|error| Failed::internal(format!("{factory}: {error}")))
}

/// Plays until the graph says that it is over, an element fails, or nothing goes forward.
///
/// # Errors
/// [`Failed`] as said by whoever spoke first.
pub fn play(pipeline: &gst::Pipeline, context: &Context, ending: &Ending, over: &Receiver<Result<(), Failed>>) -> Result<(), Failed> {
    let bus = pipeline.bus().ok_or_else(|| Failed::internal("a pipeline without a bus"))?;
    let on_error = ending.clone();
    bus.set_sync_handler(move |_, message| {
        if let gst::MessageView::Error(error) = message.view() {
            on_error.error(error);
        }
        gst::BusSyncReply::Drop
    });
    let limits = &context.job.limits;
    let (stall, patience) = (Duration::from_millis(limits.stall_ms), Duration::from_millis(limits.patience_ms));
    // Longer than whatever the watchdog waits for. The change of state itself may hang, too.
    let backstop = Backstop::within(stall + patience);
    if pipeline.set_state(gst::State::Playing).is_err() {
        return over.try_recv().unwrap_or_else(|_| Err(Failed::internal("the pipeline does not start")));
    }
    let mut watchdog = Watchdog::new(&context.activity, stall, patience, Instant::now());
    loop {
        backstop.renew();
        match over.recv_timeout(Duration::from_millis(500)) {
            Ok(word) => return word,
            Err(RecvTimeoutError::Disconnected) => return Err(Failed::internal("a graph that nobody can end")),
            Err(RecvTimeoutError::Timeout) => {
                if let Some(standstill) = watchdog.look(Instant::now()) {
                    // Until the word of it is out: whoever hangs may have what that needs.
                    backstop.keep();
                    return Err(Failed::new(FailureCode::TimedOut, standstill.to_string()));
                }
            }
        }
    }
}
