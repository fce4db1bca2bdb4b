//! RabbitMQ 3.10 with its management API, which makes a vhost in milliseconds where `rabbitmqctl` takes seconds.

use std::ffi::OsString;
use std::path::Path;

use reqwest::{Client, Method, RequestBuilder};

use crate::folder::{make_folder, write_file};
use crate::place::Place;
use crate::ports::Port;
use crate::postgres::local_url;
use crate::supervise::{Farewell, Launch, ServerProcess};
use crate::{DevstackError, RabbitMqInfo, Server};

/// Not the one in the search path: that is a wrapper that wants to be root.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const NAME_SERVER: &str = "/usr/bin/epmd";
const USER: &str = "media";
const PASSWORD: &str = "media";

/// Schedulers that spin while they wait, and queues of tests that are over, each of which tells its figures every five seconds, take the cores
/// from the tests. Nobody reads those figures here.
const AT_REST: &str =
    "+sbwt none +sbwtdcpu none +sbwtdio none -rabbit quorum_tick_interval 60000 -rabbit collect_statistics_interval 60000";

pub(crate) fn prepare(place: &Place<'_>) -> Result<(), DevstackError> {
    for folder in ["mnesia", "log"] {
        make_folder(&place.path(folder))?;
    }
    write_file(&place.path("enabled_plugins"), "[rabbitmq_management].\n")?;
    let settings = format!(
        "listeners.tcp.default = 127.0.0.1:{amqp}\n\
         management.tcp.ip = 127.0.0.1\n\
         management.tcp.port = {management}\n\
         default_user = {USER}\n\
         default_pass = {PASSWORD}\n\
         disk_free_limit.absolute = 50MB\n\
         management_agent.disable_metrics_collector = true\n\
         log.file = false\n\
         log.console = true\n",
        amqp = place.port(Port::Amqp),
        management = place.port(Port::Management),
    );
    write_file(&place.path("rabbitmq.conf"), &settings)
}

/// Erlang would start its name server as a daemon, in a session that nobody ends: so it is started first, in the foreground.
pub(crate) fn launch(place: &Place<'_>) -> Result<Vec<ServerProcess>, DevstackError> {
    let epmd = Launch {
        server: Server::RabbitMq,
        program: Path::new(NAME_SERVER),
        args: vec!["-address".into(), "127.0.0.1".into(), "-port".into(), number(place, Port::Epmd)],
        env: vec![],
        folder: &place.folder,
        log: place.path("epmd.txt"),
        farewell: Farewell::Kill,
    };
    let broker = Launch {
        server: Server::RabbitMq,
        program: Path::new(PROGRAM),
        args: vec![],
        env: vec![
            ("RABBITMQ_NODENAME", "media@localhost".into()),
            ("RABBITMQ_DIST_PORT", number(place, Port::ErlangDistribution)),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
            ("ERL_EPMD_PORT", number(place, Port::Epmd)),
            ("RABBITMQ_CONFIG_FILE", place.path("rabbitmq").into()),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", place.path("enabled_plugins").into()),
            ("RABBITMQ_MNESIA_BASE", place.path("mnesia").into()),
            ("RABBITMQ_LOG_BASE", place.path("log").into()),
            ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", AT_REST.into()),
        ],
        folder: &place.folder,
        log: place.log(),
        farewell: Farewell::Kill,
    };
    Ok(vec![epmd.start()?, broker.start()?])
}

/// The management plugin is started last; the listeners open after it. Both must answer.
pub(crate) async fn probe(place: &Place<'_>) -> Result<(), DevstackError> {
    let info = info(place)?;
    call(&info, Method::GET, &["overview"], None).await?;
    tokio::net::TcpStream::connect(("127.0.0.1", place.port(Port::Amqp)))
        .await
        .map(drop)
        .map_err(DevstackError::system("connecting to RabbitMQ"))
}

pub(crate) fn info(place: &Place<'_>) -> Result<RabbitMqInfo, DevstackError> {
    Ok(RabbitMqInfo {
        url: local_url(&format!("amqp://{USER}:{PASSWORD}@127.0.0.1"), place.port(Port::Amqp), "")?,
        management_url: local_url(&format!("http://{USER}:{PASSWORD}@127.0.0.1"), place.port(Port::Management), "/")?,
    })
}

/// Makes a vhost in which the stack's user may do everything.
pub(crate) async fn make_vhost(info: &RabbitMqInfo, vhost: &str) -> Result<(), DevstackError> {
    call(info, Method::PUT, &["vhosts", vhost], Some("{}")).await?;
    let all = r#"{"configure":".*","write":".*","read":".*"}"#;
    call(info, Method::PUT, &["permissions", vhost, info.url.username()], Some(all)).await
}

async fn call(info: &RabbitMqInfo, method: Method, path: &[&str], body: Option<&'static str>) -> Result<(), DevstackError> {
    let doing = format!("{method} {} of RabbitMQ's management API", path.join("/"));
    let failed = |error: reqwest::Error| DevstackError::server(&doing, error.without_url());
    let mut request = request(info, method, path)?;
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body);
    }
    request.send().await.and_then(reqwest::Response::error_for_status).map(drop).map_err(failed)
}

/// The client takes user and password from the URL.
fn request(info: &RabbitMqInfo, method: Method, path: &[&str]) -> Result<RequestBuilder, DevstackError> {
    let mut url = info.management_url.clone();
    url.path_segments_mut()
        .map_err(|()| DevstackError::server("addressing RabbitMQ's management API", "its URL has no path"))?
        .pop_if_empty()
        .push("api")
        .extend(path);
    Ok(Client::new().request(method, url))
}

fn number(place: &Place<'_>, port: Port) -> OsString {
    place.port(port).to_string().into()
}
