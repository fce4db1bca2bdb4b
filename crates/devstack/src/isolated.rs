//! What one test has for itself.

use rand::RngExt;
use url::Url;

use crate::{DatabaseRole, DevstackError, S3Credentials, S3Identity, StackInfo, rabbitmq, seaweedfs, template};

/// So that `quarantine-` and the name fit into the 63 bytes that S3 and Postgres allow.
const NAME_LEN_MAX: usize = 40;

/// A migrated database, a vhost, and two buckets that nobody else uses. They go with their stack.
#[derive(Debug, Clone)]
pub struct Isolated {
    stack: StackInfo,
    vhost: String,
    database: String,
    bucket: String,
    quarantine_bucket: String,
}

impl StackInfo {
    /// Makes one for a test. `name` is for people who look into the servers; two with the same name are two.
    ///
    /// # Errors
    /// `Server` if one of the four does not do its part, `Migration` if this is the first and the migrations fail.
    pub async fn isolated(&self, name: &str) -> Result<Isolated, DevstackError> {
        let id = unique(name);
        let isolated = Isolated {
            stack: self.clone(),
            database: format!("media_{}", id.replace('-', "_")),
            bucket: format!("media-{id}"),
            quarantine_bucket: format!("quarantine-{id}"),
            vhost: id,
        };
        tokio::try_join!(
            template::clone(&self.postgres, &self.migrations, &isolated.database),
            rabbitmq::make_vhost(&self.rabbitmq, &isolated.vhost),
            seaweedfs::make_bucket(&self.s3, &isolated.bucket),
            seaweedfs::make_bucket(&self.s3, &isolated.quarantine_bucket),
        )?;
        Ok(isolated)
    }
}

impl Isolated {
    /// The stack that it is part of.
    pub fn stack(&self) -> &StackInfo {
        &self.stack
    }

    pub fn database_url(&self, role: DatabaseRole) -> Url {
        self.stack.postgres.url_of(role, &self.database)
    }

    /// With the vhost.
    pub fn amqp_url(&self) -> Url {
        let mut url = self.stack.rabbitmq.url.clone();
        url.set_path(&self.vhost);
        url
    }

    pub fn vhost(&self) -> &str {
        &self.vhost
    }

    /// `host:port`.
    pub fn clamd_address(&self) -> &str {
        &self.stack.clamd.address
    }

    pub fn s3_endpoint(&self) -> &Url {
        &self.stack.s3.endpoint
    }

    pub fn s3_region(&self) -> &str {
        &self.stack.s3.region
    }

    /// # Panics
    /// Never for a stack that was started here; an identity is missing only from JSON that was written by hand.
    pub fn s3_credentials(&self, identity: S3Identity) -> &S3Credentials {
        &self.stack.s3.credentials[&identity]
    }

    /// Open to every binary.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Closed to `media-api`, the transcoder and the captioner.
    pub fn quarantine_bucket(&self) -> &str {
        &self.quarantine_bucket
    }
}

/// `name` in the letters that buckets, vhosts and databases have in common, and eight hex digits of chance.
fn unique(name: &str) -> String {
    let mut id: String = name
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' })
        .take(NAME_LEN_MAX)
        .collect();
    if id.is_empty() {
        id.push('x');
    }
    format!("{id}-{}", hex::encode(rand::rng().random::<[u8; 4]>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_fit_for_buckets_and_databases_whatever_the_test_is_called() {
        let id = unique("outbox::Order_is kept, übrigens, also when relays die and come back, again and again");
        assert!(id.len() + "quarantine-".len() <= 63, "{id}");
        assert!(id.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-'), "{id}");
    }

    #[test]
    fn one_name_asked_for_twice_gives_two() {
        assert_ne!(unique("same"), unique("same"));
    }
}
