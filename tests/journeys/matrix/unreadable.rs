//! Requests that the service cannot even read.

use http::uri::PathAndQuery;
use media_devstack::Binary;
use media_proto::v1::{AssetKind, BatchGetAssetsRequest, CreateUploadRequest, GetAssetResponse};
use tonic::{Code, Request, client::Grpc, metadata::MetadataValue, transport::Channel};
use tonic_prost::ProstCodec;

use crate::{
    harness::{World, answers::Answers},
    refusals::{reason, refused},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_none_is_told_so_and_is_no_fault_of_ours() {
    let world = World::with("unreadable", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    let invalid = reason(Code::InvalidArgument, "FIELD_INVALID");
    let long = BatchGetAssetsRequest { asset_ids: vec!["x".repeat(3 << 20)] };
    assert_eq!(refused(caller.assets.batch_get_assets(long).await), invalid, "longer than a request may be");

    // A number where the method has a text.
    let mut request = Request::new(caller.request(AssetKind::Subtitle, "a.vtt", 10));
    let bearer: MetadataValue<_> = format!("Bearer {}", caller.token).parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    request.metadata_mut().insert("x-tenant-id", caller.tenant.to_string().parse().unwrap());
    let mut client = Grpc::new(Answers(Channel::from_shared(world.fleet.grpc_url()).unwrap().connect().await.unwrap()));
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/media.v1.AssetService/GetAsset");
    let codec = ProstCodec::<CreateUploadRequest, GetAssetResponse>::default();
    assert_eq!(refused(client.unary(request, path, codec).await), invalid, "a message of another method");
}
