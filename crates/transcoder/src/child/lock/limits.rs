//! What this process may use up: resource limits, which none can raise again.

use std::io;

use rustix::process::{Resource, Rlimit};

use crate::protocol::Limits;

/// Enough for the largest graph: 20 are, 16 are not (measured with four rungs).
const DESCRIPTORS: u64 = 64;
/// Between the signal that says why, and the kernel's kill.
const CPU_GRACE_S: u64 = 5;

/// Sets the limits.
///
/// # Errors
/// Where the kernel refuses.
pub fn set(limits: &Limits) -> io::Result<()> {
    let cpu_s = limits.cpu_ms.div_ceil(1000);
    for (resource, soft, hard) in [
        (Resource::As, limits.address_space_bytes, limits.address_space_bytes),
        (Resource::Cpu, cpu_s, cpu_s + CPU_GRACE_S),
        (Resource::Nofile, DESCRIPTORS, DESCRIPTORS),
        (Resource::Fsize, 0, 0),
        (Resource::Core, 0, 0),
        (Resource::Memlock, 0, 0),
    ] {
        rustix::process::setrlimit(resource, Rlimit { current: Some(soft), maximum: Some(hard) })?;
    }
    Ok(())
}
