//! The captions beside what was spoken.
//!
//! Nobody has approved them yet, so no player is shown them: the demo reads the object that the row names, from the bucket.

use std::time::Duration;

use anyhow::{Context, bail};
use media_captions::{Cue, parse_vtt};
use media_devstack::{DatabaseRole, Isolated, S3Identity};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use sqlx::types::Uuid;
use sqlx::{Connection, PgConnection};
use ulid::Ulid;

use super::answer::CaptionTrack;
use super::page::{Checks, columns, heading};
use super::words::{beside, found};

const SIGNATURE_LIFE: Duration = Duration::from_secs(60);
const TEXT_WIDTH: usize = 40;
/// Of a hundred spoken words, how many must have been written down.
const PERCENT_MIN: usize = 80;

/// The text of a track, from the bucket.
pub async fn text(place: &Isolated, track: &CaptionTrack) -> anyhow::Result<String> {
    let id: Ulid = track.id.parse().context("the track's id is no ULID")?;
    let mut database = PgConnection::connect(place.database_url(DatabaseRole::Superuser).as_str()).await?;
    let (bucket, key): (String, String) =
        sqlx::query_as("/* demo.captions */ SELECT bucket, version_key FROM media.caption_tracks WHERE id = $1")
            .bind(Uuid::from(id))
            .fetch_one(&mut database)
            .await
            .context("the track has no row")?;
    let bucket = Bucket::new(place.s3_endpoint().clone(), UrlStyle::Path, bucket, place.s3_region().to_owned())?;
    let keys = place.s3_credentials(S3Identity::Admin);
    let url = bucket.get_object(Some(&Credentials::new(&keys.access_key, &keys.secret_key)), &key).sign(SIGNATURE_LIFE);
    let answer = reqwest::get(url).await?;
    if !answer.status().is_success() {
        bail!("the bucket answered {} for {key}", answer.status());
    }
    Ok(answer.text().await?)
}

/// Shows a track, and judges it where it is known what was spoken.
pub fn show(vtt: &str, spoken: Option<&str>, checks: &mut Checks) -> anyhow::Result<()> {
    let cues = parse_vtt(vtt.as_bytes())?.strictly()?;
    let Some(spoken) = spoken else {
        cues.iter().for_each(|cue| println!("  {}  {}", times(cue), one_line(cue)));
        return Ok(());
    };
    let rows = beside(spoken, &cues.iter().map(one_line).collect::<Vec<_>>());
    columns("spoken (what was not heard: in brackets)", "written down", TEXT_WIDTH, TEXT_WIDTH);
    for (cue, row) in cues.iter().zip(&rows) {
        let said: Vec<String> = row.spoken.iter().map(|(word, found)| if *found { word.clone() } else { format!("[{word}]") }).collect();
        columns(&said.join(" "), &format!("{} {}", times(cue), row.written), TEXT_WIDTH, TEXT_WIDTH + 16);
    }
    let (found, all) = found(&rows);
    let percent = found * 100 / all.max(1);
    checks.claim(
        &format!("at least {PERCENT_MIN} % of the spoken words are in the captions"),
        percent >= PERCENT_MIN,
        format!("{found} of {all}, {percent} %"),
    );
    Ok(())
}

pub fn title(track: Option<&CaptionTrack>) {
    match track {
        None => heading("Captions"),
        Some(track) => {
            let approved = if track.approved { "approved" } else { "not approved yet, so no player shows them" };
            heading(&format!("Captions ({}, {approved})", track.language));
        }
    }
}

fn times(cue: &Cue) -> String {
    let clock = |ms: u64| format!("{}:{:02}.{}", ms / 60_000, ms / 1000 % 60, ms / 100 % 10);
    format!("{}–{}", clock(cue.start_ms()), clock(cue.end_ms()))
}

fn one_line(cue: &Cue) -> String {
    cue.text().split_whitespace().collect::<Vec<_>>().join(" ")
}
