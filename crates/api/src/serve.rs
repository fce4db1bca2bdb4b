//! From settings to two open ports, and to their end: on a stop, nothing new is taken, calls finish, streams end.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use media_blobs::Blobs;
use media_runtime::Context;
use media_storage::Database;
use time::OffsetDateTime;
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{MissedTickBehavior, interval},
};
use tonic::{
    service::Routes,
    transport::{Server, server::TcpIncoming},
};
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    auth::{JwtKeys, follow_jwks_file},
    config::ApiConfig,
    door::{
        delivery::Delivery,
        epochs::Epochs,
        routes::{self as door, Door},
    },
    grpc::{self, Api, upload_places::UploadPlaces, watchers::Watchers},
    keyring::Keyring,
    rate_limit::RateLimit,
    tls::{ServerTls, handshakes},
};

const NAME: &str = "media-api";

/// What grpc.health.v1 tells of; the empty name is the server as a whole.
const SERVICES: [&str; 10] = [
    "",
    "media.v1.UploadService",
    "media.v1.AssetService",
    "media.v1.PlaybackService",
    "media.v1.CaptionService",
    "media.v1.TranscriptService",
    "media.v1.AiArtifactService",
    "media.v1.OperationsService",
    "media.v1.QuarantineService",
    "media.v1.RetentionService",
];

/// How often Postgres and the store are asked whether they are there.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// An idle connection is asked whether it lives, so that streams of clients that are gone end.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls at once on one connection.
const MAX_CALLS_PER_CONNECTION: u32 = 500;
const MAX_HEADER_BYTES: u32 = 32 << 10;

pub async fn serve(cx: Context<ApiConfig>) -> anyhow::Result<()> {
    let config = cx.config.clone();
    let keys = Keyring::new(&config.playback.keys).context("playback.keys was not checked")?;
    let public_url = config.playback.public_url.clone().context("playback.public_url was not checked")?;
    let database = Database::connect(&config.database, NAME)?;
    let blobs = Blobs::connect(&config.s3)?;
    // Known from the start: an instance whose ports are closed is not ready, whatever its dependencies are.
    let ports = cx.health.component("ports");
    let (reporter, health) = tonic_health::server::health_reporter();
    look_after_dependencies(&cx, database.clone(), blobs.clone(), reporter);

    let key_set = || cx.health.component("key set");
    let jwt_keys = Arc::new(JwtKeys::load(&config.auth, key_set).await.context("auth.jwks_file or auth.jwks.url cannot be used")?);
    if let Some(url) = jwt_keys.url() {
        let stop = cx.shutdown.soft.clone();
        cx.spawn_critical("key set", async move {
            url.follow(stop).await;
            Ok(())
        });
    }
    if let Some(path) = config.auth.jwks_file.clone() {
        let (jwt_keys, stop) = (Arc::clone(&jwt_keys), cx.shutdown.soft.clone());
        cx.spawn_critical("key set", async move {
            follow_jwks_file(jwt_keys, path, stop).await;
            Ok(())
        });
    }
    let watchers = Watchers::new(cx.shutdown.soft.clone(), config.watch.streams_max);
    cx.spawn_critical("watchers", {
        let (watchers, database) = (Arc::clone(&watchers), database.clone());
        async move {
            watchers.run(database).await;
            Ok(())
        }
    });

    let door = Arc::new(Door {
        keys: keys.clone(),
        epochs: Epochs::new(database.clone()),
        blobs: blobs.clone(),
        delivery: Delivery::new(&config.playback).context("the CDN's signatures cannot be made")?,
        proxy_streams: Arc::new(Semaphore::new(config.playback.proxy_streams_max)),
        clock: Box::new(OffsetDateTime::now_utc),
    });
    let door = door::routes(door, &config.playback.cors_origins);
    let rate_limit = Arc::new(RateLimit::new(config.rate_limit));
    cx.spawn_critical("rate limit", {
        let (rate_limit, stop) = (Arc::clone(&rate_limit), cx.shutdown.soft.clone());
        async move {
            stop.run_until_cancelled(rate_limit.forget_the_idle()).await;
            Ok(())
        }
    });
    let uploads = UploadPlaces::new(config.uploads.streams_max, config.uploads.idle_max);
    let profiles = config.profiles.load()?;
    let import_rules = config.import.clone();
    let api = Arc::new(Api { database: database.clone(), blobs, keys, public_url, watchers, rate_limit, uploads, import_rules, profiles });
    let services = grpc::routes(api, jwt_keys, Routes::new(health)).context("the services cannot be described")?;

    let tls = ServerTls::load(&config.grpc.tls).await.context("grpc.tls cannot be used")?.map(Arc::new);
    if let Some(tls) = tls.clone() {
        let stop = cx.shutdown.soft.clone();
        cx.spawn_critical("certificates", async move {
            tls.follow(stop).await;
            Ok(())
        });
    }
    let grpc_port =
        TcpListener::bind(config.grpc.listen).await.with_context(|| format!("grpc.listen {} cannot be opened", config.grpc.listen))?;
    let http_port =
        TcpListener::bind(config.http.listen).await.with_context(|| format!("http.listen {} cannot be opened", config.http.listen))?;
    tracing::info!(grpc.listen = %grpc_port.local_addr()?, http.listen = %http_port.local_addr()?, "the ports are open");
    ports.ready();

    let calls = async {
        let server = Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .max_concurrent_streams(MAX_CALLS_PER_CONNECTION)
            .http2_max_header_list_size(MAX_HEADER_BYTES)
            .add_routes(services);
        let incoming = TcpIncoming::from(grpc_port).with_nodelay(Some(true));
        let stop = cx.shutdown.soft.cancelled();
        match tls {
            Some(tls) => server.serve_with_incoming_shutdown(handshakes(tls, incoming), stop).await,
            None => server.serve_with_incoming_shutdown(incoming, stop).await,
        }
        .context("the gRPC port died")
    };
    let players = async {
        axum::serve(http_port, door).with_graceful_shutdown(cx.shutdown.soft.clone().cancelled_owned()).await.context("the HTTP port died")
    };
    tokio::select! {
        ended = async { tokio::try_join!(calls, players) } => { ended?; }
        () = cx.shutdown.hard.cancelled() => {}
    }
    database.close().await;
    Ok(())
}

/// Keeps `/readyz` and grpc.health.v1 true about Postgres and the store.
fn look_after_dependencies(cx: &Context<ApiConfig>, database: Database, blobs: Blobs, reporter: HealthReporter) {
    let (postgres, store) = (cx.health.component("postgres"), cx.health.component("s3"));
    let (health, stop) = (cx.health.clone(), cx.shutdown.soft.clone());
    cx.spawn_critical("readiness", async move {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => {
                    report(&reporter, ServingStatus::NotServing).await;
                    return Ok(());
                }
                _ = ticks.tick() => {}
            }
            let (database, blobs) = tokio::join!(database.check(), blobs.check());
            match database {
                Ok(()) => postgres.ready(),
                Err(error) => postgres.not_ready(error.to_string()),
            }
            match blobs {
                Ok(()) => store.ready(),
                Err(error) => store.not_ready(error.to_string()),
            }
            let ready = health.missing().is_empty();
            report(&reporter, if ready { ServingStatus::Serving } else { ServingStatus::NotServing }).await;
        }
    });
}

async fn report(reporter: &HealthReporter, status: ServingStatus) {
    for service in SERVICES {
        reporter.set_service_status(service, status).await;
    }
}
