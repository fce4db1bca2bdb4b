//! Where bytes are: a bucket and a key. Keys are built in one place, `media-blobs`, from typed ids.

use serde::{Deserialize, Serialize};

/// The name of one stored object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlobName {
    pub bucket: String,
    pub key: String,
}
