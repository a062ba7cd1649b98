//! What systemd is told: that the host is ready, that it still lives, that it stops. Elsewhere nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use super::Telemetry;

/// How often is looked whether the host is ready.
const LOOK: Duration = Duration::from_millis(250);

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

/// Tells the service manager once the host is ready, feeds its watchdog while the host lives, and says when it stops. The
/// watchdog is not fed by a host whose scheduler is stuck, so that it is started again.
pub(super) async fn supervised(telemetry: Telemetry, stop: CancellationToken) {
    while !telemetry.ready().await.ok {
        tokio::select! {
            () = stop.cancelled() => {
                tell(&[NotifyState::Stopping]);
                return;
            }
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
    // Twice in the time that the manager waits.
    let every = sd_notify::watchdog_enabled().map(|patience| patience / 2);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(every.unwrap_or(Duration::from_secs(60))) => {}
        }
        let live = telemetry.live();
        if !live.ok {
            tracing::error!(faults = live.faults(), "this host does not live as it should");
        } else if every.is_some() {
            tell(&[NotifyState::Watchdog]);
        }
    }
    tell(&[
        NotifyState::Stopping,
        NotifyState::Status("stopping before the next write"),
    ]);
}
