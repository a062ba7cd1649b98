//! What happens to members that the source does not want there, under each of the three policies (R10).

use groupcast_guest::plan::part::{GroupState, RemovalReason};
use groupcast_simulators::google::tenant::Role;
use groupcast_tests::{Lab, Target, address, changes};

use crate::looking::{
    as_members, existing, exported, foreign, google_id, group_at, joins, leaves, members, mutations,
    nothing_left_to_do, plain, plan_of_sales, planned_removals, removals, stays_so,
};

const SALES: &str = "sales@example.com";
const OUTSIDER: &str = "consultant@elsewhere.example";
const NESTED: &str = "contractors@example.com";

/// Somebody in Google adds a user (5), an owner (6), a manager (7), a nested group and somebody from outside.
fn somebody_tinkers(lab: &Lab) {
    lab.google(|google| {
        google.create_group(existing("0nested", NESTED, plain(&[4])));
        assert!(google.add_member(SALES, &address(5), Role::Member));
        assert!(google.add_member(SALES, &address(6), Role::Owner));
        assert!(google.add_member(SALES, &address(7), Role::Manager));
        assert!(google.add_member(SALES, NESTED, Role::Member));
        assert!(google.add_member(SALES, OUTSIDER, Role::Member));
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_managed_puts_back_what_is_ours_and_leaves_everything_foreign_alone() {
    let mut lab = Lab::new().await;
    exported(&mut lab, &[0, 1, 2]).await;
    somebody_tinkers(&lab);
    assert!(lab.google(|google| google.remove_member(SALES, &address(1))));

    let (_, sales) = plan_of_sales(&lab).await;
    assert_eq!(changes(&sales), (1, 0), "{sales:#?}");
    assert_eq!(
        foreign(&sales),
        [&address(5), &address(6), &address(7), NESTED, OUTSIDER]
            .map(|label: &str| label)
            .into()
    );
    lab.sync(Target::Google).await;
    assert_eq!(mutations(&lab).len(), 1, "one person is put back");
    let mut expected = as_members(&[0, 1, 2, 5]);
    expected.insert(address(6), Role::Owner);
    expected.insert(address(7), Role::Manager);
    expected.insert(NESTED.to_owned(), Role::Member);
    expected.insert(OUTSIDER.to_owned(), Role::Member);
    assert_eq!(members(&lab, SALES), expected);
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_managed_removes_a_foreign_member_only_after_the_source_wanted_them() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1]).await;
    lab.google(|google| google.add_member(SALES, &address(5), Role::Member));
    nothing_but_notes(&lab).await;

    // Wanted now, and there already: adopted without a write.
    joins(&lab, &id, 5);
    nothing_but_notes(&lab).await;
    assert_eq!(members(&lab, SALES), as_members(&[0, 1, 5]));

    // Not wanted any more: whom we adopted, we remove.
    leaves(&lab, &id, 5);
    lab.sync(Target::Google).await;
    assert_eq!(removals(&lab).len(), 1);
    assert_eq!(members(&lab, SALES), as_members(&[0, 1]));
    nothing_left_to_do(&lab).await;
}

/// A run that changes the ledger at most.
async fn nothing_but_notes(lab: &Lab) {
    lab.simulators.clear_requests();
    lab.sync(Target::Google).await;
    assert_eq!(lab.all_writes(), Vec::<String>::new());
    nothing_left_to_do(lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_r39_authoritative_removes_foreign_users_and_reports_groups_outsiders_owners_and_managers() {
    let mut lab = Lab::new().await;
    lab.set(Target::Google, "policy", "authoritative");
    exported(&mut lab, &[0, 1, 2]).await;
    somebody_tinkers(&lab);

    let (_, sales) = plan_of_sales(&lab).await;
    let id = group_at(&lab, SALES).id;
    assert_eq!(
        planned_removals(&sales),
        [(id.clone(), address(5), RemovalReason::NotInSource)].into()
    );
    assert_eq!(
        foreign(&sales),
        [&address(6), &address(7), NESTED, OUTSIDER]
            .map(|label: &str| label)
            .into(),
        "they stay and are reported"
    );
    lab.sync(Target::Google).await;
    assert_eq!(removals(&lab), [(id, google_id(5))]);
    let mut expected = as_members(&[0, 1, 2]);
    expected.insert(address(6), Role::Owner);
    expected.insert(address(7), Role::Manager);
    expected.insert(NESTED.to_owned(), Role::Member);
    expected.insert(OUTSIDER.to_owned(), Role::Member);
    assert_eq!(members(&lab, SALES), expected);
    assert_eq!(
        members(&lab, NESTED),
        as_members(&[4]),
        "the nested group keeps its own"
    );
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_additive_never_removes_anybody() {
    let mut lab = Lab::new().await;
    lab.set(Target::Google, "policy", "additive");
    let id = exported(&mut lab, &[0, 1, 2]).await;
    somebody_tinkers(&lab);
    assert!(lab.google(|google| google.remove_member(SALES, &address(1))));
    leaves(&lab, &id, 2);
    joins(&lab, &id, 3);

    let (_, sales) = plan_of_sales(&lab).await;
    assert_eq!(changes(&sales), (2, 0), "{sales:#?}");
    assert!(
        sales.held.is_empty(),
        "there is nothing to approve either: {sales:#?}"
    );
    lab.sync(Target::Google).await;
    assert_eq!(removals(&lab), []);
    let now = members(&lab, SALES);
    for number in [0, 1, 2, 3, 5, 6, 7] {
        assert!(now.contains_key(&address(number)), "{number}: {now:#?}");
    }
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_r15_additive_keeps_people_in_the_old_group_when_the_email_changes() {
    let mut lab = Lab::new().await;
    lab.set(Target::Google, "policy", "additive");
    let id = exported(&mut lab, &[0, 1]).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&id, Some("field@example.com")));
    lab.sync(Target::Google).await;
    assert_eq!(removals(&lab), []);
    assert_eq!(members(&lab, SALES), as_members(&[0, 1]));
    assert_eq!(members(&lab, "field@example.com"), as_members(&[0, 1]));
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_a_policy_of_one_group_goes_before_the_directorys() {
    let mut lab = Lab::new().await;
    lab.group("Support", Some("support@example.com"), &[0, 1]);
    exported(&mut lab, &[0, 1]).await;
    lab.google(|google| {
        google.add_member(SALES, &address(5), Role::Member);
        google.add_member("support@example.com", &address(5), Role::Member);
    });
    let policies: toml::Table = "Support = \"authoritative\"".parse().unwrap();
    lab.set(Target::Google, "policies", policies);
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, SALES), as_members(&[0, 1, 5]));
    assert_eq!(members(&lab, "support@example.com"), as_members(&[0, 1]));
    stays_so(&lab).await;
    let (_, sales) = plan_of_sales(&lab).await;
    assert_eq!(sales.state, GroupState::Managed);
}
