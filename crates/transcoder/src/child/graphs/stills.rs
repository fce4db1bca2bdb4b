//! Still pictures and animations, by libvips: the header first, held against the limits, then one decode and all sizes and
//! formats from it.

use std::collections::BTreeSet;

use media_domain::{Kind, MediaInfo, info::PictureInfo, limits, profile::Recipe};

use super::super::{
    context::Context,
    failed::Failed,
    vips::{self, Picture},
};
use crate::protocol::{Counts, FailureCode, Output, OutputCounts};

/// Sends what the header says.
///
/// # Errors
/// [`Failed`], typed.
pub fn probe(context: &Context) -> Result<Counts, Failed> {
    let bytes = context.source.whole(limits::max_bytes(Kind::Image))?;
    let picture = shown(&Picture::open_as(&context.job.mime, &bytes)?);
    context.sink.hello(&MediaInfo { picture: Some(picture), ..MediaInfo::default() });
    Ok(Counts::default())
}

/// Makes all sizes and formats, the largest first, and says what the picture looks like.
///
/// # Errors
/// [`Failed`], typed; [`FailureCode::TooLarge`] before a pixel is decoded.
pub fn run(context: &Context) -> Result<Counts, Failed> {
    let widths: BTreeSet<u32> = context.job.outputs.iter().map(|output| output.make.size()).collect();
    let Some(widest) = widths.last() else { return Err(Failed::internal("no width to make")) };
    let whole = decode(context, *widest)?;
    let mut outputs = vec![OutputCounts::default(); context.job.outputs.len()];
    let mut look = None;
    for width in widths.iter().rev() {
        let picture = whole.smaller(*width)?;
        let first = picture.first_frame()?;
        for (index, output) in context.outputs().filter(|(_, output)| output.make.size() == *width) {
            let (bytes, frames) = encode(output, &picture, &first)?;
            context.sink.data(index, &bytes);
            let (width, height) = picture.size();
            if let Some(counts) = outputs.get_mut(usize::from(index)) {
                *counts = OutputCounts { width: Some(width), height: Some(height), frames: frames.into(), ..OutputCounts::default() };
            }
        }
        if widths.first() == Some(width) {
            look = Some(vips::look(&first)?);
        }
    }
    context.sink.hello(&MediaInfo { look, ..context.info()?.clone() });
    Ok(Counts { outputs, ..Counts::default() })
}

/// Decodes the picture, if its header keeps the limits: an animation whole.
///
/// # Errors
/// [`Failed`], typed; [`FailureCode::TooLarge`] before a pixel is decoded.
pub fn decode(context: &Context, width: u32) -> Result<Picture<'static>, Failed> {
    let bytes = context.source.whole(limits::max_bytes(Kind::Image))?;
    let header = Picture::open_as(&context.job.mime, &bytes)?;
    let picture = shown(&header);
    let (pixels, limit) = (u64::from(picture.width) * u64::from(picture.height), context.job.limits.pixels);
    if pixels > limit {
        return Err(Failed::new(FailureCode::TooLarge, format!("{pixels} pixels, and the limit is {limit}")));
    }
    picture.within_limits().map_err(|detail| Failed::new(FailureCode::TooLarge, detail))?;
    header.thumbnail(&bytes, width)
}

/// WebP shows all frames, the others the first.
fn encode(output: &Output, picture: &Picture<'_>, first: &Picture<'_>) -> Result<(Vec<u8>, u32), Failed> {
    Ok(match output.make {
        Recipe::Webp { quality, .. } => (picture.webp(quality)?, picture.frames()),
        Recipe::Avif { quality, .. } => (first.avif(quality)?, 1),
        Recipe::Jpeg { quality, .. } => (first.first_frame()?.on_white()?.jpeg(quality)?, 1),
        _ => return Err(Failed::internal(format!("{} is made by another graph", output.profile))),
    })
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
fn shown(picture: &Picture<'_>) -> PictureInfo {
    let (width, height) = picture.size();
    let (width, height) = if picture.is_sideways() { (height, width) } else { (width, height) };
    PictureInfo { width, height, frames: picture.frames() }
}
