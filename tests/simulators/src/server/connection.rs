//! Sockets: accepting, TLS, HTTP/1.1 and HTTP/2, and carrying out what a fault does to a connection. It
//! knows no vendor: requests go to a [`Handler`].

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::faults::Disruption;

/// Answers a request whose URI is path and query and whose host is a header.
pub(super) type Handler = Arc<dyn Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync>;

/// Marks a request whose effect a fault put off, when it is served at last.
#[derive(Debug, Clone, Copy)]
pub(super) struct PutOff;

/// The largest request body taken.
const LARGEST_BODY: usize = 64 * 1024 * 1024;
/// How long a stop waits for connections to end by themselves.
const GRACE: Duration = Duration::from_secs(2);
/// Between the last byte of a truncated body and the break, so that the bytes are sent.
const FLUSH: Duration = Duration::from_millis(30);

/// Accepts connections until told to stop.
pub(super) async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    handler: Handler,
    stop: CancellationToken,
    tracker: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = serve(stream, tls.clone(), Arc::clone(&handler), stop.clone());
                tracker.spawn(connection);
            }
            Err(error) => {
                // Out of descriptors, most likely: give the others time to close.
                tracing::warn!(%error, "a simulator could not accept a connection");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, tls: Option<TlsAcceptor>, handler: Handler, stop: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let line = Line {
        stream,
        broken: Broken::default(),
    };
    let broken = line.broken.clone();
    match tls {
        None => speak(line, broken, handler, stop).await,
        Some(tls) => match tls.accept(line).await {
            Ok(stream) => speak(stream, broken, handler, stop).await,
            Err(error) => tracing::debug!(%error, "a TLS handshake with a simulator failed"),
        },
    }
}

async fn speak<S>(stream: S, broken: Broken, handler: Handler, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    let service = {
        let broken = broken.clone();
        service_fn(move |request: Request<Incoming>| {
            let (handler, broken) = (Arc::clone(&handler), broken.clone());
            async move { Ok::<_, Infallible>(answer(request, &handler, broken).await) }
        })
    };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        result = connection.as_mut() => {
            if let Err(error) = result {
                tracing::debug!(%error, "a connection to a simulator ended early");
            }
        }
        // Dropping the connection closes it, and the line resets it.
        () = broken.token.cancelled() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                _ = connection.as_mut() => {}
                () = broken.token.cancelled() => {}
                () = tokio::time::sleep(GRACE) => {}
            }
        }
    }
}

async fn answer(request: Request<Incoming>, handler: &Handler, broken: Broken) -> Response<Payload> {
    let (mut parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LARGEST_BODY).collect().await else {
        let mut response = Response::new(Payload::whole(Bytes::from_static(
            b"request body too large or cut off",
        )));
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return response;
    };
    // HTTP/2 gives the host in the URI; vendors read it from the header.
    if let Some(authority) = parts.uri.authority() {
        if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
            parts.headers.entry(header::HOST).or_insert(host);
        }
        let target = parts
            .uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str);
        parts.uri = target.parse().unwrap_or_default();
    }
    let mut request = Request::from_parts(parts, body.to_bytes());
    let mut response = handler(&request);
    if let Some(Disruption::Later(milliseconds)) = response.extensions().get::<Disruption>().copied() {
        request.extensions_mut().insert(PutOff);
        let handler = Arc::clone(handler);
        // A task of its own: it must happen even where the client gives up and this is dropped.
        let later = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            handler(&request)
        });
        match later.await {
            Ok(late) => response = late,
            Err(error) => tracing::warn!(%error, "a request that was put off did not take effect"),
        }
    }
    let (parts, body) = response.into_parts();
    let disruption = parts.extensions.get::<Disruption>().copied();
    let payload = match disruption {
        None | Some(Disruption::Later(_)) => Payload::whole(body),
        Some(Disruption::Delay(milliseconds)) => {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            Payload::whole(body)
        }
        Some(Disruption::Truncate(after)) if after < body.len() => Payload {
            announced: body.len() as u64,
            data: Some(body.slice(..after)),
            then_break: Some((Box::pin(tokio::time::sleep(FLUSH)), broken)),
        },
        Some(Disruption::Truncate(_)) => Payload::whole(body),
        Some(Disruption::Reset) => {
            broken.now();
            std::future::pending().await
        }
    };
    Response::from_parts(parts, payload)
}

/// Breaks a connection from within one of its requests.
#[derive(Clone, Default)]
struct Broken {
    token: CancellationToken,
    reset: Arc<AtomicBool>,
}

impl Broken {
    fn now(&self) {
        self.reset.store(true, Ordering::SeqCst);
        self.token.cancel();
    }
}

/// The socket under TLS; dropped after a break it sends a reset and no farewell.
struct Line {
    stream: TcpStream,
    broken: Broken,
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.broken.reset.load(Ordering::SeqCst) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A response's body: whole, or announced whole and then broken off.
struct Payload {
    announced: u64,
    data: Option<Bytes>,
    then_break: Option<(Pin<Box<tokio::time::Sleep>>, Broken)>,
}

impl Payload {
    fn whole(body: Bytes) -> Self {
        Self {
            announced: body.len() as u64,
            data: Some(body).filter(|body| !body.is_empty()),
            then_break: None,
        }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(data) = self.data.take().filter(|data| !data.is_empty()) {
            self.announced = self.announced.saturating_sub(data.len() as u64);
            if let Some((flush, _)) = &mut self.then_break {
                flush.as_mut().reset(tokio::time::Instant::now() + FLUSH);
            }
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match &mut self.then_break {
            None => Poll::Ready(None),
            Some((flush, broken)) => {
                if flush.as_mut().poll(cx).is_ready() {
                    broken.now();
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.then_break.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}
