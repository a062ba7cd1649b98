use std::cell::RefCell;
use std::rc::Rc;

use serde_json::{Value, json};

use super::*;
use crate::entra::fake::{self, BASE, Part, Said, error, missing, page, say, world};
use crate::environment::TransportError;
use crate::http::testing::{TestWorld, run};

type Log = Rc<RefCell<Vec<Part>>>;

fn source(id: &str, email: Option<&str>, target_id: Option<&str>) -> SourceUser {
    SourceUser {
        id: id.into(),
        username: id.into(),
        email: email.map(str::to_owned),
        suspended: false,
        target_id: target_id.map(str::to_owned),
    }
}

fn user(id: &str, upn: &str, mail: Option<&str>) -> Value {
    json!({"id": id, "userPrincipalName": upn, "mail": mail})
}

/// Answers user requests from a list, as Graph does: filters without case.
fn serve(users: &[Value], part: &Part) -> Said {
    if let Some(id) = part.url.strip_prefix("/users/") {
        let id = id.split('?').next().unwrap();
        return users
            .iter()
            .find(|user| user["id"] == id)
            .map_or_else(missing, |user| say(200, user.clone()));
    }
    let Some(address) = part.url.strip_prefix("/users?$filter=userPrincipalName eq '") else {
        return page(users);
    };
    let address = address
        .split("' or mail")
        .next()
        .unwrap()
        .replace("''", "'")
        .to_lowercase();
    let found: Vec<Value> = users
        .iter()
        .filter(|user| {
            ["userPrincipalName", "mail"].iter().any(|field| {
                user[*field]
                    .as_str()
                    .is_some_and(|text| text.to_lowercase() == address)
            })
        })
        .cloned()
        .collect();
    page(&found)
}

fn resolved(users: &[Value], sought: &[SourceUser]) -> (BTreeMap<String, Resolution>, Vec<String>) {
    let log = Log::default();
    let users = users.to_vec();
    let world = world(&log, move |part| Some(serve(&users, part)));
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let answer = run(resolve(&graph, sought)).unwrap();
    let lines = log.borrow().iter().map(Part::line).collect();
    (answer, lines)
}

/// More people than are looked up one by one.
fn crowd() -> Vec<SourceUser> {
    (0..=LIST_ABOVE)
        .map(|number| {
            source(
                &format!("crowd{number}"),
                Some(&format!("c{number}@x.test")),
                None,
            )
        })
        .collect()
}

#[test]
fn r31_people_are_found_by_sign_in_name_or_mail_exactly_and_uniquely() {
    let users = [
        user("u1", "alice@x.test", None),
        user("u2", "bob@onmicrosoft.test", Some("Bob@X.test")),
        user("u3", "carol@x.test", Some("carol@x.test")),
        user("u4", "dave@x.test", None),
        user("u5", "other@x.test", Some("dave@x.test")),
        user("u6", "o'brien@x.test", None),
        user("u7", "erin@x.test.evil", None),
    ];
    let mut sought = vec![
        source("alice", Some(" Alice@x.test "), None),
        source("bob", Some("bob@x.test"), None),
        source("carol", Some("carol@x.test"), None),
        source("dave", Some("dave@x.test"), None),
        source("obrien", Some("o'brien@x.test"), None),
        source("erin", Some("erin@x.test"), None),
        source("nobody", None, None),
    ];
    for listed in [false, true] {
        if listed {
            sought.extend(crowd());
        }
        let (answer, lines) = resolved(&users, &sought);
        let is = |who: &str, id: &str| {
            assert!(
                matches!(&answer[who], Resolution::Resolved(found) if found.id == id),
                "{who}: {:?}",
                answer[who]
            );
        };
        is("alice", "u1");
        is("bob", "u2");
        is("carol", "u3");
        is("obrien", "u6");
        match &answer["dave"] {
            Resolution::Ambiguous { candidates } => {
                let ids: Vec<&str> = candidates.iter().map(|found| found.id.as_str()).collect();
                assert_eq!(ids, ["u4", "u5"]);
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(&answer["erin"], Resolution::Unknown { sought } if sought == "erin@x.test"));
        assert!(matches!(answer["nobody"], Resolution::NoAddress));
        assert_eq!(answer.len(), sought.len());
        assert_eq!(lines.len(), if listed { 1 } else { 6 });
    }
}

#[test]
fn r31_the_object_id_that_the_source_holds_goes_first_and_must_exist() {
    let users = [
        user("u1", "new-name@x.test", None),
        user("u2", "alice@x.test", None),
    ];
    let sought = [
        source("alice", Some("alice@x.test"), Some("u1")),
        source("gone", Some("alice@x.test"), Some("u9")),
        source("odd", Some("alice@x.test"), Some("../me")),
        source("bare", None, Some("u2")),
    ];
    let (answer, _) = resolved(&users, &sought);
    assert!(matches!(&answer["alice"], Resolution::Resolved(found) if found.id == "u1"));
    assert!(
        matches!(&answer["gone"], Resolution::Unknown { .. }),
        "an address never stands in for a stale ID"
    );
    assert!(matches!(&answer["odd"], Resolution::Resolved(found) if found.id == "u2"));
    assert!(matches!(&answer["bare"], Resolution::Resolved(found) if found.id == "u2"));
}

#[test]
fn r31_an_incomplete_list_of_users_proves_neither_nobody_nor_only_one() {
    let log = Log::default();
    let world = world(&log, |part| {
        if part.url.contains("skiptoken") {
            return Some(error(400, "Request_BadRequest", "token expired"));
        }
        let mut said = page(&[
            user("u1", "alice@x.test", None),
            user("u2", "bob@x.test", None),
            user("u3", "b", Some("bob@x.test")),
        ]);
        said.body["@odata.nextLink"] = json!(format!("{BASE}/v1.0/users?$skiptoken=1"));
        Some(said)
    });
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let mut sought = crowd();
    sought.push(source("alice", Some("alice@x.test"), None));
    sought.push(source("bob", Some("bob@x.test"), None));
    let answer = run(resolve(&graph, &sought)).unwrap();
    assert!(matches!(answer["alice"], Resolution::Unproven { .. }));
    assert!(matches!(answer["crowd0"], Resolution::Unproven { .. }));
    assert!(matches!(answer["bob"], Resolution::Ambiguous { .. }));
}

#[test]
fn r07_a_refused_permission_ends_reading_with_the_fix() {
    let refuse = |_: &Part| {
        Some(error(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges",
        ))
    };
    for sought in [
        crowd(),
        vec![source("a", Some("a@x.test"), None)],
        vec![source("a", None, Some("u1"))],
    ] {
        let log = Log::default();
        let world = world(&log, refuse);
        let graph = Graph::new(fake::environment(&world), BASE, 1);
        let failure = run(resolve(&graph, &sought)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unauthorized);
        assert!(failure.message.contains("User.Read.All"), "{failure}");
    }
    let log = Log::default();
    let world = world(&log, refuse);
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let failure = run(look_up(
        &graph,
        &[wanted("s1", "Sales", None)],
        &BTreeSet::new(),
        OnAmbiguous::Create,
    ));
    assert_eq!(failure.unwrap_err().kind, FailureKind::Unauthorized);
}

fn wanted(group: &str, name: &str, bound: Option<&str>) -> Wanted {
    Wanted {
        group: group.into(),
        name: name.into(),
        key: crate::entra::key_of(group),
        bound: bound.map(str::to_owned),
    }
}

fn group(id: &str, name: &str) -> Value {
    json!({"id": id, "displayName": name, "mailEnabled": false, "securityEnabled": true, "groupTypes": []})
}

/// Answers group requests from a list, as Graph does: names are filtered without case.
fn serve_groups(groups: &[Value], part: &Part) -> Said {
    let path = part.url.split('?').next().unwrap();
    if let Some(name) = part.url.strip_prefix("/groups?$filter=displayName eq '") {
        let name = name
            .split("'&$select")
            .next()
            .unwrap()
            .replace("''", "'")
            .to_lowercase();
        let found: Vec<Value> = groups
            .iter()
            .filter(|group| group["displayName"].as_str().unwrap().to_lowercase() == name)
            .cloned()
            .collect();
        return page(&found);
    }
    let found = match path.strip_prefix("/groups(uniqueName='") {
        Some(key) => groups
            .iter()
            .find(|group| group["uniqueName"] == key.trim_end_matches("')")),
        None => groups
            .iter()
            .find(|group| group["id"] == path.trim_start_matches("/groups/")),
    };
    found.map_or_else(missing, |group| say(200, group.clone()))
}

fn seen(groups: &[Value], sought: &[Wanted], held: &[&str]) -> BTreeMap<String, Sight> {
    let log = Log::default();
    let groups = groups.to_vec();
    let world = world(&log, move |part| Some(serve_groups(&groups, part)));
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let held = held.iter().map(|id| (*id).to_owned()).collect();
    run(look_up(&graph, sought, &held, OnAmbiguous::Create)).unwrap()
}

fn taken_over(sight: &Sight) -> Option<&str> {
    match sight {
        Sight::Takeover(group) => Some(&group.id),
        _ => None,
    }
}

#[test]
fn r11_a_bound_group_is_read_by_its_id_whatever_its_name() {
    let groups = [group("g1", "Old name"), group("g2", "Sales")];
    let answer = seen(
        &groups,
        &[
            wanted("s1", "Sales", Some("g1")),
            wanted("s2", "Sales", Some("g9")),
            wanted("s3", "Sales", Some("no id")),
        ],
        &[],
    );
    assert!(matches!(&answer["s1"], Sight::Bound(group) if group.id == "g1" && group.name == "Old name"));
    assert!(
        matches!(answer["s2"], Sight::BoundMissing),
        "r20: never a reason to create again"
    );
    assert!(matches!(answer["s3"], Sight::Unknown { .. }));
}

#[test]
fn r27_a_bound_group_that_somebody_makes_dynamic_or_mail_enabled_is_left_as_it_is() {
    let mut dynamic = group("g1", "Sales");
    dynamic["groupTypes"] = json!(["DynamicMembership"]);
    let mut mailed = group("g2", "Sales");
    mailed["mailEnabled"] = json!(true);
    let mut synced = group("g3", "Sales");
    synced["onPremisesSyncEnabled"] = json!(true);
    let mut reticent = group("g4", "Sales");
    reticent.as_object_mut().unwrap().remove("mailEnabled");
    let sought = [
        wanted("s1", "Sales", Some("g1")),
        wanted("s2", "Sales", Some("g2")),
        wanted("s3", "Sales", Some("g3")),
        wanted("s4", "Sales", Some("g4")),
    ];
    let answer = seen(&[dynamic, mailed, synced, reticent], &sought, &[]);
    for group in ["s1", "s2", "s3"] {
        assert!(
            matches!(&answer[group], Sight::Blocked { conflict: false, reason } if reason.code == "guarded-target"),
            "{group}: {:?}",
            answer[group]
        );
    }
    assert!(
        matches!(&answer["s4"], Sight::Bound(_)),
        "what is left out says nothing"
    );
}

#[test]
fn r21_r24_a_group_of_the_very_name_is_taken_over_though_the_server_ignores_case() {
    let groups = [
        group("g1", "SALES"),
        group("g2", "Sales"),
        group("g3", "O'Brien's"),
    ];
    let answer = seen(
        &groups,
        &[
            wanted("s1", "Sales", None),
            wanted("s2", "O'Brien's", None),
            wanted("s3", "sales", None),
            wanted("s4", "New", None),
        ],
        &[],
    );
    assert_eq!(taken_over(&answer["s1"]), Some("g2"));
    assert_eq!(taken_over(&answer["s2"]), Some("g3"));
    assert!(matches!(&answer["s3"], Sight::Nothing { warnings } if warnings[0].code == "other-spelling"));
    assert!(matches!(&answer["s4"], Sight::Nothing { warnings } if warnings.is_empty()));
}

#[test]
fn r25_a_group_that_we_created_and_did_not_settle_is_taken_up_before_any_name_is_looked_at() {
    let mut own = group("g3", "Sales");
    own["uniqueName"] = json!("groupcast-s1");
    let groups = [group("g1", "Sales"), group("g2", "Sales"), own];
    let answer = seen(&groups, &[wanted("s1", "Sales", None)], &[]);
    assert!(
        matches!(&answer["s1"], Sight::Takeover(group) if group.id == "g3" && group.key == "groupcast-s1")
    );
}

#[test]
fn r51_two_source_groups_of_one_name_never_take_the_same_group_over() {
    let groups = [group("g1", "Sales")];
    let both = [wanted("s2", "Sales", None), wanted("s1", "Sales", None)];
    let answer = seen(&groups, &both, &[]);
    assert_eq!(taken_over(&answer["s1"]), Some("g1"));
    assert!(matches!(&answer["s2"], Sight::Nothing { warnings } if warnings[0].code == "twin-names"));
    let answer = seen(&groups, &both, &["g1"]);
    assert!(
        answer
            .values()
            .all(|sight| matches!(sight, Sight::Nothing { .. }))
    );
}

#[test]
fn r22_a_name_that_entra_cannot_take_is_a_conflict_before_any_request() {
    let answer = seen(
        &[],
        &[wanted("s1", "", None), wanted("s2", &"ü".repeat(257), None)],
        &[],
    );
    for sight in answer.values() {
        assert!(matches!(sight, Sight::Blocked { conflict: true, reason } if reason.code == "name-length"));
    }
    let answer = seen(&[], &[wanted("s1", &"ü".repeat(256), None)], &[]);
    assert!(matches!(answer["s1"], Sight::Nothing { .. }));
}

#[test]
fn r20_a_look_up_that_fails_is_unknown_and_never_nothing() {
    let log = Log::default();
    let world = world(&log, |part| {
        Some(if part.url.contains("(uniqueName='groupcast-s1')") {
            error(500, "Service_InternalServerError", "")
        } else if part.url.starts_with("/groups?") {
            error(400, "", "Invalid filter clause")
        } else {
            missing()
        })
    });
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let sought = [wanted("s1", "Sales", None), wanted("s2", "Sales", None)];
    let answer = run(look_up(&graph, &sought, &BTreeSet::new(), OnAmbiguous::Create)).unwrap();
    assert!(matches!(answer["s1"], Sight::Unknown { .. }), "{answer:?}");
    assert!(matches!(answer["s2"], Sight::Unknown { .. }), "{answer:?}");
}

#[test]
fn r24_twins_on_a_second_page_count() {
    let log = Log::default();
    let world = world(&log, |part| {
        Some(if part.url.contains("skiptoken") {
            page(&[group("g2", "Sales")])
        } else if part.url.starts_with("/groups?") {
            let mut said = page(&[group("g1", "Sales")]);
            said.body["@odata.nextLink"] = json!(format!("{BASE}/v1.0/groups?$skiptoken=1"));
            said
        } else {
            missing()
        })
    });
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let answer = run(look_up(
        &graph,
        &[wanted("s1", "Sales", None)],
        &BTreeSet::new(),
        OnAmbiguous::Hold,
    ))
    .unwrap();
    assert!(
        matches!(&answer["s1"], Sight::Blocked { conflict: false, reason } if reason.code == "twin-names")
    );
}

fn member(id: &str, kind: &str) -> Value {
    json!({"@odata.type": format!("#microsoft.graph.{kind}"), "id": id, "displayName": format!("name of {id}"),
        "userPrincipalName": if kind == "user" { json!(format!("{id}@x.test")) } else { Value::Null }})
}

fn read_members(
    targets: &[&str],
    handle: impl FnMut(&Part) -> Option<Said>,
) -> BTreeMap<String, Reading<Vec<ObservedMember>>> {
    let log = Log::default();
    let world = world(&log, handle);
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let targets: Vec<String> = targets.iter().map(|id| (*id).to_owned()).collect();
    run(all_members(&graph, &targets))
}

async fn all_members(
    graph: &Graph<'_>,
    targets: &[String],
) -> BTreeMap<String, Reading<Vec<ObservedMember>>> {
    let mut readings = BTreeMap::new();
    members(graph, targets, &mut |target, reading| {
        let twice = readings.insert(target.to_owned(), reading);
        assert!(twice.is_none(), "{target} was handed over twice");
    })
    .await;
    readings
}

#[test]
fn r39_members_have_kinds_by_type_and_owners_are_owners() {
    let answer = read_members(&["g1"], |part| {
        Some(if part.url.contains("/owners") {
            page(&[member("u2", "user"), member("u9", "user")])
        } else {
            page(&[
                member("u1", "user"),
                member("u2", "user"),
                member("n1", "group"),
                member("s1", "servicePrincipal"),
                member("d1", "device"),
                member("c1", "orgContact"),
                json!({"id": "x1"}),
            ])
        })
    });
    let whole = answer["g1"].complete().unwrap().get();
    let seen: Vec<(&str, MemberKind, Role)> = whole
        .iter()
        .map(|member| (member.principal.id.as_str(), member.kind, member.role))
        .collect();
    assert_eq!(
        seen,
        [
            ("u1", MemberKind::User, Role::Member),
            ("u2", MemberKind::User, Role::Owner),
            ("n1", MemberKind::Group, Role::Member),
            ("s1", MemberKind::Other, Role::Member),
            ("d1", MemberKind::Other, Role::Member),
            ("c1", MemberKind::External, Role::Member),
            ("x1", MemberKind::Other, Role::Member),
        ]
    );
    assert_eq!(whole[0].principal.address, "u1@x.test");
    assert_eq!(whole[2].principal.address, "name of n1");
}

#[test]
fn r39_r42_without_the_owners_a_members_list_is_not_whole() {
    let answer = read_members(&["g1"], |part| {
        Some(if part.url.contains("/owners") {
            error(403, "Authorization_RequestDenied", "no")
        } else {
            page(&[member("u1", "user")])
        })
    });
    assert!(answer["g1"].complete().is_none());
    assert_eq!(answer["g1"].seen().len(), 1);
}

#[test]
fn r42_one_group_that_cannot_be_read_never_spoils_another() {
    let targets: Vec<String> = (0..25).map(|number| format!("g{number}")).collect();
    let mut names: Vec<&str> = targets.iter().map(String::as_str).collect();
    names.insert(3, "not an id");
    let answer = read_members(&names, |part| {
        Some(if part.url.starts_with("/groups/g7/") {
            missing()
        } else {
            let group = part.url.split('/').nth(2).unwrap().to_owned();
            page(&[member(&format!("u-{group}"), "user")])
        })
    });
    assert_eq!(answer.len(), 26);
    for (target, reading) in &answer {
        match reading {
            Reading::Complete(whole) => {
                assert_eq!(whole.get()[0].principal.id, format!("u-{target}"));
            }
            Reading::Partial { seen, reason } => {
                assert!(
                    matches!(target.as_str(), "g7" | "not an id"),
                    "{target}: {reason}"
                );
                assert!(seen.is_empty());
            }
        }
    }
    assert!(answer["g7"].complete().is_none() && answer["not an id"].complete().is_none());
}

#[test]
fn r42_members_are_partial_when_nothing_answers() {
    let world = TestWorld::new(|_| Err(TransportError::NotSent("no route".into())));
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let answer = run(all_members(&graph, &["g1".to_owned()]));
    assert!(matches!(&answer["g1"], Reading::Partial { reason, .. } if reason.contains("no route")));
}
