//! The child's life, in the order that makes it safe: take the sockets, die with the parent, read the job, load
//! everything, limit, lock, and only then touch a byte of the file.

use std::{io, sync::Arc};

use media_domain::{Kind, work::Group};

use super::{activity::Activity, context::Context, failed::Failed, graphs, plugins, process, sink::Sink, source::Source};
use crate::protocol::{ChildJob, ChildResult, Counts};

/// Lives and leaves. The command line is the hidden subcommand and the parent's process id.
pub fn main() -> ! {
    // A panic in a thread of GStreamer's would leave a pipeline that hangs for ever.
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}");
        process::leave(PANICKED);
    }));
    match live() {
        Ok(()) => process::leave(process::DONE),
        Err(error) => {
            eprintln!("{error}");
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
    context.sink.result(&result);
    Ok(())
}

/// A result has to fit into its frame.
const TEXT_CHARS: usize = 4000;

fn work(context: &Context) -> Result<Counts, Failed> {
    plugins::start()?;
    if has_tracks(context.job.group, context.job.kind) {
        plugins::load()?;
    }
    plugins::warm_orc()?;
    process::limit(context.job.limits.address_space_bytes).map_err(|error| Failed::internal(format!("limits: {error}")))?;
    // The lock belongs here: all is loaded, one thread runs, and no byte of the file was seen.
    graphs::run(context)
}

/// Pictures, pages and subtitle files need no plugin. ORC they share with GStreamer.
fn has_tracks(group: Group, kind: Kind) -> bool {
    group == Group::Animation || matches!(kind.pipeline(), Kind::Video | Kind::Audio)
}
