//! One test's own world: database, vhost, buckets, and those of our binaries that it starts.

use std::time::Duration;

use media_devstack::{Binary, DatabaseRole, Fleet, Isolated, Service, StackInfo};
use media_domain::TenantId;
use media_messaging::{AmqpConfig, Broker};
use sqlx::PgPool;
use uuid::Uuid;

use super::{Caller, Consumer, eventually};

/// How long servers and services may take to be there.
const LIMIT: Duration = Duration::from_secs(60);

pub struct World {
    pub fleet: Fleet,
    services: Vec<Service>,
    is_declared: bool,
}

impl World {
    /// An environment with nothing started in it yet. Leases are short, so that a lost worker's work goes on soon.
    pub async fn new(name: &str) -> Self {
        let stack = StackInfo::from_env().unwrap();
        Self::on(stack.isolated(name).await.unwrap())
    }

    pub fn on(isolated: Isolated) -> Self {
        let mut fleet = Fleet::new(isolated).unwrap();
        fleet.set("MEDIA__WORKER__LEASE", "6s");
        fleet.set("MEDIA__WORKER__HEARTBEAT", "1s");
        fleet.set("MEDIA__WORKER__IDLE_POLL", "2s");
        fleet.set("MEDIA__SWEEPS__WORK_EVERY", "1s");
        fleet.set("MEDIA__SWEEPS__STORAGE_EVERY", "1s");
        fleet.set("MEDIA__SWEEPS__IDLE_AFTER", "5s");
        fleet.set("MEDIA__SWEEPS__RESTORES_EVERY", "1s");
        Self { fleet, services: Vec::new(), is_declared: false }
    }

    /// As [`new`](Self::new), with these binaries running until the world ends.
    pub async fn with(name: &str, binaries: &[Binary]) -> Self {
        let mut world = Self::new(name).await;
        world.start_all(binaries).await;
        world
    }

    pub async fn start_all(&mut self, binaries: &[Binary]) {
        self.declare_for(binaries).await;
        let mut services: Vec<Service> = binaries.iter().map(|binary| self.fleet.launch(*binary, &[]).unwrap()).collect();
        for service in &mut services {
            service.ready(LIMIT).await.unwrap_or_else(|error| panic!("{error}"));
        }
        self.services.extend(services);
    }

    /// Starts one that the test itself holds, with settings of its own.
    pub async fn start(&mut self, binary: Binary, settings: &[(&str, &str)]) -> Service {
        self.declare_for(&[binary]).await;
        self.fleet.start(binary, settings).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Declares exchanges and queues before the first service that would: a service ends that has not done it within 15 s, and a broker
    /// that many tests ask for new queues at once may take longer.
    async fn declare_for(&mut self, binaries: &[Binary]) {
        if self.is_declared || !binaries.iter().any(|binary| binary.speaks_amqp()) {
            return;
        }
        let config = AmqpConfig::at(self.isolated().amqp_url());
        eventually("the broker has the topology", LIMIT, async || Broker::connect(&config, "journey").await.map(drop)).await;
        self.is_declared = true;
    }

    pub fn isolated(&self) -> &Isolated {
        self.fleet.isolated()
    }

    /// A caller of a tenant that nobody else is.
    pub async fn caller(&self) -> Caller {
        Caller::connect(&self.fleet.grpc_url(), TenantId(Uuid::new_v4())).await
    }

    /// SQL as the superuser, who sees all tenants.
    pub async fn sql(&self) -> PgPool {
        PgPool::connect(self.isolated().database_url(DatabaseRole::Superuser).as_str()).await.unwrap()
    }

    /// All that the services have logged so far that the world runs itself.
    pub fn logs(&self) -> String {
        self.services.iter().map(|service| service.log().unwrap()).collect()
    }

    /// Follows all events from now on.
    pub async fn consumer(&self) -> Consumer {
        Consumer::follow(self.isolated().amqp_url().as_str()).await
    }
}

/// A journey that fails says what the services had to say.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for service in &self.services {
                let log = service.log().unwrap();
                let loud: Vec<&str> = log.lines().filter(|line| !line.contains("\"level\":\"INFO\"")).collect();
                println!(
                    "--- {}: {} lines, of which these are above INFO\n{}",
                    service.binary().name(),
                    log.lines().count(),
                    loud.join("\n")
                );
            }
        }
    }
}
