//! The configuration file's sections, as they are written. The comments here are the descriptions in the
//! published JSON Schema; what cannot be said by a type is looked after in `checks`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::directories::{EntraSection, GoogleSection};
use super::one_or_many::OneOrMany;
use super::plugins::PluginsSection;
use super::secret_source::SecretSource;
use super::secrets::SecretsSection;
use super::service::ServiceSection;
use super::store::StoreSection;
use super::telemetry::TelemetrySection;

/// Configuration of Groupcast.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "groupcast.toml")]
pub struct File {
    /// Version of this format; 1. A program refuses a newer one.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// Where the ledger, plans and runs are kept.
    #[serde(default)]
    pub store: StoreSection,
    /// Where stored secrets are kept.
    #[serde(default)]
    pub secrets: SecretsSection,
    /// Recordings of runs, for `groupcast replay`.
    #[serde(default)]
    pub recording: RecordingSection,
    /// How much one run may use.
    #[serde(default)]
    pub limits: RunLimits,
    /// How the vendors are reached.
    #[serde(default)]
    pub network: NetworkSection,
    /// How the API and the console are served; without this section they are not.
    pub service: Option<ServiceSection>,
    /// What is told to those who watch the host.
    #[serde(default)]
    pub telemetry: TelemetrySection,
    /// Components other than the built-in one.
    #[serde(default)]
    pub plugins: PluginsSection,
    /// JumpCloud, of the one tenant of this file.
    pub jumpcloud: Option<JumpCloudSection>,
    /// Google Workspace directories of the one tenant of this file: a table, or an array of tables.
    #[serde(default)]
    pub google: OneOrMany<GoogleSection>,
    /// Entra ID directories of the one tenant of this file: a table, or an array of tables.
    #[serde(default)]
    pub entra: OneOrMany<EntraSection>,
    /// Several tenants by name, each with sections of its own, instead of the three above.
    #[serde(default)]
    pub tenant: BTreeMap<String, TenantSection>,
}

fn one() -> u32 {
    1
}

/// One tenant: one JumpCloud organisation and the directories that it exports to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantSection {
    /// Where the groups come from.
    pub jumpcloud: Option<JumpCloudSection>,
    /// Google Workspace directories: a table, or an array of tables.
    #[serde(default)]
    pub google: OneOrMany<GoogleSection>,
    /// Entra ID directories: a table, or an array of tables.
    #[serde(default)]
    pub entra: OneOrMany<EntraSection>,
}

/// Recordings of runs: all that the component saw and said, without secrets. They hold people's names and addresses.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecordingSection {
    /// Whether every run is recorded; else only those with `--record`.
    pub enabled: bool,
    /// The folder, which only its owner can look into; made where there is none. A relative path is relative to this
    /// file.
    pub path: PathBuf,
    /// How many are kept: the newest.
    #[schemars(range(min = 1, max = 10_000))]
    pub keep: u32,
    /// How large one may be before compression, in MiB; a run that needs more is not recorded.
    #[schemars(range(min = 1, max = 65_536))]
    pub largest_mib: u32,
}

impl Default for RecordingSection {
    fn default() -> Self {
        Self {
            enabled: false,
            path: PathBuf::from("groupcast.recordings"),
            keep: 20,
            largest_mib: 1_024,
        }
    }
}

/// How much one run may use; over it, the run ends with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunLimits {
    /// Memory of the component, in MiB. The default is enough to plan 100,000 people in 5,000 groups.
    #[schemars(range(min = 16, max = 4_096))]
    pub memory_mib: u32,
    /// Seconds that the component may compute; waiting does not count.
    #[schemars(range(min = 1, max = 86_400))]
    pub cpu_seconds: u32,
    /// Seconds from the run's beginning to its end.
    #[schemars(range(min = 1, max = 604_800))]
    pub wall_seconds: u32,
    /// Requests to vendors, resends included.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub requests: u64,
    /// Requests to vendors at the same time.
    #[schemars(range(min = 1, max = 1_000))]
    pub requests_in_flight: u32,
    /// Seconds that one request may take, from the moment a connection is sought to the last byte of the answer.
    #[schemars(range(min = 1, max = 600))]
    pub request_seconds: u32,
    /// Seconds that a run holds its directory without renewing it. Where a host dies or freezes, the next run waits
    /// this long and then for the longest request; shorter is taken over sooner, and gives a busy machine less time to
    /// renew.
    #[schemars(range(min = 2, max = 3_600))]
    pub lease_seconds: u32,
    /// Log that is kept, in KiB.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub log_kib: u32,
    /// One answer of a vendor, in MiB, after decompression.
    #[schemars(range(min = 1, max = 1_024))]
    pub response_mib: u32,
    /// All parts of one plan, in MiB.
    #[schemars(range(min = 1, max = 65_536))]
    pub plan_mib: u32,
    /// How many runs are at work at once in a service, of all tenants; by itself, as many as processors and memory are
    /// good for. A quarter of them is kept for runs that do not take long.
    #[schemars(range(min = 1, max = 256))]
    pub runs_at_once: Option<u32>,
    /// How many of them may be of one tenant.
    #[schemars(range(min = 1, max = 256))]
    pub runs_per_tenant: u32,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self {
            memory_mib: 128,
            cpu_seconds: 300,
            wall_seconds: 3_600,
            requests: 1_000_000,
            requests_in_flight: 32,
            request_seconds: 60,
            lease_seconds: 60,
            log_kib: 1_024,
            response_mib: 32,
            plan_mib: 1_024,
            runs_at_once: None,
            runs_per_tenant: 2,
        }
    }
}

/// How the vendors are reached.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSection {
    /// More certificate authorities to trust, in PEM; the system's own are trusted anyway.
    pub ca_file: Option<PathBuf>,
    /// Networks that may be connected to though they are private or loopback, such as `127.0.0.0/8`.
    pub allow_networks: Vec<String>,
}

/// The JumpCloud organisation that groups come from. It is only ever read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JumpCloudSection {
    /// Scheme and host; `https://console.eu.jumpcloud.com` for the European region.
    #[serde(default = "jumpcloud_base_url")]
    pub base_url: String,
    /// Where Directory Insights is, whose events say what changed: scheme and host. By itself
    /// `https://api.jumpcloud.com`, `https://api.eu.jumpcloud.com` for the European region, and none for any other
    /// `base_url`: then every sync reads everything.
    pub events_url: Option<String>,
    /// Where a service account's token comes from.
    #[serde(default = "jumpcloud_token_url")]
    pub token_url: String,
    /// An administrator's API key; read-only is enough. This or `service_account`.
    pub api_key: Option<SecretSource>,
    /// A service account. This or `api_key`.
    pub service_account: Option<ServiceAccountSection>,
    /// The organisation's ID, for administrators of several.
    pub org_id: Option<String>,
}

fn jumpcloud_base_url() -> String {
    "https://console.jumpcloud.com".to_owned()
}

/// Where Directory Insights is for a console, as far as the vendor publishes it.
pub(super) fn jumpcloud_events_url(base_url: &str) -> Option<&'static str> {
    match base_url.trim_end_matches('/') {
        "https://console.jumpcloud.com" => Some("https://api.jumpcloud.com"),
        "https://console.eu.jumpcloud.com" => Some("https://api.eu.jumpcloud.com"),
        _ => None,
    }
}

fn jumpcloud_token_url() -> String {
    "https://admin-oauth.id.jumpcloud.com/oauth2/token".to_owned()
}

/// A JumpCloud service account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccountSection {
    /// Its client ID.
    pub client_id: String,
    /// Where its secret is.
    pub client_secret: SecretSource,
}
