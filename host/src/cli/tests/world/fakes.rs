//! The host, its secrets and its surroundings as a [`World`] says that they answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use groupcast_guest::engine::{Explanation, Extent, PlanSummary};
use groupcast_guest::failure::VendorAnswer;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::parts::{everything, stored};
use super::results::explanation;
use super::{HASH, World};
use crate::cli::arguments::{HealthArguments, SandboxArguments, SimulatorsArguments};
use crate::cli::commands::StorePlace;
use crate::cli::exit::Exit;
use crate::cli::operations::{
    ApplyOutcome, CheckReport, ConnectionName, Observer, Operations, PlanOutcome, RequestCounts, RunFailure,
    RunFailureKind, RunRecord, Selection, StoredPlan, SyncOutcome,
};
use crate::cli::problem::Problem;
use crate::cli::surroundings::{Component, Opening, SecretLine, SecretStore, Surroundings};
use crate::plugin::{Plugin, PluginEngine, RunLimits, Usage};
use crate::recording::Recordings;
use crate::service::identity::Tokens;
use crate::store::SqliteStore;
use crate::telemetry::{Health, Probe};

pub struct FakeSurroundings(pub Arc<World>);
struct FakeHost(Arc<World>);
struct FakeSecrets(Arc<World>);

#[async_trait]
impl Surroundings for FakeSurroundings {
    async fn open(&self, opening: Opening<'_>) -> Result<Arc<dyn Operations>, Problem> {
        if opening.config == Path::new("missing.toml") {
            return Err(Problem::refused(
                "missing.toml: there is no such file; write one, or give --config FILE",
            ));
        }
        Ok(Arc::new(FakeHost(Arc::clone(&self.0))))
    }

    async fn serve(&self, _: Opening<'_>, _: &CancellationToken) -> Result<Exit, Problem> {
        Ok(Exit::Done)
    }

    async fn health(&self, _: &Path, arguments: &HealthArguments) -> Result<Health, Problem> {
        let ok = arguments.url.is_none();
        let message = if ok { "answers" } else { "does not answer\u{1b}[2J" };
        let probe = Probe {
            name: "store".into(),
            ok,
            message: message.to_owned(),
        };
        Ok(Health {
            ok,
            probes: vec![probe],
        })
    }

    fn component(&self, _: Option<&Path>, limits: &RunLimits) -> Result<Component, Problem> {
        let engine = PluginEngine::new(1, limits)?;
        let plugin = Plugin::embedded(&engine)?;
        Ok((Arc::new(engine), Arc::new(plugin)))
    }

    fn recordings(&self, _: &Path) -> Result<Recordings, Problem> {
        Ok(Recordings {
            folder: PathBuf::from("no.recordings"),
            keep: 20,
            largest: 1 << 20,
        })
    }

    async fn secrets(&self, _: &Path, _: Option<&str>) -> Result<Box<dyn SecretStore>, Problem> {
        Ok(Box::new(FakeSecrets(Arc::clone(&self.0))))
    }

    async fn tokens(&self, _: &Path) -> Result<Tokens, Problem> {
        let folder = std::env::temp_dir().join(format!("groupcast-tokens-{:016x}", rand::random::<u64>()));
        std::fs::create_dir_all(&folder)?;
        let store = SqliteStore::open(&folder.join("groupcast.db"))
            .await
            .map_err(|error| Problem::failed(error.to_string()))?;
        Ok(Tokens::new(Arc::new(store), vec!["acme".to_owned()]))
    }

    async fn store(&self, config: &Path) -> Result<StorePlace, Problem> {
        Ok(StorePlace {
            location: crate::store::Location::File(config.with_extension("db")),
            keep_runs_days: 400,
        })
    }

    fn schema(&self) -> Result<String, Problem> {
        Ok("{}".to_owned())
    }

    async fn sandbox(
        &self,
        _: &SandboxArguments,
        _: bool,
        _: Arc<dyn Observer>,
        _: &CancellationToken,
    ) -> Result<Exit, Problem> {
        Ok(Exit::Done)
    }

    async fn simulators(
        &self,
        _: &SimulatorsArguments,
        _: bool,
        _: &CancellationToken,
    ) -> Result<Exit, Problem> {
        Ok(Exit::Done)
    }

    fn confirm(&self, _: &str) -> Option<bool> {
        self.0.answer
    }

    fn secret_value(&self, _: &str) -> Result<SecretString, Problem> {
        Ok(SecretString::from("hunter2-hunter2"))
    }
}

#[async_trait]
impl SecretStore for FakeSecrets {
    async fn set(&self, name: &str, _: SecretString, _: Option<DateTime<Utc>>) -> Result<bool, Problem> {
        Ok(self.0.secrets.iter().any(|known| known == name))
    }

    async fn list(&self) -> Result<Vec<SecretLine>, Problem> {
        let lines = self.0.secrets.iter().map(|name| SecretLine {
            name: name.clone(),
            version: None,
            expires_at: None,
        });
        Ok(lines.collect())
    }

    async fn rotate_key(&self) -> Result<String, Problem> {
        Ok("Rotated.".to_owned())
    }

    async fn remove(&self, name: &str) -> Result<bool, Problem> {
        Ok(self.0.secrets.iter().any(|known| known == name))
    }
}

impl FakeHost {
    fn outcome(&self, connection: &ConnectionName) -> Result<PlanOutcome, RunFailure> {
        if connection.name == "broken" {
            return Err(RunFailure {
                kind: RunFailureKind::Refused,
                repetition: crate::run::Repetition::NeedsMending,
                message:
                    "Google refused the service account: it lacks a scope.\nGrant it in the admin console."
                        .to_owned(),
                vendor: Some(VendorAnswer {
                    status: 401,
                    reason: "unauthorized_client".to_owned(),
                    request_id: None,
                }),
            });
        }
        Ok(PlanOutcome {
            run: "run-1".to_owned(),
            plan: stored(self.0.plan.clone()?),
            summary: PlanSummary::default(),
            requests: RequestCounts::default(),
            usage: Usage::default(),
        })
    }
}

#[async_trait]
impl Operations for FakeHost {
    fn connections(&self) -> Vec<ConnectionName> {
        self.0
            .connections
            .iter()
            .map(|name| ConnectionName::new("default", *name))
            .collect()
    }

    fn resolve(&self, name: Option<&str>) -> Result<Vec<ConnectionName>, String> {
        let all = self.connections();
        let Some(name) = name else { return Ok(all) };
        let found: Vec<ConnectionName> = all
            .into_iter()
            .filter(|one| one.name == name || one.to_string() == name)
            .collect();
        if found.is_empty() {
            Err(format!("there is no connection {name}"))
        } else {
            Ok(found)
        }
    }

    async fn check(&self, _: &ConnectionName, _: &CancellationToken) -> Result<CheckReport, RunFailure> {
        Ok(CheckReport {
            run: "run-1".to_owned(),
            findings: self.0.findings.clone(),
            requests: RequestCounts::default(),
        })
    }

    async fn plan(
        &self,
        connection: &ConnectionName,
        _: &CancellationToken,
    ) -> Result<PlanOutcome, RunFailure> {
        self.outcome(connection)
    }

    async fn stored_plan(&self, hash: &str) -> Result<Option<StoredPlan>, RunFailure> {
        Ok((hash == HASH).then(|| stored(everything())))
    }

    async fn apply(
        &self,
        connection: &ConnectionName,
        hash: &str,
        selection: Selection,
        _: &CancellationToken,
    ) -> Result<ApplyOutcome, RunFailure> {
        let entry = (connection.to_string(), hash.to_owned(), selection);
        self.0.applied.lock().unwrap().push(entry);
        Ok(self.0.apply.clone())
    }

    async fn sync(
        &self,
        connection: &ConnectionName,
        _: Extent,
        _: &CancellationToken,
    ) -> Result<SyncOutcome, RunFailure> {
        let plan = self.outcome(connection)?;
        Ok(if self.0.sync_applies {
            SyncOutcome::Applied {
                plan,
                apply: self.0.apply.clone(),
            }
        } else {
            SyncOutcome::Planned {
                plan,
                why: "default/google only plans until a plan of it was approved".to_owned(),
            }
        })
    }

    async fn undo(&self, _: &str, _: &CancellationToken) -> Result<PlanOutcome, RunFailure> {
        self.outcome(&ConnectionName::new("default", "google"))
    }

    async fn why(
        &self,
        _: &ConnectionName,
        _: Option<&str>,
        _: &str,
        _: &CancellationToken,
    ) -> Result<Explanation, RunFailure> {
        Ok(explanation())
    }

    async fn runs(&self, limit: usize) -> Result<Vec<RunRecord>, RunFailure> {
        Ok(self.0.records.iter().take(limit).cloned().collect())
    }
}
