use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use sqlx::postgres::PgQueryResult;
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

const GONE_LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn nothing_outlives_a_stack_that_was_killed() {
    let migrations = tempfile::tempdir().unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_media-devstack"))
        .arg("--migrations")
        .arg(migrations.path())
        .arg("up")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut progress = BufReader::new(program.stderr.take().unwrap()).lines();
    let first = progress.next_line().await.unwrap().unwrap();
    let folder = PathBuf::from(first.split_once("folder=").expect("the first line names the folder").1);
    let mut table = BufReader::new(program.stdout.take().unwrap()).lines();
    let row = table.next_line().await.unwrap().expect("it came up");
    let postgres = row.strip_prefix("Postgres").expect("the first row of the table").trim().to_owned();
    let busy = tokio::spawn(busy_without_end(postgres.clone()));
    until_busy(&postgres).await;
    let names: Vec<String> = processes_of(&folder).into_iter().map(|(_, name)| name).collect();
    for name in ["postgres", "beam.smp", "epmd", "erl_child_setup", "clamd", "weed"] {
        assert!(names.iter().any(|found| found == name), "{name} is not among {names:?}");
    }

    program.kill().await.unwrap();
    until_nothing_is_left(&folder).await;
    busy.await.unwrap().expect_err("its server process was ended");
}

/// A query that looks neither at its client nor at its parent while it computes.
async fn busy_without_end(url: String) -> Result<PgQueryResult, sqlx::Error> {
    let mut connection = PgConnection::connect(&url).await?;
    sqlx::query("/* busy */ SELECT count(*) FROM (SELECT generate_series(1::bigint, 1e12::bigint)) AS numbers")
        .execute(&mut connection)
        .await
}

async fn until_busy(url: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '/* busy%'";
    let deadline = Instant::now() + GONE_LIMIT;
    while sqlx::query_scalar::<_, i64>(running).fetch_one(&mut connection).await.unwrap() == 0 {
        assert!(Instant::now() < deadline, "the query never ran");
    }
}

/// No process, and not the folder.
pub async fn until_nothing_is_left(folder: &Path) {
    let deadline = Instant::now() + GONE_LIMIT;
    loop {
        let left = processes_of(folder);
        if left.is_empty() && !folder.exists() {
            return;
        }
        assert!(Instant::now() < deadline, "left after {GONE_LIMIT:?}: {left:?}, {folder:?}: {}", folder.exists());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Number and name of those that work in the folder, or were told of it, and are no zombies.
fn processes_of(folder: &Path) -> Vec<(u32, String)> {
    let mention = folder.as_os_str().as_bytes();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != std::process::id())
        .filter(|pid| {
            let proc = PathBuf::from(format!("/proc/{pid}"));
            let works_there = fs::read_link(proc.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
            works_there || ["cmdline", "environ"].iter().any(|file| contains(&fs::read(proc.join(file)).unwrap_or_default(), mention))
        })
        .filter_map(|pid| Some((pid, fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim().to_owned())))
        .collect()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
