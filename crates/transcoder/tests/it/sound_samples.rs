//! Files of sound as the world makes them: a tone of 8 s at about −21 LUFS in one of each kind.

/// One file, how ffmpeg makes it, and what the probe has to say of it.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub name: &'static str,
    pub mime: &'static str,
    /// After the tone of 44.1 kHz, mono.
    pub args: &'static str,
    pub codec: &'static str,
    pub channels: u32,
    pub sample_rate: u32,
}

pub const SECONDS: u32 = 8;

const fn sample(
    name: &'static str,
    mime: &'static str,
    args: &'static str,
    codec: &'static str,
    channels: u32,
    sample_rate: u32,
) -> Sample {
    Sample { name, mime, args, codec, channels, sample_rate }
}

pub const SOUNDS: &[Sample] = &[
    sample("cbr.mp3", "audio/mpeg", "-c:a libmp3lame -b:a 96k", "mp3", 1, 44_100),
    sample("vbr-without-header.mp3", "audio/mpeg", "-c:a libmp3lame -q:a 4 -write_xing 0 -id3v2_version 0", "mp3", 1, 44_100),
    sample("layer2.mp3", "audio/mpeg", "-c:a mp2 -f mp2", "mp3", 1, 44_100),
    sample("adts.aac", "audio/aac", "-c:a aac", "aac", 1, 44_100),
    sample("aac.m4a", "audio/mp4", "-c:a aac -ac 2", "aac", 2, 44_100),
    sample("alac.m4a", "audio/mp4", "-c:a alac -ac 2", "alac", 2, 44_100),
    sample("flac.flac", "audio/x-flac", "-c:a flac -ar 96000 -sample_fmt s32", "flac", 1, 96_000),
    sample("vorbis.ogg", "audio/ogg", "-c:a libvorbis -ac 2", "vorbis", 2, 44_100),
    sample("opus.opus", "audio/opus", "-c:a libopus -ac 2", "opus", 2, 48_000),
    sample("opus.webm", "audio/webm", "-c:a libopus -ac 2", "opus", 2, 48_000),
    sample("ac3.mka", "audio/x-matroska", "-c:a ac3 -ac 6", "ac3", 6, 44_100),
    sample("dts.mka", "audio/x-matroska", "-c:a dca -strict -2 -ar 48000 -ac 2", "dts", 2, 48_000),
    sample("s16.wav", "audio/x-wav", "-c:a pcm_s16le", "pcm", 1, 44_100),
    sample("u8.wav", "audio/x-wav", "-c:a pcm_u8 -ar 8000", "pcm", 1, 8_000),
    sample("s24.wav", "audio/x-wav", "-c:a pcm_s24le -ar 96000 -ac 2", "pcm", 2, 96_000),
    sample("float.wav", "audio/x-wav", "-c:a pcm_f32le", "pcm", 1, 44_100),
    sample("mulaw.wav", "audio/x-wav", "-c:a pcm_mulaw -ar 8000", "mulaw", 1, 8_000),
    sample("alaw.wav", "audio/x-wav", "-c:a pcm_alaw -ar 8000", "alaw", 1, 8_000),
    sample("aiff.aiff", "audio/x-aiff", "-c:a pcm_s16be -ac 2", "pcm", 2, 44_100),
];
