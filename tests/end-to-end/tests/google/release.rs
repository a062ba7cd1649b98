//! The email is taken away: the group and its memberships stop syncing; the same email resumes on the same target, another
//! one begins anew (R12).

use groupcast_guest::plan::part::{GroupState, TargetHow};
use groupcast_simulators::google::tenant::Role;
use groupcast_tests::{Lab, Target, address, codes, part};

use crate::looking::{
    as_members, creations, existing, exported, group_at, groups, joins, leaves, members, mutations,
    nothing_left_to_do, plain, plan_of_sales, removals, stays_so,
};

const SALES: &str = "sales@example.com";

/// Sales of 0, 1 and 2, exported, and its email taken away.
async fn released(lab: &mut Lab) -> String {
    let id = exported(lab, &[0, 1, 2]).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&id, None));
    let before = groups(lab);
    let (_, sales) = plan_of_sales(lab).await;
    assert_eq!(sales.state, GroupState::Released);
    assert!(codes(&sales).contains(&"email-removed"), "{sales:#?}");
    lab.sync(Target::Google).await;
    assert_eq!(lab.all_writes(), Vec::<String>::new());
    assert_eq!(groups(lab), before, "the target and its members stay as they are");
    stays_so(lab).await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_without_its_email_neither_the_group_nor_its_memberships_are_synced() {
    let mut lab = Lab::new().await;
    let id = released(&mut lab).await;
    leaves(&lab, &id, 0);
    joins(&lab, &id, 3);
    lab.jumpcloud(|jumpcloud| {
        jumpcloud.rename_group(&id, "Sales of old")?;
        jumpcloud.set_group_description(&id, Some("Changed"))
    });
    lab.google(|google| google.remove_member(SALES, &address(1)));
    stays_so(&lab).await;
    assert_eq!(members(&lab, SALES), as_members(&[0, 2]));
    assert_eq!(group_at(&lab, SALES).name, "Sales");
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_the_same_email_resumes_on_the_same_target_and_catches_up() {
    for same in ["sales@example.com", " Sales@Example.COM "] {
        let mut lab = Lab::new().await;
        let id = released(&mut lab).await;
        let target = group_at(&lab, SALES).id;
        leaves(&lab, &id, 0);
        joins(&lab, &id, 3);
        nothing_left_to_do(&lab).await;

        lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&id, Some(same)));
        let (_, sales) = plan_of_sales(&lab).await;
        let tie = sales.target.clone().unwrap();
        assert_eq!(
            (tie.id.as_deref(), tie.how),
            (Some(target.as_str()), TargetHow::Bound)
        );
        lab.sync(Target::Google).await;
        assert_eq!(group_at(&lab, SALES).id, target);
        assert_eq!(members(&lab, SALES), as_members(&[1, 2, 3]), "{same:?}");
        assert_eq!(creations(&lab), 0);
        assert_eq!(
            removals(&lab).len(),
            1,
            "whom we added before the release, we may remove after it"
        );
        stays_so(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_a_different_email_starts_a_new_binding_and_leaves_the_old_group_untouched() {
    let mut lab = Lab::new().await;
    let id = released(&mut lab).await;
    let old = group_at(&lab, SALES);
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&id, Some("field@example.com")));
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, "field@example.com"), as_members(&[0, 1, 2]));
    assert_eq!(
        group_at(&lab, SALES),
        old,
        "not a move: the old group keeps everybody"
    );
    assert_eq!(removals(&lab), []);
    stays_so(&lab).await;

    // Nor does anything that happens later reach the old group.
    leaves(&lab, &id, 1);
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, "field@example.com"), as_members(&[0, 2]));
    assert_eq!(group_at(&lab, SALES), old);
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_r50_a_different_email_after_a_release_may_be_that_of_a_group_there_is() {
    let mut lab = Lab::new().await;
    let id = released(&mut lab).await;
    let old = group_at(&lab, SALES);
    lab.google(|google| {
        let mut members = plain(&[2, 5]);
        members.push(crate::looking::member(6, Role::Owner));
        google.create_group(existing("0field", "field@example.com", members));
    });
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&id, Some("field@example.com")));
    let plan = lab.plan(Target::Google).await;
    let tie = part(&plan, "Sales").target.clone().unwrap();
    assert_eq!(
        (tie.id.as_deref(), tie.how),
        (Some("0field"), TargetHow::Takeover)
    );
    lab.sync(Target::Google).await;
    let mut expected = as_members(&[0, 1, 2, 5]);
    expected.insert(address(6), Role::Owner);
    assert_eq!(members(&lab, "field@example.com"), expected);
    assert_eq!(group_at(&lab, SALES), old);
    assert!(
        mutations(&lab)
            .iter()
            .all(|request| request.path.contains("0field"))
    );
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_r51_the_target_of_a_released_group_is_kept_for_it() {
    let mut lab = Lab::new().await;
    let id = released(&mut lab).await;
    lab.group("Newcomers", Some(SALES), &[5]);
    let before = groups(&lab);
    let plan = lab.plan(Target::Google).await;
    assert_eq!(part(&plan, "Newcomers").state, GroupState::Conflict);
    stays_so(&lab).await;
    assert_eq!(groups(&lab), before);

    // The one that was there first resumes, and the newcomer goes on waiting.
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&id, Some(SALES)));
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, SALES), as_members(&[0, 1, 2]));
    let plan = lab.plan(Target::Google).await;
    assert_eq!(part(&plan, "Newcomers").state, GroupState::Conflict);
    stays_so(&lab).await;
}
