//! The file that goes all the way: one that was given, or a film that is made here, in which a machine speaks.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempDir;

use super::judge;

/// What the film says, and how slowly, in words per minute: Whisper tiny.en wrote down 44 or 45 of these 45 words.
const SPOKEN: &str = "Good morning and welcome. This short film was made by a computer. The numbers on the screen count every picture. \
                      Before anyone can watch it, the file is checked for viruses. Then the service writes down every word that I say. \
                      Thank you for listening.";
const WORDS_PER_MINUTE: &str = "145";
const SECONDS: &str = "20";
/// Each picture carries its own number, large enough to be read in the smallest rung. Colours are named as those of HD, so that nobody
/// has to guess.
const PICTURE: &str = "testsrc2=size=1280x720:rate=30,\
                       drawtext=font=DejaVu Sans Mono:text='%{n}':fontsize=120:fontcolor=white:box=1:boxcolor=black@0.7:boxborderw=24:\
                       x=(w-text_w)/2:y=h-text_h-80,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p";
const COLOURS: [&str; 8] = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"];
/// Half a second of silence first, and silence to the end.
const SOUND: &str = "adelay=500:all=1,aresample=48000,apad";

/// A file and what is known of it.
#[derive(Debug)]
pub struct Footage {
    pub path: PathBuf,
    /// What is said in it, where we know.
    pub spoken: Option<&'static str>,
    /// Where a made film lies; it goes with us.
    _folder: Option<TempDir>,
}

/// The given file, or a film that is made now.
pub async fn get(given: Option<PathBuf>) -> anyhow::Result<Footage> {
    match given {
        Some(path) => {
            let path = path.canonicalize().with_context(|| format!("cannot open {}", path.display()))?;
            Ok(Footage { path, spoken: None, _folder: None })
        }
        None => {
            let folder = tempfile::Builder::new().prefix("media-demo-").tempdir().context("cannot make a temporary folder")?;
            let path = make(folder.path()).await?;
            Ok(Footage { path, spoken: Some(SPOKEN), _folder: Some(folder) })
        }
    }
}

async fn make(folder: &Path) -> anyhow::Result<PathBuf> {
    let voice = folder.join("voice.wav").display().to_string();
    judge::run("espeak-ng", &["-v", "en-us", "-s", WORDS_PER_MINUTE, "-w", &voice, SPOKEN]).await?;
    let film = folder.join("film.mp4");
    let target = film.display().to_string();
    let inputs = ["-v", "error", "-f", "lavfi", "-i", PICTURE, "-i", &voice, "-t", SECONDS];
    let video = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "23"];
    let audio = ["-af", SOUND, "-c:a", "aac", "-b:a", "128k", "-ac", "2"];
    let arguments = [&inputs[..], &video, &COLOURS, &audio, &["-movflags", "+faststart", &target]].concat();
    judge::run("ffmpeg", &arguments).await?;
    Ok(film)
}
