//! What every store must do, as one suite: a new store is right when it passes this, unchanged.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Duration, Utc};

use super::*;

mod audit;
mod concurrent;
mod history;
mod identity;
mod jobs;
mod ledger;
mod maintenance;
mod plans;
mod runs;
mod sealed;
mod tenancy;
mod zero;

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
            let began = std::time::Instant::now();
            $test(store, hands).await;
            eprintln!("suite: {} took {:?}", stringify!($test), began.elapsed());
        )*};
    }
    each!(
        ledger::bindings_come_in_pages_ascending_by_code_point,
        ledger::memberships_come_in_pages_and_only_of_their_group,
        ledger::what_is_exported_is_counted_where_it_lies,
        ledger::r47_an_intent_is_open_until_it_is_settled_and_only_once,
        ledger::a_settlement_and_its_effects_are_kept_together_or_not_at_all,
        ledger::the_last_effect_on_a_key_wins,
        zero::r47_a_text_with_u0000_is_shown_without_it_and_names_nothing,
        ledger::one_directory_never_sees_another,
        runs::r48_a_run_without_its_lease_intends_nothing,
        runs::r48_one_holder_at_a_time_and_tokens_only_grow,
        runs::r48_a_successor_waits_for_the_longest_request,
        ledger::fifty_thousand_intents_and_settlements_are_quick,
        ledger::limits_of_the_contract_are_kept,
        ledger::outcomes_tell_why_and_what_to_undo,
        runs::state_compares_before_it_sets,
        runs::runs_begin_and_end_once,
        runs::runs_are_listed_page_by_page_and_none_twice,
        plans::r44_a_plan_is_given_back_byte_for_byte,
        plans::r44_only_what_was_approved_is_given,
        plans::r44_the_same_plan_again_keeps_its_approvals,
        plans::r44_releasing_what_is_held_makes_a_new_plan,
        plans::r44_an_old_plan_cannot_be_approved_or_applied,
        plans::a_plan_with_a_wrong_part_is_refused,
        plans::expired_plans_are_forgotten_with_their_bytes,
        runs::lists_ask_for_many_connections_at_once,
        runs::r44_a_new_connection_is_plan_only,
        runs::r38_switching_management_on_again_asks_for_approval,
        tenancy::a_change_says_which_version_it_saw,
        tenancy::a_directory_belongs_to_a_tenant_that_exists,
        tenancy::tenants_and_directories_come_ascending_and_in_pages,
        tenancy::the_tenancys_version_grows_with_each_change_and_with_nothing_else,
        tenancy::r44_what_a_tenant_had_goes_with_it_and_its_next_namesake_is_plan_only,
        tenancy::a_tenant_sees_its_own_plugins_only,
        tenancy::all_plugins_are_listed_by_digest_the_hosts_first,
        tenancy::a_due_run_is_taken_once_and_never_again,
        tenancy::a_pause_and_runs_that_end_at_one_moment_undo_nothing_of_each_other,
        identity::a_token_is_found_by_its_hash_and_revoked_once,
        identity::a_tokens_last_use_is_kept_to_a_minute,
        identity::a_subject_has_one_role_a_tenant,
        identity::a_session_ends_when_it_expires,
        audit::entries_are_numbered_without_gaps_and_chained,
        audit::entries_are_found_by_tenant_action_and_subject,
        audit::many_writers_leave_one_chain,
        jobs::a_job_is_unfinished_until_it_has_ended,
        jobs::a_job_that_is_to_end_is_known_to_everybody_until_it_has,
        jobs::a_repeated_request_gets_the_first_ones_answer,
        sealed::a_key_takes_the_place_of_the_one_that_was_seen,
        sealed::a_secret_takes_the_place_of_the_one_that_was_seen,
        history::one_sample_an_hour_is_kept_and_a_thousand_are_shown,
        history::changes_are_counted_by_day_and_kind,
        maintenance::what_is_restored_is_what_was_there_and_plan_only,
        maintenance::an_apply_that_was_asked_for_before_a_backup_does_not_begin_after_it,
        maintenance::a_damaged_backup_is_refused_and_changes_nothing,
        maintenance::a_backup_is_of_one_moment_while_others_write,
        maintenance::what_is_old_is_forgotten_and_what_is_needed_stays,
        concurrent::r48_of_many_who_ask_one_gets_the_lease,
        concurrent::r47_whoever_takes_a_lease_over_finds_every_intent_of_the_one_before,
        concurrent::r47_intents_of_many_directories_have_ids_of_their_own,
        concurrent::r47_of_two_who_settle_one_does,
        concurrent::r38_one_of_many_sees_management_switched_on,
        concurrent::r44_plans_of_the_same_content_made_and_dropped_at_once_keep_theirs,
        concurrent::r44_a_plan_is_applied_once,
        concurrent::a_thousand_directories_are_listed_quickly,
    );
}

pub use maintenance::{all_columns, fill, highest_intent, intends_once_more};

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

/// A tenant of this name.
pub fn a_tenant(name: &str) -> service::TenantRecord {
    tenancy::tenant(name)
}

/// What a run does: a plan, its approval, intents and their settling, under a lease.
pub async fn work_of_a_run(store: &dyn Store, directory: &DirectoryKey, connection: &ConnectionId) {
    store.see_managed(connection, true).await.unwrap();
    store.claim_due(connection, Utc::now()).await.unwrap();
    let lease = lease(store, directory, "run-1").await;
    let plan = plans::seal(store, "run-1", &plans::three()).await;
    store
        .approve(&plan.directory, &plan.hash, &Parts::All, "alice")
        .await
        .unwrap();
    let ids = store
        .intend(directory, "run-1", &lease, &[intent(1)])
        .await
        .unwrap();
    let outcome = Outcome {
        intent: ids[0],
        settlement: crate::ledger::Settlement::Applied,
        status: None,
        reason: None,
        request_id: None,
        effects: vec![Effect::Bind(binding("g", "t"))],
    };
    store.settle(directory, &[outcome]).await.unwrap();
    store
        .mark_applied(&plan.directory, &plan.hash, "run-1")
        .await
        .unwrap();
    store
        .renew_lease(&lease, Duration::hours(1), Duration::zero())
        .await
        .unwrap();
    store.release_lease(&lease).await.unwrap();
    let end = RunEnd::new(RunResult::Done, "done");
    store
        .end_run("run-1", &end, &serde_json::json!({}))
        .await
        .unwrap();
    store.record_success(connection).await.unwrap();
}

/// So many entries in the audit log.
pub async fn audit_entries(store: &dyn Store, count: usize) {
    for _ in 0..count {
        store.append_audit(&entry("something.done")).await.unwrap();
    }
}

/// An entry of the audit log with this action.
pub fn entry(action: &str) -> service::NewAuditEntry {
    service::NewAuditEntry {
        actor: service::Actor {
            subject: "email:alice@example.com".to_owned(),
            name: "Alice".to_owned(),
            address: Some("192.0.2.7".to_owned()),
        },
        tenant: None,
        action: action.to_owned(),
        subject: "something".to_owned(),
        before: None,
        after: Some(serde_json::json!({"b": 1, "a": "x"})),
        request: Some("req-1".to_owned()),
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
