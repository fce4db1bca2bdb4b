//! The setting that names an operator's file of profiles.

use std::path::PathBuf;

use media_domain::Profiles;
use serde::{Deserialize, Serialize};

use crate::Problem;

/// Where an operator's profiles stand. Every binary that knows profiles must be given the same file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ProfilesConfig {
    pub file: Option<PathBuf>,
}

impl ProfilesConfig {
    /// The built-in profiles, and those of the file.
    ///
    /// # Errors
    /// The problem of `profiles.file`: it cannot be read, or its text is refused, with the line.
    pub fn load(&self) -> Result<Profiles, Problem> {
        let refused = |reason: String| Problem::new("profiles.file", reason);
        let built_in = Profiles::built_in().map_err(|error| refused(error.to_string()))?;
        let Some(path) = &self.file else { return Ok(built_in) };
        let text = std::fs::read_to_string(path).map_err(|error| refused(format!("{} cannot be read: {error}", path.display())))?;
        built_in.with(&text).map_err(|error| refused(format!("{}: {error}", path.display())))
    }

    /// See `Settings::problems`.
    pub fn problems(&self) -> Vec<Problem> {
        self.load().err().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Problems;

    #[test]
    fn a_file_that_is_wrong_or_missing_is_said_with_its_path_and_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "\n[[profile]]\nname = \"A\"\n").unwrap();
        let said = |path: PathBuf| Problems(ProfilesConfig { file: Some(path) }.problems()).to_string();
        let wrong = said(file.path().to_owned());
        assert!(wrong.contains("profiles.file") && wrong.contains("line 3"), "{wrong}");
        assert!(said("/nowhere/profiles.toml".into()).contains("/nowhere/profiles.toml cannot be read"));
        assert!(ProfilesConfig { file: None }.problems().is_empty());
    }
}
