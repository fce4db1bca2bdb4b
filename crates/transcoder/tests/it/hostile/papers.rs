//! Documents that were made to be endless: to count, to unpack, to draw.

use media_domain::{Kind, MediaInfo, info::DocumentInfo, work::Group};
use media_transcoder::parent::FailureKind;

use super::{Cost, attack, bombs::write, ends_typed};
use crate::{
    bench::{Bench, Ran, job},
    papers,
};

const PDF: &str = "application/pdf";
/// What a page may cost here: less than the five minutes of a real one, so that a test can wait for the end.
const CPU_S: u64 = 4;

/// Looks at a document and draws it, as if the look had found a page.
fn drawn(name: &str, objects: &[Vec<u8>], most: Cost) -> Option<Ran> {
    drawn_within(CPU_S, name, objects, most)
}

/// The same, within other seconds.
fn drawn_within(cpu_s: u64, name: &str, objects: &[Vec<u8>], most: Cost) -> Option<Ran> {
    let bench = Bench::new();
    let file = write(&bench, name, &papers::of_objects(objects));
    ends_typed(attack(&bench, &file, job(&file, PDF, Kind::Document, Group::Probe, &[], None), Cost::LOOK));
    let info = MediaInfo { document: Some(DocumentInfo { pages: 1 }), ..MediaInfo::default() };
    let mut job = job(&file, PDF, Kind::Document, Group::Pages, &["webp-640", "webp-1280"], Some(info));
    job.limits.cpu_ms = cpu_s * 1000;
    let result = attack(&bench, &file, job, most);
    if let Err(failure) = &result {
        assert_ne!(failure.kind, FailureKind::TimedOut, "{failure}");
    }
    ends_typed(result)
}

fn page(media_box: &str, content: Vec<u8>) -> Vec<Vec<u8>> {
    let page = format!("<</Type/Page/Parent 2 0 R/MediaBox[{media_box}]/Contents 4 0 R/Resources<</XObject<</X 5 0 R>>>>>>");
    let tree = ["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Count 1/Kids[3 0 R]>>", &page];
    tree.into_iter().map(|object| object.as_bytes().to_vec()).chain([content]).collect()
}

fn stream(dictionary: &str, bytes: &[u8]) -> Vec<u8> {
    [format!("<</Length {}{dictionary}>>stream\n", bytes.len()).as_bytes(), bytes, b"\nendstream"].concat()
}

/// Writes bits from the lowest of each byte on, as RFC 1951 has them.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn put(&mut self, bits: u32, count: u32) {
        for place in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= ((bits >> place & 1) as u8) << (self.used % 8);
            self.used += 1;
        }
    }

    /// A Huffman code, whose highest bit comes first.
    fn code(&mut self, code: u32, count: u32) {
        self.put(code.reverse_bits() >> (32 - count), count);
    }
}

/// 13 bytes, again and again until there are so many, as zlib packs them: 258 bytes in 15 bits (RFC 1951, 3.2.6).
fn packed(thirteen: &[u8; 13], bytes: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(0b011, 3);
    thirteen.iter().for_each(|byte| bits.code(0x30 + u32::from(*byte), 8));
    for _ in 0..bytes / 258 {
        bits.code(0xc0 + 285 - 280, 8);
        bits.code(7, 5);
        bits.put(0, 2);
    }
    bits.code(0, 7);
    [vec![0x78, 0x01], bits.bytes].concat()
}

#[test]
fn a_tree_of_pages_that_bites_its_tail_is_refused() {
    let objects = ["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Count 1000000/Kids[2 0 R 2 0 R]/Parent 2 0 R>>"];
    assert!(drawn("loop.pdf", &objects.map(|object| object.as_bytes().to_vec()), Cost::LOOK).is_none());
}

#[test]
fn a_page_that_unpacks_to_a_hundred_million_strokes_ends_at_its_limit_of_time() {
    let strokes = stream("/Filter/FlateDecode", &packed(b"0 0 9 9 re f ", 1 << 30));
    let most = Cost { cpu_s: CPU_S as f64 + 1.5, memory_mib: 250, output_kb: 0 };
    assert!(drawn("strokes.pdf", &page("0 0 600 800", strokes), most).is_none());
}

#[test]
fn a_page_of_a_packed_desert_takes_no_memory() {
    let desert = stream("/Filter/FlateDecode", &packed(b"             ", 256 << 20));
    // It is drawn, on a slow machine, too.
    let most = Cost { cpu_s: 3.5, memory_mib: 250, output_kb: 15 };
    let ran = drawn_within(10 * CPU_S, "desert.pdf", &page("0 0 600 800", desert), most);
    assert!(ran.is_some());
}

#[test]
fn a_page_as_large_as_a_country_is_drawn_small_or_refused() {
    let content = stream("", b"1 0 0 rg 0 0 2000000000 1000000000 re f");
    drawn("country.pdf", &page("0 0 2000000000 2000000000", content), Cost::SMALL);
}

#[test]
fn a_picture_on_a_page_that_says_it_has_ten_thousand_megapixels_takes_no_memory() {
    let content = stream("", b"600 0 0 800 0 0 cm /X Do");
    let says = "/Type/XObject/Subtype/Image/Width 100000/Height 100000/ColorSpace/DeviceRGB/BitsPerComponent 8";
    let objects = [page("0 0 600 800", content), vec![stream(says, b"abc")]].concat();
    drawn("picture.pdf", &objects, Cost::SMALL);
}
