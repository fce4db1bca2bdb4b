//! Postgres, and nothing else: a transaction for one tenant, and a room per aggregate that borrows it.
//!
//! The promise kept here: tenant data has one door. A [`TenantTx`] is made only by [`Database::in_tenant`], which sets the
//! tenant and names the transaction; what is not committed is rolled back. Row level security does the rest. The few
//! acts that see across tenants go through [`Database::across_tenants`], so that a search for the word lists them all.
//!
//! Rules of a room: not found is `None`; an UPDATE reads its row count; ids and times of rows are the caller's or the
//! database's, never invented in between; nothing but the transaction is awaited between `in_tenant` and `commit`.

pub mod across;
pub mod again;
pub mod ai_artifacts;
pub mod archive;
pub mod assets;
pub mod blobs;
pub mod caption_copies;
mod caption_plan;
mod caption_review;
pub mod caption_tracks;
pub mod database;
pub mod dead_letters;
mod deletion;
mod erasing;
mod erasure;
pub mod erasures;
pub mod error;
pub mod examination;
mod followers;
mod give_up;
pub mod holds;
pub mod imports;
pub mod job_list;
pub mod migrate;
pub mod notify;
pub mod outbox;
pub mod outbox_replay;
pub mod output_uploads;
mod planning;
pub mod quarantine;
pub mod quota;
pub mod redrive;
pub mod references;
pub mod request_ids;
mod resume;
pub mod retention;
pub mod tenant_policies;
pub mod transcode_jobs;
pub mod transcript_search;
pub mod transcripts;
pub mod twins;
pub mod uploads;
pub mod usage;
pub mod variants;
pub mod vital_signs;
pub mod work;

pub use database::{Database, DatabaseConfig, TenantTx};
pub use error::StorageError;
pub use migrate::migrate;
