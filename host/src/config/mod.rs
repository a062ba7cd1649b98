//! The configuration: one TOML file, read strictly. Every refusal says where, what and what to do, and never
//! shows what may be a secret. Secrets themselves do not enter this room: the file names where they are.

use std::io::Read;
use std::path::{Path, PathBuf};

use groupcast_guest::settings::Settings;

mod checks;
mod directories;
mod network;
mod one_or_many;
mod parse;
mod plugins;
mod problem;
mod secret_source;
mod secrets;
mod sections;
mod service;
mod store;
mod telemetry;
#[cfg(test)]
mod tests;
mod timetable;
mod values;

pub use directories::{
    CertificateSection, EntraSection, GoogleSection, SubjectTokenUrlSection, WorkloadIdentitySection,
};
pub use network::Network;
pub use one_or_many::OneOrMany;
pub use plugins::{PluginsSection, RegistrySection};
pub use problem::{ConfigError, Problem};
pub use secret_source::{SecretSource, VaultPlace};
pub use secrets::{
    AppRoleSection, KeySource, KubernetesSection, SecretsSection, TransitSection, VaultSection,
};
pub use sections::{
    File, JumpCloudSection, NetworkSection, RecordingSection, RunLimits, ServiceAccountSection, TenantSection,
};
pub use service::{OidcSection, ServiceSection, TlsSection, is_subject};
pub use store::StoreSection;
pub use telemetry::{DeadManSection, LogFormat, TelemetrySection};
pub use timetable::{Day, QuietSection, ScheduleSection};

pub use crate::store::ConnectionId;

use crate::recording::Recordings;
use crate::schedule::Timetable;

use crate::secrets::Owner;

/// The longest configuration that is read, in bytes.
pub const LONGEST: usize = 1 << 20;
/// The newest version of the format that is understood.
pub const VERSION: u32 = 1;
/// The name of the tenant in a file that names none.
pub const ONLY_TENANT: &str = "default";

/// A configuration that was checked. All paths are absolute or relative to the working directory, all URLs
/// are without a trailing slash.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that it comes from.
    pub path: PathBuf,
    /// The store's database file, where it has one.
    pub store_path: PathBuf,
    /// Where the store is, and how long what is in it is kept.
    pub store: StoreSection,

    /// Where stored secrets are, the host's key, and Vault.
    pub secrets: SecretsSection,
    /// The encrypted secrets' file, as `secrets` has it.
    pub secrets_file: PathBuf,
    /// The secrets' key file, as `secrets` has it.
    pub secrets_key_file: PathBuf,
    /// Whether every run is recorded.
    pub record: bool,
    /// Where recordings are kept, and how many.
    pub recordings: Recordings,
    /// How much one run may use.
    pub limits: RunLimits,
    /// More certificate authorities, in PEM.
    pub ca_file: Option<PathBuf>,
    /// Private networks that may be connected to.
    pub allow_networks: Vec<Network>,
    /// How the API and the console are served; none: they are not.
    pub service: Option<ServiceSection>,
    /// What is told to those who watch the host.
    pub telemetry: TelemetrySection,
    /// Components other than the built-in one.
    pub plugins: PluginsSection,
    /// The tenants by name; at least one, unless there is a service, whose tenants may all be in the store.
    pub tenants: Vec<Tenant>,
}

/// A tenant: one source and its directories.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its name.
    pub name: String,
    /// Whose secrets its sections name: the host's where the file declares it, its own where the store does.
    pub secrets_of: Owner,
    /// Where its groups come from.
    pub jumpcloud: JumpCloud,
    /// Where its groups go; at least one.
    pub connections: Vec<Connection>,
}

/// The JumpCloud organisation of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JumpCloud {
    /// Scheme, host and port.
    pub base_url: String,
    /// The same for its feed of events; none: it has none.
    pub events_url: Option<String>,
    /// Where a service account's token comes from.
    pub token_url: String,
    /// How requests are authorised.
    pub credential: JumpCloudCredential,
    /// The organisation's ID.
    pub org_id: Option<String>,
}

/// How requests to JumpCloud are authorised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JumpCloudCredential {
    /// By an administrator's API key.
    ApiKey(SecretSource),
    /// By a service account's token.
    ServiceAccount(ServiceAccountSection),
}

/// One source and one directory.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Tenant and name.
    pub id: ConnectionId,
    /// The ID that JumpCloud gives the directory.
    pub directory: String,
    /// The directory.
    pub target: Target,
    /// When runs begin; none: only when asked for.
    pub schedule: Option<Timetable>,
}

/// A directory that groups go to.
#[derive(Debug, Clone)]
pub enum Target {
    /// Google Workspace.
    Google(GoogleSection),
    /// Entra ID.
    Entra(EntraSection),
}

/// How requests to Entra ID are authorised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntraCredential {
    /// By the application's secret.
    Secret(SecretSource),
    /// By the application's certificate.
    Certificate(CertificateSection),
    /// By another identity provider's token.
    Federated(SecretSource),
}

impl Connection {
    /// The settings of this connection's runs (WIT `run.settings`).
    pub fn settings(&self) -> Settings {
        match &self.target {
            Target::Google(google) => google.settings(),
            Target::Entra(entra) => entra.settings(),
        }
    }

    /// `google` or `entra`, as WIT `target.vendor` has it.
    pub fn vendor(&self) -> &'static str {
        match &self.target {
            Target::Google(_) => "google",
            Target::Entra(_) => "entra",
        }
    }

    /// Scheme, host and port of the vendor's API.
    pub fn base_url(&self) -> &str {
        match &self.target {
            Target::Google(google) => &google.base_url,
            Target::Entra(entra) => &entra.graph_url,
        }
    }
}

impl EntraSection {
    /// How requests are authorised; none only in a section that was not checked.
    pub fn credential(&self) -> Option<EntraCredential> {
        let secret = self.client_secret.clone().map(EntraCredential::Secret);
        let certificate = || self.certificate.clone().map(EntraCredential::Certificate);
        let federated = || self.federated_token.clone().map(EntraCredential::Federated);
        secret.or_else(certificate).or_else(federated)
    }
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// The file cannot be read, or what is in it is wrong; all that is wrong with its values is said at once.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable {
            path: path.to_path_buf(),
            source,
        };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.take(LONGEST as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        Self::from_bytes(path, &bytes)
    }

    /// Checks a file's content; `path` is what its relative paths are relative to, and what errors call it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self, ConfigError> {
        parse::parse(path, bytes).map_err(ConfigError::Wrong)
    }

    /// Accepts what `acknowledge` accepts (R34, R35) for every connection, as though the file said so.
    pub fn acknowledge(&mut self) {
        for tenant in &mut self.tenants {
            for connection in &mut tenant.connections {
                match &mut connection.target {
                    Target::Google(google) => google.acknowledge = true,
                    Target::Entra(entra) => entra.acknowledge = true,
                }
            }
        }
    }

    /// All connections of all tenants.
    pub fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.tenants.iter().flat_map(|tenant| &tenant.connections)
    }
}

/// The JSON Schema of the file, as it is published in `groupcast.schema.json`.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(File).to_value()
}
