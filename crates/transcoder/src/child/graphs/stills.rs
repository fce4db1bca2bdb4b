//! Still pictures, by libvips: the header first, held against the limit, then one decode and all widths from it.

use media_domain::{Kind, MediaInfo, info::PictureInfo, limits, profile::Recipe};

use super::super::{context::Context, failed::Failed, vips::Picture};
use crate::protocol::{Counts, FailureCode, OutputCounts};

/// Sends what the header says.
///
/// # Errors
/// [`Failed`], typed.
pub fn probe(context: &Context) -> Result<Counts, Failed> {
    let bytes = context.source.whole(limits::max_bytes(Kind::Image))?;
    let picture = look(&Picture::open(&bytes)?);
    context.sink.hello(&MediaInfo { picture: Some(picture), ..MediaInfo::default() });
    Ok(Counts::default())
}

/// Makes all widths.
///
/// # Errors
/// [`Failed`], typed; [`FailureCode::TooLarge`] before a pixel is decoded.
pub fn run(context: &Context) -> Result<Counts, Failed> {
    let mut wanted = Vec::new();
    for (index, output) in context.outputs() {
        let Recipe::Webp { width, quality } = output.make else {
            return Err(Failed::internal(format!("{} is made by another graph", output.profile)));
        };
        wanted.push((index, width, quality));
    }
    // The widest is decoded from the file, the others are made of it.
    wanted.sort_by_key(|(_, width, _)| std::cmp::Reverse(*width));
    let Some(widest) = wanted.first().map(|(_, width, _)| *width) else { return Err(Failed::internal("no width to make")) };

    let bytes = context.source.whole(limits::max_bytes(Kind::Image))?;
    let header = Picture::open(&bytes)?;
    within_limit(&header, context)?;
    let whole = header.thumbnail(&bytes, widest)?;
    let mut outputs = vec![OutputCounts::default(); context.job.outputs.len()];
    for (index, width, quality) in wanted {
        let picture = whole.smaller(width)?;
        context.sink.data(index, &picture.webp(quality)?);
        let (width, height) = picture.size();
        if let Some(counts) = outputs.get_mut(usize::from(index)) {
            *counts = OutputCounts { width: Some(width), height: Some(height), frames: 1, ..OutputCounts::default() };
        }
    }
    Ok(Counts { outputs, ..Counts::default() })
}

/// Looks at a picture's size before a pixel of it is decoded.
///
/// # Errors
/// [`FailureCode::TooLarge`] where it has more pixels than the job allows.
pub fn within_limit(header: &Picture<'_>, context: &Context) -> Result<(), Failed> {
    let (width, height) = header.size();
    let (pixels, limit) = (u64::from(width) * u64::from(height), context.job.limits.pixels);
    if pixels > limit {
        return Err(Failed::new(FailureCode::TooLarge, format!("{pixels} pixels, and the limit is {limit}")));
    }
    Ok(())
}

/// As shown: upright.
fn look(picture: &Picture<'_>) -> PictureInfo {
    let (width, height) = picture.size();
    let (width, height) = if picture.is_sideways() { (height, width) } else { (width, height) };
    PictureInfo { width, height, frames: picture.pages() }
}
