//! What changes in JumpCloud after the export: people, name, description (R11), email (R12 to R14), binding, selection
//! and the group itself (R32).

use groupcast_guest::plan::part::GroupState;
use groupcast_tests::{ENTRA_DIRECTORY, Lab, codes, part};
use serde_json::json;

use crate::looking::{
    ENTRA, applied, binds, creations, existing, existing_id, exported, fresh, groups, joins, leaves, members,
    mutations, objects, only, plan_of, removals, settled,
};

/// The group is stopped: whatever happens in JumpCloud, Entra stays as it is.
async fn frozen(lab: &Lab, name: &str, state: GroupState, code: &str) {
    lab.simulators.clear_requests();
    let before = groups(lab);
    let plan = plan_of(lab.sync(ENTRA).await);
    let stopped = part(&plan, name);
    assert_eq!(stopped.state, state, "{stopped:#?}");
    assert!(codes(stopped).contains(&code), "{stopped:#?}");
    assert!(!stopped.has_writes(), "{stopped:#?}");
    assert_eq!(lab.all_writes(), Vec::<String>::new());
    assert_eq!(groups(lab), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_members_who_come_and_go_are_exported_by_exactly_these_requests() {
    let mut lab = fresh().await;
    let (source, target) = exported(&mut lab, &[0, 1, 2]).await;
    joins(&lab, &source, 3);
    joins(&lab, &source, 4);
    leaves(&lab, &source, 0);
    applied(&lab).await;
    assert_eq!(members(&lab, &target), objects([1, 2, 3, 4]));
    let sent = mutations(&lab);
    assert_eq!(sent.len(), 2, "one addition for both, one removal: {sent:#?}");
    assert_eq!(
        sent.iter()
            .flat_map(binds)
            .collect::<std::collections::BTreeSet<_>>(),
        objects([3, 4])
    );
    assert_eq!(removals(&lab), [(target, crate::looking::object(0))]);
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_a_rename_patches_the_group_bound_by_id_and_is_no_new_takeover() {
    let mut lab = fresh().await;
    let (source, target) = exported(&mut lab, &[0, 1]).await;
    // One of the new name is there already: it would be taken over if this were a new look-up.
    let there = existing(1, "Vente");
    lab.entra(|entra| entra.create_group(there.clone()));
    lab.jumpcloud(|jumpcloud| jumpcloud.rename_group(&source, "Vente"));
    applied(&lab).await;
    let sent = mutations(&lab);
    assert_eq!(sent.len(), 1, "{sent:#?}");
    assert_eq!(
        (
            sent[0].method.as_str(),
            sent[0].path.as_str(),
            sent[0].body.clone()
        ),
        (
            "PATCH",
            format!("/v1.0/groups/{target}").as_str(),
            Some(json!({"displayName": "Vente"}))
        )
    );
    assert_eq!(groups(&lab)[&target].display_name, "Vente");
    assert_eq!(members(&lab, &target), objects([0, 1]));
    assert_eq!(groups(&lab)[&there.id], there, "untouched");
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_a_rename_of_case_alone_is_a_rename() {
    let mut lab = fresh().await;
    let (source, target) = exported(&mut lab, &[0]).await;
    for name in ["sales", "sales ", "Sale\u{301}s"] {
        lab.jumpcloud(|jumpcloud| jumpcloud.rename_group(&source, name));
        applied(&lab).await;
        assert_eq!(groups(&lab)[&target].display_name, name);
        assert_eq!(groups(&lab).len(), 1);
        settled(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_a_description_is_set_changed_and_cleared() {
    let mut lab = fresh().await;
    let (source, target) = exported(&mut lab, &[0]).await;
    let long = "\u{e9}".repeat(2_000);
    for text in [
        Some("Those who sell"),
        Some("Two\nlines, \"quoted\""),
        None,
        Some(long.as_str()),
    ] {
        lab.jumpcloud(|jumpcloud| jumpcloud.set_group_description(&source, text));
        lab.simulators.clear_requests();
        applied(&lab).await;
        let wanted = text.map(|text| text.chars().take(1024).collect::<String>());
        assert_eq!(groups(&lab)[&target].description, wanted);
        assert_eq!(mutations(&lab)[0].body, Some(json!({"description": wanted})));
        settled(&lab).await;
    }
    for same in [format!(" {long}\r\n")] {
        // What a vendor trims is no change, else it would be written for ever.
        lab.jumpcloud(|jumpcloud| jumpcloud.set_group_description(&source, Some(same.trim())));
        settled(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_everything_at_once_is_exported_in_one_run() {
    let mut lab = fresh().await;
    let (source, target) = exported(&mut lab, &[0, 1, 2]).await;
    lab.jumpcloud(|jumpcloud| {
        jumpcloud.rename_group(&source, "Vente")?;
        jumpcloud.set_group_description(&source, Some("Ceux qui vendent"))
    });
    joins(&lab, &source, 3);
    leaves(&lab, &source, 1);
    applied(&lab).await;
    let group = &groups(&lab)[&target];
    assert_eq!(group.display_name, "Vente");
    assert_eq!(group.description.as_deref(), Some("Ceux qui vendent"));
    assert_eq!(members(&lab, &target), objects([0, 2, 3]));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_r13_an_email_taken_away_releases_the_group_in_entra_too_and_given_back_resumes_it() {
    let mut lab = fresh().await;
    let (source, target) = exported(&mut lab, &[0, 1]).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&source, None));
    frozen(&lab, "Sales", GroupState::Released, "email-removed").await;
    joins(&lab, &source, 2);
    leaves(&lab, &source, 0);
    lab.jumpcloud(|jumpcloud| jumpcloud.rename_group(&source, "Vente"));
    for _ in 0..2 {
        frozen(&lab, "Vente", GroupState::Released, "email-removed").await;
    }
    for blank in ["", "  "] {
        lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&source, Some(blank)));
        frozen(&lab, "Vente", GroupState::Released, "email-removed").await;
    }
    settled(&lab).await;

    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&source, Some("sales@example.com")));
    applied(&lab).await;
    assert_eq!(only(&lab, "Vente").id, target, "the same object");
    assert_eq!(members(&lab, &target), objects([1, 2]));
    assert_eq!(groups(&lab).len(), 1);
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r13_a_group_that_never_had_an_email_goes_on_and_one_that_gets_one_and_loses_it_is_released() {
    let mut lab = fresh().await;
    let source = lab.group("Sales", None, &[0]);
    lab.plan_and_apply(ENTRA).await;
    let target = only(&lab, "Sales").id;
    joins(&lab, &source, 1);
    applied(&lab).await;
    assert_eq!(members(&lab, &target), objects([0, 1]));
    settled(&lab).await;

    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&source, Some("sales@example.com")));
    lab.simulators.clear_requests();
    lab.sync(ENTRA).await;
    assert_eq!(
        lab.all_writes(),
        Vec::<String>::new(),
        "an email is nothing to Entra"
    );
    settled(&lab).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&source, None));
    joins(&lab, &source, 2);
    frozen(&lab, "Sales", GroupState::Released, "email-removed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r13_with_the_switch_off_an_email_taken_away_changes_nothing() {
    let mut lab = fresh().await;
    lab.set(ENTRA, "release_on_email_removal", false);
    let (source, target) = exported(&mut lab, &[0, 1]).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&source, None));
    joins(&lab, &source, 2);
    applied(&lab).await;
    assert_eq!(members(&lab, &target), objects([0, 1, 2]));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r14_an_email_that_changes_changes_nothing_in_entra() {
    let mut lab = fresh().await;
    let (source, target) = exported(&mut lab, &[0, 1]).await;
    for email in ["vente@example.com", "VENTE@example.com", "else@elsewhere.example"] {
        lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&source, Some(email)));
        settled(&lab).await;
    }
    joins(&lab, &source, 2);
    applied(&lab).await;
    assert_eq!(members(&lab, &target), objects([0, 1, 2]));
    assert_eq!(groups(&lab).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_an_unbound_group_is_released_and_frozen_and_bound_again_resumes_on_the_same_object() {
    let mut lab = fresh().await;
    let (source, target) = exported(&mut lab, &[0, 1]).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.unbind_group(&source, ENTRA_DIRECTORY));
    frozen(&lab, "Sales", GroupState::Released, "not-bound").await;
    joins(&lab, &source, 2);
    leaves(&lab, &source, 0);
    frozen(&lab, "Sales", GroupState::Released, "not-bound").await;
    settled(&lab).await;

    lab.jumpcloud(|jumpcloud| jumpcloud.bind_group(&source, ENTRA_DIRECTORY));
    applied(&lab).await;
    assert_eq!(creations(&lab), Vec::new());
    assert_eq!(members(&lab, &target), objects([1, 2]));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r29_r32_a_group_that_is_deselected_is_released_and_selected_again_resumes() {
    let mut lab = fresh().await;
    let (source, target) = exported(&mut lab, &[0, 1]).await;
    lab.set(ENTRA, "selected", vec!["Another".to_owned()]);
    frozen(&lab, "Sales", GroupState::Released, "not-selected").await;
    joins(&lab, &source, 2);
    frozen(&lab, "Sales", GroupState::Released, "not-selected").await;
    lab.set(ENTRA, "selected", vec!["Sales".to_owned()]);
    applied(&lab).await;
    assert_eq!(members(&lab, &target), objects([0, 1, 2]));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_a_group_deleted_in_jumpcloud_is_orphaned_and_its_object_stays_as_it_is() {
    let mut lab = fresh().await;
    let (source, target) = exported(&mut lab, &[0, 1]).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.delete_group(&source));
    for _ in 0..3 {
        frozen(&lab, "Sales", GroupState::Orphaned, "group-gone").await;
    }
    settled(&lab).await;
    assert_eq!(members(&lab, &target), objects([0, 1]));

    // A new group of the name is another group; the orphan's object is not offered to it (R51).
    lab.group("Sales", None, &[3]);
    applied(&lab).await;
    assert_eq!(members(&lab, &target), objects([0, 1]));
    assert_eq!(lab.entra_groups("Sales").len(), 2);
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_unbinding_one_group_does_not_touch_another() {
    let mut lab = fresh().await;
    lab.entra(|entra| entra.create_group(existing(1, "Support")));
    let sales = lab.group("Sales", None, &[0, 1]);
    let support = lab.group("Support", None, &[0, 1]);
    lab.plan_and_apply(ENTRA).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.unbind_group(&sales, ENTRA_DIRECTORY));
    for source in [&sales, &support] {
        joins(&lab, source, 2);
    }
    applied(&lab).await;
    assert_eq!(members(&lab, &only(&lab, "Sales").id), objects([0, 1]));
    assert_eq!(members(&lab, &existing_id(1)), objects([0, 1, 2]));
    settled(&lab).await;
}
