//! Whether this host lives, and whether it can do its work, each with the reason.

use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Telemetry;
use crate::store::ConnectionId;

/// How long the store may take to answer.
const STORE_PATIENCE: Duration = Duration::from_secs(3);
/// After how many seconds without a beat the scheduler counts as stuck: it looks at the clock at least once a minute.
const STUCK_SECONDS: i64 = 180;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// `process`, `component`, `store`, `scheduler`.
    pub name: Cow<'static, str>,
    /// Whether it is well.
    pub ok: bool,
    /// What was found, and what to do where it is not well. Names nobody.
    pub message: String,
}

/// Everything that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether all of it is well.
    pub ok: bool,
    /// Each.
    pub probes: Vec<Probe>,
}

impl Health {
    fn of(probes: Vec<Probe>) -> Self {
        Self {
            ok: probes.iter().all(|probe| probe.ok),
            probes,
        }
    }

    /// What is not well, in one line.
    pub fn faults(&self) -> String {
        let faults: Vec<_> = self
            .probes
            .iter()
            .filter(|probe| !probe.ok)
            .map(|probe| format!("{}: {}", probe.name, probe.message))
            .collect();
        faults.join("; ")
    }
}

fn probe(name: &'static str, found: Result<&str, String>) -> Probe {
    Probe {
        name: name.into(),
        ok: found.is_ok(),
        message: found.map_or_else(|why| why, ToOwned::to_owned),
    }
}

impl Telemetry {
    /// Whether this process should go on: false asks whoever supervises it to start it again. A store that is away is no
    /// reason: another process would not find it either.
    pub fn live(&self) -> Health {
        Health::of(vec![
            probe("process", Ok("answers")),
            probe("scheduler", self.scheduler(true)),
        ])
    }

    /// Whether this host can do its work now.
    pub async fn ready(&self) -> Health {
        let shared = self.shared();
        let process = if shared.stopping.load(Ordering::Relaxed) {
            Err("the host is stopping and takes no more work".to_owned())
        } else {
            Ok("takes work")
        };
        let component = if shared.compiled.load(Ordering::Relaxed) {
            Ok("compiled")
        } else {
            Err("the component is not compiled yet; the first start on a machine takes a minute".to_owned())
        };
        Health::of(vec![
            probe("process", process),
            probe("component", component),
            probe("store", self.reach_store().await),
            probe("scheduler", self.scheduler(false)),
        ])
    }

    fn scheduler(&self, unless_absent: bool) -> Result<&'static str, String> {
        let shared = self.shared();
        let beat = shared.beat.load(Ordering::Relaxed);
        if beat == 0 {
            return if unless_absent {
                Ok("does not serve yet")
            } else {
                Err("the scheduler does not serve yet".to_owned())
            };
        }
        let age = ((shared.clock)().timestamp_millis() - beat) / 1_000;
        if age > STUCK_SECONDS {
            return Err(format!(
                "the scheduler has not looked at the clock for {age} seconds, so nothing begins; start the host again and \
                 report it with the log"
            ));
        }
        Ok("looks at the clock")
    }

    /// Reads one record, which needs the database and its tables.
    async fn reach_store(&self) -> Result<&'static str, String> {
        let Some(store) = self.shared().store.get() else {
            return Err("the store is not open yet".to_owned());
        };
        let anybody = ConnectionId::new("", "");
        match tokio::time::timeout(STORE_PATIENCE, store.connection(&anybody)).await {
            Ok(Ok(_)) => Ok("answers"),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!(
                "the store did not answer within {} seconds; look whether its disk or its server is overloaded",
                STORE_PATIENCE.as_secs()
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicI64;

    use chrono::DateTime;

    use super::*;

    #[tokio::test]
    async fn a_host_that_just_began_lives_and_is_not_ready_and_says_why() {
        let telemetry = Telemetry::default();
        assert!(telemetry.live().ok);
        let ready = telemetry.ready().await;
        assert!(!ready.ok);
        assert_eq!(
            ready.faults(),
            "component: the component is not compiled yet; the first start on a machine takes a minute; store: the store \
             is not open yet; scheduler: the scheduler does not serve yet"
        );
    }

    #[tokio::test]
    async fn a_scheduler_that_is_stuck_is_no_life() {
        let now = Arc::new(AtomicI64::new(1_000_000));
        let clock = Arc::clone(&now);
        let telemetry = Telemetry::new(Arc::new(move || {
            DateTime::from_timestamp(clock.load(Ordering::Relaxed), 0).unwrap()
        }));
        telemetry.beat();
        now.fetch_add(STUCK_SECONDS, Ordering::Relaxed);
        assert!(telemetry.live().ok);
        now.fetch_add(1, Ordering::Relaxed);
        assert!(telemetry.live().faults().contains("for 181 seconds"));
        telemetry.beat();
        assert!(telemetry.live().ok);
    }
}
