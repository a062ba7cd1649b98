//! Everything of this room that serves beside the runs, begun and ended together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{DeadMan, DeadManError, ListenError, Listener, Telemetry, client, refresh, supervisor};
use crate::store::Store;

/// What is served to those who watch.
#[derive(Debug, Default)]
pub struct WatchOptions {
    /// Where metrics and health can be read; none: nowhere.
    pub listen: Option<SocketAddr>,
    /// Whom the dead man's switch pings.
    pub dead_man: Option<DeadManOptions>,
    /// Certificate authorities beside the system's, in PEM.
    pub ca_pem: Option<Vec<u8>>,
}

/// Whom the dead man's switch pings, and how often.
#[derive(Debug)]
pub struct DeadManOptions {
    /// While all is well.
    pub url: SecretString,
    /// While something is not; none: the same with `/fail` after its path.
    pub failure_url: Option<SecretString>,
    /// How often.
    pub every: Duration,
}

/// Why it cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The dead man's switch.
    #[error(transparent)]
    DeadMan(#[from] DeadManError),
    /// The client.
    #[error("network.ca_file: {0}")]
    Client(String),
}

/// What serves, until it is [stopped](Self::stop) or dropped.
#[derive(Debug)]
pub struct Watch {
    telemetry: Telemetry,
    address: Option<SocketAddr>,
    stopping: CancellationToken,
    stopped: CancellationToken,
    tasks: TaskTracker,
}

impl Watch {
    /// Serves metrics and health, pings the dead man's switch, looks up what others change, tells the service manager.
    ///
    /// # Errors
    /// If the address cannot be had, or a URL is none.
    pub async fn begin(
        telemetry: Telemetry,
        store: Arc<dyn Store>,
        options: WatchOptions,
    ) -> Result<Self, WatchError> {
        let (stopping, stopped) = (CancellationToken::new(), CancellationToken::new());
        let tasks = TaskTracker::new();
        let mut address = None;
        if let Some(listen) = options.listen {
            let listener = Listener::bind(listen, telemetry.clone()).await?;
            address = listener.address();
            tasks.spawn(listener.serve(stopped.clone()));
        }
        if let Some(told) = options.dead_man {
            let client = client(options.ca_pem.as_deref()).map_err(WatchError::Client)?;
            let dead_man = DeadMan::new(client, told.url, told.failure_url, told.every)?;
            tasks.spawn(dead_man.serve(telemetry.clone(), stopping.clone()));
        }
        tasks.spawn(refresh(telemetry.clone(), store, stopping.clone()));
        tasks.spawn(supervisor::supervised(telemetry.clone(), stopping.clone()));
        tasks.close();
        Ok(Self {
            telemetry,
            address,
            stopping,
            stopped,
            tasks,
        })
    }

    /// Where metrics and health can be read: of use where the port was any free one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The host begins to stop: it is no longer ready, and says so; metrics can still be read.
    pub fn stopping(&self) {
        self.telemetry.stopping();
        self.stopping.cancel();
    }

    /// The host has stopped.
    pub async fn stop(self) {
        self.stopping();
        self.stopped.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stopping.cancel();
        self.stopped.cancel();
    }
}
