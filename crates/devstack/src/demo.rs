//! A file goes all the way, before the eyes of whoever typed `make demo`: from upload to playable, through every binary, on real
//! servers. What is claimed is also checked; a claim that does not hold makes the exit code 1.

mod answer;
mod captions;
mod consumer;
mod events;
mod footage;
mod judge;
mod keeping_out;
mod page;
mod person;
mod playback;
mod stage;
mod upload;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use media_devstack::StackOptions;
use tokio::signal::unix::{SignalKind, signal};

use answer::{Playable, Playback, Shown};
use consumer::Consumer;
use footage::Footage;
use page::{Checks, heading, seconds};
use person::Person;
use stage::Stage;

/// The profiles that are made of the demo's own film.
const OF_THE_FILM: [&str; 9] = ["speech", "poster", "storyboard", "h264-720p", "h264-480p", "h264-360p", "mp4-720p", "aac-128k", "preview"];

/// Shows everything with `file`, or with a film that is made for it; then stays until Ctrl-C, or ends if it is to be shown `once`.
pub async fn demo(options: StackOptions, file: Option<PathBuf>, once: bool) -> anyhow::Result<ExitCode> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut checks = Checks::default();
    let (stage, playback) = tokio::select! {
        shown = Box::pin(perform(options, file, &mut checks)) => shown?,
        _ = interrupted.recv() => return Ok(ExitCode::from(130)),
        _ = terminated.recv() => return Ok(ExitCode::from(143)),
    };
    if !once {
        farewell(&stage, playback).await?;
        println!("\n  All of it stays up. Ctrl-C ends it.");
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    }
    println!("\n  Ending the services and the servers …");
    stage.end().await?;
    Ok(if checks.all_hold() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn perform(options: StackOptions, file: Option<PathBuf>, checks: &mut Checks) -> anyhow::Result<(Stage, Playback)> {
    let began = Instant::now();
    heading("Servers and services");
    let (footage, stage) = tokio::try_join!(footage::get(file), Stage::set(options))?;
    match Box::pin(acts(&footage, &stage, checks)).await {
        Ok(playback) => {
            checks.sum_up();
            if !checks.all_hold() {
                stage.tell_logs();
            }
            println!("  It took {}.", seconds(began.elapsed()));
            Ok((stage, playback))
        }
        Err(error) => {
            stage.tell_logs();
            Err(error)
        }
    }
}

/// What is shown, in its order. Gives the way to play the file.
async fn acts(footage: &Footage, stage: &Stage, checks: &mut Checks) -> anyhow::Result<Playback> {
    let person = Person::of_the_tenant(stage.grpc_url()).await?;
    let consumer = Consumer::bind(&stage.isolated().amqp_url()).await?;

    let (shown, seen) = upload::all_the_way(&person, &consumer, &footage.path, checks).await?;
    let asset = shown.asset.id.as_str();
    events::states(&seen, asset, checks);
    upload::variants(&shown, checks);
    if footage.spoken.is_some() {
        let missing: Vec<&str> = OF_THE_FILM.into_iter().filter(|profile| !shown.made(profile)).collect();
        checks.claim("the film has each of its nine variants", missing.is_empty(), missing.join(", "));
    }
    written_down(footage, &shown, stage, checks).await?;
    let playback = if shown.is_ready() { play(&person, footage, &shown, stage, checks).await? } else { Playback::default() };
    keeping_out::another_tenant(stage.grpc_url(), asset, checks).await?;
    let malware = keeping_out::malware(&person, &consumer, checks).await?;
    events::table(&consumer.seen(), &[(asset, &shown.asset.filename), (&malware, "eicar.txt")], checks);
    Ok(playback)
}

async fn written_down(footage: &Footage, shown: &Shown, stage: &Stage, checks: &mut Checks) -> anyhow::Result<()> {
    let track = shown.caption_tracks.first();
    if track.is_none() && footage.spoken.is_none() {
        return Ok(());
    }
    captions::title(track);
    let Some(track) = track else {
        checks.claim("there are captions", false, "none");
        return Ok(());
    };
    let Some(vtt) = checks.done("the captions lie in the bucket, as their row says", captions::text(stage.isolated(), track).await) else {
        return Ok(());
    };
    let kept = stage.keepsake("captions.vtt");
    tokio::fs::write(&kept, &vtt).await?;
    captions::show(&vtt, footage.spoken, checks)?;
    println!("  the file: {}", kept.display());
    Ok(())
}

async fn play(person: &Person, footage: &Footage, shown: &Shown, stage: &Stage, checks: &mut Checks) -> anyhow::Result<Playback> {
    let Playable { playback } = serde_json::from_value(person.json(&["play", &shown.asset.id]).await?)?;
    if playback.hls_url.is_empty() && playback.images.is_empty() {
        heading("Download");
        checks.done("the original comes back byte for byte", playback::same_bytes(person, &shown.asset.id, &footage.path).await);
        return Ok(playback);
    }
    heading("Playback, through the door");
    if !playback.hls_url.is_empty() {
        println!("  {}", playback.hls_url);
        let read = playback::hls(&playback.hls_url, &footage.path, shown, checks).await;
        if let Err(error) = read {
            checks.claim("the HLS can be read", false, format!("{error:#}"));
        }
    }
    playback::pictures(&playback, shown, stage, checks).await;
    Ok(playback)
}

/// How the reader goes on.
async fn farewell(stage: &Stage, playback: Playback) -> anyhow::Result<()> {
    let person = Person::of_the_tenant(stage.grpc_url()).await?;
    heading("Go on yourself");
    if !playback.hls_url.is_empty() {
        println!("  Open this in Safari, in hls.js, or with ffplay; it is valid until {}\n", playback.expire_time);
        println!("  ffplay '{}'\n", playback.hls_url);
    }
    person.exports().iter().for_each(|line| println!("  {line}"));
    println!("  media ls; media show ASSET; media play ASSET; media upload --watch FILE");
    Ok(())
}
