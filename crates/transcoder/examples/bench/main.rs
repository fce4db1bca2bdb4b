//! What our work costs beside the tools that everybody knows, on one machine, in alternating runs.
//!
//! ```text
//! make bench
//! ```
//!
//! runs it twice, under a real S3 server:
//!
//! ```text
//! bench ladder [FILE.mp4] [ROUNDS]
//! bench stills [FILE.jpg] [ROUNDS]
//! ```
//!
//! Medians are compared. CPU is user and system time of all processes, ours with the parent's. Exit code 1 where ours costs more
//! than its goal.

mod comparison;
mod ladder;
mod stills;

use std::{error::Error, path::PathBuf, process::ExitCode};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the goals are met.
fn run() -> Result<bool, Failure> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let file = arguments.next().map(PathBuf::from);
    let rounds: usize = arguments.next().map_or(Ok(3), |rounds| rounds.parse())?;
    match what.as_str() {
        "ladder" => ladder::compare(file, rounds),
        "stills" => stills::compare(file, rounds),
        other => Err(format!("{other:?} is no comparison: ladder, stills").into()),
    }
}
