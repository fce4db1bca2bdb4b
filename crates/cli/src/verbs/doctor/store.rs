//! The store: both buckets, by the way that files go; that strangers do not get in; and that nothing vanishes by a bucket's own rule.

use std::time::{Duration, Instant};

use media_blobs::{BlobError, Blobs, Probe, S3Config};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use super::finding::Finding;
use crate::failure::chain;

/// Past 15 minutes the store refuses our signatures, which live for ten.
const CLOCK_SECONDS: [f64; 2] = [5.0, 60.0];
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

pub async fn look(config: &S3Config) -> Vec<Finding> {
    let blobs = match Blobs::connect(config) {
        Ok(blobs) => blobs,
        Err(error) => return vec![Finding::broken("store", chain(&error), "correct the setting")],
    };
    let mut findings = Vec::new();
    for (of, bucket) in [("bucket", &config.bucket), ("quarantine bucket", &config.quarantine_bucket)] {
        match blobs.put_probe(bucket).await {
            Ok(probe) => {
                findings.push(Finding::good(of, format!("{bucket}: an upload went in and came back whole")));
                findings.extend(from_outside(of, &probe).await);
                if let Err(error) = blobs.remove_probe(&probe).await {
                    let remedy = "the janitor needs the rights to delete objects, and to list and delete their versions";
                    findings.push(Finding::broken(of, format!("an object cannot be removed: {}", chain(&error)), remedy));
                }
                findings.push(rules(&blobs, of, bucket).await);
            }
            Err(error) => findings.push(Finding::broken(of, format!("{bucket}: {}", chain(&error)), remedy(&error))),
        }
    }
    if let Some(class) = config.archive_class {
        findings.push(match blobs.try_class(class).await {
            Ok(()) => Finding::good("cold tier", format!("{class}: taken, and brought back where that is needed")),
            Err(error) => Finding::broken("cold tier", format!("{class}: {}", chain(&error)), "choose another s3.archive_class, or none"),
        });
    }
    findings
}

fn remedy(error: &BlobError) -> &'static str {
    match error {
        BlobError::Denied(_) => "does the bucket exist, and may these keys read, write and delete in it?",
        BlobError::Transient(_) => "is the store up, and can it be reached from here? Check endpoint and path style",
        _ => "the store does not do what S3 promises: choose another",
    }
}

/// As a client with a signature, and as one without.
async fn from_outside(of: &str, probe: &Probe) -> Vec<Finding> {
    let client = match reqwest::Client::builder().timeout(ANSWER_TIMEOUT).build() {
        Ok(client) => client,
        Err(error) => return vec![Finding::broken(of, chain(&error), "no HTTPS is to be had from here")],
    };
    let asked = Instant::now();
    let answer = match client.get(&probe.signed.url).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let remedy = "clients read by s3.public_endpoint: can it be reached from where they are?";
            return vec![Finding::broken(of, format!("a signed URL: {}", chain(&error.without_url())), remedy)];
        }
    };
    let mut findings = Vec::new();
    findings.extend(clock(of, &answer, asked));
    if !answer.status().is_success() {
        let remedy = "is s3.public_endpoint the host that the store checks the signature for?";
        findings.push(Finding::broken(of, format!("a signed URL is answered by {}", answer.status()), remedy));
    }
    let unsigned = probe.signed.url.split('?').next().unwrap_or_default();
    findings.push(match client.get(unsigned).send().await {
        Ok(answer) if answer.status().is_success() => {
            Finding::broken(of, "it can be read without a signature", "take its public access away: everybody reads every tenant's files")
        }
        Ok(answer) => Finding::good(of, format!("closed to strangers ({})", answer.status().as_u16())),
        Err(error) => {
            Finding::broken(of, format!("without a signature: {}", chain(&error.without_url())), "can the store be reached from here?")
        }
    });
    findings
}

fn clock(of: &str, answer: &reqwest::Response, asked: Instant) -> Option<Finding> {
    let date = answer.headers().get(reqwest::header::DATE)?.to_str().ok()?;
    let theirs = OffsetDateTime::parse(date, &Rfc2822).ok()?;
    // The header has whole seconds.
    let beyond = (OffsetDateTime::now_utc() - theirs).unsigned_abs().saturating_sub(asked.elapsed() + Duration::from_secs(1));
    let seconds = beyond.as_secs_f64();
    Some(Finding::measured(&format!("{of}'s clock"), format!("{seconds:.0} s from ours"), seconds, CLOCK_SECONDS, "set both by NTP"))
}

async fn rules(blobs: &Blobs, of: &str, bucket: &str) -> Finding {
    let of = format!("{of}'s rules");
    match blobs.bucket_rules(bucket).await {
        Ok(rules) if !rules.expiring.is_empty() => {
            let seen = format!("objects vanish by {}", rules.expiring.join(", "));
            Finding::broken(&of, seen, "take the rule away: retention is the janitor's, and rows would name what is gone")
        }
        Ok(rules) => {
            let versions = if rules.keeps_versions { "versions are kept, which erasure removes too" } else { "no versions" };
            let parts = if rules.aborts_uploads { "parts of lost uploads go" } else { "parts of lost uploads stay" };
            if rules.aborts_uploads {
                Finding::good(&of, format!("{versions}; {parts}"))
            } else {
                let remedy = "let the bucket abort multipart uploads after 7 days: of one whose begin was lost, nobody else knows";
                Finding::odd(&of, format!("{versions}; {parts}"), remedy)
            }
        }
        Err(error) => {
            Finding::odd(&of, chain(&error), "these keys may not read the bucket's rules: look at them by hand (docs/operations.md)")
        }
    }
}
