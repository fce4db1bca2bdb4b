//! Orientation, alpha, and sizes at the edge.

use std::path::Path;

use media_domain::{Kind, work::Group};

use super::judge::{CORNERS, EACH_FORMAT, assert_fields, four_fields, vips};
use crate::bench::Bench;

/// A JPEG with an APP1 segment that says how it is turned (EXIF 2.3, 4.6.4: tag 0x0112).
fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut app1 = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01".to_vec();
    app1.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]);
    let length = (app1.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &app1, &jpeg[2..]].concat()
}

#[test]
fn each_of_the_eight_orientations_is_applied_once_in_every_format() {
    let bench = Bench::new();
    let [a, b, c, d] = CORNERS;
    let plain = bench.path("plain.jpg");
    vips(&["copy", four_fields(&bench, "plain", 400, 200, CORNERS).to_str().unwrap(), &format!("{}[Q=95]", plain.display())]);
    let plain = std::fs::read(plain).unwrap();
    // as shown: top left, top right, bottom left, bottom right
    for (orientation, shown) in [
        (1, [a, b, c, d]),
        (2, [b, a, d, c]),
        (3, [d, c, b, a]),
        (4, [c, d, a, b]),
        (5, [a, c, b, d]),
        (6, [c, a, d, b]),
        (7, [d, b, c, a]),
        (8, [b, d, a, c]),
    ] {
        let file = bench.path(&format!("turned-{orientation}.jpg"));
        std::fs::write(&file, turned(&plain, orientation)).unwrap();
        let ran = bench.run(&file, "image/jpeg", Kind::Image, Group::Stills, EACH_FORMAT).unwrap();
        let picture = ran.done.info.picture.unwrap();
        assert_eq!((picture.width, picture.height), if orientation < 5 { (400, 200) } else { (200, 400) }, "{orientation}");
        for path in &ran.files {
            assert_fields(path, shown, 8.0, &format!("orientation {orientation}"));
        }
    }
}

/// The alpha of a picture's pixels.
fn alpha(bench: &Bench, path: &Path) -> Vec<u8> {
    let (band, raw) = (bench.path("alpha.v"), bench.path("alpha.raw"));
    vips(&["extract_band", path.to_str().unwrap(), band.to_str().unwrap(), "3"]);
    vips(&["rawsave", band.to_str().unwrap(), raw.to_str().unwrap()]);
    std::fs::read(raw).unwrap()
}

#[test]
fn transparency_is_kept_and_lies_on_white_in_the_jpeg() {
    let bench = Bench::new();
    // red that can be seen on the left, and not on the right
    let half = "-f lavfi -i color=red@1.0:size=200x300,format=rgba -f lavfi -i color=red@0.0:size=200x300,format=rgba";
    for (name, mime, more) in [("half.png", "image/png", ""), ("half.webp", "image/webp", "-c:v libwebp -lossless 1 -pix_fmt bgra")] {
        let file = bench.make(name, &format!("{half} -filter_complex [0][1]hstack -frames:v 1 {more}"));
        let ran = bench.run(&file, mime, Kind::Image, Group::Stills, EACH_FORMAT).unwrap();
        for path in &ran.files[..2] {
            let alpha = alpha(&bench, path);
            let row = &alpha[alpha.len() / 2 / 320 * 320..][..320];
            assert!(row[20] > 250 && row[300] < 5, "{}: {} {}", path.display(), row[20], row[300]);
        }
        let (red, white) = ([254, 0, 0], [255, 255, 255]);
        assert_fields(&ran.files[2], [red, white, red, white], 6.0, name);
    }
}

#[test]
fn a_small_picture_is_not_made_larger_and_an_extreme_one_keeps_a_pixel_each_way() {
    let bench = Bench::new();
    for (width, height, shown) in [
        (100, 80, [(100, 80), (100, 80), (100, 80)]),
        (1, 1, [(1, 1); 3]),
        (9000, 2, [(320, 1), (320, 1), (1280, 1)]),
        (2, 9000, [(2, 9000); 3]),
        // WebP has 14 bits for a side, so that nothing of ours is higher
        (40, 40_000, [(16, 16_383); 3]),
    ] {
        let file = bench.path(&format!("{width}x{height}.png"));
        vips(&["black", &format!("{}[compression=1]", file.display()), &width.to_string(), &height.to_string(), "--bands", "3"]);
        let ran = bench
            .run(&file, "image/png", Kind::Image, Group::Stills, EACH_FORMAT)
            .unwrap_or_else(|failure| panic!("{width}x{height}: {failure}"));
        let sizes: Vec<_> = ran.done.outputs.iter().map(|made| (made.width.unwrap(), made.height.unwrap())).collect();
        assert_eq!(sizes, shown, "{width}x{height}");
        for (path, (width, height)) in ran.files.iter().zip(shown) {
            let (found_width, found_height, _) = crate::bench::pixels(path);
            assert_eq!((found_width, found_height), (width, height), "{}", path.display());
        }
    }
}
