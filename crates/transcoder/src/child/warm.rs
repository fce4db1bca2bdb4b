//! Everything that is loaded and started before the lock. After it no file opens, no library loads, no memory becomes
//! executable.
//!
//! This is the one place for that. A new codec or library goes here as follows: an element's plugin into [`plugins`]'s list;
//! a loader or saver of libvips into [`vips`]'s. What reads a file, loads a module or compiles code at its *first use* (a
//! codec's tables, ORC, a plugin of a plugin) is used here once, on a few bytes of our own, and must have ended its threads:
//! the lock refuses a process that has two. `tests/it` then runs it under the lock; what is missing here dies there with
//! SIGSYS, or says that a file cannot be opened.

use media_domain::{Kind, work::Group};

use super::{failed::Failed, journal, plugins, vips};
use crate::protocol::ChildJob;

/// Loads what the job's graph needs.
///
/// # Errors
/// [`Failed`] naming what does not load.
pub fn all(job: &ChildJob) -> Result<(), Failed> {
    journal::keep();
    plugins::start()?;
    if has_tracks(job) {
        plugins::load()?;
    }
    plugins::warm_orc()?;
    if makes_pictures(job) {
        vips::start()?;
    }
    Ok(())
}

/// Pictures, pages and subtitle files need no plugin. ORC they share with GStreamer.
fn has_tracks(job: &ChildJob) -> bool {
    job.group == Group::Animation || matches!(job.kind.pipeline(), Kind::Video | Kind::Audio)
}

/// By libvips, or by what it is made of.
fn makes_pictures(job: &ChildJob) -> bool {
    match job.group {
        Group::Probe => matches!(job.kind.pipeline(), Kind::Image | Kind::Document),
        Group::Poster | Group::Storyboard | Group::Stills | Group::Animation | Group::Pages => true,
        _ => false,
    }
}
