//! What must not come out: where a picture was taken, by whom, with what.

use media_domain::{Kind, work::Group};

use super::judge::{CORNERS, EACH_FORMAT, four_fields, vips};
use crate::bench::Bench;

/// A marker segment of a JPEG.
fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    [&[0xff, marker], (content.len() as u16 + 2).to_be_bytes().as_slice(), content].concat()
}

/// EXIF with a GPS block in it (EXIF 2.3, 4.6.6): 52° 31' 12" north, and the word where a maker's name stands.
fn exif() -> Vec<u8> {
    let mut tiff = b"MM\0\x2a\0\0\0\x08\0\x02".to_vec();
    // Make, 7 bytes at 38; the GPS block at 46
    tiff.extend([0x01, 0x0f, 0, 2, 0, 0, 0, 7, 0, 0, 0, 38]);
    tiff.extend([0x88, 0x25, 0, 4, 0, 0, 0, 1, 0, 0, 0, 46]);
    tiff.extend([0, 0, 0, 0]);
    tiff.extend(b"SECRET\0\0");
    tiff.extend([0, 2, 0, 1, 0, 2, 0, 0, 0, 2, b'N', 0, 0, 0, 0, 2, 0, 5, 0, 0, 0, 3, 0, 0, 0, 76, 0, 0, 0, 0]);
    for degrees in [52u32, 31, 12] {
        tiff.extend(degrees.to_be_bytes());
        tiff.extend(1u32.to_be_bytes());
    }
    [b"Exif\0\0".as_slice(), &tiff].concat()
}

const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF><exif:GPSLatitude>SECRET</exif:GPSLatitude></rdf:RDF></x:xmpmeta>";

#[test]
fn nothing_of_the_files_metadata_is_in_any_output() {
    let bench = Bench::new();
    let plain = bench.path("plain.jpg");
    let source = four_fields(&bench, "plain", 400, 300, CORNERS);
    vips(&["icc_export", source.to_str().unwrap(), &format!("{}[Q=95]", plain.display()), "--output-profile", "p3"]);
    let plain = std::fs::read(plain).unwrap();
    assert!(holds(&plain, b"ICC_PROFILE"));
    let iptc = [b"Photoshop 3.0\08BIM\x04\x04\0\0\0\0\0\x0b\x1c\x02\x50\0\x06SECRET\0".as_slice()].concat();
    let file = bench.path("told.jpg");
    let parts = [&plain[..2], &segment(0xe1, &exif()), &segment(0xe1, XMP), &segment(0xed, &iptc), &segment(0xfe, b"SECRET"), &plain[2..]];
    std::fs::write(&file, parts.concat()).unwrap();

    // the same words in the other containers, put there by libvips, which keeps what it read
    let told = |name: &str| {
        let path = bench.path(name);
        vips(&["copy", file.to_str().unwrap(), path.to_str().unwrap()]);
        assert!(holds(&std::fs::read(&path).unwrap(), b"SECRET"), "{name} tells nothing");
        path
    };
    for (file, mime) in [
        (file.clone(), "image/jpeg"),
        (told("told.png"), "image/png"),
        (told("told.webp"), "image/webp"),
        (told("told.tiff"), "image/tiff"),
        (told("told.avif"), "image/avif"),
    ] {
        let ran = bench.run(&file, mime, Kind::Image, Group::Stills, EACH_FORMAT).unwrap();
        for path in &ran.files {
            let bytes = std::fs::read(path).unwrap();
            for word in [
                "SECRET",
                "Exif",
                "EXIF",
                "GPS",
                "xmpmeta",
                "XMP ",
                "ns.adobe",
                "Photoshop",
                "8BIM",
                "ICC_PROFILE",
                "ICCP",
                "acsp",
                "MM\0*",
            ] {
                assert!(!holds(&bytes, word.as_bytes()), "{word} in {} of {mime}", path.display());
            }
        }
    }
}

fn holds(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}
