//! The suite's tests with many writers at once: what one step reads and another changes.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::*;
use crate::ledger::Settlement;

/// The same task so many times at once, and what each answered.
async fn at_once<T: Send + 'static, F>(count: usize, task: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    join_all((0..count).map(|number| tokio::spawn(task(number))))
        .await
        .into_iter()
        .map(|ended| ended.unwrap())
        .collect()
}

pub(super) async fn r48_of_many_who_ask_one_gets_the_lease(store: Arc<dyn Store>, hands: Hands) {
    let directory = directory("raced");
    let mut tokens = BTreeSet::new();
    for round in 0..10 {
        let answers = at_once(12, |number| {
            let (store, directory) = (Arc::clone(&store), directory.clone());
            async move {
                let holder = format!("run-{round}-{number}");
                store
                    .acquire_lease(&directory, &holder, Duration::minutes(1), Duration::seconds(30))
                    .await
                    .unwrap()
            }
        })
        .await;
        let granted: Vec<Lease> = answers
            .into_iter()
            .filter_map(|answer| match answer {
                LeaseAnswer::Granted(lease) => Some(lease),
                LeaseAnswer::Held { .. } => None,
            })
            .collect();
        let [lease] = &granted[..] else {
            panic!("{granted:?}")
        };
        assert!(tokens.last().is_none_or(|last| *last < lease.token), "{tokens:?}");
        tokens.insert(lease.token);
        if round % 2 == 0 {
            store.release_lease(lease).await.unwrap();
        } else {
            hands.forward(Duration::seconds(90));
        }
    }
}

pub(super) async fn r47_whoever_takes_a_lease_over_finds_every_intent_of_the_one_before(
    store: Arc<dyn Store>,
    hands: Hands,
) {
    let directory = directory("taken-over");
    start(&*store, "run-1").await;
    let first = lease(&*store, &directory, "run-1").await;
    let writer = {
        let (store, directory) = (Arc::clone(&store), directory.clone());
        tokio::spawn(async move {
            let mut kept = Vec::new();
            for number in 0.. {
                match store.intend(&directory, "run-1", &first, &[intent(number)]).await {
                    Ok(ids) => kept.extend(ids),
                    Err(StoreError::LeaseLost { .. }) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            kept
        })
    };
    while store.unsettled(&directory, 0).await.unwrap().len() < 20 {
        tokio::task::yield_now().await;
    }
    // The lease's time, and the longest request's.
    hands.forward(Duration::hours(1) + Duration::seconds(61));
    lease(&*store, &directory, "run-2").await;
    let found = store.unsettled(&directory, 0).await.unwrap();
    let found: Vec<u64> = found.iter().map(|open| open.id).collect();
    assert_eq!(writer.await.unwrap(), found);
}

pub(super) async fn r47_intents_of_many_directories_have_ids_of_their_own(store: Arc<dyn Store>, _: Hands) {
    let ids = at_once(8, |number| {
        let store = Arc::clone(&store);
        async move {
            let (directory, run) = (directory(&format!("d{number}")), format!("run-{number}"));
            start(&*store, &run).await;
            let lease = lease(&*store, &directory, &run).await;
            let mut ids = Vec::new();
            for round in 0..10 {
                let intents: Vec<Intent> = (0..30).map(|each| intent(round * 30 + each)).collect();
                ids.extend(store.intend(&directory, &run, &lease, &intents).await.unwrap());
            }
            // Ascending in the order of the calls: `unsettled` goes by it.
            assert!(ids.is_sorted());
            let open = store.unsettled(&directory, 0).await.unwrap();
            let open: Vec<_> = open.into_iter().map(|open| (open.id, open.intent)).collect();
            let meant: Vec<_> = ids.iter().copied().zip((0..300).map(intent)).collect();
            assert_eq!(open, meant);
            ids
        }
    })
    .await;
    let distinct: BTreeSet<u64> = ids.iter().flatten().copied().collect();
    assert_eq!(distinct.len(), 8 * 300);
}

pub(super) async fn r47_of_two_who_settle_one_does(store: Arc<dyn Store>, _: Hands) {
    let directory = directory("settled");
    start(&*store, "run-1").await;
    let lease = lease(&*store, &directory, "run-1").await;
    for round in 0..10 {
        let intents: Vec<Intent> = (0..20).map(intent).collect();
        let ids = store.intend(&directory, "run-1", &lease, &intents).await.unwrap();
        let settled = at_once(4, |number| {
            let (store, directory, mut ids) = (Arc::clone(&store), directory.clone(), ids.clone());
            async move {
                // Each in an order of its own.
                ids.rotate_left(number * 5);
                let outcomes: Vec<Outcome> = ids
                    .into_iter()
                    .map(|intent| Outcome {
                        intent,
                        settlement: Settlement::Applied,
                        status: None,
                        reason: None,
                        request_id: None,
                        effects: vec![Effect::Bind(binding(&format!("g{round}"), &number.to_string()))],
                    })
                    .collect();
                match store.settle(&directory, &outcomes).await {
                    Ok(()) => Some(number),
                    Err(StoreError::NotOpen(_)) => None,
                    Err(error) => panic!("{error}"),
                }
            }
        })
        .await;
        let done: Vec<usize> = settled.into_iter().flatten().collect();
        let [winner] = done[..] else { panic!("{done:?}") };
        let page = store.bindings(&directory, None).await.unwrap();
        let bound = page.items.last().unwrap();
        assert_eq!(bound.target.as_deref(), Some(winner.to_string().as_str()));
    }
    assert_eq!(store.unsettled(&directory, 0).await.unwrap(), []);
}

pub(super) async fn r38_one_of_many_sees_management_switched_on(store: Arc<dyn Store>, _: Hands) {
    let id = ConnectionId::new("default", "google");
    for _ in 0..5 {
        store.see_managed(&id, false).await.unwrap();
        let before = at_once(8, |_| {
            let (store, id) = (Arc::clone(&store), id.clone());
            async move { store.see_managed(&id, true).await.unwrap() }
        })
        .await;
        let off = before.iter().filter(|before| **before == Some(false)).count();
        assert_eq!(off, 1, "{before:?}");
    }
}

pub(super) async fn r44_plans_of_the_same_content_made_and_dropped_at_once_keep_theirs(
    store: Arc<dyn Store>,
    _: Hands,
) {
    let parts = super::plans::three();
    for round in 0..8 {
        at_once(8, |number| {
            let (store, parts) = (Arc::clone(&store), parts.clone());
            async move {
                let run = format!("run-{round}-{number}");
                start(&*store, &run).await;
                for (position, part) in (0..).zip(&parts) {
                    let part = std::slice::from_ref(part);
                    store.stage_parts(&run, position, part).await.unwrap();
                }
                if number % 2 == 0 {
                    store.drop_staged(&run).await.unwrap();
                    return;
                }
                let directory = directory(&format!("d{}", number % 4));
                let plan = NewPlan {
                    run,
                    connection: ConnectionId::new("default", "google"),
                    directory: directory.clone(),
                    summary: serde_json::json!({}),
                    lifetime: None,
                };
                let plan = store.seal_plan(&plan).await.unwrap();
                store
                    .approve(&directory, &plan.hash, &Parts::All, "alice")
                    .await
                    .unwrap();
                for (position, part) in (0..).zip(&parts) {
                    let kept = store.part_bytes(&directory, &plan.hash, position).await.unwrap();
                    assert_eq!(kept, *part);
                }
            }
        })
        .await;
    }
    assert_eq!(store.plans(&PlanQuery::default()).await.unwrap().len(), 2);
}

pub(super) async fn r44_a_plan_is_applied_once(store: Arc<dyn Store>, _: Hands) {
    let plan = super::plans::seal(&*store, "run-1", &super::plans::three()).await;
    let marked = at_once(8, |number| {
        let (store, plan) = (Arc::clone(&store), plan.clone());
        async move {
            let run = format!("apply-{number}");
            store
                .mark_applied(&plan.directory, &plan.hash, &run)
                .await
                .is_ok()
        }
    })
    .await;
    assert_eq!(marked.iter().filter(|marked| **marked).count(), 1);
}

pub(super) async fn a_thousand_directories_are_listed_quickly(store: Arc<dyn Store>, _: Hands) {
    const TENANTS: usize = 250;
    at_once(10, |worker| {
        let store = Arc::clone(&store);
        async move {
            for number in (worker..TENANTS).step_by(10) {
                let tenant = format!("tenant-{number:03}");
                let record = super::tenancy::tenant(&tenant);
                store.put_tenant(&record, None, &entry("t")).await.unwrap();
                for name in ["google", "google-2", "entra", "entra-2"] {
                    let record = super::tenancy::a_directory(&tenant, name);
                    store.put_directory(&record, None, &entry("d")).await.unwrap();
                    store.change_run_state(&record.id, &|_| (), None).await.unwrap();
                    let key = DirectoryKey::new(&tenant, "google", name);
                    let effects: Vec<Effect> = (0..20)
                        .map(|group| Effect::Bind(binding(&format!("g{group}"), "t")))
                        .collect();
                    store.amend(&key, &effects).await.unwrap();
                }
            }
        }
    })
    .await;
    let mut slowest = std::time::Duration::ZERO;
    let mut timed = |what: &str, began: std::time::Instant| {
        eprintln!("suite: 1,000 directories: {what} took {:?}", began.elapsed());
        slowest = slowest.max(began.elapsed());
    };
    let began = std::time::Instant::now();
    assert_eq!(store.tenants(None, 1_000).await.unwrap().items.len(), TENANTS);
    timed("tenants", began);
    let began = std::time::Instant::now();
    assert_eq!(store.directories(None).await.unwrap().len(), 1_000);
    timed("directories", began);
    let began = std::time::Instant::now();
    assert_eq!(store.run_states().await.unwrap().len(), 1_000);
    timed("run_states", began);
    let began = std::time::Instant::now();
    store.tenancy_version().await.unwrap();
    timed("tenancy_version", began);
    assert!(slowest < std::time::Duration::from_secs(1), "{slowest:?}");
}
