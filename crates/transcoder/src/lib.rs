//! Looks into originals and makes their variants.
//!
//! Untrusted bytes meet a process that can touch nothing (DESIGN, idea 4): [`parent`] does the work with the database and
//! S3 and never parses a file; [`child`], one process per piece of work, parses, decodes and encodes, and reaches nothing
//! but the two sockets that it was given. [`protocol`] is all that they say to each other, and [`promise`] is what the
//! parent holds the child's results against.

pub mod child;
pub mod config;
pub mod imported;
pub mod job;
pub mod parent;
pub mod promise;
pub mod protocol;
pub mod sandbox;
