//! A host of many tenants as `serve` makes it, and what is watched of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use groupcast::config::Config;
use groupcast::plugin::{Plugin, PluginEngine, RunLimits};
use groupcast::run::{Groupcast, JobRunner, NoObserver, Selection};
use groupcast::schedule::{EmbeddedEngine, Engine, EngineLimits, JobWatcher, Served, TriggerAnswer};
use groupcast::store::service::{JobRecord, JobState, Trigger, Work};
use groupcast::store::{ConnectionId, RunResult, SqliteStore, Store};
use groupcast_tests::{Lab, Target};
use tokio_util::sync::CancellationToken;

/// How many tenants, where the command says nothing.
const FEW: usize = 60;

pub fn tenants() -> usize {
    std::env::var("GROUPCAST_TENANTS")
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(FEW)
}

/// Whether the whole of it was asked for, which takes minutes.
pub fn whole() -> bool {
    std::env::var_os("GROUPCAST_TENANTS").is_some()
}

/// The configuration of so many tenants, each with one directory; `schedule` is each one's.
pub fn configuration(lab: &Lab, names: &[String], target: Target, schedule: Option<&str>) -> String {
    let mut file = toml::Table::new();
    for shared in ["store", "network"] {
        file.insert(shared.to_owned(), lab.config[shared].clone());
    }
    let mut directory = lab.config[target.name()].as_table().unwrap().clone();
    if let Some(schedule) = schedule {
        directory.insert(
            "schedule".to_owned(),
            schedule.parse::<toml::Table>().unwrap().into(),
        );
    }
    let mut tenant = toml::Table::new();
    let mut jumpcloud = lab.config["jumpcloud"].as_table().unwrap().clone();
    // Its feed of events: a cycle without changes takes a look at it.
    jumpcloud.insert("events_url".to_owned(), jumpcloud["base_url"].clone());
    tenant.insert("jumpcloud".to_owned(), jumpcloud.into());
    tenant.insert(target.name().to_owned(), directory.into());
    let all: toml::Table = names
        .iter()
        .map(|name| (name.clone(), tenant.clone().into()))
        .collect();
    file.insert("tenant".to_owned(), all.into());
    // As a service, which makes way for others however many tenants one file names.
    file.insert("service".to_owned(), toml::Table::new().into());
    file.to_string()
}

pub fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}-{number:04}")).collect()
}

pub fn connection(tenant: &str, target: Target) -> ConnectionId {
    ConnectionId::new(tenant, target.name())
}

/// A component for as many runs at once as the limits say.
pub fn component(limits: &EngineLimits) -> (Arc<PluginEngine>, Arc<Plugin>) {
    let places = limits.places.all + limits.places.kept_for_short;
    let engine = PluginEngine::new(u32::try_from(places).unwrap() + 4, &RunLimits::default()).unwrap();
    let plugin = Plugin::embedded(&engine).unwrap();
    (Arc::new(engine), Arc::new(plugin))
}

/// The jobs that ended, and who waits for them.
#[derive(Default)]
pub struct Ended {
    jobs: Mutex<Vec<JobRecord>>,
}

impl JobWatcher for Ended {
    fn job(&self, job: &JobRecord) {
        if job.state == JobState::Ended {
            self.jobs.lock().unwrap().push(job.clone());
        }
    }
}

impl Ended {
    pub fn take(&self) -> Vec<JobRecord> {
        std::mem::take(&mut *self.jobs.lock().unwrap())
    }

    pub fn snapshot(&self) -> Vec<JobRecord> {
        self.jobs.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.jobs.lock().unwrap().len()
    }
}

/// A host that serves.
pub struct Host {
    pub groupcast: Arc<Groupcast>,
    pub engine: Arc<EmbeddedEngine<JobRunner>>,
    pub ended: Arc<Ended>,
    pub connections: Vec<ConnectionId>,
    stop: CancellationToken,
    served: Option<tokio::task::JoinHandle<Served>>,
}

impl Host {
    /// Opens everything. No tenant is there yet: see [`Self::take_up`].
    pub async fn open(store: &std::path::Path, limits: EngineLimits) -> Self {
        let (engine, plugin) = component(&limits);
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(store).await.unwrap());
        let groupcast = Arc::new(Groupcast::with_plugin(
            Vec::new(),
            Arc::clone(&store),
            engine,
            plugin,
            Arc::new(NoObserver),
        ));
        let ended = Arc::new(Ended::default());
        let engine = Arc::new(EmbeddedEngine::new(
            Arc::new(JobRunner::new(Arc::clone(&groupcast))),
            store,
            limits,
            Some(Arc::clone(&ended) as Arc<dyn JobWatcher>),
        ));
        Self {
            groupcast,
            engine,
            ended,
            connections: Vec::new(),
            stop: CancellationToken::new(),
            served: None,
        }
    }

    /// Takes up every connection of a configuration, as a service does.
    pub async fn take_up(&mut self, config: &Config) {
        for (id, setup) in groupcast::run::attempts(config).await.unwrap() {
            self.groupcast.put_connection(id.clone(), setup);
            self.connections.push(id);
        }
        for connection in config.connections() {
            self.engine
                .put_schedule(&connection.id, connection.schedule.clone())
                .await
                .unwrap();
        }
    }

    pub fn serve(&mut self) {
        let (engine, stop) = (Arc::clone(&self.engine), self.stop.clone());
        self.served = Some(tokio::spawn(async move { engine.serve(stop).await }));
    }

    /// Plans and applies everything once, one after the other: they all write to the same directory (R48).
    pub async fn export_all(&self) {
        for id in &self.connections {
            let cancel = CancellationToken::new();
            let plan = self.groupcast.plan(id, &cancel).await.unwrap();
            self.groupcast
                .apply(id, &plan.plan.hash, Selection::default(), &cancel)
                .await
                .unwrap_or_else(|failure| panic!("{id}: {failure}"));
        }
    }

    pub async fn ask(&self, id: &ConnectionId, full: bool) -> String {
        let trigger = Trigger::Request {
            by: "command-line:test".to_owned(),
        };
        match self
            .engine
            .trigger(id, Work::Sync { full }, trigger)
            .await
            .unwrap()
        {
            TriggerAnswer::Begun { job } => job,
            TriggerAnswer::AlreadyRunning { job } => panic!("{id}: {job} is under way"),
        }
    }

    pub async fn stop(self) {
        self.stop.cancel();
        if let Some(served) = self.served {
            assert_eq!(served.await.unwrap(), Served::default());
        }
    }
}

/// All of them found nothing to do.
pub fn in_step(jobs: &[JobRecord]) {
    let mut ends = BTreeMap::<String, usize>::new();
    for job in jobs {
        let end = job.end.clone().unwrap();
        *ends
            .entry(format!("{:?}: {}", end.result, end.message))
            .or_default() += 1;
        assert_eq!(end.result, RunResult::Done, "{}: {}", job.connection, end.message);
    }
    eprintln!("  ends: {ends:?}");
}

/// From being asked for to the end, in milliseconds, ascending.
pub fn latencies(jobs: &[JobRecord]) -> Vec<i64> {
    let mut all: Vec<i64> = jobs
        .iter()
        .map(|job| (job.ended_at.unwrap() - job.queued_at).num_milliseconds())
        .collect();
    all.sort_unstable();
    all
}

pub fn percentile(sorted: &[i64], percent: usize) -> i64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

/// Resident memory of this process, in KiB.
pub fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
