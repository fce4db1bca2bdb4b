//! TranscriptService: what was said, and where.

use std::sync::Arc;

use media_blobs::LanguageTag;
use media_domain::{Status, TranscriptId};
use media_proto::v1::{self, transcript_service_server::TranscriptService};
use media_storage::{
    assets::Asset,
    transcript_search::Found,
    transcripts::{Segment, Transcript, TranscriptSummary},
};
use tonic::{Request, Response};

use super::{Api, asset_id, there};
use crate::{
    auth::Caller,
    convert,
    error::{ApiError, Violations},
};

/// Characters of a query. The contract says so.
const QUERY_CHARS_MAX: usize = 200;
/// Characters of a snippet. The contract says so.
const SNIPPET_CHARS_MAX: usize = 300;

pub struct Transcripts(pub Arc<Api>);

#[tonic::async_trait]
impl TranscriptService for Transcripts {
    async fn get_transcript(
        &self,
        request: Request<v1::GetTranscriptRequest>,
    ) -> Result<Response<v1::GetTranscriptResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        let transcript = self.get(&caller, &request).await?;
        Ok(Response::new(v1::GetTranscriptResponse { transcript: Some(whole(transcript)) }))
    }

    async fn list_transcripts(
        &self,
        request: Request<v1::ListTranscriptsRequest>,
    ) -> Result<Response<v1::ListTranscriptsResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(self.list(&caller, request).await?))
    }

    async fn search_transcripts(
        &self,
        request: Request<v1::SearchTranscriptsRequest>,
    ) -> Result<Response<v1::SearchTranscriptsResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(self.search(&caller, request).await?))
    }
}

impl Transcripts {
    async fn get(&self, caller: &Caller, request: &v1::GetTranscriptRequest) -> Result<Transcript, ApiError> {
        let asset = asset_id(&request.asset_id)?;
        let mut violations = Violations::default();
        let id: Option<TranscriptId> = match request.transcript_id.as_str() {
            "" => None,
            text => text.parse().map_err(|error: media_domain::ids::NotAnId| violations.add("transcript_id", format!("is {error}"))).ok(),
        };
        let language: Option<LanguageTag> = match request.language.as_str() {
            "" => None,
            text => {
                text.parse().map_err(|error: media_blobs::keys::NotALanguageTag| violations.add("language", format!("is {error}"))).ok()
            }
        };
        violations.into_result()?;
        let mut tx = self.0.begin(caller, "api.get_transcript").await?;
        heard(there(tx.assets().lookup(asset).await?)?)?;
        let found = tx.transcripts().lookup(asset, id, language.as_ref().map(LanguageTag::as_str)).await?;
        found.ok_or(ApiError::TranscriptNotFound)
    }

    async fn list(&self, caller: &Caller, request: v1::ListTranscriptsRequest) -> Result<v1::ListTranscriptsResponse, ApiError> {
        let asset = asset_id(&request.asset_id)?;
        let page = self.0.page(caller, &request)?;
        let mut tx = self.0.begin(caller, "api.list_transcripts").await?;
        there(tx.assets().lookup(asset).await?)?;
        let mut found = tx.transcripts().page(asset, page.after()?, page.fetch()).await?;
        let next_page_token = page.cut(&mut found, |last| last.id);
        Ok(v1::ListTranscriptsResponse { transcripts: found.into_iter().map(summary).collect(), next_page_token })
    }

    async fn search(&self, caller: &Caller, request: v1::SearchTranscriptsRequest) -> Result<v1::SearchTranscriptsResponse, ApiError> {
        let asset = match request.asset_id.as_str() {
            "" => None,
            text => Some(asset_id(text)?),
        };
        let (page, query) = (self.0.page(caller, &request)?, &request.query);
        if query.chars().count() > QUERY_CHARS_MAX {
            return Err(Violations::of("query", format!("has more than {QUERY_CHARS_MAX} characters")));
        }
        if query.contains('\0') {
            return Err(Violations::of("query", "holds a NUL"));
        }
        let mut tx = self.0.begin(caller, "api.search_transcripts").await?;
        if let Some(asset) = asset {
            heard(there(tx.assets().lookup(asset).await?)?)?;
        }
        if !tx.transcripts().is_searchable(query).await? {
            return Err(Violations::of("query", "must hold a word that is looked for"));
        }
        let after = page.after()?;
        let found = match asset {
            Some(asset) => tx.transcripts().search_in(asset, query, after, page.size).await?,
            None => tx.transcripts().search(query, after, page.size).await?,
        };
        Ok(v1::SearchTranscriptsResponse {
            matches: found.found.iter().flat_map(matches).collect(),
            next_page_token: found.next.map(|last| page.seal(&last)).unwrap_or_default(),
        })
    }
}

/// Of what is in quarantine, nothing can be had.
fn heard(asset: Asset) -> Result<(), ApiError> {
    if asset.status == Status::Quarantined { Err(ApiError::Quarantined) } else { Ok(()) }
}

fn whole(transcript: Transcript) -> v1::Transcript {
    v1::Transcript {
        id: transcript.id.to_string(),
        asset_id: transcript.asset.to_string(),
        language: transcript.language,
        source: transcript.source,
        segment_count: i32::try_from(transcript.segments.len()).unwrap_or(i32::MAX),
        segments: transcript.segments.into_iter().map(segment).collect(),
        create_time: Some(convert::timestamp(transcript.created_at)),
    }
}

fn segment(segment: Segment) -> v1::TranscriptSegment {
    v1::TranscriptSegment {
        start_ms: segment.start_ms.cast_signed(),
        end_ms: segment.end_ms.cast_signed(),
        text: segment.text,
        speaker_label: segment.speaker_label.unwrap_or_default(),
        confidence: segment.confidence,
    }
}

fn summary(transcript: TranscriptSummary) -> v1::Transcript {
    v1::Transcript {
        id: transcript.id.to_string(),
        asset_id: transcript.asset.to_string(),
        language: transcript.language,
        source: transcript.source,
        segment_count: i32::try_from(transcript.segment_count).unwrap_or(i32::MAX),
        segments: Vec::new(),
        create_time: Some(convert::timestamp(transcript.created_at)),
    }
}

fn matches(found: &Found) -> impl Iterator<Item = v1::TranscriptMatch> {
    found.moments.iter().map(|moment| v1::TranscriptMatch {
        asset_id: found.asset.to_string(),
        transcript_id: found.transcript.to_string(),
        language: found.language.clone(),
        start_ms: moment.start_ms.cast_signed(),
        end_ms: moment.end_ms.cast_signed(),
        snippet: snippet(&moment.text),
    })
}

fn snippet(text: &str) -> String {
    if text.chars().count() <= SNIPPET_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(SNIPPET_CHARS_MAX - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_is_what_is_said_or_its_first_three_hundred_characters() {
        assert_eq!(snippet("Good morning."), "Good morning.");
        let long = snippet(&"é".repeat(400));
        assert_eq!((long.chars().count(), long.chars().last()), (300, Some('…')));
    }
}
