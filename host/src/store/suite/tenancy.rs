//! The suite's tests of tenants, directories, plugins and what the scheduler remembers.

use super::*;
use crate::store::service::*;

pub(super) fn tenant(name: &str) -> TenantRecord {
    TenantRecord {
        name: name.to_owned(),
        title: format!("{name} Ltd."),
        jumpcloud: serde_json::json!({"org_id": name, "api_key": {"stored": "jumpcloud"}}),
        plugin: None,
        enabled: true,
        version: 0,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
    }
}

pub(super) fn a_directory(tenant: &str, name: &str) -> DirectoryRecord {
    DirectoryRecord {
        id: ConnectionId::new(tenant, name),
        vendor: DirectoryVendor::Entra,
        section: serde_json::json!({"tenant_id": "t", "managed": true}),
        version: 0,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
    }
}

pub(super) async fn a_change_says_which_version_it_saw(store: Arc<dyn Store>, hands: Hands) {
    let made = store
        .put_tenant(&tenant("acme"), None, &entry("tenant.made"))
        .await
        .unwrap();
    assert_eq!(made, Changed::Made(1));
    let born = hands.now();
    hands.forward(Duration::seconds(5));
    let mut record = store.tenant("acme").await.unwrap().unwrap();
    assert_eq!(
        (record.version, record.created_at, record.updated_at),
        (1, born, born)
    );
    record.title = "Acme Inc.".to_owned();
    record.enabled = false;
    record.plugin = Some("ab".repeat(32));
    let changed = store.put_tenant(&record, Some(1), &entry("tenant.changed")).await;
    assert_eq!(changed.unwrap(), Changed::Made(2));
    // Whoever saw the first version, or none, changes nothing, and leaves no entry.
    for stale in [None, Some(1), Some(3)] {
        let refused = store
            .put_tenant(&tenant("acme"), stale, &entry("tenant.changed"))
            .await
            .unwrap();
        assert_eq!(refused, Changed::Conflict { current: Some(2) });
    }
    let refused = store.put_tenant(&tenant("gone"), Some(1), &entry("x")).await;
    assert_eq!(refused.unwrap(), Changed::Conflict { current: None });
    let refused = store.remove_tenant("acme", 1, &entry("x")).await.unwrap();
    assert_eq!(refused, Changed::Conflict { current: Some(2) });
    let kept = store.tenant("acme").await.unwrap().unwrap();
    assert_eq!(
        kept,
        TenantRecord {
            version: 2,
            created_at: born,
            updated_at: hands.now(),
            ..record
        }
    );
    let actions = store.audit(&AuditQuery::default()).await.unwrap();
    let actions: Vec<_> = actions.into_iter().map(|entry| entry.entry.action).collect();
    assert_eq!(actions, ["tenant.changed", "tenant.made"]);
}

pub(super) async fn a_directory_belongs_to_a_tenant_that_exists(store: Arc<dyn Store>, _: Hands) {
    let orphan = store
        .put_directory(&a_directory("acme", "entra"), None, &entry("x"))
        .await
        .unwrap_err();
    assert!(
        matches!(&orphan, StoreError::NoTenant(name) if name == "acme"),
        "{orphan}"
    );
    assert_eq!(store.audit(&AuditQuery::default()).await.unwrap(), []);
    store
        .put_tenant(&tenant("acme"), None, &entry("tenant.made"))
        .await
        .unwrap();
    let mut record = a_directory("acme", "entra");
    for version in 1..=3 {
        let expected = (version > 1).then_some(version - 1);
        let changed = store
            .put_directory(&record, expected, &entry("directory.changed"))
            .await;
        assert_eq!(changed.unwrap(), Changed::Made(version));
        record.section = serde_json::json!({"version": version});
    }
    let stale = store.put_directory(&record, Some(1), &entry("x")).await.unwrap();
    assert_eq!(stale, Changed::Conflict { current: Some(3) });
    let kept = store.directory(&record.id).await.unwrap().unwrap();
    assert_eq!(
        (kept.version, kept.section),
        (3, serde_json::json!({"version": 2}))
    );
    let stale = store.remove_directory(&record.id, 2, &entry("x")).await.unwrap();
    assert_eq!(stale, Changed::Conflict { current: Some(3) });
    store
        .remove_directory(&record.id, 3, &entry("directory.removed"))
        .await
        .unwrap();
    assert_eq!(store.directory(&record.id).await.unwrap(), None);
}

pub(super) async fn tenants_and_directories_come_ascending_and_in_pages(store: Arc<dyn Store>, _: Hands) {
    for name in ["zeta", "a-b", "ab", "beta"] {
        store
            .put_tenant(&tenant(name), None, &entry("tenant.made"))
            .await
            .unwrap();
        for directory in ["google", "entra", "entra-2"] {
            store
                .put_directory(&a_directory(name, directory), None, &entry("d"))
                .await
                .unwrap();
        }
    }
    let names = |page: &Page<TenantRecord>| page.items.iter().map(|t| t.name.clone()).collect::<Vec<_>>();
    let first = store.tenants(None, 3).await.unwrap();
    // By code point: `-` comes before letters, in every database and under every locale.
    assert_eq!(names(&first), ["a-b", "ab", "beta"]);
    let second = store.tenants(first.next.as_deref(), 3).await.unwrap();
    assert_eq!((names(&second), second.next), (vec!["zeta".to_owned()], None));
    assert_eq!(store.tenants(None, 4).await.unwrap().next, None);
    let ids: Vec<String> = store
        .directories(None)
        .await
        .unwrap()
        .iter()
        .map(|directory| directory.id.to_string())
        .collect();
    assert_eq!(
        ids[..4],
        ["a-b/entra", "a-b/entra-2", "a-b/google", "ab/entra"].map(str::to_owned)
    );
    assert_eq!(ids.len(), 12);
    assert_eq!(store.directories(Some("ab")).await.unwrap().len(), 3);
    assert_eq!(store.directories(Some("none")).await.unwrap(), []);
    let some = store
        .directories_of(&["zeta".to_owned(), "ab".to_owned(), "none".to_owned()])
        .await
        .unwrap();
    let mut expected = store.directories(Some("ab")).await.unwrap();
    expected.extend(store.directories(Some("zeta")).await.unwrap());
    assert_eq!(some, expected);
    assert_eq!(store.directories_of(&[]).await.unwrap(), []);
}

pub(super) async fn the_tenancys_version_grows_with_each_change_and_with_nothing_else(
    store: Arc<dyn Store>,
    _: Hands,
) {
    let mut before = store.tenancy_version().await.unwrap();
    let mut grew = async || {
        let now = store.tenancy_version().await.unwrap();
        std::mem::replace(&mut before, now) < now
    };
    let id = ConnectionId::new("acme", "entra");
    assert!(!grew().await);
    store
        .put_tenant(&tenant("acme"), None, &entry("t"))
        .await
        .unwrap();
    assert!(grew().await);
    store
        .put_directory(&a_directory("acme", "entra"), None, &entry("d"))
        .await
        .unwrap();
    assert!(grew().await);
    store
        .put_directory(&a_directory("acme", "entra"), None, &entry("conflict"))
        .await
        .unwrap();
    store.change_run_state(&id, &|_| (), None).await.unwrap();
    store.append_audit(&entry("signed-in")).await.unwrap();
    assert!(!grew().await);
    store.remove_directory(&id, 1, &entry("d")).await.unwrap();
    assert!(grew().await);
    store.remove_tenant("acme", 1, &entry("t")).await.unwrap();
    assert!(grew().await);
}

pub(super) async fn r44_what_a_tenant_had_goes_with_it_and_its_next_namesake_is_plan_only(
    store: Arc<dyn Store>,
    hands: Hands,
) {
    let id = ConnectionId::new("acme", "entra");
    for name in ["acme", "beta"] {
        store.put_tenant(&tenant(name), None, &entry("t")).await.unwrap();
        store
            .put_directory(&a_directory(name, "entra"), None, &entry("d"))
            .await
            .unwrap();
        store
            .put_token(&super::identity::token(name, Some(name)), &entry("k"))
            .await
            .unwrap();
        store
            .put_grant(
                &super::identity::grant("email:a@example.com", Some(name)),
                &entry("g"),
            )
            .await
            .unwrap();
        let secret = super::sealed::secret(Some(name), "api-key");
        store
            .put_sealed_key(&super::sealed::key(Some(name), 1), None)
            .await
            .unwrap();
        store.put_sealed_secret(&secret, None, None).await.unwrap();
        store
            .set_mode(&ConnectionId::new(name, "entra"), Mode::Active)
            .await
            .unwrap();
        store
            .claim_due(&ConnectionId::new(name, "entra"), hands.now())
            .await
            .unwrap();
        store
            .put_plugin(&plugin(Some(name), "00"), &entry("p"))
            .await
            .unwrap();
    }
    store
        .remove_tenant("acme", 1, &entry("tenant.removed"))
        .await
        .unwrap();
    let mut left = Vec::new();
    for name in ["acme", "beta"] {
        left.push((
            store.tenant(name).await.unwrap().is_some(),
            store.directories(Some(name)).await.unwrap().len(),
            store.tokens(Some(name)).await.unwrap().len(),
            store.grants(Some(name)).await.unwrap().len(),
            store.sealed_secrets(Some(name)).await.unwrap().len(),
            store.sealed_key(Some(name)).await.unwrap().is_some(),
            store.plugins(Some(name)).await.unwrap().len(),
        ));
    }
    assert_eq!(left, [(false, 0, 0, 0, 0, false, 0), (true, 1, 1, 1, 1, true, 1)]);
    assert_eq!(store.run_states().await.unwrap().len(), 1);
    assert_eq!(store.connection(&id).await.unwrap().mode, Mode::PlanOnly);

    let id = ConnectionId::new("beta", "entra");
    assert_eq!(store.connection(&id).await.unwrap().mode, Mode::Active);
    store.remove_directory(&id, 1, &entry("d")).await.unwrap();
    assert_eq!(store.connection(&id).await.unwrap().mode, Mode::PlanOnly);
    assert_eq!(store.run_states().await.unwrap(), []);
    // A run that was under way ends after its directory was removed; then one of the same name is made.
    store.set_mode(&id, Mode::Active).await.unwrap();
    store.claim_due(&id, hands.now()).await.unwrap();
    let record = a_directory("beta", "entra");
    store.put_directory(&record, None, &entry("d")).await.unwrap();
    assert_eq!(store.connection(&id).await.unwrap().mode, Mode::PlanOnly);
    assert_eq!(store.run_states().await.unwrap(), []);
    store.set_mode(&id, Mode::Active).await.unwrap();
    store.put_directory(&record, Some(1), &entry("d")).await.unwrap();
    assert_eq!(store.connection(&id).await.unwrap().mode, Mode::Active);
}

pub(super) fn plugin(tenant: Option<&str>, digest: &str) -> PluginRecord {
    PluginRecord {
        tenant: tenant.map(str::to_owned),
        digest: digest.repeat(32),
        origin: "registry.example.com/plugin:1".to_owned(),
        name: "plugin 1.0".to_owned(),
        size: 123_456,
        granted: serde_json::json!([{"host": "graph.microsoft.com"}]),
        added_at: DateTime::from_timestamp_millis(1_790_000_000_123).unwrap(),
    }
}

pub(super) async fn a_tenant_sees_its_own_plugins_only(store: Arc<dyn Store>, _: Hands) {
    for (tenant, digest) in [
        (None, "aa"),
        (Some("acme"), "bb"),
        (Some("acme"), "ab"),
        (Some("beta"), "cc"),
    ] {
        store
            .put_plugin(&plugin(tenant, digest), &entry("plugin.added"))
            .await
            .unwrap();
    }
    let mut again = plugin(Some("acme"), "bb");
    again.granted = serde_json::json!([]);
    store.put_plugin(&again, &entry("plugin.changed")).await.unwrap();
    assert_eq!(
        store.plugins(Some("acme")).await.unwrap(),
        [plugin(Some("acme"), "ab"), again]
    );
    assert_eq!(store.plugins(None).await.unwrap(), [plugin(None, "aa")]);
    let whose: Vec<(Option<String>, String)> = store
        .all_plugins()
        .await
        .unwrap()
        .into_iter()
        .map(|plugin| (plugin.tenant, plugin.digest[..2].to_owned()))
        .collect();
    let acme = || Some("acme".to_owned());
    assert_eq!(
        whose,
        [
            (None, "aa".to_owned()),
            (acme(), "ab".to_owned()),
            (acme(), "bb".to_owned()),
            (Some("beta".to_owned()), "cc".to_owned()),
        ]
    );
    let digest = "aa".repeat(32);
    assert!(
        !store
            .remove_plugin(Some("acme"), &digest, &entry("x"))
            .await
            .unwrap()
    );
    assert!(
        store
            .remove_plugin(None, &digest, &entry("plugin.removed"))
            .await
            .unwrap()
    );
    assert_eq!(store.plugins(None).await.unwrap(), []);
    assert_eq!(store.audit(&AuditQuery::default()).await.unwrap().len(), 6);
}

pub(super) async fn all_plugins_are_listed_by_digest_the_hosts_first(store: Arc<dyn Store>, _: Hands) {
    store
        .put_tenant(&tenant("acme"), None, &entry("t"))
        .await
        .unwrap();
    for (of, digest) in [(Some("acme"), "bb"), (None, "bb"), (None, "aa")] {
        store
            .put_plugin(&plugin(of, digest), &entry("plugin"))
            .await
            .unwrap();
    }
    let all = store.all_plugins().await.unwrap();
    let told: Vec<_> = all
        .iter()
        .map(|one| (&one.digest[..2], one.tenant.as_deref()))
        .collect();
    assert_eq!(told, [("aa", None), ("bb", None), ("bb", Some("acme"))]);
}

pub(super) async fn a_due_run_is_taken_once_and_never_again(store: Arc<dyn Store>, hands: Hands) {
    let id = ConnectionId::new("acme", "entra");
    assert_eq!(store.run_state(&id).await.unwrap(), RunState::default());
    let due = hands.now();
    let hosts = (0..16).map(|_| {
        let (store, id) = (Arc::clone(&store), id.clone());
        tokio::spawn(async move { store.claim_due(&id, due).await.unwrap() })
    });
    let took = futures_util::future::join_all(hosts).await;
    assert_eq!(took.iter().filter(|took| *took.as_ref().unwrap()).count(), 1);
    assert!(!store.claim_due(&id, due - Duration::minutes(5)).await.unwrap());
    let next = due + Duration::minutes(5);
    assert!(store.claim_due(&id, next).await.unwrap());
    assert_eq!(store.run_state(&id).await.unwrap().last_due, Some(next));
    // A scheduler that read before the claim writes what it read: the run is not due again for that.
    let stale = RunState {
        failures: 1,
        last_due: Some(due),
        ..RunState::default()
    };
    store
        .change_run_state(&id, &|state| *state = stale.clone(), None)
        .await
        .unwrap();
    let kept = store.run_state(&id).await.unwrap();
    assert_eq!((kept.failures, kept.last_due), (1, Some(next)));
}

pub(super) async fn a_pause_and_runs_that_end_at_one_moment_undo_nothing_of_each_other(
    store: Arc<dyn Store>,
    hands: Hands,
) {
    let id = ConnectionId::new("acme", "entra");
    let pause = Pause {
        by: "email:alice@example.com".to_owned(),
        at: hands.now(),
        reason: "migration".to_owned(),
    };
    let ended = |failures: u32| {
        let (store, id, now) = (Arc::clone(&store), id.clone(), hands.now());
        tokio::spawn(async move {
            let count = |state: &mut RunState| {
                state.failures += failures;
                state.not_before = Some(now + Duration::minutes(4));
                state.last_message = Some("failed".to_owned());
            };
            store.change_run_state(&id, &count, None).await.unwrap();
        })
    };
    let paused = || {
        let (store, id, pause) = (Arc::clone(&store), id.clone(), pause.clone());
        tokio::spawn(async move {
            let change = |state: &mut RunState| state.paused = Some(pause.clone());
            let entry = entry("directory.paused");
            let state = store.change_run_state(&id, &change, Some(&entry)).await.unwrap();
            assert!(state.paused.is_some());
        })
    };
    let all = (0..8).flat_map(|_| [ended(1), paused()]);
    for one in futures_util::future::join_all(all).await {
        one.unwrap();
    }
    let expected = RunState {
        paused: Some(pause),
        failures: 8,
        not_before: Some(hands.now() + Duration::minutes(4)),
        last_message: Some("failed".to_owned()),
        ..RunState::default()
    };
    assert_eq!(store.run_state(&id).await.unwrap(), expected);

    let quarantine = Quarantine {
        at: hands.now(),
        reason: "the key is refused".to_owned(),
        way_out: "set a new one".to_owned(),
    };
    let lock = |state: &mut RunState| state.quarantine = Some(quarantine.clone());
    store.change_run_state(&id, &lock, None).await.unwrap();
    let resume = |state: &mut RunState| state.paused = None;
    let entry = entry("directory.resumed");
    let answered = store.change_run_state(&id, &resume, Some(&entry)).await.unwrap();
    let kept = RunState {
        paused: None,
        quarantine: Some(quarantine),
        ..expected
    };
    assert_eq!(answered, kept);
    assert_eq!(store.run_states().await.unwrap(), [(id.clone(), kept)]);
    let forget = |state: &mut RunState| *state = RunState::default();
    store.change_run_state(&id, &forget, None).await.unwrap();
    assert_eq!(
        store.run_states().await.unwrap(),
        [(id.clone(), RunState::default())]
    );
    let entries = store.audit(&AuditQuery::default()).await.unwrap();
    assert_eq!(entries.len(), 9);
}
