//! Every misdeed that concerns others: vendors, other tenants, this machine's neighbours, and the trade itself. Through the
//! whole host and over real sockets: each is refused, blamed on its component in the run, before observers and in the
//! audit log, and nothing of it arrives anywhere.

mod plans;
mod requests;
mod tenants;

use std::sync::{Arc, Mutex};

use groupcast::config::Config;
use groupcast::plugin::{Event, LogLevel, Plugin, Violation};
use groupcast::run::{Groupcast, Observer, RunFailure, RunRef, Selection};
use groupcast::store::service::{AuditQuery, AuditStore};
use groupcast::store::{SqliteStore, Store};
use groupcast_tests::{BOTH, Lab, Target, component, hostile, people};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::processes::apart;

/// Remembers what components were blamed for, and what they said.
#[derive(Default)]
struct Watch {
    blamed: Mutex<Vec<(String, Violation)>>,
    said: Mutex<String>,
}

impl Observer for Watch {
    fn event(&self, _: &RunRef, _: &Event) {}
    fn log(&self, _: &RunRef, _: LogLevel, message: &str) {
        let mut said = self.said.lock().unwrap();
        said.push_str(message);
        said.push('\n');
    }
    fn violated(&self, _: &RunRef, plugin: &str, violation: &Violation) {
        self.blamed
            .lock()
            .unwrap()
            .push((plugin.to_owned(), violation.clone()));
    }
}

/// The host over the laboratory, with a component that does one misdeed.
struct Intruder {
    host: Groupcast,
    watch: Arc<Watch>,
    store: Arc<SqliteStore>,
    digest: String,
}

impl Intruder {
    async fn of(lab: &Lab, misdeed: &str, arguments: &[&str]) -> Self {
        Self::granted(lab, misdeed, arguments, None).await
    }

    /// With what was granted to it as a tenant's own component; none: as the host's, with what the built-in one may.
    async fn granted(
        lab: &Lab,
        misdeed: &str,
        arguments: &[&str],
        granted: Option<serde_json::Value>,
    ) -> Self {
        let config = Config::load(&lab.config_file()).unwrap();
        let (engine, built_in) = apart();
        let plugin = engine
            .load(hostile(misdeed, arguments), "hostile.wasm")
            .await
            .unwrap();
        let mut setups = groupcast::run::connections(&config).await.unwrap();
        let store = Arc::new(SqliteStore::open(&config.store_path).await.unwrap());
        let watch = Arc::new(Watch::default());
        let digest = plugin.digest.clone();
        let of_host = match granted {
            None => plugin,
            Some(granted) => {
                setups = setups
                    .into_iter()
                    .map(|setup| setup.with_plugin(Arc::clone(&plugin), &granted).unwrap())
                    .collect();
                built_in
            }
        };
        let host = Groupcast::with_plugin(
            setups,
            Arc::clone(&store) as Arc<dyn Store>,
            engine,
            of_host,
            Arc::clone(&watch) as Arc<dyn Observer>,
        );
        Self {
            host,
            watch,
            store,
            digest,
        }
    }

    async fn plan(&self, target: Target) -> Result<(), RunFailure> {
        let planned = self
            .host
            .plan(&target.connection(), &CancellationToken::new())
            .await;
        planned.map(drop)
    }

    /// Codes of what it was blamed for; each is in the audit log, with the component as the actor.
    async fn blamed(&self) -> Vec<&'static str> {
        let blamed = self.watch.blamed.lock().unwrap().clone();
        let query = AuditQuery {
            action_prefix: Some("plugin.violation".to_owned()),
            limit: 1_000,
            ..AuditQuery::default()
        };
        let entries = self.store.audit(&query).await.unwrap();
        for (digest, violation) in &blamed {
            assert_eq!(digest, &self.digest);
            let kept = entries.iter().any(|kept| {
                let after = kept.entry.after.as_ref().unwrap();
                kept.entry.actor.subject == format!("plugin:{digest}")
                    && kept.entry.tenant.as_deref() == Some("default")
                    && after["code"] == violation.code()
                    && after["message"] == violation.to_string()
            });
            assert!(kept, "not in the audit log: {violation}");
        }
        blamed.iter().map(|(_, violation)| violation.code()).collect()
    }

    fn said(&self) -> String {
        self.watch.said.lock().unwrap().clone()
    }
}

async fn lab() -> Lab {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    lab
}

fn authority(url: &str) -> String {
    let rest = url.split_once("://").unwrap().1;
    rest.trim_end_matches('/').to_owned()
}

/// Requests that reached a vendor; the host's own for tokens are none.
fn arrived(lab: &Lab) -> Vec<String> {
    let requests = lab.simulators.requests().into_iter();
    requests
        .filter(|request| !request.path.ends_with("/token"))
        .map(|request| format!("{} {}", request.method, request.path))
        .collect()
}

async fn the_real_one_still_works(lab: &Lab, target: Target) {
    lab.plan_and_apply(target).await;
    assert_eq!(lab.people(target, "Sales", "sales@example.com"), people(&[0, 1]));
}

/// Asks; it is refused and blamed, or could not even be written as a request, and nothing arrives.
async fn refused(lab: &Lab, target: Target, name: &str, ask: &[&str]) {
    lab.simulators.clear_requests();
    let intruder = Intruder::of(lab, "ask", ask).await;
    let failure = intruder.plan(target).await.expect_err(name);
    let blamed = intruder.blamed().await;
    if blamed.is_empty() {
        // wasi:http has no such request.
        let unwritten = ["place: refused", "header: refused", "handle: refused"];
        assert!(
            unwritten.iter().any(|words| failure.message.contains(words)),
            "{name}: {failure:?}"
        );
    } else {
        assert_eq!(blamed, ["forbidden-request"], "{name}: {failure:?}");
    }
    assert_eq!(arrived(lab), Vec::<String>::new(), "{name}");
    println!("{name}: {failure}");
}

const GROUP: &str = "/admin/directory/v1/groups/sales@example.com";

/// Two components of one misdeed are two: their digests tell them apart.
#[test]
fn every_misdeed_is_a_component_of_its_own() {
    let (engine, _) = component();
    let digest = |bytes: &[u8]| Plugin::from_bytes(&engine, bytes, "hostile.wasm").unwrap().digest;
    assert_ne!(
        digest(&hostile("infinite-loop", &[])),
        digest(&hostile("memory-bomb", &[]))
    );
    assert_ne!(digest(&hostile("ask", &["a"])), digest(&hostile("ask", &["b"])));
}
