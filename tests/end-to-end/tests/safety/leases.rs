//! R48: one run in a directory at a time, whoever starts it and under whatever name.

use std::sync::Arc;
use std::time::Duration;

use groupcast::config::Config;
use groupcast::run::{ConnectionName, Groupcast, NoObserver, RunFailureKind, Selection};
use groupcast::store::{SqliteStore, Store};
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_tests::{BOTH, Lab, Target, component, people, user};
use tokio_util::sync::CancellationToken;

use crate::support::{exported, rule, sales, strike, writes_of};

/// A host over the lab's store whose configuration says something else.
async fn host(lab: &Lab, config: &toml::Table, file: &str) -> Groupcast {
    let path = lab.folder.path().join(file);
    std::fs::write(&path, config.to_string()).unwrap();
    let config = Config::load(&path).unwrap_or_else(|error| panic!("{error}"));
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&config.store_path).await.unwrap());
    let (engine, plugin) = component();
    let setups = groupcast::run::connections(&config).await.unwrap();
    Groupcast::with_plugin(setups, store, engine, plugin, Arc::new(NoObserver))
}

/// An apply that is held up in its first write.
async fn busy(lab: &Lab, target: Target) -> tokio::task::JoinHandle<()> {
    let (method, path) = writes_of(target)[1];
    strike(
        lab,
        Rule {
            times: Some(1),
            ..rule(target.vendor(), method, path, Fault::Delay { ms: 8_000 })
        },
    );
    let plan = lab.plan(target).await;
    let groupcast = lab.groupcast().await;
    let running = tokio::spawn(async move {
        let outcome = groupcast
            .apply(
                &target.connection(),
                &plan.plan.hash,
                Selection::default(),
                &CancellationToken::new(),
            )
            .await
            .unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(outcome.report.failed, 0);
    });
    for _ in 0..600 {
        if !lab.writes(target.vendor()).is_empty() {
            return running;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no write came");
}

#[tokio::test(flavor = "multi_thread")]
async fn r48_a_second_run_in_a_directory_that_is_held_is_refused_under_any_name() {
    for target in BOTH {
        let (lab, id) = exported(target).await;
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(4)));
        let plan = lab.plan(target).await;
        let running = busy(&lab, target).await;
        let writes = lab.writes(target.vendor()).len();

        let refused = lab
            .apply(target, &plan.plan.hash, Selection::default())
            .await
            .expect_err("held");
        assert_eq!(refused.kind, RunFailureKind::Refused, "{target:?}: {refused}");
        assert!(refused.message.contains("another run"), "{refused}");

        // The same directory, under another name of the connection, and as another tenant of this host.
        let mut renamed = lab.config.clone();
        renamed[target.name()]
            .as_table_mut()
            .unwrap()
            .insert("name".to_owned(), "other-name".into());
        let mut tenants = toml::Table::new();
        let mut sections = toml::Table::new();
        for name in ["jumpcloud", target.name()] {
            sections.insert(name.to_owned(), lab.config[name].clone());
        }
        let mut inner = toml::Table::new();
        inner.insert("second".to_owned(), sections.into());
        for shared in ["store", "network"] {
            tenants.insert(shared.to_owned(), lab.config[shared].clone());
        }
        tenants.insert("tenant".to_owned(), inner.into());
        for (config, file, connection) in [
            (
                &renamed,
                "renamed.toml",
                ConnectionName::new("default", "other-name"),
            ),
            (
                &tenants,
                "tenants.toml",
                ConnectionName::new("second", target.name()),
            ),
        ] {
            let groupcast = host(&lab, config, file).await;
            let cancel = CancellationToken::new();
            let plan = groupcast.plan(&connection, &cancel).await.unwrap();
            let refused = groupcast
                .apply(&connection, &plan.plan.hash, Selection::default(), &cancel)
                .await
                .expect_err("held");
            assert!(refused.message.contains("another run"), "{connection}: {refused}");
        }
        assert_eq!(
            lab.writes(target.vendor()).len(),
            writes,
            "{target:?}: nobody else wrote"
        );

        running.await.unwrap();
        assert_eq!(sales(&lab, target), people(&[0, 1, 2, 3, 4]), "{target:?}");
        // Given back: the next run goes on.
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(5)));
        lab.sync(target).await;
        assert_eq!(sales(&lab, target), people(&[0, 1, 2, 3, 4, 5]), "{target:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r48_two_runs_started_at_once_write_everything_once() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        for number in 0..4 {
            lab.group(
                &format!("Group {number}"),
                Some(&format!("group-{number}@example.com")),
                &[number, 7],
            );
        }
        let plan = lab.plan(target).await;
        let (one, other) = (lab.groupcast().await, lab.groupcast().await);
        let cancel = CancellationToken::new();
        let connection = target.connection();
        let (first, second) = tokio::join!(
            one.apply(&connection, &plan.plan.hash, Selection::default(), &cancel),
            other.apply(&connection, &plan.plan.hash, Selection::default(), &cancel),
        );
        assert!(first.is_ok() || second.is_ok(), "{first:#?} {second:#?}");
        assert!(first.is_err() || second.is_err(), "{target:?}: one of them alone");
        let creations = lab
            .simulators
            .requests()
            .into_iter()
            .filter(|request| request.is_mutation())
            .filter(|request| request.path.ends_with("/groups") || request.path.contains("uniqueName"))
            .count();
        assert_eq!(creations, 4, "{target:?}: {:#?}", lab.writes(target.vendor()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r48_a_google_directory_is_one_whatever_domain_its_administrators_are_of() {
    let target = Target::Google;
    let mut lab = Lab::with(
        groupcast_simulators::organisation::Size {
            users: 8,
            groups: 0,
            memberships: 0,
        },
        |organisation| {
            organisation.google.domains.push("second.example".to_owned());
            organisation.google.admins.push("admin@second.example".to_owned());
        },
    )
    .await;
    let id = lab.group("Sales", Some("sales@example.com"), &[0, 1, 2, 3]);
    lab.plan_and_apply(target).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(4)));
    let running = busy(&lab, target).await;
    let asked = |lab: &Lab| {
        let requests = lab.simulators.requests();
        requests
            .iter()
            .filter(|request| request.query.contains("customerId"))
            .count()
    };
    let customer = lab.google(|google| google.tenant().customer_id);
    let cancel = CancellationToken::new();
    for (key, value, lookups) in [
        ("admin", "admin@second.example", 1),
        ("customer_id", customer.as_str(), 0),
    ] {
        let mut config = lab.config.clone();
        let section = config["google"].as_table_mut().unwrap();
        section.insert(key.to_owned(), value.into());
        section.insert("name".to_owned(), "other-name".into());
        let groupcast = host(&lab, &config, &format!("{key}.toml")).await;
        let connection = ConnectionName::new("default", "other-name");
        let plan = groupcast.plan(&connection, &cancel).await.unwrap();
        for _ in 0..2 {
            let before = asked(&lab);
            let refused = groupcast
                .apply(&connection, &plan.plan.hash, Selection::default(), &cancel)
                .await
                .expect_err("held");
            assert!(refused.message.contains("another run"), "{key}: {refused}");
            assert!(asked(&lab) - before <= lookups, "{key}");
        }
    }
    running.await.unwrap();
    // Asked once for each of the two that do not say it.
    assert_eq!(asked(&lab), 2);
}
