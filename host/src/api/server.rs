//! The listener: connections, TLS, HTTP/1.1 and HTTP/2, and bounds on clients that are slow, many or greedy. It knows no
//! route.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;

use super::guard::Peer;
use crate::config::Network;

/// Connections at once.
const CONNECTIONS: usize = 2_048;
/// Connections at once of one address that is no believed proxy.
const OF_ONE: usize = 128;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the head of a request may take, and how long a connection may be idle.
const HEAD: Duration = Duration::from_secs(30);
/// How long sent data may stay unacknowledged: whoever reads nothing is cut off.
const UNREAD: Duration = Duration::from_secs(60);
/// The largest head of a request, in bytes.
const LARGEST_HEAD: u32 = 32 << 10;
/// How long a stop waits for requests under way.
const GRACE: Duration = Duration::from_secs(10);

/// Why the listener could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be listened at.
    #[error(
        "{address} cannot be listened at: {source}; give another [service] listen, or end what listens there"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// Certificate or key cannot be used.
    #[error("[service.tls] {what} {path}: {why}", path = .path.display())]
    Certificate {
        /// Which of them.
        what: &'static str,
        /// Its file.
        path: std::path::PathBuf,
        /// Why.
        why: String,
    },
}

/// Listens; port 0 is any free one.
///
/// # Errors
/// The address is taken, or not this machine's.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ServerError::Listen { address, source })
}

/// Serves until `stop`; then takes no more connections, ends those that are idle, and waits for the others.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    proxies: Vec<Network>,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let of = Arc::new(Addresses::default());
    let tracker = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = async {
                // First a place, then a connection: what has none waits in the kernel, which is bounded too.
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            } => accepted,
        };
        match accepted {
            (Ok(place), Ok((stream, peer))) => {
                let believed = proxies.iter().any(|network| network.contains(peer.ip()));
                let Some(seat) = of.take(peer.ip(), believed) else {
                    tracing::debug!(%peer, "an address has too many connections; one more was closed");
                    continue;
                };
                let (tls, router, stop) = (tls.clone(), router.clone(), stop.clone());
                tracker.spawn(async move {
                    connection(stream, peer, tls, router, stop).await;
                    drop((place, seat));
                });
            }
            (_, Err(error)) => {
                // Out of descriptors, most likely: give the others time to close.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            (Err(_), _) => break,
        }
    }
    drop(listener);
    tracker.close();
    if tokio::time::timeout(GRACE, tracker.wait()).await.is_err() {
        tracing::warn!("some requests did not end in time and were cut off");
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(UNREAD));
    let Some(tls) = tls else {
        return speak(stream, peer, router, stop).await;
    };
    match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => speak(stream, peer, router, stop).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
    }
}

async fn speak<S>(stream: S, peer: SocketAddr, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_headers(100)
        .max_buf_size(LARGEST_HEAD as usize * 2);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(LARGEST_HEAD)
        .max_concurrent_streams(64)
        .max_pending_accept_reset_streams(Some(20))
        .keep_alive_interval(Some(HEAD))
        .keep_alive_timeout(HANDSHAKE);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut router = router.clone();
        async move {
            let mut request = request.map(|body| Body::new(Timely::new(body)));
            request.extensions_mut().insert(Peer(peer));
            Ok::<_, Infallible>(match router.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            })
        }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

/// How many connections addresses have.
#[derive(Default)]
struct Addresses(Mutex<HashMap<IpAddr, usize>>);

/// One connection of an address.
struct Seat {
    address: Option<IpAddr>,
    of: Arc<Addresses>,
}

impl Addresses {
    fn take(self: &Arc<Self>, address: IpAddr, believed: bool) -> Option<Seat> {
        let address = address.to_canonical();
        if believed {
            return Some(Seat {
                address: None,
                of: Arc::clone(self),
            });
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(address).or_default();
        if *count >= OF_ONE {
            return None;
        }
        *count += 1;
        Some(Seat {
            address: Some(address),
            of: Arc::clone(self),
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut all = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                all.remove(&address);
            }
        }
    }
}

use timely::Timely;

/// A body that has to come: whoever sends nothing for a while is cut off.
mod timely {
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use bytes::Bytes;
    use hyper::body::{Body, Frame, Incoming, SizeHint};
    use tokio::time::{Instant, Sleep};

    /// How long a body may stand still.
    const STILL: Duration = Duration::from_secs(15);
    /// How long it may take in all.
    const WHOLE: Duration = Duration::from_secs(60);

    /// See the module.
    pub(super) struct Timely {
        body: Incoming,
        until: Pin<Box<Sleep>>,
        latest: Instant,
    }

    impl Timely {
        pub(super) fn new(body: Incoming) -> Self {
            let now = Instant::now();
            Self {
                body,
                until: Box::pin(tokio::time::sleep_until(now + STILL)),
                latest: now + WHOLE,
            }
        }
    }

    impl Body for Timely {
        type Data = Bytes;
        type Error = Box<dyn std::error::Error + Send + Sync>;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
                let next = (Instant::now() + STILL).min(self.latest);
                self.until.as_mut().reset(next);
                return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
            }
            match self.until.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Some(Err("the body did not come in time".into()))),
                Poll::Pending => Poll::Pending,
            }
        }

        fn is_end_stream(&self) -> bool {
            self.body.is_end_stream()
        }

        fn size_hint(&self) -> SizeHint {
            self.body.size_hint()
        }
    }

    use std::future::Future as _;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_a_bounded_number_of_connections() {
        let of = Arc::new(Addresses::default());
        let address: IpAddr = "203.0.113.7".parse().unwrap();
        let mut seats: Vec<Seat> = (0..OF_ONE).map(|_| of.take(address, false).unwrap()).collect();
        assert!(of.take(address, false).is_none());
        assert!(of.take(address, true).is_some(), "a proxy speaks for many");
        assert!(of.take("203.0.113.8".parse().unwrap(), false).is_some());
        seats.pop();
        assert!(of.take(address, false).is_some());
        drop(seats);
        assert!(of.0.lock().unwrap().is_empty(), "what is gone is not remembered");
    }
}
