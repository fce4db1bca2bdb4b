//! `media captions`: the caption tracks of an asset: their versions, their texts, and their review.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use media_domain::{AssetId, CaptionKind, CaptionSource, CaptionTrackId, OwnerId};
use media_proto::v1::{
    CaptionDecision, CaptionFormat, CaptionTrack, DeleteCaptionTrackRequest, GenerateCaptionsRequest, GetCaptionTrackRequest,
    ImportCaptionTrackRequest, ListCaptionTracksRequest, ReviewCaptionTrackRequest, UpdateCaptionTrackRequest,
};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    api::{Api, call},
    asset_text,
    failure::{Failure, of_file},
    output, words,
};

#[derive(Debug, clap::Args)]
pub struct Captions {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the versions, newest first
    List {
        /// The asset's id
        asset: AssetId,
        /// Only this language, as BCP 47 writes it
        #[arg(long, default_value = "", hide_default_value = true)]
        language: String,
        /// Only this kind: captions, subtitles, descriptions
        #[arg(long)]
        kind: Option<CaptionKind>,
        /// Also versions whose place another has taken
        #[arg(long)]
        all: bool,
    },
    /// Print the text of a version
    Show {
        /// The asset's id
        asset: AssetId,
        /// The version's id
        track: CaptionTrackId,
        /// Print it as this
        #[arg(long, value_enum, default_value_t = Format::Vtt)]
        format: Format,
    },
    /// Hand a WebVTT or SRT file over; it waits for a review
    Import {
        /// The asset's id
        asset: AssetId,
        /// The file: what it is says its first line
        file: PathBuf,
        /// As BCP 47 writes it: de, en-US
        #[arg(long)]
        language: String,
        /// What it is for: captions, subtitles, descriptions
        #[arg(long, default_value = "captions")]
        kind: CaptionKind,
        /// Where it comes from: human, if a person wrote it for this asset, or imported
        #[arg(long, default_value = "imported")]
        source: CaptionSource,
    },
    /// Put a file in the place of a version: a new one, that waits for a review
    Edit {
        /// The asset's id
        asset: AssetId,
        /// The version that was edited
        track: CaptionTrackId,
        /// The whole text, as WebVTT or SRT
        file: PathBuf,
    },
    /// Let players be shown a version
    Approve(Review),
    /// Say no to a version
    Reject(Review),
    /// Delete a version with its text
    Delete {
        /// The asset's id
        asset: AssetId,
        /// The version's id
        track: CaptionTrackId,
    },
    /// Ask for what is said to be written down
    Generate {
        /// The asset's id
        asset: AssetId,
        /// What is spoken; without it, the model finds out
        #[arg(long, default_value = "", hide_default_value = true)]
        language: String,
    },
}

#[derive(Debug, clap::Args)]
struct Review {
    /// The asset's id
    asset: AssetId,
    /// The version's id
    track: CaptionTrackId,
    /// Who says so; without it, the person of the token
    #[arg(long, value_name = "ULID")]
    reviewer: Option<OwnerId>,
}

/// A format of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Vtt,
    Srt,
}

/// What a deletion answers, for scripts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deleted {
    caption_track_id: String,
}

impl Captions {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        match self.verb {
            Verb::List { asset, language, kind, all } => {
                let request = ListCaptionTracksRequest {
                    asset_id: asset.to_string(),
                    language,
                    kind: kind.map(words::caption_kind_named).unwrap_or_default().into(),
                    show_superseded: all,
                    ..ListCaptionTracksRequest::default()
                };
                list(api, request, json).await
            }
            Verb::Show { asset, track, format } => show(api, asset, track, format, json).await,
            Verb::Import { asset, file, language, kind, source } => {
                let request = ImportCaptionTrackRequest {
                    asset_id: asset.to_string(),
                    language,
                    kind: words::caption_kind_named(kind).into(),
                    source: words::caption_source_named(source).into(),
                    content: read(&file)?,
                    format: CaptionFormat::Unspecified.into(),
                    request_id: Uuid::new_v4().to_string(),
                };
                let answer = call(|| {
                    let (mut captions, request) = (api.captions.clone(), request.clone());
                    async move { captions.import_caption_track(request).await }
                })
                .await?;
                print(answer.caption_track, json)
            }
            Verb::Edit { asset, track, file } => {
                let request = UpdateCaptionTrackRequest {
                    asset_id: asset.to_string(),
                    caption_track_id: track.to_string(),
                    content: read(&file)?,
                    format: CaptionFormat::Unspecified.into(),
                    request_id: Uuid::new_v4().to_string(),
                };
                let answer = call(|| {
                    let (mut captions, request) = (api.captions.clone(), request.clone());
                    async move { captions.update_caption_track(request).await }
                })
                .await?;
                print(answer.caption_track, json)
            }
            Verb::Approve(of) => review(api, of, CaptionDecision::Approve, json).await,
            Verb::Reject(of) => review(api, of, CaptionDecision::Reject, json).await,
            Verb::Delete { asset, track } => {
                let request = DeleteCaptionTrackRequest { asset_id: asset.to_string(), caption_track_id: track.to_string() };
                api.captions.clone().delete_caption_track(request).await?;
                if json {
                    output::json(&Deleted { caption_track_id: track.to_string() })
                } else {
                    output::line(&format!("{track}  deleted"))
                }
            }
            Verb::Generate { asset, language } => generate(api, asset, language, json).await,
        }
    }
}

async fn list(api: &Api, mut request: ListCaptionTracksRequest, json: bool) -> Result<(), Failure> {
    loop {
        let page = call(|| {
            let (mut captions, request) = (api.captions.clone(), request.clone());
            async move { captions.list_caption_tracks(request).await }
        })
        .await?;
        for track in &page.caption_tracks {
            if json { output::json(track)? } else { output::line(&asset_text::caption(track))? }
        }
        if page.next_page_token.is_empty() {
            return Ok(());
        }
        request.page_token = page.next_page_token;
    }
}

async fn show(api: &Api, asset: AssetId, track: CaptionTrackId, format: Format, json: bool) -> Result<(), Failure> {
    let format = match format {
        Format::Vtt => CaptionFormat::Vtt,
        Format::Srt => CaptionFormat::Srt,
    };
    let request = GetCaptionTrackRequest { asset_id: asset.to_string(), caption_track_id: track.to_string(), format: format.into() };
    let answer = call(|| {
        let (mut captions, request) = (api.captions.clone(), request.clone());
        async move { captions.get_caption_track(request).await }
    })
    .await?;
    if json {
        return output::json(&answer);
    }
    answer.content.lines().try_for_each(|line| output::line(&output::printable(line)))
}

async fn review(api: &Api, of: Review, decision: CaptionDecision, json: bool) -> Result<(), Failure> {
    let request = ReviewCaptionTrackRequest {
        asset_id: of.asset.to_string(),
        caption_track_id: of.track.to_string(),
        decision: decision.into(),
        reviewer_user_id: of.reviewer.map(|reviewer| reviewer.to_string()).unwrap_or_default(),
    };
    let answer = call(|| {
        let (mut captions, request) = (api.captions.clone(), request.clone());
        async move { captions.review_caption_track(request).await }
    })
    .await?;
    print(answer.caption_track, json)
}

async fn generate(api: &Api, asset: AssetId, language: String, json: bool) -> Result<(), Failure> {
    let request_id = Uuid::new_v4().to_string();
    let request = GenerateCaptionsRequest { asset_id: asset.to_string(), language, request_id, ..GenerateCaptionsRequest::default() };
    let answer = call(|| {
        let (mut captions, request) = (api.captions.clone(), request.clone());
        async move { captions.generate_captions(request).await }
    })
    .await?;
    if json {
        return output::json(&answer);
    }
    let job = answer.job.unwrap_or_default();
    output::line(&format!("{}  {}: `media watch {asset}` follows it", job.profile, words::job(job.status())))
}

fn print(track: Option<CaptionTrack>, json: bool) -> Result<(), Failure> {
    let track = track.ok_or_else(|| Failure::Unexpected("the service answered without a track".into()))?;
    if json { output::json(&track) } else { output::line(&asset_text::caption(&track)) }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| of_file(file, &error))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Args;

    const ASSET: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    const TRACK: &str = "01BX5ZZKBKACTAV9WEVGEMMVRZ";

    fn parsed(arguments: &[&str]) -> Result<Verb, clap::Error> {
        let args = Args::try_parse_from([&["media", "captions"], arguments].concat())?;
        match args.verb {
            crate::args::Verb::Captions(captions) => Ok(captions.verb),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_is_imported_as_captions_made_elsewhere_unless_said() {
        let verb = parsed(&["import", ASSET, "a.srt", "--language", "de"]).unwrap();
        assert!(matches!(verb, Verb::Import { kind: CaptionKind::Captions, source: CaptionSource::Imported, .. }), "{verb:?}");
        let verb = parsed(&["import", ASSET, "a.srt", "--language", "de", "--kind", "subtitles", "--source", "human"]).unwrap();
        assert!(matches!(verb, Verb::Import { kind: CaptionKind::Subtitles, source: CaptionSource::Human, .. }), "{verb:?}");
        assert!(parsed(&["import", ASSET, "a.srt"]).is_err(), "a language has to be said");
    }

    #[test]
    fn a_review_may_name_the_reviewer_and_nobody_who_is_none() {
        assert!(matches!(parsed(&["approve", ASSET, TRACK]).unwrap(), Verb::Approve(Review { reviewer: None, .. })));
        assert!(matches!(parsed(&["reject", ASSET, TRACK, "--reviewer", ASSET]).unwrap(), Verb::Reject(Review { reviewer: Some(_), .. })));
        assert!(parsed(&["approve", ASSET, TRACK, "--reviewer", "me"]).is_err());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let failure = read(Path::new("/no/such/file.vtt")).unwrap_err();
        assert!(matches!(&failure, Failure::Refused(sentence) if sentence.contains("/no/such/file.vtt")), "{failure}");
    }
}
