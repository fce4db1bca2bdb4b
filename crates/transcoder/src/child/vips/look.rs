//! What a page can draw before a picture has come: its blur hash and its colour.

use std::collections::HashMap;

use media_domain::info::Look;

use super::{super::failed::Failed, Picture};

/// Enough pixels for a blur.
const WIDTH: u32 = 64;
/// Waves across and down (<https://github.com/woltapp/blurhash>): 28 characters.
const ACROSS: u32 = 4;
const DOWN: u32 = 3;

/// Of the first frame, on white where it is transparent.
///
/// # Errors
/// [`Failed`] where libvips cannot.
pub fn look(picture: &Picture<'_>) -> Result<Look, Failed> {
    let small = picture.first_frame()?.on_white()?.smaller(WIDTH)?;
    let (width, height) = small.size();
    let rgb = small.pixels()?;
    let rgba: Vec<u8> = rgb.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255]).collect();
    let blurhash = blurhash::encode(ACROSS, DOWN, width, height, &rgba).map_err(|error| Failed::internal(error.to_string()))?;
    let [red, green, blue] = dominant(&rgb);
    Ok(Look { blurhash, color: format!("#{red:02x}{green:02x}{blue:02x}") })
}

/// The mean of the largest group of pixels that are like each other: 16 steps of red, green and blue.
fn dominant(rgb: &[u8]) -> [u8; 3] {
    let mut groups: HashMap<[u8; 3], ([u64; 3], u64)> = HashMap::new();
    for pixel in rgb.chunks_exact(3) {
        let (sum, count) = groups.entry([pixel[0] >> 4, pixel[1] >> 4, pixel[2] >> 4]).or_default();
        (0..3).for_each(|band| sum[band] += u64::from(pixel[band]));
        *count += 1;
    }
    // Of two that are as large, always the same.
    let largest = groups.into_iter().max_by_key(|(group, (_, count))| (*count, *group));
    largest.map_or([255; 3], |(_, (sum, count))| sum.map(|band| u8::try_from(band / count.max(1)).unwrap_or(u8::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dominant_colour_is_that_of_most_pixels_and_not_their_mean() {
        let pixels: Vec<u8> = [[200, 30, 30]; 60].into_iter().chain([[10, 10, 250]; 40]).flatten().collect();
        assert_eq!(dominant(&pixels), [200, 30, 30]);
        assert_eq!(dominant(&[]), [255; 3]);
    }
}
