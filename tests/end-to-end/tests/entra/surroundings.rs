//! What is not ours: everything else in the tenant stays as it is (R52), nobody's account is written, and nothing is
//! deleted but links of members (R33).

use groupcast_simulators::Vendor;
use groupcast_simulators::entra::{Group, Member, ObjectType};
use groupcast_tests::{ENTRA_DIRECTORY, Target, user};

use crate::looking::{
    ENTRA, applied, as_members, existing, existing_id, fresh, groups, joins, leaves, members, mutations,
    no_user_was_written, object, objects, only, organised, settled,
};

/// Groups of every kind that are none of our business; some have names like those of our groups.
fn others() -> Vec<Group> {
    let mail = |number: usize, name: &str| Group {
        mail: Some(format!("hand-{number}@example.com")),
        mail_enabled: true,
        ..existing(number, name)
    };
    vec![
        Group {
            members: as_members([0, 1, 2]),
            owners: vec![object(3)],
            description: Some("Ours is another".to_owned()),
            ..existing(10, "sales")
        },
        Group {
            group_types: vec!["Unified".to_owned()],
            security_enabled: false,
            visibility: Some("Private".to_owned()),
            members: as_members([0, 4]),
            owners: vec![object(4)],
            ..mail(11, "Sales")
        },
        Group {
            security_enabled: false,
            members: as_members([0]),
            ..mail(12, "Support")
        },
        Group {
            members: vec![
                Member {
                    id: existing_id(10),
                    kind: ObjectType::Group,
                },
                Member {
                    id: "77777777-0000-4000-8000-000000000001".to_owned(),
                    kind: ObjectType::ServicePrincipal,
                },
            ],
            ..existing(13, "Unrelated")
        },
        Group {
            is_assignable_to_role: Some(true),
            members: as_members([5]),
            ..existing(14, "Global administrators")
        },
        Group {
            unique_name: Some("terraform-7".to_owned()),
            ..existing(15, "By another tool")
        },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn r33_r52_through_a_whole_life_nothing_else_in_the_tenant_is_touched() {
    let mut lab = fresh().await;
    for group in others() {
        lab.entra(|entra| entra.create_group(group));
    }
    lab.entra(|entra| {
        entra.create_group(Group {
            members: as_members([6]),
            owners: vec![object(7)],
            ..existing(1, "Taken over")
        });
    });
    let before = lab.entra(|entra| entra.tenant());
    let google_before = lab.google(|google| google.tenant());

    let sales = lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    let support = lab.group("Support", None, &[1, 2]);
    let taken = lab.group("Taken over", None, &[3]);
    lab.plan_and_apply(ENTRA).await;
    let ours = [
        groups(&lab)
            .into_values()
            .find(|group| group.unique_name == Some(format!("groupcast-{sales}")))
            .unwrap()
            .id,
        groups(&lab)
            .into_values()
            .find(|group| group.unique_name == Some(format!("groupcast-{support}")))
            .unwrap()
            .id,
        existing_id(1),
    ];
    joins(&lab, &sales, 2);
    leaves(&lab, &sales, 0);
    lab.jumpcloud(|jumpcloud| jumpcloud.rename_group(&support, "Help"));
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_description(&taken, Some("Words")));
    applied(&lab).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.set_suspended(&user(1), true));
    lab.sync(ENTRA).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.delete_user(&user(2)));
    applied(&lab).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.unbind_group(&taken, ENTRA_DIRECTORY));
    lab.sync(ENTRA).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.delete_group(&support));
    lab.sync(ENTRA).await;
    lab.set(ENTRA, "managed", false);
    lab.sync(ENTRA).await;
    lab.set(ENTRA, "managed", true);
    lab.sync(ENTRA).await;

    let after = lab.entra(|entra| entra.tenant());
    assert_eq!(after.users, before.users, "nobody's account changed");
    assert_eq!(after.applications, before.applications);
    for group in &before.groups {
        if group.id != existing_id(1) {
            assert_eq!(groups(&lab)[&group.id], *group, "untouched");
        }
    }
    assert_eq!(
        after.groups.len(),
        before.groups.len() + 2,
        "Sales and Support, and no more"
    );
    assert_eq!(
        lab.simulators.state()["entra"]["deleted_groups"],
        serde_json::json!([])
    );
    assert_eq!(members(&lab, &ours[0]), objects([1]));
    assert_eq!(groups(&lab)[&existing_id(1)].owners, [object(7)]);

    // And it was not even tried.
    no_user_was_written(&lab);
    assert!(mutations(&lab).len() >= 6, "there was something to look at");
    for request in mutations(&lab) {
        let created =
            request.method == "PATCH" && request.path.starts_with("/v1.0/groups(uniqueName='groupcast-");
        let ours = ours.iter().any(|id| {
            let group = format!("/v1.0/groups/{id}");
            (request.method == "PATCH" && request.path == group)
                || (request.method == "DELETE"
                    && request.path.starts_with(&format!("{group}/members/"))
                    && request.path.ends_with("/$ref"))
        });
        assert!(created || ours, "{request:?}");
    }
    assert_eq!(
        lab.google(|google| google.tenant()),
        google_before,
        "the other directory too"
    );
    assert_eq!(lab.writes(Vendor::Google), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn r33_nothing_that_the_application_may_do_beyond_groups_is_ever_asked_for() {
    // Even an application that may write users is never used for it.
    let mut lab = organised(8, |organisation| {
        organisation.entra.applications[0]
            .permissions
            .push("User.ReadWrite.All".to_owned());
    })
    .await;
    let id = lab.group("Sales", None, &[0, 1, 2]);
    lab.plan_and_apply(ENTRA).await;
    leaves(&lab, &id, 2);
    applied(&lab).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.delete_user(&user(1)));
    applied(&lab).await;
    assert_eq!(members(&lab, &only(&lab, "Sales").id), objects([0]));
    assert_eq!(
        lab.entra(|entra| entra.tenant()).users.len(),
        8,
        "every account is still there"
    );
    let paths: Vec<String> = lab
        .simulators
        .requests()
        .into_iter()
        .filter(|request| request.vendor == Vendor::Entra)
        .map(|request| format!("{} {}", request.method, request.path))
        .collect();
    for path in &paths {
        assert!(
            !path.contains("/roles")
                && !path.contains("/directoryObjects")
                && !path.contains("/deletedItems"),
            "{path}"
        );
    }
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_what_is_done_in_entra_never_reaches_jumpcloud() {
    let mut lab = fresh().await;
    let id = lab.group("Sales", None, &[0, 1]);
    lab.plan_and_apply(ENTRA).await;
    let target = only(&lab, "Sales").id;
    let before = lab.simulators.state()["jumpcloud"].clone();
    lab.entra(|entra| {
        assert!(entra.add_member(&target, &object(5), ObjectType::User));
        assert!(entra.remove_member(&target, &object(0)));
        assert!(entra.rename_group(&target, "Renamed"));
    });
    applied(&lab).await;
    assert_eq!(lab.simulators.state()["jumpcloud"], before);
    assert_eq!(lab.writes(Target::Google.vendor()), Vec::<String>::new());
    assert_eq!(members(&lab, &target), objects([0, 1, 5]));
    settled(&lab).await;
    let _ = id;
}
