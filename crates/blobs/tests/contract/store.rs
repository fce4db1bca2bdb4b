//! The server under test, and names that no two tests share.

use std::time::Duration;

use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::{BucketVersioningStatus, VersioningConfiguration},
};
use media_blobs::{Blobs, S3Config, keys};
use media_devstack::{S3Identity, StackInfo};
use media_domain::{AssetId, BlobName, TenantId};
use tokio::sync::OnceCell;
use url::Url;

/// One pair of buckets for the whole run: SeaweedFS gives each volumes of its own.
static BUCKETS: OnceCell<Buckets> = OnceCell::const_new();

struct Buckets {
    stack: StackInfo,
    media: String,
    quarantine: String,
}

async fn buckets() -> &'static Buckets {
    BUCKETS
        .get_or_init(async || {
            let stack = StackInfo::from_env().expect("this suite needs a real S3 server: run it under `media-devstack run --`");
            let run = AssetId::generate().to_string().to_lowercase();
            let (media, quarantine) = (format!("media-contract-{run}"), format!("quarantine-contract-{run}"));
            let admin = admin(&stack);
            for bucket in [&media, &quarantine] {
                admin.create_bucket().bucket(bucket).send().await.expect("the admin makes a bucket");
            }
            Buckets { stack, media, quarantine }
        })
        .await
}

/// A bucket of its own that keeps every version.
pub async fn versioned_bucket() -> String {
    let admin = admin(&buckets().await.stack);
    let bucket = format!("media-versions-{}", AssetId::generate().to_string().to_lowercase());
    admin.create_bucket().bucket(&bucket).send().await.unwrap();
    let keep = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    admin.put_bucket_versioning().bucket(&bucket).versioning_configuration(keep).send().await.unwrap();
    bucket
}

/// How many versions and markers of deletion a bucket keeps of one object.
pub async fn versions(blob: &BlobName) -> usize {
    let page = admin(&buckets().await.stack).list_object_versions().bucket(&blob.bucket).prefix(&blob.key).send().await.unwrap();
    let keys = page.versions().iter().map(|it| it.key()).chain(page.delete_markers().iter().map(|it| it.key()));
    keys.filter(|key| *key == Some(blob.key.as_str())).count()
}

fn admin(stack: &StackInfo) -> Client {
    let keys = &stack.s3.credentials[&S3Identity::Admin];
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(stack.s3.endpoint.as_str())
        .region(Region::new(stack.s3.region.clone()))
        .force_path_style(stack.s3.path_style)
        .credentials_provider(Credentials::new(&keys.access_key, &keys.secret_key, None, None, "contract"));
    Client::from_conf(config.build())
}

/// The settings of one binary.
pub async fn config(identity: S3Identity) -> S3Config {
    let buckets = buckets().await;
    let keys = &buckets.stack.s3.credentials[&identity];
    S3Config {
        endpoint: buckets.stack.s3.endpoint.clone(),
        public_endpoint: None,
        region: buckets.stack.s3.region.clone(),
        bucket: buckets.media.clone(),
        quarantine_bucket: buckets.quarantine.clone(),
        path_style: buckets.stack.s3.path_style,
        access_key_id: keys.access_key.clone(),
        secret_access_key: keys.secret_key.clone().into(),
        session_token: None,
        archive_class: None,
        connect_timeout: Duration::from_secs(3),
        attempt_timeout: Duration::from_secs(30),
        stall_timeout: Duration::from_secs(20),
    }
}

/// The store as the scanner knows it: it has rights on both buckets.
pub async fn blobs() -> Blobs {
    Blobs::connect(&config(S3Identity::MediaScanner).await).unwrap()
}

/// The same store, reached through something that breaks.
pub async fn blobs_through(endpoint: Url) -> Blobs {
    let config = config(S3Identity::MediaScanner).await;
    Blobs::connect(&S3Config { endpoint, attempt_timeout: Duration::from_secs(2), stall_timeout: Duration::from_secs(2), ..config })
        .unwrap()
}

pub fn new_tenant() -> TenantId {
    TenantId(AssetId::generate().as_uuid())
}

/// A name under which nothing lies.
pub fn new_blob(blobs: &Blobs) -> BlobName {
    blobs.in_bucket(&keys::original(new_tenant(), AssetId::generate()))
}

/// Bytes of which no two stretches look alike, other ones for each seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
