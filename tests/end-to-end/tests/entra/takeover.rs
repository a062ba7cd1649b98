//! Which object a group is tied to: taken over, created, beside what is there, or not at all (R21 to R23, R26 to R28).

use groupcast_guest::plan::part::{GroupState, TargetHow};
use groupcast_simulators::entra::{Group, Member, ObjectType};
use groupcast_tests::{changes, codes, part};
use serde_json::json;

use crate::looking::{
    ENTRA, as_members, creations, existing, existing_id, fresh, groups, members, mutations, object, objects,
    only, rests, sentence, settled,
};

#[tokio::test(flavor = "multi_thread")]
async fn r21_exactly_one_security_group_of_the_name_is_taken_over_under_its_own_id() {
    let mut lab = fresh().await;
    let mut hand_made = existing(1, "Sales");
    hand_made.description = Some("Somebody's words".to_owned());
    hand_made.members = as_members([0, 5]);
    hand_made.members.push(Member {
        id: "77777777-0000-4000-8000-000000000001".to_owned(),
        kind: ObjectType::ServicePrincipal,
    });
    hand_made.owners = vec![object(6)];
    lab.entra(|entra| entra.create_group(hand_made.clone()));
    let id = lab.group("Sales", None, &[0, 1, 2]);
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_description(&id, Some("Those who sell")));

    let (plan, _) = lab.plan_and_apply(ENTRA).await;
    let sales = part(&plan, "Sales");
    assert_eq!(sales.target.as_ref().unwrap().how, TargetHow::Takeover);
    assert_eq!(changes(sales), (2, 0), "who is there already is not added");
    assert_eq!(
        sales.foreign.len(),
        2,
        "the plan shows who is foreign: {sales:#?}"
    );

    assert_eq!(creations(&lab), Vec::new());
    let after = only(&lab, "Sales");
    assert_eq!(groups(&lab).len(), 1);
    let expected = Group {
        description: Some("Those who sell".to_owned()),
        members: Vec::new(),
        ..hand_made.clone()
    };
    assert_eq!(
        Group {
            members: Vec::new(),
            ..after.clone()
        },
        expected,
        "the same object; nothing of it changed but what the source says"
    );
    let mut wanted = objects([0, 1, 2, 5]);
    wanted.insert("77777777-0000-4000-8000-000000000001".to_owned());
    assert_eq!(members(&lab, &after.id), wanted);
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_no_group_of_the_name_is_created_as_a_plain_security_group_by_exactly_this_request() {
    let mut lab = fresh().await;
    let id = lab.group("Sales", Some("sales@example.com"), &[0]);
    let described = lab.group("Support", None, &[1]);
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_description(&described, Some("Those who help")));
    lab.plan_and_apply(ENTRA).await;

    let mut sent = creations(&lab);
    sent.sort_by(|one, other| one.path.cmp(&other.path));
    assert_eq!(sent.len(), 2, "{sent:#?}");
    for (request, id, name, description) in [
        (&sent[0], &id, "Sales", None),
        (&sent[1], &described, "Support", Some("Those who help")),
    ] {
        let key = format!("groupcast-{id}");
        assert_eq!(
            (request.method.as_str(), request.path.as_str(), request.status),
            ("PATCH", format!("/v1.0/groups(uniqueName='{key}')").as_str(), 201)
        );
        let mut body = json!({
            "displayName": name,
            "mailEnabled": false,
            "mailNickname": key,
            "securityEnabled": true,
        });
        if let Some(text) = description {
            body["description"] = json!(text);
        }
        assert_eq!(request.body, Some(body));

        let group = only(&lab, name);
        assert_eq!(
            (
                group.security_enabled,
                group.mail_enabled,
                group.group_types.as_slice()
            ),
            (true, false, [].as_slice())
        );
        assert_eq!(group.unique_name, Some(key));
        assert_eq!(group.owners, Vec::<String>::new());
        assert_eq!((group.is_assignable_to_role, group.visibility), (None, None));
    }
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_beside_two_twins_a_third_is_created_and_the_twins_stay_untouched() {
    let mut lab = fresh().await;
    let twins = [1, 2].map(|number| Group {
        members: as_members([5]),
        ..existing(number, "Sales")
    });
    for twin in &twins {
        lab.entra(|entra| entra.create_group(twin.clone()));
    }
    lab.group("Sales", None, &[0, 1]);
    let (plan, _) = lab.plan_and_apply(ENTRA).await;
    let warned = sentence(part(&plan, "Sales"), "twin-names");
    assert!(
        warned.contains(&existing_id(1)) && warned.contains(&existing_id(2)),
        "r28: the warning names them: {warned}"
    );
    assert_eq!(lab.entra_groups("Sales").len(), 3);
    let all = groups(&lab);
    for twin in &twins {
        assert_eq!(all[&twin.id], *twin);
    }
    let third = all.values().find(|group| group.unique_name.is_some()).unwrap();
    assert_eq!(members(&lab, &third.id), objects([0, 1]));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_another_spelling_is_no_match_and_stays_untouched_beside_a_second_object() {
    let mut lab = fresh().await;
    let mut lower = existing(1, "sales");
    lower.members = as_members([5]);
    lab.entra(|entra| entra.create_group(lower.clone()));
    lab.group("Sales", None, &[0, 1]);
    let (plan, _) = lab.plan_and_apply(ENTRA).await;
    assert!(sentence(part(&plan, "Sales"), "other-spelling").contains("\"sales\""));
    assert_eq!(groups(&lab)[&lower.id], lower);
    let second = only(&lab, "Sales");
    assert_ne!(second.id, lower.id);
    assert_eq!(members(&lab, &second.id), objects([0, 1]));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_r27_mail_kinds_of_the_name_stay_untouched_and_a_security_group_is_created() {
    let distribution = Group {
        mail: Some("sales@example.com".to_owned()),
        mail_enabled: true,
        security_enabled: false,
        members: as_members([5]),
        ..existing(1, "Sales")
    };
    let mail_security = Group {
        security_enabled: true,
        ..distribution.clone()
    };
    let microsoft365 = Group {
        group_types: vec!["Unified".to_owned()],
        visibility: Some("Private".to_owned()),
        owners: vec![object(6)],
        ..distribution.clone()
    };
    let secure365 = Group {
        security_enabled: true,
        ..microsoft365.clone()
    };
    for there in [distribution, mail_security, microsoft365, secure365] {
        let mut lab = fresh().await;
        lab.entra(|entra| entra.create_group(there.clone()));
        lab.group("Sales", Some("sales@example.com"), &[0, 1]);
        let (plan, _) = lab.plan_and_apply(ENTRA).await;
        assert!(codes(part(&plan, "Sales")).contains(&"other-kind"));
        assert_eq!(groups(&lab)[&there.id], there, "untouched");
        assert_eq!(lab.entra_groups("Sales").len(), 2);
        let created = groups(&lab)
            .into_values()
            .find(|group| group.id != there.id)
            .unwrap();
        assert!(created.security_enabled && !created.mail_enabled && created.group_types.is_empty());
        assert_eq!(members(&lab, &created.id), objects([0, 1]));
        assert!(
            mutations(&lab)
                .iter()
                .all(|request| !request.path.contains(&there.id)),
            "nothing was even tried"
        );
        settled(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_a_distribution_group_does_not_make_the_security_group_of_the_name_ambiguous() {
    let mut lab = fresh().await;
    let distribution = Group {
        mail_enabled: true,
        security_enabled: false,
        ..existing(1, "Sales")
    };
    lab.entra(|entra| {
        entra.create_group(distribution.clone());
        entra.create_group(existing(2, "Sales"));
    });
    lab.group("Sales", None, &[0]);
    lab.plan_and_apply(ENTRA).await;
    assert_eq!(groups(&lab).len(), 2);
    assert_eq!(groups(&lab)[&distribution.id], distribution);
    assert_eq!(members(&lab, &existing_id(2)), objects([0]));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_dynamic_on_premises_and_privileged_groups_of_the_name_are_held_with_zero_writes() {
    let base = existing(1, "Sales");
    let guarded = [
        Group {
            group_types: vec!["DynamicMembership".to_owned()],
            ..base.clone()
        },
        Group {
            group_types: vec!["Unified".to_owned(), "DynamicMembership".to_owned()],
            mail_enabled: true,
            security_enabled: false,
            ..base.clone()
        },
        Group {
            on_premises_sync_enabled: Some(true),
            ..base.clone()
        },
        Group {
            is_assignable_to_role: Some(true),
            ..base.clone()
        },
        Group {
            is_management_restricted: Some(true),
            ..base.clone()
        },
    ];
    for there in guarded {
        // Alone, and beside a plain one that could otherwise be taken over.
        for beside in [false, true] {
            let mut lab = fresh().await;
            lab.entra(|entra| entra.create_group(there.clone()));
            if beside {
                lab.entra(|entra| entra.create_group(existing(2, "Sales")));
            }
            lab.group("Sales", None, &[0, 1]);
            // Active, so that it is not for want of an approval that nothing is written.
            lab.group("Other", None, &[2]);
            let (plan, _) = lab.plan_and_apply(ENTRA).await;
            let sales = part(&plan, "Sales");
            assert_eq!(sales.state, GroupState::Held, "{sales:#?}");
            assert!(!sales.has_writes(), "{sales:#?}");
            assert!(sentence(sales, "guarded-name").contains(&there.id));
            assert_eq!(lab.entra_groups("Sales").len(), 1 + usize::from(beside));
            assert_eq!(groups(&lab)[&there.id], there, "untouched");
            assert!(
                mutations(&lab)
                    .iter()
                    .all(|request| !request.path.contains("99999999-")
                        && !format!("{:?}", request.body).contains("Sales")),
                "nothing was even tried"
            );
            rests(&lab).await;

            // The way out that the sentence names: another name in Entra.
            if !beside {
                lab.entra(|entra| entra.rename_group(&there.id, "Privileged"));
                lab.sync(ENTRA).await;
                assert_eq!(members(&lab, &only(&lab, "Sales").id), objects([0, 1]));
                settled(&lab).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r28_with_hold_the_candidates_are_listed_and_nothing_is_written_until_one_is_left() {
    let mut lab = fresh().await;
    lab.set(ENTRA, "on_ambiguous", "hold");
    for number in [1, 2, 3] {
        lab.entra(|entra| entra.create_group(existing(number, "Sales")));
    }
    lab.group("Sales", None, &[0, 1]);
    lab.group("Other", None, &[2]);
    let (plan, _) = lab.plan_and_apply(ENTRA).await;
    let sales = part(&plan, "Sales");
    assert_eq!(sales.state, GroupState::Held);
    assert!(!sales.has_writes());
    let asked = sentence(sales, "twin-names");
    for number in [1, 2, 3] {
        assert!(asked.contains(&existing_id(number)), "{asked}");
        assert_eq!(groups(&lab)[&existing_id(number)], existing(number, "Sales"));
    }
    assert_eq!(lab.entra_groups("Sales").len(), 3);
    rests(&lab).await;

    lab.entra(|entra| {
        entra.rename_group(&existing_id(1), "Sales, old") && entra.delete_group(&existing_id(3))
    });
    lab.sync(ENTRA).await;
    assert_eq!(only(&lab, "Sales").id, existing_id(2));
    assert_eq!(members(&lab, &existing_id(2)), objects([0, 1]));
    settled(&lab).await;
}
