//! The suite's tests of the ledger.

use super::*;
use crate::ledger::{Provenance, Settlement};

pub(super) fn membership(group: &str, target: &str, principal: &str) -> Membership {
    Membership {
        group: group.to_owned(),
        target: target.to_owned(),
        principal: principal.to_owned(),
        provenance: Provenance::Ours,
        user: Some(format!("user-of-{principal}")),
        address: format!("{principal}@example.com"),
    }
}

pub(super) fn outcome(intent: u64, settlement: Settlement, effects: Vec<Effect>) -> Outcome {
    Outcome {
        intent,
        settlement,
        status: Some(200),
        reason: Some("ok".to_owned()),
        request_id: Some(format!("request-{intent}")),
        effects,
    }
}

pub(super) async fn bindings_come_in_pages_ascending_by_code_point(store: Arc<dyn Store>, _: Hands) {
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

pub(super) async fn memberships_come_in_pages_and_only_of_their_group(store: Arc<dyn Store>, _: Hands) {
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

pub(super) async fn what_is_exported_is_counted_where_it_lies(store: Arc<dyn Store>, _: Hands) {
    let here = directory("counted");
    assert_eq!(store.exported(&here).await.unwrap(), Exported::default());
    let unbound = Binding {
        target: None,
        ..binding("not-yet", "")
    };
    let of = |group: &str, principal: String, provenance| {
        Effect::PutMembership(Membership {
            provenance,
            ..membership(group, "t", &principal)
        })
    };
    let mut effects = vec![
        Effect::Bind(binding("g", "t")),
        Effect::Bind(binding("h", "u")),
        Effect::Bind(unbound),
        of("h", "adopted".to_owned(), Provenance::Adopted),
        of("h", "foreign".to_owned(), Provenance::Foreign),
        // Of a group that is not exported, and of one that nothing is known of.
        of("not-yet", "ours".to_owned(), Provenance::Ours),
        of("unknown", "ours".to_owned(), Provenance::Ours),
    ];
    effects.extend((0..2_345).map(|number| of("g", format!("p{number}"), Provenance::Ours)));
    for chunk in effects.chunks(PAGE) {
        store.amend(&here, chunk).await.unwrap();
    }
    let elsewhere = directory("elsewhere");
    bind(&*store, &elsewhere, "g", "t").await;
    store
        .amend(&elsewhere, &[of("g", "p0".to_owned(), Provenance::Ours)])
        .await
        .unwrap();
    assert_eq!(
        store.exported(&here).await.unwrap(),
        Exported {
            groups: 2,
            memberships: 2_346
        }
    );
}

pub(super) async fn r47_an_intent_is_open_until_it_is_settled_and_only_once(store: Arc<dyn Store>, _: Hands) {
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

pub(super) async fn a_settlement_and_its_effects_are_kept_together_or_not_at_all(
    store: Arc<dyn Store>,
    _: Hands,
) {
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

pub(super) async fn the_last_effect_on_a_key_wins(store: Arc<dyn Store>, _: Hands) {
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

pub(super) async fn one_directory_never_sees_another(store: Arc<dyn Store>, _: Hands) {
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

pub(super) async fn fifty_thousand_intents_and_settlements_are_quick(store: Arc<dyn Store>, _: Hands) {
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

pub(super) async fn limits_of_the_contract_are_kept(store: Arc<dyn Store>, _: Hands) {
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

pub(super) async fn outcomes_tell_why_and_what_to_undo(store: Arc<dyn Store>, hands: Hands) {
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
