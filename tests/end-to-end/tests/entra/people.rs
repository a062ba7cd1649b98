//! R31: people are found by the object ID that JumpCloud holds, else by sign-in name or mail, exactly and uniquely; and
//! compared by object ID ever after. R5: who is not there waits.

use groupcast_simulators::entra::User;
use groupcast_simulators::jumpcloud;
use groupcast_simulators::organisation::Organisation;
use groupcast_tests::{ENTRA_DIRECTORY, Lab, address, part, user};

use crate::looking::{
    ENTRA, applied, exported, fresh, groups, joins, leaves, members, mutations, object, objects, only,
    organised, removals, rests, settled,
};

const ELSE: &str = "11111111-0000-4000-8000-000000000001";

fn account(id: &str, sign_in: &str, mail: Option<&str>) -> User {
    User {
        id: id.to_owned(),
        user_principal_name: sign_in.to_owned(),
        mail: mail.map(str::to_owned),
        display_name: format!("Account {sign_in}"),
        other_mails: Vec::new(),
        proxy_addresses: Vec::new(),
    }
}

async fn lab(change: impl FnOnce(&mut Organisation)) -> Lab {
    organised(8, change).await
}

/// Why each person of Sales waits: (source user, code).
fn waiting(plan: &groupcast::run::PlanOutcome) -> Vec<(String, String)> {
    part(plan, "Sales")
        .waiting
        .iter()
        .map(|waiting| (waiting.user.clone(), waiting.reason.code.clone()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_the_object_id_that_jumpcloud_holds_goes_before_any_address() {
    let mut lab = lab(|organisation| {
        organisation.jumpcloud.users[0]
            .external_ids
            .insert(ENTRA_DIRECTORY.to_owned(), ELSE.to_owned());
        organisation
            .entra
            .users
            .push(account(ELSE, "renamed@example.onmicrosoft.com", None));
    })
    .await;
    lab.group("Sales", None, &[0, 1]);
    lab.plan_and_apply(ENTRA).await;
    let mut wanted = objects([1]);
    wanted.insert(ELSE.to_owned());
    assert_eq!(members(&lab, &only(&lab, "Sales").id), wanted);
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_the_object_id_goes_before_the_address_among_many_people_too() {
    let mut lab = organised(130, |organisation| {
        organisation.jumpcloud.users[0]
            .external_ids
            .insert(ENTRA_DIRECTORY.to_owned(), ELSE.to_owned());
        organisation
            .entra
            .users
            .push(account(ELSE, "renamed@example.onmicrosoft.com", None));
    })
    .await;
    let everybody: Vec<usize> = (0..130).collect();
    lab.group("Sales", None, &everybody);
    lab.plan_and_apply(ENTRA).await;
    let mut wanted = objects(1..130);
    wanted.insert(ELSE.to_owned());
    assert_eq!(members(&lab, &only(&lab, "Sales").id), wanted);
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_an_object_id_that_is_not_there_is_waited_for_and_not_replaced_by_an_address() {
    let mut lab = lab(|organisation| {
        organisation.jumpcloud.users[0]
            .external_ids
            .insert(ENTRA_DIRECTORY.to_owned(), ELSE.to_owned());
    })
    .await;
    lab.group("Sales", None, &[0, 1]);
    let (plan, _) = lab.plan_and_apply(ENTRA).await;
    assert_eq!(waiting(&plan), [(user(0), "awaiting-user".to_owned())]);
    let target = only(&lab, "Sales").id;
    assert_eq!(members(&lab, &target), objects([1]));
    settled(&lab).await;

    lab.entra(|entra| entra.create_user(account(ELSE, "late@example.com", None)));
    applied(&lab).await;
    assert!(members(&lab, &target).contains(ELSE));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_sign_in_name_or_mail_of_any_case_finds_the_one_person() {
    let mut lab = lab(|organisation| {
        organisation.entra.users[0].user_principal_name = address(0).to_uppercase();
        organisation.entra.users[0].mail = None;
        organisation.entra.users[1].user_principal_name = "one@example.onmicrosoft.com".to_owned();
        organisation.entra.users[1].mail = Some("User-000001@Example.COM".to_owned());
        organisation.entra.users[2].mail = Some("second@elsewhere.example".to_owned());
        organisation.jumpcloud.users[3].email = Some("o'neil+x#1@example.com".to_owned());
        organisation.entra.users[3].user_principal_name = "o'neil+x#1@example.com".to_owned();
    })
    .await;
    lab.group("Sales", None, &[0, 1, 2, 3]);
    let (plan, _) = lab.plan_and_apply(ENTRA).await;
    assert_eq!(waiting(&plan), []);
    assert_eq!(members(&lab, &only(&lab, "Sales").id), objects([0, 1, 2, 3]));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_somebody_ambiguous_is_skipped_and_reported_and_never_guessed() {
    for many in [false, true] {
        let count = if many { 130 } else { 8 };
        let mut lab = organised(count, |organisation| {
            organisation
                .entra
                .users
                .push(account(ELSE, "other@example.com", Some(&address(0))));
        })
        .await;
        let everybody: Vec<usize> = (0..count).collect();
        let source = lab.group("Sales", None, &everybody);
        let (plan, _) = lab.plan_and_apply(ENTRA).await;
        assert_eq!(waiting(&plan), [(user(0), "ambiguous-user".to_owned())]);
        let said = &part(&plan, "Sales").waiting[0].reason.message;
        assert!(
            said.contains("other@example.com"),
            "it names the candidates: {said}"
        );
        let target = only(&lab, "Sales").id;
        assert_eq!(members(&lab, &target), objects(1..count));
        settled(&lab).await;

        // No longer ambiguous.
        lab.entra(|entra| entra.delete_user(ELSE));
        applied(&lab).await;
        assert_eq!(members(&lab, &target), objects(0..count));
        settled(&lab).await;
        let _ = source;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_somebody_who_becomes_ambiguous_or_unknown_is_not_removed() {
    let mut lab = fresh().await;
    let (source, target) = exported(&mut lab, &[0, 1, 2]).await;
    lab.entra(|entra| entra.create_user(account(ELSE, "other@example.com", Some(&address(0)))));
    lab.jumpcloud(|jumpcloud| jumpcloud.set_user_email(&user(1), Some("unknown@example.com")));
    lab.jumpcloud(|jumpcloud| jumpcloud.set_user_email(&user(2), None));
    let plan = lab.plan(ENTRA).await;
    assert_eq!(
        waiting(&plan)
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>(),
        [
            (user(0), "ambiguous-user".to_owned()),
            (user(1), "awaiting-user".to_owned()),
            (user(2), "no-address".to_owned())
        ]
        .into()
    );
    rests(&lab).await;
    assert_eq!(members(&lab, &target), objects([0, 1, 2]));

    // Under the authoritative policy they are nobody's to remove either.
    lab.set(ENTRA, "policy", "authoritative");
    rests(&lab).await;
    assert_eq!(members(&lab, &target), objects([0, 1, 2]));

    // One of them leaves the group: that is said by the source's own list, whoever they are in Entra.
    leaves(&lab, &source, 1);
    lab.simulators.clear_requests();
    applied(&lab).await;
    assert_eq!(removals(&lab), [(target.clone(), object(1))]);
    assert_eq!(members(&lab, &target), objects([0, 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_an_address_that_changes_to_another_of_the_same_account_changes_nothing() {
    let mut lab = lab(|organisation| {
        organisation.entra.users[2].mail = Some("second@example.com".to_owned());
    })
    .await;
    let (_, target) = exported(&mut lab, &[0, 1, 2]).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.set_user_email(&user(2), Some("second@example.com")));
    settled(&lab).await;
    assert_eq!(members(&lab, &target), objects([0, 1, 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_two_people_of_one_account_are_one_member_who_stays_until_both_left() {
    let mut lab = lab(|organisation| {
        organisation.entra.users[1].mail = Some("shared@example.com".to_owned());
        organisation.jumpcloud.users[2].email = Some("shared@example.com".to_owned());
    })
    .await;
    let (source, target) = {
        let source = lab.group("Sales", None, &[0, 1, 2]);
        lab.plan_and_apply(ENTRA).await;
        (source, only(&lab, "Sales").id)
    };
    assert_eq!(members(&lab, &target), objects([0, 1]));
    settled(&lab).await;
    leaves(&lab, &source, 1);
    lab.simulators.clear_requests();
    lab.sync(ENTRA).await;
    assert_eq!(
        lab.all_writes(),
        Vec::<String>::new(),
        "the other one still stands for it"
    );
    assert_eq!(members(&lab, &target), objects([0, 1]));
    settled(&lab).await;
    leaves(&lab, &source, 2);
    applied(&lab).await;
    assert_eq!(members(&lab, &target), objects([0]));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_somebody_whom_entra_does_not_know_waits_visibly_and_is_added_once_there() {
    let mut lab = fresh().await;
    let (source, target) = exported(&mut lab, &[0]).await;
    lab.jumpcloud(|jumpcloud| {
        jumpcloud.create_user(jumpcloud::User {
            id: user(900),
            username: "newcomer".to_owned(),
            email: Some("newcomer@example.com".to_owned()),
            directories: vec![ENTRA_DIRECTORY.to_owned()],
            ..jumpcloud::User::default()
        })
    });
    joins(&lab, &source, 900);
    let plan = lab.plan(ENTRA).await;
    assert_eq!(waiting(&plan), [(user(900), "awaiting-user".to_owned())]);
    settled(&lab).await;
    lab.entra(|entra| entra.create_user(account(ELSE, "newcomer@example.com", None)));
    lab.simulators.clear_requests();
    applied(&lab).await;
    assert_eq!(mutations(&lab).len(), 1);
    assert!(members(&lab, &target).contains(ELSE));
    settled(&lab).await;
    assert_eq!(groups(&lab).len(), 1);
}
