//! The store in PostgreSQL: the same program over a real server, the same promises. A cut-off run converges (R47), two
//! hosts do not write to one directory at once (R48), and a store moves there by its backup.

use std::sync::Arc;
use std::time::{Duration, Instant};

use groupcast::run::SyncOutcome;
use groupcast::store::{LeaseAnswer, PlanQuery, Store};
use groupcast_tests::postgres::PostgresServer;
use groupcast_tests::{BOTH, Lab, Target, people, user};

use crate::freezing::{
    Moment, creations, directory, has_come, in_step, leased, prepared_in, slow, take_over, writes,
};
use crate::program::{call, groupcast};

/// A laboratory whose store is a new database of the server.
pub async fn lab_on(server: &PostgresServer, database: &str) -> Lab {
    let mut lab = Lab::new().await;
    let url = server.database(database);
    std::fs::write(lab.folder.path().join("store.url"), url).unwrap();
    let url = toml::toml! { file = "store.url" };
    lab.section("store").insert("url".to_owned(), url.into());
    lab
}

pub async fn store_of(lab: &Lab) -> Arc<dyn Store> {
    let config = groupcast::config::Config::load(&lab.config_file()).unwrap();
    groupcast::run::open_store(&config).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_apply_sync_and_undo_keep_everything_in_postgres() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    for target in BOTH {
        let mut lab = lab_on(&server, target.name()).await;
        let sales = lab.group("Sales", Some("sales@example.com"), &[0, 1, 2]);
        let folder = lab.folder.path().to_path_buf();
        let words = |words: &[&'static str]| [words, &["--connection", target.name(), "--json"]].concat();
        lab.config_file();
        let plan = call(&folder, &words(&["plan"]))
            .code(2)
            .document("groupcast/plan/1");
        assert!(plan.to_string().contains("Sales"), "{plan}");
        call(&folder, &words(&["apply", "--yes"])).code(0);
        let sold = |lab: &Lab| lab.people(target, "Sales", "sales@example.com");
        assert_eq!(sold(&lab), people(&[0, 1, 2]));

        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&sales, &user(3)));
        lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&sales, &user(0)));
        let SyncOutcome::Applied { apply, .. } = lab.sync(target).await else {
            panic!("{target:?}: it is active once a plan was applied");
        };
        assert_eq!(sold(&lab), people(&[1, 2, 3]));

        call(&folder, &["undo", &apply.run, "--json"]).code(2);
        let latest = store_of(&lab).await.plans(&PlanQuery::default()).await.unwrap();
        call(&folder, &["apply", "--plan", &latest[0].hash]).code(0);
        assert_eq!(sold(&lab), people(&[0, 1, 2]), "{target:?}: R45");
        lab.simulators.clear_requests();
        let waits = lab.sync(target).await;
        assert!(matches!(waits, SyncOutcome::Planned { .. }), "{target:?}: R45");
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}: R45");
        assert!(
            !folder.join("groupcast.db").exists(),
            "all of it is in PostgreSQL"
        );
        let status = call(&folder, &["store", "status", "--json"]).code(0);
        let status = status.document("groupcast/store/1");
        assert_eq!(status["status"]["kind"], "postgresql", "{status}");
        assert_eq!(status["status"]["open_intents"], 0, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r47_killed_between_intent_and_outcome_the_next_run_converges_on_postgres() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    for target in BOTH {
        let (what, moment) = (format!("{target:?}"), Moment::AnswerOnTheWay);
        let lab = lab_on(&server, target.name()).await;
        let (lab, hash) = prepared_in(lab, target, creations(moment)).await;
        let folder = lab.folder.path();
        let store = store_of(&lab).await;
        slow(&lab, target, moment).await;
        let mut first = groupcast(folder, &["apply", "--plan", &hash]).start();
        let start = Instant::now();
        while !has_come(&lab, &*store, target, moment).await {
            assert!(first.is_running(), "{what}: {}{}", first.out(), first.errors());
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "{what}: it does not come"
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Killed, as by a power cut: a write took effect, its intent is open, and nobody gives the lease back.
        drop(first);
        assert_ne!(writes(&lab, target), [], "{what}");
        assert_ne!(
            store.unsettled(&directory(target), 0).await.unwrap(),
            [],
            "{what}"
        );
        let asked = store
            .acquire_lease(
                &leased(&lab, target),
                "whoever comes next",
                chrono::Duration::seconds(1),
                chrono::Duration::zero(),
            )
            .await
            .unwrap();
        assert!(
            matches!(asked, LeaseAnswer::Held { .. }),
            "{what}: R48: {asked:?}"
        );
        take_over(&what, || call(folder, &["apply", "--plan", &hash])).await;
        assert_eq!(
            store.unsettled(&directory(target), 0).await.unwrap(),
            [],
            "{what}"
        );
        in_step(&lab, target, creations(moment), &what).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_moves_to_postgres_with_all_that_it_knows() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let target = Target::Google;
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1, 2]);
    lab.plan_and_apply(target).await;
    let folder = lab.folder.path().to_path_buf();
    call(
        &folder,
        &["store", "backup", &folder.join("backup").display().to_string()],
    )
    .code(0);
    call(
        &folder,
        &["store", "backup", &folder.join("backup").display().to_string()],
    )
    .code(3)
    .says(&["overwrites no file; name another one"]);

    std::fs::write(folder.join("store.url"), server.database("moved")).unwrap();
    let url = toml::toml! { file = "store.url" };
    lab.section("store").insert("url".to_owned(), url.into());
    lab.config_file();
    let backup = folder.join("backup").display().to_string();
    call(&folder, &["store", "status"])
        .code(2)
        .shows(&["There is no store yet"]);
    call(&folder, &["store", "migrate"])
        .code(0)
        .shows(&["The store was made"]);
    call(&folder, &["store", "restore", &backup, "--keep-modes"])
        .code(0)
        .shows(&["(sqlite)"]);
    call(&folder, &["store", "restore", &backup])
        .code(3)
        .says(&["not empty", "--replace"]);
    call(&folder, &["store", "status"])
        .code(0)
        .shows(&["PostgreSQL", "1 group, 3 memberships"]);
    // It knows what is whose: nothing is written again, and it goes on.
    lab.simulators.clear_requests();
    assert!(matches!(lab.sync(target).await, SyncOutcome::Nothing(_)));
    assert_eq!(lab.all_writes(), Vec::<String>::new(), "R46");
    call(&folder, &["store", "restore", &backup, "--replace"])
        .code(0)
        .shows(&["only plans now"]);
    call(&folder, &["store", "prune", "--older-than", "1d"])
        .code(0)
        .shows(&["Forgot 0 runs"]);
}
