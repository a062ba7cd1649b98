//! What a request takes of a vendor's quota, and what the answer says of it.
//!
//! Google counts calls, each part of a batch being one (Directory API, "Limits and quotas"), and says nothing of what is
//! left. Microsoft Graph counts resource units and writes; the answer says what it cost (`x-ms-resource-unit`), and once
//! more than 0.8 of the limit is used also how much (`x-ms-throttle-limit-percentage`, from 0.8 to 1.8): "Microsoft Graph
//! service-specific throttling limits", identity and access. A batch's parts say so each in headers of their own.
//! `RateLimit-Limit` and `RateLimit-Remaining` are the IETF's draft. JumpCloud publishes no number, so the room that this
//! host gives a run is counted there. What may not enter: over which time something is counted, and how much there is.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use super::decode::{Decoded, Effect};
use super::multipart;
use super::origin::Vendor;

/// Google's words for "too many" in a 403; its other 403s are about rights.
const TOO_MANY: [&str; 4] = [
    "quotaExceeded",
    "rateLimitExceeded",
    "userRateLimitExceeded",
    "dailyLimitExceeded",
];

/// What one request took, and what its answer says.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Taken {
    /// Calls: 1, or the parts of a batch.
    pub calls: u32,
    /// Of those, the ones that write.
    pub writes: u32,
    /// Microsoft Graph's resource units, by its own word or else its published table; 0 for others.
    pub units: f64,
    /// How long it took of all that a run may have under way: its duration over the number of requests at once.
    pub occupied: Duration,
    /// Which share of the quota is used, by the vendor's own word: 1 and more is throttled.
    pub used: Option<f64>,
    /// Whether the vendor asked for fewer requests, by the status, or of a part of a batch.
    pub throttled: bool,
}

/// What is known before there is an answer.
pub(super) fn of_request(vendor: Vendor, decoded: &Decoded, took: Duration, in_flight: usize) -> Taken {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let writes = decoded
        .parts
        .iter()
        .filter(|part| matches!(part.effect, Effect::Write(_)))
        .count();
    let units = match vendor {
        Vendor::Entra => decoded
            .parts
            .iter()
            .map(|part| usual_units(&part.method, &part.path.segments()))
            .sum(),
        Vendor::Jumpcloud | Vendor::Google => 0.0,
    };
    Taken {
        calls: count(decoded.parts.len().max(1)),
        writes: count(writes),
        units,
        occupied: took / count(in_flight.max(1)),
        used: None,
        throttled: false,
    }
}

/// The same with what the answer says.
pub(super) fn of_answer(
    asked: Taken,
    vendor: Vendor,
    batch: bool,
    status: u16,
    headers: &HeaderMap,
    body: &Bytes,
) -> Taken {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let mut taken = Taken {
        used: used(header),
        throttled: is_throttled(vendor, status, body),
        ..asked
    };
    match (vendor, batch) {
        (Vendor::Entra, false) => taken.units = number(header, "x-ms-resource-unit").unwrap_or(asked.units),
        (Vendor::Entra, true) => graph_parts(&mut taken, body),
        (Vendor::Google, true) => {
            let boundary = header("content-type").and_then(|kind| multipart::boundary(kind).ok());
            taken.throttled |= multipart::answers(body, boundary.as_deref().unwrap_or_default())
                .iter()
                .any(|part| is_throttled(vendor, part.status, &part.body));
        }
        (Vendor::Google, false) | (Vendor::Jumpcloud, _) => {}
    }
    taken
}

/// The published table's cost, without the discounts of a query: rather too much than too little.
fn usual_units(method: &str, segments: &[&str]) -> f64 {
    match (method, segments) {
        ("GET", [_, "groups", _, "transitiveMembers", ..]) => 5.0,
        ("GET", [_, "groups", _, "members", ..]) => 3.0,
        ("GET", [_, "users"]) => 2.0,
        _ => 1.0,
    }
}

fn number<'a>(header: impl Fn(&str) -> Option<&'a str>, name: &str) -> Option<f64> {
    let number = header(name)?.trim().parse::<f64>().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

/// The share that is used, 0 where all is left; none where the answer does not say.
fn used<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<f64> {
    number(&header, "x-ms-throttle-limit-percentage").or_else(|| {
        let (limit, left) = ["ratelimit", "x-ratelimit"].into_iter().find_map(|prefix| {
            let limit = number(&header, &format!("{prefix}-limit"))?;
            Some((limit, number(&header, &format!("{prefix}-remaining"))?))
        })?;
        (limit > 0.0).then(|| (1.0 - left / limit).clamp(0.0, 1.0))
    })
}

/// A refusal of Google's: only its reasons.
#[derive(Deserialize)]
struct Refusal {
    error: Reasons,
}

#[derive(Deserialize)]
struct Reasons {
    #[serde(default)]
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    reason: String,
}

fn is_throttled(vendor: Vendor, status: u16, body: &[u8]) -> bool {
    match (vendor, status) {
        (_, 429) => true,
        (Vendor::Google, 403) => match serde_json::from_slice::<Refusal>(body) {
            Ok(refusal) => refusal
                .error
                .errors
                .iter()
                .any(|error| TOO_MANY.contains(&error.reason.as_str())),
            // Its front answers in plain words, now and then.
            Err(_) => body.starts_with(b"Request rate higher than configured"),
        },
        _ => false,
    }
}

/// The answer of a Graph batch, as far as the quota is told in it.
#[derive(Deserialize)]
struct Batch {
    responses: Vec<BatchPart>,
}

#[derive(Deserialize)]
struct BatchPart {
    #[serde(default)]
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
}

fn graph_parts(taken: &mut Taken, body: &[u8]) {
    let Ok(batch) = serde_json::from_slice::<Batch>(body) else {
        return;
    };
    let mut units = Some(0.0);
    for part in &batch.responses {
        let header = |name: &str| {
            let (_, value) = part
                .headers
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
            value.as_str()
        };
        taken.throttled |= part.status == 429;
        taken.used = match (taken.used, used(header)) {
            (Some(one), Some(other)) => Some(one.max(other)),
            (one, other) => one.or(other),
        };
        units = units
            .zip(number(header, "x-ms-resource-unit"))
            .map(|(sum, units)| sum + units);
    }
    // Where a part keeps silent, the table speaks for all of them.
    taken.units = units.unwrap_or(taken.units);
}

#[cfg(test)]
#[path = "quota_tests.rs"]
mod tests;
