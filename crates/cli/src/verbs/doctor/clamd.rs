//! clamd: it answers, and its signatures are of these days.

use std::time::Duration;

use media_clamd::ClamdConfig;
use time::OffsetDateTime;

use super::finding::Finding;
use crate::failure::chain;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// They are made once a day.
const SIGNATURES_DAYS: [f64; 2] = [3.0, 14.0];
const SECONDS_OF_A_DAY: f64 = 24.0 * 3600.0;

pub async fn look(address: String) -> Vec<Finding> {
    let config = ClamdConfig { address, max_stream_bytes: 1, chunk_timeout: ANSWER_TIMEOUT, verdict_timeout: ANSWER_TIMEOUT };
    let version = match media_clamd::version(&config).await {
        Ok(version) => version,
        Err(error) => {
            return vec![Finding::broken("clamd", chain(&error), "is clamd up, and has it read its signatures? It needs a minute")];
        }
    };
    let Some(made_at) = version.signatures_made_at else {
        let remedy = "it has none but your own: run freshclam, or it knows no virus of the world";
        return vec![Finding::odd("clamd", format!("{}, without ClamAV's signatures", version.engine), remedy)];
    };
    let days = (OffsetDateTime::now_utc() - made_at).as_seconds_f64() / SECONDS_OF_A_DAY;
    let seen = format!("{}, signatures {days:.1} days old", version.engine);
    vec![Finding::measured("clamd", seen, days, SIGNATURES_DAYS, "does freshclam run, and reach its mirror?")]
}
