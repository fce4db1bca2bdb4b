//! What a file is, by its bytes and not by its name.

use media_domain::Kind;

/// How many bytes from the start are looked at.
pub const HEAD_BYTES: usize = 16 * 1024;

const CONTAINERS: &[&str] = &[
    "video/mp4",
    "video/x-m4v",
    "video/quicktime",
    "video/x-matroska",
    "video/webm",
    "video/x-msvideo",
    "video/mpeg",
    "video/mp2t",
    "audio/m4a",
    "application/ogg",
];
const AUDIO: &[&str] = &["audio/mpeg", "audio/aac", "audio/x-flac", "audio/x-wav", "audio/x-aiff", "audio/ogg", "audio/opus", "audio/amr"];
const IMAGES: &[&str] = &["image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/heif", "image/tiff", "image/svg+xml"];
const DOCUMENTS: &[&str] = &[
    "application/pdf",
    "application/msword",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.oasis.opendocument.presentation",
    "application/rtf",
];
const SUBTITLES: &[&str] = &["text/vtt", "application/x-subrip"];

/// The media type of a file by its first bytes; `None` if it is none that we know.
pub fn media_type(head: &[u8]) -> Option<&'static str> {
    text(head)
        .or_else(|| drawing(head))
        .or_else(|| transport_stream(head))
        .or_else(|| infer::get(head).map(|found| canonical(found.mime_type())))
        .or_else(|| iso_media(head))
}

/// Whether an asset of this kind may be a file of this type. A video's container may hold audio alone, which is an audio
/// asset; what is in it the probe will see.
pub fn fits(kind: Kind, media_type: &str) -> bool {
    match kind.pipeline() {
        Kind::Video => CONTAINERS.contains(&media_type),
        Kind::Audio => AUDIO.contains(&media_type) || CONTAINERS.contains(&media_type),
        Kind::Image => IMAGES.contains(&media_type),
        Kind::Document => DOCUMENTS.contains(&media_type),
        Kind::Subtitle => SUBTITLES.contains(&media_type),
        Kind::AiImage | Kind::AiAudio => false,
    }
}

/// One name for each type that has several.
fn canonical(media_type: &'static str) -> &'static str {
    match media_type {
        "image/heic" | "image/heif-sequence" | "image/heic-sequence" => "image/heif",
        "video/ogg" => "application/ogg",
        "audio/x-m4a" | "audio/mp4" => "audio/m4a",
        other => other,
    }
}

/// WebVTT by its signature (W3C WebVTT, 4.1), SubRip by its first cue.
fn text(head: &[u8]) -> Option<&'static str> {
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    if let Some(rest) = head.strip_prefix(b"WEBVTT") {
        return rest.first().is_none_or(|byte| b" \t\r\n".contains(byte)).then_some("text/vtt");
    }
    let mut lines = head.split(|byte| matches!(byte, b'\n' | b'\r')).map(|line| line.trim_ascii()).filter(|line| !line.is_empty());
    let number = lines.next()?;
    let times = lines.next()?;
    let numbered = number.len() <= 9 && number.iter().all(u8::is_ascii_digit);
    let timed = times.len() <= 100 && times.windows(3).any(|arrow| arrow == b"-->") && times.first().is_some_and(u8::is_ascii_digit);
    (numbered && timed).then_some("application/x-subrip")
}

/// SVG: XML whose root is `svg`, behind whatever may stand before a root (XML 1.0, 2.8).
fn drawing(head: &[u8]) -> Option<&'static str> {
    let mut rest = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    while let Some(end) = [(b"<?".as_slice(), b"?>".as_slice()), (b"<!--", b"-->"), (b"<!DOCTYPE svg", b">")]
        .iter()
        .find_map(|(begin, end)| rest.starts_with(begin).then(|| find(rest, end)))
    {
        rest = rest[end?..].trim_ascii_start();
    }
    let after = rest.strip_prefix(b"<svg")?;
    after.first().is_some_and(|byte| b" \t\r\n>".contains(byte)).then_some("image/svg+xml")
}

/// Where in `text` the first `word` ends.
fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word).map(|at| at + word.len())
}

/// MPEG-TS: packets of 188 bytes, each beginning with 0x47 (ISO/IEC 13818-1, 2.4.3.2).
fn transport_stream(head: &[u8]) -> Option<&'static str> {
    let packets = head.len() / 188;
    (packets >= 3 && (0..packets.min(8)).all(|packet| head[packet * 188] == 0x47)).then_some("video/mp2t")
}

/// ISO base media of a brand that nobody knows (ISO/IEC 14496-12, 4.3).
fn iso_media(head: &[u8]) -> Option<&'static str> {
    (head.len() >= 12 && &head[4..8] == b"ftyp").then_some("video/mp4")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_file_named_mp4_is_no_video() {
        assert_eq!(media_type(b"this is only text\n"), None);
    }

    #[test]
    fn what_recorders_write_is_sound() {
        for (head, expected) in [(b"#!AMR\n\x3c\0\0\0\0\0".as_slice(), "audio/amr"), (b"FORM\0\0\x10\0AIFFCOMM", "audio/x-aiff")] {
            assert_eq!(media_type(head), Some(expected));
            assert!(fits(Kind::Audio, expected) && !fits(Kind::Video, expected));
        }
    }

    #[test]
    fn captions_are_known_by_their_first_lines() {
        assert_eq!(media_type(b"WEBVTT\n\n00:01.000 --> 00:02.000\nHi\n"), Some("text/vtt"));
        assert_eq!(media_type(b"\xEF\xBB\xBFWEBVTT"), Some("text/vtt"));
        assert_eq!(media_type(b"WEBVTTX\n"), None);
        assert_eq!(media_type(b"1\r\n00:00:01,000 --> 00:00:02,000\r\nHi\r\n"), Some("application/x-subrip"));
        assert_eq!(media_type(b"1\nnothing timed\n"), None);
    }

    #[test]
    fn a_container_may_be_video_or_audio_and_a_picture_neither() {
        let mp4 = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41";
        assert_eq!(media_type(mp4), Some("video/mp4"));
        assert!(fits(Kind::Video, "video/mp4") && fits(Kind::Audio, "video/mp4") && !fits(Kind::Image, "video/mp4"));
        let odd = b"\x00\x00\x00\x20ftypzzzz\x00\x00\x02\x00zzzz";
        assert_eq!(media_type(odd), Some("video/mp4"));
        let png = b"\x89PNG\r\n\x1a\n";
        assert!(fits(Kind::AiImage, media_type(png).unwrap()) && !fits(Kind::Video, "image/png"));
    }

    #[test]
    fn a_drawing_is_known_by_its_root_and_a_page_is_none() {
        for drawing in [
            "<svg xmlns='http://www.w3.org/2000/svg'/>",
            "\u{feff}<?xml version='1.0'?>\n<!-- by hand -->\n<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'x'>\n<svg\nwidth='1'>",
        ] {
            assert_eq!(media_type(drawing.as_bytes()), Some("image/svg+xml"), "{drawing}");
        }
        for other in ["<html><svg></svg></html>", "<svgx>", "<?xml never ends", "<!-- <svg> -->", "<svg"] {
            assert_ne!(media_type(other.as_bytes()), Some("image/svg+xml"), "{other}");
        }
    }

    #[test]
    fn a_transport_stream_is_known_by_its_packets() {
        let mut stream = vec![0u8; 188 * 4];
        for packet in 0..4 {
            stream[packet * 188] = 0x47;
        }
        assert_eq!(media_type(&stream), Some("video/mp2t"));
    }
}
