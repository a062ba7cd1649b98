//! The last look before bytes leave: a connection that carries a write asks, each time it is about to hand bytes to the
//! kernel, whether the lease under which that write was permitted still runs.
//!
//! The permit is asked with the connection in hand, but between its answer and the last byte a machine can be frozen for
//! as long as it likes, in the middle of a long body too. What was not handed over by then never is: the connection
//! breaks instead. What the kernel has already, the socket's own deadline bounds ([`super::dial`]).
//!
//! What may not enter: whether a write is allowed at all; that is the permit's.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::permit::Lease;

/// The leases under which writes are on their way on one connection.
#[derive(Default)]
pub struct Fence(Mutex<Vec<Arc<Lease>>>);

/// A write on its way. Where it is dropped and not [`Raised::lower`]ed, nobody knows how much of it is still to leave:
/// then the connection stays bound to the lease until the end of either.
#[must_use]
pub struct Raised {
    fence: Arc<Fence>,
    lease: Arc<Lease>,
}

impl Fence {
    /// From here on nothing leaves unless the lease still runs.
    pub fn raise(self: &Arc<Self>, lease: Arc<Lease>) -> Raised {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&lease));
        Raised {
            fence: Arc::clone(self),
            lease,
        }
    }

    fn look(&self) -> io::Result<()> {
        let leases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if leases.iter().all(|lease| lease.is_fresh()) {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the run lost its directory before the request had left, so the rest of it was held back",
        ))
    }
}

impl Raised {
    /// The answer is there, so all of the request has left.
    pub fn lower(self) {
        let mut leases = self.fence.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = leases.iter().position(|lease| Arc::ptr_eq(lease, &self.lease)) {
            leases.swap_remove(place);
        }
    }
}

/// A stream behind a fence.
pub struct Fenced<S> {
    stream: S,
    fence: Arc<Fence>,
}

impl<S> Fenced<S> {
    /// Puts a stream behind a fence.
    pub fn new(stream: S, fence: Arc<Fence>) -> Self {
        Self { stream, fence }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Fenced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Fenced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.fence.look()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.fence.look()?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: Connection> Connection for Fenced<S> {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::permit::BootClock;
    use super::*;

    struct HandClock(AtomicU64);

    impl BootClock for HandClock {
        fn now(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::SeqCst))
        }
    }

    fn lease() -> (Arc<HandClock>, Arc<Lease>) {
        let clock = Arc::new(HandClock(AtomicU64::new(1)));
        let lease = Arc::new(Lease::new(clock.clone()));
        lease.renewed(Duration::from_secs(1), Duration::from_secs(10));
        (clock, lease)
    }

    #[tokio::test]
    async fn r48_a_machine_that_was_frozen_between_permit_and_send_or_in_a_body_sends_nothing_more() {
        let (near, mut far) = tokio::io::duplex(64);
        let fence = Arc::new(Fence::default());
        let mut stream = Fenced::new(near, Arc::clone(&fence));
        let (clock, lease) = lease();
        let raised = fence.raise(lease);
        stream.write_all(b"half ").await.unwrap();
        clock.0.store(11, Ordering::SeqCst);
        let refused = stream.write_all(b"of it").await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        let slices = [io::IoSlice::new(b"of it")];
        assert!(stream.write_vectored(&slices).await.is_err());
        // Whoever waited gives up: what may still lie in a buffer stays behind the fence.
        drop(raised);
        assert!(stream.write_all(b"of it").await.is_err());
        drop(stream);
        let mut arrived = String::new();
        far.read_to_string(&mut arrived).await.unwrap();
        assert_eq!(arrived, "half ");
    }

    #[tokio::test]
    async fn r48_a_write_that_was_answered_leaves_the_connection_to_others() {
        let (near, _far) = tokio::io::duplex(64);
        let fence = Arc::new(Fence::default());
        let mut stream = Fenced::new(near, Arc::clone(&fence));
        let ((_, ended), (_, other)) = (lease(), lease());
        let (one, again, beside) = (
            fence.raise(Arc::clone(&ended)),
            fence.raise(Arc::clone(&ended)),
            fence.raise(other),
        );
        one.lower();
        again.lower();
        ended.lost();
        stream.write_all(b"a read").await.unwrap();
        beside.lower();
    }
}
