//! The suite's tests of the store as a whole.

use super::*;
use crate::ledger::Settlement;
use crate::store::portable::{LEFT_OUT, TABLES};
use crate::store::service::*;

/// Every table's columns that a store may have, and those that no backup has.
pub fn all_columns() -> Vec<String> {
    let carried = TABLES.iter().flat_map(|table| {
        table
            .columns
            .iter()
            .map(|(column, _)| format!("{}.{column}", table.name))
    });
    let mut all: Vec<String> = carried
        .chain(
            LEFT_OUT
                .iter()
                .flat_map(|(table, columns)| columns.iter().map(move |column| format!("{table}.{column}"))),
        )
        .collect();
    all.sort();
    all
}

/// Something in every table.
pub async fn fill(store: &dyn Store) {
    let (directory, id) = (directory("filled"), ConnectionId::new("acme", "entra"));
    let acme = Some("acme");
    store
        .put_tenant(&super::tenancy::tenant("acme"), None, &entry("t"))
        .await
        .unwrap();
    store
        .put_directory(&super::tenancy::a_directory("acme", "entra"), None, &entry("d"))
        .await
        .unwrap();
    store
        .put_plugin(&super::tenancy::plugin(acme, "ab"), &entry("p"))
        .await
        .unwrap();
    store
        .put_token(&super::identity::token("t1", acme), &entry("k"))
        .await
        .unwrap();
    let mut host = super::identity::token("t2", None);
    host.expires_at = Some(host.created_at);
    store.put_token(&host, &entry("k")).await.unwrap();
    let grant = super::identity::grant("group:\u{c4}pfel \u{1F600} \"x\"", None);
    store.put_grant(&grant, &entry("g")).await.unwrap();
    store
        .put_sealed_key(&super::sealed::key(acme, 3), None)
        .await
        .unwrap();
    store
        .put_sealed_secret(&super::sealed::secret(acme, "key"), None, None)
        .await
        .unwrap();
    store
        .put_job(&super::jobs::a_job("j1", Work::Sync { full: false }))
        .await
        .unwrap();
    assert!(store.ask_to_cancel("j1").await.unwrap());
    work_of_a_run(store, &directory, &id).await;
    store.set_mode(&id, Mode::Active).await.unwrap();
    store
        .state_put(&directory, "cursor", &[0, 255, 10], None)
        .await
        .unwrap();
    store
        .put_sample(&NewSample {
            connection: id.clone(),
            groups: 1,
            memberships: 2,
            held: 3,
            awaiting: 4,
            requests: serde_json::json!({}),
            milliseconds: 5,
        })
        .await
        .unwrap();
    store
        .amend(
            &directory,
            &[Effect::PutMembership(super::ledger::membership("g", "t", "p"))],
        )
        .await
        .unwrap();
    intends_once_more(store).await;
}

/// The highest ID of an open intent of what `fill` filled.
pub async fn highest_intent(store: &dyn Store) -> u64 {
    let open = store.unsettled(&directory("filled"), 0).await.unwrap();
    open.last().unwrap().id
}

/// One more intent in what `fill` filled, left open, and its ID.
pub async fn intends_once_more(store: &dyn Store) -> u64 {
    let directory = directory("filled");
    let lease = lease(store, &directory, "run-2").await;
    let ids = store
        .intend(&directory, "run-1", &lease, &[intent(7)])
        .await
        .unwrap();
    store.release_lease(&lease).await.unwrap();
    ids[0]
}

fn replace() -> RestoreOptions {
    RestoreOptions {
        replace: true,
        keep_modes: false,
    }
}

pub(super) async fn what_is_restored_is_what_was_there_and_plan_only(store: Arc<dyn Store>, hands: Hands) {
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    fill(&*store).await;
    let (directory, id) = (directory("filled"), ConnectionId::new("acme", "entra"));
    let before = (
        store.status().await.unwrap(),
        store.bindings(&directory, None).await.unwrap(),
        store.unsettled(&directory, 0).await.unwrap(),
        store.tenants(None, 10).await.unwrap(),
        store.tokens(None).await.unwrap(),
    );
    let summary = store.backup(&backup).await.unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&backup).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let bytes = std::fs::read(&backup).unwrap();
    let again = store.backup(&backup).await.unwrap_err();
    assert!(matches!(again, StoreError::Backup { .. }), "{again}");
    assert_eq!(std::fs::read(&backup).unwrap(), bytes, "nothing is written over");

    bind(&*store, &directory, "later", "t").await;
    store
        .remove_tenant("acme", 1, &entry("tenant.removed"))
        .await
        .unwrap();
    let entry = entry("store.restored");
    let full = store.restore(&backup, RestoreOptions::default(), &entry).await;
    assert!(matches!(full, Err(StoreError::NotEmpty)), "{full:?}");
    let lease = lease(&*store, &directory, "run-3").await;
    let at_work = store.restore(&backup, replace(), &entry).await;
    assert!(
        matches!(&at_work, Err(StoreError::AtWork(run)) if run == "run-3"),
        "{at_work:?}"
    );
    store.release_lease(&lease).await.unwrap();
    assert_eq!(store.tenant("acme").await.unwrap(), None, "nothing was changed");

    assert_eq!(store.restore(&backup, replace(), &entry).await.unwrap(), summary);
    let mut after = (
        store.status().await.unwrap(),
        store.bindings(&directory, None).await.unwrap(),
        store.unsettled(&directory, 0).await.unwrap(),
        store.tenants(None, 10).await.unwrap(),
        store.tokens(None).await.unwrap(),
    );
    assert_eq!(after.0.audit, before.0.audit + 1);
    (after.0.audit, after.0.bytes) = (before.0.audit, before.0.bytes);
    assert_eq!(after, before);
    assert_eq!(store.verify_audit().await.unwrap(), None);
    // R44: since the backup, things went on without it.
    assert_eq!(store.connection(&id).await.unwrap().mode, Mode::PlanOnly);
    hands.forward(Duration::days(1));
    let keep = RestoreOptions {
        replace: true,
        keep_modes: true,
    };
    store.restore(&backup, keep, &entry).await.unwrap();
    assert_eq!(store.connection(&id).await.unwrap().mode, Mode::Active);
}

pub(super) async fn an_apply_that_was_asked_for_before_a_backup_does_not_begin_after_it(
    store: Arc<dyn Store>,
    _: Hands,
) {
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    let apply = Work::Apply {
        plan: "abc".to_owned(),
        groups: None,
        release_held: false,
    };
    for (id, work) in [("apply", apply), ("sync", Work::Sync { full: false })] {
        store.put_job(&super::jobs::a_job(id, work)).await.unwrap();
    }
    store.backup(&backup).await.unwrap();
    for (keep_modes, unfinished) in [(true, vec!["apply", "sync"]), (false, vec!["sync"])] {
        let options = RestoreOptions {
            replace: true,
            keep_modes,
        };
        store
            .restore(&backup, options, &entry("store.restored"))
            .await
            .unwrap();
        let left = store.unfinished_jobs().await.unwrap();
        let left: Vec<&str> = left.iter().map(|job| job.id.as_str()).collect();
        assert_eq!(left, unfinished, "keep_modes: {keep_modes}");
    }
    let ended = store.job("apply").await.unwrap().unwrap().end.unwrap();
    assert!(ended.message.contains("plan again"), "{ended:?}");
}

pub(super) async fn a_damaged_backup_is_refused_and_changes_nothing(store: Arc<dyn Store>, _: Hands) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fill(&*store).await;
    store.backup(&path("whole")).await.unwrap();
    let mut plain = String::new();
    let file = std::fs::File::open(path("whole")).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(file), &mut plain).unwrap();
    let packed = |text: &str, name: &str| {
        let mut out = flate2::write::GzEncoder::new(
            std::fs::File::create(path(name)).unwrap(),
            flate2::Compression::fast(),
        );
        std::io::Write::write_all(&mut out, text.as_bytes()).unwrap();
        out.finish().unwrap();
    };
    let without_end = plain.lines().count() - 1;
    let cut: String = plain
        .lines()
        .take(without_end)
        .map(|line| format!("{line}\n"))
        .collect();
    packed(&cut, "cut");
    packed(&plain.replace("g@example.com", "h@example.com"), "changed");
    packed(&format!("{plain}[]\n"), "longer");
    packed(&plain.replacen("\"version\":1", "\"version\":2", 1), "newer");
    packed("{}\n", "other");
    std::fs::write(path("text"), "no archive at all").unwrap();
    let bytes = std::fs::read(path("whole")).unwrap();
    std::fs::write(path("half"), &bytes[..bytes.len() / 2]).unwrap();
    // With a checksum that fits, but another audit log than was written.
    let forged = plain.replace("Alice", "Mallory");
    let body: String = forged
        .lines()
        .take(without_end)
        .map(|line| format!("{line}\n"))
        .collect();
    let mut end: serde_json::Value = serde_json::from_str(plain.lines().last().unwrap()).unwrap();
    end["sha256"] = groupcast_guest::plan::part::sha256_hex(body.as_bytes()).into();
    packed(&format!("{body}{end}\n"), "forged");

    let before = store.status().await.unwrap();
    for (name, says) in [
        ("cut", "its end is missing"),
        ("changed", "not what its checksum says"),
        ("longer", "after its end"),
        ("newer", "newer version"),
        ("other", "no backup of a groupcast store"),
        ("text", "damaged or no backup"),
        ("half", "damaged"),
        ("forged", "audit log was tampered with"),
        ("none", "No such file"),
    ] {
        let error = store
            .restore(&path(name), replace(), &entry("store.restored"))
            .await
            .unwrap_err();
        assert!(error.to_string().contains(says), "{name}: {error}");
    }
    let after = store.status().await.unwrap();
    assert_eq!((after.audit, after.bindings), (before.audit, before.bindings));
    store
        .restore(&path("whole"), replace(), &entry("store.restored"))
        .await
        .unwrap();
}

pub(super) async fn a_backup_is_of_one_moment_while_others_write(store: Arc<dyn Store>, _: Hands) {
    let folder = tempfile::tempdir().unwrap();
    let writer = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in 0..60 {
                let name = format!("t{number}");
                let record = super::tenancy::tenant(&name);
                store.put_tenant(&record, None, &entry("t")).await.unwrap();
                let record = super::tenancy::a_directory(&name, "entra");
                store.put_directory(&record, None, &entry("d")).await.unwrap();
            }
        })
    };
    let mut backups = Vec::new();
    while !writer.is_finished() {
        let path = folder.path().join(backups.len().to_string());
        backups.push((store.backup(&path).await.unwrap(), path));
    }
    writer.await.unwrap();
    for (summary, path) in backups {
        // Foreign keys and the audit log's chain and counter hold: what the restore checks.
        let restored = store.restore(&path, replace(), &entry("store.restored")).await;
        assert_eq!(restored.unwrap(), summary);
    }
}

pub(super) async fn what_is_old_is_forgotten_and_what_is_needed_stays(store: Arc<dyn Store>, hands: Hands) {
    let directory = directory("filled");
    fill(&*store).await;
    store
        .put_session(&super::identity::session("s", &hands, 60))
        .await
        .unwrap();
    store.claim_answer("key", "print").await.unwrap();
    let mut ended = super::jobs::a_job("j2", Work::Check);
    ended.state = JobState::Ended;
    ended.ended_at = Some(hands.now());
    store.put_job(&ended).await.unwrap();
    // A run with nothing open, one that ended badly, one that staged, one whose plan was never applied.
    for run in ["done", "staging"] {
        start(&*store, run).await;
    }
    let lease = lease(&*store, &directory, "done").await;
    let ids = store
        .intend(&directory, "done", &lease, &[intent(1)])
        .await
        .unwrap();
    let outcome = Outcome {
        intent: ids[0],
        settlement: Settlement::Applied,
        status: None,
        reason: None,
        request_id: None,
        effects: Vec::new(),
    };
    store.settle(&directory, &[outcome]).await.unwrap();
    let parts = super::plans::three();
    store.stage_parts("staging", 0, &parts[..1]).await.unwrap();
    let retention = Retention::days(400);
    assert_eq!(store.prune(&retention).await.unwrap(), Pruned::default());

    hands.forward(Duration::days(40));
    let pruned = store.prune(&retention).await.unwrap();
    assert_eq!(
        (pruned.sessions, pruned.answers, pruned.runs),
        (1, 1, 0),
        "{pruned:?}"
    );
    // The plan was applied: `undo` and `why` may still ask for it.
    assert_eq!(store.plans(&PlanQuery::default()).await.unwrap().len(), 1);

    hands.forward(Duration::days(361));
    let kept = store.bindings(&directory, None).await.unwrap();
    start(&*store, "young").await;
    let pruned = store.prune(&retention).await.unwrap();
    assert_eq!(
        (
            pruned.plans,
            pruned.runs,
            pruned.operations,
            pruned.jobs,
            pruned.samples
        ),
        (1, 1, 1, 1, 1),
        "{pruned:?}"
    );
    assert_eq!(pruned.contents, 2, "what is staged stays");
    let left: Vec<String> = store
        .runs(&RunQuery::default())
        .await
        .unwrap()
        .into_iter()
        .map(|run| run.id)
        .collect();
    // The first has an open intent, and one stages.
    assert_eq!(left, ["young", "staging", "run-1"]);
    assert_eq!(store.unsettled(&directory, 0).await.unwrap().len(), 1);
    assert_eq!(store.bindings(&directory, None).await.unwrap(), kept);
    assert_eq!(store.unfinished_jobs().await.unwrap().len(), 1);
    assert_eq!(store.verify_audit().await.unwrap(), None);
    assert!(store.status().await.unwrap().audit > 0);
}
