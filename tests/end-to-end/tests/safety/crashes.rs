//! R46, R47: cut off anywhere, the next run finishes the work: no group twice, nobody lost, the ledger as the target.

use std::time::Duration;

use groupcast::ledger::Intent;
use groupcast::run::{ApplyOutcome, RunFailure, Selection};
use groupcast::store::{LeaseAnswer, LeaseStore, LedgerStore, NewRun, RunKind, RunStore};
use groupcast_guest::plan::part::{GroupRef, Operation};
use groupcast_simulators::Vendor;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_tests::{BOTH, Lab, Target, people, user};
use tokio_util::sync::CancellationToken;

use crate::support::{
    directory, exported, groups, heal, leased, ledger, ledger_agrees, rule, sales, store, strike, writes_of,
};

/// Every group at the target with its people is what JumpCloud has, there is nothing left to do, and doing it again
/// writes nothing.
async fn in_step(lab: &Lab, target: Target, what: &str) {
    let wanted = lab.jumpcloud(|jumpcloud| Ok::<_, ()>(jumpcloud.organisation().groups.clone()));
    for group in &wanted {
        let users = (0..8).filter(|number| group.users.contains(&user(*number)));
        assert_eq!(
            lab.people(target, &group.name, group.email.as_deref().unwrap_or_default()),
            people(&users.collect::<Vec<_>>()),
            "{what}, {target:?}: {}",
            group.name
        );
    }
    assert_eq!(
        groups(lab, target),
        wanted.len(),
        "{what}, {target:?}: no group twice"
    );
    ledger_agrees(lab, target).await;
    lab.simulators.clear_requests();
    lab.sync(target).await;
    assert_eq!(lab.all_writes(), Vec::<String>::new(), "{what}, {target:?}: R46");
}

/// Plans, and applies until so many requests reached the target; then the run is cancelled.
async fn cut_off(lab: &Lab, target: Target, after: usize) -> Result<ApplyOutcome, RunFailure> {
    let plan = lab.plan(target).await;
    lab.simulators.clear_requests();
    let groupcast = lab.groupcast().await;
    let cancel = CancellationToken::new();
    let connection = target.connection();
    let run = groupcast.apply(&connection, &plan.plan.hash, Selection::default(), &cancel);
    let watch = async {
        loop {
            let seen = lab
                .simulators
                .requests()
                .iter()
                .filter(|request| request.vendor == target.vendor() && !request.path.ends_with("token"))
                .count();
            if seen >= after {
                cancel.cancel();
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::pin!(run);
    tokio::select! {
        outcome = &mut run => outcome,
        () = watch => run.await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r47_cut_off_after_any_number_of_requests_the_next_run_converges() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        let grown = lab.group("Grown", Some("grown@example.com"), &[0, 1, 2]);
        lab.plan_and_apply(target).await;
        let mut cut = 0;
        for after in 0..14 {
            // Creations, additions and removals are all on the way.
            let name = format!("New {after}");
            lab.group(
                &name,
                Some(&format!("new-{after}@example.com")),
                &[after % 8, (after + 1) % 8],
            );
            let (comes, goes) = ((after + 3) % 8, after % 8);
            lab.jumpcloud(|jumpcloud| {
                jumpcloud
                    .add_user_to_group(&grown, &user(comes))
                    .or(Ok::<_, ()>(()))
            });
            lab.jumpcloud(|jumpcloud| {
                jumpcloud
                    .remove_user_from_group(&grown, &user(goes))
                    .or(Ok::<_, ()>(()))
            });
            let outcome = cut_off(&lab, target, after).await;
            cut += usize::from(outcome.is_err());
            lab.plan_and_apply(target).await;
            in_step(&lab, target, &format!("cut off after {after}")).await;
        }
        assert!(cut >= 6, "{target:?}: only {cut} runs were cut off");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r47_the_same_plan_goes_on_where_it_was_cut_off() {
    for target in BOTH {
        for after in [3, 5, 7] {
            let mut lab = Lab::new().await;
            for number in 0..3 {
                lab.group(
                    &format!("Group {number}"),
                    Some(&format!("group-{number}@example.com")),
                    &[number, 7],
                );
            }
            let plan = lab.plan(target).await;
            let first = cut_off(&lab, target, after).await;
            if first.is_err() {
                let second = lab
                    .apply(target, &plan.plan.hash, Selection::default())
                    .await
                    .unwrap_or_else(|failure| panic!("{after}, {target:?}: {failure}"));
                assert_eq!(
                    (second.report.failed, &second.report.moved),
                    (0, &Vec::new()),
                    "{after}, {target:?}: {second:#?}"
                );
            }
            in_step(&lab, target, &format!("the same plan after {after}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r47_a_connection_that_breaks_after_a_write_took_effect_writes_nothing_twice() {
    for target in BOTH {
        for (kind, (method, path)) in writes_of(target).into_iter().enumerate() {
            for fault in [
                Fault::ResetAfter,
                Fault::AnswerAfter {
                    status: 503,
                    body: "{}".to_owned(),
                },
                Fault::ResetBefore,
                Fault::Truncate { after: 3 },
            ] {
                let (mut lab, id) = exported(target).await;
                lab.group("Support", Some("support@example.com"), &[5, 6]);
                lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(4)));
                lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(0)));
                strike(
                    &lab,
                    Rule {
                        times: Some(1),
                        ..rule(target.vendor(), method, path, fault.clone())
                    },
                );
                let cancel = CancellationToken::new();
                let first = lab
                    .groupcast()
                    .await
                    .sync(
                        &target.connection(),
                        groupcast_guest::engine::Extent::Changes,
                        &cancel,
                    )
                    .await;
                heal(&lab);
                let second = lab
                    .groupcast()
                    .await
                    .sync(
                        &target.connection(),
                        groupcast_guest::engine::Extent::Changes,
                        &cancel,
                    )
                    .await;
                assert!(
                    second.is_ok(),
                    "{kind} {fault:?}, {target:?}: {first:#?} {second:#?}"
                );
                in_step(&lab, target, &format!("write {kind}, {fault:?}")).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r47_a_whole_batch_whose_answer_is_lost_is_read_back() {
    for target in BOTH {
        let path = match target {
            Target::Google => "/batch/**",
            Target::Entra => "/v1.0/$batch",
        };
        for skip in 0..4 {
            let (mut lab, id) = exported(target).await;
            for name in ["one", "two", "three"] {
                lab.group(name, Some(&format!("{name}@example.com")), &[4, 5, 6]);
            }
            for number in [0, 1] {
                lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(number)));
            }
            let plan = lab.plan(target).await;
            strike(
                &lab,
                Rule {
                    skip,
                    times: Some(1),
                    ..rule(target.vendor(), "POST", path, Fault::ResetAfter)
                },
            );
            let first = lab.apply(target, &plan.plan.hash, Selection::default()).await;
            heal(&lab);
            if let Ok(first) = &first {
                assert_eq!(first.report.failed, 0, "{skip}, {target:?}: {first:#?}");
            }
            lab.plan_and_apply(target).await;
            in_step(&lab, target, &format!("batch {skip}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r47_r48_a_process_that_dies_gives_its_directory_back_by_itself() {
    for target in BOTH {
        let (lab, id) = exported(target).await;
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(4)));
        let plan = lab.plan(target).await;
        let (method, path) = writes_of(target)[1];
        strike(
            &lab,
            rule(target.vendor(), method, path, Fault::Delay { ms: 60_000 }),
        );
        let groupcast = lab.groupcast().await;
        let task = tokio::spawn(async move {
            groupcast
                .apply(
                    &target.connection(),
                    &plan.plan.hash,
                    Selection::default(),
                    &CancellationToken::new(),
                )
                .await
        });
        while lab.writes(target.vendor()).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        heal(&lab);
        // Dropped is not renewed: what it holds runs out, whoever of the process lives on.
        let free_at = held_until(&lab, target).await;
        tokio::time::sleep(Duration::from_secs(17)).await;
        // Each answer is told by the caller's own clock, so two of them are alike to some milliseconds.
        let moved = held_until(&lab, target).await - free_at;
        assert!(
            moved.abs() < chrono::TimeDelta::seconds(1),
            "{target:?}: renewed by nobody, and moved by {moved}"
        );
        let open = LedgerStore::unsettled(&store(&lab).await, &directory(target), 0)
            .await
            .unwrap();
        assert_eq!(open.len(), 1, "the write was intended and never answered for");
        assert_eq!(ledger(&lab, target).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r47_what_a_dead_run_left_open_is_settled_even_where_nothing_is_left_to_do() {
    for target in BOTH {
        let (lab, _) = exported(target).await;
        let (binding, memberships) = ledger(&lab, target).await.remove(0);
        let member = &memberships[0];
        let operation = Operation::AddMember {
            group: GroupRef::Id(binding.target.clone().unwrap()),
            principal: member.principal.clone(),
            user: member.user.clone().unwrap(),
            address: member.address.clone(),
        };
        let (store, directory) = (store(&lab).await, directory(target));
        let dead = NewRun {
            id: "dead".to_owned(),
            connection: target.connection(),
            kind: RunKind::Apply,
            plan: None,
        };
        store.start_run(&dead).await.unwrap();
        let second = chrono::Duration::seconds(1);
        let LeaseAnswer::Granted(lease) = store
            .acquire_lease(&directory, "dead", second, second)
            .await
            .unwrap()
        else {
            panic!("the directory is free");
        };
        let intent = Intent {
            group: binding.group.clone(),
            operation: operation.to_json(),
        };
        store.intend(&directory, "dead", &lease, &[intent]).await.unwrap();
        store.release_lease(&lease).await.unwrap();

        lab.simulators.clear_requests();
        lab.sync(target).await;
        assert_eq!(store.unsettled(&directory, 0).await.unwrap(), [], "{target:?}");
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
        ledger_agrees(&lab, target).await;
    }
}

/// Until when somebody else holds the directory, as the store says it to whoever asks.
async fn held_until(lab: &Lab, target: Target) -> chrono::DateTime<chrono::Utc> {
    let plan = lab.plan(target).await.plan;
    let life = plan.expires - plan.created;
    let asked = store(lab)
        .await
        .acquire_lease(&leased(lab, target), "somebody else", life, life)
        .await
        .unwrap();
    match asked {
        LeaseAnswer::Held { free_at, .. } => free_at,
        granted @ LeaseAnswer::Granted(_) => panic!("{granted:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r46_runs_without_changes_write_nothing_however_often() {
    for target in BOTH {
        let (lab, _) = exported(target).await;
        for _ in 0..3 {
            lab.sync(target).await;
            lab.plan_and_apply(target).await;
        }
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
        assert_eq!(sales(&lab, target), people(&[0, 1, 2, 3]));
        assert_eq!(lab.writes(Vendor::Jumpcloud), Vec::<String>::new());
    }
}
