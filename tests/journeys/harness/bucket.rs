//! What lies in a world's bucket, as the store's owner sees it.

use std::collections::BTreeMap;

use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::{
        BucketLifecycleConfiguration, BucketVersioningStatus, CompletedMultipartUpload, CompletedPart, CorsConfiguration, CorsRule,
        ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter, Part, VersioningConfiguration,
    },
};
use media_devstack::{Isolated, S3Identity};

/// One object, as the store describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub size: i64,
    pub etag: String,
    /// In nanoseconds since 1970.
    pub modified: i128,
}

pub struct Bucket {
    client: Client,
    name: String,
}

impl Bucket {
    pub fn of(isolated: &Isolated) -> Self {
        Self::named(isolated, isolated.bucket())
    }

    /// The one where infected originals go.
    pub fn quarantine_of(isolated: &Isolated) -> Self {
        Self::named(isolated, isolated.quarantine_bucket())
    }

    fn named(isolated: &Isolated, name: &str) -> Self {
        let keys = isolated.s3_credentials(S3Identity::Admin);
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(isolated.s3_endpoint().as_str())
            .region(Region::new(isolated.s3_region().to_owned()))
            .credentials_provider(Credentials::new(&keys.access_key, &keys.secret_key, None, None, "journey"))
            .force_path_style(isolated.stack().s3.path_style)
            .build();
        Self { client: Client::from_conf(config), name: name.to_owned() }
    }

    /// All objects, by key.
    pub async fn objects(&self) -> BTreeMap<String, Stored> {
        let page = self.client.list_objects_v2().bucket(&self.name).send().await.unwrap();
        assert_ne!(page.is_truncated(), Some(true), "more objects than a test makes");
        let stored = |object: &aws_sdk_s3::types::Object| Stored {
            size: object.size().unwrap(),
            etag: object.e_tag().unwrap().to_owned(),
            modified: object.last_modified().unwrap().as_nanos(),
        };
        page.contents().iter().map(|object| (object.key().unwrap().to_owned(), stored(object))).collect()
    }

    /// The keys of all uploads that are neither completed nor aborted.
    pub async fn uploads(&self) -> Vec<String> {
        let page = self.client.list_multipart_uploads().bucket(&self.name).send().await.unwrap();
        page.uploads().iter().map(|upload| upload.key().unwrap().to_owned()).collect()
    }

    /// Removes all objects, and all uploads that are open.
    pub async fn clear(&self) {
        for key in self.objects().await.keys() {
            self.client.delete_object().bucket(&self.name).key(key).send().await.unwrap();
        }
        let page = self.client.list_multipart_uploads().bucket(&self.name).send().await.unwrap();
        for upload in page.uploads() {
            let abort = self.client.abort_multipart_upload().bucket(&self.name);
            abort.key(upload.key().unwrap()).upload_id(upload.upload_id().unwrap()).send().await.unwrap();
        }
    }

    pub async fn bytes(&self, key: &str) -> Vec<u8> {
        let answer = self.client.get_object().bucket(&self.name).key(key).send().await.unwrap();
        answer.body.collect().await.unwrap().to_vec()
    }

    pub async fn put(&self, key: &str, mime: &str, bytes: Vec<u8>) {
        let request = self.client.put_object().bucket(&self.name).key(key).content_type(mime);
        request.body(bytes.into()).send().await.unwrap();
    }

    /// Makes an object of the parts of an asset's upload, as the api does before it writes the row.
    pub async fn complete_upload(&self, asset: &str) {
        let page = self.client.list_multipart_uploads().bucket(&self.name).send().await.unwrap();
        let upload = page.uploads().iter().find(|upload| upload.key().unwrap().contains(asset)).unwrap();
        let (key, id) = (upload.key().unwrap(), upload.upload_id().unwrap());
        let parts = self.client.list_parts().bucket(&self.name).key(key).upload_id(id).send().await.unwrap();
        let part = |part: &Part| CompletedPart::builder().part_number(part.part_number().unwrap()).e_tag(part.e_tag().unwrap()).build();
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.parts().iter().map(part).collect())).build();
        self.client.complete_multipart_upload().bucket(&self.name).key(key).upload_id(id).multipart_upload(parts).send().await.unwrap();
    }

    /// Lets the store remove objects by itself after a week, as nobody should.
    pub async fn let_expire(&self, rule: &str) {
        let week = LifecycleExpiration::builder().days(7).build();
        let everything = LifecycleRuleFilter::builder().prefix("").build();
        let rule = LifecycleRule::builder().id(rule).status(ExpirationStatus::Enabled).filter(everything).expiration(week).build().unwrap();
        let rules = BucketLifecycleConfiguration::builder().rules(rule).build().unwrap();
        self.client.put_bucket_lifecycle_configuration().bucket(&self.name).lifecycle_configuration(rules).send().await.unwrap();
    }

    /// From now on the store keeps every version, as an operator may have set it to.
    pub async fn keep_versions(&self) {
        let keep = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        self.client.put_bucket_versioning().bucket(&self.name).versioning_configuration(keep).send().await.unwrap();
    }

    /// The keys of all versions and of all marks of a deletion.
    pub async fn versions(&self) -> Vec<String> {
        let page = self.client.list_object_versions().bucket(&self.name).send().await.unwrap();
        let versions = page.versions().iter().map(|version| version.key().unwrap().to_owned());
        versions.chain(page.delete_markers().iter().map(|marker| marker.key().unwrap().to_owned())).collect()
    }

    /// Lets pages of any origin read objects, as an operator does for players that are redirected here.
    pub async fn open_to_pages(&self) {
        let rule = CorsRule::builder().allowed_origins("*").allowed_methods("GET").allowed_headers("Range").build().unwrap();
        let rules = CorsConfiguration::builder().cors_rules(rule).build().unwrap();
        self.client.put_bucket_cors().bucket(&self.name).cors_configuration(rules).send().await.unwrap();
    }
}
