//! Lists in pages: the last page exactly full, and pages that loop, lack something or fail. What is not proven whole
//! removes nobody (R42).

use groupcast_guest::plan::part::GroupState;
use groupcast_simulators::entra::Group;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_tests::{Lab, changes, part};

use crate::looking::{
    ENTRA, answer, applied, as_members, creations, existing, existing_id, exported, fresh, groups, heal,
    joins, leaves, members, object, objects, once_asked, only, organised, plan_of, removals, rests, rule,
    settled, strike,
};

/// Graph cuts pages of a list at this size, all of them.
fn pages_of(lab: &Lab, path: &str, items: usize) {
    strike(lab, rule("GET", path, Fault::ShortPage { items }));
}

fn next_pages(lab: &Lab, path_end: &str) -> usize {
    lab.simulators
        .requests()
        .iter()
        .filter(|request| request.path.ends_with(path_end) && request.query.contains("skiptoken"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_members_are_read_whole_where_the_last_page_is_exactly_full() {
    // (members, how Graph cuts pages; as we ask for it where none, which is 999)
    for (count, cut) in [
        (100, Some(100)),
        (200, Some(100)),
        (200, Some(200)),
        (400, Some(200)),
        (998, None),
        (999, None),
        (1_000, None),
        (1_998, Some(999)),
    ] {
        let mut lab = organised(count, |organisation| {
            organisation.entra.groups.push(Group {
                members: as_members(0..count),
                ..existing(1, "Sales")
            });
        })
        .await;
        if let Some(items) = cut {
            pages_of(&lab, "/v1.0/groups/*/members", items);
        }
        let everybody: Vec<usize> = (0..count).collect();
        let source = lab.group("Sales", None, &everybody);
        let (plan, _) = lab.plan_and_apply(ENTRA).await;
        let sales = part(&plan, "Sales");
        assert_eq!(
            changes(sales),
            (0, 0),
            "{count} in pages of {cut:?}: who was not read would be added"
        );
        assert_ne!(sales.state, GroupState::Frozen, "{count} in pages of {cut:?}");
        assert_eq!(
            lab.all_writes(),
            Vec::<String>::new(),
            "{count} in pages of {cut:?}"
        );
        assert_eq!(
            next_pages(&lab, "/members") > 0,
            count > cut.unwrap_or(999),
            "{count} in pages of {cut:?}"
        );

        // It is proven whole: one who leaves is removed, and it is the right one, from the last place of the last page.
        leaves(&lab, &source, count - 1);
        lab.simulators.clear_requests();
        applied(&lab).await;
        assert_eq!(
            removals(&lab),
            [(existing_id(1), object(count - 1))],
            "{count} in pages of {cut:?}"
        );
        settled(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_r42_users_are_read_whole_where_the_last_page_is_exactly_full() {
    // More than a hundred people are found in the list of all users.
    for (count, cut) in [
        (200, Some(100)),
        (200, Some(200)),
        (400, Some(200)),
        (999, None),
        (1_000, None),
    ] {
        let mut lab = organised(count, |_| ()).await;
        if let Some(items) = cut {
            pages_of(&lab, "/v1.0/users", items);
        }
        let everybody: Vec<usize> = (0..count).collect();
        lab.group("Sales", None, &everybody);
        let (plan, _) = lab.plan_and_apply(ENTRA).await;
        assert!(
            part(&plan, "Sales").waiting.is_empty(),
            "{count} in pages of {cut:?}"
        );
        assert_eq!(
            members(&lab, &only(&lab, "Sales").id),
            objects(0..count),
            "{count} in pages of {cut:?}"
        );
        assert_eq!(
            next_pages(&lab, "/users") > 0,
            count > cut.unwrap_or(999),
            "{count} in pages of {cut:?}"
        );
        settled(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r24_r42_groups_of_a_name_are_read_to_the_end_where_the_last_page_is_exactly_full() {
    for (others, cut) in [
        (99, Some(100)),
        (100, Some(100)),
        (199, Some(100)),
        (199, Some(200)),
        (200, Some(200)),
        (998, None),
        (999, None),
    ] {
        let mut lab = organised(8, |organisation| {
            for number in 0..others {
                organisation.entra.groups.push(existing(number, "sales"));
            }
            organisation.entra.groups.push(existing(others, "Sales"));
        })
        .await;
        if let Some(items) = cut {
            pages_of(&lab, "/v1.0/groups", items);
        }
        lab.group("Sales", None, &[0]);
        lab.plan_and_apply(ENTRA).await;
        assert_eq!(
            creations(&lab),
            Vec::new(),
            "{others} before it in pages of {cut:?}"
        );
        assert_eq!(
            members(&lab, &existing_id(others)),
            objects([0]),
            "{others} in pages of {cut:?}"
        );
        assert_eq!(groups(&lab).len(), others + 1);
        settled(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r30_r42_a_hundred_two_hundred_and_more_groups_are_all_exported() {
    for count in [100, 200] {
        let mut lab = fresh().await;
        for number in 0..count {
            lab.group(&format!("Group {number}"), None, &[number % 8]);
        }
        lab.plan_and_apply(ENTRA).await;
        assert_eq!(groups(&lab).len(), count);
        for number in 0..count {
            let group = only(&lab, &format!("Group {number}"));
            assert_eq!(members(&lab, &group.id), objects([number % 8]));
        }
        settled(&lab).await;
    }
}

/// Sales of 0 to 3, of whom 0 leaves while 4 comes.
async fn changing() -> (Lab, String) {
    let mut lab = fresh().await;
    let (source, target) = exported(&mut lab, &[0, 1, 2, 3]).await;
    leaves(&lab, &source, 0);
    joins(&lab, &source, 4);
    (lab, target)
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_members_or_owners_that_are_not_read_whole_remove_nobody_until_they_are() {
    let loops = |path: &str| vec![rule("GET", path, Fault::LoopPage)];
    let fails = |path: &str, status: u16| {
        vec![
            Rule {
                query: Some("skiptoken".to_owned()),
                ..rule("GET", path, answer(status, "Request_UnsupportedQuery", &[]))
            },
            rule("GET", path, Fault::ShortPage { items: 2 }),
        ]
    };
    let garbage = |path: &str| {
        vec![
            Rule {
                query: Some("skiptoken".to_owned()),
                ..rule(
                    "GET",
                    path,
                    Fault::Answer {
                        status: 200,
                        headers: Vec::new(),
                        body: "{\"unexpected\": true}".to_owned(),
                        content_type: "application/json".to_owned(),
                    },
                )
            },
            rule("GET", path, Fault::ShortPage { items: 2 }),
        ]
    };
    let (of_members, of_owners) = ("/v1.0/groups/*/members", "/v1.0/groups/*/owners");
    for (what, rules) in [
        ("members loop", loops(of_members)),
        ("a page of members is refused", fails(of_members, 400)),
        ("a page of members is not found", fails(of_members, 404)),
        ("a page of members is no list", garbage(of_members)),
        ("owners loop", loops(of_owners)),
        (
            "owners are refused",
            vec![rule("GET", of_owners, answer(400, "Request_BadRequest", &[]))],
        ),
    ] {
        let (lab, target) = changing().await;
        for rule in rules {
            strike(&lab, rule);
        }
        let plan = plan_of(lab.sync(ENTRA).await);
        let sales = part(&plan, "Sales");
        assert_eq!(sales.state, GroupState::Frozen, "{what}: {sales:#?}");
        assert_eq!(removals(&lab), Vec::new(), "{what}");
        assert!(
            members(&lab, &target).is_superset(&objects([0, 1, 2, 3])),
            "{what}"
        );
        assert!(
            members(&lab, &target).contains(&object(4)),
            "{what}: additions go on"
        );
        heal(&lab);
        lab.simulators.clear_requests();
        applied(&lab).await;
        assert_eq!(members(&lab, &target), objects([1, 2, 3, 4]), "{what}");
        settled(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_a_list_of_members_that_lacks_some_and_says_it_is_whole_harms_nobody() {
    let (lab, target) = changing().await;
    strike(
        &lab,
        rule("GET", "/v1.0/groups/*/members", Fault::DropItems { count: 3 }),
    );
    // Those who do not show are added again and refused; the reading back afterwards shows them.
    let again =
        |request: &groupcast_simulators::log::LoggedRequest| request.is_mutation() && request.status == 400;
    tokio::join!(
        async {
            let _ = lab.sync(ENTRA).await;
        },
        once_asked(&lab, again, heal)
    );
    assert!(members(&lab, &target).is_superset(&objects([1, 2, 3, 4])));
    heal(&lab);
    lab.sync(ENTRA).await;
    assert_eq!(members(&lab, &target), objects([1, 2, 3, 4]));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_r42_a_list_of_users_that_loops_lacks_some_or_fails_removes_nobody() {
    let rules = [
        ("loops", vec![rule("GET", "/v1.0/users", Fault::LoopPage)]),
        (
            "lacks some",
            vec![rule("GET", "/v1.0/users", Fault::DropItems { count: 40 })],
        ),
        (
            "fails",
            vec![
                Rule {
                    query: Some("skiptoken".to_owned()),
                    ..rule("GET", "/v1.0/users", answer(400, "Request_BadRequest", &[]))
                },
                rule("GET", "/v1.0/users", Fault::ShortPage { items: 50 }),
            ],
        ),
    ];
    for policy in ["managed", "authoritative"] {
        for (what, rules) in rules.clone() {
            let mut lab = organised(130, |_| ()).await;
            lab.set(ENTRA, "policy", policy);
            let everybody: Vec<usize> = (0..130).collect();
            let (_, target) = exported(&mut lab, &everybody).await;
            for rule in rules {
                strike(&lab, rule);
            }
            rests(&lab).await;
            assert_eq!(members(&lab, &target), objects(0..130), "{what}, {policy}");
            heal(&lab);
            settled(&lab).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_r42_groups_of_a_name_that_are_not_read_whole_lead_to_no_takeover_and_no_creation() {
    for (what, rules) in [
        ("loops", vec![rule("GET", "/v1.0/groups", Fault::LoopPage)]),
        (
            "fails",
            vec![
                Rule {
                    query: Some("skiptoken".to_owned()),
                    ..rule("GET", "/v1.0/groups", answer(400, "Request_BadRequest", &[]))
                },
                rule("GET", "/v1.0/groups", Fault::ShortPage { items: 1 }),
            ],
        ),
    ] {
        let mut lab = fresh().await;
        lab.group("Other", None, &[7]);
        lab.plan_and_apply(ENTRA).await;
        for number in [1, 2] {
            lab.entra(|entra| entra.create_group(existing(number, "Sales")));
        }
        lab.group("Sales", None, &[0]);
        for rule in rules {
            strike(&lab, rule);
        }
        let plan = lab.plan(ENTRA).await;
        assert_eq!(part(&plan, "Sales").state, GroupState::Frozen, "{what}");
        rests(&lab).await;
        heal(&lab);
        applied(&lab).await;
        assert_eq!(lab.entra_groups("Sales").len(), 3, "{what}: beside the twins");
        settled(&lab).await;
    }
}
