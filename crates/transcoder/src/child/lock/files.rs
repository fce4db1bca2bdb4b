//! No files, no ports, no signals to others: landlock.

use ::landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope, path_beneath_rules,
};

use super::{LockError, Reach};

/// What must be there: all opening, making and removing of files. What later versions added (truncating, ports, signals,
/// abstract sockets) is asked for as far as the kernel knows it; seccomp forbids those calls as well.
const LEAST: ABI = ABI::V1;
const NEWEST: ABI = ABI::V6;

/// Where fonts and the settings that find them lie; `/etc/fonts/conf.d` is made of links into `/usr/share/fontconfig`.
const FONTS: &[&str] = &["/usr/share/fonts", "/usr/local/share/fonts", "/etc/fonts", "/usr/share/fontconfig", "/var/cache/fontconfig"];

pub fn is_there() -> bool {
    ruleset().is_ok()
}

/// Closes the file system for this thread and all that it will start.
///
/// # Errors
/// [`LockError::Files`] where the kernel does not enforce it.
pub fn close(reach: Reach) -> Result<(), LockError> {
    match restrict(reach) {
        Ok(RulesetStatus::NotEnforced) => Err(LockError::Files("this kernel has no landlock".into())),
        Ok(_) => Ok(()),
        Err(error) => Err(LockError::Files(error.into())),
    }
}

fn restrict(reach: Reach) -> Result<RulesetStatus, RulesetError> {
    let folders = match reach {
        Reach::Nothing => [].as_slice(),
        Reach::Fonts => FONTS,
    };
    let rules = path_beneath_rules(folders, AccessFs::ReadFile | AccessFs::ReadDir);
    Ok(ruleset()?.add_rules(rules)?.restrict_self()?.ruleset)
}

fn ruleset() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(LEAST))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()
}
