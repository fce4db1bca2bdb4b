//! Documents that can be drawn, which are PDFs: how many pages they have, and what the first looks like.

use media_domain::{Kind, MediaInfo, info::DocumentInfo, limits, profile::Recipe};

use super::super::{context::Context, failed::Failed, vips::Picture};
use crate::protocol::{Counts, FailureCode, OutputCounts};

/// Sends how many pages there are.
///
/// # Errors
/// [`Failed`], typed: [`FailureCode::Encrypted`] where only a password opens the document.
pub fn probe(context: &Context) -> Result<Counts, Failed> {
    let bytes = context.source.whole(limits::max_bytes(Kind::Document))?;
    let pages = open(context, &bytes)?.pages();
    context.sink.hello(&MediaInfo { document: Some(DocumentInfo { pages }), ..MediaInfo::default() });
    Ok(Counts::default())
}

/// Draws the first page once, and makes all widths of it.
///
/// # Errors
/// [`Failed`], typed.
pub fn run(context: &Context) -> Result<Counts, Failed> {
    let widest = context.job.outputs.iter().map(|output| output.make.size()).max();
    let widest = widest.ok_or_else(|| Failed::internal("no width to make"))?;
    let bytes = context.source.whole(limits::max_bytes(Kind::Document))?;
    let page = open(context, &bytes)?.page(&bytes, widest)?.on_white()?;
    let mut outputs = Vec::new();
    for (index, output) in context.outputs() {
        let Recipe::Page { width, quality } = output.make else {
            return Err(Failed::internal(format!("{} is made by another graph", output.profile)));
        };
        let picture = page.smaller(width)?;
        context.sink.data(index, &picture.webp(quality)?);
        let (width, height) = picture.size();
        outputs.push(OutputCounts { width: Some(width), height: Some(height), frames: 1, ..OutputCounts::default() });
    }
    Ok(Counts { outputs, ..Counts::default() })
}

fn open<'a>(context: &Context, bytes: &'a [u8]) -> Result<Picture<'a>, Failed> {
    Picture::open_as(&context.job.mime, bytes).map_err(|failed| match failed.code {
        // The word is poppler's, which has no other sign for it.
        FailureCode::Corrupt if failed.text.contains("encrypted") => Failed::new(FailureCode::Encrypted, failed.text),
        _ => failed,
    })
}
