//! Runs two sides by turns and holds their medians against each other.

use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use super::Failure;

/// What a run took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Seconds of all threads and processes.
    pub cpu: f64,
    /// Seconds by the clock.
    pub wall: f64,
}

/// Ours divided by theirs.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    pub cpu: f64,
    pub wall: f64,
}

/// Says what machine this is and which versions are compared.
pub fn introduce(versions: &[String]) -> Result<(), Failure> {
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    println!("machine   {}, {} processors", processor()?, std::thread::available_parallelism()?);
    println!("versions  media-transcoder {} ({build} build), {}", env!("CARGO_PKG_VERSION"), versions.join(", "));
    Ok(())
}

/// Each round ours, then theirs.
pub fn alternate(
    rounds: usize,
    mut ours: impl FnMut() -> Result<(), Failure>,
    mut theirs: impl FnMut() -> Result<(), Failure>,
) -> Result<Ratio, Failure> {
    let (mut our, mut their) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let (a, b) = (measured(&mut ours)?, measured(&mut theirs)?);
        println!("round {round}   ours {:.3} s CPU, {:.3} s;   theirs {:.3} s CPU, {:.3} s", a.cpu, a.wall, b.cpu, b.wall);
        our.push(a);
        their.push(b);
    }
    let (a, b) = (median(&our), median(&their));
    let ratio = Ratio { cpu: a.cpu / b.cpu, wall: a.wall / b.wall };
    println!(
        "median    ours {:.3} s CPU, {:.3} s;   theirs {:.3} s CPU, {:.3} s:   {:.3} of their CPU, {:.3} of their time",
        a.cpu, a.wall, b.cpu, b.wall, ratio.cpu, ratio.wall
    );
    Ok(ratio)
}

/// The program that is built beside this example.
pub fn program() -> Result<PathBuf, Failure> {
    Ok(std::env::current_exe()?.ancestors().nth(2).ok_or("no folder of programs")?.join("media-transcoder"))
}

/// Runs a program; answers what it said.
pub fn said(command: &mut Command) -> Result<String, Failure> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

pub fn first_line(command: &mut Command) -> Result<String, Failure> {
    Ok(said(command)?.lines().next().unwrap_or_default().to_owned())
}

fn measured(work: &mut impl FnMut() -> Result<(), Failure>) -> Result<Cost, Failure> {
    let (before, started) = (cpu(), Instant::now());
    work()?;
    Ok(Cost { cpu: (cpu() - before).as_secs_f64(), wall: started.elapsed().as_secs_f64() })
}

/// Of this process and of all that it has waited for.
fn cpu() -> Duration {
    [libc::RUSAGE_SELF, libc::RUSAGE_CHILDREN].into_iter().map(used).sum()
}

fn used(whose: libc::c_int) -> Duration {
    // SAFETY: all bytes zero are a value of this type, and the call fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(whose, &mut usage);
        usage
    };
    let time = |time: libc::timeval| Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_usec).unwrap_or(0) * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

fn median(runs: &[Cost]) -> Cost {
    let middle = |of: fn(&Cost) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    Cost { cpu: middle(|run| run.cpu), wall: middle(|run| run.wall) }
}

fn processor() -> Result<String, Failure> {
    let text = std::fs::read_to_string("/proc/cpuinfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    Ok(line.trim_start_matches([':', ' ', '\t']).to_owned())
}
