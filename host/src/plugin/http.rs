//! wasi:http over the egress gate. wasmtime's own `default_send_request` is not used: it opens a connection
//! per request, follows no policy and has no caps.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use wasmtime_wasi_http::{Error, ForbiddenHeaderFilter, RequestOptions, Result, WasiBody, WasiHttpHooks};

use super::services::{NoAnswer, RunServices};

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
}

impl GateHooks {
    pub(super) fn new(services: Arc<dyn RunServices>) -> Self {
        Self { services }
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
        drop(processed);
        Box::new(async move {
            let (head, body) = request.into_parts();
            let body = read_whole(body).await?;
            let response = services
                .send(http::Request::from_parts(head, body))
                .await
                .map_err(error_code)?;
            let response =
                response.map(|body| Full::new(body).map_err(|never| match never {}).boxed_unsync());
            Ok((response, Box::new(async { Ok(()) }) as IoFuture))
        })
    }
}

/// The gate judges whole requests, so the body is read to its end first. A body over the limit is still
/// drained, so that the guest sees the refusal and not a broken pipe.
async fn read_whole(mut body: WasiBody) -> Result<Bytes> {
    let mut whole = BytesMut::new();
    let mut size = 0usize;
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            size = size.saturating_add(data.len());
            if size <= LARGEST_REQUEST {
                whole.extend_from_slice(&data);
            }
        }
    }
    if size > LARGEST_REQUEST {
        return Err(Error::HttpRequestBodySize(Some(size as u64)));
    }
    Ok(whole.freeze())
}

fn error_code(no_answer: NoAnswer) -> Error {
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
