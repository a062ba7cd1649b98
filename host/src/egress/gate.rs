//! The gate: the one way out of a run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use groupcast_guest::plan::part::Operation;
use http::{Method, Request, Response, StatusCode, Uri};
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use super::answers;
use super::connection::{Connections, SendFailure, unreachable_origin};
use super::date;
use super::decode::{self, Decoded, Refusal, WireRequest, WireWrite};
use super::dial::NetworkError;
use super::headers::{self, HeaderError, Plain};
use super::limits::Limits;
use super::origin::{Base, Vendor};
use super::permit::{PermitRefusal, WritePermit};
use super::policy::{Policy, PolicyRefusal};
use super::quota;
use super::recorder::{Recorder, Refused, Sent, Totals};
use super::redact::Secrets;
use crate::credentials::{Attached, CredentialError, CredentialErrorKind, CredentialSource};
use crate::telemetry::traces;

/// A cap that the run reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapReached {
    /// Requests of the run.
    #[error(
        "this run has made {0} requests, its cap; raise limits.requests in the configuration if the directory is that large"
    )]
    Requests(u64),
    /// Bytes of one request.
    #[error("a request of {size} bytes is over the cap of {cap}; send smaller batches")]
    RequestBytes {
        /// Its size.
        size: usize,
        /// The cap.
        cap: usize,
    },
    /// Bytes of one answer.
    #[error("{0}")]
    ResponseBytes(NetworkError),
}

/// Why the guest gets no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// The guest's own fault: its URL, policy or rules.
    #[error("{0}")]
    Policy(#[from] PolicyRefusal),
    /// The guest's own fault: a header.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// The guest's own fault: what the request would do.
    #[error("{0}")]
    Content(#[from] Refusal),
    /// The write may not start now.
    #[error("{0}")]
    Permit(#[from] PermitRefusal),
    /// The operator's to mend: no credential could be had (R7).
    #[error("{0}")]
    Credential(#[from] CredentialError),
    /// The network's or the vendor's fault.
    #[error("{0}")]
    Network(NetworkError),
    /// A cap.
    #[error("{0}")]
    Cap(#[from] CapReached),
}

/// What kind of failure it is: what the plugin room makes wasi:http error codes of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateErrorKind {
    /// Refused by gate or permit; nothing was sent (`HTTP-request-denied`).
    Denied,
    /// No credential (`HTTP-request-denied`; the host reports it itself).
    NoCredential,
    /// The name has no usable address (`DNS-error`, `destination-IP-prohibited`).
    Name,
    /// An address that may not be connected to (`destination-IP-prohibited`).
    AddressProhibited,
    /// No connection; nothing was sent (`connection-refused`, `connection-timeout`).
    NotSent,
    /// Sent, and no whole answer came: it may have taken effect (`HTTP-response-incomplete`).
    AnswerLost,
    /// The answer was over the cap: it may have taken effect (`HTTP-response-body-size`).
    AnswerTooLong,
    /// The request was over the cap (`HTTP-request-body-size`).
    RequestTooLong,
    /// The run has used its requests up (`HTTP-request-denied`).
    TooManyRequests,
}

impl From<NetworkError> for GateError {
    fn from(error: NetworkError) -> Self {
        match error {
            NetworkError::TooLong { .. } => Self::Cap(CapReached::ResponseBytes(error)),
            other => Self::Network(other),
        }
    }
}

impl GateError {
    /// Whether the same may pass at another time, with nothing mended.
    fn is_passing(&self) -> bool {
        match self {
            Self::Credential(error) => matches!(
                error.kind,
                CredentialErrorKind::Unreachable | CredentialErrorKind::ClockSkew
            ),
            Self::Permit(PermitRefusal::ManagedUnknown(_)) | Self::Cap(_) | Self::Network(_) => true,
            _ => false,
        }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> GateErrorKind {
        match self {
            Self::Policy(_)
            | Self::Header(_)
            | Self::Content(_)
            | Self::Permit(_)
            | Self::Network(NetworkError::Untrusted { .. }) => GateErrorKind::Denied,
            Self::Credential(_) => GateErrorKind::NoCredential,
            Self::Network(NetworkError::Name { .. }) => GateErrorKind::Name,
            Self::Network(NetworkError::Address(_)) => GateErrorKind::AddressProhibited,
            Self::Network(NetworkError::Connect { .. } | NetworkError::Refused { .. }) => {
                GateErrorKind::NotSent
            }
            Self::Network(NetworkError::AnswerLost { .. }) => GateErrorKind::AnswerLost,
            Self::Network(NetworkError::TooLong { .. }) | Self::Cap(CapReached::ResponseBytes(_)) => {
                GateErrorKind::AnswerTooLong
            }
            Self::Cap(CapReached::RequestBytes { .. }) => GateErrorKind::RequestTooLong,
            Self::Cap(CapReached::Requests(_)) => GateErrorKind::TooManyRequests,
        }
    }

    /// Whether the request itself is at fault: its place, its headers, what it would do.
    pub fn blames_component(&self) -> bool {
        matches!(
            self,
            Self::Policy(_)
                | Self::Header(_)
                | Self::Content(_)
                | Self::Permit(PermitRefusal::NotApproved(_))
                | Self::Cap(CapReached::RequestBytes { .. } | CapReached::Requests(_))
        )
    }

    /// Whether the request may have taken effect at the vendor.
    pub fn may_have_been_sent(&self) -> bool {
        matches!(
            self.kind(),
            GateErrorKind::AnswerLost | GateErrorKind::AnswerTooLong
        )
    }
}

/// What a gate is made of.
pub struct GateParts {
    /// Where requests may go, and which.
    pub policy: Policy,
    /// Whether a write may start.
    pub permit: Arc<dyn WritePermit>,
    /// The credentials.
    pub credentials: Arc<dyn CredentialSource>,
    /// The tenant's connections.
    pub connections: Arc<Connections>,
    /// Who is told.
    pub recorder: Arc<dyn Recorder>,
    /// The caps.
    pub limits: Limits,
}

/// The gate of one run (one export of one instance, or several after each other).
pub struct Gate {
    parts: GateParts,
    in_flight: Semaphore,
    requests: AtomicU64,
    totals: Mutex<Totals>,
    secrets: Secrets,
}

/// A request that has passed everything that can be told from its bytes.
struct Checked {
    base: Base,
    uri: Uri,
    headers: Plain,
    decoded: Decoded,
    writes: Vec<WireWrite>,
    body: Bytes,
}

impl Gate {
    /// A gate.
    pub fn new(parts: GateParts) -> Self {
        Self {
            in_flight: Semaphore::new(parts.limits.in_flight.max(1)),
            requests: AtomicU64::new(0),
            totals: Mutex::default(),
            secrets: Secrets::default(),
            parts,
        }
    }

    /// What went through so far.
    pub fn totals(&self) -> Totals {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a request can change anything at its vendor. Reads are sent with `POST` too, many in a batch. One that will
    /// be refused counts as a write: it is not known for anything else.
    pub fn may_write(&self, request: &Request<Bytes>) -> bool {
        let is_known_to_read = || {
            self.check(request.clone())
                .is_ok_and(|checked| checked.writes.is_empty())
        };
        !matches!(*request.method(), Method::GET | Method::HEAD) && !is_known_to_read()
    }

    /// Sends one request of the guest, if it may be sent, and gives the whole answer. Redirects are answers.
    ///
    /// # Errors
    /// Why there is no answer, and whose fault it is.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, GateError> {
        let method = request.method().to_string();
        let url = request.uri().to_string();
        let result = self.pass(request).await;
        let refused = |error: &GateError| match error {
            GateError::Network(error) => matches!(error, NetworkError::Untrusted { .. }),
            GateError::Cap(CapReached::ResponseBytes(_)) => false,
            _ => true,
        };
        if let Err(error @ GateError::Network(_)) = &result
            && !refused(error)
        {
            self.parts.recorder.unanswered(&url, &error.to_string());
        }
        if let Err(error) = &result
            && refused(error)
        {
            self.totals.lock().unwrap_or_else(PoisonError::into_inner).refused += 1;
            self.parts.recorder.refused(&Refused {
                method,
                url: url.chars().take(2_048).collect(),
                reason: error.to_string(),
                passing: error.is_passing(),
                by_component: error.blames_component(),
            });
        }
        result
    }

    async fn pass(&self, request: Request<Bytes>) -> Result<Response<Bytes>, GateError> {
        let checked = self.check(request)?;
        let _slot = self.in_flight.acquire().await;
        // Asked before anything is done for the write, so that a run that has ended opens no connections.
        if !checked.writes.is_empty() {
            self.parts.permit.ask(&checked.writes).await?;
        }
        let credential = checked.base.vendor.credential();
        let attached = self.parts.credentials.header(credential, None).await?;
        let answer = self.attempt(&checked, &attached, 1).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        // A token may have been withdrawn before its time; once, and only where there is another one to be had.
        match self
            .parts
            .credentials
            .header(credential, Some(attached.generation))
            .await
        {
            Ok(renewed) if renewed.generation != attached.generation => {
                self.attempt(&checked, &renewed, 2).await
            }
            Ok(_) => Ok(answer),
            Err(error) => {
                tracing::warn!(%error, "the credential was refused and could not be renewed");
                Ok(answer)
            }
        }
    }

    /// Everything that can be told from the request alone.
    fn check(&self, request: Request<Bytes>) -> Result<Checked, GateError> {
        let (parts, body) = request.into_parts();
        self.parts.policy.method(&parts.method)?;
        let base = self.parts.policy.place(&parts.uri)?.clone();
        let headers = headers::of_request(&parts.headers, &base.origin.authority())?;
        let cap = self.parts.limits.request_bytes;
        if body.len() > cap {
            return Err(CapReached::RequestBytes {
                size: body.len(),
                cap,
            }
            .into());
        }
        let decoded = decode::decode(
            base.vendor,
            &WireRequest {
                origin: &base.origin,
                method: parts.method.as_str(),
                path: parts.uri.path(),
                query: parts.uri.query(),
                headers: &headers,
                body: &body,
            },
        )?;
        self.parts.policy.allow(base.vendor, &decoded)?;
        let writes = decoded.writes();
        Ok(Checked {
            base,
            uri: parts.uri,
            headers,
            decoded,
            writes,
            body,
        })
    }

    fn count_request(&self) -> Result<(), CapReached> {
        let cap = self.parts.limits.requests_per_run;
        if self.requests.fetch_add(1, Ordering::SeqCst) < cap {
            Ok(())
        } else {
            Err(CapReached::Requests(cap))
        }
    }

    async fn attempt(
        &self,
        checked: &Checked,
        attached: &Attached,
        number: u32,
    ) -> Result<Response<Bytes>, GateError> {
        for (_, value) in &attached.headers {
            if let Some(secret) = value.secrets() {
                self.secrets.remember(secret);
            }
        }
        for _ in 0..self.parts.connections.rounds() {
            self.count_request()?;
            let connection = self.parts.connections.check_out(&checked.base.origin).await?;
            // Between the first question and this moment a token may have been fetched and a connection made: the
            // permit speaks of now, so it is asked with the connection in hand.
            let operations = if checked.writes.is_empty() {
                Vec::new()
            } else {
                self.parts.permit.ask(&checked.writes).await?
            };
            let mut request = Request::new(checked.body.clone());
            *request.method_mut() = checked.decoded.method.parse().unwrap_or_default();
            *request.uri_mut() = checked.uri.clone();
            *request.headers_mut() = headers::to_send(&checked.headers);
            for (name, value) in &attached.headers {
                request.headers_mut().insert(name.clone(), value.header_value()?);
            }
            let began = Instant::now();
            let lease = if checked.writes.is_empty() {
                None
            } else {
                self.parts.permit.lease()
            };
            let span = traces::request(
                checked.base.vendor.credential(),
                &checked.decoded.method,
                checked.uri.path(),
                number,
                if checked.decoded.batch {
                    checked.writes.len()
                } else {
                    0
                },
            );
            let result = connection.send(request, lease).instrument(span.clone()).await;
            traces::answered(&span, result.as_ref().ok().map(|answer| answer.status().as_u16()));
            if matches!(result, Err(SendFailure::Unsent(_))) {
                // The connection had closed while idle. Nothing left: another one, and the permit again.
                continue;
            }
            let result = result.map_err(|failure| match failure {
                SendFailure::Unsent(error) | SendFailure::Failed(error) => error,
            });
            return self.arrived(checked, operations, number, began, result);
        }
        Err(unreachable_origin(&checked.base.origin).into())
    }

    /// Learns from an answer, cleans it, and tells the recorder.
    fn arrived(
        &self,
        checked: &Checked,
        operations: Vec<Operation>,
        attempt: u32,
        began: Instant,
        result: Result<Response<Bytes>, NetworkError>,
    ) -> Result<Response<Bytes>, GateError> {
        let vendor = checked.base.vendor;
        let decoded = &checked.decoded;
        let took = began.elapsed();
        let mut sent = Sent {
            vendor,
            method: decoded.method.clone(),
            url: checked.uri.to_string(),
            attempt,
            parts: if decoded.batch {
                part_labels(decoded)
            } else {
                Vec::new()
            },
            operations,
            status: None,
            request_id: None,
            failure: None,
            duration: took,
            bytes_out: u64::try_from(checked.body.len()).unwrap_or(u64::MAX),
            bytes_in: 0,
            echoed_secret: false,
            clock_ahead: None,
            content_type: None,
            quota: quota::of_request(vendor, decoded, took, self.parts.limits.in_flight),
        };
        let answer = match result {
            Ok(answer) => answer,
            Err(error) => {
                sent.failure = Some(error.to_string());
                self.tell(&sent);
                return Err(error.into());
            }
        };
        let (mut parts, body) = answer.into_parts();
        sent.bytes_in = u64::try_from(body.len()).unwrap_or(u64::MAX);
        sent.status = Some(parts.status.as_u16());
        sent.clock_ahead = date::seconds_ahead(&parts.headers);
        let status = parts.status.as_u16();
        sent.quota = quota::of_answer(sent.quota, vendor, decoded.batch, status, &parts.headers, &body);
        let content_type = parts
            .headers
            .get(http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        sent.content_type = content_type.map(str::to_owned);
        for (key, id) in answers::keys_and_ids(vendor, decoded, status, content_type, &body) {
            self.parts.permit.learn(&key, &id);
        }
        let (headers, in_headers) = self.secrets.headers(headers::of_response(&parts.headers));
        let (body, in_body) = self.secrets.body(body);
        sent.echoed_secret = in_headers || in_body;
        if sent.echoed_secret {
            tracing::warn!(%vendor, "an answer held the credential that was sent; it was blanked");
        }
        sent.request_id = ["request-id", "x-request-id", "x-ms-request-id"]
            .into_iter()
            .find_map(|name| headers.get(name)?.to_str().ok().map(str::to_owned));
        parts.headers = headers;
        self.tell(&sent);
        Ok(Response::from_parts(parts, body))
    }

    fn tell(&self, sent: &Sent) {
        {
            let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
            *totals
                .by_status
                .entry((sent.vendor, sent.status.unwrap_or(0)))
                .or_default() += 1;
            totals.bytes_out += sent.bytes_out;
            totals.bytes_in += sent.bytes_in;
        }
        self.parts.recorder.sent(sent);
    }

    /// Which vendors' places this gate knows.
    pub fn speaks_to(&self, uri: &Uri) -> Option<Vendor> {
        self.parts.policy.place(uri).ok().map(|base| base.vendor)
    }
}

fn part_labels(decoded: &Decoded) -> Vec<String> {
    decoded
        .parts
        .iter()
        .map(|part| format!("{} {}", part.method, part.path.as_str()))
        .collect()
}

#[cfg(test)]
mod tests;
