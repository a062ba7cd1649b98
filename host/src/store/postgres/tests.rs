//! What is PostgreSQL's own, and the suite of all stores, over a real server.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::dialect::intent_ids;
use super::*;
use crate::store::service::{AuditStore, TenancyStore};
use crate::store::{
    ConnectionId, DirectoryKey, LeaseAnswer, LeaseStore, LedgerStore, MaintenanceStore, PlanStore,
    RestoreOptions, SqliteStore, StateStore, Store, suite,
};

#[path = "../../../../tests/end-to-end/src/postgres.rs"]
mod server;
use server::PostgresServer;

async fn open(url: String) -> Result<PostgresStore> {
    PostgresStore::open(&SecretString::from(url), 4).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_passes_the_suite_of_all_stores() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let count = std::sync::atomic::AtomicUsize::new(0);
    suite::all(async |clock| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let url = SecretString::from(server.database(&format!("suite{number}")));
        Arc::new(PostgresStore::open_with_clock(&url, 8, clock).await.unwrap()) as Arc<dyn Store>
    })
    .await;
}

#[tokio::test]
async fn r48_leases_go_by_the_servers_clock() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let url = server.database("leases");
    let mut hosts = Vec::new();
    // One host's clock is two hours behind, one is right, one is two hours ahead.
    for hours in [-2, 0, 2] {
        let clock: Clock = Arc::new(move || chrono::Utc::now() + chrono::Duration::hours(hours));
        let url = SecretString::from(url.clone());
        hosts.push(PostgresStore::connect(&url, 2, clock, false).await.unwrap());
    }
    let directory = suite::directory("d");
    let minute = chrono::Duration::minutes(1);
    for holder in &hosts {
        let began = (holder.clock)();
        let LeaseAnswer::Granted(lease) = holder
            .acquire_lease(&directory, "holder", minute, minute)
            .await
            .unwrap()
        else {
            panic!("nobody holds it");
        };
        // The holder lets go by its own clock.
        let lives = lease.expires_at - began;
        assert!(
            lives >= minute - chrono::Duration::milliseconds(1)
                && lives < minute + chrono::Duration::seconds(5),
            "{lives}"
        );
        for other in &hosts {
            let answer = other
                .acquire_lease(&directory, "other", minute, minute)
                .await
                .unwrap();
            let LeaseAnswer::Held { free_at, .. } = answer else {
                panic!("{answer:?}");
            };
            let wait = free_at - (other.clock)();
            assert!(wait > minute && wait <= minute * 2, "{wait}");
        }
        let lease = holder.renew_lease(&lease, minute, minute).await.unwrap();
        holder.release_lease(&lease).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_tenant_in_the_middle_of_everything_keeps_no_other_waiting() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let url = SecretString::from(server.database("tenants"));
    let store = PostgresStore::open(&url, 8).await.unwrap();
    let (acme, beta) = (
        DirectoryKey::new("acme", "google", "a"),
        DirectoryKey::new("beta", "google", "b"),
    );
    let (acmes, betas) = (
        ConnectionId::new("acme", "google"),
        ConnectionId::new("beta", "google"),
    );
    // A write of the tenant acme that does not come to its end: all that one can hold, and IDs taken besides.
    let mut held = store
        .write(&[
            Lock::Tenant("acme"),
            Lock::RunState(&acmes),
            Lock::Sealed("acme"),
            Lock::Connection(&acmes),
            Lock::Lease(acme.lease_key()),
            Lock::Ledger(&acme),
            Lock::Plans(&acme),
            Lock::Staging("acme-run"),
            Lock::KeepContents,
        ])
        .await
        .unwrap();
    intent_ids(&mut held, 100).await.unwrap();
    let work = async {
        suite::work_of_a_run(&store, &beta, &betas).await;
        store
            .put_tenant(&suite::a_tenant("beta"), None, &suite::entry("tenant.made"))
            .await
            .unwrap();
    };
    tokio::time::timeout(Duration::from_secs(10), work)
        .await
        .expect("beta waited for acme");
    // Acme itself waits.
    let own = store.state_put(&acme, "k", b"v", None);
    own.await.unwrap();
    let own = store.amend(&acme, &[]);
    assert!(
        tokio::time::timeout(Duration::from_millis(500), own)
            .await
            .is_err()
    );
    held.rollback().await.unwrap();
    store.amend(&acme, &[]).await.unwrap();
}

#[tokio::test]
async fn a_server_that_ends_and_begins_again_is_found_again_and_has_what_was_answered() {
    let Some(mut server) = PostgresServer::start() else {
        return;
    };
    let url = SecretString::from(server.database("restart"));
    let store = PostgresStore::open(&url, 2).await.unwrap();
    let directory = suite::directory("d");
    suite::bind(&store, &directory, "g1", "t1").await;
    suite::audit_entries(&store, 3).await;
    server.crash_and_restart();
    assert_eq!(store.bindings(&directory, None).await.unwrap().items.len(), 1);
    suite::bind(&store, &directory, "g2", "t2").await;
    assert_eq!(store.verify_audit().await.unwrap(), None);
}

#[tokio::test]
async fn what_is_wrong_with_a_server_is_said_without_its_password() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let refused = async |url: String| {
        let error = open(url).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("p%40ss") && !shown.contains("p@ss"), "{shown}");
        error.to_string()
    };
    let missing = refused(server.url("nowhere")).await;
    assert!(missing.contains("createdb --encoding=UTF8 nowhere"), "{missing}");
    let url = server.database("here");
    let wrong = refused(url.replace("p%40ss", "wrong")).await;
    assert!(wrong.contains("refuses user or password"), "{wrong}");
    let unencrypted = refused(format!("{url}?sslmode=require")).await;
    assert!(unencrypted.contains("sslmode"), "{unencrypted}");
    let nobody = refused("postgresql://u:p%40ss@127.0.0.1:1/here".to_owned()).await;
    assert!(nobody.contains("cannot be reached"), "{nobody}");

    server.psql(
        "postgres",
        "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0",
    );
    let latin = refused(server.url("latin")).await;
    assert!(latin.contains("ENCODING 'UTF8'"), "{latin}");

    server.psql(
        "here",
        "CREATE USER weak PASSWORD 'weak'; REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    );
    let weak = url.replace("groupcast:p%40ss%3Aw%2Frd%3F", "weak:weak");
    let may_not = refused(weak.clone()).await;
    assert!(may_not.contains("groupcast store migrate"), "{may_not}");
    // Once somebody who may has made the tables, whoever may only use them can.
    open(url.clone()).await.unwrap().close().await;
    server.psql(
        "here",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO weak; \
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO weak",
    );
    let store = open(weak).await.unwrap();
    suite::bind(&store, &suite::directory("d"), "g", "t").await;

    server.psql(
        "here",
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'from the future', TRUE, '\\x00', 0)",
    );
    let error = open(url).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Newer { version: 9999, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn an_audit_log_cannot_be_changed_and_shows_where_it_was() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let store = open(server.database("audit")).await.unwrap();
    suite::audit_entries(&store, 4).await;
    for refused in [
        "UPDATE audit SET action = 'nothing' WHERE sequence = 2",
        "DELETE FROM audit WHERE sequence = 4",
        "TRUNCATE audit",
    ] {
        let error = sqlx::query(refused).execute(&store.writer).await.unwrap_err();
        assert!(error.to_string().contains("only ever added to"), "{error}");
    }
    assert_eq!(store.verify_audit().await.unwrap(), None);
    for (tampering, first) in [
        ("DELETE FROM audit WHERE sequence = 4", 4),
        ("UPDATE audit SET subject = 'nothing' WHERE sequence = 2", 2),
    ] {
        server.psql(
            "audit",
            &format!("DROP TRIGGER IF EXISTS audit_stays ON audit; {tampering}"),
        );
        assert_eq!(store.verify_audit().await.unwrap(), Some(first), "{tampering}");
    }
}

#[tokio::test]
async fn hosts_that_start_at_once_on_an_empty_database_all_come_up() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let url = server.database("fresh");
    let opened = futures_util::future::join_all((0..4).map(|_| open(url.clone()))).await;
    for store in opened {
        store
            .unwrap()
            .forget_expired(chrono::Duration::zero())
            .await
            .unwrap();
    }
}

/// The lines of a backup.
fn lines(path: &std::path::Path) -> Vec<String> {
    let file = std::io::BufReader::new(flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()));
    std::io::BufRead::lines(file).map(|line| line.unwrap()).collect()
}

/// The same, without what a restore and another database make different: header, audit log, counters and end.
fn carried(path: &std::path::Path) -> Vec<String> {
    let (mut carried, mut table) = (Vec::new(), String::new());
    for line in lines(path).into_iter().skip(1) {
        if line.starts_with("{\"table\"") {
            table.clone_from(&line);
        }
        if !line.starts_with("{\"rows\"") && !table.contains("\"audit\"") && !table.contains("\"counters\"") {
            carried.push(line);
        }
    }
    carried
}

#[tokio::test]
async fn a_store_moves_from_sqlite_to_postgres_and_back() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let first = SqliteStore::open(&path("first.db")).await.unwrap();
    suite::fill(&first).await;
    let summary = first.backup(&path("1")).await.unwrap();
    assert!(summary.rows > 30 && summary.from == "sqlite", "{summary:?}");

    let options = RestoreOptions {
        keep_modes: true,
        ..RestoreOptions::default()
    };
    let entry = suite::entry("store.restored");
    let second = open(server.database("second")).await.unwrap();
    assert_eq!(
        second.restore(&path("1"), options, &entry).await.unwrap(),
        summary
    );
    assert_eq!(second.verify_audit().await.unwrap(), None);
    let again = second.backup(&path("2")).await.unwrap();
    assert_eq!(
        (again.rows, again.from.as_str()),
        (summary.rows + 1, "postgresql")
    );
    assert_eq!(carried(&path("2")), carried(&path("1")));

    let third = SqliteStore::open(&path("third.db")).await.unwrap();
    third.restore(&path("2"), options, &entry).await.unwrap();
    third.backup(&path("3")).await.unwrap();
    assert_eq!(carried(&path("3")), carried(&path("1")));
    // Intents go on where they were in each, and work goes on.
    for store in [&second as &dyn Store, &third] {
        let highest = suite::highest_intent(store).await;
        assert!(suite::intends_once_more(store).await > highest);
    }
}

#[tokio::test]
async fn a_backup_has_every_table_and_column() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    open(server.database("columns")).await.unwrap();
    let found = server.psql(
        "columns",
        "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'",
    );
    let mut found: Vec<String> = found.lines().map(str::to_owned).collect();
    found.sort();
    assert_eq!(found, suite::all_columns());
}
