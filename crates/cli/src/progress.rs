//! What is shown while one waits: bars on a terminal, plain lines elsewhere, nothing beside JSON. All of it on stderr.

use std::{collections::BTreeMap, io::IsTerminal as _};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use media_proto::v1::{Job, JobStatus, WatchAssetResponse};

use crate::{output::printable, words};

const BYTES_STYLE: &str = "{prefix} {bar:30} {binary_bytes:>11}/{binary_total_bytes} {binary_bytes_per_sec:>13} {eta:>4} {msg}";
const JOB_STYLE: &str = "  {prefix:<12} {bar:30} {pos:>3} % {msg}";
const ASSET_STYLE: &str = "{prefix} {msg}";
/// A line is worth it at each quarter of a job.
const PERCENT_BETWEEN_LINES: i32 = 25;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Bars,
    Lines,
    Silent,
}

impl Progress {
    pub fn of(json: bool) -> Self {
        match (json, std::io::stderr().is_terminal()) {
            (true, _) => Progress::Silent,
            (false, true) => Progress::Bars,
            (false, false) => Progress::Lines,
        }
    }

    /// Counts `total` bytes of an act such as "uploading clip.mp4".
    pub fn bytes(self, act: &str, total: u64) -> ByteBar {
        let act = printable(act);
        let bar = match self {
            Progress::Bars => ProgressBar::new(total).with_style(style(BYTES_STYLE)).with_prefix(act.clone()),
            Progress::Lines | Progress::Silent => ProgressBar::hidden(),
        };
        if self == Progress::Lines {
            eprintln!("{act}: {}", HumanBytes(total));
        }
        ByteBar { bar, act, progress: self }
    }

    pub fn jobs(self) -> JobBars {
        JobBars { progress: self, bars: MultiProgress::new(), by_name: BTreeMap::new(), said: Said::default() }
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

/// Clones count together.
#[derive(Clone, Debug)]
pub struct ByteBar {
    bar: ProgressBar,
    act: String,
    progress: Progress,
}

impl ByteBar {
    pub fn add(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// Bytes that were counted and have to be sent again.
    pub fn take_back(&self, bytes: u64) {
        self.bar.dec(bytes);
    }

    pub fn finish(&self) {
        self.bar.finish_with_message("done");
        if self.progress == Progress::Lines {
            eprintln!("{}: done", self.act);
        }
    }

    pub fn give_up(&self) {
        self.bar.abandon();
    }
}

/// The asset's status, and one bar per job.
pub struct JobBars {
    progress: Progress,
    bars: MultiProgress,
    by_name: BTreeMap<String, ProgressBar>,
    said: Said,
}

impl JobBars {
    pub fn show(&mut self, update: &WatchAssetResponse) {
        match self.progress {
            Progress::Bars => self.draw(update),
            Progress::Lines => self.said.news(update).iter().for_each(|line| eprintln!("{line}")),
            Progress::Silent => {}
        }
    }

    fn draw(&mut self, update: &WatchAssetResponse) {
        if let Some(asset) = &update.asset {
            let bars = &self.bars;
            let head = self.by_name.entry(String::new()).or_insert_with(|| bars.add(ProgressBar::new(1).with_style(style(ASSET_STYLE))));
            head.set_prefix(asset.id.clone());
            head.set_message(words::status(asset.status()));
        }
        for job in &update.jobs {
            let bars = &self.bars;
            let bar = self
                .by_name
                .entry(job.profile.clone())
                .or_insert_with(|| bars.add(ProgressBar::new(100).with_style(style(JOB_STYLE)).with_prefix(printable(&job.profile))));
            bar.set_position(u64::try_from(job.progress_percent).unwrap_or(0));
            bar.set_message(state(job));
            match job.status() {
                JobStatus::Succeeded if !bar.is_finished() => bar.finish(),
                JobStatus::Failed | JobStatus::Skipped | JobStatus::Cancelled if !bar.is_finished() => bar.abandon(),
                _ => {}
            }
        }
    }

    /// Leaves what is on the screen as it is.
    pub fn finish(&self) {
        self.by_name.values().filter(|bar| !bar.is_finished()).for_each(ProgressBar::abandon);
    }
}

fn state(job: &Job) -> String {
    let status = words::job(job.status());
    if job.reason.is_empty() { status } else { format!("{status}: {}", printable(&job.reason)) }
}

/// What was said last of the asset (under no name) and of each job.
#[derive(Debug, Default)]
struct Said(BTreeMap<String, String>);

impl Said {
    /// A line for all that is new since the last update.
    fn news(&mut self, update: &WatchAssetResponse) -> Vec<String> {
        let mut lines = Vec::new();
        let mut say = |name: &str, now: String| {
            if self.0.get(name) != Some(&now) {
                let gap = if name.is_empty() { "" } else { " " };
                lines.push(format!("{name}{gap}{now}"));
                self.0.insert(name.to_owned(), now);
            }
        };
        if let Some(asset) = &update.asset {
            say("", format!("{} {}", asset.id, words::status(asset.status())));
        }
        for job in &update.jobs {
            let quarter = job.progress_percent / PERCENT_BETWEEN_LINES * PERCENT_BETWEEN_LINES;
            let progress = if job.status() == JobStatus::Running && quarter > 0 { format!(" {quarter} %") } else { String::new() };
            say(&format!("  {}", printable(&job.profile)), format!("{}{progress}", state(job)));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use media_proto::v1::{Asset, AssetStatus};

    use super::*;

    fn update(status: AssetStatus, jobs: &[(&str, JobStatus, i32)]) -> WatchAssetResponse {
        WatchAssetResponse {
            asset: Some(Asset { id: "A".into(), status: status.into(), ..Asset::default() }),
            jobs: jobs
                .iter()
                .map(|&(profile, status, progress_percent)| Job {
                    profile: profile.into(),
                    status: status.into(),
                    progress_percent,
                    ..Job::default()
                })
                .collect(),
            variants: vec![],
        }
    }

    #[test]
    fn only_what_is_new_is_said_and_a_job_at_each_quarter() {
        let mut said = Said::default();
        assert_eq!(said.news(&update(AssetStatus::Scanning, &[])), ["A scanning"]);
        assert_eq!(
            said.news(&update(AssetStatus::Transcoding, &[("poster", JobStatus::Waiting, 0)])),
            ["A transcoding", "  poster waiting"]
        );
        assert_eq!(said.news(&update(AssetStatus::Transcoding, &[("poster", JobStatus::Running, 3)])), ["  poster running"]);
        assert!(said.news(&update(AssetStatus::Transcoding, &[("poster", JobStatus::Running, 24)])).is_empty());
        assert_eq!(said.news(&update(AssetStatus::Transcoding, &[("poster", JobStatus::Running, 60)])), ["  poster running 50 %"]);
        assert_eq!(said.news(&update(AssetStatus::Ready, &[("poster", JobStatus::Succeeded, 100)])), ["A ready", "  poster succeeded"]);
    }
}
