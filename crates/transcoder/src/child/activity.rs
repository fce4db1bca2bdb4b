//! Whether anything goes forward: what the watchdog looks at.
//!
//! Buffers that pass are no proof of it: a graph can pass the same second round and round for ever. What counts is a buffer later
//! than all before it at its place, and what was read or sent, of both of which there is an end: the parent counts them.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use gstreamer::{self as gst, prelude::*};

/// Counts what goes forward, and who is waiting for the parent.
#[derive(Debug, Default)]
pub struct Activity {
    moves: AtomicU64,
    waiting: AtomicUsize,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    /// Where a buffer passed last, and its time.
    last: Option<(gst::Pad, Option<gst::ClockTime>)>,
    /// The latest time that has passed each place.
    furthest: HashMap<gst::Pad, gst::ClockTime>,
}

impl Activity {
    /// A buffer went by here. Of reordered pictures their order of decoding counts, which rises with each.
    pub fn passed(&self, pad: &gst::Pad, buffer: &gst::BufferRef) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(time) = buffer.dts_or_pts()
            && places.furthest.get(pad).is_none_or(|furthest| time > *furthest)
        {
            places.furthest.insert(pad.clone(), time);
            self.moved();
        }
        places.last = Some((pad.clone(), buffer.pts()));
    }

    /// How far each place came, and which a buffer passed last: element and pad (of a demuxer: which track). For the log. The
    /// pipeline is not asked: an element that hangs may hold the lock that it takes to answer.
    fn standing(&self) -> String {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let name = |pad: &gst::Pad| format!("{}:{}", pad.parent().map(|element| element.name()).unwrap_or_default(), pad.name());
        let mut all: Vec<String> = places.furthest.iter().map(|(pad, time)| format!("{} {}", name(pad), time.display())).collect();
        all.sort_unstable();
        let last = places.last.as_ref().map_or_else(|| "nothing".to_owned(), |(pad, pts)| format!("{} at {}", name(pad), pts.display()));
        format!("it stands at [{}], and the last to pass was {last}", all.join(", "))
    }

    fn moved(&self) {
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
    /// How long nothing may go forward.
    limit: Duration,
    /// The same while somebody waits for the parent: a storage that is slow, or away for a while, is no pipeline that hangs.
    patience: Duration,
    moves: u64,
    since: Instant,
}

/// Nothing went forward for as long as it may.
#[derive(Debug)]
pub struct Standstill {
    lasted: Duration,
    is_waiting: bool,
    place: String,
}

impl fmt::Display for Standstill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_waiting { "the parent did not answer" } else { "nothing moved" };
        write!(f, "{what} for {} ms; {}", self.lasted.as_millis(), self.place)
    }
}

impl<'a> Watchdog<'a> {
    pub fn new(activity: &'a Activity, limit: Duration, patience: Duration, now: Instant) -> Self {
        Self { activity, limit, patience, moves: activity.moves.load(Ordering::Relaxed), since: now }
    }

    /// What stands still, where anything does.
    pub fn look(&mut self, now: Instant) -> Option<Standstill> {
        let moves = self.activity.moves.load(Ordering::Relaxed);
        if moves != self.moves {
            (self.moves, self.since) = (moves, now);
        }
        let is_waiting = self.activity.waiting.load(Ordering::Relaxed) > 0;
        let lasted = now.duration_since(self.since);
        let limit = if is_waiting { self.patience } else { self.limit };
        (lasted >= limit).then(|| Standstill { lasted, is_waiting, place: self.activity.standing() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);
    const PATIENCE: Duration = Duration::from_secs(600);

    #[test]
    fn standing_still_is_seen_after_the_limit_and_waiting_for_the_parent_much_later() {
        let (activity, start) = (Activity::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut watchdog = Watchdog::new(&activity, LIMIT, PATIENCE, start);
        assert!(watchdog.look(after(29)).is_none());
        activity.moved();
        assert!(watchdog.look(after(31)).is_none());
        activity.waiting(|| {
            assert!(watchdog.look(after(630)).is_none());
            let standstill = watchdog.look(after(631)).unwrap();
            assert_eq!(
                standstill.to_string(),
                "the parent did not answer for 600000 ms; it stands at [], and the last to pass was nothing"
            );
        });
        assert!(watchdog.look(after(632)).is_none(), "an answer is a move");
        assert!(watchdog.look(after(661)).is_none());
        assert_eq!(
            watchdog.look(after(662)).unwrap().to_string(),
            "nothing moved for 30000 ms; it stands at [], and the last to pass was nothing"
        );
    }

    #[test]
    fn buffers_that_pass_round_and_round_are_no_move() {
        gst::init().unwrap();
        let (activity, start) = (Activity::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let pads = ["demuxed", "decoded"].map(|name| gst::Pad::builder(gst::PadDirection::Src).name(name).build());
        let pass = |pad: &gst::Pad, dts: Option<u64>, pts: Option<u64>| {
            let mut buffer = gst::Buffer::new();
            buffer.make_mut().set_dts(dts.map(gst::ClockTime::from_seconds));
            buffer.make_mut().set_pts(pts.map(gst::ClockTime::from_seconds));
            activity.passed(pad, &buffer);
        };
        let mut watchdog = Watchdog::new(&activity, LIMIT, PATIENCE, start);
        // Reordered pictures go forward as they are decoded; each place has a time of its own.
        for (seconds, pad, dts, pts) in [
            (20, 0, Some(1), Some(3)),
            (40, 0, Some(2), Some(1)),
            (60, 0, Some(3), Some(2)),
            (80, 1, None, Some(0)),
            (100, 1, None, Some(1)),
        ] {
            pass(&pads[pad], dts, pts);
            assert!(watchdog.look(after(seconds)).is_none(), "{seconds}");
        }
        for seconds in 101..130 {
            pass(&pads[0], Some(seconds % 3), Some(seconds % 4));
            pass(&pads[1], None, Some(seconds % 2));
            pass(&pads[1], None, None);
            assert!(watchdog.look(after(seconds)).is_none(), "{seconds}");
        }
        let said = watchdog.look(after(130)).unwrap().to_string();
        assert!(said.contains("[:decoded 0:00:01.000000000, :demuxed 0:00:03.000000000]"), "{said}");
    }
}
