//! Postgres: schema, role, clock, and how far behind the service is by its rows.

use media_domain::Reason;
use media_storage::{Database, DatabaseConfig, StorageError};

use super::finding::Finding;
use crate::failure::chain;

/// Leases and signatures compare the clocks of two machines.
const CLOCK_SECONDS: [f64; 2] = [1.0, 5.0];
/// The relay publishes within a second.
const OUTBOX_SECONDS: [f64; 2] = [30.0, 300.0];
/// Work waits while workers start.
const QUEUE_SECONDS: [f64; 2] = [600.0, f64::INFINITY];
/// The oldest version with which this is tested.
const POSTGRES: &str = "15";

pub async fn look(url: String) -> Vec<Finding> {
    let config = DatabaseConfig { url: url.into(), max_connections: 2 };
    let database = match Database::connect(&config, "media doctor") {
        Ok(database) => database,
        Err(error) => return vec![Finding::broken("database", chain(&error), "correct the URL")],
    };
    let mut findings = Vec::new();
    if let Err(error) = examine(&database, &mut findings).await {
        let remedy = "is Postgres up, and does it let this role in from here? pg_isready, pg_hba.conf, the role's password";
        findings.push(Finding::broken("database", chain(&error), remedy));
    }
    database.close().await;
    findings
}

async fn examine(database: &Database, findings: &mut Vec<Finding>) -> Result<(), StorageError> {
    let seen = database.examine().await?;
    let version = seen.server_version.split(['.', ' ']).next().unwrap_or_default();
    findings.push(if version.parse::<u32>().ok() >= POSTGRES.parse().ok() {
        Finding::good("database", format!("Postgres {}, as {}", seen.server_version, seen.role))
    } else {
        Finding::odd("database", format!("Postgres {}", seen.server_version), format!("the service is tested with {POSTGRES} and newer"))
    });
    let schema = database.schema_version().await?;
    findings.push(if !schema.serves() {
        Finding::broken(
            "schema",
            format!("at {}, and {} is needed", schema.applied, schema.known),
            "run `media migrate` before the roll-out",
        )
    } else if schema.applied > schema.known {
        Finding::odd("schema", format!("at {}, newer than this program's {}", schema.applied, schema.known), "finish the roll-out")
    } else {
        Finding::good("schema", format!("at {}", schema.applied))
    });
    findings.push(if seen.role_bypasses {
        let remedy = "services log in as their own roles (media_api …), which bypass nothing";
        Finding::broken("row level security", format!("{} is not bound by it", seen.role), remedy)
    } else if seen.unguarded.is_empty() {
        Finding::good("row level security", "forced on every table with a tenant")
    } else {
        Finding::broken(
            "row level security",
            format!("not forced on {}", seen.unguarded.join(", ")),
            "run `media migrate`; who changed it by hand?",
        )
    });
    let seconds = seen.clock_difference.as_secs_f64();
    findings.push(Finding::measured("database clock", format!("{seconds:.1} s from ours"), seconds, CLOCK_SECONDS, "set both by NTP"));
    if schema.serves() {
        behind(database, findings).await?;
    }
    Ok(())
}

async fn behind(database: &Database, findings: &mut Vec<Finding>) -> Result<(), StorageError> {
    let across = database.across_tenants();
    let outbox = match across.outbox_depth().await {
        Ok(outbox) => outbox,
        Err(StorageError::Refused(_)) => {
            findings.push(Finding::odd("backlog", "this role may not see it", "log in as media_janitor"));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let seen = format!("{} waiting, the oldest for {:.0} s", outbox.waiting, outbox.oldest.as_secs_f64());
    let remedy = "is media-outbox-relay running, and connected to the broker? See its /readyz";
    findings.push(Finding::measured("outbox", seen, outbox.oldest.as_secs_f64(), OUTBOX_SECONDS, remedy));
    for depth in across.queue_depths().await? {
        let of = format!("work: {}", depth.queue.as_str());
        let seen = format!("{} waiting, the oldest for {:.0} s; {} running", depth.waiting, depth.oldest.as_secs_f64(), depth.running);
        let remedy = "more workers of this queue, or are there none, or do they give it back (see their logs)? `media ls --status scanning` and `media jobs` say what waits";
        findings.push(Finding::measured(&of, seen, depth.oldest.as_secs_f64(), QUEUE_SECONDS, remedy));
        if depth.lapsed > 0 {
            let seen = format!("{} run without a lease", depth.lapsed);
            findings.push(Finding::odd(&of, seen, "the janitor gives them back within seconds: is media-janitor running?"));
        }
    }
    let letters = across.open_dead_letters().await?;
    let seen = letters.iter().map(|(reason, count)| format!("{count} {reason}")).collect::<Vec<_>>().join(", ");
    // What a file is at fault for is its owner's matter.
    let is_ours = |reason: &str| reason.parse::<Reason>().map_or(true, Reason::is_ours);
    findings.push(if letters.iter().any(|(reason, _)| is_ours(reason)) {
        Finding::odd("dead letters", seen, "`media dead-letters list` of each tenant; mend the cause, then `redrive`")
    } else {
        Finding::good("dead letters", if seen.is_empty() { "none".to_owned() } else { seen })
    });
    Ok(())
}
