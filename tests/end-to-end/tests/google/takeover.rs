//! A group that exists at the address is taken over (R50), unless it is another source group's (R51); nothing else in the
//! directory is ever touched (R52).

use groupcast_guest::plan::part::{GroupState, TargetHow};
use groupcast_simulators::google::tenant::{ExternalId, Group, Role};
use groupcast_tests::{Lab, Target, address, changes, part};

use crate::looking::{
    as_members, creations, existing, exported, foreign, google_id, group_at, groups, joins, leaves, member,
    members, mutations, nothing_left_to_do, plain, plan_of_sales, removals, stays_so,
};

const SALES: &str = "sales@example.com";

/// Sales as somebody made it by hand: 1 and 2 (who are in the source's group), 5 (who is not), an owner, a manager, a group
/// and somebody from outside.
fn sales_by_hand() -> Group {
    let mut group = existing("0sales", SALES, plain(&[1, 2, 5]));
    group.members[1].delivery_settings = Some("DIGEST".to_owned());
    group.members.push(member(6, Role::Owner));
    group.members.push(member(7, Role::Manager));
    group.aliases.push("verkauf@example.com".to_owned());
    group.external_ids.push(ExternalId {
        namespace: "hr".to_owned(),
        id: "42".to_owned(),
    });
    group
}

#[tokio::test(flavor = "multi_thread")]
async fn r50_a_group_at_the_address_is_taken_over_with_its_id_and_the_plan_shows_who_is_foreign() {
    let mut lab = Lab::new().await;
    lab.google(|google| {
        google.create_group(existing("0nested", "nested@example.com", plain(&[4])));
        google.create_group(sales_by_hand());
        google.add_member(SALES, "nested@example.com", Role::Member);
        google.add_member(SALES, "consultant@elsewhere.example", Role::Member);
    });
    let id = lab.group("Sales", Some(SALES), &[0, 1, 2]);
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_description(&id, Some("People who sell")));
    let before = group_at(&lab, SALES);

    let (_, sales) = plan_of_sales(&lab).await;
    let tie = sales.target.clone().unwrap();
    assert_eq!(
        (tie.id.as_deref(), tie.how),
        (Some("0sales"), TargetHow::Takeover)
    );
    assert_eq!(changes(&sales), (1, 0), "{sales:#?}");
    let labels = [
        address(5),
        address(6),
        address(7),
        "nested@example.com".to_owned(),
        "consultant@elsewhere.example".to_owned(),
    ];
    assert_eq!(foreign(&sales), labels.iter().map(String::as_str).collect());
    let kinds: Vec<(&str, &str)> = sales
        .foreign
        .iter()
        .filter(|member| !member.label.starts_with("user-"))
        .map(|member| (member.label.as_str(), member.kind.as_str()))
        .collect();
    assert!(kinds.contains(&("nested@example.com", "group")), "{kinds:?}");
    assert!(
        kinds.contains(&("consultant@elsewhere.example", "external")),
        "{kinds:?}"
    );

    lab.plan_and_apply(Target::Google).await;
    assert_eq!(creations(&lab), 0);
    assert_eq!(removals(&lab), []);
    let after = group_at(&lab, SALES);
    assert_eq!(
        (after.name.as_str(), after.description.as_str()),
        ("Sales", "People who sell")
    );
    let mut expected = before.clone();
    expected.name.clone_from(&after.name);
    expected.description.clone_from(&after.description);
    expected.members = after.members.clone();
    assert_eq!(after, expected, "addresses, aliases and other identifiers stay");
    for kept in &before.members {
        assert!(after.members.contains(kept), "{kept:?} was changed: {after:#?}");
    }
    assert_eq!(after.members.len(), before.members.len() + 1);
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r50_whoever_was_there_and_is_wanted_is_adopted_and_whoever_is_not_stays_foreign() {
    let mut lab = Lab::new().await;
    lab.google(|google| google.create_group(sales_by_hand()));
    let id = lab.group("Sales", Some(SALES), &[0, 1, 2]);
    lab.plan_and_apply(Target::Google).await;
    lab.simulators.clear_requests();
    // An adopted member leaves with the source; so does one of ours; a foreign one never does.
    leaves(&lab, &id, 0);
    leaves(&lab, &id, 1);
    lab.sync(Target::Google).await;
    assert_eq!(
        removals(&lab)
            .into_iter()
            .map(|(_, member)| member)
            .collect::<Vec<_>>(),
        [google_id(0), google_id(1)]
    );
    let mut expected = as_members(&[2, 5]);
    expected.insert(address(6), Role::Owner);
    expected.insert(address(7), Role::Manager);
    assert_eq!(members(&lab, SALES), expected);
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r50_a_takeover_that_needs_no_write_writes_nothing_and_still_binds() {
    let mut lab = Lab::new().await;
    let mut group = existing("0sales", SALES, plain(&[0, 1]));
    group.name = "Sales".to_owned();
    group.description = String::new();
    lab.google(|google| google.create_group(group));
    let id = lab.group("Sales", Some(SALES), &[0, 1]);
    lab.plan_and_apply(Target::Google).await;
    assert_eq!(mutations(&lab), []);
    stays_so(&lab).await;
    // Bound by its ID: somebody who left is one of ours, and a group renamed by hand is still the one.
    leaves(&lab, &id, 1);
    lab.sync(Target::Google).await;
    assert_eq!(removals(&lab), [("0sales".to_owned(), google_id(1))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r51_a_group_bound_to_one_source_group_is_not_taken_over_by_another() {
    let mut lab = Lab::new().await;
    exported(&mut lab, &[0, 1]).await;
    // The holder's address in Google is changed to another, by an alias: by that address the group is found too.
    lab.google(|google| google.add_alias(SALES, "field@example.com"));
    let rival = lab.group("Rivals", Some("field@example.com"), &[3]);
    let before = groups(&lab);
    for email in ["field@example.com", SALES] {
        lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&rival, Some(email)));
        let plan = lab.plan(Target::Google).await;
        assert_eq!(part(&plan, "Rivals").state, GroupState::Conflict, "{email}");
        lab.sync(Target::Google).await;
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{email}");
        assert_eq!(groups(&lab), before, "{email}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r51_a_group_that_people_are_still_moved_away_from_is_nobodys() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1]).await;
    let old = group_at(&lab, SALES).id;
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&id, Some("field@example.com")));
    lab.group("Rivals", Some(SALES), &[3]);
    // The old group cannot be read, so that the move stays open.
    crate::looking::fault(
        &lab,
        "GET",
        &crate::looking::members_path(&old),
        crate::looking::answers(400, "failedPrecondition", "Precondition failed"),
    );
    for _ in 0..3 {
        lab.sync(Target::Google).await;
        let plan = lab.plan(Target::Google).await;
        assert_eq!(part(&plan, "Rivals").state, GroupState::Conflict);
        assert_eq!(members(&lab, SALES), as_members(&[0, 1]));
    }
    crate::looking::heal(&lab);
    for _ in 0..3 {
        lab.sync(Target::Google).await;
    }
    assert_eq!(members(&lab, SALES), as_members(&[3]));
    assert_eq!(members(&lab, "field@example.com"), as_members(&[0, 1]));
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r52_r33_through_everything_that_happens_no_other_group_and_no_user_is_touched() {
    let mut lab = Lab::new().await;
    lab.google(|google| {
        for number in 0..5 {
            let mut group = existing(
                &format!("0bystander{number}"),
                &format!("bystander-{number}@example.com"),
                plain(&[number, number + 1]),
            );
            group.members.push(member(7, Role::Owner));
            // Names like those of exported groups are no reason to touch them.
            group.name = if number % 2 == 0 { "Sales" } else { "Support" }.to_owned();
            google.create_group(group);
        }
        google.create_group(sales_by_hand());
        google.add_member(SALES, "bystander-0@example.com", Role::Member);
        google.add_member("bystander-1@example.com", SALES, Role::Member);
    });
    let untouched = |lab: &Lab| {
        let mut tenant = lab.google(|google| google.tenant());
        let own: Vec<Group> = tenant
            .groups
            .extract_if(.., |group| {
                [SALES, "support@example.com", "field@example.com"].contains(&group.email.as_str())
            })
            .collect();
        (tenant, own.len())
    };
    let (before, _) = untouched(&lab);
    let sales = lab.group("Sales", Some(SALES), &[0, 1, 2]);
    let support = lab.group("Support", Some("support@example.com"), &[3, 4]);
    lab.plan_and_apply(Target::Google).await;

    leaves(&lab, &sales, 0);
    joins(&lab, &sales, 5);
    joins(&lab, &support, 6);
    lab.jumpcloud(|jumpcloud| {
        jumpcloud.rename_group(&support, "Help desk")?;
        jumpcloud.set_group_description(&support, Some("Help"))
    });
    lab.sync(Target::Google).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&sales, Some("field@example.com")));
    lab.sync(Target::Google).await;
    lab.jumpcloud(|jumpcloud| {
        jumpcloud.set_group_email(&support, None)?;
        jumpcloud.delete_group(&sales)
    });
    lab.sync(Target::Google).await;
    nothing_left_to_do(&lab).await;

    let (after, own) = untouched(&lab);
    assert_eq!(own, 3, "the exported groups are all there");
    assert_eq!(after, before);
    assert_eq!(lab.google(|google| google.user_mutation_attempts()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r52_every_write_names_a_group_of_ours_and_says_nothing_but_what_export_needs() {
    let mut lab = Lab::new().await;
    lab.google(|google| google.create_group(sales_by_hand()));
    let id = lab.group("Sales", Some(SALES), &[0, 1, 2]);
    lab.group("Support", Some("support@example.com"), &[3, 4]);
    lab.plan_and_apply(Target::Google).await;
    leaves(&lab, &id, 0);
    lab.sync(Target::Google).await;
    let support = group_at(&lab, "support@example.com").id;
    let sent = mutations(&lab);
    assert!(sent.len() >= 5, "{sent:#?}");
    for request in sent {
        let body = request.body.clone().unwrap_or_default();
        let mut fields: Vec<&str> = body
            .as_object()
            .map(|body| body.keys().map(String::as_str).collect())
            .unwrap_or_default();
        fields.sort_unstable();
        let place = request.path.strip_prefix("/admin/directory/v1/groups").unwrap();
        match (request.method.as_str(), place) {
            ("POST", "") => assert_eq!(fields, ["description", "email", "name"]),
            ("PATCH", "/0sales") => assert!(
                fields.iter().all(|field| ["description", "name"].contains(field)),
                "{body}"
            ),
            ("POST", place) => {
                assert!(
                    [format!("/{support}/members"), "/0sales/members".to_owned()].contains(&place.to_owned())
                );
                assert_eq!(fields, ["id", "role"]);
                assert_eq!(body["role"], "MEMBER");
            }
            ("DELETE", place) => assert_eq!(place, format!("/0sales/members/{}", google_id(0))),
            other => panic!("{other:?}"),
        }
    }
}
