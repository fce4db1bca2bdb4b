//! `media migrate`: brings the schema up to date. The one verb that speaks to the database, as the owner of the schema.

use serde::Serialize;

use crate::{
    failure::{Failure, chain},
    output,
};

#[derive(Debug, clap::Args)]
pub struct Migrate {
    /// A Postgres URL of the schema's owner
    #[arg(long, value_name = "URL", env = "MEDIA_OWNER_DATABASE_URL", hide_env_values = true)]
    database_url: String,
}

#[derive(Serialize)]
struct Migrated {
    migrations: usize,
}

impl Migrate {
    pub async fn run(self, json: bool) -> Result<(), Failure> {
        use media_storage::migrate::MigrateError;
        let migrations = media_storage::migrate(&self.database_url).await.map_err(|error| match &error {
            MigrateError::Connect(_) => Failure::TryAgain(chain(&error)),
            MigrateError::Apply(_) => Failure::Unexpected(chain(&error)),
        })?;
        if json {
            output::json(&Migrated { migrations })
        } else {
            output::line(&format!("the schema is up to date: {migrations} migrations"))
        }
    }
}
