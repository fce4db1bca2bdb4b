//! Caption tracks: what they are for, where they come from, and what a review makes of them.
//!
//! A track is a chain of versions, each a row that is never changed. An edit makes a new one; a review says which is shown.

use crate::asset::words;

words! {
    /// What a caption track is for.
    CaptionKind {
        /// Speech and the sounds that matter, for those who do not hear.
        Captions = "captions",
        /// Speech, for those who do not know the language.
        Subtitles = "subtitles",
        /// What is seen, for those who do not see.
        Descriptions = "descriptions",
    }
}

words! {
    /// Where a track's text comes from: a machine heard it, a person wrote or changed it, or it was made elsewhere.
    CaptionSource { Ai = "ai", Human = "human", Imported = "imported" }
}

words! {
    /// Where a version is on its way.
    TrackState {
        /// Nobody has looked at it yet.
        Waiting = "waiting",
        /// Players are shown it.
        Approved = "approved",
        Rejected = "rejected",
        /// Another version has taken its place.
        Superseded = "superseded",
    }
}

words! {
    /// What a reviewer says.
    Decision { Approve = "approve", Reject = "reject" }
}

/// Why a review is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReviewable {
    /// Review the newer version.
    #[error("another version has taken its place")]
    Superseded,
    /// Reject or delete the person's track first: that is a person's decision, and no machine's.
    #[error("a person's track is approved, which a machine's never replaces")]
    HumanIsShown,
}

impl TrackState {
    /// Where a version is by the columns of its row. One that is approved is shown until the edit that follows it is approved.
    pub const fn of(approved: bool, rejected: bool, has_successor: bool) -> Self {
        match (approved, has_successor, rejected) {
            (true, ..) => TrackState::Approved,
            (false, true, _) => TrackState::Superseded,
            (false, false, true) => TrackState::Rejected,
            (false, false, false) => TrackState::Waiting,
        }
    }

    /// Whether a review changes anything. `shown` is the source of the other version of this language and kind that is approved now.
    ///
    /// # Errors
    /// [`NotReviewable`] if the review cannot be taken.
    pub fn review(self, source: CaptionSource, decision: Decision, shown: Option<CaptionSource>) -> Result<bool, NotReviewable> {
        match (self, decision) {
            (TrackState::Superseded, _) => Err(NotReviewable::Superseded),
            (TrackState::Approved, Decision::Approve) | (TrackState::Rejected, Decision::Reject) => Ok(false),
            (_, Decision::Reject) => Ok(true),
            (_, Decision::Approve) if source == CaptionSource::Ai && shown == Some(CaptionSource::Human) => {
                Err(NotReviewable::HumanIsShown)
            }
            (_, Decision::Approve) => Ok(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_approved_is_shown_until_its_edit_is_approved_and_all_else_gives_way_to_its_edit_at_once() {
        assert_eq!(TrackState::of(true, false, true), TrackState::Approved);
        assert_eq!(TrackState::of(false, false, true), TrackState::Superseded);
        assert_eq!(TrackState::of(false, true, true), TrackState::Superseded);
        assert_eq!(TrackState::of(false, true, false), TrackState::Rejected);
        assert_eq!(TrackState::of(false, false, false), TrackState::Waiting);
    }

    #[test]
    fn a_machines_track_never_replaces_a_persons() {
        for (source, shown) in CaptionSource::ALL.iter().flat_map(|source| CaptionSource::ALL.iter().map(move |shown| (*source, *shown))) {
            let replaced = TrackState::Waiting.review(source, Decision::Approve, Some(shown));
            let is_machine_over_person = source == CaptionSource::Ai && shown == CaptionSource::Human;
            assert_eq!(replaced.is_err(), is_machine_over_person, "{source} over {shown}");
        }
    }

    #[test]
    fn a_review_that_is_sent_again_changes_nothing_and_a_superseded_version_takes_none() {
        for state in TrackState::ALL {
            for decision in Decision::ALL {
                let changes = state.review(CaptionSource::Imported, *decision, None);
                let expected = match (state, decision) {
                    (TrackState::Superseded, _) => Err(NotReviewable::Superseded),
                    (TrackState::Approved, Decision::Approve) | (TrackState::Rejected, Decision::Reject) => Ok(false),
                    _ => Ok(true),
                };
                assert_eq!(changes, expected, "{state} {decision}");
            }
        }
    }
}
