//! Holding a directory while a run writes to it (R48): renewed in the background, given back at the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::egress::permit::{Lease as Fresh, SystemBootClock};
use crate::store::{DirectoryKey, Lease, LeaseAnswer, Store};

use super::{RunFailure, RunFailureKind};

/// How often a lease is renewed in its life: a renewal or two may fail.
const RENEWALS: u32 = 4;
/// How often it is looked whether a directory is free that is waited for.
const LOOK: Duration = Duration::from_millis(500);

/// How long a directory is held. Any lengths are safe: the store keeps with each lease when it is free, and whoever
/// comes next goes by that and not by lengths of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTimes {
    /// How long a lease lives without being renewed.
    pub life: Duration,
    /// How long a request may still be on its way that started in the lease's last moment.
    pub longest_request: Duration,
}

/// A directory held by this process.
pub(super) struct HeldLease {
    /// What the permit looks at.
    pub(super) fresh: Arc<Fresh>,
    lease: Arc<Mutex<Lease>>,
    store: Arc<dyn Store>,
}

/// Keeps a lease fresh for as long as its run goes on, and not for as long as a request of it is on the wire: where the
/// run's future is dropped, this is dropped with it, and what nobody gives back runs out by itself.
pub(super) struct Renewal {
    stop: DropGuard,
    task: tokio::task::JoinHandle<()>,
}

impl HeldLease {
    /// Takes the directory, or says who has it and until when.
    pub(super) async fn acquire(
        store: Arc<dyn Store>,
        directory: &DirectoryKey,
        holder: &str,
        times: LeaseTimes,
    ) -> Result<(Self, Renewal), RunFailure> {
        let fresh = Arc::new(Fresh::new(Arc::new(SystemBootClock)));
        let asked = fresh.before_renewal();
        let lease = match store
            .acquire_lease(directory, holder, span(times.life), span(times.longest_request))
            .await?
        {
            LeaseAnswer::Granted(lease) => lease,
            LeaseAnswer::Held { holder, free_at } => {
                return Err(RunFailure::refused(format!(
                    "another run ({holder}) is at work in this directory; it holds it until {} at the latest: wait \
                     for it to end, then try again",
                    free_at.format("%Y-%m-%d %H:%M:%S UTC")
                )));
            }
        };
        fresh.renewed(asked, times.life);
        let lease = Arc::new(Mutex::new(lease));
        let stop = CancellationToken::new();
        let task = tokio::spawn(renew(
            Arc::clone(&store),
            Arc::clone(&lease),
            Arc::clone(&fresh),
            stop.clone(),
            times,
        ));
        let renewal = Renewal {
            stop: stop.drop_guard(),
            task,
        };
        Ok((Self { fresh, lease, store }, renewal))
    }

    /// The same for a run that goes on where another process was stopped: what that one left on the wire is over once its
    /// lease has run out, and that is waited for, but not for ever.
    pub(super) async fn wait_for(
        store: Arc<dyn Store>,
        directory: &DirectoryKey,
        holder: &str,
        times: LeaseTimes,
        cancel: &CancellationToken,
    ) -> Result<(Self, Renewal), RunFailure> {
        let (began, patience) = (Instant::now(), times.life + times.longest_request + LOOK);
        loop {
            match Self::acquire(Arc::clone(&store), directory, holder, times).await {
                Err(held) if held.kind == RunFailureKind::Refused && began.elapsed() < patience => {
                    tokio::select! {
                        () = cancel.cancelled() => return Err(held),
                        () = tokio::time::sleep(LOOK) => {}
                    }
                }
                answer => return answer,
            }
        }
    }

    /// The lease as the store knows it.
    pub(super) async fn current(&self) -> Lease {
        self.lease.lock().await.clone()
    }

    /// Whether this process still holds it.
    pub(super) fn is_held(&self) -> bool {
        self.fresh.is_fresh()
    }

    /// Gives the directory back. Only once no request is on the wire.
    pub(super) async fn release(self, renewal: Renewal) {
        drop(renewal.stop);
        let _ = renewal.task.await;
        self.fresh.lost();
        let lease = self.lease.lock().await.clone();
        if let Err(error) = self.store.release_lease(&lease).await {
            tracing::warn!(%error, "the lease could not be given back; it runs out by itself");
        }
    }
}

async fn renew(
    store: Arc<dyn Store>,
    lease: Arc<Mutex<Lease>>,
    fresh: Arc<Fresh>,
    stop: CancellationToken,
    times: LeaseTimes,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(times.life / RENEWALS) => {}
        }
        let held = lease.lock().await.clone();
        let asked = fresh.before_renewal();
        match store
            .renew_lease(&held, span(times.life), span(times.longest_request))
            .await
        {
            Ok(renewed) => {
                *lease.lock().await = renewed;
                fresh.renewed(asked, times.life);
            }
            Err(crate::store::StoreError::LeaseLost { .. }) => {
                tracing::warn!("the directory's lease was lost; no further write starts");
                fresh.lost();
                return;
            }
            // The store may be busy; the lease lapses by itself if this goes on.
            Err(error) => tracing::warn!(%error, "the lease could not be renewed; trying again"),
        }
    }
}

fn span(duration: Duration) -> chrono::Duration {
    chrono::Duration::from_std(duration).unwrap_or(chrono::Duration::seconds(60))
}
