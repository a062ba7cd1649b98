//! When a directory counts as in step: the age of the last success is what an administrator's alarm hangs on, so what was
//! not read whole, and what was left out, is none.

use chrono::{DateTime, Utc};
use groupcast::run::{Selection, SyncOutcome};
use groupcast::store::ConnectionStore;
use groupcast_guest::plan::part::GroupState;
use groupcast_tests::{BOTH, Lab, Target, part, people, user};

use crate::support::{exported, heal, json, members_of, sales, store, strike};

async fn last_success(lab: &Lab, target: Target) -> DateTime<Utc> {
    let record = store(lab).await.connection(&target.connection()).await.unwrap();
    record.last_success.expect("it was in step once")
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_an_apply_beside_a_group_that_could_not_be_read_whole_is_no_success() {
    for target in BOTH {
        let (mut lab, sales_id) = exported(target).await;
        let other = lab.group("Other", Some("other@example.com"), &[5]);
        lab.plan_and_apply(target).await;
        let before = last_success(&lab, target).await;
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&sales_id, &user(4)));
        strike(&lab, members_of(&other, json(500, "{}")));
        let outcome = lab.sync(target).await;
        let SyncOutcome::Applied { plan, .. } = &outcome else {
            panic!("{target:?}: {outcome:#?}");
        };
        assert_eq!(part(plan, "Other").state, GroupState::Frozen, "{target:?}");
        assert_eq!(
            sales(&lab, target),
            people(&[0, 1, 2, 3, 4]),
            "{target:?}: the rest goes on"
        );
        assert_eq!(last_success(&lab, target).await, before, "{target:?}");
        heal(&lab);
        lab.sync(target).await;
        assert!(last_success(&lab, target).await > before, "{target:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r44_an_apply_of_some_groups_of_a_plan_is_no_success() {
    for target in BOTH {
        let (mut lab, sales_id) = exported(target).await;
        let before = last_success(&lab, target).await;
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&sales_id, &user(4)));
        lab.group("Other", Some("other@example.com"), &[5]);
        let plan = lab.plan(target).await;
        let some = Selection {
            groups: Some(vec!["Sales".to_owned()]),
            ..Selection::default()
        };
        lab.apply(target, &plan.plan.hash, some).await.unwrap();
        assert_eq!(sales(&lab, target), people(&[0, 1, 2, 3, 4]), "{target:?}");
        assert_eq!(last_success(&lab, target).await, before, "{target:?}");
    }
}
