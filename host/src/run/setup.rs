//! What a connection needs to run, made from the configuration once at start-up.

use std::sync::Arc;
use std::time::Duration;

use groupcast_guest::settings::Settings;
use jsonwebtoken::Algorithm;

use super::habits::Habits;
use super::lease::LeaseTimes;
use super::switch::{ManagedSwitch, SwitchFile};
use crate::config::{
    Config, Connection, EntraCredential, JumpCloudCredential, SecretSource, Target, Tenant,
    WorkloadIdentitySection,
};
use crate::credentials::subject::{Subject, SubjectUrl};
use crate::credentials::token::{CachedToken, TokenEndpoint};
use crate::credentials::{
    Credential, CredentialError, CredentialSource, TenantCredentials, entra, google, google_federation,
    jumpcloud,
};
use crate::egress::TenantEgress;
use crate::egress::addresses::Network;
use crate::egress::connection::Connections;
use crate::egress::limits::Limits;
use crate::egress::origin::{Base, Origin, OriginError, Vendor};
use crate::egress::permit::{BootClock, SystemBootClock};
use crate::egress::rules::Rule;
use crate::plugin::{Plugin, RunLimits};
use crate::secrets::{Owner, Secrets};
use crate::store::{ConnectionId, DirectoryKey};

/// A connection, ready to run.
#[derive(Clone)]
pub struct ConnectionSetup {
    /// Its name.
    pub id: ConnectionId,
    /// The directory's own identity (R48), or what stands for it.
    pub directory_key: DirectoryKey,
    /// Whether that is the identity itself. Else it is looked up before the directory is leased.
    pub is_identified: bool,
    /// `google` or `entra`.
    pub vendor: &'static str,
    /// JumpCloud's ID of the directory.
    pub directory: String,
    /// Where the source is.
    pub source_base_url: String,
    /// Where the source's feed of events is; none where there is none.
    pub events_base_url: Option<String>,
    /// Where the target is.
    pub target_base_url: String,
    /// The component's settings.
    pub settings: Settings,
    /// Whether it is managed at this moment (R36); `settings.managed` is what the configuration said at start-up.
    pub switch: Arc<ManagedSwitch>,
    /// Places that requests may go to.
    pub bases: Vec<Base>,
    /// Requests that are granted.
    pub rules: Vec<Rule>,
    /// The tenant's own component; none: the host's. What it may ask for are the rules.
    pub plugin: Option<Arc<Plugin>>,
    /// The tenant's connections to the vendors.
    pub connections: Arc<Connections>,
    /// The tenant's credentials.
    pub credentials: Arc<dyn CredentialSource>,
    /// What a run may use of the machine.
    pub limits: RunLimits,
    /// How long its runs computed.
    pub habits: Arc<Habits>,
    /// What a run may use of the network.
    pub egress_limits: Limits,
    /// How long the directory is held.
    pub lease_times: LeaseTimes,
}

/// Why a connection cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A base URL.
    #[error("{connection}: {reason}")]
    Url {
        /// Which connection.
        connection: String,
        /// Why.
        reason: OriginError,
    },
    /// A secret or a credential.
    #[error("{connection}: {reason}")]
    Credential {
        /// Which connection.
        connection: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The tenant's own component.
    #[error("{connection}: its plugin cannot be used: {reason}")]
    Plugin {
        /// Which connection.
        connection: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A CA file, a network.
    #[error("{0}")]
    Network(String),
}

impl ConnectionSetup {
    /// The connection with a component of its tenant's own, and the requests that were granted to that: rules as the
    /// manifest has them, or fewer. What the built-in component may ask for does not count for another.
    ///
    /// # Errors
    /// If what was granted are no rules.
    pub fn with_plugin(self, plugin: Arc<Plugin>, granted: &serde_json::Value) -> Result<Self, SetupError> {
        let rules: Vec<Rule> =
            serde_json::from_value(granted.clone()).map_err(|error| SetupError::Plugin {
                connection: self.id.to_string(),
                reason: format!("what was granted to it does not read ({error}); add it again"),
            })?;
        Ok(Self {
            plugin: Some(plugin),
            rules,
            ..self
        })
    }
}

/// The rules that the built-in component asks for: what is granted without a word in the configuration.
pub(super) fn built_in_rules() -> Vec<Rule> {
    groupcast_guest::manifest::manifest()
        .egress
        .into_iter()
        .map(|rule| Rule {
            credential: rule.credential.to_owned(),
            method: rule.method.to_owned(),
            path: rule.path.to_owned(),
            writes: rule.writes,
            batch: rule.batch,
        })
        .collect()
}

/// Every connection of the configuration, ready to run. Reads secrets; asks no vendor.
///
/// # Errors
/// The first that cannot be set up, and what to do.
pub async fn connections(config: &Config) -> Result<Vec<ConnectionSetup>, SetupError> {
    let attempts = attempts(config).await?;
    attempts.into_iter().map(|(_, setup)| setup).collect()
}

/// A connection, and whether it can be set up.
pub type Attempt = (ConnectionId, Result<ConnectionSetup, SetupError>);

/// The same for whoever goes on with those that can be set up: one tenant's missing secret is not another's trouble.
///
/// # Errors
/// What concerns all of them: certificates, networks.
pub async fn attempts(config: &Config) -> Result<Vec<Attempt>, SetupError> {
    attempts_with(config, &Secrets::of(&config.secrets)).await
}

/// The same with the secrets of tenants in a store.
///
/// # Errors
/// As [`attempts`].
pub async fn attempts_with(config: &Config, secrets: &Secrets) -> Result<Vec<Attempt>, SetupError> {
    let allowed_networks = config
        .allow_networks
        .iter()
        .map(|network| {
            let text = format!("{}/{}", network.address, network.prefix);
            text.parse::<Network>()
                .map_err(|error| SetupError::Network(format!("network.allow_networks: {text}: {error}")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let ca_pem = config
        .ca_file
        .as_ref()
        .map(|path| {
            std::fs::read(path).map_err(|error| {
                SetupError::Network(format!(
                    "network.ca_file: {} cannot be read: {error}",
                    path.display()
                ))
            })
        })
        .transpose()?;
    let switches = Arc::new(SwitchFile::new(config));
    let rules = built_in_rules();
    let limits = run_limits(config);
    let egress_limits = egress_limits(config);

    let mut attempts = Vec::new();
    for tenant in &config.tenants {
        for connection in &tenant.connections {
            let id = connection.id.clone();
            let setup = async {
                let place = |vendor, url: &str| {
                    Origin::base(url)
                        .map(|origin| Base { vendor, origin })
                        .map_err(|reason| SetupError::Url {
                            connection: id.to_string(),
                            reason,
                        })
                };
                let target_base_url = connection.base_url();
                let (vendor, identity) = match &connection.target {
                    // The administrator's domain stands for the customer where its ID is not given: one customer has it,
                    // though that customer may have others. What is leased is looked up.
                    Target::Google(google) => (
                        Vendor::Google,
                        google.customer_id.clone().unwrap_or_else(|| {
                            google
                                .admin
                                .rsplit('@')
                                .next()
                                .unwrap_or_default()
                                .to_ascii_lowercase()
                        }),
                    ),
                    Target::Entra(entra) => (Vendor::Entra, entra.tenant_id.to_ascii_lowercase()),
                };
                let mut bases = vec![
                    place(Vendor::Jumpcloud, &tenant.jumpcloud.base_url)?,
                    place(vendor, target_base_url)?,
                ];
                if let Some(events) = &tenant.jumpcloud.events_url {
                    let events = place(Vendor::Jumpcloud, events)?;
                    if !bases.contains(&events) {
                        bases.push(events);
                    }
                }
                let egress = TenantEgress {
                    bases: bases.clone(),
                    ca_pem: ca_pem.clone(),
                    allowed_networks: allowed_networks.clone(),
                    limits: egress_limits.clone(),
                };
                let connections = Connections::new(&egress)
                    .map(Arc::new)
                    .map_err(|error| SetupError::Network(format!("network.ca_file: {error}")))?;
                let credentials = credentials(config, tenant, connection, secrets, &connections).await?;
                Ok::<_, SetupError>(ConnectionSetup {
                    directory_key: DirectoryKey::new(&tenant.name, vendor.credential(), &identity),
                    is_identified: match &connection.target {
                        Target::Google(google) => google.customer_id.is_some(),
                        Target::Entra(_) => true,
                    },
                    id: id.clone(),
                    vendor: vendor.credential(),
                    directory: connection.directory.clone(),
                    source_base_url: trimmed(&tenant.jumpcloud.base_url),
                    events_base_url: tenant.jumpcloud.events_url.as_deref().map(trimmed),
                    target_base_url: trimmed(target_base_url),
                    switch: Arc::new(ManagedSwitch::in_file(
                        Arc::clone(&switches),
                        connection.id.clone(),
                    )),
                    settings: connection.settings(),
                    bases,
                    rules: rules.clone(),
                    plugin: None,
                    connections,
                    credentials,
                    limits: limits.clone(),
                    habits: Arc::default(),
                    lease_times: LeaseTimes {
                        life: Duration::from_secs(config.limits.lease_seconds.into()),
                        longest_request: egress_limits.request_timeout,
                    },
                    egress_limits: egress_limits.clone(),
                })
            };
            attempts.push((connection.id.clone(), setup.await));
        }
    }
    Ok(attempts)
}

/// How much a run may use, as the configuration says.
pub fn run_limits(config: &Config) -> RunLimits {
    let limits = &config.limits;
    let mib = |mib: u32| usize::try_from(mib).unwrap_or(usize::MAX).saturating_mul(1 << 20);
    RunLimits {
        memory_bytes: mib(limits.memory_mib),
        cpu: Duration::from_secs(limits.cpu_seconds.into()),
        wall: Duration::from_secs(limits.wall_seconds.into()),
        log_bytes: u64::from(limits.log_kib) << 10,
        plan_bytes: u64::from(limits.plan_mib) << 20,
        // Whoever is alone makes way for nobody.
        slow_lane: config.service.is_some() || config.tenants.len() > 1,
        ..RunLimits::default()
    }
}

fn egress_limits(config: &Config) -> Limits {
    let limits = &config.limits;
    let request_timeout = Duration::from_secs(limits.request_seconds.into());
    let otherwise = Limits::default();
    Limits {
        request_timeout,
        connect_timeout: otherwise.connect_timeout.min(request_timeout),
        response_bytes: usize::try_from(limits.response_mib)
            .unwrap_or(usize::MAX)
            .saturating_mul(1 << 20),
        requests_per_run: limits.requests,
        in_flight: usize::try_from(limits.requests_in_flight).unwrap_or(usize::MAX),
        ..otherwise
    }
}

/// The scope of Graph's tokens: each national cloud has its own, which is its Graph address. A Graph on this machine
/// stands for the public one.
fn entra_scope(graph: &Origin) -> String {
    if graph.is_this_machine() {
        "https://graph.microsoft.com/.default".to_owned()
    } else {
        format!("{graph}/.default")
    }
}

fn trimmed(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

/// The credentials of one connection: the source's and the target's, each under its vendor's name. Each is looked at
/// once, so that what is missing or unusable is told before anything runs; from then on it is looked up where it is
/// whenever it is needed.
async fn credentials(
    config: &Config,
    tenant: &Tenant,
    connection: &Connection,
    secrets: &Secrets,
    connections: &Arc<Connections>,
) -> Result<Arc<dyn CredentialSource>, SetupError> {
    let unusable = |reason: String| SetupError::Credential {
        connection: connection.id.to_string(),
        reason,
    };
    let refused = |error: CredentialError| unusable(error.to_string());
    let handle = |source: &SecretSource| secrets.handle(&tenant.secrets_of, source);
    let seen = async |source: &SecretSource| {
        let handle = handle(source);
        match handle.known().await {
            Ok(_) => Ok(handle),
            Err(error) => Err(unusable(error.to_string())),
        }
    };
    let clock = || Arc::new(SystemBootClock) as Arc<dyn BootClock>;
    let endpoint = |credential, url: &str| TokenEndpoint {
        credential,
        url: url.to_owned(),
        connections: Arc::clone(connections),
    };
    let jumpcloud = &tenant.jumpcloud;
    let source: Arc<dyn Credential> = match &jumpcloud.credential {
        JumpCloudCredential::ApiKey(key) => {
            let key = jumpcloud::ApiKey::new(seen(key).await?, jumpcloud.org_id.clone());
            key.attach(None).await.map_err(refused)?;
            Arc::new(key)
        }
        JumpCloudCredential::ServiceAccount(account) => {
            let token = CachedToken::new(
                jumpcloud::ServiceAccount {
                    endpoint: endpoint("jumpcloud", &jumpcloud.token_url),
                    client_id: account.client_id.clone(),
                    client_secret: seen(&account.client_secret).await?,
                },
                clock(),
            );
            match &jumpcloud.org_id {
                Some(org) => {
                    let (name, value) = jumpcloud::organization_header(org);
                    Arc::new(token.with_header(name, value))
                }
                None => Arc::new(token),
            }
        }
    };
    let (name, target): (&str, Arc<dyn Credential>) = match &connection.target {
        Target::Google(google) => {
            let token_endpoint = endpoint("google", &google.token_url);
            let target: Arc<dyn Credential> = match (&google.service_account_key, &google.workload_identity) {
                (Some(key), _) => {
                    let account =
                        google::ServiceAccount::new(token_endpoint, seen(key).await?, &google.admin)
                            .map_err(refused)?;
                    account.look().await.map_err(refused)?;
                    Arc::new(CachedToken::new(account, clock()))
                }
                (None, Some(section)) => {
                    let account = google_federation::FederatedAccount {
                        sts: endpoint("google", &section.sts_url),
                        endpoint: token_endpoint,
                        credentials_url: section.credentials_url.clone(),
                        connections: Arc::clone(connections),
                        audience: section.audience.clone(),
                        service_account: section.service_account.clone(),
                        subject_token: subject(config, tenant, section, secrets).map_err(unusable)?,
                        subject_token_type: section.subject_token_type.clone(),
                        subject: google.admin.clone(),
                    };
                    Arc::new(CachedToken::new(account, clock()))
                }
                (None, None) => {
                    let reason = "it has neither service_account_key nor workload_identity; give one";
                    return Err(unusable(reason.to_owned()));
                }
            };
            ("google", target)
        }
        Target::Entra(entra) => {
            let proof = match entra.credential() {
                Some(EntraCredential::Secret(source)) => entra::Proof::Secret(seen(&source).await?),
                Some(EntraCredential::Certificate(section)) => {
                    let certificate = seen(&section.certificate).await?;
                    let key = seen(&section.key).await?;
                    entra::Proof::Certificate(entra::CertificateProof::new(
                        key,
                        certificate,
                        Algorithm::PS256,
                    ))
                }
                Some(EntraCredential::Federated(source)) => entra::Proof::Federated(handle(&source)),
                None => {
                    return Err(unusable(
                        "it has neither client_secret, certificate nor federated_token; give one".to_owned(),
                    ));
                }
            };
            let application = entra::Application {
                endpoint: endpoint(
                    "entra",
                    &format!(
                        "{}/{}/oauth2/v2.0/token",
                        trimmed(&entra.login_url),
                        entra.tenant_id
                    ),
                ),
                client_id: entra.client_id.clone(),
                scope: Origin::base(&entra.graph_url)
                    .map(|graph| entra_scope(&graph))
                    .map_err(|error| unusable(error.to_string()))?,
                proof,
            };
            application.look().await.map_err(refused)?;
            ("entra", Arc::new(CachedToken::new(application, clock())))
        }
    };
    Ok(Arc::new(
        TenantCredentials::default()
            .with("jumpcloud", source)
            .with(name, target),
    ))
}

/// Where the token is by which this host says who it is.
fn subject(
    config: &Config,
    tenant: &Tenant,
    section: &WorkloadIdentitySection,
    secrets: &Secrets,
) -> Result<Subject, String> {
    match (&section.subject_token, &section.subject_token_url) {
        (Some(source), _) => Ok(Subject::Place(secrets.handle(&tenant.secrets_of, source))),
        (None, Some(_)) if tenant.secrets_of != Owner::Host => Err(
            "workload_identity.subject_token_url: a tenant of the store cannot have this host ask for tokens of its own \
             identity; keep the token as a secret of the tenant"
                .to_owned(),
        ),
        (None, Some(url)) => Ok(Subject::Url(SubjectUrl {
            url: url.url.clone(),
            headers: url.headers.clone(),
            bearer: url
                .bearer
                .as_ref()
                .map(|source| secrets.handle(&tenant.secrets_of, source)),
            field: url.field.clone(),
            ca_file: config.ca_file.clone(),
        })),
        (None, None) => Err(
            "workload_identity has neither subject_token nor subject_token_url; give one".to_owned(),
        ),
    }
}
