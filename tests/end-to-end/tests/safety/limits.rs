//! R43: how much may change at once. What is over a limit waits, and can be approved by group and in part.

use groupcast::run::{Selection, SyncOutcome};
use groupcast_guest::plan::part::GroupState;
use groupcast_simulators::organisation::Size;
use groupcast_simulators::{entra, google};
use groupcast_tests::{BOTH, Lab, Target, changes, part, people, user};

use crate::support::{exported, ledger_agrees, principal, removals, sales, says};

/// Sets one limit of a directory.
fn limit(lab: &mut Lab, target: Target, name: &str, count: i64) {
    let mut value = toml::Table::new();
    value.insert("count".to_owned(), count.into());
    let limits = lab
        .section(target.name())
        .entry("limits")
        .or_insert_with(|| toml::Table::new().into());
    limits
        .as_table_mut()
        .unwrap()
        .insert(name.to_owned(), value.into());
}

fn released(groups: &[&str]) -> Selection {
    Selection {
        groups: Some(groups.iter().map(|name| (*name).to_owned()).collect()),
        release_held: true,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r43_over_a_group_s_limit_removals_wait_while_the_rest_goes_on_and_can_be_approved() {
    for target in BOTH {
        let (mut lab, id) = exported(target).await;
        limit(&mut lab, target, "group_removals", 1);
        for number in [0, 1] {
            lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(number)));
        }
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(4)));
        lab.sync(target).await;
        assert_eq!(sales(&lab, target), people(&[0, 1, 2, 3, 4]), "{target:?}");
        assert_eq!(removals(&lab, target), 0);

        let plan = lab.plan(target).await;
        let held = part(&plan, "Sales");
        assert_eq!((held.state, held.held.len()), (GroupState::Held, 2), "{held:#?}");
        assert!(says(held, "limit"));
        let outcome = lab
            .apply(target, &plan.plan.hash, released(&["Sales"]))
            .await
            .unwrap();
        assert_ne!(outcome.hash, plan.plan.hash, "what was released is another plan");
        assert_eq!(sales(&lab, target), people(&[2, 3, 4]), "{target:?}");
        ledger_agrees(&lab, target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r43_over_a_group_s_limit_additions_wait_too() {
    for target in BOTH {
        let (mut lab, id) = exported(target).await;
        limit(&mut lab, target, "group_adds", 1);
        for number in [4, 5] {
            lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(number)));
        }
        lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(0)));
        lab.sync(target).await;
        assert_eq!(sales(&lab, target), people(&[1, 2, 3]), "{target:?}");
        let plan = lab.plan(target).await;
        lab.apply(target, &plan.plan.hash, released(&["Sales"]))
            .await
            .unwrap();
        assert_eq!(sales(&lab, target), people(&[1, 2, 3, 4, 5]), "{target:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r43_a_run_s_limit_holds_what_is_over_it_and_each_group_can_be_approved_alone() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        let mut ids = Vec::new();
        for name in ["one", "two", "three"] {
            ids.push(lab.group(name, Some(&format!("{name}@example.com")), &[0, 1, 2, 3]));
        }
        lab.plan_and_apply(target).await;
        limit(&mut lab, target, "run_removals", 1);
        for id in &ids {
            lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(id, &user(0)));
        }
        lab.simulators.clear_requests();
        lab.sync(target).await;
        assert_eq!(removals(&lab, target), 1, "{target:?}");
        // A schedule that runs again and again must not take out, one run after the other, what a limit holds back:
        // here each run may take one, which is what the limit says.
        let in_group = |lab: &Lab, name: &str| lab.people(target, name, &format!("{name}@example.com"));
        assert_eq!(in_group(&lab, "one"), people(&[1, 2, 3]));
        assert_eq!(in_group(&lab, "two"), people(&[0, 1, 2, 3]));

        limit(&mut lab, target, "run_removals", 0);
        let plan = lab.plan(target).await;
        assert_eq!(changes(part(&plan, "two")), (0, 0));
        lab.apply(target, &plan.plan.hash, released(&["three"]))
            .await
            .unwrap();
        assert_eq!(in_group(&lab, "three"), people(&[1, 2, 3]), "{target:?}");
        assert_eq!(in_group(&lab, "two"), people(&[0, 1, 2, 3]), "{target:?}");
        // In one part, both.
        let plan = lab.plan(target).await;
        lab.apply(target, &plan.plan.hash, released(&["two"]))
            .await
            .unwrap();
        assert_eq!(in_group(&lab, "two"), people(&[1, 2, 3]), "{target:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r43_a_run_s_limit_on_additions_holds_whole_groups_in_their_order() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        lab.group("Other", Some("other@example.com"), &[7]);
        lab.plan_and_apply(target).await;
        limit(&mut lab, target, "run_adds", 3);
        lab.group("one", Some("one@example.com"), &[0, 1, 2]);
        lab.group("two", Some("two@example.com"), &[0, 1, 2]);
        let outcome = lab.sync(target).await;
        assert!(matches!(outcome, SyncOutcome::Applied { .. }), "{outcome:#?}");
        assert_eq!(
            lab.people(target, "one", "one@example.com"),
            people(&[0, 1, 2]),
            "{target:?}"
        );
        let two = lab.people(target, "two", "two@example.com");
        assert!(two.is_none() || two == people(&[]), "{target:?}: {two:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r43_the_default_limits_stop_a_sudden_loss_of_a_third_of_a_group() {
    let size = Size {
        users: 40,
        groups: 0,
        memberships: 0,
    };
    for target in BOTH {
        let mut lab = Lab::with(size, |_| ()).await;
        let all: Vec<usize> = (0..40).collect();
        let id = lab.group("Sales", Some("sales@example.com"), &all);
        lab.plan_and_apply(target).await;
        for number in 0..13 {
            lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(number)));
        }
        lab.simulators.clear_requests();
        lab.sync(target).await;
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
        assert_eq!(sales(&lab, target), people(&all), "{target:?}");
        let plan = lab.plan(target).await;
        assert_eq!(part(&plan, "Sales").held.len(), 13, "{target:?}");
    }
}

/// Somebody else's group at the address and of the name, with these people in it.
fn found_there(lab: &Lab, target: Target, numbers: &[usize]) {
    let ids: Vec<String> = numbers
        .iter()
        .map(|number| principal(lab, target, *number))
        .collect();
    match target {
        Target::Google => lab.google(|google| {
            google.create_group(google::tenant::Group {
                id: "0found0there".to_owned(),
                email: "found@example.com".to_owned(),
                name: "Found".to_owned(),
                description: String::new(),
                aliases: Vec::new(),
                external_ids: Vec::new(),
                members: Vec::new(),
                refuses_external_members: false,
            });
            for id in &ids {
                assert!(google.add_member("found@example.com", id, google::tenant::Role::Member));
            }
        }),
        Target::Entra => lab.entra(|entra| {
            let id = "00000000-1111-4000-8000-000000000001";
            let group: entra::Group = serde_json::from_value(serde_json::json!({
                "id": id, "display_name": "Found", "mail_nickname": "found",
            }))
            .unwrap();
            entra.create_group(group);
            for member in &ids {
                assert!(entra.add_member(id, member, entra::ObjectType::User));
            }
        }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r43_a_takeover_that_would_take_people_out_waits_as_a_whole_until_somebody_approves_it() {
    for target in BOTH {
        let (mut lab, _) = exported(target).await;
        lab.set(target, "policy", "authoritative");
        found_there(&lab, target, &[4, 5, 6]);
        lab.group("Found", Some("found@example.com"), &[0, 4]);
        let in_found = |lab: &Lab| lab.people(target, "Found", "found@example.com");
        lab.simulators.clear_requests();
        // The connection is active, and nobody looks at these syncs: however often they run, nothing happens to it.
        for _ in 0..2 {
            let outcome = lab.sync(target).await;
            assert!(
                matches!(outcome, SyncOutcome::Planned { .. }),
                "{target:?}: {outcome:#?}"
            );
            assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
        }
        // Approving the plan as it stands does not release it either.
        let plan = lab.plan(target).await;
        let found = part(&plan, "Found");
        assert_eq!(found.state, GroupState::Held, "{target:?}: {found:#?}");
        assert!(says(found, "takeover"), "{target:?}: {found:#?}");
        lab.apply(target, &plan.plan.hash, Selection::default())
            .await
            .unwrap();
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
        assert_eq!(in_found(&lab), people(&[4, 5, 6]), "{target:?}");
        lab.sync(target).await;
        assert_eq!(in_found(&lab), people(&[4, 5, 6]), "{target:?}");

        // Approved by somebody who saw it.
        let plan = lab.plan(target).await;
        lab.apply(target, &plan.plan.hash, released(&["Found"]))
            .await
            .unwrap();
        assert_eq!(in_found(&lab), people(&[0, 4]), "{target:?}");
        ledger_agrees(&lab, target).await;
        assert!(!lab.plan(target).await.plan.has_work(), "{target:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r43_a_takeover_that_would_add_too_many_waits_as_a_whole_and_the_rest_goes_on() {
    for target in BOTH {
        let (mut lab, id) = exported(target).await;
        limit(&mut lab, target, "takeover_adds", 2);
        found_there(&lab, target, &[4]);
        lab.group("Found", Some("found@example.com"), &[0, 1, 2, 4]);
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(5)));
        let in_found = |lab: &Lab| lab.people(target, "Found", "found@example.com");
        // However often a schedule comes: it does not become an ordinary group by the way.
        for _ in 0..2 {
            lab.sync(target).await;
            assert_eq!(sales(&lab, target), people(&[0, 1, 2, 3, 5]), "{target:?}");
            assert_eq!(in_found(&lab), people(&[4]), "{target:?}");
        }
        let plan = lab.plan(target).await;
        let found = part(&plan, "Found");
        assert_eq!(found.state, GroupState::Held, "{target:?}: {found:#?}");
        assert!(says(found, "takeover"), "{target:?}: {found:#?}");
        lab.apply(target, &plan.plan.hash, released(&["Found"]))
            .await
            .unwrap();
        assert_eq!(in_found(&lab), people(&[0, 1, 2, 4]), "{target:?}");
        ledger_agrees(&lab, target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r43_part_of_what_is_held_is_approved_by_group_and_the_rest_stays_held() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        let mut ids = Vec::new();
        for name in ["one", "two"] {
            ids.push(lab.group(name, Some(&format!("{name}@example.com")), &[0, 1, 2, 3]));
        }
        lab.plan_and_apply(target).await;
        limit(&mut lab, target, "group_removals", 1);
        for id in &ids {
            for number in [0, 1] {
                lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(id, &user(number)));
            }
            lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(id, &user(5)));
        }
        let in_group = |lab: &Lab, name: &str| lab.people(target, name, &format!("{name}@example.com"));
        let plan = lab.plan(target).await;
        lab.apply(target, &plan.plan.hash, released(&["one"]))
            .await
            .unwrap();
        assert_eq!(
            in_group(&lab, "one"),
            people(&[2, 3, 5]),
            "{target:?}: held parts included"
        );
        assert_eq!(
            in_group(&lab, "two"),
            people(&[0, 1, 2, 3]),
            "{target:?}: not approved at all"
        );
        lab.sync(target).await;
        assert_eq!(
            in_group(&lab, "two"),
            people(&[0, 1, 2, 3, 5]),
            "{target:?}: not held"
        );
        let plan = lab.plan(target).await;
        assert_eq!(part(&plan, "two").held.len(), 2, "{target:?}: still held");
        assert_eq!(part(&plan, "one").state, GroupState::Managed, "{target:?}");
        ledger_agrees(&lab, target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r43_removals_from_a_group_that_gives_licences_wait_sooner_in_entra() {
    let (target, size) = (
        Target::Entra,
        Size {
            users: 20,
            groups: 0,
            memberships: 0,
        },
    );
    let mut lab = Lab::with(size, |_| ()).await;
    let all: Vec<usize> = (0..20).collect();
    let licensed = lab.group("Licensed", Some("licensed@example.com"), &all);
    let plain = lab.group("Plain", Some("plain@example.com"), &all);
    lab.plan_and_apply(target).await;
    let group = lab.entra_groups("Licensed")[0].id.clone();
    let licence = "c7df2760-2c81-4ef7-b578-5b5392b571df".to_owned();
    assert!(lab.entra(|entra| entra.change_group(&group, |group| group.assigned_licenses.push(licence))));
    // 15% of each group leave, which counts as 45% where licences would be lost.
    limit(&mut lab, target, "run_removals", 100);
    for id in [&licensed, &plain] {
        for number in 0..3 {
            lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(id, &user(number)));
        }
    }
    lab.sync(target).await;
    let left = people(&all[3..]);
    assert_eq!(lab.people(target, "Plain", ""), left);
    assert_eq!(lab.people(target, "Licensed", ""), people(&all));
    let plan = lab.plan(target).await;
    let held = &part(&plan, "Licensed").held;
    assert_eq!(held.len(), 3, "{held:#?}");
    assert!(held[0].reason.message.contains("licences"), "{held:#?}");
    lab.apply(target, &plan.plan.hash, released(&["Licensed"]))
        .await
        .unwrap();
    assert_eq!(lab.people(target, "Licensed", ""), left);
}

#[tokio::test(flavor = "multi_thread")]
async fn r43_the_first_run_writes_nothing_by_itself() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        lab.group("Sales", Some("sales@example.com"), &[0]);
        let outcome = lab.sync(target).await;
        assert!(
            matches!(outcome, SyncOutcome::Planned { .. }),
            "{target:?}: {outcome:#?}"
        );
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
    }
}
