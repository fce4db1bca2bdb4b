//! SeaweedFS: master, volume server, filer and S3 in one process.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::StatusCode;
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use serde_json::json;

use crate::folder::{make_folder, write_file};
use crate::place::Place;
use crate::ports::{Port, Ports};
use crate::postgres::local_url;
use crate::supervise::{Farewell, Launch, ServerProcess, privileged};
use crate::{DevstackError, S3Credentials, S3Identity, S3Info, Server};

const REGION: &str = "us-east-1";
const SIGNATURE_LIFE: Duration = Duration::from_secs(60);

/// A bucket is a collection with volumes of its own, by default seven at a time, far too many for two buckets a test.
const VOLUME_GROWTH: &str = "[master.volume_growth]\ncopy_1 = 1\n";

pub(crate) fn prepare(place: &Place<'_>) -> Result<(), DevstackError> {
    make_folder(&place.path("data"))?;
    write_file(&place.path("master.toml"), VOLUME_GROWTH)?;
    let identities: Vec<_> = S3Identity::ALL
        .into_iter()
        .map(|identity| {
            let credentials = credentials(identity);
            json!({
                "name": identity.name(),
                "credentials": [{"accessKey": credentials.access_key, "secretKey": credentials.secret_key}],
                "actions": actions(identity),
            })
        })
        .collect();
    write_file(&place.path("s3.json"), &json!({ "identities": identities }).to_string())?;
    if privileged() {
        place_within_reach(place)?;
    }
    Ok(())
}

/// Root's cache folder is closed to the user that servers run as.
fn place_within_reach(place: &Place<'_>) -> Result<(), DevstackError> {
    let (installed, reachable) = (installed(place), place.path("weed"));
    if !installed.exists() {
        return Err(DevstackError::NotInstalled { program: installed });
    }
    fs::hard_link(&installed, &reachable)
        .or_else(|_| fs::copy(&installed, &reachable).map(drop))
        .map_err(DevstackError::system(format!("copying {}", installed.display())))
}

/// `Read:media-*` is a right on each bucket whose name begins so; a right without a colon is one on all.
fn actions(identity: S3Identity) -> Vec<String> {
    const RIGHTS: [&str; 4] = ["Read", "Write", "List", "Tagging"];
    if identity == S3Identity::Admin {
        return ["Admin"].into_iter().chain(RIGHTS).map(str::to_owned).collect();
    }
    let buckets: &[&str] = if identity.sees_quarantine() { &["media-*", "quarantine-*"] } else { &["media-*"] };
    buckets.iter().flat_map(|bucket| RIGHTS.map(|right| format!("{right}:{bucket}"))).collect()
}

fn credentials(identity: S3Identity) -> S3Credentials {
    S3Credentials { access_key: identity.name().to_owned(), secret_key: format!("{}-secret", identity.name()) }
}

fn installed(place: &Place<'_>) -> PathBuf {
    place.settings.cache.join("bin/weed")
}

pub(crate) fn launch(place: &Place<'_>) -> Result<Vec<ServerProcess>, DevstackError> {
    let program = if privileged() { place.path("weed") } else { installed(place) };
    let mut args = vec![format!("-dir={}", place.path("data").display()), format!("-s3.config={}", place.path("s3.json").display())];
    // Every bucket has a volume of its own, which takes no room until it is written to. Without the last three it would
    // report to a stranger and open two ports more.
    args.extend(
        [
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-filer",
            "-s3",
            "-master.volumeSizeLimitMB=1024",
            "-volume.max=20000",
            "-master.telemetry=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ]
        .map(str::to_owned),
    );
    args.extend(
        [
            ("master.port", Port::Master),
            ("master.port.grpc", Port::MasterGrpc),
            ("volume.port", Port::Volume),
            ("volume.port.grpc", Port::VolumeGrpc),
            ("filer.port", Port::Filer),
            ("filer.port.grpc", Port::FilerGrpc),
            ("s3.port", Port::S3),
            ("s3.port.grpc", Port::S3Grpc),
        ]
        .map(|(name, port)| format!("-{name}={}", place.port(port))),
    );
    let weed = Launch {
        server: Server::SeaweedFs,
        program: &program,
        args: std::iter::once("server".to_owned()).chain(args).map(Into::into).collect(),
        env: vec![],
        folder: &place.folder,
        log: place.log(),
        farewell: Farewell::Kill,
    };
    Ok(vec![weed.start()?])
}

/// Sockets that it makes in /tmp, whatever it is told, and leaves there.
pub(crate) fn litter(ports: &Ports) -> Vec<PathBuf> {
    [
        ("filer", Port::Filer),
        ("filer-grpc", Port::FilerGrpc),
        ("master-grpc", Port::MasterGrpc),
        ("s3", Port::S3),
        ("s3-grpc", Port::S3Grpc),
        ("volume-grpc", Port::VolumeGrpc),
    ]
    .map(|(name, port)| PathBuf::from(format!("/tmp/seaweedfs-{name}-{}.sock", ports.of(port))))
    .to_vec()
}

/// It answers long before its volume server can store anything: so an object is stored.
pub(crate) async fn probe(place: &Place<'_>) -> Result<(), DevstackError> {
    let info = info(place)?;
    make_bucket(&info, "devstack-probe").await?;
    let (bucket, admin) = signer(&info, "devstack-probe")?;
    let url = bucket.put_object(Some(&admin), "probe").sign(SIGNATURE_LIFE);
    put(url, "probe").await?.error_for_status().map(drop).map_err(|error| DevstackError::server("storing an object", error.without_url()))
}

pub(crate) fn info(place: &Place<'_>) -> Result<S3Info, DevstackError> {
    Ok(S3Info {
        endpoint: local_url("http://127.0.0.1", place.port(Port::S3), "/")?,
        region: REGION.to_owned(),
        path_style: true,
        credentials: S3Identity::ALL.into_iter().map(|identity| (identity, credentials(identity))).collect::<BTreeMap<_, _>>(),
    })
}

/// Makes a bucket, unless the admin has it already.
pub(crate) async fn make_bucket(info: &S3Info, name: &str) -> Result<(), DevstackError> {
    let (bucket, admin) = signer(info, name)?;
    let answer = put(bucket.create_bucket(&admin).sign(SIGNATURE_LIFE), "").await?;
    match answer.status() {
        status if status.is_success() || status == StatusCode::CONFLICT => Ok(()),
        status => {
            let body = answer.text().await.unwrap_or_default();
            Err(DevstackError::server(format!("making the bucket {name}"), format!("{status}: {body}")))
        }
    }
}

fn signer(info: &S3Info, bucket: &str) -> Result<(Bucket, Credentials), DevstackError> {
    let admin = info.credentials.get(&S3Identity::Admin).ok_or_else(|| DevstackError::server("signing for S3", "no admin is known"))?;
    let style = if info.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
    let bucket = Bucket::new(info.endpoint.clone(), style, bucket.to_owned(), info.region.clone())
        .map_err(|error| DevstackError::server("addressing a bucket", error))?;
    Ok((bucket, Credentials::new(admin.access_key.clone(), admin.secret_key.clone())))
}

async fn put(url: url::Url, body: &'static str) -> Result<reqwest::Response, DevstackError> {
    reqwest::Client::new().put(url).body(body).send().await.map_err(|error| DevstackError::server("asking S3", error.without_url()))
}
