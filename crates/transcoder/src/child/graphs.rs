//! A graph a group: what is decoded once, and what is made of it.

pub mod animation;
pub mod audio;
pub mod cover;
pub mod keyframes;
pub mod ladder;
pub mod pages;
pub mod poster;
pub mod preview;
pub mod probe;
pub mod rungs;
pub mod sound;
pub mod speech;
pub mod stills;
pub mod storyboard;
pub mod subtitles;

use media_domain::{Kind, work::Group};

use super::{context::Context, failed::Failed};
use crate::protocol::Counts;

/// Does the job's work to its end.
///
/// # Errors
/// [`Failed`], typed.
pub fn run(context: &Context) -> Result<Counts, Failed> {
    match (context.job.group, context.job.kind.pipeline()) {
        (Group::Probe, Kind::Image) => stills::probe(context),
        (Group::Probe, Kind::Document) => pages::probe(context),
        (Group::Probe, Kind::Video | Kind::Audio) => probe::run(context),
        (Group::Speech, _) => speech::run(context),
        (Group::Poster, Kind::Audio) => cover::run(context),
        (Group::Poster, _) => poster::run(context),
        (Group::Storyboard, _) => storyboard::run(context),
        (Group::Preview, _) => preview::run(context),
        (Group::Ladder | Group::Vp9 | Group::Av1, _) => ladder::run(context),
        (Group::Audio, _) => audio::run(context),
        (Group::Stills, _) => stills::run(context),
        (Group::Animation, _) => animation::run(context),
        (Group::Subtitles, _) => subtitles::run(context),
        (Group::Pages, _) => pages::run(context),
        (group, kind) => Err(Failed::internal(format!("no graph makes {group} of {kind}"))),
    }
}
