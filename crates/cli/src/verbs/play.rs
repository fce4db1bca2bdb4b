//! `media play`: the URLs that an asset is shown by, or a player that opens the first of them.

use media_domain::AssetId;
use media_proto::v1::{GetPlaybackRequest, Playback};
use tokio::process::Command;

use crate::{
    api::{Api, call},
    failure::Failure,
    output, words,
};

#[derive(Debug, clap::Args)]
pub struct Play {
    /// The asset's id
    asset: AssetId,
    /// Open it with this program, such as "ffplay -autoexit"; the URL is its last argument
    #[arg(long, value_name = "CMD", env = "MEDIA_PLAYER")]
    player: Option<String>,
}

impl Play {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        let request = GetPlaybackRequest { asset_id: self.asset.to_string() };
        let answer = call(|| {
            let (mut playback, request) = (api.playback.clone(), request.clone());
            async move { playback.get_playback(request).await }
        })
        .await?;
        if json {
            return output::json(&answer);
        }
        let playback = answer.playback.unwrap_or_default();
        let url = first_url(&playback).ok_or_else(|| Failure::Refused(format!("{} has nothing to play", self.asset)))?;
        match self.player {
            Some(command) => open(&command, url).await,
            None => lines(&playback).iter().try_for_each(|line| output::line(line)),
        }
    }
}

/// What stands for the asset: its stream, else its largest picture.
fn first_url(playback: &Playback) -> Option<&str> {
    let picture = playback.images.iter().max_by_key(|image| image.width).map(|image| image.url.as_str());
    (!playback.hls_url.is_empty()).then_some(playback.hls_url.as_str()).or(picture)
}

/// The stream's URL alone in the first line, so that a script can take it; then the rest, each with what it is.
fn lines(playback: &Playback) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend((!playback.hls_url.is_empty()).then(|| playback.hls_url.clone()));
    let named = [
        ("dash", &playback.dash_url),
        ("progressive", &playback.progressive_url),
        ("preview", &playback.preview_url),
        ("poster", &playback.poster_url),
        ("storyboard", &playback.storyboard_url),
        ("waveform", &playback.waveform_url),
    ];
    lines.extend(named.iter().filter(|(_, url)| !url.is_empty()).map(|(name, url)| format!("{name}  {url}")));
    lines.extend(playback.images.iter().map(|image| format!("{}  {}x{}  {}", image.profile, image.width, image.height, image.url)));
    lines.extend(
        playback.captions.iter().map(|caption| format!("{}  {}  {}", words::caption_kind(caption.kind()), caption.language, caption.url)),
    );
    lines
}

async fn open(command: &str, url: &str) -> Result<(), Failure> {
    let mut arguments = command.split_whitespace();
    let program = arguments.next().ok_or_else(|| Failure::Usage("--player needs a program".into()))?;
    let ended = Command::new(program)
        .args(arguments)
        .arg(url)
        .status()
        .await
        .map_err(|error| Failure::Usage(format!("the player {program} cannot be started: {error}")))?;
    if ended.success() { Ok(()) } else { Err(Failure::Unexpected(format!("the player {program} ended with {ended}"))) }
}

#[cfg(test)]
mod tests {
    use media_proto::v1::PlaybackImage;

    use super::*;

    #[test]
    fn the_stream_is_the_first_line_and_alone_in_it() {
        let playback = Playback { hls_url: "http://x/hls.m3u8".into(), poster_url: "http://x/p".into(), ..Playback::default() };
        assert_eq!(lines(&playback), ["http://x/hls.m3u8", "poster  http://x/p"]);
        assert_eq!(first_url(&playback), Some("http://x/hls.m3u8"));
    }

    #[test]
    fn a_picture_is_opened_in_its_largest_size() {
        let image = |width, url: &str| PlaybackImage { width, url: url.into(), ..PlaybackImage::default() };
        let playback = Playback { images: vec![image(320, "small"), image(1280, "large"), image(640, "middle")], ..Playback::default() };
        assert_eq!(first_url(&playback), Some("large"));
        assert_eq!(first_url(&Playback::default()), None);
    }

    #[tokio::test]
    async fn a_player_that_does_not_exist_and_one_that_fails_are_said() {
        assert!(matches!(open("no-such-player-here -x", "u").await, Err(Failure::Usage(_))));
        assert!(matches!(open("false", "u").await, Err(Failure::Unexpected(_))));
        assert!(open("true", "u").await.is_ok());
    }
}
