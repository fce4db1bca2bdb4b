//! What was seen of one thing, and what a person does about it.

use std::fmt;

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Good,
    /// It works, and somebody should look.
    Odd,
    /// The service does not work, or not safely.
    Broken,
    NotLookedAt,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub verdict: Verdict,
    /// `database clock`
    pub of: String,
    pub seen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    pub fn good(of: &str, seen: impl Into<String>) -> Self {
        Self { verdict: Verdict::Good, of: of.to_owned(), seen: seen.into(), remedy: None }
    }

    pub fn odd(of: &str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Odd, of: of.to_owned(), seen: seen.into(), remedy: Some(remedy.into()) }
    }

    pub fn broken(of: &str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Broken, of: of.to_owned(), seen: seen.into(), remedy: Some(remedy.into()) }
    }

    pub fn not_given(of: &str, how: &str) -> Self {
        Self { verdict: Verdict::NotLookedAt, of: of.to_owned(), seen: format!("no address: {how}"), remedy: None }
    }

    /// Good while `value` is below `odd`, broken from `broken` on.
    pub fn measured(of: &str, seen: String, value: f64, [odd, broken]: [f64; 2], remedy: &str) -> Self {
        if value < odd {
            Self::good(of, seen)
        } else if value < broken {
            Self::odd(of, seen, remedy)
        } else {
            Self::broken(of, seen, remedy)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Good => "good",
            Verdict::Odd => "odd",
            Verdict::Broken => "BROKEN",
            Verdict::NotLookedAt => "-",
        };
        write!(f, "{verdict:<7} {:<22} {}", self.of, self.seen)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n{:<30} → {remedy}", ""),
            None => Ok(()),
        }
    }
}
