//! One call on its way in: what a handler is given, and the check of its JSON body.

use http::{HeaderMap, header};
use serde_json::{Map, Value};

use super::discovery::SCHEMAS;
use super::error::ApiError;
use super::operations::Query;
use crate::faults::Fault;

/// What every handler is given.
pub(super) struct Inbound<'a> {
    /// The keys in the path, decoded, in order.
    pub keys: &'a [String],
    pub query: &'a Query,
    /// The body, checked against its schema; nulls are left out.
    pub body: Map<String, Value>,
    pub now_ms: u64,
    /// A fault that a list carries out.
    pub fault: Option<&'a Fault>,
}

impl Inbound<'_> {
    /// The key at this place; the route guarantees that it is there.
    pub(super) fn key(&self, at: usize) -> &str {
        self.keys.get(at).map_or("", String::as_str)
    }

    /// A text property of the body; the schema guarantees that it is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Value::as_str)
    }
}

/// Reads a body that has to be a JSON object of this schema. Unknown properties are refused, as Google
/// does; so are wrong types.
pub(super) fn read_body(
    schema: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Map<String, Value>, ApiError> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    if body.is_empty() {
        return Ok(Map::new());
    }
    if essence != "application/json" {
        return Err(ApiError::new(
            400,
            "badContent",
            format!("Unsupported content with type: {content_type}"),
        ));
    }
    let value: Value =
        serde_json::from_slice(body).map_err(|_| ApiError::new(400, "parseError", "Parse Error"))?;
    let what = schema.to_lowercase();
    let Value::Object(object) = value else {
        return Err(ApiError::new(400, "parseError", "Parse Error"));
    };
    check_object(&object, SCHEMAS.get(schema).unwrap_or(&Value::Null), &what)?;
    Ok(object.into_iter().filter(|(_, value)| !value.is_null()).collect())
}

fn check_object(object: &Map<String, Value>, schema: &Value, at: &str) -> Result<(), ApiError> {
    for (name, value) in object {
        let Some(property) = schema.get("properties").and_then(|all| all.get(name)) else {
            return Err(ApiError::bad_payload(format!(
                "Invalid JSON payload received. Unknown name \"{name}\" at '{at}': Cannot find field."
            )));
        };
        check_value(value, property, &format!("{at}.{name}"))?;
    }
    Ok(())
}

fn check_value(value: &Value, schema: &Value, at: &str) -> Result<(), ApiError> {
    let wrong = |kind: &str| {
        Err(ApiError::bad_payload(format!(
            "Invalid value at '{at}' ({kind}), {value}"
        )))
    };
    if value.is_null() {
        return Ok(());
    }
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return match value {
            Value::Object(object) => check_object(object, SCHEMAS.get(name).unwrap_or(&Value::Null), at),
            _ => wrong("TYPE_MESSAGE"),
        };
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string") if !value.is_string() => wrong("TYPE_STRING"),
        Some("boolean") if !value.is_boolean() => wrong("TYPE_BOOL"),
        Some("array") => match value {
            Value::Array(items) => items
                .iter()
                .try_for_each(|item| check_value(item, schema.get("items").unwrap_or(&Value::Null), at)),
            _ => wrong("TYPE_LIST"),
        },
        _ => Ok(()),
    }
}
