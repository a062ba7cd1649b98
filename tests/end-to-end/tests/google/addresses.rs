//! Addresses that a group cannot have (R18), that two groups claim (R19), and groups that show late (R20).

use groupcast_guest::plan::part::GroupState;
use groupcast_simulators::faults::Fault;
use groupcast_simulators::organisation::Size;
use groupcast_tests::{GOOGLE_DIRECTORY, Lab, Target, address, codes, part};

use crate::looking::{
    answers, as_members, creations, existing, exported, fault, group_at, groups, heal, joins, members,
    mutations, nothing_left_to_do, plain, plan_of_sales, resting_state, rule, stays_so, strike,
};

const SALES: &str = "sales@example.com";

/// A lab with addresses that are taken, each in its own way: what the email is set to, and the reason's code.
async fn lab_of_taken_addresses() -> (Lab, Vec<(String, &'static str)>) {
    let mut lab = Lab::new().await;
    lab.group("Other", Some("other@example.com"), &[7]);
    lab.plan_and_apply(Target::Google).await;
    lab.google(|google| {
        let mut group = existing("0board", "board@example.com", plain(&[3]));
        group.aliases.push("directors@example.com".to_owned());
        google.create_group(group);
        google.add_alias(&address(4), "four@example.com");
    });
    let taken = vec![
        ("directors@example.com".to_owned(), "alias"),
        ("Directors@Example.com ".to_owned(), "alias"),
        (address(5), "address-of-user"),
        ("four@example.com".to_owned(), "address-of-user"),
        ("sales@unverified.example".to_owned(), "foreign-domain"),
        ("no address".to_owned(), "bad-address"),
    ];
    (lab, taken)
}

#[tokio::test(flavor = "multi_thread")]
async fn r18_an_address_that_a_group_cannot_have_is_refused_before_any_write() {
    let (mut lab, taken) = lab_of_taken_addresses().await;
    let id = lab.group("Sales", None, &[0, 1]);
    let before = groups(&lab);
    lab.simulators.clear_requests();
    for (email, code) in taken {
        lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&id, Some(&email)));
        let (_, sales) = plan_of_sales(&lab).await;
        assert!(codes(&sales).contains(&code), "{email}: {sales:#?}");
        let state = resting_state(&sales);
        assert!(
            matches!(state, GroupState::Conflict | GroupState::NotExportable),
            "{email}: {state:?}"
        );
        lab.sync(Target::Google).await;
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{email}");
        assert_eq!(groups(&lab), before, "{email}");
    }
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&id, Some(SALES)));
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, SALES), as_members(&[0, 1]), "a free one is taken");
    nothing_left_to_do(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r18_r14_a_change_to_such_an_address_moves_nobody() {
    let (mut lab, taken) = lab_of_taken_addresses().await;
    let id = exported(&mut lab, &[0, 1]).await;
    let before = groups(&lab);
    for (email, code) in taken {
        lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&id, Some(&email)));
        let (_, sales) = plan_of_sales(&lab).await;
        assert!(codes(&sales).contains(&code), "{email}: {sales:#?}");
        lab.sync(Target::Google).await;
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{email}");
        assert_eq!(groups(&lab), before, "{email}");
    }
    // Back to its own: the very same group goes on.
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&id, Some(SALES)));
    joins(&lab, &id, 2);
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, SALES), as_members(&[0, 1, 2]));
    nothing_left_to_do(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r18_only_domains_in_the_settings_are_used_where_there_are_any() {
    let mut lab = Lab::new().await;
    lab.set(Target::Google, "domains", vec!["elsewhere.example"]);
    lab.group("Sales", Some(SALES), &[0]);
    let (_, sales) = plan_of_sales(&lab).await;
    assert!(codes(&sales).contains(&"domain-not-allowed"), "{sales:#?}");
    resting_state(&sales);
    assert_eq!(mutations(&lab), []);
    lab.set(
        Target::Google,
        "domains",
        vec!["elsewhere.example", "Example.com"],
    );
    lab.plan_and_apply(Target::Google).await;
    assert_eq!(members(&lab, SALES), as_members(&[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn r19_of_two_groups_with_one_address_the_holder_keeps_it_and_they_never_alternate() {
    // The holder is once the one with the lower ID and once the one with the higher.
    for first_is_lower in [true, false] {
        let mut lab = Lab::new().await;
        let late = (!first_is_lower).then(|| {
            let id = lab.group("Rivals", None, &[3, 4]);
            lab.jumpcloud(|jumpcloud| jumpcloud.unbind_group(&id, GOOGLE_DIRECTORY));
            id
        });
        exported(&mut lab, &[0, 1]).await;
        let rival = match late {
            Some(id) => {
                lab.jumpcloud(|jumpcloud| {
                    jumpcloud.set_group_email(&id, Some(" Sales@EXAMPLE.com"))?;
                    jumpcloud.bind_group(&id, GOOGLE_DIRECTORY)
                });
                id
            }
            None => lab.group("Rivals", Some(" Sales@EXAMPLE.com"), &[3, 4]),
        };
        let before = groups(&lab);
        for _ in 0..4 {
            let plan = lab.plan(Target::Google).await;
            assert_eq!(
                part(&plan, "Rivals").state,
                GroupState::Conflict,
                "{:#?}",
                plan.plan.parts
            );
            assert!(codes(part(&plan, "Rivals")).contains(&"address-taken"));
            assert_eq!(part(&plan, "Sales").state, GroupState::Managed);
            lab.sync(Target::Google).await;
            assert_eq!(lab.all_writes(), Vec::<String>::new());
        }
        assert_eq!(groups(&lab), before);

        lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&rival, Some("rivals@example.com")));
        lab.sync(Target::Google).await;
        assert_eq!(members(&lab, "rivals@example.com"), as_members(&[3, 4]));
        assert_eq!(members(&lab, SALES), as_members(&[0, 1]));
        stays_so(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r19_two_new_groups_with_one_address_make_one_group_and_one_conflict() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some(SALES), &[0, 1]);
    lab.group("Rivals", Some("SALES@example.com"), &[3, 4]);
    lab.plan_and_apply(Target::Google).await;
    assert_eq!(creations(&lab), 1);
    let winner = members(&lab, SALES);
    assert!(
        winner == as_members(&[0, 1]) || winner == as_members(&[3, 4]),
        "never a mixture: {winner:#?}"
    );
    for _ in 0..4 {
        let plan = lab.plan(Target::Google).await;
        let conflicts = plan
            .plan
            .parts
            .iter()
            .filter(|part| part.state == GroupState::Conflict)
            .count();
        assert_eq!(conflicts, 1);
        nothing_left_to_do(&lab).await;
        assert_eq!(members(&lab, SALES), winner);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r19_r14_an_address_that_its_holder_moved_away_from_is_free_once_everybody_has_left() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1]).await;
    let old = group_at(&lab, SALES).id;
    lab.group("Rivals", Some(SALES), &[3]);
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&id, Some("field@example.com")));
    for _ in 0..3 {
        lab.sync(Target::Google).await;
    }
    assert_eq!(members(&lab, "field@example.com"), as_members(&[0, 1]));
    assert_eq!(members(&lab, SALES), as_members(&[3]));
    assert_eq!(group_at(&lab, SALES).id, old, "taken over, not made again");
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_a_group_that_answers_404_for_a_while_after_its_creation_is_waited_for_and_not_created_again() {
    let size = Size {
        users: 8,
        groups: 0,
        memberships: 0,
    };
    let mut lab = Lab::with(size, |organisation| {
        organisation.google.lag.create_ms = 2_500;
        organisation.google.lag.list_ms = 600_000;
    })
    .await;
    lab.group("Sales", Some(SALES), &[0, 1, 2]);
    lab.plan_and_apply(Target::Google).await;
    assert_eq!(creations(&lab), 1);
    assert!(
        mutations(&lab).iter().any(|request| request.status == 404),
        "the lag was met"
    );
    assert_eq!(members(&lab, SALES), as_members(&[0, 1, 2]));
    stays_so(&lab).await;
    assert!(
        lab.simulators
            .requests()
            .iter()
            .all(|request| request.path != "/admin/directory/v1/groups"),
        "groups are never sought in a list"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_a_bound_group_that_answers_404_is_provisioning_and_never_created_again() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1]).await;
    let target = group_at(&lab, SALES).id;
    joins(&lab, &id, 2);
    for path in [&target, SALES] {
        fault(
            &lab,
            "GET",
            &format!("/admin/directory/v1/groups/{}", path.replace('@', "%40")),
            answers(404, "notFound", "Resource Not Found: groupKey"),
        );
        fault(
            &lab,
            "GET",
            &format!("/admin/directory/v1/groups/{path}"),
            answers(404, "notFound", "Resource Not Found: groupKey"),
        );
    }
    for _ in 0..3 {
        let (_, sales) = plan_of_sales(&lab).await;
        assert_eq!(resting_state(&sales), GroupState::Provisioning, "{sales:#?}");
        lab.sync(Target::Google).await;
        assert_eq!(lab.all_writes(), Vec::<String>::new());
    }
    heal(&lab);
    lab.sync(Target::Google).await;
    assert_eq!(group_at(&lab, SALES).id, target);
    assert_eq!(members(&lab, SALES), as_members(&[0, 1, 2]));
    assert_eq!(groups(&lab).len(), 1);
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_r47_a_creation_whose_answer_is_lost_while_the_group_is_late_makes_one_group() {
    let size = Size {
        users: 8,
        groups: 0,
        memberships: 0,
    };
    let mut lab = Lab::with(size, |organisation| organisation.google.lag.create_ms = 1_500).await;
    lab.group("Sales", Some(SALES), &[0, 1]);
    let mut lost = rule("POST", "/admin/directory/v1/groups", Fault::ResetAfter);
    lost.times = Some(1);
    strike(&lab, lost);
    let plan = lab.plan(Target::Google).await;
    let outcome = lab
        .apply(
            Target::Google,
            &plan.plan.hash,
            groupcast::run::Selection::default(),
        )
        .await;
    for _ in 0..3 {
        lab.sync(Target::Google).await;
    }
    assert_eq!(groups(&lab).len(), 1, "{outcome:#?}");
    assert_eq!(members(&lab, SALES), as_members(&[0, 1]), "{outcome:#?}");
    stays_so(&lab).await;
}
