//! How late a sweep is: of what it swept in one turn, how long ago the longest due became so. 0 where nothing was due.

use std::time::Duration;

pub struct Lag {
    sweep: &'static str,
    longest: Duration,
}

impl Lag {
    pub fn of(sweep: &'static str) -> Self {
        Self { sweep, longest: Duration::ZERO }
    }

    /// Notes one row. Whether there was something to do for it.
    pub fn note(&mut self, late: Option<Duration>) -> bool {
        self.longest = self.longest.max(late.unwrap_or_default());
        late.is_some()
    }
}

/// Also of a turn that was cut short.
impl Drop for Lag {
    fn drop(&mut self) {
        metrics::gauge!("media_sweep_lag_seconds", "sweep" => self.sweep).set(self.longest.as_secs_f64());
    }
}
