//! The suite's test of U+0000, which one database keeps in a text and the other does not.

use super::ledger::{membership, outcome};
use super::*;
use crate::ledger::Settlement;

/// A vendor's answer may have it in any text. PostgreSQL keeps none, SQLite does: both are held to one thing.
pub(super) async fn r47_a_text_with_u0000_is_shown_without_it_and_names_nothing(
    store: Arc<dyn Store>,
    _: Hands,
) {
    let directory = directory("zero");
    start(&*store, "run-1").await;
    let lease = lease(&*store, &directory, "run-1").await;
    let ids = store
        .intend(&directory, "run-1", &lease, &[intent(0), intent(1)])
        .await
        .unwrap();
    // Words are kept: what is settled at the vendor must be settled here.
    let mut named = membership("g", "t", "p");
    named.address = "al\0ice@example.com".to_owned();
    let mut refused = outcome(ids[0], Settlement::Refused, vec![Effect::PutMembership(named)]);
    refused.reason = Some("no such\0member".to_owned());
    refused.request_id = Some("\0".to_owned());
    store.settle(&directory, &[refused]).await.unwrap();
    let query = OutcomeQuery::OfRun {
        run: "run-1".to_owned(),
        after: 0,
    };
    let kept = store.outcomes(&directory, &query).await.unwrap();
    assert_eq!(kept[0].reason.as_deref(), Some("no such\u{2400}member"));
    assert_eq!(kept[0].request_id.as_deref(), Some("\u{2400}"));
    let people = store.memberships(&directory, "g", None).await.unwrap().items;
    assert_eq!(people[0].address, "al\u{2400}ice@example.com");
    let end = RunEnd::new(RunResult::Failed, "group Sa\0les");
    store
        .end_run("run-1", &end, &serde_json::json!({ "a": "\0" }))
        .await
        .unwrap();
    let run = store.run("run-1").await.unwrap().unwrap();
    assert_eq!(run.end.unwrap().message, "group Sa\u{2400}les");
    assert_eq!(run.counters["a"], "\0", "JSON has its own way to write it");

    // Names are refused, with what they are of, and nothing is kept of the call.
    let zero = || "g\0".to_owned();
    let mut key = binding("g", "t");
    key.key = zero();
    let mut user = membership("g", "t", "p");
    user.user = Some(zero());
    for (effect, of) in [
        (Effect::Bind(binding("g\0", "t")), "a binding"),
        (Effect::Bind(key), "a binding"),
        (Effect::Unbind(zero()), "a binding"),
        (Effect::PutMembership(membership("g", "t", "p\0")), "a membership"),
        (Effect::PutMembership(user), "a membership"),
        (
            Effect::DropMembership {
                group: "g".to_owned(),
                target: zero(),
                principal: "p".to_owned(),
            },
            "a membership",
        ),
    ] {
        let refused = store
            .amend(&directory, &[Effect::Unbind("g".to_owned()), effect.clone()])
            .await;
        assert!(
            matches!(refused, Err(StoreError::Unstorable { what }) if what == of),
            "{effect:?}: {refused:?}"
        );
        let settled = store
            .settle(
                &directory,
                &[outcome(ids[1], Settlement::Applied, vec![effect.clone()])],
            )
            .await;
        assert!(
            matches!(settled, Err(StoreError::Unstorable { .. })),
            "{effect:?}: {settled:?}"
        );
    }
    assert_eq!(store.unsettled(&directory, 0).await.unwrap().len(), 1);
    let state = store.state_put(&directory, "k\0", b"v", None).await;
    assert!(matches!(state, Err(StoreError::Unstorable { .. })), "{state:?}");
}
