//! What every store must do, as one suite: a new store is right when it passes this, unchanged.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Duration, Utc};

use super::*;

mod ledger;
mod plans;
mod runs;

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
        ($($test:path),* $(,)?) => {$(
            let hands = Hands::new();
            let store = make(hands.clock()).await;
            eprintln!("suite: {}", stringify!($test));
            $test(store, hands).await;
        )*};
    }
    each!(
        ledger::bindings_come_in_pages_ascending_by_code_point,
        ledger::memberships_come_in_pages_and_only_of_their_group,
        ledger::r47_an_intent_is_open_until_it_is_settled_and_only_once,
        ledger::a_settlement_and_its_effects_are_kept_together_or_not_at_all,
        ledger::the_last_effect_on_a_key_wins,
        ledger::one_directory_never_sees_another,
        runs::r48_a_run_without_its_lease_intends_nothing,
        runs::r48_one_holder_at_a_time_and_tokens_only_grow,
        runs::r48_a_successor_waits_for_the_longest_request,
        ledger::fifty_thousand_intents_and_settlements_are_quick,
        ledger::limits_of_the_contract_are_kept,
        ledger::outcomes_tell_why_and_what_to_undo,
        runs::state_compares_before_it_sets,
        runs::runs_begin_and_end_once,
        plans::r44_a_plan_is_given_back_byte_for_byte,
        plans::r44_only_what_was_approved_is_given,
        plans::r44_the_same_plan_again_keeps_its_approvals,
        plans::r44_releasing_what_is_held_makes_a_new_plan,
        plans::r44_an_old_plan_cannot_be_approved_or_applied,
        plans::a_plan_with_a_wrong_part_is_refused,
        plans::expired_plans_are_forgotten_with_their_bytes,
        runs::r44_a_new_connection_is_plan_only,
        runs::r38_switching_management_on_again_asks_for_approval,
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

fn intent(number: usize) -> Intent {
    Intent {
        group: format!("g{:05}", number / 100),
        operation: format!("{{\"do\":\"add-member\",\"principal\":\"p{number}\"}}"),
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
