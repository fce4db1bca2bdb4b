//! The descriptors of `proto/media/v1`, and the comments that stand in the sources.

use std::{collections::BTreeMap, error::Error};

use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet};

/// Numbers of fields in `descriptor.proto`, by which a comment's place is told.
pub const MESSAGE: i32 = 4;
pub const ENUM: i32 = 5;
pub const SERVICE: i32 = 6;
/// Of a message's fields, an enum's values and a service's methods alike.
pub const MEMBER: i32 = 2;

pub struct Contract {
    /// Of this package, in the order of their names.
    pub files: Vec<File>,
}

pub struct File {
    pub descriptor: FileDescriptorProto,
    comments: BTreeMap<Vec<i32>, String>,
}

impl Contract {
    pub fn read() -> Result<Self, Box<dyn Error>> {
        let files = FileDescriptorSet::decode(media_proto::FILE_DESCRIPTOR_SET)?.file;
        let ours = files.into_iter().filter(|file| file.package() == "media.v1").map(File::of);
        Ok(Self { files: ours.collect() })
    }
}

impl File {
    fn of(descriptor: FileDescriptorProto) -> Self {
        let places = descriptor.source_code_info.iter().flat_map(|info| &info.location);
        let comments = places.filter_map(|place| Some((place.path.clone(), text(place.leading_comments.as_ref()?)))).collect();
        Self { descriptor, comments }
    }

    /// What stands above the declaration at `path`; empty if nothing does.
    pub fn comment(&self, path: &[i32]) -> &str {
        self.comments.get(path).map_or("", String::as_str)
    }
}

/// A comment without the space that stands after `//`.
fn text(comment: &str) -> String {
    let lines = comment.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}
