//! What S3 does with objects in its archives: they are not read before they were restored, which takes for as long as a test says, and then
//! for as many days as were asked for.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use hyper::{HeaderMap, Method, StatusCode, header::HeaderValue};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use super::store_proxy::Asked;

const CLASSES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Frozen,
    Ongoing,
    Until(OffsetDateTime),
}

/// The archived objects of a store, by path.
#[derive(Default)]
pub struct Glacier {
    kept: Mutex<HashMap<String, Kept>>,
}

impl Glacier {
    /// Ends the restore of every object that was asked for: each is there for so long.
    pub fn thaw(&self, lasting: Duration) -> usize {
        let mut kept = self.kept.lock().unwrap();
        let asked: Vec<_> = kept.values_mut().filter(|kept| **kept == Kept::Ongoing).collect();
        let count = asked.len();
        asked.into_iter().for_each(|kept| *kept = Kept::Until(OffsetDateTime::now_utc() + lasting));
        count
    }

    /// What it says in the store's place.
    pub fn answer(&self, asked: &Asked, headers: &HeaderMap) -> Option<(StatusCode, String)> {
        let refused = |status, code: &str| Some((status, format!("<Error><Code>{code}</Code></Error>")));
        let frozen = |path: &str| self.frozen(path);
        if asked.restores() {
            let mut kept = self.kept.lock().unwrap();
            return match kept.get_mut(&asked.path) {
                None => refused(StatusCode::FORBIDDEN, "InvalidObjectState"),
                Some(Kept::Ongoing) => refused(StatusCode::CONFLICT, "RestoreAlreadyInProgress"),
                Some(kept @ Kept::Frozen) => {
                    *kept = Kept::Ongoing;
                    Some((StatusCode::ACCEPTED, String::new()))
                }
                Some(Kept::Until(end)) => {
                    *end += Duration::from_secs(24 * 3600);
                    Some((StatusCode::OK, String::new()))
                }
            };
        }
        let source = headers.get("x-amz-copy-source").and_then(|source| source.to_str().ok());
        let source = source.map(|source| format!("/{}", source.trim_start_matches('/')));
        let reads = (asked.reads_object() && frozen(&asked.path)) || source.is_some_and(|source| frozen(&source));
        if reads { refused(StatusCode::FORBIDDEN, "InvalidObjectState") } else { None }
    }

    /// What it adds to the store's answer, and learns from it.
    pub fn amend(&self, asked: &Asked, sent: &HeaderMap, status: StatusCode, answer: &mut HeaderMap) {
        let mut kept = self.kept.lock().unwrap();
        if asked.method == Method::DELETE && status.is_success() {
            kept.remove(&asked.path);
        }
        if let Some(class) = sent.get("x-amz-storage-class").filter(|_| status.is_success()) {
            if CLASSES.iter().any(|archive| class == archive) {
                kept.insert(asked.path.clone(), Kept::Frozen);
            } else {
                kept.remove(&asked.path);
            }
        }
        let restore = match kept.get(&asked.path) {
            Some(Kept::Ongoing) => "ongoing-request=\"true\"".to_owned(),
            Some(Kept::Until(end)) if OffsetDateTime::now_utc() < *end => {
                let end = end.format(&Rfc2822).unwrap().replace("+0000", "GMT");
                format!("ongoing-request=\"false\", expiry-date=\"{end}\"")
            }
            _ => return,
        };
        answer.insert("x-amz-restore", HeaderValue::from_str(&restore).unwrap());
    }

    fn frozen(&self, path: &str) -> bool {
        match self.kept.lock().unwrap().get(path) {
            None => false,
            Some(Kept::Frozen | Kept::Ongoing) => true,
            Some(Kept::Until(end)) => OffsetDateTime::now_utc() >= *end,
        }
    }
}
