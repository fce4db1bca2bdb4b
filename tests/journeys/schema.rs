//! The live catalogue held against what was asked for, and against the rules that keep tenants apart.
//!
//! Everything here is built from the catalogue: a table, a column or a function that a later migration adds is covered
//! without being named.

mod additive;
mod asked_for;
mod catalogue;
mod functions;
mod migrations;
mod provenance;
mod references;
mod roles;
mod scaling;
pub mod seed;
mod status_moves;
mod tenants;
