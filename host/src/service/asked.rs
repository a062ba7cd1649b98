//! How often the store is asked: as often for a page of fifty as for one of three, so that lists stay quick however many
//! tenants and groups there are.

use std::sync::Arc;

use async_trait::async_trait;
use groupcast_guest::plan::part::{GroupState, Part, PartGroup};
use serde_json::json;

use super::{EventHub, Principal, Service};
use crate::config::Config;
use crate::plugin::{Plugin, PluginEngine, RunLimits};
use crate::run::Groupcast;
use crate::schedule::{EmbeddedEngine, EngineLimits, JobControl, JobEnd, Runner};
use crate::store::service::{DirectoryRecord, DirectoryVendor, JobRecord, NewAuditEntry, TenantRecord};
use crate::store::{
    ConnectionId, DirectoryKey, NewPlan, NewRun, RunEnd, RunKind, RunResult, SqliteStore, Store,
};
use crate::telemetry::{Telemetry, WatchedStore};

/// Does nothing, at once.
struct Idle;

#[async_trait]
impl Runner for Idle {
    async fn run(&self, _: &JobRecord, _: JobControl) -> JobEnd {
        JobEnd {
            end: RunEnd::new(RunResult::Done, "nothing to do"),
            runs: Vec::new(),
            plan: None,
            trouble: None,
        }
    }
}

struct Rig {
    service: Service,
    store: Arc<dyn Store>,
    telemetry: Telemetry,
    who: Principal,
    _folder: tempfile::TempDir,
}

impl Rig {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::from_bytes(&folder.path().join("groupcast.toml"), b"[service]\n").unwrap();
        let telemetry = Telemetry::default();
        let inner = SqliteStore::open(&config.store_path).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(WatchedStore::new(Arc::new(inner), telemetry.clone()));
        let engine = Arc::new(PluginEngine::new(1, &RunLimits::default()).unwrap());
        let plugin = Arc::new(Plugin::embedded(&engine).unwrap());
        let events = Arc::new(EventHub::default());
        let groupcast = Groupcast::with_plugin(Vec::new(), store.clone(), engine, plugin, events.clone());
        let schedule = EmbeddedEngine::new(Arc::new(Idle), store.clone(), EngineLimits::default(), None);
        Self {
            service: Service::new(config, Arc::new(groupcast), Arc::new(schedule), events),
            who: Principal::command_line("root"),
            store,
            telemetry,
            _folder: folder,
        }
    }

    /// Calls of the store so far.
    fn calls(&self) -> u64 {
        let text = self.telemetry.metrics_text();
        let counts = text
            .lines()
            .filter(|line| line.starts_with("groupcast_store_duration_seconds_count"));
        counts
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    }

    fn entry(tenant: &str) -> NewAuditEntry {
        Service::entry(&Principal::command_line("root"), Some(tenant), "made", tenant)
    }

    /// A tenant with two directories, of which the second has a run that left something to approve.
    async fn tenant(&self, name: &str) {
        let now = chrono::Utc::now();
        let tenant = TenantRecord {
            name: name.to_owned(),
            title: format!("The {name}"),
            jumpcloud: json!({ "api_key": { "stored": "jumpcloud" } }),
            plugin: None,
            enabled: true,
            version: 0,
            created_at: now,
            updated_at: now,
        };
        self.store
            .put_tenant(&tenant, None, &Self::entry(name))
            .await
            .unwrap();
        for (directory, vendor) in [
            ("entra", DirectoryVendor::Entra),
            ("google", DirectoryVendor::Google),
        ] {
            let record = DirectoryRecord {
                id: ConnectionId::new(name, directory),
                vendor,
                section: json!({ "directory": "65f1c0de0000000000000001", "managed": true }),
                version: 0,
                created_at: now,
                updated_at: now,
            };
            self.store
                .put_directory(&record, None, &Self::entry(name))
                .await
                .unwrap();
        }
        let run = self
            .run(&format!("{name}-run"), ConnectionId::new(name, "google"))
            .await;
        let end = RunEnd::new(RunResult::ChangesPending, "2 removals wait");
        self.store.end_run(&run, &end, &json!({})).await.unwrap();
    }

    async fn run(&self, id: &str, connection: ConnectionId) -> String {
        let run = NewRun {
            id: id.to_owned(),
            connection,
            kind: RunKind::Sync,
            plan: None,
        };
        self.store.start_run(&run).await.unwrap();
        run.id
    }
}

#[tokio::test]
async fn a_page_of_tenants_asks_as_often_as_one_tenant() {
    let rig = Rig::new().await;
    for number in 0..60 {
        rig.tenant(&format!("t{number:02}")).await;
    }
    let mut asked = Vec::new();
    for limit in [1, 3, 50] {
        let before = rig.calls();
        let page = rig
            .service
            .tenants_at_a_glance(&rig.who, None, None, limit)
            .await
            .unwrap();
        asked.push(rig.calls() - before);
        assert_eq!(page.items.len(), limit as usize);
        for glance in &page.items {
            assert_eq!((glance.directories.len(), glance.waiting), (2, 1), "{glance:?}");
            assert_eq!(glance.tenant.directories, 2);
        }
        assert!(page.next.is_some());
    }
    assert!(asked[2] <= asked[1] && asked[2] <= 8, "{asked:?}");
    let before = rig.calls();
    let second = rig
        .service
        .tenants_at_a_glance(&rig.who, None, Some("t49"), 50)
        .await
        .unwrap();
    assert_eq!((second.items.len(), second.next), (10, None));
    assert_eq!(second.items[0].tenant.name, "t50");
    let found = rig
        .service
        .tenants_at_a_glance(&rig.who, Some("THE T07"), None, 50)
        .await
        .unwrap();
    assert_eq!(found.items[0].tenant.name, "t07");
    assert!(rig.calls() - before <= 16);
}

#[tokio::test]
async fn the_pages_of_one_tenant_do_not_read_all_others() {
    let rig = Rig::new().await;
    rig.tenant("acme").await;
    let before = rig.calls();
    let view = rig.service.tenant(&rig.who, "acme").await.unwrap();
    assert_eq!((view.title.as_str(), view.directories), ("The acme", 2));
    assert_eq!(rig.calls() - before, 2);
    assert!(rig.service.tenant(&rig.who, "other").await.is_err());
    assert!(rig.service.directories(&rig.who, "other").await.is_err());
    let directories = rig.service.directories(&rig.who, "acme").await.unwrap();
    let names: Vec<&str> = directories.iter().map(|one| one.id.name.as_str()).collect();
    assert_eq!(names, ["entra", "google"]);
    let waiting = rig.service.waiting(&directories).await.unwrap();
    assert_eq!(waiting, [ConnectionId::new("acme", "google")].into());
}

#[tokio::test]
async fn r44_a_plan_of_many_groups_is_read_in_few_questions_and_once() {
    let rig = Rig::new().await;
    rig.tenant("acme").await;
    let id = ConnectionId::new("acme", "google");
    let run = rig.run("planned", id.clone()).await;
    let parts: Vec<Vec<u8>> = (0..450)
        .map(|number| {
            let part = Part {
                version: 1,
                group: PartGroup {
                    id: format!("g{number:04}"),
                    name: format!("Group {number}"),
                    email: None,
                    email_is_override: false,
                    users: Some(3),
                },
                state: GroupState::Pending,
                reasons: vec![],
                target: None,
                fingerprint: "f".to_owned(),
                operations: vec![],
                held: vec![],
                notes: vec![],
                waiting: vec![],
                foreign: vec![],
                warnings: vec![],
            };
            part.to_bytes()
        })
        .collect();
    rig.store.stage_parts(&run, 0, &parts).await.unwrap();
    let directory = DirectoryKey::new("acme", "google", "C01abcde2");
    let plan = NewPlan {
        run,
        connection: id.clone(),
        directory: directory.clone(),
        summary: json!({}),
        lifetime: None,
    };
    let plan = rig.store.seal_plan(&plan).await.unwrap();
    let before = rig.calls();
    let view = rig.service.plan(&rig.who, &id, &plan.hash).await.unwrap();
    assert_eq!((view.record.parts, view.operations, view.held), (450, 0, 0));
    assert!(rig.calls() - before <= 6, "450 parts in pages of 200");
    let before = rig.calls();
    rig.service.plan(&rig.who, &id, &plan.hash).await.unwrap();
    assert_eq!(rig.calls() - before, 1, "the plan itself, whose state changes");
    let before = rig.calls();
    let page = rig
        .service
        .plan_parts(&rig.who, &id, &plan.hash, Some(99), 100)
        .await
        .unwrap();
    assert_eq!((page.items.len(), page.next.as_deref()), (100, Some("199")));
    assert_eq!(page.items[0].part.group.name, "Group 100");
    assert_eq!(rig.calls() - before, 2);
    let last = rig
        .service
        .plan_parts(&rig.who, &id, &plan.hash, Some(399), 200)
        .await
        .unwrap();
    assert_eq!((last.items.len(), last.next), (50, None));
    let seen = rig.service.seen(&directory, &plan.hash).await.unwrap();
    assert_eq!(seen.groups["g0449"].state, GroupState::Pending);
}
