use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use media_devstack::{Binary, Service};
use media_domain::TenantId;
use media_proto::v1::{GetUsageRequest, operations_service_client::OperationsServiceClient};
use tempfile::TempDir;
use tonic::{
    Request, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Identity},
};
use uuid::Uuid;

use super::openssl;
use crate::{
    harness::{World, caller, command_line, eventually, program, samples},
    refusals::{reason, refusal},
};

const LIMIT: Duration = Duration::from_secs(30);

/// Makes `{name}.pem` and `{name}.key`, signed by `{authority}`, or by itself.
fn certificate(folder: &Path, name: &str, authority: Option<&str>) {
    let of = |end: &str| format!("{name}.{end}");
    let extensions = match authority {
        Some(_) => "basicConstraints=critical,CA:FALSE\nsubjectAltName=IP:127.0.0.1\n",
        None => "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n",
    };
    samples::on_disk(folder, "extensions", extensions.as_bytes());
    let subject = format!("/CN={name}");
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    openssl(folder, &[&["req", "-new", "-subj", &subject, "-keyout", &of("key"), "-out", &of("csr")][..], &curve].concat());
    let (csr, pem, own_key) = (of("csr"), of("pem"), of("key"));
    let days = if name == "next" { "5" } else { "2" };
    let mut sign = vec!["x509", "-req", "-days", days, "-in", &csr, "-out", &pem, "-extfile", "extensions"];
    let (ca, ca_key) = (format!("{}.pem", authority.unwrap_or_default()), format!("{}.key", authority.unwrap_or_default()));
    match authority {
        Some(_) => sign.extend(["-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial"]),
        None => sign.extend(["-signkey", &own_key]),
    }
    openssl(folder, &sign);
}

/// What a call comes to, of a client that trusts this authority and shows this certificate.
async fn called(world: &World, folder: &Path, trusted: &str, shown: Option<&str>, token: Option<&str>) -> Result<(), Status> {
    let pem = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem(&format!("{trusted}.pem"))));
    if let Some(shown) = shown {
        tls = tls.identity(Identity::from_pem(pem(&format!("{shown}.pem")), pem(&format!("{shown}.key"))));
    }
    let url = world.fleet.grpc_url().replace("http://", "https://");
    let unheard = |error: tonic::transport::Error| Status::unknown(format!("not heard: {error:?}"));
    let channel = Channel::from_shared(url).unwrap().tls_config(tls).unwrap().connect().await.map_err(unheard)?;
    let mut request = Request::new(GetUsageRequest {});
    let tenant = TenantId(Uuid::new_v4());
    request.metadata_mut().insert("x-tenant-id", tenant.to_string().parse().unwrap());
    if token.is_some() {
        let token = caller::token(tenant, caller::ALL_SCOPES, 60);
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    OperationsServiceClient::new(channel).get_usage(request).await.map(drop)
}

const TOKEN: Option<&str> = Some("a good one");

/// Whether a call got no answer of ours at all.
fn unheard(answer: Result<(), Status>) -> bool {
    answer.is_err_and(|status| status.details().is_empty())
}

const DAY: f64 = 24.0 * 3600.0;

/// For how long the certificate is still good, by what is told.
async fn lasts_seconds(api: &Service) -> f64 {
    let metrics = api.metrics().await.unwrap();
    let end = metrics.lines().find_map(|line| line.strip_prefix("media_tls_certificate_expires_seconds ")).unwrap();
    end.parse::<f64>().unwrap() - SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_no_certificate_is_not_heard_and_a_token_is_asked_for_all_the_same() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    for (name, authority) in
        [("ca", None), ("stranger-ca", None), ("server", Some("ca")), ("client", Some("ca")), ("stranger", Some("stranger-ca"))]
    {
        certificate(path, name, authority);
    }
    let of = |name: &str| path.join(name).display().to_string();
    let mut world = World::new("mutual-tls").await;
    let settings = [
        ("MEDIA__GRPC__TLS__CERT_FILE", of("server.pem")),
        ("MEDIA__GRPC__TLS__KEY_FILE", of("server.key")),
        ("MEDIA__GRPC__TLS__CLIENT_CA_FILE", of("ca.pem")),
    ];
    let _api = world.start(Binary::Api, &settings.each_ref().map(|(name, value)| (*name, value.as_str()))).await;

    called(&world, path, "ca", Some("client"), TOKEN).await.unwrap();
    assert!(unheard(called(&world, path, "ca", None, TOKEN).await), "no certificate");
    assert!(unheard(called(&world, path, "ca", Some("stranger"), TOKEN).await), "a stranger's");
    assert!(unheard(called(&world, path, "stranger-ca", Some("client"), TOKEN).await), "we are not who the client trusts");
    let refused = called(&world, path, "ca", Some("client"), None).await.unwrap_err();
    assert_eq!(refusal(&refused), reason(tonic::Code::Unauthenticated, "TOKEN_INVALID"), "a certificate is no token");
    let plain = Channel::from_shared(world.fleet.grpc_url()).unwrap().connect_lazy();
    assert!(unheard(OperationsServiceClient::new(plain).get_usage(GetUsageRequest {}).await.map(drop)), "plaintext");

    let tenant = TenantId(Uuid::new_v4());
    let (url, token) = (world.fleet.grpc_url().replace("http://", "https://"), caller::token(tenant, caller::ALL_SCOPES, 60));
    let typed = async |files: &[&str]| {
        let mut command = Command::new(program("media"));
        command.args(["--api", &url, "--token", &token, "--json", "usage"]).args(files).env_clear().stdin(Stdio::null());
        command_line::run(command).await.status.code()
    };
    assert_eq!(typed(&["--ca", &of("ca.pem"), "--cert", &of("client.pem"), "--key", &of("client.key")]).await, Some(0));
    assert_ne!(typed(&["--ca", &of("ca.pem")]).await, Some(0));
    assert_ne!(typed(&["--cert", &of("client.pem"), "--key", &of("client.key")]).await, Some(0), "nobody told it whom to trust");
    assert_eq!(typed(&["--ca", &of("ca.pem"), "--cert", &of("client.pem")]).await, Some(2), "half of a pair");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_replaced_without_a_restart() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    for (name, authority) in [("ca", None), ("next-ca", None), ("server", Some("ca")), ("next", Some("next-ca"))] {
        certificate(path, name, authority);
    }
    let of = |name: &str| path.join(name).display().to_string();
    let mut world = World::new("certificates").await;
    let settings = [("MEDIA__GRPC__TLS__CERT_FILE", of("server.pem")), ("MEDIA__GRPC__TLS__KEY_FILE", of("server.key"))];
    let api = world.start(Binary::Api, &settings.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    called(&world, path, "ca", None, TOKEN).await.unwrap();
    assert!(unheard(called(&world, path, "next-ca", None, TOKEN).await));
    assert!((DAY..2.5 * DAY).contains(&lasts_seconds(&api).await), "it is told when the certificate ends");

    // The new certificate is there before its key: neither is used.
    std::fs::copy(path.join("next.pem"), path.join("server.pem")).unwrap();
    eventually("a look at half of a pair", LIMIT, async || {
        let log = api.log().unwrap();
        if log.contains("the certificates cannot be used: those before stay") { Ok(()) } else { Err(log.lines().count()) }
    })
    .await;
    called(&world, path, "ca", None, TOKEN).await.unwrap();
    std::fs::copy(path.join("next.key"), path.join("server.key")).unwrap();
    eventually("the new certificate", LIMIT, async || called(&world, path, "next-ca", None, TOKEN).await).await;
    assert!(unheard(called(&world, path, "ca", None, TOKEN).await), "the old one is not shown any more");
    eventually("it is told when the new one ends", LIMIT, async || {
        let lasts = lasts_seconds(&api).await;
        if (4.0 * DAY..5.5 * DAY).contains(&lasts) { Ok(()) } else { Err(lasts) }
    })
    .await;
}
