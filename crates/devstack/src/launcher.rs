//! What stands between us and a service: nothing, or a program that puts the service somewhere else before it runs.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::fleet::program;
use crate::given::variable;
use crate::{Binary, DevstackError};

const LAUNCHER: &str = "MEDIA_DEVSTACK_LAUNCHER";

/// The program that is started for a service, and what it is told before the service's own arguments.
pub(crate) fn of(binary: Binary) -> Result<(PathBuf, Vec<OsString>), DevstackError> {
    let program = program(binary.name())?;
    Ok(match variable(LAUNCHER) {
        None => (program, Vec::new()),
        Some(launcher) => (launcher.into(), vec![binary.name().into(), program.into()]),
    })
}
