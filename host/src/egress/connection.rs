//! Connections of one tenant: a pool of its own, HTTP/1.1 and HTTP/2, capped in bytes and time.
//!
//! Checking a connection out and sending on it are two steps, so that the write permit can be asked in between. There
//! is no hidden second try anywhere: what was sent is never sent again by this room.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::Connection as _;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};
use tower_service::Service;

use super::TenantEgress;
use super::addresses::Network;
use super::dial::{Dialer, NetworkError, Resolve, SystemResolver};
use super::fence::Fence;
use super::limits::Limits;
use super::origin::Origin;
use super::permit::Lease;
use super::tls::{self, TlsError};
use crate::aside;

/// The connections of one tenant; runs of the same tenant share them.
pub struct Connections {
    tls: rustls::ClientConfig,
    allowed: Arc<[Network]>,
    resolver: Arc<dyn Resolve>,
    limits: Limits,
    idle: Arc<Mutex<BTreeMap<Origin, Idle>>>,
}

#[derive(Default)]
struct Idle {
    one: Vec<(http1::SendRequest<Full<Bytes>>, Arc<Fence>, Instant)>,
    two: Option<(http2::SendRequest<Full<Bytes>>, Arc<Fence>)>,
}

enum Sender {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

/// A connection in hand: one request may be sent on it.
pub struct Connection {
    origin: Origin,
    sender: Sender,
    fence: Arc<Fence>,
    deadline: Instant,
    limit: usize,
    idle: Arc<Mutex<BTreeMap<Origin, Idle>>>,
    idle_connections: usize,
}

/// Why sending failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendFailure {
    /// The connection had closed before the request was written: nothing left, another connection may be tried.
    Unsent(NetworkError),
    /// Anything else.
    Failed(NetworkError),
}

impl Connections {
    /// Connections as the configuration has them.
    ///
    /// # Errors
    /// If the configured certificates cannot be used.
    pub fn new(egress: &TenantEgress) -> Result<Self, TlsError> {
        Self::with_resolver(egress, Arc::new(SystemResolver))
    }

    /// The same with another name service.
    ///
    /// # Errors
    /// If the configured certificates cannot be used.
    pub fn with_resolver(egress: &TenantEgress, resolver: Arc<dyn Resolve>) -> Result<Self, TlsError> {
        Ok(Self {
            tls: tls::client(egress.ca_pem.as_deref())?,
            allowed: egress.allowed_networks.clone().into(),
            resolver,
            limits: egress.limits.clone(),
            idle: Arc::default(),
        })
    }

    /// A connection to an origin, idle or new, ready to send; with it the clock of the request starts.
    ///
    /// # Errors
    /// If none came to be in time. Nothing was sent.
    pub async fn check_out(&self, origin: &Origin) -> Result<Connection, NetworkError> {
        let deadline = after(self.limits.request_timeout);
        // An idle connection that does not even get ready in time is as good as none.
        let idle = timeout_at(after(self.limits.connect_timeout), self.take_idle(origin)).await;
        let (sender, fence) = match idle {
            Ok(Some(idle)) => idle,
            Ok(None) | Err(_) => timeout_at(after(self.limits.connect_timeout), self.connect(origin))
                .await
                .map_err(|_| NetworkError::Connect {
                    origin: origin.to_string(),
                    why: format!("none within {} s", self.limits.connect_timeout.as_secs_f32()),
                })??,
        };
        Ok(Connection {
            origin: origin.clone(),
            sender,
            fence,
            deadline,
            limit: self.limits.response_bytes,
            idle: self.idle.clone(),
            idle_connections: self.limits.idle_connections,
        })
    }

    /// Checks out and sends, for requests that need no permit (token requests).
    ///
    /// # Errors
    /// What went wrong.
    pub async fn fetch(
        &self,
        origin: &Origin,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, NetworkError> {
        let mut last = None;
        for _ in 0..self.rounds() {
            match self.check_out(origin).await?.send(request.clone(), None).await {
                Ok(response) => return Ok(response),
                Err(SendFailure::Unsent(error)) => last = Some(error),
                Err(SendFailure::Failed(error)) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| unreachable_origin(origin)))
    }

    /// How often another connection may be tried when one had closed before anything was written: each idle one may
    /// have closed unnoticed, a new one hardly twice.
    pub fn rounds(&self) -> usize {
        self.limits.idle_connections.saturating_add(3)
    }

    async fn take_idle(&self, origin: &Origin) -> Option<(Sender, Arc<Fence>)> {
        loop {
            let (candidate, fence) = {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                let idle = idle.get_mut(origin)?;
                match &idle.two {
                    Some((sender, fence)) if !sender.is_closed() => {
                        (Sender::Two(sender.clone()), Arc::clone(fence))
                    }
                    _ => {
                        idle.two = None;
                        let (sender, fence, since) = idle.one.pop()?;
                        if since.elapsed() > self.limits.idle_timeout {
                            idle.one.clear();
                            return None;
                        }
                        (Sender::One(sender), fence)
                    }
                }
            };
            match candidate {
                Sender::One(mut sender) => {
                    if sender.ready().await.is_ok() {
                        return Some((Sender::One(sender), fence));
                    }
                }
                Sender::Two(mut sender) => {
                    if sender.ready().await.is_ok() {
                        return Some((Sender::Two(sender), fence));
                    }
                }
            }
        }
    }

    async fn connect(&self, origin: &Origin) -> Result<(Sender, Arc<Fence>), NetworkError> {
        let failed = |error: &dyn std::fmt::Display| NetworkError::Connect {
            origin: origin.to_string(),
            why: error.to_string(),
        };
        let fence = Arc::new(Fence::default());
        let dialer = Dialer {
            origin: origin.clone(),
            allowed: self.allowed.clone(),
            resolver: self.resolver.clone(),
            fence: Arc::clone(&fence),
            longest: self.limits.request_timeout,
        };
        let uri: Uri = origin.to_string().parse().map_err(|error| failed(&error))?;
        let mut connector = HttpsConnectorBuilder::new()
            .with_tls_config(self.tls.clone())
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(dialer);
        let stream = connector.call(uri).await.map_err(|error| {
            let why = error.to_string();
            match error.downcast_ref::<NetworkError>() {
                Some(error) => error.clone(),
                // The words of rustls; its error is wrapped too often to be asked itself.
                None if why.contains("invalid peer certificate") => NetworkError::Untrusted {
                    origin: origin.to_string(),
                    why: tls::plain(&why).to_owned(),
                },
                None => failed(&why),
            }
        })?;
        if stream.connected().is_negotiated_h2() {
            let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .keep_alive_interval(Some(Duration::from_secs(20)))
                .keep_alive_timeout(Duration::from_secs(10))
                .handshake(stream)
                .await
                .map_err(|error| failed(&error))?;
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "an HTTP/2 connection ended");
                }
            });
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.entry(origin.clone()).or_default().two = Some((sender.clone(), Arc::clone(&fence)));
            return Ok((Sender::Two(sender), fence));
        }
        let (mut sender, connection) = http1::Builder::new()
            .handshake(stream)
            .await
            .map_err(|error| failed(&error))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an HTTP/1.1 connection ended");
            }
        });
        sender.ready().await.map_err(|error| failed(&error))?;
        Ok((Sender::One(sender), fence))
    }
}

/// For the case that every connection closed before anything could be written.
pub fn unreachable_origin(origin: &Origin) -> NetworkError {
    NetworkError::Connect {
        origin: origin.to_string(),
        why: "every connection was closed before the request could be written".into(),
    }
}

fn after(duration: Duration) -> Instant {
    Instant::now() + duration
}

impl Connection {
    /// Sends one request and reads the whole answer, decompressed. A write goes under its run's lease: no byte of it
    /// leaves once that has lapsed.
    ///
    /// # Errors
    /// Whether anything left, and what went wrong.
    pub async fn send(
        self,
        request: Request<Bytes>,
        lease: Option<Arc<Lease>>,
    ) -> Result<Response<Bytes>, SendFailure> {
        let origin = self.origin.to_string();
        let raised = lease.map(|lease| self.fence.raise(lease));
        match timeout_at(self.deadline, self.exchange(request)).await {
            Ok(result) => {
                if let (Ok(_), Some(raised)) = (&result, raised) {
                    raised.lower();
                }
                result
            }
            Err(_) => Err(SendFailure::Failed(NetworkError::AnswerLost {
                origin,
                why: "it did not come in time".into(),
            })),
        }
    }

    async fn exchange(self, request: Request<Bytes>) -> Result<Response<Bytes>, SendFailure> {
        let origin = self.origin.to_string();
        let lost = |error: &dyn std::fmt::Display| {
            SendFailure::Failed(NetworkError::AnswerLost {
                origin: origin.clone(),
                why: error.to_string(),
            })
        };
        let unsent = |error: &dyn std::fmt::Display| {
            SendFailure::Unsent(NetworkError::Connect {
                origin: origin.clone(),
                why: error.to_string(),
            })
        };
        let (mut parts, body) = request.into_parts();
        let mut reusable = None;
        let sent = match self.sender {
            Sender::One(mut sender) => {
                // HTTP/1.1 names the place in a header and only the path in the request line.
                let host = HeaderValue::try_from(self.origin.authority()).map_err(|error| lost(&error))?;
                parts.headers.insert(header::HOST, host);
                let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
                parts.uri = target.parse().map_err(|error| lost(&error))?;
                let sent = sender
                    .try_send_request(Request::from_parts(parts, Full::new(body)))
                    .await;
                reusable = Some(sender);
                sent
            }
            Sender::Two(mut sender) => {
                sender
                    .try_send_request(Request::from_parts(parts, Full::new(body)))
                    .await
            }
        };
        let response = match sent {
            Ok(response) => response,
            // The request comes back only if it was never written.
            Err(mut error) => {
                return Err(match error.take_message() {
                    Some(_) => unsent(error.error()),
                    None => lost(error.error()),
                });
            }
        };
        let (parts, body) = response.into_parts();
        let bytes = read(body, self.limit, &origin).await?;
        if let Some(sender) = reusable.filter(|sender| !sender.is_closed()) {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let idle = idle.entry(self.origin).or_default();
            if idle.one.len() < self.idle_connections {
                idle.one.push((sender, self.fence, Instant::now()));
            }
        }
        decompress(Response::from_parts(parts, bytes), self.limit, &origin)
            .await
            .map_err(SendFailure::Failed)
    }
}

async fn read(mut body: Incoming, limit: usize, origin: &str) -> Result<Bytes, SendFailure> {
    let too_long = || {
        SendFailure::Failed(NetworkError::TooLong {
            origin: origin.to_owned(),
            limit,
        })
    };
    if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(too_long());
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            SendFailure::Failed(NetworkError::AnswerLost {
                origin: origin.to_owned(),
                why: error.to_string(),
            })
        })?;
        if let Some(data) = frame.data_ref() {
            if bytes.len().saturating_add(data.len()) > limit {
                return Err(too_long());
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes.freeze())
}

async fn decompress(
    response: Response<Bytes>,
    limit: usize,
    origin: &str,
) -> Result<Response<Bytes>, NetworkError> {
    let lost = |why: String| NetworkError::AnswerLost {
        origin: origin.to_owned(),
        why,
    };
    let (mut parts, body) = response.into_parts();
    let encoding = parts.headers.remove(header::CONTENT_ENCODING);
    parts.headers.remove(header::CONTENT_LENGTH);
    let body = match encoding.as_ref().map(HeaderValue::as_bytes) {
        None | Some(b"identity") => body,
        Some(b"gzip") if body.is_empty() => body,
        Some(b"gzip") => {
            let unpack = move || {
                let mut unpacked = Vec::new();
                let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
                flate2::read::MultiGzDecoder::new(body.as_ref())
                    .take(most)
                    .read_to_end(&mut unpacked)
                    .map(|_| unpacked)
            };
            // Unpacking megabytes takes long enough to hold others up, but for where nobody is held up.
            let unpacked = if aside::is_here() {
                unpack()
            } else {
                tokio::task::spawn_blocking(unpack)
                    .await
                    .map_err(|error| lost(error.to_string()))?
            };
            let unpacked = unpacked.map_err(|error| lost(format!("it could not be unpacked: {error}")))?;
            if unpacked.len() > limit {
                return Err(NetworkError::TooLong {
                    origin: origin.to_owned(),
                    limit,
                });
            }
            unpacked.into()
        }
        Some(other) => {
            return Err(lost(format!(
                "it is packed as {:?}, which was not asked for",
                String::from_utf8_lossy(other)
            )));
        }
    };
    Ok(Response::from_parts(parts, body))
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
