//! The command line, whole: what every verb shares, and the verbs.

use clap::{Parser, Subcommand};
use media_domain::TenantId;

use crate::{failure::EXIT_CODES, tls::Tls, verbs};

/// Hands files to the media service, watches what becomes of them, and gets them back.
#[derive(Debug, Parser)]
#[command(name = "media", version, after_help = EXIT_CODES, max_term_width = 120)]
pub struct Args {
    #[command(flatten)]
    pub caller: Caller,
    /// Answer in protobuf JSON, one value a line
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub verb: Verb,
}

/// Which service is called, and by whom.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Calling")]
pub struct Caller {
    /// The gRPC address of the service, such as https://media.example.com
    #[arg(long, global = true, env = "MEDIA_API", value_name = "URL")]
    pub api: Option<String>,
    /// The JWT that says who calls; `media token` makes one for development
    #[arg(long, global = true, env = "MEDIA_TOKEN", value_name = "JWT", hide_env_values = true)]
    pub token: Option<String>,
    /// The tenant to act for; without it, the one of the token
    #[arg(long, global = true, env = "MEDIA_TENANT", value_name = "UUID")]
    pub tenant: Option<TenantId>,
    #[command(flatten)]
    pub tls: Tls,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Hand files over
    Upload(verbs::upload::Upload),
    /// Have a file fetched from a URL
    Import(verbs::import::Import),
    /// Show an asset with its variants, jobs and captions
    Show(verbs::show::Show),
    /// List assets, newest first
    Ls(verbs::ls::Ls),
    /// Follow an asset until it is done
    Watch(verbs::watch::Watch),
    /// Change an asset's name, or by which rule it is kept
    Set(verbs::set::Set),
    /// Print the URLs that an asset is played by, or play it
    Play(verbs::play::Play),
    /// End the playback URLs of an asset that were given out so far
    Revoke(verbs::revoke::Revoke),
    /// Save the original or a variant
    Download(verbs::download::Download),
    /// List, show, import, edit, review, delete or generate caption tracks
    Captions(verbs::captions::Captions),
    /// Show or search what was said
    Transcripts(verbs::transcripts::Transcripts),
    /// Keep a record of what a machine made
    #[command(subcommand)]
    Ai(verbs::ai::Ai),
    /// Make everything of an asset again, from its scan on
    Reprocess(verbs::reprocess::Reprocess),
    /// Ask for one more variant of an asset
    RequestVariant(verbs::request_variant::RequestVariant),
    /// List jobs, newest first
    Jobs(verbs::jobs::Jobs),
    /// Try a job again that failed or was cancelled
    Retry(verbs::retry::Retry),
    /// Look at what was given up, and send it again
    #[command(subcommand)]
    DeadLetters(verbs::dead_letters::DeadLetters),
    /// Have events published once more
    Replay(verbs::replay::Replay),
    /// Show how much is stored
    Usage(verbs::usage::Usage),
    /// Decide about assets in which something was found
    #[command(subcommand)]
    Quarantine(verbs::quarantine::Quarantine),
    /// Delete assets; for the tenant's grace it can be taken back
    Rm(verbs::rm::Rm),
    /// Take a deletion back
    Undelete(verbs::undelete::Undelete),
    /// Bring an original back from the cold tier
    Restore(verbs::restore::Restore),
    /// Say which bundle needs which asset
    #[command(subcommand)]
    Refs(verbs::refs::Refs),
    /// Keep an asset from every deletion
    #[command(subcommand)]
    Hold(verbs::hold::Hold),
    /// Erase a person's assets, or the tenant, for good
    #[command(subcommand)]
    Erase(verbs::erase::Erase),
    /// Show or change what the tenant decided for itself
    #[command(subcommand)]
    Policy(verbs::policy::Policy),
    /// Bring the database's schema up to date, as the owner of the schema
    Migrate(verbs::migrate::Migrate),
    /// Look at everything that the service stands on, and say what to do about what is wrong
    Doctor(verbs::doctor::Doctor),
    /// Make a JWT for development
    Token(verbs::token::Token),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn an_asset_that_is_no_ulid_is_a_usage_error() {
        let error = Args::try_parse_from(["media", "show", "../../etc/passwd"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("not a ULID"), "{error}");
    }

    #[test]
    fn a_change_of_nothing_is_a_usage_error() {
        let error = Args::try_parse_from(["media", "set", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--etag", "7"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("--filename") && error.to_string().contains("--class"), "{error}");
    }
}
