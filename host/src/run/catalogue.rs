//! All groups of a source and which of them are bound to a directory: for people who choose groups. It is the component's
//! own reader, over the run's own gate, which lets only reads through; but no run, and nothing is decided by it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use groupcast_guest::environment::{
    Clock, Environment, Ledger, Level, LocalFuture, PlanSink, PlanSource, Progress, State, Transport,
    TransportError,
};
use groupcast_guest::failure::{Failure, FailureKind};
use groupcast_guest::http::Client;
use groupcast_guest::jumpcloud::{Reader, classify};
use groupcast_guest::ledger::{Binding, Effect, Intent, Membership, OpenIntent, Outcome};

use super::groupcast::{Groupcast, new_run_id};
use super::host::{Access, RunHost};
use super::setup::ConnectionSetup;
use super::{ConnectionName, RunFailure};
use crate::egress::gate::GateErrorKind;
use crate::egress::permit::NoPermit;
use crate::egress::policy::Phase;

/// A group of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueGroup {
    /// Its ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its own email.
    pub email: Option<String>,
    /// Its description.
    pub description: String,
    /// Whether JumpCloud associates it with the directory.
    pub is_bound: bool,
}

/// The source's groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// Ascending by name, then ID.
    pub groups: Vec<CatalogueGroup>,
    /// Why the list may not be whole, where it may not.
    pub incomplete: Option<String>,
}

impl Groupcast {
    /// Reads the source's groups. Never writes.
    ///
    /// # Errors
    /// The connection cannot run; the source cannot be read.
    pub async fn catalogue(&self, connection: &ConnectionName) -> Result<Catalogue, RunFailure> {
        let setup = self.setup(connection)?;
        let (host, _) = self.host(
            &setup,
            &new_run_id(),
            Phase::Reads,
            Arc::new(NoPermit),
            Access::Look,
        );
        let (source, directory) = (setup.source_base_url.clone(), setup.directory.clone());
        let runtime = tokio::runtime::Handle::current();
        // The component's engine is of one thread; it gets one to wait on.
        let read = tokio::task::spawn_blocking(move || {
            let reach = Reach {
                host,
                began: Instant::now(),
            };
            runtime.block_on(read(&reach, &source, &directory))
        });
        read.await
            .map_err(|_| RunFailure::failed("reading the groups was interrupted; try again"))?
            .map_err(RunFailure::of_failure)
    }
}

async fn read(reach: &Reach, source: &str, directory: &str) -> Result<Catalogue, Failure> {
    let reader = Reader::new(Client::new(environment(reach), source, classify, 1));
    let groups = reader.groups().await?;
    let found = reader.directory(directory).await?;
    let (bound, mut incomplete) = match &found {
        Some(directory) => {
            let bound = reader.bound_groups(directory).await?;
            (bound.seen().clone(), bound.shortfall().map(str::to_owned))
        }
        None => (
            BTreeSet::new(),
            Some(format!("JumpCloud shows no directory {directory}")),
        ),
    };
    incomplete = incomplete.or_else(|| groups.shortfall().map(str::to_owned));
    let mut groups: Vec<CatalogueGroup> = groups
        .seen()
        .iter()
        .map(|group| CatalogueGroup {
            is_bound: bound.contains(&group.id),
            id: group.id.clone(),
            name: group.name.clone(),
            email: group.email.clone(),
            description: group.description.clone(),
        })
        .collect();
    groups.sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
    Ok(Catalogue { groups, incomplete })
}

/// A cloud directory as the source lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceDirectory {
    /// JumpCloud's ID of it.
    pub id: String,
    /// Its name there.
    pub name: String,
    /// JumpCloud's own word for its kind: `g_suite`, `office_365`.
    pub kind: String,
}

impl Groupcast {
    /// Lists the source's cloud directories, over the credentials of a connection that need not be known here. Never
    /// writes, and asks nothing of the connection's own directory.
    ///
    /// # Errors
    /// The source cannot be read.
    pub async fn source_directories(
        &self,
        setup: &ConnectionSetup,
    ) -> Result<Vec<SourceDirectory>, RunFailure> {
        let (host, _) = self.host(
            setup,
            &new_run_id(),
            Phase::Reads,
            Arc::new(NoPermit),
            Access::Look,
        );
        let source = setup.source_base_url.clone();
        let runtime = tokio::runtime::Handle::current();
        let read = tokio::task::spawn_blocking(move || {
            let reach = Reach {
                host,
                began: Instant::now(),
            };
            runtime.block_on(async {
                let reader = Reader::new(Client::new(environment(&reach), &source, classify, 1));
                reader.directories().await
            })
        });
        let found = read
            .await
            .map_err(|_| RunFailure::failed("reading the directories was interrupted; try again"))?
            .map_err(RunFailure::of_failure)?;
        Ok(found
            .seen()
            .iter()
            .map(|one| SourceDirectory {
                id: one.id.clone(),
                name: one.name.clone(),
                kind: one.kind.clone(),
            })
            .collect())
    }
}

fn environment(reach: &Reach) -> Environment<'_> {
    Environment {
        transport: reach,
        clock: reach,
        ledger: reach,
        state: reach,
        progress: reach,
        plan_sink: reach,
        plan_source: reach,
    }
}

/// What the reader may reach: requests and time, and nothing that is kept.
struct Reach {
    host: Arc<RunHost>,
    began: Instant,
}

impl Transport for Reach {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> LocalFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        Box::pin(async move {
            self.host.gate.send(request).await.map_err(|error| {
                let told = error.to_string();
                match error.kind() {
                    GateErrorKind::AnswerLost | GateErrorKind::AnswerTooLong => {
                        TransportError::AnswerLost(told)
                    }
                    GateErrorKind::NotSent | GateErrorKind::Name => TransportError::NotSent(told),
                    _ => TransportError::Denied(told),
                }
            })
        })
    }
}

impl Clock for Reach {
    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn unix_seconds(&self) -> u64 {
        u64::try_from(chrono::Utc::now().timestamp()).unwrap_or(0)
    }

    fn sleep_ms(&self, ms: u64) -> LocalFuture<'_, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(ms)))
    }
}

fn none<T>() -> Result<T, Failure> {
    Err(Failure::new(
        FailureKind::Denied,
        "catalogue",
        "Looking at groups reads the source alone.",
    ))
}

impl Ledger for Reach {
    fn bindings(&self) -> Result<Vec<Binding>, Failure> {
        none()
    }

    fn memberships(&self, _: &str) -> Result<Vec<Membership>, Failure> {
        none()
    }

    fn intend(&self, _: &[Intent]) -> Result<Vec<u64>, Failure> {
        none()
    }

    fn settle(&self, _: &[Outcome]) -> Result<(), Failure> {
        none()
    }

    fn amend(&self, _: &[Effect]) -> Result<(), Failure> {
        none()
    }

    fn unsettled(&self) -> Result<Vec<OpenIntent>, Failure> {
        none()
    }
}

impl State for Reach {
    fn get(&self, _: &str) -> Result<Option<(Vec<u8>, u64)>, Failure> {
        none()
    }

    fn put(&self, _: &str, _: &[u8], _: Option<u64>) -> Result<Option<u64>, Failure> {
        none()
    }
}

impl Progress for Reach {
    fn report(&self, _: &str, _: u64, _: Option<u64>, _: &str) {}
    fn log(&self, _: Level, _: &str) {}
}

impl PlanSink for Reach {
    fn put(&self, _: &[u8]) -> Result<(), Failure> {
        none()
    }
}

impl PlanSource for Reach {
    fn next(&self) -> Result<Option<Vec<u8>>, Failure> {
        none()
    }
}
