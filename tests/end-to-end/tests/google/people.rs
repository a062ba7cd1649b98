//! Who somebody of the source is in Google: found by any of their addresses, known by the immutable ID (R31).

use groupcast_simulators::google::tenant::{Role, User};
use groupcast_simulators::jumpcloud;
use groupcast_tests::{GOOGLE_DIRECTORY, Lab, Target, address, codes, user};

use crate::looking::{
    as_members, exported, google_id, group_at, held, members, mutations, nothing_left_to_do, plan_of_sales,
    removals, stays_so,
};

const SALES: &str = "sales@example.com";

fn set_email(lab: &Lab, number: usize, email: &str) {
    lab.jumpcloud(|jumpcloud| jumpcloud.set_user_email(&user(number), Some(email)));
}

/// Somebody new in JumpCloud.
fn person(number: usize, email: &str) -> jumpcloud::User {
    jumpcloud::User {
        id: user(number),
        username: format!("person-{number}"),
        email: Some(email.to_owned()),
        directories: vec![GOOGLE_DIRECTORY.to_owned()],
        ..jumpcloud::User::default()
    }
}

/// Somebody new in Google.
fn account(id: &str, email: &str, aliases: &[&str]) -> User {
    User {
        id: id.to_owned(),
        primary_email: email.to_owned(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        suspended: false,
        name: "Some Body".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_somebody_is_found_by_an_alias_in_any_case_and_added_by_the_immutable_id() {
    let mut lab = Lab::new().await;
    lab.google(|google| {
        assert!(google.add_alias(&address(0), "zero@example.com"));
    });
    set_email(&lab, 0, "Zero@EXAMPLE.com");
    set_email(&lab, 1, "USER-000001@Example.com");
    lab.group("Sales", Some(SALES), &[0, 1]);
    lab.plan_and_apply(Target::Google).await;
    assert_eq!(members(&lab, SALES), as_members(&[0, 1]));
    for request in mutations(&lab)
        .iter()
        .filter(|request| request.path.ends_with("/members"))
    {
        let body = request.body.clone().unwrap();
        assert_eq!(
            body["email"],
            serde_json::Value::Null,
            "by ID, never by address: {body}"
        );
        assert!([google_id(0), google_id(1)].contains(&body["id"].as_str().unwrap().to_owned()));
        assert_eq!(body["role"], "MEMBER");
    }
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_another_address_of_the_same_person_changes_nothing() {
    let mut lab = Lab::new().await;
    exported(&mut lab, &[0, 1]).await;
    lab.google(|google| google.add_alias(&address(0), "zero@example.com"));
    let before = group_at(&lab, SALES);
    set_email(&lab, 0, "zero@example.com");
    for _ in 0..2 {
        lab.sync(Target::Google).await;
        assert_eq!(lab.all_writes(), Vec::<String>::new());
    }
    assert_eq!(group_at(&lab, SALES), before);
    nothing_left_to_do(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_dots_and_googlemail_are_the_same_mailbox_at_gmail_and_nowhere_else() {
    let mut lab = Lab::new().await;
    lab.google(|google| {
        google.create_user(account("190", "jane.doe@example.com", &["jane.doe@gmail.com"]));
        google.create_user(account("191", "johnroe@example.com", &[]));
    });
    let id = lab.group("Sales", Some(SALES), &[0]);
    lab.jumpcloud(|jumpcloud| {
        jumpcloud.create_user(person(50, "JaneDoe@googlemail.com"))?;
        jumpcloud.create_user(person(51, "john.roe@example.com"))?;
        jumpcloud.add_user_to_group(&id, &user(50))?;
        jumpcloud.add_user_to_group(&id, &user(51))
    });
    let (plan, _) = lab.plan_and_apply(Target::Google).await;
    let mut expected = as_members(&[0]);
    expected.insert("jane.doe@example.com".to_owned(), Role::Member);
    assert_eq!(members(&lab, SALES), expected);
    let waiting: Vec<&str> = plan.plan.parts[0]
        .waiting
        .iter()
        .map(|one| one.user.as_str())
        .collect();
    assert_eq!(waiting, [user(51)], "a dot elsewhere makes another address");
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_somebody_ambiguous_is_skipped_and_reported_and_added_once_told_apart() {
    let mut lab = Lab::new().await;
    lab.google(|google| {
        google.create_user(account("190", "one@example.com", &["shared@example.com"]));
        google.create_user(account("191", "two@example.com", &["shared@example.com"]));
    });
    let id = lab.group("Sales", Some(SALES), &[0]);
    lab.jumpcloud(|jumpcloud| {
        jumpcloud.create_user(person(50, "shared@example.com"))?;
        jumpcloud.add_user_to_group(&id, &user(50))
    });
    let (plan, _) = lab.plan_and_apply(Target::Google).await;
    let waiting = &plan.plan.parts[0].waiting;
    assert_eq!(waiting.len(), 1, "{waiting:#?}");
    assert_eq!(
        (waiting[0].user.as_str(), waiting[0].reason.code.as_str()),
        (user(50).as_str(), "ambiguous-user")
    );
    assert!(
        waiting[0]
            .reason
            .message
            .contains("one@example.com, two@example.com"),
        "{waiting:#?}"
    );
    assert_eq!(members(&lab, SALES), as_members(&[0]), "neither of the two");
    stays_so(&lab).await;

    lab.google(|google| google.delete_user("two@example.com"));
    lab.sync(Target::Google).await;
    assert!(members(&lab, SALES).contains_key("one@example.com"));
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_r5_a_member_of_ours_who_becomes_ambiguous_or_unknown_stays_a_member() {
    let mut lab = Lab::new().await;
    exported(&mut lab, &[0, 1, 2]).await;
    let before = group_at(&lab, SALES);
    lab.google(|google| google.create_user(account("190", "other@example.com", &[&address(0)])));
    set_email(&lab, 1, "unknown@example.com");
    lab.jumpcloud(|jumpcloud| jumpcloud.set_user_email(&user(2), None));
    let (_, sales) = plan_of_sales(&lab).await;
    let waiting: Vec<&str> = sales.waiting.iter().map(|one| one.reason.code.as_str()).collect();
    assert_eq!(
        waiting,
        ["ambiguous-user", "awaiting-user", "no-address"],
        "{sales:#?}"
    );
    lab.sync(Target::Google).await;
    assert_eq!(lab.all_writes(), Vec::<String>::new());
    assert_eq!(group_at(&lab, SALES), before);
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_somebody_who_answers_to_another_account_now_is_added_and_the_first_account_is_held() {
    let mut lab = Lab::new().await;
    exported(&mut lab, &[0, 1]).await;
    lab.google(|google| google.create_user(account("190", "married@example.com", &[])));
    set_email(&lab, 1, "married@example.com");
    let (_, sales) = plan_of_sales(&lab).await;
    assert_eq!(
        held(&sales),
        [(address(1), "resolves-elsewhere".to_owned(), true)].into()
    );
    lab.sync(Target::Google).await;
    let mut both = as_members(&[0, 1]);
    both.insert("married@example.com".to_owned(), Role::Member);
    assert_eq!(members(&lab, SALES), both);
    assert_eq!(removals(&lab), []);

    let plan = lab.plan(Target::Google).await;
    let approval = groupcast::run::Selection {
        groups: None,
        release_held: true,
    };
    lab.apply(Target::Google, &plan.plan.hash, approval)
        .await
        .unwrap();
    both.remove(&address(1));
    assert_eq!(members(&lab, SALES), both);
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_two_people_of_the_source_with_one_account_are_one_member_until_both_are_gone() {
    let mut lab = Lab::new().await;
    let id = lab.group("Sales", Some(SALES), &[0, 1]);
    lab.jumpcloud(|jumpcloud| {
        jumpcloud.create_user(person(50, &address(1).to_uppercase()))?;
        jumpcloud.add_user_to_group(&id, &user(50))
    });
    let (_, sales) = plan_of_sales(&lab).await;
    assert!(codes(&sales).contains(&"shared-address"), "{sales:#?}");
    lab.plan_and_apply(Target::Google).await;
    assert_eq!(members(&lab, SALES), as_members(&[0, 1]));
    stays_so(&lab).await;
    for gone in [1, 50] {
        lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(gone)));
        lab.sync(Target::Google).await;
        let expected = if gone == 1 {
            as_members(&[0, 1])
        } else {
            as_members(&[0])
        };
        assert_eq!(members(&lab, SALES), expected);
        nothing_left_to_do(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_an_account_that_was_deleted_and_made_again_is_another_one_and_is_added() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1]).await;
    lab.google(|google| google.delete_user(&address(1)));
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, SALES), as_members(&[0]));
    assert_eq!(
        lab.all_writes(),
        Vec::<String>::new(),
        "nobody is there to be added"
    );

    lab.google(|google| google.create_user(account("191", &address(1), &[])));
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, SALES), as_members(&[0, 1]));
    stays_so(&lab).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(1)));
    lab.simulators.clear_requests();
    lab.sync(Target::Google).await;
    assert_eq!(removals(&lab), [(group_at(&lab, SALES).id, "191".to_owned())]);
    stays_so(&lab).await;
}
