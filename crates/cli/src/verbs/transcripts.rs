//! `media transcripts`: what was said, and where.

use clap::Subcommand;
use media_domain::{AssetId, TranscriptId};
use media_proto::v1::{GetTranscriptRequest, SearchTranscriptsRequest, TranscriptMatch, TranscriptSegment};

use crate::{
    api::{Api, call},
    failure::Failure,
    output,
};

/// The most that the service puts on a page.
const PAGE_SIZE_MAX: u32 = 200;

#[derive(Debug, clap::Args)]
pub struct Transcripts {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print what was said, with its times
    Show {
        /// The asset's id
        asset: AssetId,
        /// This one; without it, the newest
        transcript: Option<TranscriptId>,
        /// Only one of this language, as BCP 47 writes it
        #[arg(long, default_value = "", hide_default_value = true)]
        language: String,
    },
    /// Find the moments in which something is said
    Search {
        /// What is looked for: words, "words in this order", or, -without
        query: String,
        /// Only in this asset
        #[arg(long)]
        asset: Option<AssetId>,
        /// How many transcripts at most
        #[arg(long, short = 'n', default_value_t = 50)]
        limit: u32,
    },
}

impl Transcripts {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        match self.verb {
            Verb::Show { asset, transcript, language } => {
                let transcript_id = transcript.map(|id| id.to_string()).unwrap_or_default();
                show(api, GetTranscriptRequest { asset_id: asset.to_string(), transcript_id, language }, json).await
            }
            Verb::Search { query, asset, limit } => {
                let asset_id = asset.map(|id| id.to_string()).unwrap_or_default();
                search(api, SearchTranscriptsRequest { query, asset_id, ..SearchTranscriptsRequest::default() }, limit, json).await
            }
        }
    }
}

async fn show(api: &Api, request: GetTranscriptRequest, json: bool) -> Result<(), Failure> {
    let answer = call(|| {
        let (mut transcripts, request) = (api.transcripts.clone(), request.clone());
        async move { transcripts.get_transcript(request).await }
    })
    .await?;
    let transcript = answer.transcript.unwrap_or_default();
    if json {
        return output::json(&transcript);
    }
    transcript.segments.iter().try_for_each(|said| output::line(&segment(said)))
}

async fn search(api: &Api, mut request: SearchTranscriptsRequest, limit: u32, json: bool) -> Result<(), Failure> {
    let mut left = limit;
    while left > 0 {
        let size = left.min(PAGE_SIZE_MAX);
        request.page_size = i32::try_from(size).unwrap_or(0);
        let page = call(|| {
            let (mut transcripts, request) = (api.transcripts.clone(), request.clone());
            async move { transcripts.search_transcripts(request).await }
        })
        .await?;
        for found in &page.matches {
            if json { output::json(found)? } else { output::line(&moment(found))? }
        }
        left -= size;
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    Ok(())
}

fn segment(said: &TranscriptSegment) -> String {
    let speaker = if said.speaker_label.is_empty() { String::new() } else { format!("{}: ", output::printable(&said.speaker_label)) };
    format!("{}  {speaker}{}", time(said.start_ms), output::printable(&said.text))
}

fn moment(found: &TranscriptMatch) -> String {
    format!("{}  {}  {}", found.asset_id, time(found.start_ms), output::printable(&found.snippet))
}

/// Hours, minutes and seconds, as players show them.
fn time(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_by_asset_time_and_words_without_control_characters() {
        let found =
            TranscriptMatch { asset_id: "A".into(), start_ms: 3_725_900, snippet: "\u{1b}[31mhi".into(), ..TranscriptMatch::default() };
        assert_eq!(moment(&found), "A  1:02:05  \u{fffd}[31mhi");
    }

    #[test]
    fn who_speaks_is_said_where_it_is_known() {
        let said = TranscriptSegment { start_ms: 1_000, text: "hello".into(), ..TranscriptSegment::default() };
        assert_eq!(segment(&said), "0:00:01  hello");
        assert_eq!(segment(&TranscriptSegment { speaker_label: "Ann".into(), ..said }), "0:00:01  Ann: hello");
    }
}
