//! How values lie in a database, whichever it is: times as milliseconds since 1970, counts as signed integers, words of
//! enums and JSON as text. No database may enter.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::{Result, StoreError};

pub(super) fn time(millis: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_millis(millis).ok_or_else(|| StoreError::Damaged(format!("{millis} is no time")))
}

pub(super) fn optional_time(millis: Option<i64>) -> Result<Option<DateTime<Utc>>> {
    millis.map(time).transpose()
}

pub(super) fn millis(at: Option<DateTime<Utc>>) -> Option<i64> {
    at.map(|at| at.timestamp_millis())
}

/// The databases' integers are signed. What we count starts at zero and never reaches the other half.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| StoreError::Damaged(format!("{value} is below zero")))
}

pub(super) fn at_most(what: &'static str, given: usize, limit: usize) -> Result<()> {
    if given > limit {
        return Err(StoreError::TooMuch { what, given, limit });
    }
    Ok(())
}

/// Words of others that are only shown. PostgreSQL keeps no U+0000 in a text and SQLite does, so that one vendor's answer
/// would end a run here and not there: both keep the sign for it in its place.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{2400}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Refuses U+0000 in what something is known by: with another character in its place it would be known by another name.
pub(super) fn known_by<'a>(what: &'static str, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    if names.into_iter().any(|name| name.contains('\0')) {
        return Err(StoreError::Unstorable { what });
    }
    Ok(())
}

/// The database's word for a value that serde knows by name (kebab-case or lower-case enums).
pub(super) fn word<T: serde::Serialize>(value: &T) -> Result<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        other => Err(StoreError::Damaged(format!("no word for {other:?}"))),
    }
}

pub(super) fn from_word<T: serde::de::DeserializeOwned>(word: String) -> Result<T> {
    serde_json::from_value(serde_json::Value::String(word))
        .map_err(|error| StoreError::Damaged(error.to_string()))
}

/// A record's JSON. What cannot be written as JSON is a fault of ours, and nothing is kept.
pub(super) fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Damaged(error.to_string()))
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| StoreError::Damaged(error.to_string()))
}

/// A tenant as it is stored: `''` is the host itself, since no tenant has an empty name and no key may be null.
pub(super) fn or_host(tenant: Option<&str>) -> &str {
    tenant.unwrap_or("")
}

pub(super) fn from_host(tenant: String) -> Option<String> {
    (!tenant.is_empty()).then_some(tenant)
}
