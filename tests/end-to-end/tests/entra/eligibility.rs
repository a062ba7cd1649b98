//! What an export to Entra needs (R1 to R4), in which order (R29), and that it then happens (R30).

use groupcast_guest::plan::part::GroupState;
use groupcast_tests::{ENTRA_DIRECTORY, Lab, codes, part};

use crate::looking::{
    ENTRA, applied, as_members, existing, existing_id, fresh, groups, joins, members, mutations, objects,
    only, settled,
};

/// A lab in which another group was approved and applied, so that a run may write by itself.
async fn active() -> Lab {
    let mut lab = fresh().await;
    lab.group("Other", None, &[7]);
    lab.plan_and_apply(ENTRA).await;
    lab
}

/// Plans and runs: nothing is written, and the plan says of Sales that this alone is missing.
async fn exports_nothing(lab: &Lab, code: &str) -> GroupState {
    lab.simulators.clear_requests();
    let before = lab.entra(|entra| entra.tenant());
    let plan = lab.plan(ENTRA).await;
    let sales = part(&plan, "Sales");
    assert!(
        !sales.reasons.is_empty() && sales.reasons.iter().all(|reason| reason.code == code),
        "{code} alone is missing: {sales:#?}"
    );
    assert!(!sales.has_writes() && sales.notes.is_empty(), "{sales:#?}");
    lab.sync(ENTRA).await;
    assert_eq!(lab.all_writes(), Vec::<String>::new(), "{code}");
    assert_eq!(lab.entra(|entra| entra.tenant()), before, "{code}");
    sales.state
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_an_export_needs_no_email() {
    let mut lab = fresh().await;
    lab.group("Sales", None, &[0, 1]);
    lab.plan_and_apply(ENTRA).await;
    assert_eq!(members(&lab, &only(&lab, "Sales").id), objects([0, 1]));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_r3_without_a_binding_nothing_is_exported_and_with_one_it_is() {
    let mut lab = active().await;
    let id = lab.group("Sales", None, &[0, 1]);
    lab.set(ENTRA, "selected", vec!["Other".to_owned(), "Sales".to_owned()]);
    lab.jumpcloud(|jumpcloud| jumpcloud.unbind_group(&id, ENTRA_DIRECTORY));
    assert_eq!(
        exports_nothing(&lab, "not-bound").await,
        GroupState::NotExportable
    );

    lab.jumpcloud(|jumpcloud| jumpcloud.bind_group(&id, ENTRA_DIRECTORY));
    applied(&lab).await;
    assert_eq!(members(&lab, &only(&lab, "Sales").id), objects([0, 1]));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_r3_without_a_selection_nothing_is_exported_and_with_one_by_name_or_id_it_is() {
    for by_id in [false, true] {
        let mut lab = active().await;
        let id = lab.group("Sales", None, &[0, 1]);
        lab.set(ENTRA, "selected", vec!["Other".to_owned()]);
        assert_eq!(
            exports_nothing(&lab, "not-selected").await,
            GroupState::NotExportable
        );

        let name = if by_id { id } else { "Sales".to_owned() };
        lab.set(ENTRA, "selected", vec!["Other".to_owned(), name]);
        applied(&lab).await;
        assert_eq!(members(&lab, &only(&lab, "Sales").id), objects([0, 1]));
        settled(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_a_selection_of_another_spelling_selects_nothing() {
    let mut lab = active().await;
    lab.group("Sales", None, &[0, 1]);
    lab.set(
        ENTRA,
        "selected",
        vec!["Other".to_owned(), "sales".to_owned(), "Sale*".to_owned()],
    );
    assert_eq!(
        exports_nothing(&lab, "not-selected").await,
        GroupState::NotExportable
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_r3_where_management_is_off_nothing_is_exported_and_once_it_is_on_it_is() {
    let mut lab = fresh().await;
    lab.group("Sales", None, &[0, 1]);
    lab.set(ENTRA, "managed", false);
    assert_eq!(
        exports_nothing(&lab, "not-managed").await,
        GroupState::NotExportable
    );

    lab.set(ENTRA, "managed", true);
    lab.plan_and_apply(ENTRA).await;
    assert_eq!(members(&lab, &only(&lab, "Sales").id), objects([0, 1]));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_an_empty_group_is_neither_created_nor_taken_over_and_its_first_user_starts_it() {
    for taken_over in [false, true] {
        let mut lab = active().await;
        if taken_over {
            lab.entra(|entra| entra.create_group(existing(1, "Sales")));
        }
        let id = lab.group("Sales", Some("sales@example.com"), &[]);
        assert_eq!(exports_nothing(&lab, "no-users").await, GroupState::NotExportable);

        joins(&lab, &id, 0);
        applied(&lab).await;
        let group = only(&lab, "Sales");
        assert_eq!(group.id == existing_id(1), taken_over);
        assert_eq!(members(&lab, &group.id), objects([0]));
        settled(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_what_is_missing_is_said_all_at_once() {
    let mut lab = fresh().await;
    let id = lab.group("Sales", None, &[]);
    lab.set(ENTRA, "managed", false);
    lab.set(ENTRA, "selected", vec!["Another".to_owned()]);
    let plan = lab.plan(ENTRA).await;
    let said = codes(part(&plan, "Sales"));
    assert!(
        said.contains(&"not-managed") && said.contains(&"not-selected"),
        "{said:?}"
    );
    lab.jumpcloud(|jumpcloud| jumpcloud.unbind_group(&id, ENTRA_DIRECTORY));
    lab.set(ENTRA, "managed", true);
    lab.set(ENTRA, "selected", vec![id]);
    let plan = lab.plan(ENTRA).await;
    assert!(codes(part(&plan, "Sales")).contains(&"not-bound"));
    assert_eq!(lab.all_writes(), Vec::<String>::new());
    assert!(groups(&lab).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn r29_selection_precedes_enabling_and_nothing_is_taken_over_before_both() {
    let mut lab = fresh().await;
    let mut hand_made = existing(1, "Sales");
    hand_made.members = as_members([5]);
    lab.entra(|entra| entra.create_group(hand_made));
    lab.group("Sales", None, &[0, 1]);

    // Selected, not enabled.
    lab.set(ENTRA, "managed", false);
    lab.set(ENTRA, "selected", vec!["Sales".to_owned()]);
    exports_nothing(&lab, "not-managed").await;
    // Enabled, not selected.
    lab.set(ENTRA, "managed", true);
    lab.set(ENTRA, "selected", vec!["Another".to_owned()]);
    exports_nothing(&lab, "not-selected").await;

    lab.set(ENTRA, "selected", vec!["Sales".to_owned()]);
    lab.plan_and_apply(ENTRA).await;
    assert_eq!(only(&lab, "Sales").id, existing_id(1), "taken over");
    assert_eq!(members(&lab, &existing_id(1)), objects([0, 1, 5]));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r29_a_new_connection_plans_and_writes_nothing_by_itself() {
    let mut lab = fresh().await;
    lab.group("Sales", None, &[0, 1]);
    for _ in 0..2 {
        lab.sync(ENTRA).await;
        assert!(mutations(&lab).is_empty() && groups(&lab).is_empty());
    }
    lab.plan_and_apply(ENTRA).await;
    assert_eq!(members(&lab, &only(&lab, "Sales").id), objects([0, 1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_r30_users_of_nested_groups_are_exported_as_members_of_the_bound_one() {
    let mut lab = fresh().await;
    let outer = lab.group("Sales", None, &[0, 1]);
    let inner = lab.group("Inner", None, &[1, 2]);
    lab.jumpcloud(|jumpcloud| {
        jumpcloud.unbind_group(&inner, ENTRA_DIRECTORY)?;
        jumpcloud.nest(&outer, &inner)?;
        jumpcloud.nest(&inner, &outer)
    });
    lab.plan_and_apply(ENTRA).await;
    assert_eq!(groups(&lab).len(), 1, "the nested one is not exported for itself");
    assert_eq!(members(&lab, &only(&lab, "Sales").id), objects([0, 1, 2]));
    settled(&lab).await;
}
