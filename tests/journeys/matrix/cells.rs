//! What was shown of each method: that it does its work, that it keeps tenants apart, and each reason for which it refuses.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{Debug, Write as _},
    io::{self, Write as _},
    sync::Mutex,
};

use tonic::{Code, Response, Status};

use crate::{
    harness::{answers::answered_by, contract::CONTRACT},
    refusals::refusal,
};

/// A method that does what it is for.
const HAPPY: &str = "happy path";
/// A method that is asked for another tenant's.
const TENANT: &str = "tenant";

/// The cells that were filled, by method. Which method it is says the answer itself.
#[derive(Default)]
pub struct Cells(Mutex<BTreeMap<String, BTreeSet<String>>>);

impl Cells {
    /// The call did its work; what it answered is the caller's to look at.
    pub fn happy<T>(&self, answer: Result<Response<T>, Status>) -> T {
        let answer = answer.unwrap();
        self.fill(answered_by(answer.metadata()), HAPPY);
        answer.into_inner()
    }

    /// The call was refused for this reason.
    #[track_caller]
    pub fn refused<T: Debug>(&self, reason: &str, answer: Result<Response<T>, Status>) {
        let status = answer.expect_err(reason);
        assert_eq!(refusal(&status).1, reason, "{}: {status:?}", answered_by(status.metadata()));
        self.fill(answered_by(status.metadata()), reason);
    }

    /// A stranger's call about what is another tenant's was answered as one about what never was.
    #[track_caller]
    pub fn hidden<T: Debug>(&self, theirs: Result<Response<T>, Status>, never: Result<Response<T>, Status>) {
        let (theirs, never) = (theirs.unwrap_err(), never.unwrap_err());
        let method = answered_by(theirs.metadata());
        assert_eq!(method, answered_by(never.metadata()));
        assert_eq!(theirs.code(), Code::NotFound, "{method}: {theirs:?}");
        assert_eq!((theirs.message(), theirs.details()), (never.message(), never.details()), "{method}");
        self.fill(method, TENANT);
        self.fill(method, &refusal(&theirs).1);
    }

    /// A stranger's call was answered with nothing of the other tenant's, and did nothing to it.
    #[track_caller]
    pub fn apart<T: Debug>(&self, answer: Result<Response<T>, Status>, is_apart: impl FnOnce(&T) -> bool) {
        let answer = answer.unwrap();
        let method = answered_by(answer.metadata());
        assert!(is_apart(answer.get_ref()), "{method} told a stranger {:?}", answer.get_ref());
        self.fill(method, TENANT);
    }

    /// The same of a call that must be refused for it.
    #[track_caller]
    pub fn apart_by_refusal<T: Debug>(&self, reason: &str, answer: Result<Response<T>, Status>) {
        let status = answer.expect_err(reason);
        assert_eq!(refusal(&status).1, reason, "{status:?}");
        self.fill(answered_by(status.metadata()), TENANT);
    }

    fn fill(&self, method: &str, cell: &str) {
        self.0.lock().unwrap().entry(method.to_owned()).or_default().insert(cell.to_owned());
    }

    /// Prints the matrix, and fails where a cell is empty.
    pub fn assert_whole(&self) {
        let filled = self.0.lock().unwrap();
        let (mut table, mut holes, mut count) = (String::new(), Vec::new(), 0);
        for (method, own) in &CONTRACT.methods {
            let there = filled.get(method).cloned().unwrap_or_default();
            write!(table, "\n{method}").unwrap();
            let cells = [HAPPY, TENANT].into_iter().chain(CONTRACT.common.iter().chain(own).map(String::as_str));
            for cell in cells {
                let is_filled = there.contains(cell);
                write!(table, "\n    {cell:<24} {}", if is_filled { "ok" } else { "HOLE" }).unwrap();
                count += 1;
                if !is_filled {
                    holes.push(format!("{method} × {cell}"));
                }
            }
        }
        let anywhere: BTreeSet<&String> = filled.values().flatten().collect();
        write!(table, "\nshown once for all methods").unwrap();
        for reason in &CONTRACT.of_service {
            let is_filled = anywhere.contains(reason);
            write!(table, "\n    {reason:<24} {}", if is_filled { "ok" } else { "HOLE" }).unwrap();
            if !is_filled {
                holes.push(reason.clone());
            }
        }
        // Not by `println!`, which a test that passes keeps to itself.
        writeln!(io::stdout(), "{table}\n\n{} methods, {count} cells, {} holes", CONTRACT.methods.len(), holes.len()).unwrap();
        assert!(holes.is_empty(), "holes: {holes:#?}");
    }
}
