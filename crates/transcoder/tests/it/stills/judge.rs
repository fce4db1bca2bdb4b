//! Pictures of known pixels, and colours as the eye tells them apart.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::bench::{Bench, pixels};

pub type Rgb = [u8; 3];

/// Every format that we make, at one size of each.
pub const EACH_FORMAT: &[&str] = &["webp-320", "avif-320", "jpeg-1280"];

/// Four colours that no two channels agree on: top left, top right, bottom left, bottom right.
pub const CORNERS: [Rgb; 4] = [[200, 60, 40], [40, 160, 80], [50, 70, 190], [220, 200, 60]];

/// A picture of four fields, exactly.
pub fn four_fields(bench: &Bench, name: &str, width: usize, height: usize, fields: [Rgb; 4]) -> PathBuf {
    let mut ppm = format!("P6\n{width} {height}\n255\n").into_bytes();
    for y in 0..height {
        for x in 0..width {
            ppm.extend(fields[usize::from(x * 2 >= width) + 2 * usize::from(y * 2 >= height)]);
        }
    }
    let path = bench.path(&format!("{name}.ppm"));
    std::fs::write(&path, ppm).unwrap();
    path
}

/// Runs the `vips` program.
pub fn vips(args: &[&str]) {
    let output = Command::new("vips").args(args).output().unwrap();
    assert!(output.status.success(), "vips {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The mean colours of the middle of each quarter of a picture.
pub fn fields(path: &Path) -> [Rgb; 4] {
    let (width, height, rgb) = pixels(path);
    [(1, 1), (3, 1), (1, 3), (3, 3)].map(|(across, down)| {
        let (left, top) = (width * across / 4, height * down / 4);
        let (right, bottom) = ((left + width / 10).max(left + 1), (top + height / 10).max(top + 1));
        let mut sum = [0u64; 3];
        for y in top..bottom {
            for x in left..right {
                let at = ((y * width + x) * 3) as usize;
                (0..3).for_each(|band| sum[band] += u64::from(rgb[at + band]));
            }
        }
        sum.map(|total| (total / u64::from((right - left) * (bottom - top))) as u8)
    })
}

/// How far apart two colours are for the eye (CIE 1976): 2.3 can just be seen.
pub fn delta_e(one: Rgb, other: Rgb) -> f64 {
    let (one, other) = (lab(one), lab(other));
    one.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

pub fn assert_fields(path: &Path, expected: [Rgb; 4], most: f64, what: &str) {
    let found = fields(path);
    for (found_one, expected_one) in found.into_iter().zip(expected) {
        let apart = delta_e(found_one, expected_one);
        assert!(apart <= most, "{what}: {found:?} instead of {expected:?}, {apart:.1} apart ({})", path.display());
    }
}

fn lab(rgb: Rgb) -> [f64; 3] {
    let linear = rgb.map(|level| {
        let level = f64::from(level) / 255.0;
        if level <= 0.04045 { level / 12.92 } else { ((level + 0.055) / 1.055).powf(2.4) }
    });
    let xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
        .map(|row| row.iter().zip(linear).map(|(factor, level)| factor * level).sum::<f64>());
    let f = |value: f64| if value > 0.008_856 { value.cbrt() } else { 7.787 * value + 16.0 / 116.0 };
    let (x, y, z) = (f(xyz[0] / 0.9505), f(xyz[1]), f(xyz[2] / 1.089));
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}
