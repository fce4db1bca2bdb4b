//! A broker for one test, and the values that tests publish.

use std::time::Duration;

use lapin::{Channel, Connection, ConnectionProperties};
use media_devstack::StackInfo;
use media_domain::{AssetId, EventId, TenantId, command::Delay, event::Aggregate, work::Queue};
use media_messaging::{AmqpConfig, Broker, Outbound, OutboundCommand, OutboundEvent, topology::Topology};
use secrecy::ExposeSecret;
use time::OffsetDateTime;

/// No wait of a test is longer than this, unless it says so.
pub const LIMIT: Duration = Duration::from_secs(20);
/// What the delay of ten seconds is in tests.
pub const SHORT_HOLD: Duration = Duration::from_millis(700);

pub fn tenant() -> TenantId {
    TenantId("7d444840-9dc0-11d1-b245-5ffdce74fad2".parse().unwrap())
}

pub struct Place {
    pub config: AmqpConfig,
}

impl Place {
    /// In the stack that all tests share.
    pub async fn of(test: &str) -> Self {
        Self::within(&StackInfo::from_env().unwrap(), test).await
    }

    pub async fn within(stack: &StackInfo, test: &str) -> Self {
        Self { config: AmqpConfig::at(stack.isolated(test).await.unwrap().amqp_url()) }
    }

    pub async fn broker(&self) -> Broker {
        Broker::connect_with(&self.config, "test", short_delays()).await.unwrap()
    }

    /// A client that is not ours, to look with.
    pub async fn bystander(&self) -> (Connection, Channel) {
        let connection = Connection::connect(self.config.url.expose_secret(), ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        (connection, channel)
    }
}

pub fn short_delays() -> Topology {
    Topology::holding(|delay| if delay == Delay::TenSeconds { SHORT_HOLD.as_millis() as u32 } else { delay.millis() })
}

pub fn event(asset: AssetId, sequence: u64) -> Outbound {
    Outbound::Event(OutboundEvent {
        id: EventId::generate(),
        event_type: "media.asset.ready.v1".to_owned(),
        aggregate: Aggregate::Asset(asset),
        tenant: tenant(),
        time: OffsetDateTime::now_utc(),
        sequence,
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        correlation_id: None,
        causation_id: None,
        data: serde_json::json!({"assetId": asset.to_string(), "kind": "video"}),
    })
}

pub fn command(queue: Queue, delay: Option<Delay>) -> Outbound {
    Outbound::Command(OutboundCommand {
        id: EventId::generate(),
        tenant: tenant(),
        queue,
        delay,
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        body: serde_json::json!({"workId": EventId::generate().to_string()}),
    })
}

pub async fn within<T>(limit: Duration, what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, wait).await.unwrap_or_else(|_| panic!("not within {limit:?}: {what}"))
}
