//! The child's life, in the order that makes it safe: take the sockets, die with the parent, read the job, load
//! everything, limit, lock, and only then touch a byte of the file.

use std::{io, sync::Arc, time::Duration};

use media_domain::Kind;

use super::{
    activity::Activity,
    context::Context,
    failed::Failed,
    graphs, journal,
    lock::{self, LockError, Reach},
    process,
    sink::Sink,
    source::Source,
    warm,
};
use crate::protocol::{ChildJob, ChildResult, Counts};

/// Lives and leaves. The command line is the hidden subcommand and the parent's process id.
pub fn main() -> ! {
    // A panic in a thread of GStreamer's would leave a pipeline that hangs for ever.
    std::panic::set_hook(Box::new(|panic| {
        journal::complain(&panic.to_string());
        process::leave(PANICKED);
    }));
    match live() {
        Ok(()) => process::leave(process::DONE),
        Err(error) => {
            journal::complain(&error.to_string());
            process::leave(process::ALONE)
        }
    }
}

/// What Rust's own handler leaves with.
const PANICKED: i32 = 101;

fn live() -> io::Result<()> {
    process::die_with(std::env::args().nth(2).as_deref())?;
    let (mut source, sink) = process::take_sockets()?;
    let job = ChildJob::read_from(&mut source)?;
    let activity = Arc::new(Activity::default());
    let context = Context {
        source: Arc::new(Source::new(source, job.size, activity.clone())),
        sink: Arc::new(Sink::new(sink, activity.clone())),
        job: Arc::new(job),
        activity,
    };
    let result = match work(&context) {
        Ok(counts) => ChildResult::Done(counts),
        Err(Failed { code, text }) => ChildResult::Failed { code, text: text.chars().take(TEXT_CHARS).collect() },
    };
    // Whatever hangs may have what this needs. The parent may have a store to wait for, more than once.
    let patience = Duration::from_millis(context.job.limits.patience_ms);
    let _backstop = process::Backstop::within(2 * patience);
    context.sink.result(&result);
    Ok(())
}

/// A result has to fit into its frame.
const TEXT_CHARS: usize = 4000;

fn work(context: &Context) -> Result<Counts, Failed> {
    let job = &context.job;
    warm::all(job)?;
    lock::lock(&job.limits, job.layers, reach(job.kind)).map_err(no_lock)?;
    // All is loaded, one thread runs, nothing but the sockets can be reached, and no byte of the file was seen.
    graphs::run(context)
}

/// SVG and PDF hold text, and draw it with fonts.
fn reach(kind: Kind) -> Reach {
    match kind.pipeline() {
        Kind::Image | Kind::Document => Reach::Fonts,
        _ => Reach::Nothing,
    }
}

fn no_lock(error: LockError) -> Failed {
    let because = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
    Failed::internal(format!("the lock does not close: {error}{because}"))
}
