//! What others changed in Entra: the three policies (R10), and owners, who are never touched (R39).

use groupcast_guest::plan::part::Operation;
use groupcast_simulators::entra::{Member, ObjectType};
use groupcast_tests::{Lab, codes, part};

use crate::looking::{
    ENTRA, applied, as_members, binds, existing, existing_id, exported, fresh, groups, joins, leaves,
    members, mutations, object, objects, plan_of, put, removals, rests, settled, take,
};

const PRINCIPAL: &str = "77777777-0000-4000-8000-000000000001";
const DEVICE: &str = "77777777-0000-4000-8000-000000000002";
const CONTACT: &str = "77777777-0000-4000-8000-000000000003";

/// Sales of 0, 1 and 2 in Entra, into which others came: a user, a nested group, a service principal, a device and a
/// contact; with an owner who is a member and one who is none.
async fn drifted(policy: Option<&str>) -> (Lab, String, String) {
    let mut lab = fresh().await;
    if let Some(policy) = policy {
        lab.set(ENTRA, "policy", policy);
    }
    let (source, target) = exported(&mut lab, &[0, 1, 2]).await;
    lab.entra(|entra| {
        entra.create_group(existing(1, "Nested"));
        assert!(entra.add_member(&target, &existing_id(1), ObjectType::Group));
        assert!(entra.add_member(&target, PRINCIPAL, ObjectType::ServicePrincipal));
        assert!(entra.add_member(&target, DEVICE, ObjectType::Device));
        assert!(entra.add_member(&target, CONTACT, ObjectType::OrgContact));
        assert!(entra.add_owner(&target, &object(6)));
        assert!(entra.add_owner(&target, &object(7)));
    });
    put(&lab, &target, 5);
    put(&lab, &target, 6);
    lab.simulators.clear_requests();
    (lab, source, target)
}

/// Users by number and all that are no users.
fn with_others(numbers: impl IntoIterator<Item = usize>) -> std::collections::BTreeSet<String> {
    let mut all = objects(numbers);
    all.extend([
        existing_id(1),
        PRINCIPAL.to_owned(),
        DEVICE.to_owned(),
        CONTACT.to_owned(),
    ]);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_managed_puts_back_what_is_ours_and_leaves_everybody_foreign_alone() {
    let (lab, source, target) = drifted(None).await;
    take(&lab, &target, 1);
    leaves(&lab, &source, 2);
    let plan = plan_of(lab.sync(ENTRA).await);
    let sales = part(&plan, "Sales");
    assert_eq!(members(&lab, &target), with_others([0, 1, 5, 6]));
    assert_eq!(removals(&lab), [(target.clone(), object(2))]);
    assert_eq!(
        mutations(&lab).iter().flat_map(binds).collect::<Vec<_>>(),
        [object(1)]
    );
    let kinds: Vec<&str> = sales.foreign.iter().map(|member| member.kind.as_str()).collect();
    assert_eq!(kinds.len(), 6, "all foreign members are shown: {sales:#?}");
    for kind in ["user", "group", "external", "other"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_authoritative_removes_foreign_users_and_nobody_else() {
    let (lab, _, target) = drifted(Some("authoritative")).await;
    let plan = plan_of(lab.sync(ENTRA).await);
    assert_eq!(
        members(&lab, &target),
        with_others([0, 1, 2, 6]),
        "groups, others and the owner stay"
    );
    assert_eq!(removals(&lab), [(target.clone(), object(5))]);
    let sales = part(&plan, "Sales");
    assert!(
        sales
            .foreign
            .iter()
            .any(|member| member.principal == object(6) && member.role == "owner"),
        "the owner is reported: {sales:#?}"
    );
    settled(&lab).await;
    put(&lab, &target, 4);
    applied(&lab).await;
    assert_eq!(members(&lab, &target), with_others([0, 1, 2, 6]));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_authoritative_can_be_said_of_one_group_alone() {
    let mut lab = fresh().await;
    let policies: toml::Table = [("Sales".to_owned(), "authoritative".into())]
        .into_iter()
        .collect();
    lab.set(ENTRA, "policies", policies);
    lab.group("Sales", None, &[0]);
    lab.group("Support", None, &[1]);
    lab.plan_and_apply(ENTRA).await;
    let [sales, support] = ["Sales", "Support"].map(|name| crate::looking::only(&lab, name).id);
    put(&lab, &sales, 5);
    put(&lab, &support, 5);
    lab.simulators.clear_requests();
    applied(&lab).await;
    assert_eq!(members(&lab, &sales), objects([0]));
    assert_eq!(members(&lab, &support), objects([1, 5]));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_additive_removes_nobody_and_still_adds() {
    let (lab, source, target) = drifted(Some("additive")).await;
    take(&lab, &target, 1);
    leaves(&lab, &source, 2);
    joins(&lab, &source, 3);
    applied(&lab).await;
    assert_eq!(members(&lab, &target), with_others([0, 1, 2, 3, 5, 6]));
    assert_eq!(removals(&lab), Vec::new());
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_somebody_foreign_whom_the_source_comes_to_want_is_ours_from_then_on() {
    let (lab, source, target) = drifted(None).await;
    lab.sync(ENTRA).await;
    joins(&lab, &source, 5);
    lab.sync(ENTRA).await;
    assert_eq!(members(&lab, &target), with_others([0, 1, 2, 5, 6]));
    settled(&lab).await;
    leaves(&lab, &source, 5);
    applied(&lab).await;
    assert_eq!(members(&lab, &target), with_others([0, 1, 2, 6]));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_a_name_or_description_changed_in_entra_is_put_back() {
    let (lab, _, target) = drifted(None).await;
    lab.entra(|entra| {
        entra.change_group(&target, |group| {
            group.display_name = "Mine".to_owned();
            group.description = Some("All mine".to_owned());
        })
    });
    applied(&lab).await;
    let group = &groups(&lab)[&target];
    assert_eq!(
        (group.display_name.as_str(), &group.description),
        ("Sales", &None)
    );
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r39_owners_are_never_touched_and_one_who_should_go_is_held() {
    for policy in ["managed", "authoritative"] {
        let mut lab = fresh().await;
        lab.set(ENTRA, "policy", policy);
        let mut hand_made = existing(1, "Sales");
        hand_made.members = as_members([0, 1, 5]);
        // 0 is wanted, 1 will leave, 2 is an owner who is no member, 5 is a stranger.
        hand_made.owners = vec![object(0), object(1), object(2), object(5)];
        lab.entra(|entra| entra.create_group(hand_made.clone()));
        let (source, target) = {
            let source = lab.group("Sales", None, &[0, 1, 2]);
            lab.plan_and_apply(ENTRA).await;
            (source, existing_id(1))
        };
        assert_eq!(
            members(&lab, &target),
            objects([0, 1, 2, 5]),
            "in Entra an owner is no member by it"
        );
        settled(&lab).await;

        leaves(&lab, &source, 1);
        leaves(&lab, &source, 2);
        lab.simulators.clear_requests();
        let plan = plan_of(lab.sync(ENTRA).await);
        let sales = part(&plan, "Sales");
        let held: Vec<(&str, bool, bool)> = sales
            .held
            .iter()
            .map(|held| {
                (
                    held.reason.code.as_str(),
                    held.approvable,
                    matches!(held.operation, Operation::RemoveMember { .. }),
                )
            })
            .collect();
        assert_eq!(
            held,
            [("owner", false, true), ("owner", false, true)],
            "{sales:#?}"
        );
        assert!(codes(sales).contains(&"owner"), "it is said why: {sales:#?}");
        assert_eq!(members(&lab, &target), objects([0, 1, 2, 5]), "{policy}");
        let mut owners = hand_made.owners.clone();
        owners.sort();
        assert_eq!(groups(&lab)[&target].owners, owners, "{policy}");
        assert!(
            mutations(&lab)
                .iter()
                .all(|request| !request.path.contains("/owners")),
            "{policy}"
        );

        // Not even where what is held is released.
        let plan = lab.plan(ENTRA).await;
        let _ = lab
            .apply(
                ENTRA,
                &plan.plan.hash,
                groupcast::run::Selection {
                    groups: None,
                    release_held: true,
                },
            )
            .await;
        assert_eq!(members(&lab, &target), objects([0, 1, 2, 5]), "{policy}");
        rests(&lab).await;

        // No owner any more: then they go.
        lab.entra(|entra| entra.remove_owner(&target, &object(1)));
        applied(&lab).await;
        assert_eq!(members(&lab, &target), objects([0, 2, 5]), "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r39_the_kind_of_a_member_is_what_entra_says_and_only_users_are_ever_removed() {
    let (lab, _, target) = drifted(Some("authoritative")).await;
    lab.sync(ENTRA).await;
    for id in [PRINCIPAL, DEVICE, CONTACT] {
        assert!(
            groups(&lab)[&target]
                .members
                .iter()
                .any(|Member { id: member, .. }| member == id),
            "{id}"
        );
    }
}
