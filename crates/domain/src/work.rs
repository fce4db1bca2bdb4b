//! What workers claim: the queues and the groups of profiles that one graph makes.

use crate::asset::words;

/// The language of what is heard, where the model is to find it out (BCP 47: undetermined).
pub const UNDETERMINED: &str = "und";

words! {
    /// A queue of commands, and the worker behind it.
    Queue { Scan = "scan", Transcode = "transcode", Caption = "caption" }
}

words! {
    /// One piece of work on an asset: claimed, run and committed as a whole.
    Group {
        /// Hash, scan, sniff.
        Scan = "scan",
        /// The scan of what was scanned before, by newer signatures or after a release: nothing is made again.
        Rescan = "rescan",
        /// Fetch the original from elsewhere.
        Import = "import",
        /// Look into the file and plan what follows.
        Probe = "probe",
        /// 16 kHz mono PCM for the captioner.
        Speech = "speech",
        /// One picture that stands for a video.
        Poster = "poster",
        /// The sheet of frames that a player shows while one seeks.
        Storyboard = "storyboard",
        /// A few silent seconds of a video.
        Preview = "preview",
        /// The rungs and audio renditions of a video.
        Ladder = "ladder",
        /// The audio renditions of an audio file.
        Audio = "audio",
        /// The sizes of a picture.
        Stills = "stills",
        /// An animation as a video.
        Animation = "animation",
        /// The first page of a document.
        Pages = "pages",
        /// Text with times, out of a subtitle file or a container.
        Subtitles = "subtitles",
        /// The AV1 rungs of a video.
        Av1 = "av1",
        /// The VP9 rungs of a video.
        Vp9 = "vp9",
        /// Speech to text.
        Captions = "captions",
        /// The approved tracks to where readers of the bucket look for them.
        CaptionCopies = "caption_copies",
    }
}

words! {
    /// The state of a piece of work, and of a job.
    WorkState {
        Waiting = "waiting",
        Running = "running",
        Succeeded = "succeeded",
        Failed = "failed",
        /// Of a job only: its profile does not apply to this file.
        Skipped = "skipped",
        Cancelled = "cancelled",
    }
}

impl Queue {
    /// The RabbitMQ queue that wakes this worker.
    pub const fn name(self) -> &'static str {
        match self {
            Queue::Scan => "media.scan",
            Queue::Transcode => "media.transcode",
            Queue::Caption => "media.caption",
        }
    }
}

impl Group {
    pub const fn queue(self) -> Queue {
        match self {
            Group::Import | Group::Scan | Group::Rescan => Queue::Scan,
            Group::Captions | Group::CaptionCopies => Queue::Caption,
            _ => Queue::Transcode,
        }
    }

    /// Which group of one asset goes first: speech before the pictures, so that captions need not wait for the ladder;
    /// the poster before the rungs.
    pub const fn rank(self) -> i16 {
        match self {
            Group::Import | Group::Scan | Group::Rescan | Group::Probe | Group::Captions | Group::CaptionCopies => 0,
            Group::Speech => 1,
            Group::Poster | Group::Subtitles => 2,
            Group::Storyboard | Group::Audio | Group::Stills | Group::Pages => 3,
            Group::Ladder => 4,
            Group::Preview | Group::Animation => 5,
            Group::Vp9 | Group::Av1 => 6,
        }
    }
}
