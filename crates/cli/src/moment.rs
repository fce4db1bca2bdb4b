//! A moment, as a person types it.

use std::time::Duration;

use media_proto::Timestamp;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A time, or how long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    At(OffsetDateTime),
    Ago(Duration),
}

impl std::str::FromStr for Moment {
    type Err = String;

    /// A date alone is its first moment, in UTC.
    fn from_str(text: &str) -> Result<Self, String> {
        OffsetDateTime::parse(text, &Rfc3339)
            .or_else(|_| OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339))
            .map(Moment::At)
            .or_else(|_| humantime_serde::re::humantime::parse_duration(text).map(Moment::Ago))
            .map_err(|_| "neither a time as in RFC 3339, such as 2026-11-24T12:00:00Z, nor a date, nor a duration, such as 2h".to_owned())
    }
}

impl Moment {
    pub fn timestamp(self, now: OffsetDateTime) -> Timestamp {
        let time = match self {
            Moment::At(time) => time,
            Moment::Ago(ago) => now.checked_sub(ago.try_into().unwrap_or(time::Duration::MAX)).unwrap_or(OffsetDateTime::UNIX_EPOCH),
        };
        Timestamp { seconds: time.unix_timestamp(), nanos: time.nanosecond().cast_signed() }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_moment_is_a_time_a_date_or_how_long_ago() {
        let now = datetime!(2026-11-24 12:00 UTC);
        let seconds = |text: &str| text.parse::<Moment>().unwrap().timestamp(now).seconds;
        assert_eq!(seconds("2026-11-24T11:00:00Z"), now.unix_timestamp() - 3600);
        assert_eq!(seconds("2026-11-24T11:00:00+02:00"), now.unix_timestamp() - 3 * 3600);
        assert_eq!(seconds("2026-11-24"), now.unix_timestamp() - 12 * 3600);
        assert_eq!(seconds("90m"), now.unix_timestamp() - 5400);
        assert_eq!(seconds("100000y"), 0, "since ever");
        for bad in ["yesterday", "2026-11-31", "2026-11"] {
            assert!(bad.parse::<Moment>().unwrap_err().contains("2h"), "{bad}");
        }
    }
}
