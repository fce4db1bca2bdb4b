//! Wishes to one worker. A command is a hint that work waits; the row in `work` owns it.

use serde::{Deserialize, Serialize};

use crate::{WorkId, work::Queue};

/// The body of a command message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    #[serde(skip)]
    pub queue: Option<Queue>,
    /// The row that was waiting when this was written. A worker may claim another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_id: Option<WorkId>,
}

/// The delay queues of each work queue: a release with a delay sends its command through the first that is long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Delay {
    TenSeconds,
    OneMinute,
    TenMinutes,
}

impl Delay {
    pub const ALL: [Delay; 3] = [Delay::TenSeconds, Delay::OneMinute, Delay::TenMinutes];

    pub const fn as_str(self) -> &'static str {
        match self {
            Delay::TenSeconds => "10s",
            Delay::OneMinute => "1m",
            Delay::TenMinutes => "10m",
        }
    }

    pub const fn millis(self) -> u32 {
        match self {
            Delay::TenSeconds => 10_000,
            Delay::OneMinute => 60_000,
            Delay::TenMinutes => 600_000,
        }
    }

    /// How long to wait before the try that follows `failures` errors.
    pub const fn after(failures: u32) -> Delay {
        match failures {
            0 | 1 => Delay::TenSeconds,
            2 => Delay::OneMinute,
            _ => Delay::TenMinutes,
        }
    }
}

impl Queue {
    /// The CloudEvents-style type of the command that wakes this queue.
    pub const fn command_type(self) -> &'static str {
        match self {
            Queue::Scan => "media.scan.requested",
            Queue::Transcode => "media.transcode.requested",
            Queue::Caption => "media.caption.requested",
        }
    }

    /// The routing key, which is also the queue's name, for a command that waits `delay` or not at all.
    pub fn routing_key(self, delay: Option<Delay>) -> String {
        match delay {
            None => self.name().to_owned(),
            Some(delay) => format!("{}.delay.{}", self.name(), delay.as_str()),
        }
    }
}
