//! The laboratory of the end-to-end tests: simulated vendors on real sockets, a configuration file as an administrator
//! writes it, and the bundled host with the real component. What may not enter: shortcuts past any of these.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails by panicking"
)]

pub mod faults;
pub mod ports;
pub mod postgres;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use groupcast::config::Config;
use groupcast::plugin::{Plugin, PluginEngine, RunLimits};
use groupcast::run::{
    ApplyOutcome, ConnectionName, Groupcast, NoObserver, PlanOutcome, RunFailure, Selection, SyncOutcome,
};
use groupcast_guest::engine::Extent;
use groupcast_guest::plan::part::{Operation, Part};
use groupcast_simulators::organisation::{Organisation, Size, generated};
use groupcast_simulators::server::{Options, Simulators};
use groupcast_simulators::{Vendor, entra, google, jumpcloud};
use tokio_util::sync::CancellationToken;

/// JumpCloud's IDs of the two directories of a generated organisation.
pub const GOOGLE_DIRECTORY: &str = "d00000000000000000000001";
/// As above.
pub const ENTRA_DIRECTORY: &str = "d00000000000000000000002";

/// A throw-away key of the simulated service account; it protects nothing.
pub const PRIVATE_KEY: &str = include_str!("../keys/google-throwaway-private.pem");
/// Its public half.
pub const PUBLIC_KEY: &str = include_str!("../keys/google-throwaway-public.pem");

/// Which directory a test is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Google Workspace.
    Google,
    /// Entra ID.
    Entra,
}

/// Both, for rules that hold for both.
pub const BOTH: [Target; 2] = [Target::Google, Target::Entra];

impl Target {
    /// Name of the connection.
    pub fn name(self) -> &'static str {
        match self {
            Self::Google => "google",
            Self::Entra => "entra",
        }
    }

    /// The simulator.
    pub fn vendor(self) -> Vendor {
        match self {
            Self::Google => Vendor::Google,
            Self::Entra => Vendor::Entra,
        }
    }

    /// The connection.
    pub fn connection(self) -> ConnectionName {
        ConnectionName::new("default", self.name())
    }
}

/// Simulated vendors, a folder with configuration and secrets, and the host.
pub struct Lab {
    /// The vendors.
    pub simulators: Simulators,
    /// Configuration, secrets, store.
    pub folder: tempfile::TempDir,
    /// The configuration; changed before the next command.
    pub config: toml::Table,
    groups: u32,
}

impl Lab {
    /// Eight people who exist everywhere, no groups; both directories managed.
    pub async fn new() -> Self {
        Self::with(
            Size {
                users: 8,
                groups: 0,
                memberships: 0,
            },
            |_| (),
        )
        .await
    }

    /// A generated organisation, changed before the vendors start.
    pub async fn with(size: Size, change: impl FnOnce(&mut Organisation)) -> Self {
        let mut organisation = generated(size, 1, PUBLIC_KEY);
        change(&mut organisation);
        Self::of(organisation).await
    }

    /// Any organisation with the credentials of a generated one.
    pub async fn of(organisation: Organisation) -> Self {
        Self::started(organisation, Options::default()).await
    }

    /// Eight people who exist everywhere, no groups, and vendors whose clocks are so many seconds ahead of this machine's.
    pub async fn with_clocks_ahead(seconds: i64) -> Self {
        let size = Size {
            users: 8,
            groups: 0,
            memberships: 0,
        };
        let options = Options {
            clock_ahead: seconds,
            ..Options::default()
        };
        Self::started(generated(size, 1, PUBLIC_KEY), options).await
    }

    async fn started(organisation: Organisation, options: Options) -> Self {
        let simulators = Simulators::start(organisation, options)
            .await
            .expect("simulators start");
        let folder = tempfile::tempdir().expect("a folder");
        let addresses = simulators.addresses();
        let key = serde_json::json!({
            "type": "service_account",
            "client_email": "groupcast@example.iam.gserviceaccount.com",
            "private_key": PRIVATE_KEY,
            "token_uri": addresses.google_token,
        });
        for (name, text) in [
            ("ca.pem", addresses.ca_pem.clone()),
            ("jumpcloud-key", "generated-jumpcloud-key".to_owned()),
            ("google-key.json", key.to_string()),
            ("entra-secret", "generated-entra-secret".to_owned()),
        ] {
            write_private(&folder.path().join(name), &text);
        }
        let config = format!(
            r#"
[store]
path = "groupcast.db"
[network]
ca_file = "ca.pem"
allow_networks = ["127.0.0.0/8"]
[jumpcloud]
base_url = "{jumpcloud}"
api_key = {{ file = "jumpcloud-key" }}
[google]
directory = "{GOOGLE_DIRECTORY}"
base_url = "{google}"
token_url = "{google_token}"
service_account_key = {{ file = "google-key.json" }}
admin = "admin@example.com"
managed = true
[entra]
directory = "{ENTRA_DIRECTORY}"
tenant_id = "aaaaaaaa-0000-4000-8000-000000000000"
graph_url = "{graph}"
login_url = "{login}"
client_id = "aaaaaaaa-0000-4000-8000-000000000001"
client_secret = {{ file = "entra-secret" }}
selected = ["*"]
managed = true
"#,
            jumpcloud = addresses.jumpcloud,
            google = addresses.google,
            google_token = addresses.google_token,
            graph = addresses.graph,
            login = addresses.login,
        );
        Self {
            simulators,
            folder,
            config: config.parse().expect("the configuration"),
            groups: 0,
        }
    }

    /// Sets a key of a directory's section of the configuration.
    pub fn set(&mut self, target: Target, key: &str, value: impl Into<toml::Value>) {
        self.section(target.name()).insert(key.to_owned(), value.into());
    }

    /// A section of the configuration.
    pub fn section(&mut self, name: &str) -> &mut toml::Table {
        self.config
            .entry(name)
            .or_insert_with(|| toml::Table::new().into())
            .as_table_mut()
            .expect("a table")
    }

    /// Writes the configuration file and gives its path.
    pub fn config_file(&self) -> PathBuf {
        let path = self.folder.path().join("groupcast.toml");
        std::fs::write(&path, self.config.to_string()).expect("the configuration is written");
        path
    }

    /// A freshly opened host over the same store: what a new process would be.
    pub async fn groupcast(&self) -> Groupcast {
        let config = Config::load(&self.config_file()).unwrap_or_else(|error| panic!("{error}"));
        let (engine, plugin) = component();
        let setups = groupcast::run::connections(&config)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let store = groupcast::run::open_store(&config)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        Groupcast::with_plugin(setups, store, engine, plugin, Arc::new(NoObserver))
    }

    /// Plans.
    pub async fn plan(&self, target: Target) -> PlanOutcome {
        self.try_plan(target)
            .await
            .unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Plans, or fails.
    pub async fn try_plan(&self, target: Target) -> Result<PlanOutcome, RunFailure> {
        self.groupcast()
            .await
            .plan(&target.connection(), &CancellationToken::new())
            .await
    }

    /// Applies a plan.
    pub async fn apply(
        &self,
        target: Target,
        hash: &str,
        selection: Selection,
    ) -> Result<ApplyOutcome, RunFailure> {
        self.groupcast()
            .await
            .apply(&target.connection(), hash, selection, &CancellationToken::new())
            .await
    }

    /// Plans, and approves and applies all of the plan.
    pub async fn plan_and_apply(&self, target: Target) -> (PlanOutcome, ApplyOutcome) {
        let plan = self.plan(target).await;
        let outcome = self
            .apply(target, &plan.plan.hash, Selection::default())
            .await
            .unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(
            (outcome.report.failed, &outcome.report.moved),
            (0, &Vec::new()),
            "{:#?}",
            outcome.outcomes
        );
        (plan, outcome)
    }

    /// What a schedule does.
    pub async fn sync(&self, target: Target) -> SyncOutcome {
        self.groupcast()
            .await
            .sync(&target.connection(), Extent::Changes, &CancellationToken::new())
            .await
            .unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// A JumpCloud group of the people of these numbers, bound to both directories; answers its ID.
    pub fn group(&mut self, name: &str, email: Option<&str>, users: &[usize]) -> String {
        self.groups += 1;
        let id = format!("c{:023x}", self.groups);
        let group = jumpcloud::Group {
            id: id.clone(),
            name: name.to_owned(),
            email: email.map(ToOwned::to_owned),
            description: None,
            users: users.iter().map(|number| user(*number)).collect(),
            groups: Vec::new(),
            directories: vec![GOOGLE_DIRECTORY.to_owned(), ENTRA_DIRECTORY.to_owned()],
        };
        self.jumpcloud(|jumpcloud| jumpcloud.create_group(group));
        id
    }

    /// An administrator's click in JumpCloud.
    pub fn jumpcloud<T, E: std::fmt::Debug>(
        &self,
        click: impl FnOnce(&mut jumpcloud::JumpcloudSimulator) -> Result<T, E>,
    ) -> T {
        self.simulators.with_jumpcloud(click).expect("the click works")
    }

    /// An administrator's click in Google Workspace.
    pub fn google<T>(&self, click: impl FnOnce(&mut google::GoogleSimulator) -> T) -> T {
        self.simulators.with_google(click)
    }

    /// An administrator's click in Entra ID.
    pub fn entra<T>(&self, click: impl FnOnce(&mut entra::EntraSimulator) -> T) -> T {
        self.simulators.with_entra(click)
    }

    /// A Google group as it is now.
    pub fn google_group(&self, address: &str) -> Option<google::tenant::Group> {
        self.google(|google| {
            google
                .tenant()
                .groups
                .into_iter()
                .find(|group| group.email == address)
        })
    }

    /// Entra groups of this name, code point for code point.
    pub fn entra_groups(&self, name: &str) -> Vec<entra::Group> {
        self.entra(|entra| {
            entra
                .tenant()
                .groups
                .into_iter()
                .filter(|group| group.display_name == name)
                .collect()
        })
    }

    /// Numbers of the people in the group that a source group was exported to; nothing where it was not.
    pub fn people(&self, target: Target, name: &str, address: &str) -> Option<BTreeSet<usize>> {
        match target {
            Target::Google => {
                let group = self.google_group(address)?;
                Some(
                    group
                        .members
                        .iter()
                        .filter_map(|member| number(member.email.as_deref()?))
                        .collect(),
                )
            }
            Target::Entra => {
                let groups = self.entra_groups(name);
                let group = match groups.as_slice() {
                    [] => return None,
                    [group] => group,
                    several => panic!("several groups of one name: {several:#?}"),
                };
                let names: BTreeMap<String, String> = self.entra(|entra| {
                    entra
                        .tenant()
                        .users
                        .into_iter()
                        .map(|user| (user.id, user.user_principal_name))
                        .collect()
                });
                Some(
                    group
                        .members
                        .iter()
                        .filter_map(|member| number(names.get(&member.id)?))
                        .collect(),
                )
            }
        }
    }

    /// Mutating requests (parts of batches each counted) that a vendor got since the log was cleared; requests for tokens
    /// and signatures, and the batches themselves, are none.
    pub fn writes(&self, vendor: Vendor) -> Vec<String> {
        self.simulators
            .requests()
            .into_iter()
            .filter(|request| request.vendor == vendor && request.method != "GET")
            .filter(|request| {
                let is_no_write = ["/token", ":signJwt", "batch"];
                !is_no_write.iter().any(|end| request.path.ends_with(end))
            })
            .map(|request| format!("{} {} -> {}", request.method, request.path, request.status))
            .collect()
    }

    /// Writes of all vendors.
    pub fn all_writes(&self) -> Vec<String> {
        [Vendor::Jumpcloud, Vendor::Google, Vendor::Entra]
            .into_iter()
            .flat_map(|vendor| self.writes(vendor))
            .collect()
    }
}

/// The ID of a JumpCloud user by number.
pub fn user(number: usize) -> String {
    format!("a{number:023x}")
}

/// The address of a user by number.
pub fn address(number: usize) -> String {
    format!("user-{number:06}@example.com")
}

fn number(address: &str) -> Option<usize> {
    address
        .strip_prefix("user-")?
        .strip_suffix("@example.com")?
        .parse()
        .ok()
}

/// A set of numbers.
pub fn people(numbers: &[usize]) -> Option<BTreeSet<usize>> {
    Some(numbers.iter().copied().collect())
}

/// The part of a plan for a source group.
pub fn part<'a>(plan: &'a PlanOutcome, name: &str) -> &'a Part {
    plan.plan
        .parts
        .iter()
        .find(|part| part.group.name == name)
        .unwrap_or_else(|| panic!("no part for {name}: {:#?}", plan.plan.parts))
}

/// Codes of a part's reasons and warnings.
pub fn codes(part: &Part) -> Vec<&str> {
    part.reasons
        .iter()
        .chain(&part.warnings)
        .map(|reason| reason.code.as_str())
        .collect()
}

/// Numbers of removals and additions of a part.
pub fn changes(part: &Part) -> (usize, usize) {
    let adds = part
        .operations
        .iter()
        .filter(|operation| matches!(operation, Operation::AddMember { .. }))
        .count();
    let removals = part
        .operations
        .iter()
        .filter(|operation| matches!(operation, Operation::RemoveMember { .. }))
        .count();
    (adds, removals)
}

/// A component that does one misdeed, with its arguments (`groupcast-hostile`).
pub fn hostile(misdeed: &str, arguments: &[&str]) -> Vec<u8> {
    groupcast_hostile::ordered(HOSTILE, misdeed, arguments).expect("an order that has a place")
}

/// The component that waits for an order; it takes one from its run's settings too.
pub const HOSTILE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hostile.wasm"));

/// The real component, compiled once a process.
pub fn component() -> (Arc<PluginEngine>, Arc<Plugin>) {
    static COMPONENT: OnceLock<(Arc<PluginEngine>, Arc<Plugin>)> = OnceLock::new();
    let (engine, plugin) = COMPONENT.get_or_init(|| {
        let engine = PluginEngine::new(16, &RunLimits::default()).expect("the engine starts");
        let plugin = Plugin::embedded(&engine).expect("the component loads");
        (Arc::new(engine), Arc::new(plugin))
    });
    (Arc::clone(engine), Arc::clone(plugin))
}

fn write_private(path: &std::path::Path, text: &str) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .expect("opens");
    file.write_all(text.as_bytes()).expect("writes");
}
