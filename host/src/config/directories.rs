//! `[google]` and `[entra]`: directories that groups go to, and how one signs in there. The comments are the descriptions in
//! the published JSON Schema.

use std::collections::BTreeMap;

use groupcast_guest::settings::{DriftPolicy, Limits, OnAmbiguous, OnEmailChange, Settings, Suspended};
use schemars::JsonSchema;
use serde::Deserialize;

use super::secret_source::SecretSource;
use super::timetable::ScheduleSection;

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

fn verify_every_minutes() -> u32 {
    Settings::default().verify_every_minutes
}

fn yes() -> bool {
    true
}
