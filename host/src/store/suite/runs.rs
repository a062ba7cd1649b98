//! The suite's tests of runs, leases, connections and the plugin's state.

use super::*;

pub(super) async fn r48_a_run_without_its_lease_intends_nothing(store: Arc<dyn Store>, hands: Hands) {
    let directory = directory("fenced");
    start(&*store, "run-1").await;
    let first = lease(&*store, &directory, "run-1").await;
    let elsewhere = store
        .intend(&self::directory("other"), "run-1", &first, &[intent(0)])
        .await;
    assert!(matches!(elsewhere, Err(StoreError::LeaseLost { .. })));
    hands.forward(Duration::hours(1));
    let late = store.intend(&directory, "run-1", &first, &[intent(0)]).await;
    assert!(matches!(late, Err(StoreError::LeaseLost { .. })));
    hands.forward(Duration::hours(1));
    let second = lease(&*store, &directory, "run-2").await;
    let stale = store.intend(&directory, "run-1", &first, &[intent(0)]).await;
    assert!(matches!(stale, Err(StoreError::LeaseLost { .. })));
    store
        .intend(&directory, "run-1", &second, &[intent(0)])
        .await
        .unwrap();
}

pub(super) async fn r48_one_holder_at_a_time_and_tokens_only_grow(store: Arc<dyn Store>, hands: Hands) {
    let directory = directory("leases");
    let first = lease(&*store, &directory, "run-1").await;
    for holder in ["run-2", "run-1"] {
        let answer = store
            .acquire_lease(&directory, holder, Duration::hours(1), Duration::zero())
            .await
            .unwrap();
        assert!(matches!(answer, LeaseAnswer::Held { holder, .. } if holder == "run-1"));
    }
    hands.forward(Duration::minutes(59));
    let renewed = store
        .renew_lease(&first, Duration::hours(1), Duration::zero())
        .await
        .unwrap();
    assert_eq!(renewed.token, first.token);
    assert_eq!(renewed.expires_at, hands.now() + Duration::hours(1));
    store.release_lease(&renewed).await.unwrap();
    let second = lease(&*store, &directory, "run-2").await;
    assert!(second.token > first.token);
    // Whoever lost it can neither renew it nor give away what is another's now.
    assert!(matches!(
        store
            .renew_lease(&renewed, Duration::hours(1), Duration::zero())
            .await,
        Err(StoreError::LeaseLost { .. })
    ));
    store.release_lease(&renewed).await.unwrap();
    let answer = store
        .acquire_lease(&directory, "run-3", Duration::hours(1), Duration::zero())
        .await
        .unwrap();
    assert!(matches!(answer, LeaseAnswer::Held { .. }));
}

pub(super) async fn r48_a_successor_waits_for_the_longest_request(store: Arc<dyn Store>, hands: Hands) {
    let directory = directory("waits");
    let first = lease(&*store, &directory, "run-1").await;
    hands.forward(Duration::hours(1));
    assert!(matches!(
        store
            .renew_lease(&first, Duration::hours(1), Duration::zero())
            .await,
        Err(StoreError::LeaseLost { .. })
    ));
    hands.forward(Duration::seconds(59));
    let answer = store
        .acquire_lease(&directory, "run-2", Duration::hours(1), Duration::zero())
        .await
        .unwrap();
    let LeaseAnswer::Held { free_at, .. } = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(free_at, hands.now() + Duration::seconds(1));
    hands.forward(Duration::seconds(1));
    lease(&*store, &directory, "run-2").await;
}

pub(super) async fn state_compares_before_it_sets(store: Arc<dyn Store>, _: Hands) {
    let directory = directory("state");
    assert_eq!(store.state_get(&directory, "cursor").await.unwrap(), None);
    assert_eq!(
        store
            .state_put(&directory, "cursor", b"x", Some(1))
            .await
            .unwrap(),
        None
    );
    let first = store
        .state_put(&directory, "cursor", b"a", None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        store.state_put(&directory, "cursor", b"b", None).await.unwrap(),
        None
    );
    let second = store
        .state_put(&directory, "cursor", b"c", Some(first))
        .await
        .unwrap()
        .unwrap();
    assert_ne!(first, second);
    assert_eq!(
        store
            .state_put(&directory, "cursor", b"d", Some(first))
            .await
            .unwrap(),
        None
    );
    let entry = store.state_get(&directory, "cursor").await.unwrap().unwrap();
    assert_eq!(
        entry,
        StateEntry {
            value: b"c".to_vec(),
            version: second
        }
    );
    let racers = (0..16u8).map(|number| {
        let (store, directory) = (Arc::clone(&store), directory.clone());
        tokio::spawn(async move {
            store
                .state_put(&directory, "cursor", &[number], Some(second))
                .await
                .unwrap()
        })
    });
    let won = futures_util::future::join_all(racers)
        .await
        .into_iter()
        .filter(|new| new.as_ref().unwrap().is_some());
    assert_eq!(won.count(), 1);
}

pub(super) async fn runs_begin_and_end_once(store: Arc<dyn Store>, hands: Hands) {
    start(&*store, "run-1").await;
    hands.forward(Duration::seconds(5));
    let mut other = NewRun {
        id: "run-2".to_owned(),
        connection: ConnectionId::new("acme", "entra"),
        kind: RunKind::Plan,
        plan: None,
    };
    store.start_run(&other).await.unwrap();
    assert!(matches!(
        store.start_run(&other).await,
        Err(StoreError::RunExists(_))
    ));
    other.id = "run-3".to_owned();
    let end = RunEnd::new(RunResult::ChangesPending, "3 removals are held");
    let counters = serde_json::json!({"adds": 4});
    store.end_run("run-1", &end, &counters).await.unwrap();
    store.set_run_plan("run-1", "abc").await.unwrap();
    assert!(matches!(
        store.end_run("run-1", &end, &counters).await,
        Err(StoreError::RunEnded(_))
    ));
    assert!(matches!(
        store.end_run("run-9", &end, &counters).await,
        Err(StoreError::NoRun(_))
    ));
    assert!(matches!(
        store.set_run_plan("run-9", "abc").await,
        Err(StoreError::NoRun(_))
    ));
    let run = store.run("run-1").await.unwrap().unwrap();
    assert_eq!(
        (run.end, run.counters, run.plan),
        (Some(end), counters, Some("abc".to_owned()))
    );
    assert_eq!(run.ended_at, Some(run.started_at + Duration::seconds(5)));
    let names = |runs: Vec<RunRecord>| runs.into_iter().map(|run| run.id).collect::<Vec<_>>();
    assert_eq!(
        names(store.runs(&RunQuery::default()).await.unwrap()),
        ["run-2", "run-1"]
    );
    let of_tenant = RunQuery {
        tenant: Some("acme".to_owned()),
        ..Default::default()
    };
    assert_eq!(names(store.runs(&of_tenant).await.unwrap()), ["run-2"]);
    let unfinished = RunQuery {
        unfinished: true,
        ..Default::default()
    };
    assert_eq!(names(store.runs(&unfinished).await.unwrap()), ["run-2"]);
    assert_eq!(
        names(
            store
                .runs(&RunQuery {
                    limit: 1,
                    ..Default::default()
                })
                .await
                .unwrap()
        ),
        ["run-2"]
    );
}

pub(super) async fn lists_ask_for_many_connections_at_once(store: Arc<dyn Store>, hands: Hands) {
    let id = |tenant: &str, name: &str| ConnectionId::new(tenant, name);
    for (number, of) in [
        id("acme", "google"),
        id("acme", "entra"),
        id("acme", "google"),
        id("beta", "google"),
    ]
    .into_iter()
    .enumerate()
    {
        let run = NewRun {
            id: format!("run-{number}"),
            connection: of,
            kind: RunKind::Sync,
            plan: None,
        };
        store.start_run(&run).await.unwrap();
        hands.forward(Duration::seconds(5));
    }
    let asked = [id("acme", "google"), id("none", "google"), id("acme", "entra")];
    let latest = store.latest_runs(&asked).await.unwrap();
    let names: Vec<_> = latest
        .iter()
        .map(|run| (run.connection.to_string(), run.id.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("acme/entra".to_owned(), "run-1"),
            ("acme/google".to_owned(), "run-2")
        ]
    );
    assert_eq!(store.latest_runs(&[]).await.unwrap(), []);

    store.set_mode(&id("acme", "google"), Mode::Active).await.unwrap();
    store.record_success(&id("beta", "google")).await.unwrap();
    store.record_success(&id("other", "google")).await.unwrap();
    let known = store
        .connections(&["beta".to_owned(), "acme".to_owned()])
        .await
        .unwrap();
    assert_eq!(
        known.keys().cloned().collect::<Vec<_>>(),
        [id("acme", "google"), id("beta", "google")]
    );
    for (connection, record) in &known {
        assert_eq!(store.connection(connection).await.unwrap(), *record);
    }
    assert!(store.connections(&[]).await.unwrap().is_empty());
}

pub(super) async fn r44_a_new_connection_is_plan_only(store: Arc<dyn Store>, hands: Hands) {
    let id = ConnectionId::new("default", "google");
    assert_eq!(store.connection(&id).await.unwrap(), ConnectionRecord::default());
    assert_eq!(ConnectionRecord::default().mode, Mode::PlanOnly);
    store.record_success(&id).await.unwrap();
    let record = store.connection(&id).await.unwrap();
    assert_eq!(
        (record.mode, record.last_success),
        (Mode::PlanOnly, Some(hands.now()))
    );
    store.set_mode(&id, Mode::Active).await.unwrap();
    store.record_success(&id).await.unwrap();
    assert_eq!(store.connection(&id).await.unwrap().mode, Mode::Active);
    assert_eq!(
        store
            .connection(&ConnectionId::new("acme", "google"))
            .await
            .unwrap()
            .mode,
        Mode::PlanOnly
    );
}

pub(super) async fn r38_switching_management_on_again_asks_for_approval(store: Arc<dyn Store>, _: Hands) {
    let id = ConnectionId::new("default", "google");
    assert_eq!(store.see_managed(&id, true).await.unwrap(), None);
    store.set_mode(&id, Mode::Active).await.unwrap();
    assert_eq!(store.see_managed(&id, true).await.unwrap(), Some(true));
    assert_eq!(store.connection(&id).await.unwrap().mode, Mode::Active);
    assert_eq!(store.see_managed(&id, false).await.unwrap(), Some(true));
    assert_eq!(store.connection(&id).await.unwrap().mode, Mode::Active);
    assert_eq!(store.see_managed(&id, true).await.unwrap(), Some(false));
    let record = store.connection(&id).await.unwrap();
    assert_eq!((record.mode, record.managed), (Mode::PlanOnly, Some(true)));
}

pub(super) async fn runs_are_listed_page_by_page_and_none_twice(store: Arc<dyn Store>, hands: Hands) {
    // Three of each moment, so that a page ends in the middle of one.
    for number in 0..12_u32 {
        let run = NewRun {
            id: format!("run-{number:02}"),
            connection: ConnectionId::new(if number % 4 == 3 { "beta" } else { "acme" }, "entra"),
            kind: RunKind::Plan,
            plan: None,
        };
        store.start_run(&run).await.unwrap();
        if number % 3 == 2 {
            hands.forward(Duration::seconds(1));
        }
    }
    // The second time with those that began during the first.
    for (tenant, whole) in [(None, 12), (Some("acme"), 9 + 6)] {
        let mut query = RunQuery {
            tenant: tenant.map(str::to_owned),
            ..RunQuery::default()
        };
        let all: Vec<String> = store
            .runs(&query)
            .await
            .unwrap()
            .into_iter()
            .map(|run| run.id)
            .collect();
        assert_eq!(all.len(), whole);
        query.limit = 2;
        let mut paged = Vec::new();
        loop {
            let page = store.runs(&query).await.unwrap();
            let Some(last) = page.last() else { break };
            // As it comes back in a cursor.
            query.after = RunMark::parse(&RunMark::behind(last).to_string());
            assert!(query.after.is_some());
            // One that begins meanwhile is on no later page.
            hands.forward(Duration::seconds(1));
            let late = NewRun {
                id: format!("late-{}-{whole}", paged.len()),
                connection: ConnectionId::new("acme", "entra"),
                kind: RunKind::Plan,
                plan: None,
            };
            store.start_run(&late).await.unwrap();
            paged.extend(page.into_iter().map(|run| run.id));
        }
        assert_eq!(paged, all);
    }
    for nonsense in ["", "1", "/run", "x/run", "1/", "99999999999999999999/run"] {
        assert_eq!(RunMark::parse(nonsense), None, "{nonsense}");
    }
}
