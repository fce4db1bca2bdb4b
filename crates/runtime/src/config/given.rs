//! A value of settings as serde reads it.
//!
//! Promises: an error says what is expected, and nothing of what was given, which may be a secret at the wrong place; and
//! an empty text given for an `Option` is `None`, for files of settings have no null.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserializer, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use toml::Value;

pub(super) struct Given(pub Value);

/// What was expected.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refusal(String);

impl Refusal {
    fn expects(what: &dyn Expected) -> Self {
        Self(format!("expects {}", in_plain_words(&what.to_string())))
    }

    fn expects_one_of(words: &[&str]) -> Self {
        Self(format!("expects one of {}", listed(words)))
    }

    pub(super) fn expected(&self) -> &str {
        self.0.strip_prefix("expects ").unwrap_or(&self.0)
    }

    /// The field that a table lacks.
    pub(super) fn missing(&self) -> Option<&str> {
        self.0.strip_prefix("missing field `")?.strip_suffix('`')
    }
}

impl de::Error for Refusal {
    /// A message of a type's own may repeat the value.
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self("does not fit".to_owned())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::expects(expected)
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::expects(expected)
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::expects_one_of(expected)
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self(format!("there is no such setting among {}", listed(expected)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self(format!("missing field `{field}`"))
    }
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// What serde calls Rust's types, with their limits.
fn in_plain_words(expected: &str) -> &str {
    match expected {
        "a string" => "a text",
        "path string" => "a path",
        "a boolean" => "true or false",
        "a duration" => "a duration (`250ms`, `30s`, `5m`, `24h`, `7d`)",
        "socket address" => "an address with a port",
        "a string representing an URL" => "a URL",
        "IPv4 or IPv6 network address" => "a network (`10.20.0.0/16`)",
        "a sequence" => "a list",
        "f64" => "a number",
        "u16" => "a whole number from 0 to 65535",
        "a nonzero u16" => "a whole number from 1 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "a nonzero u32" => "a whole number from 1 to 4294967295",
        "i32" => "a whole number up to 2147483647",
        "u64" | "usize" => "a whole number from 0",
        other => other,
    }
}

impl<'de> IntoDeserializer<'de, Refusal> for Given {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Given {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        // Taken before: a type may say in words of its own what is wrong, and quote.
        let refusal = Refusal::expects(&visitor);
        match self.0 {
            Value::String(text) => visitor.visit_string::<Refusal>(text).map_err(|_| refusal),
            Value::Integer(number) => visitor.visit_i64::<Refusal>(number).map_err(|_| refusal),
            Value::Float(number) => visitor.visit_f64::<Refusal>(number).map_err(|_| refusal),
            Value::Boolean(truth) => visitor.visit_bool::<Refusal>(truth).map_err(|_| refusal),
            Value::Datetime(moment) => visitor.visit_string::<Refusal>(moment.to_string()).map_err(|_| refusal),
            Value::Array(list) => visitor.visit_seq(SeqDeserializer::new(list.into_iter().map(Given))),
            Value::Table(table) => visitor.visit_map(MapDeserializer::new(table.into_iter().map(|(key, value)| (key, Given(value))))),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0 {
            Value::String(text) if text.is_empty() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match self.0 {
            Value::Table(_) => self.deserialize_any(visitor),
            _ => Err(Refusal(format!("expects a table of {}", listed(fields)))),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match self.0 {
            Value::String(text) => visitor.visit_enum(text.into_deserializer()),
            _ => Err(Refusal::expects_one_of(variants)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}
