//! The stack for a person who develops against it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use media_devstack::{DatabaseRole, Isolated, S3Identity, Stack, StackOptions};
use tokio::signal::unix::{SignalKind, signal};

pub async fn up(options: StackOptions, env_file: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let stack = tokio::select! {
        stack = Stack::start(options) => stack?,
        _ = interrupted.recv() => return Ok(ExitCode::from(130)),
        _ = terminated.recv() => return Ok(ExitCode::from(143)),
    };
    let place = stack.describe().isolated("up").await?;
    println!("{}", table(&place));
    let exports = exports(&place)?;
    println!("{exports}");
    if let Some(file) = env_file {
        tokio::fs::write(&file, &exports).await.with_context(|| format!("cannot write {}", file.display()))?;
    }
    eprintln!("Ctrl-C ends it.");
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    stack.stop().await?;
    Ok(ExitCode::SUCCESS)
}

fn table(place: &Isolated) -> String {
    let rows = [
        ("Postgres", place.database_url(DatabaseRole::Superuser).to_string()),
        ("RabbitMQ", place.amqp_url().to_string()),
        ("RabbitMQ in a browser", place.stack().rabbitmq.management_url.to_string()),
        ("clamd", place.clamd_address().to_owned()),
        ("S3", place.s3_endpoint().to_string()),
        ("bucket", place.bucket().to_owned()),
        ("quarantine bucket", place.quarantine_bucket().to_owned()),
    ];
    rows.map(|(what, where_)| format!("{what:<22} {where_}")).join("\n")
}

/// Lines for a shell to read; nothing in them holds a quote.
fn exports(place: &Isolated) -> anyhow::Result<String> {
    let mut lines: Vec<(String, String)> = place.stack().as_env()?.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    for role in DatabaseRole::MADE.into_iter().chain([DatabaseRole::Owner]) {
        let name = role.name().unwrap_or_default().to_uppercase();
        lines.push((format!("{name}_DATABASE_URL"), place.database_url(role).to_string()));
    }
    for identity in S3Identity::ALL {
        let name = identity.name().to_uppercase().replace('-', "_");
        let keys = place.s3_credentials(identity);
        lines.push((format!("{name}_S3_ACCESS_KEY"), keys.access_key.clone()));
        lines.push((format!("{name}_S3_SECRET_KEY"), keys.secret_key.clone()));
    }
    lines.extend(
        [
            ("AMQP_URL", place.amqp_url().to_string()),
            ("CLAMD_ADDRESS", place.clamd_address().to_owned()),
            ("S3_ENDPOINT", place.s3_endpoint().to_string()),
            ("S3_REGION", place.s3_region().to_owned()),
            ("S3_BUCKET", place.bucket().to_owned()),
            ("S3_QUARANTINE_BUCKET", place.quarantine_bucket().to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    Ok(lines.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect())
}
