//! A host with two tenants, each with both targets at vendors of its own: one tenant of the configuration file, one of the
//! store. Every place that can hold a secret holds one.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use groupcast::plugin::EMBEDDED;
use groupcast_simulators::organisation::Size;
use groupcast_simulators::vault::{VaultSimulator, serve};
use groupcast_tests::{Lab, ports};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use toml::Table;

use super::provider::{CLIENT, PERSON, Provider};
use super::search::Secrets;
use super::{ENTRA, JUMPCLOUD, VAULT_TOKEN};
use crate::program::{call, groupcast, write};
use crate::web::Api;

/// Of the tenant of the store.
pub const OTHER_JUMPCLOUD: &str = "jcb_\"third\"\\key+with/signs=&%1357924680";
pub const OTHER_ENTRA: &str = "fnt~\"fourth\"\\secret+with/signs=&%0864297531";
/// Of the client at the identity provider.
pub const OIDC: &str = "oid~\"fifth\"\\secret+with/signs=&%5647382910";
const COLLECTOR: &str = "Bearer collector-token-0123456789";
const DEAD_MAN: &str = "/ping-of-the-dead-man-0123456789";

/// Files that their owner put a secret into.
const OWN_PLACES: [&str; 8] = [
    "groupcast.key",
    "vault-token",
    "google-key.json",
    "client-secret",
    "collector-token",
    "dead-man",
    "restored.key",
    "groupcast.toml",
];

/// What a host runs on.
pub struct Host {
    pub folder: TempDir,
    pub file: Lab,
    pub store: Lab,
    pub provider: Provider,
    pub api: Api,
    pub watched: SocketAddr,
    /// What was sent to the collector of traces, and to the dead man's switch, which repeat what they were sent.
    pub spans: Arc<Mutex<Vec<u8>>>,
}

async fn lab(jumpcloud: &str, entra: &str) -> Lab {
    let size = Size {
        users: 8,
        groups: 0,
        memberships: 0,
    };
    let mut lab = Lab::with(size, |organisation| {
        organisation.jumpcloud.api_key = jumpcloud.to_owned();
        organisation.entra.applications[0].client_secret = Some(entra.to_owned());
    })
    .await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    lab
}

impl Host {
    pub async fn new() -> Self {
        let (mut file, store) = (
            lab(JUMPCLOUD, ENTRA).await,
            lab(OTHER_JUMPCLOUD, OTHER_ENTRA).await,
        );
        let folder = tempfile::tempdir().unwrap();
        let mut vault = VaultSimulator::new();
        vault.put("secret", "groupcast/jumpcloud", json!({ "key": JUMPCLOUD }), 0);
        vault.token(VAULT_TOKEN, &["secret/data/groupcast/"]);
        let vault = serve(Arc::new(Mutex::new(vault))).await.unwrap();
        let provider = Provider::start();
        let (collector, spans) = crate::watching::listener(true);
        let (switch, _) = crate::watching::listener(true);
        let (address, watched) = (
            SocketAddr::from(([127, 0, 0, 1], ports::free())),
            SocketAddr::from(([127, 0, 0, 1], ports::free())),
        );
        let authorities = [&file, &store].map(|lab| lab.simulators.addresses().ca_pem.clone());
        let key = std::fs::read_to_string(file.folder.path().join("google-key.json")).unwrap();
        for (name, text) in [
            ("ca.pem", authorities.concat()),
            ("google-key.json", key),
            ("vault-token", VAULT_TOKEN.to_owned()),
            ("client-secret", OIDC.to_owned()),
            ("collector-token", COLLECTOR.to_owned()),
            ("dead-man", format!("{switch}{DEAD_MAN}")),
        ] {
            write(folder.path(), name, text);
        }
        let mut config: Table = format!(
            r#"
[store]
path = "groupcast.db"
[recording]
enabled = true
[service]
listen = "{address}"
requests_per_minute = 100000
oidc = {{ issuer = "{issuer}", client_id = "{CLIENT}", client_secret = {{ file = "client-secret" }}, admins = ["email:{PERSON}"] }}
[telemetry]
listen = "{watched}"
otlp_endpoint = "{collector}"
otlp_headers = {{ authorization = {{ file = "collector-token" }} }}
dead_man = {{ url = {{ file = "dead-man" }}, every_seconds = 10 }}
[secrets.vault]
address = "{vault}"
token = {{ file = "vault-token" }}
[tenant.acme.jumpcloud]
api_key = {{ vault = {{ path = "groupcast/jumpcloud", field = "key" }} }}
"#,
            issuer = provider.issuer,
        )
        .parse()
        .unwrap();
        let base = file.config["jumpcloud"]["base_url"].clone();
        let place: Table = "stored = \"entra\"".parse().unwrap();
        file.section("entra")
            .insert("client_secret".to_owned(), place.into());
        config.insert("network".to_owned(), file.config["network"].clone());
        let acme = config["tenant"]["acme"].as_table_mut().unwrap();
        acme["jumpcloud"]
            .as_table_mut()
            .unwrap()
            .insert("base_url".to_owned(), base);
        for target in groupcast_tests::BOTH {
            acme.insert(target.name().to_owned(), file.config[target.name()].clone());
        }
        write(folder.path(), "groupcast.toml", config.to_string());
        let made = call(
            folder.path(),
            &["token", "create", "--name", "test", "--role", "admin"],
        )
        .code(0);
        let api = Api {
            address,
            token: made.out.trim().to_owned(),
        };
        Self {
            folder,
            file,
            store,
            provider,
            api,
            watched,
            spans,
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The program with all that it has to say.
    pub fn program(&self, words: &[&str]) -> crate::program::Program {
        groupcast(self.folder.path(), words).env(
            "GROUPCAST_LOG",
            "trace,cranelift_codegen=off,regalloc2=off,wasmtime=off",
        )
    }

    /// Makes the tenant of the store, with both of its directories.
    pub fn make_tenant(&self) {
        let make = |method: &str, path: &str, body: &Value| self.api.ask(method, path, Some(body), None);
        let addresses = self.store.simulators.addresses();
        let source = json!({ "base_url": addresses.jumpcloud, "api_key": { "stored": "jumpcloud" } });
        make(
            "POST",
            "/tenants",
            &json!({ "name": "beta", "jumpcloud": source }),
        )
        .is(201);
        let key = std::fs::read_to_string(self.store.folder.path().join("google-key.json")).unwrap();
        for (name, value) in [
            ("jumpcloud", OTHER_JUMPCLOUD),
            ("entra", OTHER_ENTRA),
            ("google", &key),
        ] {
            let path = format!("/tenants/beta/secrets/{name}");
            make("PUT", &path, &json!({ "value": value })).is(204);
        }
        for (vendor, field) in [("google", "service_account_key"), ("entra", "client_secret")] {
            let mut section = serde_json::to_value(&self.store.config[vendor]).unwrap();
            section[field] = json!({ "stored": vendor });
            section["managed"] = false.into();
            let directory = json!({ "name": vendor, "vendor": vendor, "section": section });
            make("POST", "/tenants/beta/directories", &directory).is(201);
            let path = format!("/tenants/beta/directories/{vendor}");
            let version = self.api.get(&path).version;
            let on = json!({ "managed": true, "acknowledge": true });
            self.api
                .ask("PUT", &format!("{path}/management"), Some(&on), Some(&version))
                .is(200);
        }
    }

    /// Keeps a component and grants it to a tenant, so that routes and pages have something to say of one.
    pub fn keep_a_component(&self) {
        let digest = hex::encode(Sha256::digest(EMBEDDED));
        self.api.upload(&format!("/plugins/{digest}"), EMBEDDED).is(200);
        let grant = json!({ "tenant": "beta" });
        let granted = self
            .api
            .ask("PUT", &format!("/plugins/{digest}/grants"), Some(&grant), None);
        assert!(granted.status < 300, "{granted:?}");
    }

    /// Every secret in use, those of sessions aside.
    pub fn secrets(&self) -> Secrets {
        let mut secrets = Secrets::default();
        for (name, secret) in [
            ("a JumpCloud key", JUMPCLOUD),
            ("another JumpCloud key", OTHER_JUMPCLOUD),
            ("an Entra secret", ENTRA),
            ("another Entra secret", OTHER_ENTRA),
            ("the OIDC client's secret", OIDC),
            ("Vault's token", VAULT_TOKEN),
            ("the collector's token", COLLECTOR),
            ("the dead man's URL", DEAD_MAN),
            ("an API token", &self.api.token),
        ] {
            secrets.add(name, secret);
        }
        secrets.add_pem("a Google key", groupcast_tests::PRIVATE_KEY);
        secrets.add_host_key(self.path());
        secrets.add_tokens();
        for secret in self.provider.secrets() {
            secrets.add("what an identity provider and the host alone know", &secret);
        }
        for lab in [&self.file, &self.store] {
            let google = lab.google(|google| google.access_tokens());
            let entra = lab.entra(|entra| entra.access_tokens());
            assert!(!google.is_empty() && !entra.is_empty(), "tokens were given out");
            for token in google.iter().chain(&entra) {
                secrets.add("an access token", token);
            }
        }
        secrets
    }

    /// All that the host keeps; not where the secrets were put by their owner.
    pub fn kept(&self) -> Vec<(String, Vec<u8>)> {
        let kept = super::search::kept(self.path(), &OWN_PLACES);
        for needed in [
            "groupcast.db",
            "groupcast.secrets",
            "backup.gz, unpacked",
            "redacted.gz, unpacked",
        ] {
            assert!(kept.iter().any(|(name, _)| name == needed), "{needed}");
        }
        kept
    }

    /// What the collector got, without the header that is for it.
    pub fn spans_without_their_header(&self) -> String {
        let spans = self.spans.lock().unwrap();
        String::from_utf8_lossy(&spans).replace(COLLECTOR, "")
    }

    /// The recording of a run.
    pub fn a_recorded_run(&self) -> String {
        let mut folders: Vec<PathBuf> = vec![self.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(name) = path
                    .file_name()
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .strip_suffix(".recording.gz")
                {
                    return name.to_owned();
                }
            }
        }
        panic!("nothing was recorded");
    }
}
