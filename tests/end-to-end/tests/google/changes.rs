//! What changes in the source after a group was exported (R11), and the second agreeing read that removals wait for
//! (R42).

use groupcast_guest::plan::part::{GroupState, RemovalReason};
use groupcast_simulators::Vendor;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_tests::{Lab, Target, changes};

use crate::looking::{
    as_members, exported, google_id, group_at, heal, joins, leaves, members, mutations, nothing_left_to_do,
    plan_of_sales, planned_removals, removals, stays_so, strike,
};

const SALES: &str = "sales@example.com";

/// How often the membership of a group was read in JumpCloud, first pages counted.
fn reads_of_membership(lab: &Lab, group: &str) -> usize {
    lab.simulators
        .requests()
        .iter()
        .filter(|request| request.vendor == Vendor::Jumpcloud)
        .filter(|request| request.path.contains(group) && request.path.contains("member"))
        .filter(|request| !request.query.contains("skip=") || request.query.contains("skip=0"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_members_added_and_removed_in_the_source_are_added_and_removed() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1, 2]).await;
    let target = group_at(&lab, SALES).id;
    leaves(&lab, &id, 1);
    joins(&lab, &id, 3);
    joins(&lab, &id, 4);
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, SALES), as_members(&[0, 2, 3, 4]));
    assert_eq!(removals(&lab), [(target.clone(), google_id(1))]);
    assert_eq!(
        mutations(&lab).len(),
        3,
        "two additions and one removal, and no more"
    );
    assert_eq!(group_at(&lab, SALES).id, target);
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_r42_a_removal_is_planned_only_after_a_second_read_of_the_source_and_additions_need_none() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1, 2]).await;
    joins(&lab, &id, 3);
    lab.plan(Target::Google).await;
    assert_eq!(
        reads_of_membership(&lab, &id),
        1,
        "an addition needs no second read"
    );

    leaves(&lab, &id, 1);
    lab.simulators.clear_requests();
    let (_, sales) = plan_of_sales(&lab).await;
    assert_eq!(changes(&sales), (1, 1), "{sales:#?}");
    assert_eq!(
        planned_removals(&sales).iter().next().unwrap().2,
        RemovalReason::LeftGroup
    );
    assert_eq!(
        reads_of_membership(&lab, &id),
        2,
        "{:#?}",
        lab.simulators.requests()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_r42_somebody_whom_one_read_of_two_lacks_is_not_removed() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1, 2]).await;
    joins(&lab, &id, 3);
    // The first read of the members lacks its last one and says that it is whole; the second has them all.
    for path in ["membership", "members"] {
        strike(
            &lab,
            Rule {
                vendor: Vendor::Jumpcloud,
                method: Some("GET".to_owned()),
                path: Some(format!("/api/v2/usergroups/{id}/{path}")),
                query: None,
                skip: 0,
                times: Some(1),
                fault: Fault::DropItems { count: 2 },
            },
        );
    }
    let (plan, sales) = plan_of_sales(&lab).await;
    assert_eq!(sales.state, GroupState::Frozen, "{sales:#?}");
    assert_eq!(changes(&sales).1, 0, "{sales:#?}");
    heal(&lab);
    assert!(plan.plan.parts.len() == 1);
    lab.sync(Target::Google).await;
    assert_eq!(removals(&lab), []);
    assert_eq!(members(&lab, SALES), as_members(&[0, 1, 2, 3]));
    nothing_left_to_do(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_a_renamed_group_is_renamed_and_keeps_its_id_address_and_members() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1]).await;
    let before = group_at(&lab, SALES);
    lab.jumpcloud(|jumpcloud| jumpcloud.rename_group(&id, "Sales & Märkte 🌍"));
    lab.sync(Target::Google).await;
    let after = group_at(&lab, SALES);
    assert_eq!(after.name, "Sales & Märkte 🌍");
    assert_eq!((&after.id, &after.members), (&before.id, &before.members));
    let sent = mutations(&lab);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].method, "PATCH");
    let body = sent[0].body.clone().unwrap();
    assert_eq!(
        body.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["name"],
        "nothing but what changed is sent (R52)"
    );
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_a_description_is_set_changed_and_taken_away_and_what_google_makes_of_it_ends() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0]).await;
    let too_long = "é".repeat(5_000);
    for (source, target) in [
        (Some("People who sell"), "People who sell"),
        (Some("Line one\nline two"), "Line one\nline two"),
        (Some(too_long.as_str()), &too_long[..2 * 4_096]),
        (None, ""),
    ] {
        lab.jumpcloud(|jumpcloud| jumpcloud.set_group_description(&id, source));
        lab.sync(Target::Google).await;
        assert_eq!(group_at(&lab, SALES).description, target);
        nothing_left_to_do(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_a_name_and_description_changed_in_google_are_set_back() {
    let mut lab = Lab::new().await;
    exported(&mut lab, &[0]).await;
    let before = group_at(&lab, SALES);
    lab.google(|google| google.edit_group(SALES, "Vandals", "were here"));
    lab.sync(Target::Google).await;
    assert_eq!(group_at(&lab, SALES), before);
    stays_so(&lab).await;
}
