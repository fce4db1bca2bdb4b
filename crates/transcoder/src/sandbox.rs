//! What holds the child on this machine: checked once, before work is taken.

use media_runtime::Problem;
use serde::{Deserialize, Serialize};

use crate::child::lock::{Layers, MissingLayer};

/// The settings.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxConfig {
    /// The operator's word for what contains the child where the kernel lacks a layer of the lock; empty: nothing does.
    pub stand_in: String,
}

/// The kernel lacks what keeps a stranger's file from us. Another kernel or the setting helps, waiting does not.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this kernel has no {0}, so a child could reach what it must not; \
     run on one that has it, or name in the setting sandbox.stand_in what contains the child instead (such as \"gvisor\")"
)]
pub struct NotContained(pub MissingLayer);

impl SandboxConfig {
    /// The layers that children lock themselves with here.
    ///
    /// # Errors
    /// [`NotContained`] where one is missing and nothing stands in for it.
    pub fn check(&self, present: Layers) -> Result<Layers, NotContained> {
        match present.missing() {
            Some(missing) if self.stand_in.is_empty() => Err(NotContained(missing)),
            Some(missing) => {
                tracing::warn!(%missing, sandbox.stand_in = self.stand_in, "a layer of the lock is missing; the setting names what stands in for it");
                Ok(present)
            }
            None => Ok(present),
        }
    }

    /// What is wrong with these settings; see `Settings::problems`.
    pub fn problems(&self) -> Vec<Problem> {
        let is_word = self.stand_in.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if is_word { Vec::new() } else { vec![Problem::new("sandbox.stand_in", "must be a word such as gvisor, or empty")] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_LANDLOCK: Layers = Layers { landlock: false, seccomp: true };

    fn setting(stand_in: &str) -> SandboxConfig {
        SandboxConfig { stand_in: stand_in.into() }
    }

    #[test]
    fn a_missing_layer_is_refused_unless_the_setting_names_what_stands_in_for_it() {
        assert_eq!(setting("").check(Layers::ALL), Ok(Layers::ALL));
        assert_eq!(setting("").check(NO_LANDLOCK), Err(NotContained(MissingLayer::Landlock)));
        assert_eq!(setting("").check(Layers { landlock: true, seccomp: false }), Err(NotContained(MissingLayer::Seccomp)));
        assert_eq!(setting("gvisor").check(NO_LANDLOCK), Ok(NO_LANDLOCK), "and what is there is still used");
    }

    #[test]
    fn the_refusal_names_the_layer_and_the_setting() {
        let text = setting("").check(NO_LANDLOCK).unwrap_err().to_string();
        assert!(text.contains("landlock") && text.contains("sandbox.stand_in"), "{text}");
    }

    #[test]
    fn the_stand_in_is_a_word() {
        assert!(setting("kata-qemu").problems().is_empty());
        assert_eq!(setting("no no").problems().len(), 1);
    }
}
