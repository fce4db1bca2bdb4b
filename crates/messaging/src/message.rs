//! What goes over the wire, and how: CloudEvents 1.0 in the binary mode of their AMQP binding, and commands.
//!
//! Attributes are headers `cloudEvents_NAME` and hold text (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/amqp-protocol-binding.md>,
//! section 3.1; the underscore is the one of its two prefixes that JMS clients can read). The data's content type is AMQP's own property.

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};
use media_domain::{EventId, TenantId, command::Delay, event::Aggregate, work::Queue};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use crate::{PublishError, topology};

const PREFIX: &str = "cloudEvents_";
const SOURCE: &str = "/media";
const JSON: &str = "application/json";
const TRACEPARENT: &str = "traceparent";
/// Of a command: whose work it is.
pub(crate) const TENANT: &str = "tenantid";
/// AMQP's delivery mode "persistent".
const PERSISTENT: u8 = 2;

/// Something to publish.
#[derive(Clone, Debug)]
pub enum Outbound {
    Event(OutboundEvent),
    Command(OutboundCommand),
}

/// A fact, for everyone who binds a queue. It counts as published also when nobody did.
#[derive(Clone, Debug)]
pub struct OutboundEvent {
    pub id: EventId,
    /// Also the routing key.
    pub event_type: String,
    /// The CloudEvent's `subject` and `partitionkey`.
    pub aggregate: Aggregate,
    pub tenant: TenantId,
    /// When the fact was committed.
    pub time: OffsetDateTime,
    /// 1, 2, 3 … per aggregate.
    pub sequence: u64,
    /// As in W3C Trace Context.
    pub traceparent: Option<String>,
    pub correlation_id: Option<String>,
    pub causation_id: Option<String>,
    /// Protobuf JSON.
    pub data: serde_json::Value,
}

/// A wish to one worker. It counts as published only when a queue has it.
#[derive(Clone, Debug)]
pub struct OutboundCommand {
    pub id: EventId,
    /// Whose work it is: for whoever finds the message among the dead letters.
    pub tenant: TenantId,
    pub queue: Queue,
    /// How long the broker holds it back.
    pub delay: Option<Delay>,
    pub traceparent: Option<String>,
    pub body: serde_json::Value,
}

/// A command as a worker receives it.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// What an inbox keys on. `None` if whoever published it gave none of ours.
    pub message_id: Option<EventId>,
    pub traceparent: Option<String>,
    /// The broker has delivered it before, perhaps to a worker that died.
    pub redelivered: bool,
    pub body: Vec<u8>,
}

/// An event as a consumer receives it.
#[derive(Clone, Debug, PartialEq)]
pub struct CloudEvent {
    pub id: EventId,
    pub event_type: String,
    pub source: String,
    pub subject: String,
    pub tenant: TenantId,
    pub time: OffsetDateTime,
    pub sequence: u64,
    pub traceparent: Option<String>,
    pub correlation_id: Option<String>,
    pub causation_id: Option<String>,
    pub data: serde_json::Value,
}

/// A message as AMQP takes it.
pub(crate) struct Wire {
    pub exchange: &'static str,
    pub routing_key: ShortString,
    pub mandatory: bool,
    pub properties: BasicProperties,
    pub body: Vec<u8>,
}

impl Outbound {
    pub const fn id(&self) -> EventId {
        match self {
            Outbound::Event(event) => event.id,
            Outbound::Command(command) => command.id,
        }
    }

    pub(crate) fn to_wire(&self) -> Result<Wire, PublishError> {
        match self {
            Outbound::Event(event) => event.to_wire(),
            Outbound::Command(command) => Ok(command.to_wire()),
        }
    }
}

impl OutboundEvent {
    fn to_wire(&self) -> Result<Wire, PublishError> {
        let routing_key =
            ShortString::try_new(self.event_type.as_str()).map_err(|_| PublishError::Malformed("the type is longer than 255 bytes"))?;
        let time = self.time.to_offset(UtcOffset::UTC);
        let rfc3339 = time.format(&Rfc3339).map_err(|_| PublishError::Malformed("the time has a year that RFC 3339 cannot write"))?;
        let seconds = u64::try_from(time.unix_timestamp()).map_err(|_| PublishError::Malformed("the time is before 1970"))?;

        let mut headers = FieldTable::default();
        let mut attribute = |name: &str, value: &str| {
            headers.insert(format!("{PREFIX}{name}").into(), AMQPValue::LongString(value.into()));
        };
        let subject = self.aggregate.to_string();
        attribute("specversion", "1.0");
        attribute("id", &self.id.to_string());
        attribute("source", SOURCE);
        attribute("type", &self.event_type);
        attribute("subject", &subject);
        attribute("time", &rfc3339);
        attribute("tenantid", &self.tenant.to_string());
        attribute("partitionkey", &subject);
        attribute("sequence", &format!("{:010}", self.sequence));
        attribute("sequencetype", "Integer");
        let optional = [(TRACEPARENT, &self.traceparent), ("correlationid", &self.correlation_id), ("causationid", &self.causation_id)];
        for (name, value) in optional {
            if let Some(value) = value {
                attribute(name, value);
            }
        }
        Ok(Wire {
            exchange: topology::EVENTS,
            routing_key,
            mandatory: false,
            properties: properties(self.id, headers).with_timestamp(seconds),
            body: self.data.to_string().into_bytes(),
        })
    }
}

impl OutboundCommand {
    fn to_wire(&self) -> Wire {
        let mut headers = FieldTable::default();
        headers.insert(TENANT.into(), AMQPValue::LongString(self.tenant.to_string().into()));
        if let Some(traceparent) = &self.traceparent {
            headers.insert(TRACEPARENT.into(), AMQPValue::LongString(traceparent.as_str().into()));
        }
        Wire {
            exchange: topology::COMMANDS,
            routing_key: self.queue.routing_key(self.delay).into(),
            mandatory: true,
            properties: properties(self.id, headers).with_type(self.queue.command_type().into()),
            body: self.body.to_string().into_bytes(),
        }
    }
}

fn properties(id: EventId, headers: FieldTable) -> BasicProperties {
    BasicProperties::default()
        .with_content_type(JSON.into())
        .with_delivery_mode(PERSISTENT)
        .with_message_id(id.to_string().into())
        .with_headers(headers)
}

impl Inbound {
    pub(crate) fn read(delivery: &mut lapin::message::Delivery) -> Self {
        Self {
            message_id: message_id(&delivery.properties),
            traceparent: header(&delivery.properties, TRACEPARENT),
            redelivered: delivery.redelivered,
            body: std::mem::take(&mut delivery.data),
        }
    }
}

impl CloudEvent {
    /// The event in a message; the error names the attribute that is missing or not readable.
    pub(crate) fn read(properties: &BasicProperties, body: &[u8]) -> Result<Self, &'static str> {
        let attribute = |name: &'static str| header(properties, &format!("{PREFIX}{name}"));
        Ok(Self {
            id: attribute("id").and_then(|text| text.parse().ok()).ok_or("id")?,
            event_type: attribute("type").ok_or("type")?,
            source: attribute("source").ok_or("source")?,
            subject: attribute("subject").ok_or("subject")?,
            tenant: attribute("tenantid").and_then(|text| text.parse().ok()).ok_or("tenantid")?,
            time: attribute("time").and_then(|text| OffsetDateTime::parse(&text, &Rfc3339).ok()).ok_or("time")?,
            sequence: attribute("sequence").and_then(|text| text.parse().ok()).ok_or("sequence")?,
            traceparent: attribute(TRACEPARENT),
            correlation_id: attribute("correlationid"),
            causation_id: attribute("causationid"),
            data: serde_json::from_slice(body).map_err(|_| "data")?,
        })
    }
}

pub(crate) fn message_id(properties: &BasicProperties) -> Option<EventId> {
    properties.message_id().as_ref()?.as_str().parse().ok()
}

pub(crate) fn header(properties: &BasicProperties, name: &str) -> Option<String> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> OutboundEvent {
        OutboundEvent {
            id: "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(),
            event_type: "media.asset.ready.v1".to_owned(),
            aggregate: Aggregate::Asset("01BX5ZZKBKACTAV9WEVGEMMVRZ".parse().unwrap()),
            tenant: "7d444840-9dc0-11d1-b245-5ffdce74fad2".parse().unwrap(),
            time: time::macros::datetime!(2026-11-24 22:04:05.678901 +1),
            sequence: 42,
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
            correlation_id: None,
            causation_id: Some("01ARZ3NDEKTSV4RRFFQ69G5FAA".to_owned()),
            data: serde_json::json!({"assetId": "01BX5ZZKBKACTAV9WEVGEMMVRZ", "kind": "video"}),
        }
    }

    #[test]
    fn an_event_has_the_attributes_of_the_contract() {
        let wire = event().to_wire().unwrap();
        let headers: Vec<_> = wire
            .properties
            .headers()
            .as_ref()
            .unwrap()
            .into_iter()
            .map(|(name, _)| (name.to_string(), header(&wire.properties, name.as_str()).unwrap()))
            .collect();
        let expected = [
            ("cloudEvents_causationid", "01ARZ3NDEKTSV4RRFFQ69G5FAA"),
            ("cloudEvents_id", "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
            ("cloudEvents_partitionkey", "01BX5ZZKBKACTAV9WEVGEMMVRZ"),
            ("cloudEvents_sequence", "0000000042"),
            ("cloudEvents_sequencetype", "Integer"),
            ("cloudEvents_source", "/media"),
            ("cloudEvents_specversion", "1.0"),
            ("cloudEvents_subject", "01BX5ZZKBKACTAV9WEVGEMMVRZ"),
            ("cloudEvents_tenantid", "7d444840-9dc0-11d1-b245-5ffdce74fad2"),
            ("cloudEvents_time", "2026-11-24T21:04:05.678901Z"),
            ("cloudEvents_traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            ("cloudEvents_type", "media.asset.ready.v1"),
        ];
        assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(wire.properties.content_type().as_ref().unwrap().as_str(), "application/json");
        assert_eq!(wire.properties.message_id().as_ref().unwrap().as_str(), "01ARZ3NDEKTSV4RRFFQ69G5FAV");
        assert_eq!(*wire.properties.delivery_mode(), Some(2));
        assert_eq!(*wire.properties.timestamp(), Some(1_795_554_245));
        assert_eq!((wire.exchange, wire.routing_key.as_str(), wire.mandatory), ("media.events", "media.asset.ready.v1", false));
    }

    #[test]
    fn an_event_reads_back_as_it_was_written() {
        let written = event();
        let wire = written.to_wire().unwrap();
        let read = CloudEvent::read(&wire.properties, &wire.body).unwrap();
        assert_eq!((read.id, read.time, read.sequence, &read.data), (written.id, written.time, 42, &written.data));
        assert_eq!((read.subject, read.tenant, read.correlation_id), (written.aggregate.to_string(), written.tenant, None));
    }

    #[test]
    fn an_event_of_the_tenant_itself_has_the_tenant_for_its_subject() {
        let event = OutboundEvent { aggregate: Aggregate::Tenant(event().tenant), ..event() };
        let wire = event.to_wire().unwrap();
        for name in ["subject", "partitionkey", "tenantid"] {
            assert_eq!(header(&wire.properties, &format!("{PREFIX}{name}")).unwrap(), "7d444840-9dc0-11d1-b245-5ffdce74fad2", "{name}");
        }
    }

    #[test]
    fn a_message_that_is_no_event_of_ours_names_what_is_wrong() {
        let wire = event().to_wire().unwrap();
        assert_eq!(CloudEvent::read(&BasicProperties::default(), &wire.body), Err("id"));
        assert_eq!(CloudEvent::read(&wire.properties, b"<xml>"), Err("data"));
    }

    #[test]
    fn a_type_too_long_for_a_routing_key_is_an_error_and_no_panic() {
        let event = OutboundEvent { event_type: "t".repeat(256), ..event() };
        assert!(matches!(event.to_wire(), Err(PublishError::Malformed(_))));
    }

    #[test]
    fn a_delayed_command_goes_to_its_delay_queue_and_must_arrive() {
        let command = OutboundCommand {
            id: EventId::generate(),
            tenant: event().tenant,
            queue: Queue::Transcode,
            delay: Some(Delay::OneMinute),
            traceparent: None,
            body: serde_json::json!({}),
        };
        let wire = command.to_wire();
        assert_eq!((wire.exchange, wire.routing_key.as_str(), wire.mandatory), ("media.commands", "media.transcode.delay.1m", true));
        assert_eq!(header(&wire.properties, TENANT).unwrap(), command.tenant.to_string());
    }
}
