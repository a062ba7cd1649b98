//! R45: undo is a plan like any other, and what was undone is not done again by the next run.

use groupcast::run::{Selection, SyncOutcome};
use groupcast_guest::plan::part::Operation;
use groupcast_tests::{BOTH, Lab, Target, part, people, user};
use tokio_util::sync::CancellationToken;

use crate::support::{exported, ledger, sales};

async fn undo(lab: &Lab, target: Target, run: &str) -> groupcast::run::PlanOutcome {
    let _ = target;
    lab.groupcast()
        .await
        .undo(run, &CancellationToken::new())
        .await
        .unwrap_or_else(|failure| panic!("{failure}"))
}

/// The target group of `Sales` as an administrator sees it: name, description, people.
fn seen(lab: &Lab, target: Target) -> (String, String, Vec<String>) {
    let mut group = match target {
        Target::Google => {
            let group = lab.google_group("sales@example.com").unwrap();
            let members: Vec<String> = group.members.iter().map(|member| member.id.clone()).collect();
            (group.name, group.description, members)
        }
        Target::Entra => lab.entra(|entra| {
            let groups = entra.tenant().groups;
            assert_eq!(groups.len(), 1);
            let group = groups[0].clone();
            let members: Vec<String> = group.members.iter().map(|member| member.id.clone()).collect();
            (group.display_name, group.description.unwrap_or_default(), members)
        }),
    };
    group.2.sort();
    group
}

#[tokio::test(flavor = "multi_thread")]
async fn r45_an_undo_is_shown_applied_and_leaves_the_world_as_it_was_and_the_directory_plan_only() {
    for target in BOTH {
        let (lab, id) = exported(target).await;
        let (before, ledger_before) = (seen(&lab, target), ledger(&lab, target).await);
        lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(0)));
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(4)));
        lab.jumpcloud(|jumpcloud| jumpcloud.rename_group(&id, "Sales Europe"));
        lab.jumpcloud(|jumpcloud| jumpcloud.set_group_description(&id, Some("All of them")));
        let outcome = lab.sync(target).await;
        let SyncOutcome::Applied { apply, .. } = outcome else {
            panic!("{target:?}: {outcome:#?}");
        };
        assert_ne!(seen(&lab, target), before);
        lab.simulators.clear_requests();

        let plan = undo(&lab, target, &apply.run).await;
        assert_eq!(lab.simulators.requests(), Vec::new(), "{target:?}: a plan only");
        let back = part(&plan, "Sales Europe");
        let (mut adds, mut takes, mut updates) = (0, 0, 0);
        for operation in &back.operations {
            match operation {
                Operation::AddMember { .. } => adds += 1,
                Operation::RemoveMember { .. } => takes += 1,
                Operation::UpdateGroup { .. } => updates += 1,
                Operation::CreateGroup { .. } => panic!("{back:#?}"),
            }
        }
        assert_eq!((adds, takes, updates), (1, 1, 1), "{target:?}: {back:#?}");

        lab.apply(target, &plan.plan.hash, Selection::default())
            .await
            .unwrap();
        assert_eq!(seen(&lab, target), before, "{target:?}: the world is as before");
        let people_of = |ledger: &[(groupcast::ledger::Binding, Vec<groupcast::ledger::Membership>)]| {
            ledger[0]
                .1
                .iter()
                .map(|row| row.principal.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            people_of(&ledger(&lab, target).await),
            people_of(&ledger_before),
            "{target:?}"
        );

        // The source still says otherwise, and nobody does it again by itself.
        lab.simulators.clear_requests();
        for _ in 0..2 {
            let outcome = lab.sync(target).await;
            assert!(
                matches!(outcome, SyncOutcome::Planned { .. }),
                "{target:?}: {outcome:#?}"
            );
        }
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
        assert_eq!(seen(&lab, target), before, "{target:?}");
        // Until somebody wants it.
        lab.plan_and_apply(target).await;
        assert_eq!(seen(&lab, target).0, "Sales Europe");
        if target == Target::Google {
            assert_eq!(sales(&lab, target), people(&[1, 2, 3, 4]));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r45_undoing_the_first_export_takes_its_members_out_and_deletes_nothing() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        lab.group("Sales", Some("sales@example.com"), &[0, 1]);
        let (_, first) = lab.plan_and_apply(target).await;
        let plan = undo(&lab, target, &first.run).await;
        lab.apply(target, &plan.plan.hash, Selection::default())
            .await
            .unwrap();
        assert_eq!(
            sales(&lab, target),
            people(&[]),
            "{target:?}: the group stays, empty"
        );
        let outcome = lab.sync(target).await;
        assert!(
            matches!(outcome, SyncOutcome::Planned { .. }),
            "{target:?}: {outcome:#?}"
        );
        assert_eq!(sales(&lab, target), people(&[]), "{target:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r45_an_undo_takes_out_nobody_who_was_there_before_and_refuses_runs_that_did_nothing() {
    for target in BOTH {
        let (lab, id) = exported(target).await;
        // 4 is put in by hand, then joins in the source: adopted, never ours.
        crate::support::put_by_hand(&lab, target, "Sales", "sales@example.com", 4);
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(4)));
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(5)));
        let outcome = lab.sync(target).await;
        let SyncOutcome::Applied { apply, plan } = outcome else {
            panic!("{target:?}: {outcome:#?}");
        };
        let back = undo(&lab, target, &apply.run).await;
        lab.apply(target, &back.plan.hash, Selection::default())
            .await
            .unwrap();
        assert_eq!(sales(&lab, target), people(&[0, 1, 2, 3, 4]), "{target:?}");
        let groupcast = lab.groupcast().await;
        for run in [plan.run.as_str(), "no-such-run"] {
            let refused = groupcast.undo(run, &CancellationToken::new()).await;
            assert!(refused.is_err(), "{target:?}: {run}: {refused:#?}");
        }
    }
}
