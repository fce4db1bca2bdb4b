//! The one table of what each method needs. A method that is not in it cannot be called.

const READ: Access = Access::Scope("media.read");
const WRITE: Access = Access::Scope("media.write");
const DELETE: Access = Access::Scope("media.delete");

/// Whom a method is open to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Also without a token: nothing of a tenant is behind it.
    Everybody,
    /// Whoever has a token with this scope.
    Scope(&'static str),
    Nobody,
}

const METHODS: &[(&str, Access)] = &[
    ("/media.v1.UploadService/CreateUpload", WRITE),
    ("/media.v1.UploadService/SignUploadParts", WRITE),
    ("/media.v1.UploadService/CompleteUpload", WRITE),
    ("/media.v1.UploadService/AbortUpload", WRITE),
    ("/media.v1.UploadService/Upload", WRITE),
    ("/media.v1.AssetService/GetAsset", READ),
    ("/media.v1.AssetService/BatchGetAssets", READ),
    ("/media.v1.AssetService/ListAssets", READ),
    ("/media.v1.AssetService/WatchAsset", READ),
    ("/media.v1.AssetService/UpdateAsset", WRITE),
    ("/media.v1.AssetService/DeleteAsset", DELETE),
    ("/media.v1.PlaybackService/GetPlayback", READ),
    ("/media.v1.PlaybackService/GetDownloadUrl", READ),
    ("/media.v1.PlaybackService/RevokePlayback", WRITE),
];

/// Services of which every method is open.
const OPEN_SERVICES: &[&str] =
    &["/grpc.health.v1.Health/", "/grpc.reflection.v1.ServerReflection/", "/grpc.reflection.v1alpha.ServerReflection/"];

pub fn of(path: &str) -> Access {
    if OPEN_SERVICES.iter().any(|service| path.starts_with(service)) {
        return Access::Everybody;
    }
    METHODS.iter().find(|(method, _)| *method == path).map_or(Access::Nobody, |(_, access)| *access)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;

    use super::*;

    #[test]
    fn the_table_holds_every_method_of_the_contract_and_no_other() {
        let files = prost_types::FileDescriptorSet::decode(media_proto::FILE_DESCRIPTOR_SET).unwrap();
        let mut contract = BTreeSet::new();
        for file in &files.file {
            for service in &file.service {
                contract.extend(service.method.iter().map(|method| format!("/{}.{}/{}", file.package(), service.name(), method.name())));
            }
        }
        let table: BTreeSet<String> = METHODS.iter().map(|(method, _)| (*method).to_owned()).collect();
        assert!(contract.len() >= 10, "{contract:?}");
        assert_eq!(table, contract);
    }

    #[test]
    fn what_changes_something_needs_more_than_reading() {
        for (method, access) in METHODS {
            let verb = method.rsplit('/').next().unwrap();
            let reads = verb.starts_with("Get") || verb.starts_with("BatchGet") || verb.starts_with("List") || verb.starts_with("Watch");
            assert_eq!(*access == READ, reads, "{method}");
        }
    }

    #[test]
    fn a_method_that_nobody_knows_is_open_to_nobody() {
        assert_eq!(of("/media.v1.AssetService/PurgeAsset"), Access::Nobody);
        assert_eq!(of("/media.v1.AssetService/GetAsset/"), Access::Nobody);
        assert_eq!(of("/grpc.health.v1.Health/Check"), Access::Everybody);
    }
}
