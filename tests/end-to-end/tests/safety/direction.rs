//! R8, R9, R33: one way only, proven from what the vendors recorded over a whole life.

use groupcast::run::Selection;
use groupcast_simulators::Vendor;
use groupcast_simulators::google::tenant::User;
use groupcast_tests::{BOTH, ENTRA_DIRECTORY, GOOGLE_DIRECTORY, Lab, Target, people, user};
use tokio_util::sync::CancellationToken;

use crate::support::{exported, ledger_agrees, put_by_hand, sales, state, take_by_hand};

/// From nothing to gone: every verb and every change that there is, with whatever writes they lead to.
async fn a_whole_life(lab: &mut Lab, target: Target) {
    let directory = match target {
        Target::Google => GOOGLE_DIRECTORY,
        Target::Entra => ENTRA_DIRECTORY,
    };
    let cancel = CancellationToken::new();
    // A group loses its email on the way, and the directory is enabled anew after an undo (R34).
    lab.set(target, "acknowledge", true);
    let id = lab.group("Sales", Some("sales@example.com"), &[0, 1, 2, 3]);
    let other = lab.group("Support", Some("support@example.com"), &[4]);
    lab.groupcast()
        .await
        .check(&target.connection(), &cancel)
        .await
        .unwrap();
    let (_, first) = lab.plan_and_apply(target).await;
    assert!(first.report.applied >= 7);
    // Members, name, description.
    lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(5)));
    lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(0)));
    lab.jumpcloud(|jumpcloud| jumpcloud.rename_group(&id, "Sales Europe"));
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_description(&id, Some("All of them")));
    lab.sync(target).await;
    // People.
    lab.jumpcloud(|jumpcloud| jumpcloud.set_suspended(&user(2), true));
    lab.jumpcloud(|jumpcloud| jumpcloud.delete_user(&user(3)));
    lab.sync(target).await;
    // Another address, none, unbound, deleted.
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&id, Some("europe@example.com")));
    lab.sync(target).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&id, None));
    lab.sync(target).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.unbind_group(&other, directory));
    lab.sync(target).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.bind_group(&other, directory));
    lab.sync(target).await;
    lab.groupcast()
        .await
        .why(&target.connection(), Some("user-000001"), "Support", &cancel)
        .await
        .unwrap();
    // Back, and away.
    let undone = lab.groupcast().await.undo(&first.run, &cancel).await.unwrap();
    lab.apply(target, &undone.plan.hash, Selection::default())
        .await
        .unwrap();
    lab.jumpcloud(|jumpcloud| jumpcloud.delete_group(&other));
    lab.plan_and_apply(target).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_r33_over_a_whole_life_jumpcloud_is_only_read_and_no_user_is_written() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        let before = state(&lab, target.name());
        a_whole_life(&mut lab, target).await;
        let requests = lab.simulators.requests();
        let mutations: Vec<_> = requests.iter().filter(|request| request.is_mutation()).collect();
        assert!(
            mutations.len() > 10,
            "{target:?}: a life was lived: {mutations:#?}"
        );
        for request in &requests {
            if request.vendor == Vendor::Jumpcloud {
                let is_read = request.method == "GET"
                    || request.method == "POST" && request.path == "/insights/directory/v1/events";
                assert!(is_read, "{target:?}: {request:?}");
            }
        }
        for request in mutations {
            assert_eq!(request.vendor, target.vendor());
            let path = request.path.as_str();
            let fits = match target {
                Target::Google => path.starts_with("/admin/directory/v1/groups"),
                Target::Entra => path.starts_with("/v1.0/groups"),
            };
            assert!(
                fits,
                "{target:?}: groups and their members alone are written: {request:?}"
            );
            if request.method == "DELETE" {
                let membership = match target {
                    Target::Google => path.contains("/members/"),
                    Target::Entra => path.contains("/members/") && path.ends_with("/$ref"),
                };
                assert!(
                    membership,
                    "{target:?}: memberships alone are deleted: {request:?}"
                );
            }
            if let Some(body) = &request.body {
                for property in [
                    "accountEnabled",
                    "suspended",
                    "owners@odata.bind",
                    "primaryEmail",
                    "role\":\"OWNER",
                ] {
                    assert!(!body.to_string().contains(property), "{target:?}: {request:?}");
                }
            }
        }
        assert_eq!(lab.google(|google| google.user_mutation_attempts()), 0);
        assert_eq!(lab.entra(|entra| entra.user_mutation_attempts()), 0);
        assert_eq!(
            before["users"],
            state(&lab, target.name())["users"],
            "{target:?}: users are as before"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_members_added_removed_or_renamed_in_the_target_never_reach_jumpcloud() {
    for target in BOTH {
        let (mut lab, id) = exported(target).await;
        let before = state(&lab, "jumpcloud");
        put_by_hand(&lab, target, "Sales", "sales@example.com", 6);
        take_by_hand(&lab, target, "Sales", "sales@example.com", 1);
        match target {
            Target::Google => {
                assert!(lab.google(|google| google.edit_group("sales@example.com", "Renamed", "by hand")));
                lab.google(|google| {
                    google.create_user(User {
                        id: "188888888888888888888".to_owned(),
                        primary_email: "stranger@example.com".to_owned(),
                        aliases: Vec::new(),
                        suspended: false,
                        name: "Stranger".to_owned(),
                    });
                });
            }
            Target::Entra => {
                let group = lab.entra_groups("Sales")[0].id.clone();
                assert!(lab.entra(|entra| entra.rename_group(&group, "Renamed")));
            }
        }
        lab.sync(target).await;
        assert_eq!(lab.writes(Vendor::Jumpcloud), Vec::<String>::new(), "{target:?}");
        assert_eq!(state(&lab, "jumpcloud"), before, "{target:?}");
        // What is ours was put back; the stranger stays in the target alone.
        assert_eq!(sales(&lab, target), people(&[0, 1, 2, 3, 6]), "{target:?}");
        lab.set(target, "policy", "authoritative");
        lab.sync(target).await;
        assert_eq!(sales(&lab, target), people(&[0, 1, 2, 3]), "{target:?}");
        assert_eq!(state(&lab, "jumpcloud"), before, "{target:?}");
        let jumpcloud_group = lab.jumpcloud(|jumpcloud| {
            let organisation = jumpcloud.organisation();
            Ok::<_, ()>(
                organisation
                    .groups
                    .iter()
                    .find(|group| group.id == id)
                    .cloned()
                    .unwrap(),
            )
        });
        assert_eq!(jumpcloud_group.users.len(), 4);
        assert_eq!(jumpcloud_group.name, "Sales");
        ledger_agrees(&lab, target).await;
    }
}
