//! Which demuxer reads which container, and which elements parse and decode which codec: all that the child can read.

use gstreamer as gst;

/// How one codec is read.
#[derive(Debug, PartialEq, Eq)]
pub struct Codec {
    /// As it stands in [`media_domain::MediaInfo`].
    pub name: &'static str,
    pub track: Track,
    pub parser: Option<&'static str>,
    /// None where the samples already are what a decoder would make.
    pub decoder: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    Video,
    Audio,
}

const fn video(name: &'static str, parser: Option<&'static str>, decoder: &'static str) -> Codec {
    Codec { name, track: Track::Video, parser, decoder: Some(decoder) }
}

const fn audio(name: &'static str, parser: Option<&'static str>, decoder: &'static str) -> Codec {
    Codec { name, track: Track::Audio, parser, decoder: Some(decoder) }
}

static H264: Codec = video("h264", Some("h264parse"), "avdec_h264");
static H265: Codec = video("hevc", Some("h265parse"), "avdec_h265");
static VP8: Codec = video("vp8", None, "avdec_vp8");
static VP9: Codec = video("vp9", Some("vp9parse"), "avdec_vp9");
static AV1: Codec = video("av1", Some("av1parse"), "av1dec");
static MPEG2: Codec = video("mpeg2", Some("mpegvideoparse"), "avdec_mpeg2video");
static MPEG4: Codec = video("mpeg4", Some("mpeg4videoparse"), "avdec_mpeg4");
static DIVX: Codec = video("mpeg4", None, "avdec_mpeg4");
static PRORES: Codec = video("prores", None, "avdec_prores");
static MJPEG: Codec = video("mjpeg", Some("jpegparse"), "avdec_mjpeg");
static AAC: Codec = audio("aac", Some("aacparse"), "avdec_aac");
static MP3: Codec = audio("mp3", Some("mpegaudioparse"), "mpg123audiodec");
static OPUS: Codec = audio("opus", None, "opusdec");
static VORBIS: Codec = audio("vorbis", None, "vorbisdec");
static FLAC: Codec = audio("flac", Some("flacparse"), "flacdec");
static AC3: Codec = audio("ac3", Some("ac3parse"), "avdec_ac3");
static EAC3: Codec = audio("eac3", Some("ac3parse"), "avdec_eac3");
static ALAC: Codec = audio("alac", None, "avdec_alac");
static DTS: Codec = audio("dts", Some("dcaparse"), "avdec_dca");
static AMR_NB: Codec = audio("amr", None, "avdec_amrnb");
static AMR_WB: Codec = audio("amr", None, "avdec_amrwb");
static AMR_NB_FILE: Codec = audio("amr", Some("amrparse"), "avdec_amrnb");
static AMR_WB_FILE: Codec = audio("amr", Some("amrparse"), "avdec_amrwb");
static ALAW: Codec = audio("alaw", None, "alawdec");
static MULAW: Codec = audio("mulaw", None, "mulawdec");
static PCM: Codec = Codec { name: "pcm", track: Track::Audio, parser: None, decoder: None };

/// The codec of a track, where we read it.
pub fn find(caps: &gst::CapsRef) -> Option<&'static Codec> {
    let structure = caps.structure(0)?;
    let mpeg_version = structure.get::<i32>("mpegversion").unwrap_or(0);
    Some(match structure.name().as_str() {
        "video/x-h264" => &H264,
        "video/x-h265" => &H265,
        "video/x-vp8" => &VP8,
        "video/x-vp9" => &VP9,
        "video/x-av1" => &AV1,
        "video/mpeg" if structure.get::<bool>("systemstream").is_ok_and(|system| system) => return None,
        "video/mpeg" if mpeg_version == 4 => &MPEG4,
        "video/mpeg" if matches!(mpeg_version, 1 | 2) => &MPEG2,
        "video/x-divx" if structure.get::<i32>("divxversion").is_ok_and(|version| version >= 4) => &DIVX,
        "video/x-prores" => &PRORES,
        "image/jpeg" => &MJPEG,
        "audio/mpeg" if mpeg_version == 1 => &MP3,
        "audio/mpeg" if matches!(mpeg_version, 2 | 4) => &AAC,
        "audio/x-opus" => &OPUS,
        "audio/x-vorbis" => &VORBIS,
        "audio/x-flac" => &FLAC,
        "audio/x-ac3" => &AC3,
        "audio/x-eac3" => &EAC3,
        "audio/x-alac" => &ALAC,
        "audio/x-dts" => &DTS,
        "audio/AMR" => &AMR_NB,
        "audio/AMR-WB" => &AMR_WB,
        "audio/x-amr-nb-sh" => &AMR_NB_FILE,
        "audio/x-amr-wb-sh" => &AMR_WB_FILE,
        "audio/x-alaw" => &ALAW,
        "audio/x-mulaw" => &MULAW,
        "audio/x-raw" => &PCM,
        _ => return None,
    })
}

/// The demuxer for a sniffed type. It alone decides: a file cannot talk us into another.
pub fn demuxer(mime: &str) -> Option<&'static str> {
    Some(match mime {
        "video/mp4" | "video/x-m4v" | "video/quicktime" | "video/3gpp" | "video/3gpp2" | "audio/mp4" | "audio/m4a" | "audio/x-m4a" => {
            "qtdemux"
        }
        "video/x-matroska" | "audio/x-matroska" | "video/webm" | "audio/webm" => "matroskademux",
        "video/mp2t" => "tsdemux",
        "video/mpeg" => "mpegpsdemux",
        "video/x-msvideo" | "video/avi" => "avidemux",
        "video/x-flv" => "flvdemux",
        "video/ogg" | "audio/ogg" | "audio/opus" | "application/ogg" => "oggdemux",
        // Plain streams, perhaps behind an ID3 tag.
        "audio/mpeg" | "audio/aac" | "audio/flac" | "audio/x-flac" | "audio/amr" => "id3demux",
        "audio/wav" | "audio/x-wav" | "audio/vnd.wave" => "wavparse",
        "audio/aiff" | "audio/x-aiff" => "aiffparse",
        _ => return None,
    })
}

/// Whether the file is made of ISO boxes.
pub fn is_mp4(mime: &str) -> bool {
    demuxer(mime) == Some("qtdemux")
}
