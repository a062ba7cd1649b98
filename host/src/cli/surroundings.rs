//! Everything that the commands reach outside themselves: the opened host, the secrets, the person at the terminal.
//! A trait, so that tests put a fixed world in its place.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::arguments::{HealthArguments, SandboxArguments, SimulatorsArguments};
use super::commands::StorePlace;
use super::exit::Exit;
use super::operations::{Observer, Operations};
use super::problem::Problem;
use crate::plugin::{Plugin, PluginEngine, RunLimits};
use crate::recording::Recordings;
use crate::service::identity::Tokens;
use crate::telemetry::Health;

/// A compiled component and the engine that it was compiled for.
pub type Component = (Arc<PluginEngine>, Arc<Plugin>);

/// How the host is opened.
#[derive(Clone)]
pub struct Opening<'a> {
    /// The configuration file.
    pub config: &'a Path,
    /// A component file instead of the built-in one.
    pub plugin: Option<&'a Path>,
    /// The one connection that is meant; all where none is named.
    pub connection: Option<&'a str>,
    /// Whether runs are recorded even where the configuration does not say so.
    pub record: bool,
    /// Whether what `acknowledge` accepts is accepted for this call (R34, R35).
    pub acknowledge: bool,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
}

/// A stored secret as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretLine {
    /// Its name.
    pub name: String,
    /// Its version, for a tenant's.
    pub version: Option<u64>,
    /// When what it opens expires, where that was said.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Stored secrets: the host's, or those of a tenant of the store. Values go in and never come out here.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// Stores a value; says whether one was replaced.
    async fn set(
        &self,
        name: &str,
        value: SecretString,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<bool, Problem>;
    /// All of them, sorted by name.
    async fn list(&self) -> Result<Vec<SecretLine>, Problem>;
    /// Removes a value; says whether there was one.
    async fn remove(&self, name: &str) -> Result<bool, Problem>;
    /// Seals everything by a new key; says what was done.
    async fn rotate_key(&self) -> Result<String, Problem>;
}

/// What the commands reach.
#[async_trait]
pub trait Surroundings: Send + Sync {
    /// Opens configuration, store, secrets, plugin and gate.
    async fn open(&self, opening: Opening<'_>) -> Result<Arc<dyn Operations>, Problem>;
    /// Serves until cancelled.
    async fn serve(&self, opening: Opening<'_>, cancel: &CancellationToken) -> Result<Exit, Problem>;
    /// What a host that serves says of its health.
    async fn health(&self, config: &Path, arguments: &HealthArguments) -> Result<Health, Problem>;
    /// A component compiled for a replay within these limits: a file, or the built-in one.
    fn component(&self, file: Option<&Path>, limits: &RunLimits) -> Result<Component, Problem>;
    /// Where a configuration keeps recordings.
    fn recordings(&self, config: &Path) -> Result<Recordings, Problem>;
    /// API tokens, on the store that a configuration names.
    async fn tokens(&self, config: &Path) -> Result<Tokens, Problem>;
    /// The stored secrets of a configuration: the host's, or a tenant's.
    async fn secrets(&self, config: &Path, tenant: Option<&str>) -> Result<Box<dyn SecretStore>, Problem>;
    /// Where a configuration keeps its store. Opens nothing.
    async fn store(&self, config: &Path) -> Result<StorePlace, Problem>;
    /// The JSON Schema of the configuration file.
    fn schema(&self) -> Result<String, Problem>;
    /// The sandbox; `json` says where its console is as one document.
    async fn sandbox(
        &self,
        arguments: &SandboxArguments,
        json: bool,
        observer: Arc<dyn Observer>,
        cancel: &CancellationToken,
    ) -> Result<Exit, Problem>;
    /// The simulators; `json` says where they are as one document.
    async fn simulators(
        &self,
        arguments: &SimulatorsArguments,
        json: bool,
        cancel: &CancellationToken,
    ) -> Result<Exit, Problem>;
    /// Asks yes or no; none where nobody can be asked.
    fn confirm(&self, question: &str) -> Option<bool>;
    /// A secret's value: typed unseen, or from standard input.
    fn secret_value(&self, name: &str) -> Result<SecretString, Problem>;
}
