//! The suite's tests of what charts are drawn of.

use super::*;
use crate::ledger::Settlement;
use crate::store::service::*;

pub(super) async fn one_sample_an_hour_is_kept_and_a_thousand_are_shown(store: Arc<dyn Store>, hands: Hands) {
    let id = ConnectionId::new("acme", "entra");
    let sample = |groups: u64| NewSample {
        connection: id.clone(),
        groups,
        memberships: 40,
        held: 2,
        awaiting: 1,
        requests: serde_json::json!({"entra": {"2xx": 17}}),
        milliseconds: 1_234,
    };
    let beginning = hands.now();
    store.put_sample(&sample(0)).await.unwrap();
    hands.forward(Duration::minutes(59));
    store.put_sample(&sample(1)).await.unwrap();
    hands.forward(Duration::minutes(1));
    store.put_sample(&sample(2)).await.unwrap();
    let samples = store.samples(&id, beginning).await.unwrap();
    assert_eq!(
        samples,
        [1, 2].map(|groups| MembershipSample {
            at: beginning + Duration::minutes(58 + groups as i64),
            sample: sample(groups),
        })
    );
    assert_eq!(store.samples(&id, hands.now()).await.unwrap().len(), 1);
    let other = ConnectionId::new("acme", "google");
    assert_eq!(store.samples(&other, beginning).await.unwrap(), []);
    for number in 3..1_500 {
        hands.forward(Duration::hours(1));
        store.put_sample(&sample(number)).await.unwrap();
    }
    let spread = store.samples(&id, beginning).await.unwrap();
    let groups: Vec<u64> = spread.iter().map(|sample| sample.sample.groups).collect();
    assert_eq!((groups.len(), groups[0], groups[999]), (1_000, 1, 1_499));
    assert!(
        groups
            .windows(2)
            .all(|pair| pair[0] < pair[1] && pair[1] - pair[0] <= 2)
    );
}

pub(super) async fn changes_are_counted_by_day_and_kind(store: Arc<dyn Store>, hands: Hands) {
    let directory = directory("changes");
    start(&*store, "run-1").await;
    let lease = lease(&*store, &directory, "run-1").await;
    let mut intents: Vec<Intent> = (0..4).map(intent).collect();
    intents[3].operation = "{\"do\":\"remove-member\"}".to_owned();
    intents.push(Intent {
        group: "g".to_owned(),
        operation: "no JSON at all".to_owned(),
    });
    let ids = store.intend(&directory, "run-1", &lease, &intents).await.unwrap();
    let settle = async |intent: u64, settlement: Settlement| {
        let outcome = Outcome {
            intent,
            settlement,
            status: None,
            reason: None,
            request_id: None,
            effects: Vec::new(),
        };
        store.settle(&directory, &[outcome]).await.unwrap();
    };
    let since = hands.now();
    settle(ids[0], Settlement::Applied).await;
    settle(ids[1], Settlement::Already).await;
    settle(ids[4], Settlement::Applied).await;
    hands.forward(Duration::days(1));
    settle(ids[2], Settlement::Applied).await;
    settle(ids[3], Settlement::Applied).await;
    let id = ConnectionId::new("default", "google");
    let (first, second) = (since.date_naive(), hands.now().date_naive());
    let count = |day, kind: &str| ChangeCount {
        day,
        kind: kind.to_owned(),
        count: 1,
    };
    let later = [count(second, "add-member"), count(second, "remove-member")];
    let all = [&[count(first, "add-member")], &later[..]].concat();
    assert_eq!(store.changes_per_day(&id, since).await.unwrap(), all);
    assert_eq!(store.changes_per_day(&id, hands.now()).await.unwrap(), later);
    let other = ConnectionId::new("acme", "google");
    assert_eq!(store.changes_per_day(&other, since).await.unwrap(), []);
}
