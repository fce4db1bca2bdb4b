//! What this process may do to others and others to it: capabilities, new privileges, being looked into.

use std::io;

use rustix::{
    process::DumpableBehavior,
    thread::{CapabilitySet, CapabilitySets},
};

/// Gives up all that root or a file's bits could lend, and closes `/proc` to others of the same user.
///
/// # Errors
/// Where the kernel refuses.
pub fn give_up() -> io::Result<()> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::thread::set_no_new_privs(true)?;
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(())
}
