//! The configuration file's sections, as they are written. The comments here are the descriptions in the
//! published JSON Schema; what cannot be said by a type is looked after in `checks`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use groupcast_guest::settings::{DriftPolicy, Limits, OnAmbiguous, OnEmailChange, Settings, Suspended};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one_or_many::OneOrMany;
use super::plugins::PluginsSection;
use super::secret_source::SecretSource;
use super::secrets::SecretsSection;
use super::service::ServiceSection;
use super::store::StoreSection;
use super::telemetry::TelemetrySection;
use crate::schedule::{Missed, QuietFor};

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

/// When runs begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSection {
    /// A cron pattern: minute, hour, day of month, month, day of week; seconds may stand before them.
    pub cron: String,
    /// A time zone of the IANA database, such as `Europe/Paris`.
    #[serde(default = "utc")]
    pub timezone: String,
    /// Up to how many seconds late a run begins, so that many do not begin at once.
    #[serde(default)]
    #[schemars(range(min = 0, max = 3_600))]
    pub jitter_seconds: u32,
    /// Whether runs begin by themselves at all.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Hours in which nothing begins by itself; what somebody asks for does.
    #[serde(default)]
    pub quiet: Vec<QuietSection>,
    /// What is quiet then: `runs`, or only `writes`: runs begin, but do no more than plan.
    #[serde(default)]
    pub quiet_for: QuietFor,
    /// What becomes of runs that were missed, since no host was there or it was quiet: `once` makes up for all of them
    /// with one run, `skip` waits for the next.
    #[serde(default)]
    pub missed: Missed,
    /// Between these runs, look whether anything changed, each so many seconds: an event in JumpCloud is exported then
    /// without waiting for the next run. Each look costs JumpCloud a request.
    #[schemars(range(min = 10, max = 3_600))]
    pub watch_seconds: Option<u32>,
    /// After how many runs in a row that failed it no longer runs by itself, until somebody releases it; 0 is never. The
    /// pauses between them grow from a minute to six hours. What no repetition mends, such as a refused credential, is
    /// put aside at once.
    #[serde(default = "quarantine_after")]
    #[schemars(range(min = 0, max = 1_000))]
    pub quarantine_after: u32,
}

/// Hours of the day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuietSection {
    /// When they begin, such as `08:00`.
    pub from: String,
    /// When they end; at or before `from`: on the next day.
    pub until: String,
    /// Days of the week on which they begin; none is every day.
    #[serde(default)]
    pub days: Vec<Day>,
    /// On whose clock; by itself on that of the schedule.
    pub timezone: Option<String>,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl From<Day> for chrono::Weekday {
    fn from(day: Day) -> Self {
        match day {
            Day::Mon => Self::Mon,
            Day::Tue => Self::Tue,
            Day::Wed => Self::Wed,
            Day::Thu => Self::Thu,
            Day::Fri => Self::Fri,
            Day::Sat => Self::Sat,
            Day::Sun => Self::Sun,
        }
    }
}

fn quarantine_after() -> u32 {
    crate::schedule::QUARANTINE_AFTER
}

fn verify_every_minutes() -> u32 {
    Settings::default().verify_every_minutes
}

fn utc() -> String {
    "UTC".to_owned()
}

fn yes() -> bool {
    true
}

/// A certificate and its private key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateSection {
    /// Where the certificate is, in PEM.
    pub certificate: SecretSource,
    /// Where its private key is, in PEM.
    pub key: SecretSource,
}

/// Google's workload identity federation: another identity provider's token in exchange for the right to sign as a
/// service account. Domain-wide delegation goes on as with a key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkloadIdentitySection {
    /// The provider's full name:
    /// `//iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`.
    pub audience: String,
    /// The service account to act as, which has domain-wide delegation; the workload has the role Service Account Token
    /// Creator on it.
    #[schemars(email)]
    pub service_account: String,
    /// Where the other provider's token is; read anew for every exchange. This or `subject_token_url`.
    pub subject_token: Option<SecretSource>,
    /// Where the other provider's token is asked for. This or `subject_token`.
    pub subject_token_url: Option<SubjectTokenUrlSection>,
    /// What kind of token it is.
    #[serde(default = "jwt_token_type")]
    pub subject_token_type: String,
    /// Where tokens are exchanged.
    #[serde(default = "sts_url")]
    pub sts_url: String,
    /// Scheme and host of the IAM Service Account Credentials API.
    #[serde(default = "credentials_url")]
    pub credentials_url: String,
}

/// Where a token is asked for: the metadata service of a cloud, the token endpoint of a build service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectTokenUrlSection {
    /// The URL; plain http only on this machine and at the link-local address of a metadata service.
    pub url: String,
    /// Headers to send, such as `Metadata = "true"`; nothing secret.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Where a bearer token is that the URL wants to see.
    pub bearer: Option<SecretSource>,
    /// The field of a JSON answer that holds the token; without it the whole answer is the token.
    pub field: Option<String>,
}

fn jwt_token_type() -> String {
    "urn:ietf:params:oauth:token-type:jwt".to_owned()
}

fn sts_url() -> String {
    "https://sts.googleapis.com/v1/token".to_owned()
}

fn credentials_url() -> String {
    "https://iamcredentials.googleapis.com".to_owned()
}

/// A directory's section: what is its own, and what all of them share.
macro_rules! directory_section {
    ($(#[$about:meta])* $name:ident, $default:literal { $($own:tt)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The connection's name, unique within the tenant: lower-case letters, digits and `-`.
            #[serde(default = $default)]
            pub name: String,
            /// The ID that JumpCloud gives this directory.
            pub directory: String,
            $($own)*
            /// Whether group management is switched on (R36). Off: nothing is planned or written.
            #[serde(default)]
            pub managed: bool,
            /// The groups bound to this directory, by name or ID, instead of JumpCloud's own associations.
            pub bound: Option<Vec<String>>,
            /// What happens to members that JumpCloud does not want there (R10).
            #[serde(default)]
            pub policy: DriftPolicy,
            /// The same for single groups, by name or ID.
            #[serde(default)]
            pub policies: BTreeMap<String, DriftPolicy>,
            /// What happens to people who are suspended in JumpCloud (R49).
            #[serde(default)]
            pub suspended: Suspended,
            /// Accepts that users of bound groups without an email are at risk (R34), and that JumpCloud's own group
            /// management is still on (R35).
            #[serde(default)]
            pub acknowledge: bool,
            /// How much may change at once; what is over it is held for approval (R43).
            #[serde(default)]
            pub limits: Limits,
            /// For how many minutes a reading of everything is good. In between, a sync reads what changed, as far as
            /// JumpCloud's events (and Entra's change feed) name it; what no feed names, such as a hand's work in a
            /// Google group, is found when everything is read again. 0: every sync reads everything.
            #[serde(default = "verify_every_minutes")]
            #[schemars(range(min = 0, max = 10_080))]
            pub verify_every_minutes: u32,
            /// When runs begin; without it only when asked for.
            pub schedule: Option<ScheduleSection>,
        }

        impl $name {
            fn common(&self) -> Settings {
                Settings {
                    managed: self.managed,
                    bound: self.bound.clone(),
                    policy: self.policy,
                    policies: self.policies.clone(),
                    suspended: self.suspended,
                    acknowledge: self.acknowledge,
                    limits: self.limits.clone(),
                    verify_every_minutes: self.verify_every_minutes,
                    ..Settings::default()
                }
            }
        }
    };
}

directory_section! {
    /// A Google Workspace directory.
    GoogleSection, "google" {
        /// Scheme and host of the Admin SDK.
        #[serde(default = "google_base_url")]
        pub base_url: String,
        /// Where tokens come from.
        #[serde(default = "google_token_url")]
        pub token_url: String,
        /// Where the service account's key is: the JSON file that Google gives. This or `workload_identity`.
        pub service_account_key: Option<SecretSource>,
        /// A service account that this host may act as by who it is, with no key of its own. This or
        /// `service_account_key`.
        pub workload_identity: Option<WorkloadIdentitySection>,
        /// The administrator whom the service account acts for.
        #[schemars(email)]
        pub admin: String,
        /// The customer ID, such as `C01abc234`; looked up where it is absent.
        pub customer_id: Option<String>,
        /// Addresses that take the place of a group's own email: group name or ID = address.
        #[serde(default)]
        pub addresses: BTreeMap<String, String>,
        /// Domains that group addresses may use (R18). Empty: the domains of the directory's users.
        #[serde(default)]
        pub domains: Vec<String>,
        /// What happens when a group's email changes (R14, R16).
        #[serde(default)]
        pub on_email_change: OnEmailChange,
    }
}

directory_section! {
    /// A Microsoft 365 / Entra ID directory.
    EntraSection, "entra" {
        /// The Entra tenant's ID.
        pub tenant_id: String,
        /// Scheme and host of Microsoft Graph.
        #[serde(default = "graph_url")]
        pub graph_url: String,
        /// Scheme and host that tokens come from.
        #[serde(default = "login_url")]
        pub login_url: String,
        /// The registered application's ID.
        pub client_id: String,
        /// Where the application's secret is. This, `certificate` or `federated_token`.
        pub client_secret: Option<SecretSource>,
        /// The application's certificate. This, `client_secret` or `federated_token`.
        pub certificate: Option<CertificateSection>,
        /// Where a token is by which another identity provider says who this host is (a federated credential of the
        /// application), such as the file that Kubernetes or SPIFFE renews. This, `client_secret` or `certificate`.
        pub federated_token: Option<SecretSource>,
        /// The groups selected for export, by name or ID (R2, R29); `["*"]` selects every bound group.
        #[serde(default)]
        pub selected: Vec<String>,
        /// Whether taking a group's email away stops its export here too (R13).
        #[serde(default = "yes")]
        pub release_on_email_removal: bool,
        /// What happens when several groups have the name (R28).
        #[serde(default)]
        pub on_ambiguous: OnAmbiguous,
    }
}

fn google() -> String {
    "google".to_owned()
}

fn entra() -> String {
    "entra".to_owned()
}

fn google_base_url() -> String {
    "https://admin.googleapis.com".to_owned()
}

fn google_token_url() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

fn graph_url() -> String {
    "https://graph.microsoft.com".to_owned()
}

fn login_url() -> String {
    "https://login.microsoftonline.com".to_owned()
}

impl GoogleSection {
    /// The settings of a run for this directory.
    pub fn settings(&self) -> Settings {
        Settings {
            addresses: self.addresses.clone(),
            domains: self.domains.clone(),
            on_email_change: self.on_email_change,
            ..self.common()
        }
    }
}

impl EntraSection {
    /// The settings of a run for this directory.
    pub fn settings(&self) -> Settings {
        Settings {
            selected: self.selected.clone(),
            release_on_email_removal: self.release_on_email_removal,
            on_ambiguous: self.on_ambiguous,
            ..self.common()
        }
    }
}
