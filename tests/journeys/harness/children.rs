//! The transcoder's children, as the system sees them.

use std::{fs, path::Path, time::Duration};

use rustix::process::Pid;

use super::eventually;

/// The child that a transcoder has at this moment.
pub async fn child_of(parent: u32) -> Pid {
    eventually("the transcoder has a child", Duration::from_secs(60), async || {
        let children: Vec<i32> =
            fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok()).collect();
        let found = children.iter().find(|pid| parent_of(**pid) == Some(parent) && command_line(**pid).contains("transcoder-child"));
        found.and_then(|pid| Pid::from_raw(*pid)).ok_or(children.len())
    })
    .await
}

/// The fourth field of `/proc/PID/stat`; the second is in parentheses and may hold anything.
fn parent_of(pid: i32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

fn command_line(pid: i32) -> String {
    fs::read(format!("/proc/{pid}/cmdline")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// Whether a process still runs. One that has ended and was not waited for yet does not.
pub fn is_running(pid: Pid) -> bool {
    let status = Path::new("/proc").join(pid.as_raw_nonzero().to_string()).join("stat");
    let state = fs::read_to_string(status).ok().and_then(|stat| stat.rsplit_once(") ")?.1.chars().next());
    state.is_some_and(|state| state != 'Z')
}
