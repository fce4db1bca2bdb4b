//! The one table of what each method needs. A method that is not in it cannot be called.

const READ: Access = Access::Scope("media.read");
const WRITE: Access = Access::Scope("media.write");
const DELETE: Access = Access::Scope("media.delete");
const REVIEW: Access = Access::Scope("media.review");
const ADMIN: Access = Access::Scope("media.admin");

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
    ("/media.v1.UploadService/ImportAsset", WRITE),
    ("/media.v1.AssetService/GetAsset", READ),
    ("/media.v1.AssetService/BatchGetAssets", READ),
    ("/media.v1.AssetService/ListAssets", READ),
    ("/media.v1.AssetService/WatchAsset", READ),
    ("/media.v1.AssetService/UpdateAsset", WRITE),
    ("/media.v1.AssetService/DeleteAsset", DELETE),
    ("/media.v1.AssetService/UndeleteAsset", DELETE),
    ("/media.v1.AssetService/RestoreAsset", WRITE),
    ("/media.v1.AssetService/ReprocessAsset", WRITE),
    ("/media.v1.AssetService/RequestVariant", WRITE),
    ("/media.v1.PlaybackService/GetPlayback", READ),
    ("/media.v1.PlaybackService/BatchGetPlayback", READ),
    ("/media.v1.PlaybackService/GetDownloadUrl", READ),
    ("/media.v1.PlaybackService/RevokePlayback", WRITE),
    ("/media.v1.CaptionService/GenerateCaptions", WRITE),
    ("/media.v1.CaptionService/ImportCaptionTrack", WRITE),
    ("/media.v1.CaptionService/ListCaptionTracks", READ),
    ("/media.v1.CaptionService/GetCaptionTrack", READ),
    ("/media.v1.CaptionService/UpdateCaptionTrack", WRITE),
    ("/media.v1.CaptionService/ReviewCaptionTrack", REVIEW),
    ("/media.v1.CaptionService/DeleteCaptionTrack", DELETE),
    ("/media.v1.TranscriptService/GetTranscript", READ),
    ("/media.v1.TranscriptService/ListTranscripts", READ),
    ("/media.v1.TranscriptService/SearchTranscripts", READ),
    ("/media.v1.AiArtifactService/RecordAiArtifact", WRITE),
    ("/media.v1.AiArtifactService/GetAiArtifact", READ),
    ("/media.v1.AiArtifactService/ListAiArtifacts", READ),
    ("/media.v1.OperationsService/ListJobs", READ),
    ("/media.v1.OperationsService/RetryJob", ADMIN),
    ("/media.v1.OperationsService/ListDeadLetters", ADMIN),
    ("/media.v1.OperationsService/RedriveDeadLetters", ADMIN),
    ("/media.v1.OperationsService/ReplayEvents", ADMIN),
    ("/media.v1.OperationsService/GetUsage", READ),
    ("/media.v1.QuarantineService/ListQuarantined", ADMIN),
    ("/media.v1.QuarantineService/ReleaseAsset", ADMIN),
    ("/media.v1.QuarantineService/PurgeAsset", ADMIN),
    ("/media.v1.QuarantineService/RescanAsset", ADMIN),
    ("/media.v1.RetentionService/AddReference", WRITE),
    ("/media.v1.RetentionService/RemoveReference", WRITE),
    ("/media.v1.RetentionService/SetReferences", WRITE),
    ("/media.v1.RetentionService/ListReferences", READ),
    ("/media.v1.RetentionService/PlaceHold", ADMIN),
    ("/media.v1.RetentionService/ReleaseHold", ADMIN),
    ("/media.v1.RetentionService/GetTenantPolicy", READ),
    ("/media.v1.RetentionService/UpdateTenantPolicy", ADMIN),
    ("/media.v1.RetentionService/EraseOwner", ADMIN),
    ("/media.v1.RetentionService/EraseTenant", ADMIN),
    ("/media.v1.RetentionService/GetErasure", ADMIN),
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
            if *access == ADMIN {
                continue;
            }
            let reads = ["Get", "BatchGet", "List", "Watch", "Search"].iter().any(|reading| verb.starts_with(reading));
            assert_eq!(*access == READ, reads, "{method}");
        }
    }

    #[test]
    fn quarantine_is_for_administrators_alone_and_so_is_what_mends_and_what_binds_all() {
        for (method, access) in METHODS {
            let is_quarantine = method.starts_with("/media.v1.QuarantineService/");
            let named = |names: &[&str]| names.iter().any(|name| method.ends_with(name));
            let mends = named(&["RetryJob", "ListDeadLetters", "RedriveDeadLetters", "ReplayEvents"]);
            let binds = named(&["PlaceHold", "ReleaseHold", "UpdateTenantPolicy"]);
            let erases = named(&["EraseOwner", "EraseTenant", "GetErasure"]);
            assert_eq!(*access == ADMIN, is_quarantine || mends || binds || erases, "{method}");
        }
    }

    #[test]
    fn a_method_that_nobody_knows_is_open_to_nobody() {
        assert_eq!(of("/media.v1.AssetService/PurgeAsset"), Access::Nobody);
        assert_eq!(of("/media.v1.AssetService/GetAsset/"), Access::Nobody);
        assert_eq!(of("/grpc.health.v1.Health/Check"), Access::Everybody);
    }
}
