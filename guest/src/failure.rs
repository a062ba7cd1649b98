//! The one error type of the engine: a kind that carries the retry decision, and what a person needs.
//! It mirrors `types.error` of the WIT package case by case.

use serde::{Deserialize, Serialize};

/// What a vendor answered (WIT `vendor-answer`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VendorAnswer {
    /// HTTP status.
    pub status: u16,
    /// The vendor's own reason; empty where it gave none.
    pub reason: String,
    /// The vendor's request ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// What kind of failure; decides whether a retry makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// A passing fault, still there after our own retries.
    Transient,
    /// The vendor asks for a longer pause than we wait; seconds where it gave a number.
    Throttled(Option<u64>),
    /// The host ended the run.
    Cancelled,
    /// Settings are wrong.
    Configuration,
    /// A credential was refused or lacks a scope.
    Unauthorized,
    /// The host's gate or permit refused a request.
    Denied,
    /// A vendor answered something we cannot read or must not act on.
    Vendor,
    /// The host broke a promise.
    Host,
}

/// A failure, for a person and for a retry decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Failure {
    /// What kind.
    pub kind: FailureKind,
    /// What happened and what to do.
    pub message: String,
    /// To what.
    pub place: String,
    /// The vendor's answer, where there was one.
    pub vendor: Option<VendorAnswer>,
}

impl Failure {
    /// A failure without a vendor's answer.
    pub fn new(kind: FailureKind, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            place: place.into(),
            vendor: None,
        }
    }

    /// The same failure with the vendor's answer.
    #[must_use]
    pub fn answered(mut self, vendor: VendorAnswer) -> Self {
        self.vendor = Some(vendor);
        self
    }
}
