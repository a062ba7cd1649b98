//! What a first export needs, in any order (R1, R3, R4), and who counts as a user of a group (R5).

use groupcast_guest::plan::part::GroupState;
use groupcast_simulators::jumpcloud;
use groupcast_tests::{GOOGLE_DIRECTORY, Lab, Target, codes, part, people, user};

use crate::looking::{as_members, groups, joins, members, mutations, nothing_left_to_do, resting_state};

/// Plans and applies whatever there is, and holds that nothing was written and nothing came to be in Google.
async fn exports_nothing(lab: &Lab, code: &str) -> GroupState {
    lab.simulators.clear_requests();
    let before = groups(lab);
    let plan = lab.plan(Target::Google).await;
    let sales = part(&plan, "Sales");
    assert!(
        codes(sales).contains(&code),
        "the plan must say {code}: {sales:#?}"
    );
    assert!(
        sales.reasons.iter().all(|reason| reason.code == code),
        "that one condition alone is missing: {sales:#?}"
    );
    lab.sync(Target::Google).await;
    assert_eq!(lab.all_writes(), Vec::<String>::new(), "{code}");
    assert_eq!(groups(lab), before, "{code}");
    resting_state(sales)
}

/// A lab in which another group was approved and applied before, so that a run may write by itself: what is not
/// exported is not for want of an approval.
async fn active() -> Lab {
    let mut lab = Lab::new().await;
    lab.group("Other", Some("other@example.com"), &[7]);
    lab.plan_and_apply(Target::Google).await;
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_without_a_binding_nothing_is_exported_and_with_one_it_is() {
    let mut lab = active().await;
    let id = lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    lab.jumpcloud(|jumpcloud| jumpcloud.unbind_group(&id, GOOGLE_DIRECTORY));
    assert_eq!(
        exports_nothing(&lab, "not-bound").await,
        GroupState::NotExportable
    );

    lab.jumpcloud(|jumpcloud| jumpcloud.bind_group(&id, GOOGLE_DIRECTORY));
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, "sales@example.com"), as_members(&[0, 1]));
    nothing_left_to_do(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_r3_without_an_email_nothing_is_exported_and_an_email_set_later_starts_the_export() {
    let mut lab = active().await;
    let id = lab.group("Sales", None, &[0, 1]);
    lab.simulators.clear_requests();
    let plan = lab.plan(Target::Google).await;
    let sales = part(&plan, "Sales");
    assert!(codes(sales).contains(&"no-email"), "{sales:#?}");
    assert_eq!(resting_state(sales), GroupState::AtRisk);
    lab.sync(Target::Google).await;
    assert_eq!(lab.all_writes(), Vec::<String>::new());
    assert_eq!(groups(&lab).len(), 1, "the other group alone");

    for blank in ["", "  "] {
        lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&id, Some(blank)));
        lab.sync(Target::Google).await;
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "blanks are no email");
    }

    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&id, Some("sales@example.com")));
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, "sales@example.com"), as_members(&[0, 1]));
    nothing_left_to_do(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_where_management_is_off_nothing_is_exported_and_once_it_is_on_it_is() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    lab.set(Target::Google, "managed", false);
    assert_eq!(
        exports_nothing(&lab, "not-managed").await,
        GroupState::NotExportable
    );

    lab.set(Target::Google, "managed", true);
    lab.plan_and_apply(Target::Google).await;
    assert_eq!(members(&lab, "sales@example.com"), as_members(&[0, 1]));
    nothing_left_to_do(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_r4_an_empty_group_that_was_never_exported_is_not_created_and_its_first_user_creates_it() {
    let mut lab = active().await;
    let id = lab.group("Sales", Some("sales@example.com"), &[]);
    assert_eq!(exports_nothing(&lab, "no-users").await, GroupState::NotExportable);

    joins(&lab, &id, 0);
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, "sales@example.com"), as_members(&[0]));
    nothing_left_to_do(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_a_group_of_empty_groups_is_empty() {
    let mut lab = active().await;
    let id = lab.group("Sales", Some("sales@example.com"), &[]);
    let inner = lab.group("Inner", None, &[]);
    lab.jumpcloud(|jumpcloud| {
        jumpcloud.unbind_group(&inner, GOOGLE_DIRECTORY)?;
        jumpcloud.nest(&id, &inner)
    });
    assert_eq!(exports_nothing(&lab, "no-users").await, GroupState::NotExportable);
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_users_of_nested_groups_are_exported_each_once_even_in_a_circle() {
    let mut lab = Lab::new().await;
    let outer = lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    let middle = lab.group("Middle", None, &[1, 2]);
    let inner = lab.group("Inner", None, &[3]);
    lab.jumpcloud(|jumpcloud| {
        for group in [&middle, &inner] {
            jumpcloud.unbind_group(group, GOOGLE_DIRECTORY)?;
        }
        jumpcloud.nest(&outer, &middle)?;
        jumpcloud.nest(&middle, &inner)?;
        jumpcloud.nest(&inner, &outer)
    });
    lab.plan_and_apply(Target::Google).await;
    assert_eq!(members(&lab, "sales@example.com"), as_members(&[0, 1, 2, 3]));
    assert_eq!(
        groups(&lab).len(),
        1,
        "nested groups are not exported for themselves"
    );
    nothing_left_to_do(&lab).await;

    // Somebody who is reached in two ways stays until both are gone.
    lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&middle, &user(1)));
    nothing_left_to_do(&lab).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.un_nest(&middle, &inner));
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, "sales@example.com"), as_members(&[0, 1, 2]));
    nothing_left_to_do(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_somebody_whom_google_does_not_know_waits_visibly_and_is_added_once_there() {
    let mut lab = Lab::new().await;
    let id = lab.group("Sales", Some("sales@example.com"), &[0]);
    let newcomer = user(900);
    lab.jumpcloud(|jumpcloud| {
        jumpcloud.create_user(jumpcloud::User {
            id: newcomer.clone(),
            username: "newcomer".to_owned(),
            email: Some("newcomer@example.com".to_owned()),
            directories: vec![GOOGLE_DIRECTORY.to_owned()],
            ..jumpcloud::User::default()
        })?;
        jumpcloud.add_user_to_group(&id, &newcomer)
    });
    let (plan, _) = lab.plan_and_apply(Target::Google).await;
    let sales = part(&plan, "Sales");
    assert_eq!(sales.waiting.len(), 1, "{sales:#?}");
    assert_eq!(sales.waiting[0].user, newcomer);
    assert_eq!(sales.waiting[0].reason.code, "awaiting-user");
    assert_eq!(
        lab.people(Target::Google, "Sales", "sales@example.com"),
        people(&[0])
    );
    nothing_left_to_do(&lab).await;
    let again = lab.plan(Target::Google).await;
    assert_eq!(part(&again, "Sales").waiting.len(), 1, "still visible");

    lab.google(|google| {
        google.create_user(groupcast_simulators::google::tenant::User {
            id: "199".to_owned(),
            primary_email: "newcomer@example.com".to_owned(),
            aliases: Vec::new(),
            suspended: false,
            name: "New Comer".to_owned(),
        });
    });
    lab.simulators.clear_requests();
    let outcome = lab.sync(Target::Google).await;
    assert_eq!(mutations(&lab).len(), 1, "{outcome:#?}");
    assert!(members(&lab, "sales@example.com").contains_key("newcomer@example.com"));
    nothing_left_to_do(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_a_group_of_nobody_but_unknown_people_is_created_and_shows_them_waiting() {
    let mut lab = Lab::new().await;
    let id = lab.group("Sales", Some("sales@example.com"), &[]);
    lab.jumpcloud(|jumpcloud| {
        jumpcloud.create_user(jumpcloud::User {
            id: user(901),
            username: "nobody".to_owned(),
            email: Some("nobody@example.com".to_owned()),
            directories: vec![GOOGLE_DIRECTORY.to_owned()],
            ..jumpcloud::User::default()
        })?;
        jumpcloud.add_user_to_group(&id, &user(901))
    });
    let (plan, _) = lab.plan_and_apply(Target::Google).await;
    assert_eq!(part(&plan, "Sales").waiting[0].reason.code, "awaiting-user");
    assert_eq!(members(&lab, "sales@example.com"), as_members(&[]));
    nothing_left_to_do(&lab).await;
}
