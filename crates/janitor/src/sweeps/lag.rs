//! How late a sweep is: of what it swept in its turn, how long ago the longest due became so. 0 after a turn that had nothing to do. Of those
//! that the rows themselves tell of (`vital_signs`) none does this.

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
        let Some(late) = late else { return false };
        if late > self.longest {
            self.longest = late;
            self.tell();
        }
        true
    }

    fn tell(&self) {
        metrics::gauge!("media_sweep_lag_seconds", "sweep" => self.sweep).set(self.longest.as_secs_f64());
    }
}

/// Also of a turn that was cut short.
impl Drop for Lag {
    fn drop(&mut self) {
        self.tell();
    }
}
