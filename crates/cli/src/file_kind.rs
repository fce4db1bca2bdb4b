//! Which kind of asset a local file is, by its first bytes, else by its name. A guess for convenience: the service decides by
//! the bytes.

use std::path::Path;

use infer::MatcherType;
use media_domain::Kind;

/// How many bytes of a file are enough to name its type.
pub const HEAD_BYTES: usize = 8192;

/// The kind of a file that begins with `head`, or nothing where neither bytes nor name tell.
pub fn of(head: &[u8], path: &Path) -> Option<Kind> {
    by_bytes(head).or_else(|| by_extension(path))
}

fn by_bytes(head: &[u8]) -> Option<Kind> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    if text.starts_with(b"WEBVTT") {
        return Some(Kind::Subtitle);
    }
    let found = infer::get(head)?;
    match found.matcher_type() {
        MatcherType::Image => Some(Kind::Image),
        MatcherType::Audio => Some(Kind::Audio),
        MatcherType::Video => Some(Kind::Video),
        MatcherType::Doc | MatcherType::Book => Some(Kind::Document),
        _ if found.mime_type() == "application/pdf" => Some(Kind::Document),
        _ => None,
    }
}

fn by_extension(path: &Path) -> Option<Kind> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match extension.as_str() {
        "vtt" | "srt" => Some(Kind::Subtitle),
        "mp4" | "m4v" | "mov" | "mkv" | "webm" | "avi" | "mpg" | "mpeg" | "ts" | "ogv" | "wmv" => Some(Kind::Video),
        "mp3" | "m4a" | "aac" | "wav" | "flac" | "ogg" | "oga" | "opus" | "aif" | "aiff" => Some(Kind::Audio),
        "jpg" | "jpeg" | "png" | "gif" | "webp" | "avif" | "heic" | "tif" | "tiff" | "bmp" | "svg" | "psd" => Some(Kind::Image),
        "pdf" | "doc" | "docx" | "odt" | "xls" | "xlsx" | "ods" | "ppt" | "pptx" | "odp" | "epub" | "rtf" | "txt" | "md" | "csv" => {
            Some(Kind::Document)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_more_than_the_name() {
        assert_eq!(of(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Path::new("clip.mp4")), Some(Kind::Image));
        assert_eq!(of(b"\0\0\0\x18ftypmp42\0\0\0\0", Path::new("clip")), Some(Kind::Video));
        assert_eq!(of(b"\0\0\0\x18ftypM4A \0\0\0\0", Path::new("clip.mp4")), Some(Kind::Audio));
        assert_eq!(of(b"%PDF-1.7", Path::new("x")), Some(Kind::Document));
        assert_eq!(of(b"\xef\xbb\xbfWEBVTT\n", Path::new("x")), Some(Kind::Subtitle));
    }

    #[test]
    fn the_name_helps_where_the_bytes_say_nothing() {
        assert_eq!(of(b"1\n00:00:00,000 --> 00:00:01,000\nHi\n", Path::new("a.SRT")), Some(Kind::Subtitle));
        assert_eq!(of(b"just text", Path::new("talk.mp4")), Some(Kind::Video));
        assert_eq!(of(b"just text", Path::new("nothing")), None);
        assert_eq!(of(b"\x7fELF\x02\x01\x01\0", Path::new("program")), None);
    }
}
