//! Making one connection: the name is resolved, each address judged, and the connection made to an address that was.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::addresses::{self, AddressRefusal, Network};
use super::fence::{Fence, Fenced};
use super::origin::Origin;

/// Why no whole answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The name does not resolve.
    #[error(
        "the name {host} could not be resolved: {why}; check the base URL and this machine's name service"
    )]
    Name {
        /// The name.
        host: String,
        /// What the resolver said.
        why: String,
    },
    /// None of the addresses may be connected to.
    #[error("{0}")]
    Address(#[from] AddressRefusal),
    /// Nobody listens there.
    #[error(
        "no connection to {origin}: {why}: nothing listens there, or a firewall refuses it; check the base URL, and what \
         stands between this machine and the vendor"
    )]
    Refused {
        /// Where to.
        origin: String,
        /// Which address, and what the system said.
        why: String,
    },
    /// TCP, TLS or HTTP did not come to be.
    #[error(
        "no connection to {origin}: {why}; check the base URL, and what stands between this machine and the vendor"
    )]
    Connect {
        /// Where to.
        origin: String,
        /// Why.
        why: String,
    },
    /// Somebody answered whom nobody vouches for; another try will not change that.
    #[error(
        "no connection to {origin}, since it cannot be trusted: {why}; if a proxy or an authority of your own stands \
         there, name its certificate in network.ca_file; else do not trust what answered"
    )]
    Untrusted {
        /// Where to.
        origin: String,
        /// What is wrong with the certificate.
        why: String,
    },
    /// The request was sent, or may have been, and no whole answer came.
    #[error("the answer of {origin} was lost: {why}; the request may have taken effect")]
    AnswerLost {
        /// Whose.
        origin: String,
        /// Why.
        why: String,
    },
    /// The answer is too long.
    #[error("the answer of {origin} is longer than {limit} bytes; read in smaller pages")]
    TooLong {
        /// Whose.
        origin: String,
        /// The cap.
        limit: usize,
    },
}

impl NetworkError {
    /// A stable name for what happened, as `check` shows it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Name { .. } => "name-unresolved",
            Self::Address(_) => "address-not-allowed",
            Self::Refused { .. } => "connection-refused",
            Self::Connect { .. } => "no-connection",
            Self::Untrusted { .. } => "certificate-untrusted",
            Self::AnswerLost { .. } => "answer-lost",
            Self::TooLong { .. } => "answer-too-long",
        }
    }

    /// Whether the request may have taken effect.
    pub fn may_have_been_sent(&self) -> bool {
        matches!(self, Self::AnswerLost { .. } | Self::TooLong { .. })
    }
}

/// Resolves names; a test puts its own in place.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// The addresses of a host.
    async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>>;
}

/// This machine's own name service.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// Makes TCP connections to one origin, to addresses that were judged.
#[derive(Clone)]
pub struct Dialer {
    /// Where to.
    pub origin: Origin,
    /// Networks that the operator listed.
    pub allowed: Arc<[Network]>,
    /// The name service.
    pub resolver: Arc<dyn Resolve>,
    /// What looks at every byte that leaves on the connection.
    pub fence: Arc<Fence>,
    /// How long the kernel may try to deliver what it was given.
    pub longest: Duration,
}

impl Dialer {
    async fn dial(self) -> Result<TokioIo<Fenced<TcpStream>>, NetworkError> {
        let host = self.origin.host();
        let addresses = match self.origin.address() {
            Some(address) => vec![SocketAddr::new(address, self.origin.port())],
            None => self
                .resolver
                .resolve(host, self.origin.port())
                .await
                .map_err(|error| NetworkError::Name {
                    host: host.to_owned(),
                    why: error.to_string(),
                })?,
        };
        let mut last = NetworkError::Name {
            host: host.to_owned(),
            why: "it has no address".into(),
        };
        for address in addresses {
            if let Err(refusal) = addresses::judge(&self.origin, address.ip(), &self.allowed) {
                last = refusal.into();
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // Requests are small and wait for answers; holding them back only costs time.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "TCP_NODELAY could not be set");
                    }
                    bound_delivery(&stream, self.longest);
                    return Ok(TokioIo::new(Fenced::new(stream, self.fence)));
                }
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    last = NetworkError::Refused {
                        origin: self.origin.to_string(),
                        why: format!("{address}: {error}"),
                    };
                }
                Err(error) => {
                    last = NetworkError::Connect {
                        origin: self.origin.to_string(),
                        why: format!("{address}: {error}"),
                    };
                }
            }
        }
        Err(last)
    }
}

/// The deadline of a request is this process's, and a process that is frozen ends nothing: the kernel would go on
/// sending what it was given for a quarter of an hour. So the kernel gets the deadline too, and a successor that has
/// waited for it finds nothing of its predecessor on the way (R48).
fn bound_delivery(stream: &TcpStream, longest: Duration) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(longest)) {
        tracing::warn!(%error, "TCP_USER_TIMEOUT could not be set; an undelivered request may outlive its deadline");
    }
    // Elsewhere there is no such option; production machines are Linux.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (stream, longest);
}

/// For the TLS layer, which dials through this.
impl Service<Uri> for Dialer {
    type Response = TokioIo<Fenced<TcpStream>>;
    type Error = NetworkError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, NetworkError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), NetworkError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: Uri) -> Self::Future {
        // The origin is ours; the URL is only what the TLS layer takes the server's name from.
        Box::pin(self.clone().dial())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn r48_the_kernel_gives_up_what_it_could_not_deliver_within_a_requests_deadline() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        bound_delivery(&stream, Duration::from_secs(7));
        let told = socket2::SockRef::from(&stream).tcp_user_timeout().unwrap();
        assert_eq!(told, Some(Duration::from_secs(7)));
    }
}
