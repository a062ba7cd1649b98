//! What is created is created once (R25), and one object belongs to one source group (R51): over runs, delays, lost
//! answers and a lost ledger.

use groupcast_guest::plan::part::GroupState;
use groupcast_simulators::entra::Group;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_simulators::jumpcloud;
use groupcast_tests::{ENTRA_DIRECTORY, Lab, codes, part, user};

use crate::looking::{
    ENTRA, applied, as_members, creations, existing, existing_id, exported, fresh, groups, heal, lag,
    members, objects, only, organised, rests, rule, settled, strike,
};

/// Two twins in Entra and a group in JumpCloud of that name.
async fn with_twins() -> (Lab, String) {
    let mut lab = fresh().await;
    for number in [1, 2] {
        lab.entra(|entra| entra.create_group(existing(number, "Sales")));
    }
    let id = lab.group("Sales", None, &[0, 1]);
    (lab, id)
}

fn third(lab: &Lab) -> Group {
    let mut found: Vec<Group> = groups(lab)
        .into_values()
        .filter(|group| !group.id.starts_with("99999999-"))
        .collect();
    assert_eq!(found.len(), 1, "created groups: {found:#?}");
    found.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn r25_three_more_runs_make_no_fourth_even_while_people_come_and_go() {
    let (lab, id) = with_twins().await;
    lab.plan_and_apply(ENTRA).await;
    let made = third(&lab);
    for number in [3, 4, 5] {
        settled(&lab).await;
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(number)));
        applied(&lab).await;
        assert_eq!(third(&lab).id, made.id);
        assert_eq!(creations(&lab), Vec::new());
    }
    assert_eq!(members(&lab, &made.id), objects([0, 1, 3, 4, 5]));
    assert_eq!(groups(&lab).len(), 3);
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r25_a_lost_ledger_makes_no_fourth_since_the_third_is_known_by_its_unique_name() {
    let (mut lab, _) = with_twins().await;
    lab.plan_and_apply(ENTRA).await;
    let made = third(&lab);
    lab.section("store")
        .insert("path".to_owned(), "another.db".into());
    lab.simulators.clear_requests();
    lab.plan_and_apply(ENTRA).await;
    assert_eq!(lab.all_writes(), Vec::<String>::new());
    assert_eq!(third(&lab), made);
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r25_with_a_delay_before_new_objects_show_there_is_still_one_creation() {
    let (lab, _) = with_twins().await;
    lag(&lab, 2_500, 0);
    lab.plan_and_apply(ENTRA).await;
    assert_eq!(creations(&lab).len(), 1);
    assert_eq!(members(&lab, &third(&lab).id), objects([0, 1]));
    for _ in 0..3 {
        settled(&lab).await;
    }
    assert_eq!(groups(&lab).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_r25_a_created_group_that_does_not_show_yet_is_waited_for_and_never_created_again() {
    let mut lab = fresh().await;
    // Nobody in it exists in Entra, so that nothing waits for the group within the first run.
    let id = lab.group("Sales", None, &[]);
    lab.jumpcloud(|jumpcloud| {
        jumpcloud.create_user(jumpcloud::User {
            id: user(900),
            username: "newcomer".to_owned(),
            email: Some("newcomer@example.com".to_owned()),
            directories: vec![ENTRA_DIRECTORY.to_owned()],
            ..jumpcloud::User::default()
        })?;
        jumpcloud.add_user_to_group(&id, &user(900))
    });
    lag(&lab, 3_600_000, 0);
    lab.plan_and_apply(ENTRA).await;
    let made = third(&lab);
    for _ in 0..3 {
        lab.simulators.clear_requests();
        let plan = lab.plan(ENTRA).await;
        assert_eq!(part(&plan, "Sales").state, GroupState::Provisioning);
        rests(&lab).await;
    }
    lag(&lab, 0, 0);
    settled(&lab).await;
    assert_eq!(third(&lab), made);
}

#[tokio::test(flavor = "multi_thread")]
async fn r25_reads_that_lag_behind_writes_lead_to_no_fourth_and_nobody_twice() {
    let (lab, id) = with_twins().await;
    lag(&lab, 0, 1_500);
    lab.plan_and_apply(ENTRA).await;
    let made = third(&lab);
    for number in [3, 4] {
        // At once, while reads still show what was before.
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(number)));
        applied(&lab).await;
        assert_eq!(third(&lab).id, made.id);
    }
    assert_eq!(creations(&lab).len(), 1, "the first one alone");
    assert_eq!(members(&lab, &made.id), objects([0, 1, 3, 4]));
    tokio::time::sleep(std::time::Duration::from_millis(1_600)).await;
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r25_r47_a_creation_whose_answer_is_lost_is_found_again_by_its_unique_name() {
    for fault in [
        Fault::ResetAfter,
        Fault::AnswerAfter {
            status: 503,
            body: String::new(),
        },
        Fault::Truncate { after: 20 },
    ] {
        let (lab, _) = with_twins().await;
        strike(
            &lab,
            Rule {
                times: Some(1),
                ..rule("PATCH", "/v1.0/*", fault.clone())
            },
        );
        lab.plan_and_apply(ENTRA).await;
        assert_eq!(members(&lab, &third(&lab).id), objects([0, 1]), "{fault:?}");
        assert_eq!(groups(&lab).len(), 3, "{fault:?}");
        for _ in 0..2 {
            settled(&lab).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r25_a_creation_that_is_refused_is_made_once_at_a_later_run() {
    let (lab, _) = with_twins().await;
    strike(
        &lab,
        rule(
            "PATCH",
            "/v1.0/*",
            crate::looking::answer(400, "Request_BadRequest", &[]),
        ),
    );
    let plan = lab.plan(ENTRA).await;
    let outcome = lab
        .apply(ENTRA, &plan.plan.hash, groupcast::run::Selection::default())
        .await
        .unwrap();
    assert!(outcome.report.failed >= 1, "{:#?}", outcome.report);
    assert_eq!(groups(&lab).len(), 2, "and nobody was added anywhere");
    heal(&lab);
    applied(&lab).await;
    assert_eq!(members(&lab, &third(&lab).id), objects([0, 1]));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r51_of_two_groups_of_one_name_one_takes_over_and_the_other_gets_an_object_of_its_own() {
    let lab = organised(8, |organisation| {
        for (number, users) in [(1, [0, 1]), (2, [2, 3])] {
            organisation.jumpcloud.groups.push(jumpcloud::Group {
                id: format!("f{number:023x}"),
                name: "Sales".to_owned(),
                users: users.iter().map(|number| user(*number)).collect(),
                directories: vec![ENTRA_DIRECTORY.to_owned()],
                ..jumpcloud::Group::default()
            });
        }
        organisation.entra.groups.push(existing(1, "Sales"));
    })
    .await;
    lab.plan_and_apply(ENTRA).await;
    let both = lab.entra_groups("Sales");
    assert_eq!(both.len(), 2);
    let other = third(&lab);
    let held = [members(&lab, &existing_id(1)), members(&lab, &other.id)];
    assert!(
        held.contains(&objects([0, 1])) && held.contains(&objects([2, 3])),
        "{held:?}"
    );
    for _ in 0..3 {
        settled(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r51_two_groups_of_one_name_without_a_match_get_two_objects() {
    let lab = organised(8, |organisation| {
        for number in [1, 2] {
            organisation.jumpcloud.groups.push(jumpcloud::Group {
                id: format!("f{number:023x}"),
                name: "Sales".to_owned(),
                users: vec![user(number)],
                directories: vec![ENTRA_DIRECTORY.to_owned()],
                ..jumpcloud::Group::default()
            });
        }
    })
    .await;
    lab.plan_and_apply(ENTRA).await;
    let both: Vec<_> = lab
        .entra_groups("Sales")
        .iter()
        .map(|group| members(&lab, &group.id))
        .collect();
    assert_eq!(both.len(), 2);
    assert!(
        both.contains(&objects([1])) && both.contains(&objects([2])),
        "{both:?}"
    );
    for _ in 0..3 {
        settled(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r51_a_new_group_of_the_old_name_does_not_take_the_renamed_ones_object() {
    let mut lab = fresh().await;
    let mut hand_made = existing(1, "Sales");
    hand_made.members = as_members([0]);
    lab.entra(|entra| entra.create_group(hand_made));
    let (old, target) = exported(&mut lab, &[0, 1]).await;
    assert_eq!(target, existing_id(1));
    // In one go: Entra still shows the old name when the new group is looked for.
    lab.jumpcloud(|jumpcloud| jumpcloud.rename_group(&old, "Sales Europe"));
    lab.group("Sales", None, &[2]);
    applied(&lab).await;
    assert_eq!(only(&lab, "Sales Europe").id, target);
    assert_eq!(members(&lab, &target), objects([0, 1]));
    let new = only(&lab, "Sales");
    assert_ne!(new.id, target);
    assert_eq!(members(&lab, &new.id), objects([2]));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r51_two_groups_that_swap_names_keep_their_objects() {
    let mut lab = fresh().await;
    let one = lab.group("One", None, &[1]);
    let two = lab.group("Two", None, &[2]);
    lab.plan_and_apply(ENTRA).await;
    let (first, second) = (only(&lab, "One").id, only(&lab, "Two").id);
    lab.jumpcloud(|jumpcloud| {
        jumpcloud.rename_group(&one, "Three")?;
        jumpcloud.rename_group(&two, "One")?;
        jumpcloud.rename_group(&one, "Two")
    });
    applied(&lab).await;
    assert_eq!(only(&lab, "One").id, second);
    assert_eq!(only(&lab, "Two").id, first);
    assert_eq!(members(&lab, &first), objects([1]));
    assert_eq!(members(&lab, &second), objects([2]));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r51_the_object_of_a_released_group_is_no_candidate_either() {
    let mut lab = fresh().await;
    let (old, target) = exported(&mut lab, &[0, 1]).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.unbind_group(&old, ENTRA_DIRECTORY));
    lab.sync(ENTRA).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.rename_group(&old, "Old"));
    lab.group("Sales", None, &[2]);
    let plan = lab.plan(ENTRA).await;
    assert!(codes(part(&plan, "Sales")).contains(&"twin-names"));
    applied(&lab).await;
    assert_eq!(members(&lab, &target), objects([0, 1]), "as it was");
    assert_eq!(lab.entra_groups("Sales").len(), 2);
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_a_bound_object_that_somebody_deleted_is_reported_and_not_created_again() {
    let mut lab = fresh().await;
    let (source, target) = exported(&mut lab, &[0, 1]).await;
    lab.entra(|entra| entra.delete_group(&target));
    lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&source, &user(3)));
    let plan = lab.plan(ENTRA).await;
    let sales = part(&plan, "Sales");
    assert!(codes(sales).contains(&"target-missing"), "{sales:#?}");
    assert_eq!(sales.state, GroupState::Provisioning);
    rests(&lab).await;
    assert!(groups(&lab).is_empty());
}
