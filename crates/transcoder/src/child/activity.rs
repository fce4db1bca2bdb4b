//! Whether anything moves: what the watchdog looks at.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use gstreamer::{self as gst, prelude::*};

/// Counts what moves, and who is waiting for the parent. A child that waits for a slow storage is not standing still; the
/// parent's deadline ends that.
#[derive(Debug, Default)]
pub struct Activity {
    moves: AtomicU64,
    waiting: AtomicUsize,
    /// Where a buffer passed last, and its time.
    place: Mutex<Option<(gst::Pad, Option<gst::ClockTime>)>>,
}

impl Activity {
    /// A buffer went by here.
    pub fn passed(&self, pad: &gst::Pad, buffer: &gst::BufferRef) {
        self.moved();
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some((pad.clone(), buffer.pts()));
    }

    /// Which element and pad (of a demuxer: which track) a buffer passed last, and its time. For the log.
    pub fn last_place(&self) -> String {
        match &*self.place.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((pad, pts)) => {
                let element = pad.parent().map(|element| element.name()).unwrap_or_default();
                format!("{element}:{} at {}", pad.name(), pts.display())
            }
            None => "nothing".to_owned(),
        }
    }

    /// Something went forward.
    pub fn moved(&self) {
        self.moves.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs `wait`, in which only the parent can make things move.
    pub fn waiting<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let result = wait();
        self.moved();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        result
    }
}

/// Looks again and again at an [`Activity`].
#[derive(Debug)]
pub struct Watchdog<'a> {
    activity: &'a Activity,
    limit: Duration,
    moves: u64,
    since: Instant,
}

impl<'a> Watchdog<'a> {
    pub fn new(activity: &'a Activity, limit: Duration, now: Instant) -> Self {
        Self { activity, limit, moves: activity.moves.load(Ordering::Relaxed), since: now }
    }

    /// Whether nothing has moved for the limit.
    pub fn stands_still(&mut self, now: Instant) -> bool {
        let moves = self.activity.moves.load(Ordering::Relaxed);
        if moves != self.moves || self.activity.waiting.load(Ordering::Relaxed) > 0 {
            (self.moves, self.since) = (moves, now);
        }
        now.duration_since(self.since) >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standing_still_is_seen_after_the_limit_and_waiting_for_the_parent_is_not_it() {
        let (activity, start) = (Activity::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut watchdog = Watchdog::new(&activity, Duration::from_secs(30), start);
        assert!(!watchdog.stands_still(after(29)));
        activity.moved();
        assert!(!watchdog.stands_still(after(31)));
        activity.waiting(|| assert!(!watchdog.stands_still(after(200))));
        assert!(!watchdog.stands_still(after(201)), "the wait itself counts as a move");
        assert!(watchdog.stands_still(after(231)));
    }
}
