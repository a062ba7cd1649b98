//! wasi:http over the egress gate. wasmtime's own `default_send_request` is not used: it opens a connection
//! per request, follows no policy and has no caps.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use wasmtime_wasi_http::{Error, ForbiddenHeaderFilter, RequestOptions, Result, WasiBody, WasiHttpHooks};

use super::journal::Reply;
use super::services::{NoAnswer, RunServices};
use super::tapped::{Post, fields};

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

/// Sends each of the guest's requests through the run's services.
pub(super) struct GateHooks {
    services: Arc<dyn RunServices>,
    post: Arc<Post>,
}

impl GateHooks {
    pub(super) fn new(services: Arc<dyn RunServices>, post: Arc<Post>) -> Self {
        Self { services, post }
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
        Box::new(async move {
            if post.silent {
                // The journal answers; the body's other end stays open.
                let _open = body;
                std::future::pending::<()>().await;
                return Err(Error::HttpRequestDenied);
            }
            let sent = match read_whole(body).await {
                Ok(body) => deliver(services, http::Request::from_parts(head, body)).await,
                Err(no_answer) => Err(no_answer),
            };
            post.replied(number, || match &sent {
                Ok(response) => Reply::Response {
                    status: response.status().as_u16(),
                    headers: fields(response.headers()),
                    body: response.body().clone().into(),
                },
                Err(no_answer) => Reply::None(no_answer.clone()),
            });
            let response = sent.map_err(error_code)?;
            let response =
                response.map(|body| Full::new(body).map_err(|never| match never {}).boxed_unsync());
            Ok((response, Box::new(async { Ok(()) }) as IoFuture))
        })
    }
}

/// Sends a request. A run that is stopped is dropped with everything it waits for, but what is on the wire then cannot be
/// called back: for what may be a write, a task of its own waits to its end, and holds the run's services, and with them
/// its directory (R48), for as long.
async fn deliver(
    services: Arc<dyn RunServices>,
    request: http::Request<Bytes>,
) -> Result<http::Response<Bytes>, NoAnswer> {
    if matches!(*request.method(), http::Method::GET | http::Method::HEAD) {
        return services.send(request).await;
    }
    let sending = tokio::spawn(async move { services.send(request).await });
    sending.await.unwrap_or_else(|error| {
        tracing::error!(%error, "sending a request broke off");
        Err(NoAnswer::ConnectionTerminated)
    })
}

/// The gate judges whole requests, so the body is read to its end first. A body over the limit is still
/// drained, so that the guest sees the refusal and not a broken pipe.
async fn read_whole(mut body: WasiBody) -> Result<Bytes, NoAnswer> {
    let mut whole = BytesMut::new();
    let mut size = 0usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| NoAnswer::Protocol(error.to_string()))?;
        if let Ok(data) = frame.into_data() {
            size = size.saturating_add(data.len());
            if size <= LARGEST_REQUEST {
                whole.extend_from_slice(&data);
            }
        }
    }
    if size > LARGEST_REQUEST {
        return Err(NoAnswer::RequestTooLarge(size as u64));
    }
    Ok(whole.freeze())
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
