//! The events: an AsyncAPI 3 document, and a JSON Schema of each one's data.
//!
//! The comment above a message in `events.proto` begins with the types whose data it is.

use std::error::Error;

use prost_types::{FieldDescriptorProto, field_descriptor_proto::Type};
use serde_json::{Map, Value, json};

use crate::contract::{Contract, File, MEMBER, MESSAGE};

const EVENTS: &str = "media/v1/events.proto";
const ULID: &str = "^[0-7][0-9A-HJKMNP-TV-Z]{25}$";
const UUID: &str = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";

pub struct Described {
    /// The CloudEvents type, which is also the routing key.
    pub kind: String,
    message: String,
    description: String,
    pub schema: Value,
}

pub fn described(contract: &Contract) -> Result<Vec<Described>, Box<dyn Error>> {
    let file = contract.files.iter().find(|file| file.descriptor.name() == EVENTS).ok_or("there is no events.proto")?;
    let mut described = Vec::new();
    for (number, message) in file.descriptor.message_type.iter().enumerate() {
        let path = [MESSAGE, i32::try_from(number)?];
        let (types, description) = match file.comment(&path).split_once("\n\n") {
            Some((types, description)) => (types, description),
            None => (file.comment(&path), ""),
        };
        for kind in types.split(' ').filter(|word| word.starts_with("media.") && word.ends_with(".v1")) {
            let description = description.replace('\n', " ");
            let schema = schema(file, &path, &message.field, kind, &description)?;
            described.push(Described { kind: kind.to_owned(), message: message.name().to_owned(), description, schema });
        }
    }
    described.sort_by(|one, other| one.kind.cmp(&other.kind));
    Ok(described)
}

fn schema(file: &File, path: &[i32], fields: &[FieldDescriptorProto], kind: &str, description: &str) -> Result<Value, Box<dyn Error>> {
    let mut properties = Map::new();
    for (number, field) in fields.iter().enumerate() {
        let comment = file.comment(&[path, &[MEMBER, i32::try_from(number)?]].concat()).replace('\n', " ");
        let mut property = type_of(field)?;
        if let (Some(property), false) = (property.as_object_mut(), comment.is_empty()) {
            property.insert("description".to_owned(), comment.into());
        }
        properties.insert(field.json_name().to_owned(), property);
    }
    let required = fields.iter().filter(|field| !field.proto3_optional()).map(FieldDescriptorProto::json_name);
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:{kind}"),
        "title": kind,
        "type": "object",
        "properties": properties,
        "required": required.collect::<Vec<_>>(),
    });
    if let (Some(schema), false) = (schema.as_object_mut(), description.is_empty()) {
        schema.insert("description".to_owned(), description.into());
    }
    Ok(schema)
}

/// As protobuf JSON has it. Names say what a text holds.
fn type_of(field: &FieldDescriptorProto) -> Result<Value, String> {
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    Ok(match (field.r#type(), field.name()) {
        (Type::String, "tenant_id") => text(UUID),
        (Type::String, "sha256") => text("^[0-9a-f]{64}$"),
        (Type::String, name) if name.ends_with("_id") || name == "reviewed_by" => text(ULID),
        (Type::String, _) => json!({ "type": "string" }),
        (Type::Int32, _) => json!({ "type": "integer" }),
        (Type::Int64, _) => text("^[0-9]+$"),
        (Type::Message, _) if field.type_name() == ".google.protobuf.Timestamp" => json!({ "type": "string", "format": "date-time" }),
        (other, name) => return Err(format!("no event had a {other:?} before `{name}`")),
    })
}

pub fn asyncapi(events: &[Described]) -> Result<String, serde_json::Error> {
    let (mut channels, mut operations, mut messages) = (Map::new(), Map::new(), Map::new());
    for event in events {
        let name = key(&event.kind);
        channels.insert(
            name.clone(),
            json!({
                "address": event.kind,
                "messages": { name.as_str(): { "$ref": format!("#/components/messages/{name}") } },
                "bindings": { "amqp": {
                    "is": "routingKey",
                    "exchange": { "name": "media.events", "type": "topic", "durable": true, "autoDelete": false },
                    "bindingVersion": "0.3.0",
                } },
            }),
        );
        operations.insert(
            format!("send-{name}"),
            json!({
                "action": "send",
                "channel": { "$ref": format!("#/channels/{name}") },
                "messages": [{ "$ref": format!("#/channels/{name}/messages/{name}") }],
                "bindings": { "amqp": { "deliveryMode": 2, "bindingVersion": "0.3.0" } },
            }),
        );
        let mut message = json!({
            "name": event.kind,
            "title": event.message,
            "contentType": "application/json",
            "headers": { "$ref": "#/components/schemas/headers" },
            "correlationId": { "$ref": "#/components/correlationIds/correlation" },
            "payload": { "$ref": format!("./schemas/{}.json", event.kind) },
        });
        if let (Some(message), false) = (message.as_object_mut(), event.description.is_empty()) {
            message.insert("description".to_owned(), event.description.as_str().into());
        }
        messages.insert(name, message);
    }
    serde_json::to_string_pretty(&json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Events of the media service",
            "version": "v1",
            "description": "CloudEvents 1.0 in the binary mode of their AMQP binding. At least once; in order per subject, by `sequence`. \
                            Additive within v1: a field or a type may be added, none is renamed, retyped or removed.",
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": { "headers": headers() },
            "correlationIds": { "correlation": { "location": "$message.header#/cloudEvents_correlationid" } },
        },
    }))
}

/// Names of AsyncAPI's maps have no dots.
fn key(kind: &str) -> String {
    kind.replace('.', "-")
}

fn headers() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let word = |value: &str| json!({ "type": "string", "const": value });
    json!({
        "type": "object",
        "required": [
            "cloudEvents_specversion", "cloudEvents_id", "cloudEvents_source", "cloudEvents_type", "cloudEvents_subject", "cloudEvents_time",
            "cloudEvents_tenantid", "cloudEvents_partitionkey", "cloudEvents_sequence", "cloudEvents_sequencetype",
        ],
        "properties": {
            "cloudEvents_specversion": word("1.0"),
            "cloudEvents_id": {
                "type": "string", "pattern": ULID,
                "description": "The same at every delivery and replay: what a consumer's inbox is keyed by. Also AMQP's message-id.",
            },
            "cloudEvents_source": word("/media"),
            "cloudEvents_type": text("Also the routing key."),
            "cloudEvents_subject": text("What it is about: an asset's ULID, or a tenant's UUID."),
            "cloudEvents_time": { "type": "string", "format": "date-time", "description": "When it was committed." },
            "cloudEvents_tenantid": { "type": "string", "pattern": UUID },
            "cloudEvents_partitionkey": text("The subject."),
            "cloudEvents_sequence": {
                "type": "string", "pattern": "^[0-9]{10}$",
                "description": "1, 2, 3 … of the subject: a number that is left out is an event that has not come, one that is not higher came before.",
            },
            "cloudEvents_sequencetype": word("Integer"),
            "cloudEvents_traceparent": text("W3C Trace Context."),
            "cloudEvents_correlationid": text("What it belongs to."),
            "cloudEvents_causationid": text("The message that caused it."),
        },
    })
}
