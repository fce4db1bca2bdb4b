//! What must not happen does not: another tenant sees nothing, and malware goes no further than the scan.

use std::time::Duration;

use anyhow::Context;

use super::answer::Shown;
use super::consumer::{Consumer, Seen};
use super::page::{Checks, heading};
use super::person::{NOT_FOUND, Person, REFUSED};
use super::upload;

/// The test file that every scanner knows (EICAR, 2003); in two pieces, so that no scanner finds this program.
const EICAR: [&str; 2] = [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-", r"ANTIVIRUS-TEST-FILE!$H+H*"];
const SCAN_LIMIT: Duration = Duration::from_secs(60);

/// Asks for an asset of ours with another tenant's token, by every verb that reads.
pub async fn another_tenant(api: String, asset: &str, checks: &mut Checks) -> anyhow::Result<()> {
    heading("Another tenant");
    let stranger = Person::of_another_tenant(api).await?;
    let never = nobodys_id(asset);
    for verb in ["show", "play", "download", "watch"] {
        let (refusal, of_nothing) = (stranger.try_to(&[verb, asset]).await?, stranger.try_to(&[verb, &never]).await?);
        let said = String::from_utf8_lossy(&refusal.stderr).trim().to_owned();
        let same = said.replace(asset, "") == String::from_utf8_lossy(&of_nothing.stderr).trim().replace(&never, "");
        let code = refusal.status.code();
        checks.claim(
            &format!("media {verb} finds nothing, as for an id that never was"),
            code == Some(NOT_FOUND) && of_nothing.status.code() == code && refusal.stdout.is_empty() && same,
            format!("exit code {}, \"{said}\"", code.unwrap_or(-1)),
        );
    }
    let list = stranger.answer(&["ls"]).await?;
    checks.claim("media ls is empty", list.trim().is_empty(), list.trim());
    Ok(())
}

/// An id that nobody has: the same time, another end.
fn nobodys_id(asset: &str) -> String {
    let last = if asset.ends_with('0') { '1' } else { '0' };
    asset.char_indices().map(|(index, letter)| if index + 1 == asset.len() { last } else { letter }).collect()
}

/// Uploads EICAR, and gives its asset's id.
pub async fn malware(person: &Person, consumer: &Consumer, checks: &mut Checks) -> anyhow::Result<String> {
    heading("Malware");
    let folder = tempfile::Builder::new().prefix("media-demo-").tempdir()?;
    let file = folder.path().join("eicar.txt");
    tokio::fs::write(&file, EICAR.concat()).await.context("cannot write the test file")?;
    let asset = upload::hand_over(person, &file, &["--kind", "document"]).await?;
    let quarantined = "media.asset.quarantined.v1";
    match consumer.until(quarantined, SCAN_LIMIT, |seen| seen.has(&asset, quarantined)).await {
        Ok(seen) => checks.claim("EICAR is quarantined", true, signature(&seen, &asset, quarantined)),
        Err(error) => checks.claim("EICAR is quarantined", false, format!("{error:#}")),
    }
    let shown: Shown = serde_json::from_value(person.json(&["show", &asset]).await?)?;
    checks.claim("its asset says so", shown.asset.status == "ASSET_STATUS_QUARANTINED", &shown.asset.status);
    let refusal = person.try_to(&["download", &asset]).await?;
    let said = String::from_utf8_lossy(&refusal.stderr).trim().to_owned();
    checks.claim(
        "nobody can download it",
        refusal.status.code() == Some(REFUSED),
        format!("exit code {}, \"{said}\"", refusal.status.code().unwrap_or(-1)),
    );
    Ok(asset)
}

/// What the scanner called it.
fn signature(seen: &Seen, asset: &str, quarantined: &str) -> String {
    let event = seen.of(asset).find(|event| event.kind == quarantined);
    event.and_then(|event| Some(event.data.get("signature")?.as_str()?.to_owned())).unwrap_or_default()
}
