//! What every store must do, as one suite: a new store is right when it passes this, unchanged.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Duration, Utc};
use groupcast_guest::plan::part::{
    GroupRef, GroupState, Held, Operation, Part, PartGroup, Reason, RemovalReason, root_hash, sha256_hex,
};

use super::*;
use crate::ledger::{Provenance, Settlement};

/// A clock that stands until it is set forward.
#[derive(Clone)]
pub struct Hands(Arc<AtomicI64>);

impl Hands {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_800_000_000_000)))
    }

    fn clock(&self) -> Clock {
        let hands = self.clone();
        Arc::new(move || hands.now())
    }

    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0.load(Ordering::SeqCst)).unwrap()
    }

    fn forward(&self, by: Duration) {
        self.0.fetch_add(by.num_milliseconds(), Ordering::SeqCst);
    }
}

/// Runs all of it, each test on a store of its own.
pub async fn all(make: impl AsyncFn(Clock) -> Arc<dyn Store>) {
    macro_rules! each {
        ($($test:ident),* $(,)?) => {$(
            let hands = Hands::new();
            let store = make(hands.clock()).await;
            eprintln!("suite: {}", stringify!($test));
            $test(store, hands).await;
        )*};
    }
    each!(
        bindings_come_in_pages_ascending_by_code_point,
        memberships_come_in_pages_and_only_of_their_group,
        r47_an_intent_is_open_until_it_is_settled_and_only_once,
        a_settlement_and_its_effects_are_kept_together_or_not_at_all,
        the_last_effect_on_a_key_wins,
        one_directory_never_sees_another,
        r48_a_run_without_its_lease_intends_nothing,
        r48_one_holder_at_a_time_and_tokens_only_grow,
        r48_a_successor_waits_for_the_longest_request,
        fifty_thousand_intents_and_settlements_are_quick,
        limits_of_the_contract_are_kept,
        outcomes_tell_why_and_what_to_undo,
        state_compares_before_it_sets,
        runs_begin_and_end_once,
        r44_a_plan_is_given_back_byte_for_byte,
        r44_only_what_was_approved_is_given,
        r44_the_same_plan_again_keeps_its_approvals,
        r44_releasing_what_is_held_makes_a_new_plan,
        r44_an_old_plan_cannot_be_approved_or_applied,
        a_plan_with_a_wrong_part_is_refused,
        expired_plans_are_forgotten_with_their_bytes,
        r44_a_new_connection_is_plan_only,
        r38_switching_management_on_again_asks_for_approval,
    );
}

pub fn directory(name: &str) -> DirectoryKey {
    DirectoryKey::new("default", "google", name)
}

pub async fn bind(store: &dyn Store, directory: &DirectoryKey, group: &str, target: &str) {
    store
        .amend(directory, &[Effect::Bind(binding(group, target))])
        .await
        .unwrap();
}

fn binding(group: &str, target: &str) -> Binding {
    Binding {
        group: group.to_owned(),
        state: "managed".to_owned(),
        key: format!("{group}@example.com"),
        target: Some(target.to_owned()),
        details: "{\"note\":\"opaque\"}".to_owned(),
    }
}

fn membership(group: &str, target: &str, principal: &str) -> Membership {
    Membership {
        group: group.to_owned(),
        target: target.to_owned(),
        principal: principal.to_owned(),
        provenance: Provenance::Ours,
        user: Some(format!("user-of-{principal}")),
        address: format!("{principal}@example.com"),
    }
}

fn intent(number: usize) -> Intent {
    Intent {
        group: format!("g{:05}", number / 100),
        operation: format!("{{\"do\":\"add-member\",\"principal\":\"p{number}\"}}"),
    }
}

fn outcome(intent: u64, settlement: Settlement, effects: Vec<Effect>) -> Outcome {
    Outcome {
        intent,
        settlement,
        status: Some(200),
        reason: Some("ok".to_owned()),
        request_id: Some(format!("request-{intent}")),
        effects,
    }
}

async fn start(store: &dyn Store, run: &str) {
    let run = NewRun {
        id: run.to_owned(),
        connection: ConnectionId::new("default", "google"),
        kind: RunKind::Apply,
        plan: None,
    };
    store.start_run(&run).await.unwrap();
}

async fn lease(store: &dyn Store, directory: &DirectoryKey, holder: &str) -> Lease {
    match store
        .acquire_lease(directory, holder, Duration::hours(1), Duration::seconds(60))
        .await
        .unwrap()
    {
        LeaseAnswer::Granted(lease) => lease,
        other => panic!("{other:?}"),
    }
}

async fn bindings_come_in_pages_ascending_by_code_point(store: Arc<dyn Store>, _: Hands) {
    let directory = directory("pages");
    let mut names: Vec<String> = (0..2_345).map(|number| format!("g{number:04}")).collect();
    names.extend(["Ä", "ä", "Z", "zz", "\u{1F600}"].map(str::to_owned));
    let effects: Vec<Effect> = names
        .iter()
        .map(|name| Effect::Bind(binding(name, "t")))
        .collect();
    for chunk in effects.chunks(PAGE) {
        store.amend(&directory, chunk).await.unwrap();
    }
    let (mut seen, mut mark, mut sizes) = (Vec::new(), None::<String>, Vec::new());
    loop {
        let page = store.bindings(&directory, mark.as_deref()).await.unwrap();
        sizes.push(page.items.len());
        seen.extend(page.items.into_iter().map(|binding| binding.group));
        mark = page.next;
        if mark.is_none() {
            break;
        }
    }
    names.sort();
    assert_eq!(seen, names);
    assert_eq!(sizes, [1_000, 1_000, 350]);
}

async fn memberships_come_in_pages_and_only_of_their_group(store: Arc<dyn Store>, _: Hands) {
    let directory = directory("members");
    let mine: Vec<Effect> = (0..1_000)
        .map(|number| Effect::PutMembership(membership("g", "t", &format!("p{number:04}"))))
        .collect();
    store.amend(&directory, &mine).await.unwrap();
    store
        .amend(
            &directory,
            &[Effect::PutMembership(membership("h", "t", "p0001"))],
        )
        .await
        .unwrap();
    let exactly_full = store.memberships(&directory, "g", None).await.unwrap();
    assert_eq!(
        (exactly_full.items.len(), exactly_full.next.is_none()),
        (1_000, true)
    );
    store
        .amend(&directory, &[Effect::PutMembership(membership("g", "u", "a"))])
        .await
        .unwrap();
    let first = store.memberships(&directory, "g", None).await.unwrap();
    let second = store
        .memberships(&directory, "g", first.next.as_deref())
        .await
        .unwrap();
    assert_eq!(second.items, [membership("g", "u", "a")]);
    assert_eq!(second.next, None);
    let error = store
        .memberships(&directory, "g", Some("junk"))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Mark(_)), "{error}");
}

async fn r47_an_intent_is_open_until_it_is_settled_and_only_once(store: Arc<dyn Store>, _: Hands) {
    let directory = directory("intents");
    start(&*store, "run-1").await;
    let lease = lease(&*store, &directory, "run-1").await;
    let intents: Vec<Intent> = (0..3).map(intent).collect();
    let ids = store.intend(&directory, "run-1", &lease, &intents).await.unwrap();
    let open = store.unsettled(&directory, 0).await.unwrap();
    assert_eq!(open.iter().map(|open| open.id).collect::<Vec<_>>(), ids);
    assert_eq!(
        open.iter().map(|open| &open.intent).collect::<Vec<_>>(),
        intents.iter().collect::<Vec<_>>()
    );
    assert!(open.iter().all(|open| open.run == "run-1"));
    assert_eq!(store.unsettled(&directory, ids[0]).await.unwrap().len(), 2);

    let settled = outcome(ids[1], Settlement::Applied, vec![]);
    store
        .settle(&directory, std::slice::from_ref(&settled))
        .await
        .unwrap();
    let left: Vec<u64> = store
        .unsettled(&directory, 0)
        .await
        .unwrap()
        .iter()
        .map(|open| open.id)
        .collect();
    assert_eq!(left, [ids[0], ids[2]]);

    let again = store.settle(&directory, &[settled]).await.unwrap_err();
    assert!(
        matches!(again, StoreError::NotOpen(id) if id == ids[1]),
        "{again}"
    );
    let twice_in_one = [
        outcome(ids[2], Settlement::Applied, vec![]),
        outcome(ids[2], Settlement::Refused, vec![]),
    ];
    assert!(matches!(
        store.settle(&directory, &twice_in_one).await,
        Err(StoreError::NotOpen(_))
    ));
    let unknown = store
        .settle(&directory, &[outcome(999_999, Settlement::Applied, vec![])])
        .await
        .unwrap_err();
    assert!(matches!(unknown, StoreError::NotOpen(999_999)), "{unknown}");
    assert!(matches!(
        store.intend(&directory, "no-such-run", &lease, &intents).await,
        Err(StoreError::NoRun(_))
    ));
}

async fn a_settlement_and_its_effects_are_kept_together_or_not_at_all(store: Arc<dyn Store>, _: Hands) {
    let directory = directory("together");
    start(&*store, "run-1").await;
    let lease = lease(&*store, &directory, "run-1").await;
    let ids = store
        .intend(&directory, "run-1", &lease, &[intent(0), intent(1)])
        .await
        .unwrap();
    let put = Effect::PutMembership(membership("g", "t", "p"));
    store
        .settle(&directory, &[outcome(ids[0], Settlement::Applied, vec![])])
        .await
        .unwrap();
    // The second of these is settled already: neither the first nor its effect may be kept.
    let mixed = [
        outcome(ids[1], Settlement::Applied, vec![put.clone()]),
        outcome(ids[0], Settlement::Applied, vec![]),
    ];
    assert!(store.settle(&directory, &mixed).await.is_err());
    assert_eq!(store.unsettled(&directory, 0).await.unwrap().len(), 1);
    assert!(
        store
            .memberships(&directory, "g", None)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    // Effects that cannot be kept take the settlement back with them.
    let mut long = binding("g", "t");
    long.details = "x".repeat(DETAILS_BYTES + 1);
    let too_long = outcome(ids[1], Settlement::Applied, vec![put.clone(), Effect::Bind(long)]);
    assert!(matches!(
        store.settle(&directory, &[too_long]).await,
        Err(StoreError::TooMuch { .. })
    ));
    assert_eq!(store.unsettled(&directory, 0).await.unwrap().len(), 1);
    store
        .settle(&directory, &[outcome(ids[1], Settlement::Applied, vec![put])])
        .await
        .unwrap();
    assert_eq!(
        store.memberships(&directory, "g", None).await.unwrap().items,
        [membership("g", "t", "p")]
    );
}

async fn the_last_effect_on_a_key_wins(store: Arc<dyn Store>, _: Hands) {
    let directory = directory("last");
    let mut adopted = membership("g", "t", "p");
    adopted.provenance = Provenance::Adopted;
    adopted.user = None;
    let effects = [
        Effect::Bind(binding("g", "old")),
        Effect::Unbind("g".to_owned()),
        Effect::Bind(binding("g", "new")),
        Effect::Bind(binding("h", "t")),
        Effect::Unbind("h".to_owned()),
        Effect::PutMembership(membership("g", "t", "p")),
        Effect::PutMembership(adopted.clone()),
        Effect::PutMembership(membership("g", "t", "q")),
        Effect::DropMembership {
            group: "g".to_owned(),
            target: "t".to_owned(),
            principal: "q".to_owned(),
        },
    ];
    store.amend(&directory, &effects).await.unwrap();
    assert_eq!(
        store.bindings(&directory, None).await.unwrap().items,
        [binding("g", "new")]
    );
    assert_eq!(
        store.memberships(&directory, "g", None).await.unwrap().items,
        [adopted]
    );
    store
        .amend(&directory, &[Effect::Unbind("g".to_owned())])
        .await
        .unwrap();
    assert!(store.bindings(&directory, None).await.unwrap().items.is_empty());
    let drop = Effect::DropMembership {
        group: "g".to_owned(),
        target: "t".to_owned(),
        principal: "p".to_owned(),
    };
    store.amend(&directory, &[drop]).await.unwrap();
    assert!(
        store
            .memberships(&directory, "g", None)
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

async fn one_directory_never_sees_another(store: Arc<dyn Store>, _: Hands) {
    let mine = DirectoryKey::new("one", "google", "C1");
    let other = DirectoryKey::new("two", "google", "C1");
    start(&*store, "run-1").await;
    let lease = lease(&*store, &mine, "run-1").await;
    let id = store.intend(&mine, "run-1", &lease, &[intent(0)]).await.unwrap()[0];
    bind(&*store, &mine, "g", "t").await;
    store
        .amend(&mine, &[Effect::PutMembership(membership("g", "t", "p"))])
        .await
        .unwrap();
    store.state_put(&mine, "k", b"v", None).await.unwrap();
    assert!(store.bindings(&other, None).await.unwrap().items.is_empty());
    assert!(
        store
            .memberships(&other, "g", None)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert!(store.unsettled(&other, 0).await.unwrap().is_empty());
    assert!(store.state_get(&other, "k").await.unwrap().is_none());
    assert!(matches!(
        store
            .settle(&other, &[outcome(id, Settlement::Applied, vec![])])
            .await,
        Err(StoreError::NotOpen(_))
    ));
    let of_group = OutcomeQuery::OfGroup {
        group: intent(0).group,
        before: None,
    };
    assert!(store.outcomes(&other, &of_group).await.unwrap().is_empty());
    // The directory itself is one, whoever was given it (R48).
    let answer = store
        .acquire_lease(&other, "run-2", Duration::hours(1), Duration::zero())
        .await
        .unwrap();
    assert!(matches!(answer, LeaseAnswer::Held { .. }));
}

async fn r48_a_run_without_its_lease_intends_nothing(store: Arc<dyn Store>, hands: Hands) {
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

async fn r48_one_holder_at_a_time_and_tokens_only_grow(store: Arc<dyn Store>, hands: Hands) {
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

async fn r48_a_successor_waits_for_the_longest_request(store: Arc<dyn Store>, hands: Hands) {
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

async fn fifty_thousand_intents_and_settlements_are_quick(store: Arc<dyn Store>, _: Hands) {
    let directory = directory("many");
    start(&*store, "run-1").await;
    let lease = lease(&*store, &directory, "run-1").await;
    let begin = std::time::Instant::now();
    let intents: Vec<Intent> = (0..50_000).map(intent).collect();
    let mut last = 0;
    for chunk in intents.chunks(PAGE) {
        let ids = store.intend(&directory, "run-1", &lease, chunk).await.unwrap();
        assert!(ids[0] > last && ids.windows(2).all(|pair| pair[0] < pair[1]));
        last = ids[PAGE - 1];
        let outcomes: Vec<Outcome> = ids
            .iter()
            .map(|id| {
                let put = Effect::PutMembership(membership("g", "t", &format!("p{id:06}")));
                outcome(*id, Settlement::Applied, vec![put])
            })
            .collect();
        store.settle(&directory, &outcomes).await.unwrap();
    }
    let took = begin.elapsed();
    eprintln!("suite: 50,000 intents and settlements took {took:?}");
    // Far above what it takes on a quiet machine; a statement a row or a commit a row takes minutes.
    assert!(took < std::time::Duration::from_secs(60), "{took:?}");
    assert!(store.unsettled(&directory, 0).await.unwrap().is_empty());
    let applied = store
        .applied_operations(&directory, "run-1", last - 5)
        .await
        .unwrap();
    assert_eq!(applied.len(), 5);
}

async fn limits_of_the_contract_are_kept(store: Arc<dyn Store>, _: Hands) {
    let directory = directory("limits");
    start(&*store, "run-1").await;
    let lease = lease(&*store, &directory, "run-1").await;
    let many: Vec<Intent> = (0..PAGE + 1).map(intent).collect();
    assert!(matches!(
        store.intend(&directory, "run-1", &lease, &many).await,
        Err(StoreError::TooMuch {
            given: 1_001,
            limit: 1_000,
            ..
        })
    ));
    assert!(
        store
            .intend(&directory, "run-1", &lease, &[])
            .await
            .unwrap()
            .is_empty()
    );
    store.settle(&directory, &[]).await.unwrap();
    let long_key = "k".repeat(STATE_KEY_BYTES + 1);
    assert!(matches!(
        store.state_put(&directory, &long_key, b"", None).await,
        Err(StoreError::TooMuch { .. })
    ));
    let long_value = vec![0; STATE_VALUE_BYTES + 1];
    assert!(matches!(
        store.state_put(&directory, "k", &long_value, None).await,
        Err(StoreError::TooMuch { .. })
    ));
    assert!(
        store
            .state_put(&directory, "k", &long_value[1..], None)
            .await
            .unwrap()
            .is_some()
    );
}

async fn outcomes_tell_why_and_what_to_undo(store: Arc<dyn Store>, hands: Hands) {
    let directory = directory("why");
    start(&*store, "run-1").await;
    start(&*store, "run-2").await;
    let lease = lease(&*store, &directory, "run-1").await;
    let mut intents: Vec<Intent> = (0..4).map(intent).collect();
    intents[3].group = "other".to_owned();
    let ids = store.intend(&directory, "run-1", &lease, &intents).await.unwrap();
    let ends = [
        Settlement::Applied,
        Settlement::Already,
        Settlement::Refused,
        Settlement::Abandoned,
    ];
    hands.forward(Duration::seconds(2));
    let outcomes: Vec<Outcome> = ids
        .iter()
        .zip(ends)
        .map(|(id, end)| outcome(*id, end, vec![]))
        .collect();
    store.settle(&directory, &outcomes).await.unwrap();
    let open = store
        .intend(&directory, "run-2", &lease, &[intent(0)])
        .await
        .unwrap()[0];

    let of_group = OutcomeQuery::OfGroup {
        group: intent(0).group,
        before: None,
    };
    let history = store.outcomes(&directory, &of_group).await.unwrap();
    assert_eq!(
        history.iter().map(|entry| entry.intent).collect::<Vec<_>>(),
        [open, ids[2], ids[1], ids[0]]
    );
    assert_eq!(history[0].settlement, None);
    let refused = &history[1];
    assert_eq!(refused.settlement, Some(Settlement::Refused));
    assert_eq!(
        (refused.status, refused.reason.as_deref()),
        (Some(200), Some("ok"))
    );
    assert_eq!(refused.request_id, Some(format!("request-{}", ids[2])));
    assert_eq!(refused.settled_at, Some(hands.now()));
    assert_eq!(refused.intended_at, hands.now() - Duration::seconds(2));
    assert_eq!(
        (refused.run.as_str(), &refused.operation),
        ("run-1", &intents[2].operation)
    );
    let before = OutcomeQuery::OfGroup {
        group: intent(0).group,
        before: Some(ids[1]),
    };
    assert_eq!(store.outcomes(&directory, &before).await.unwrap().len(), 1);
    let of_run = OutcomeQuery::OfRun {
        run: "run-1".to_owned(),
        after: ids[0],
    };
    assert_eq!(store.outcomes(&directory, &of_run).await.unwrap().len(), 3);

    let undo = store.applied_operations(&directory, "run-1", 0).await.unwrap();
    assert_eq!(
        undo.iter().map(|entry| entry.intent).collect::<Vec<_>>(),
        [ids[0]]
    );
}

async fn state_compares_before_it_sets(store: Arc<dyn Store>, _: Hands) {
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

async fn runs_begin_and_end_once(store: Arc<dyn Store>, hands: Hands) {
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

fn removal(principal: &str) -> Operation {
    Operation::RemoveMember {
        group: GroupRef::Id("t".to_owned()),
        principal: principal.to_owned(),
        user: Some(format!("u-{principal}")),
        address: format!("{principal}@example.com"),
        why: RemovalReason::LeftGroup,
    }
}

fn addition(principal: &str) -> Operation {
    Operation::AddMember {
        group: GroupRef::Id("t".to_owned()),
        principal: principal.to_owned(),
        user: format!("u-{principal}"),
        address: format!("{principal}@example.com"),
    }
}

fn held(operation: Operation, approvable: bool) -> Held {
    Held {
        operation,
        reason: Reason::new("limit", "over the limit"),
        approvable,
    }
}

fn part(group: &str) -> Part {
    Part {
        version: 1,
        group: PartGroup {
            id: group.to_owned(),
            name: format!("Group {group}"),
            email: None,
            email_is_override: false,
            users: Some(3),
        },
        state: GroupState::Held,
        reasons: vec![],
        target: None,
        fingerprint: "f".to_owned(),
        operations: vec![addition("new"), removal("gone")],
        held: vec![
            held(addition("late"), true),
            held(removal("owner"), false),
            held(removal("many"), true),
        ],
        notes: vec![],
        waiting: vec![],
        foreign: vec![],
        warnings: vec![],
    }
}

async fn seal(store: &dyn Store, run: &str, parts: &[Vec<u8>]) -> PlanRecord {
    start(store, run).await;
    let (first, rest) = parts.split_at(parts.len() / 2);
    store.stage_parts(run, 0, first).await.unwrap();
    store.stage_parts(run, first.len() as u64, rest).await.unwrap();
    seal_staged(store, run).await.unwrap()
}

async fn seal_staged(store: &dyn Store, run: &str) -> Result<PlanRecord> {
    let plan = NewPlan {
        run: run.to_owned(),
        connection: ConnectionId::new("default", "google"),
        directory: directory("plans"),
        summary: serde_json::json!({"groups": 3}),
        lifetime: None,
    };
    store.seal_plan(&plan).await
}

fn three() -> Vec<Vec<u8>> {
    // As another plugin might write it: what was given is what is kept, blanks and all.
    let mut parts: Vec<Vec<u8>> = ["a", "b", "c"].map(|group| part(group).to_bytes()).into();
    parts[1] = serde_json::to_vec_pretty(&part("b")).unwrap();
    parts
}

async fn r44_a_plan_is_given_back_byte_for_byte(store: Arc<dyn Store>, hands: Hands) {
    let parts = three();
    let plan = seal(&*store, "run-1", &parts).await;
    let hashes: Vec<String> = parts.iter().map(|bytes| sha256_hex(bytes)).collect();
    assert_eq!(plan.hash, root_hash(hashes.iter().map(String::as_str)));
    assert_eq!(plan.status, PlanStatus::Stored);
    assert_eq!(plan.expires_at, hands.now() + Duration::days(7));
    assert_eq!((plan.parts, plan.run.as_str()), (3, "run-1"));
    assert_eq!(
        store.run("run-1").await.unwrap().unwrap().plan.as_ref(),
        Some(&plan.hash)
    );
    let listed = store.parts(&plan.directory, &plan.hash).await.unwrap();
    assert_eq!(
        listed.iter().map(|part| part.group.as_str()).collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    for (part, bytes) in listed.iter().zip(&parts) {
        assert_eq!(
            &store
                .part_bytes(&plan.directory, &plan.hash, part.position)
                .await
                .unwrap(),
            bytes
        );
    }
    let prefix = PlanQuery {
        hash_prefix: Some(plan.hash[..8].to_owned()),
        ..Default::default()
    };
    assert_eq!(store.plans(&prefix).await.unwrap(), [plan.clone()]);
    let other_tenant = PlanQuery {
        tenant: Some("acme".to_owned()),
        ..Default::default()
    };
    assert!(store.plans(&other_tenant).await.unwrap().is_empty());
    assert_eq!(
        store.plan(&directory("elsewhere"), &plan.hash).await.unwrap(),
        None
    );
    assert!(matches!(
        store.part_bytes(&directory("elsewhere"), &plan.hash, 0).await,
        Err(StoreError::NoPart { .. })
    ));
    let empty = seal(&*store, "run-2", &[]).await;
    assert_eq!((empty.parts, empty.hash), (0, root_hash([])));
}

async fn r44_only_what_was_approved_is_given(store: Arc<dyn Store>, _: Hands) {
    let plan = seal(&*store, "run-1", &three()).await;
    let groups = |parts: Vec<PartRecord>| parts.into_iter().map(|part| part.group).collect::<Vec<_>>();
    assert!(
        store
            .approved_parts(&plan.directory, &plan.hash)
            .await
            .unwrap()
            .is_empty()
    );
    let some = Parts::Groups(vec!["c".to_owned(), "a".to_owned()]);
    let approved = store
        .approve(&plan.directory, &plan.hash, &some, "ann")
        .await
        .unwrap();
    assert_eq!(approved.status, PlanStatus::Approved { parts: 2 });
    assert_eq!(
        groups(store.approved_parts(&plan.directory, &plan.hash).await.unwrap()),
        ["a", "c"]
    );
    let mixed = Parts::Groups(vec!["b".to_owned(), "zz".to_owned()]);
    let unknown = store
        .approve(&plan.directory, &plan.hash, &mixed, "ann")
        .await
        .unwrap_err();
    assert!(matches!(unknown, StoreError::NoPart { .. }), "{unknown}");
    assert_eq!(
        store
            .approved_parts(&plan.directory, &plan.hash)
            .await
            .unwrap()
            .len(),
        2
    );
    store
        .approve(&plan.directory, &plan.hash, &Parts::All, "bob")
        .await
        .unwrap();
    let all = store.approved_parts(&plan.directory, &plan.hash).await.unwrap();
    let who: Vec<_> = all
        .iter()
        .map(|part| part.approved_by.as_deref().unwrap())
        .collect();
    assert_eq!(who, ["ann", "bob", "ann"]);

    store
        .mark_applied(&plan.directory, &plan.hash, "run-1")
        .await
        .unwrap();
    let late = store
        .approved_parts(&plan.directory, &plan.hash)
        .await
        .unwrap_err();
    assert!(matches!(late, StoreError::PlanApplied(_)), "{late}");
    assert!(
        store
            .mark_applied(&plan.directory, &plan.hash, "run-1")
            .await
            .is_err()
    );
    assert!(
        store
            .approve(&plan.directory, &plan.hash, &Parts::All, "bob")
            .await
            .is_err()
    );
    let error = store
        .approve(&directory("elsewhere"), &plan.hash, &Parts::All, "bob")
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::NoPlan(_)), "{error}");
}

async fn r44_the_same_plan_again_keeps_its_approvals(store: Arc<dyn Store>, hands: Hands) {
    let plan = seal(&*store, "run-1", &three()).await;
    store
        .approve(&plan.directory, &plan.hash, &Parts::All, "ann")
        .await
        .unwrap();
    hands.forward(Duration::days(6));
    let again = seal(&*store, "run-2", &three()).await;
    assert_eq!(
        (&again.hash, again.status),
        (&plan.hash, PlanStatus::Approved { parts: 3 })
    );
    assert_eq!(again.expires_at, hands.now() + Duration::days(7));
    store
        .mark_applied(&plan.directory, &plan.hash, "run-2")
        .await
        .unwrap();
    // The world went back to what it was: what was approved once is not approved for ever.
    let back = seal(&*store, "run-3", &three()).await;
    assert_eq!(
        (back.hash, back.status, back.parts),
        (plan.hash, PlanStatus::Stored, 3)
    );
}

async fn r44_releasing_what_is_held_makes_a_new_plan(store: Arc<dyn Store>, _: Hands) {
    let old = seal(&*store, "run-1", &three()).await;
    store
        .approve(&old.directory, &old.hash, &Parts::All, "ann")
        .await
        .unwrap();
    let new = store
        .release_held(&old.directory, &old.hash, &["b".to_owned()])
        .await
        .unwrap();
    assert_ne!(new.hash, old.hash);
    assert_eq!(new.derived_from.as_ref(), Some(&old.hash));
    assert_eq!(new.expires_at, old.expires_at);
    let (before, after) = (
        store.parts(&old.directory, &old.hash).await.unwrap(),
        store.parts(&new.directory, &new.hash).await.unwrap(),
    );
    assert_eq!(after[1].derived_from.as_ref(), Some(&before[1].sha256));
    assert_eq!(
        (&after[0].sha256, &after[2].sha256),
        (&before[0].sha256, &before[2].sha256)
    );
    assert_eq!(new.hash, root_hash(after.iter().map(|part| part.sha256.as_str())));
    // Nobody saw the new part yet.
    assert_eq!(
        after
            .iter()
            .map(|part| part.approved_at.is_some())
            .collect::<Vec<_>>(),
        [true, false, true]
    );
    let bytes = store.part_bytes(&new.directory, &new.hash, 1).await.unwrap();
    assert_eq!(sha256_hex(&bytes), after[1].sha256);
    let released = Part::from_bytes(&bytes).unwrap();
    assert_eq!(
        released.operations,
        [
            addition("new"),
            addition("late"),
            removal("gone"),
            removal("many")
        ]
    );
    assert_eq!(released.held, [held(removal("owner"), false)]);
    assert_eq!(
        (released.state, released.fingerprint.as_str()),
        (GroupState::Pending, "f")
    );
    // The old plan is as it was, and asking again gives the same.
    assert_eq!(
        store.part_bytes(&old.directory, &old.hash, 1).await.unwrap(),
        three()[1]
    );
    assert_eq!(
        store
            .release_held(&old.directory, &old.hash, &["b".to_owned()])
            .await
            .unwrap()
            .hash,
        new.hash
    );
    let nothing = store
        .release_held(&new.directory, &new.hash, &["b".to_owned()])
        .await
        .unwrap_err();
    assert!(matches!(nothing, StoreError::NothingHeld { .. }), "{nothing}");
    let unknown = store
        .release_held(&new.directory, &new.hash, &["zz".to_owned()])
        .await
        .unwrap_err();
    assert!(matches!(unknown, StoreError::NoPart { .. }), "{unknown}");
}

async fn r44_an_old_plan_cannot_be_approved_or_applied(store: Arc<dyn Store>, hands: Hands) {
    let plan = seal(&*store, "run-1", &three()).await;
    store
        .approve(&plan.directory, &plan.hash, &Parts::All, "ann")
        .await
        .unwrap();
    hands.forward(Duration::days(7));
    assert_eq!(
        store
            .plan(&plan.directory, &plan.hash)
            .await
            .unwrap()
            .unwrap()
            .status,
        PlanStatus::Expired
    );
    let error = store
        .approved_parts(&plan.directory, &plan.hash)
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::PlanExpired { .. }), "{error}");
    assert!(
        store
            .approve(&plan.directory, &plan.hash, &Parts::All, "ann")
            .await
            .is_err()
    );
    assert!(
        store
            .release_held(&plan.directory, &plan.hash, &["b".to_owned()])
            .await
            .is_err()
    );
    let again = seal(&*store, "run-2", &three()).await;
    assert_eq!((again.hash, again.status), (plan.hash, PlanStatus::Stored));
}

async fn a_plan_with_a_wrong_part_is_refused(store: Arc<dyn Store>, _: Hands) {
    start(&*store, "run-1").await;
    let parts = three();
    for wrong in [
        vec![parts[1].clone(), parts[0].clone()],
        vec![parts[0].clone(), parts[0].clone()],
        vec![b"{}".to_vec()],
        vec![vec![b' '; PART_BYTES + 1]],
    ] {
        let error = store.stage_parts("run-1", 0, &wrong).await.unwrap_err();
        assert!(matches!(error, StoreError::BadPart { .. }), "{error}");
    }
    store.stage_parts("run-1", 0, &parts[..1]).await.unwrap();
    assert!(matches!(
        store.stage_parts("run-1", 0, &parts[1..]).await,
        Err(StoreError::BadPart { .. })
    ));
    store.stage_parts("run-1", 2, &parts[1..2]).await.unwrap();
    let gap = seal_staged(&*store, "run-1").await.unwrap_err();
    assert!(matches!(gap, StoreError::BadPart { position: 1, .. }), "{gap}");
    store.drop_staged("run-1").await.unwrap();
    assert_eq!(seal_staged(&*store, "run-1").await.unwrap().parts, 0);
    assert!(matches!(
        store.stage_parts("no-such-run", 0, &parts).await,
        Err(StoreError::NoRun(_))
    ));
    assert!(matches!(
        seal_staged(&*store, "no-such-run").await,
        Err(StoreError::NoRun(_))
    ));
}

async fn expired_plans_are_forgotten_with_their_bytes(store: Arc<dyn Store>, hands: Hands) {
    let old = seal(&*store, "run-1", &three()).await;
    hands.forward(Duration::days(3));
    let newer = seal(&*store, "run-2", &three()[..2]).await;
    hands.forward(Duration::days(5));
    assert_eq!(store.forget_expired(Duration::days(2)).await.unwrap(), 0);
    assert_eq!(store.forget_expired(Duration::zero()).await.unwrap(), 1);
    assert_eq!(store.plan(&old.directory, &old.hash).await.unwrap(), None);
    // What the newer plan shares with it stays.
    assert_eq!(
        store.part_bytes(&newer.directory, &newer.hash, 1).await.unwrap(),
        three()[1]
    );
}

async fn r44_a_new_connection_is_plan_only(store: Arc<dyn Store>, hands: Hands) {
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

async fn r38_switching_management_on_again_asks_for_approval(store: Arc<dyn Store>, _: Hands) {
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
