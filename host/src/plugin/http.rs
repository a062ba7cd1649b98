//! wasi:http over the egress gate. wasmtime's own `default_send_request` is not used: it opens a connection
//! per request, follows no policy and has no caps.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use wasmtime_wasi_http::{Error, ForbiddenHeaderFilter, RequestOptions, Result, WasiBody, WasiHttpHooks};

use super::computing::Watch;
use super::journal::Reply;
use super::limits::RunLimits;
use super::services::{NoAnswer, RunServices};
use super::tapped::{Post, fields};
use super::violation::{Flood, Violation};

/// Bytes of a request body that a run may send: a full batch has a tenth of it.
const LARGEST_REQUEST: usize = 8 << 20;

/// Header names that a guest can never set: they carry credentials, or are the connection's own.
const FORBIDDEN: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "proxy-authenticate",
    "proxy-connection",
    "cookie",
    "x-api-key",
    "x-org-id",
    "host",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "http2-settings",
];

type IoFuture = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// What a run's requests and answers use of the host's memory, all together.
struct Open {
    watch: Arc<Watch>,
    held: AtomicUsize,
    most_held: usize,
    requests: AtomicUsize,
    most_requests: usize,
    refused: AtomicU32,
    most_refused: u32,
}

impl Open {
    /// Room for nothing yet.
    fn room(self: &Arc<Self>) -> Held {
        Held {
            open: Arc::clone(self),
            bytes: 0,
        }
    }

    fn request(self: &Arc<Self>) -> Option<OneRequest> {
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        let one = OneRequest(Arc::clone(self));
        if before < self.most_requests {
            return Some(one);
        }
        self.flooded();
        None
    }

    /// Each refusal is told to people: not without end.
    fn refused(&self) {
        if self.refused.fetch_add(1, Ordering::Relaxed) >= self.most_refused {
            self.flooded();
        }
    }

    fn flooded(&self) {
        self.watch.doom(Violation::Flooded { of: Flood::Requests });
    }
}

/// Room that is taken while this lives.
struct Held {
    open: Arc<Open>,
    bytes: usize,
}

impl Held {
    /// Takes room for so many bytes more; where there is none, the run ends.
    fn more(&mut self, bytes: usize) -> bool {
        let before = self.open.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes = self.bytes.saturating_add(bytes);
        let fits = before.saturating_add(bytes) <= self.open.most_held;
        if !fits {
            self.open.watch.doom(Violation::HeldTooMuch {
                limit: self.open.most_held,
            });
        }
        fits
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.open.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A request that is open while this lives.
struct OneRequest(Arc<Open>);

impl Drop for OneRequest {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer's body, and the room that it takes until the guest has let go of it.
struct Answer {
    body: Full<Bytes>,
    _held: Held,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body)
            .poll_frame(context)
            .map_err(|never| match never {})
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Sends each of the guest's requests through the run's services.
pub(super) struct GateHooks {
    services: Arc<dyn RunServices>,
    post: Arc<Post>,
    open: Arc<Open>,
}

impl GateHooks {
    pub(super) fn new(
        services: Arc<dyn RunServices>,
        post: Arc<Post>,
        watch: Arc<Watch>,
        limits: &RunLimits,
    ) -> Self {
        let open = Arc::new(Open {
            watch,
            held: AtomicUsize::new(0),
            most_held: limits.held_bytes,
            requests: AtomicUsize::new(0),
            most_requests: limits.open_requests,
            refused: AtomicU32::new(0),
            most_refused: limits.refused_requests,
        });
        Self { services, post, open }
    }
}

impl WasiHttpHooks for GateHooks {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(|name| FORBIDDEN.contains(&name.as_str()))
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        processed: IoFuture,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, IoFuture)>> + Send> {
        let services = Arc::clone(&self.services);
        let post = Arc::clone(&self.post);
        drop(processed);
        let (head, body) = request.into_parts();
        let number = post.sent(&head);
        let open = Arc::clone(&self.open);
        Box::new(async move {
            if post.silent {
                // The journal answers; the body's other end stays open.
                let _open = body;
                std::future::pending::<()>().await;
                return Err(Error::HttpRequestDenied);
            }
            let Some(_request) = open.request() else {
                return Err(Error::HttpRequestDenied);
            };
            let sent = match read_whole(body, &open).await {
                Ok((body, _held)) => {
                    let _under_way = open.watch.call();
                    deliver(services, &open.watch, http::Request::from_parts(head, body)).await
                }
                Err(no_answer) => Err(no_answer),
            };
            if matches!(sent, Err(NoAnswer::Denied | NoAnswer::RequestLimit)) {
                open.refused();
            }
            post.replied(number, || match &sent {
                Ok(response) => Reply::Response {
                    status: response.status().as_u16(),
                    headers: fields(response.headers()),
                    body: response.body().clone().into(),
                },
                Err(no_answer) => Reply::None(no_answer.clone()),
            });
            let (head, body) = sent.map_err(error_code)?.into_parts();
            let mut held = open.room();
            if !held.more(body.len()) {
                return Err(Error::HttpResponseBodySize(Some(body.len() as u64)));
            }
            let body = Answer {
                body: Full::new(body),
                _held: held,
            };
            let response = http::Response::from_parts(head, body.boxed_unsync());
            Ok((response, Box::new(async { Ok(()) }) as IoFuture))
        })
    }
}

/// Sends a request. A run that is stopped is dropped with everything it waits for, but what is on the wire then cannot be
/// called back: for what may be a write, a task of its own waits to its end, and holds the run's services, and with them
/// its directory (R48), for as long. That task is the host's own: a write does not wait for a place in the slow lane.
/// Entra's reads come as `POST` too, twenty in a batch: those of a run that makes way do so as every other read.
pub(super) async fn deliver(
    services: Arc<dyn RunServices>,
    watch: &Watch,
    request: http::Request<Bytes>,
) -> Result<http::Response<Bytes>, NoAnswer> {
    let is_safe = matches!(*request.method(), http::Method::GET | http::Method::HEAD);
    if is_safe || watch.makes_way() && !services.may_write(&request) {
        return watch
            .answered(async move { services.send(request).await })
            .await
            .unwrap_or(Err(NoAnswer::ConnectionTerminated));
    }
    let sending = tokio::spawn(async move { services.send(request).await });
    sending.await.unwrap_or_else(|error| {
        tracing::error!(%error, "sending a request broke off");
        Err(NoAnswer::ConnectionTerminated)
    })
}

/// The gate judges whole requests, so the body is read to its end first. A body over the limit is still
/// drained, so that the guest sees the refusal and not a broken pipe.
async fn read_whole(mut body: WasiBody, open: &Arc<Open>) -> Result<(Bytes, Held), NoAnswer> {
    let mut whole = BytesMut::new();
    let mut held = open.room();
    let mut size = 0usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| NoAnswer::Protocol(error.to_string()))?;
        if let Ok(data) = frame.into_data() {
            size = size.saturating_add(data.len());
            if size <= LARGEST_REQUEST {
                if !held.more(data.len()) {
                    return Err(NoAnswer::RequestTooLarge(size as u64));
                }
                whole.extend_from_slice(&data);
            }
        }
    }
    if size > LARGEST_REQUEST {
        return Err(NoAnswer::RequestTooLarge(size as u64));
    }
    Ok((whole.freeze(), held))
}

pub(super) fn error_code(no_answer: NoAnswer) -> Error {
    match no_answer {
        NoAnswer::Denied | NoAnswer::RequestLimit => Error::HttpRequestDenied,
        NoAnswer::AddressProhibited => Error::DestinationIpProhibited,
        NoAnswer::Dns => Error::DnsError {
            rcode: None,
            info_code: None,
        },
        NoAnswer::ConnectionRefused => Error::ConnectionRefused,
        NoAnswer::ConnectionTimeout => Error::DestinationUnavailable,
        NoAnswer::Tls => Error::TlsCertificateError,
        NoAnswer::ConnectionTerminated => Error::ConnectionTerminated,
        NoAnswer::ResponseTimeout => Error::HttpResponseTimeout,
        NoAnswer::ResponseTooLarge(size) => Error::HttpResponseBodySize(Some(size)),
        NoAnswer::RequestTooLarge(size) => Error::HttpRequestBodySize(Some(size)),
        NoAnswer::Protocol(_) => Error::HttpProtocolError,
    }
}
