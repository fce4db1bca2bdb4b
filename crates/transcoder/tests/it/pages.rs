//! PDFs: how many pages, what the first looks like, and which are refused.

use std::{path::Path, process::Command};

use media_domain::{Kind, work::Group};
use media_transcoder::parent::FailureKind;

use crate::{
    bench::{Bench, corner, ffprobe, is_near, pixels, value},
    papers::document,
};

const WIDTHS: &[&str] = &["webp-640", "webp-1280"];
const PDF: &str = "application/pdf";

#[test]
fn the_first_page_comes_in_two_widths_and_all_are_counted() {
    let bench = Bench::new();
    let file = bench.path("letter.pdf");
    std::fs::write(&file, document(3, 612, 792)).unwrap();
    let ran = bench.run(&file, PDF, Kind::Document, Group::Pages, WIDTHS).unwrap();
    assert_eq!(ran.done.info.document.as_ref().unwrap().pages, 3);
    for (path, (width, height)) in ran.files.iter().zip([("640", "828"), ("1280", "1656")]) {
        let found = ffprobe(path, "stream=codec_name,width,height,pix_fmt");
        assert_eq!(["codec_name", "width", "height", "pix_fmt"].map(|key| value(&found, key)), ["webp", width, height, "yuv420p"]);
        assert!(is_near(corner(path, false, false), [254, 0, 0]) && is_near(corner(path, true, true), [255, 255, 255]));
        let (_, _, rgb) = pixels(path);
        let black = rgb.chunks_exact(3).filter(|pixel| pixel.iter().all(|level| *level < 80)).count() * 1000 / (rgb.len() / 3);
        assert!(black > 5, "{black} of 1000 pixels are black: the words are missing");
    }
}

#[test]
fn a_page_of_two_hundred_inches_is_drawn_as_small_as_any() {
    let bench = Bench::new();
    for (name, width, height, shown) in
        [("wall", 14_400, 14_400, (1280, 1280)), ("stamp", 20, 20, (1280, 1280)), ("strip", 72, 14_400, (82, 16_383))]
    {
        let file = bench.path(&format!("{name}.pdf"));
        std::fs::write(&file, document(1, width, height)).unwrap();
        let ran = bench.run(&file, PDF, Kind::Document, Group::Pages, WIDTHS).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let made = &ran.done.outputs[1];
        assert_eq!((made.width.unwrap(), made.height.unwrap()), shown, "{name}");
        assert!(is_near(corner(&ran.files[1], false, false), [254, 0, 0]), "{name}");
    }
}

#[test]
fn an_encrypted_document_says_so_and_a_broken_one_is_corrupt() {
    let bench = Bench::new();
    let plain = bench.path("plain.pdf");
    std::fs::write(&plain, document(1, 612, 792)).unwrap();
    let locked = |name: &str, password: &str| {
        let path = bench.path(name);
        let qpdf = |args: &[&str]| Command::new("qpdf").args(args).output().unwrap();
        let output = qpdf(&["--encrypt", password, "owner", "256", "--", plain.to_str().unwrap(), path.to_str().unwrap()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        path
    };
    let probe = |path: &Path| bench.probe(path, PDF, Kind::Document);
    assert_eq!(probe(&locked("locked.pdf", "secret")).err().unwrap().kind, FailureKind::Encrypted);
    // nobody needs a password to look at this one
    let open = locked("open.pdf", "");
    assert_eq!(probe(&open).unwrap().document.unwrap().pages, 1);
    let ran = bench.run(&open, PDF, Kind::Document, Group::Pages, WIDTHS).unwrap();
    assert!(is_near(corner(&ran.files[0], false, false), [254, 0, 0]));

    let broken = bench.path("broken.pdf");
    std::fs::write(&broken, b"%PDF-1.4\nthere is nothing here\n%%EOF\n").unwrap();
    assert_eq!(probe(&broken).err().unwrap().kind, FailureKind::Corrupt);
}
