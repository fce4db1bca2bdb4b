//! The last frame on the sink socket: how it ended, and what was counted.

use media_domain::VariantDetails;
use serde::{Deserialize, Serialize};

use super::ProtocolError;

/// How the child's work ended, in its own words. Text from a child is untrusted: it is cut, logged at DEBUG, and never shown to a tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChildResult {
    Done(Counts),
    Failed { code: FailureCode, text: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// No demuxer, decoder or track for what was asked.
    Unsupported,
    /// The file cannot be read.
    Corrupt,
    /// The file cannot be read without a password.
    Encrypted,
    /// The text cannot be read, from this line on, counted from 1.
    BadLine(u32),
    /// More pixels than the job allows.
    TooLarge,
    /// Memory ran out.
    LimitHit,
    /// Nothing moved for as long as the job allows.
    TimedOut,
    /// Our graph is wrong.
    Internal,
    /// The parent did not give what was asked for.
    SourceFailed,
}

/// What passed through the graph. The end of a stream proves nothing: these are held against what the file promised.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// The picture track, where one was decoded.
    pub video: Option<TrackCounts>,
    /// The sound track, where one was decoded.
    pub audio: Option<TrackCounts>,
    /// Where the last sample of any track of the file ended, in milliseconds of its time.
    pub end_ms: Option<u64>,
    /// One for each output of the job, in its order.
    pub outputs: Vec<OutputCounts>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrackCounts {
    /// Samples that left the demuxer.
    pub demuxed: u64,
    /// Samples given to the decoder from which a frame must come.
    pub to_decoder: u64,
    /// Frames that came.
    pub from_decoder: u64,
    /// Where the first of them begins, in milliseconds of the file's time.
    pub start_ms: Option<u64>,
    /// Where the last of them ends.
    pub end_ms: Option<u64>,
    /// How long all frames that came last together.
    #[serde(default)]
    pub decoded_ms: u64,
    /// Whether two samples may make one frame.
    pub interlaced: bool,
    /// Frames that could not be read, and were never given to the decoder.
    #[serde(default)]
    pub dropped: u64,
    /// Frames that came with a hole that the decoder filled.
    #[serde(default)]
    pub patched: u64,
    /// What else the decoder complained of.
    #[serde(default)]
    pub errors: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OutputCounts {
    /// In pixels.
    pub width: Option<u32>,
    /// In pixels.
    pub height: Option<u32>,
    /// Encoded frames.
    pub frames: u64,
    /// From its first encoded frame to the end of its last, in milliseconds.
    #[serde(default)]
    pub lasts_ms: Option<u64>,
    /// By RFC 6381, such as `avc1.64001f`.
    pub codec: Option<String>,
    /// Of the sound.
    #[serde(default)]
    pub channels: Option<u32>,
    /// Its track is one after the first, and could not be decoded.
    #[serde(default)]
    pub is_lost: bool,
    #[serde(default)]
    pub details: VariantDetails,
}

impl ChildResult {
    /// # Errors
    /// [`ProtocolError::NotJson`] where the bytes are no result.
    pub fn decode(json: &[u8]) -> Result<Self, ProtocolError> {
        serde_json::from_slice(json).map_err(|_| ProtocolError::NotJson)
    }

    /// # Errors
    /// [`ProtocolError::NotJson`] where it cannot be written, which no value of this type does.
    pub fn encode(&self) -> Result<Vec<u8>, ProtocolError> {
        serde_json::to_vec(self).map_err(|_| ProtocolError::NotJson)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_round_trips() {
        let done = ChildResult::Done(Counts {
            outputs: vec![OutputCounts { codec: Some("avc1.64001f".into()), ..Default::default() }],
            ..Default::default()
        });
        let failed = ChildResult::Failed { code: FailureCode::Corrupt, text: "no moov".into() };
        for result in [done, failed] {
            assert_eq!(ChildResult::decode(&result.encode().unwrap()), Ok(result));
        }
        assert_eq!(ChildResult::decode(b"{}"), Err(ProtocolError::NotJson));
    }
}
