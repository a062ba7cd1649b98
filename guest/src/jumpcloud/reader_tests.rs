use serde_json::{Value, json as value};

use super::*;
use crate::http::testing::{Scripted, TestWorld, json, run, with_header};
use crate::jumpcloud::classify;

fn list(body: &Value) -> Scripted {
    let total = body.as_array().unwrap().len().to_string();
    with_header(json(200, body), "x-total-count", &total)
}

fn reader<'a>(world: &'a TestWorld<'_>) -> Reader<'a> {
    Reader::new(Client::new(
        world.environment(),
        "https://console.example",
        classify,
        1,
    ))
}

fn directory(kind: &str) -> Directory {
    let record: DirectoryRecord =
        serde_json::from_value(value!({"id": "d", "name": "D", "type": kind})).unwrap();
    record.into_directory()
}

#[test]
fn r35_a_directory_is_found_with_its_group_management_flag() {
    let world = TestWorld::scripted(vec![
        list(&value!([
            {"id": "x", "name": "AD", "type": "active_directory"},
            {"id": "d", "name": "Example", "type": "g_suite", "defaultDomain": {"id": "1", "domain": "example.com"},
             "oAuthStatus": {}},
        ])),
        json(200, &value!({"id": "d", "groupsEnabled": true})),
    ]);
    let found = run(reader(&world).directory("d")).unwrap().unwrap();
    assert_eq!(found.rules, Some(TargetRules::Addressed));
    assert_eq!(
        (found.groups_enabled, found.default_domain.as_deref()),
        (Some(true), Some("example.com"))
    );
    assert_eq!(world.lines()[1], "GET /api/v2/gsuites/d");
    let world = TestWorld::scripted(vec![list(&value!([]))]);
    assert!(run(reader(&world).directory("d")).unwrap().is_none());
}

#[test]
fn bound_groups_are_the_associations_of_the_directory() {
    let world = TestWorld::scripted(vec![list(&value!([
        {"to": {"id": "g2", "type": "user_group"}, "attributes": null},
        {"to": {"id": "g1", "type": "user_group"}},
    ]))]);
    let bound = run(reader(&world).bound_groups(&directory("office_365"))).unwrap();
    assert_eq!(bound.complete().unwrap().get().len(), 2);
    assert_eq!(
        world.lines(),
        ["GET /api/v2/office365s/d/associations?targets=user_group&limit=100&skip=0"]
    );
    let world = TestWorld::scripted(vec![]);
    let refused = run(reader(&world).bound_groups(&directory("active_directory"))).unwrap_err();
    assert_eq!(refused.kind, FailureKind::Configuration);
}

#[test]
fn r05_members_are_the_users_of_the_sorted_membership() {
    let world = TestWorld::scripted(vec![list(&value!([
        {"id": "u1", "type": "user", "paths": []},
        {"id": "g9", "type": "user_group", "paths": []},
        {"id": "u2", "type": "user", "paths": [], "compiledAttributes": null},
    ]))]);
    let members = run(reader(&world).members("g")).unwrap();
    assert_eq!(
        members.seen(),
        &BTreeSet::from(["u1".to_owned(), "u2".to_owned()])
    );
    assert_eq!(
        world.lines(),
        ["GET /api/v2/usergroups/g/membership?sort=object_id&limit=100&skip=0"]
    );
}

#[test]
fn a_group_that_is_gone_is_none_by_its_own_record_and_partial_by_its_members() {
    let world = TestWorld::new(|_| json(404, &value!({"code": 404, "message": "Not Found"})));
    assert_eq!(run(reader(&world).group("g")).unwrap(), None);
    let members = run(reader(&world).members("g")).unwrap();
    assert!(
        members.complete().is_none(),
        "a 404 is no proof that a group is empty"
    );
    let world = TestWorld::scripted(vec![json(
        200,
        &value!({"id": "g", "name": " Sales", "email": "", "description": null, "new": {}}),
    )]);
    let group = run(reader(&world).group("g")).unwrap().unwrap();
    assert_eq!(
        (group.name.as_str(), group.email, group.description.as_str()),
        (" Sales", None, "")
    );
}

#[test]
fn r31_people_carry_the_ids_that_the_source_holds_for_them() {
    let answers = |world_of: Value| {
        vec![
            json(
                200,
                &value!({"totalCount": 2, "results": [
                    {"_id": "u1", "username": "a", "email": "a@x", "state": "ACTIVATED", "suspended": false},
                    {"_id": "u2", "username": "b", "email": null, "state": "SUSPENDED"},
                ]}),
            ),
            list(&world_of),
        ]
    };
    let exported = value!([
        {"id": "u1", "type": "user", "paths": [], "externalId": "o-1", "syncStatus": {"code": 0}},
        {"id": "u2", "type": "user", "paths": [], "syncStatus": {"code": 5}},
    ]);
    let world = TestWorld::scripted(answers(exported.clone()));
    let users = run(reader(&world).users(&directory("office_365"))).unwrap();
    let users = users.complete().unwrap().get();
    assert_eq!(
        (users[0].target_id.as_deref(), users[0].suspended),
        (Some("o-1"), false)
    );
    assert_eq!(
        (users[1].target_id.as_deref(), users[1].suspended, &users[1].email),
        (None, true, &None)
    );
    assert!(world.lines()[0].contains("fields=_id%20username%20email%20state%20suspended&sort=_id"));
    let world = TestWorld::scripted(answers(exported));
    run(reader(&world).users(&directory("g_suite"))).unwrap();
    assert_eq!(world.requests.borrow().len(), 1, "Google has no such IDs");
}

#[test]
fn r49_people_are_gone_only_by_their_own_record() {
    let world = TestWorld::new(|request| match request.uri().path() {
        "/api/systemusers/u1" => json(200, &value!({"_id": "u1", "username": "a"})),
        "/api/systemusers/u2" => json(404, &value!({"message": "Not Found"})),
        _ => json(400, &value!({"message": "bad"})),
    });
    let ids = ["u1", "u2", "u3"].map(str::to_owned).into();
    let found = run(reader(&world).users_by_id(&ids, &directory("g_suite"))).unwrap();
    assert_eq!(found.users.len(), 1);
    assert_eq!(found.gone, BTreeSet::from(["u2".to_owned()]));
    assert!(found.unknown.contains_key("u3"));
}

#[test]
fn many_members_has_an_entry_for_every_group_whatever_befalls_one() {
    let world = TestWorld::new(|request| {
        if request.uri().path().contains("/g3/") {
            json(400, &value!({"message": "bad"}))
        } else {
            list(&value!([{"id": "u1", "type": "user", "paths": []}]))
        }
    });
    let groups: Vec<String> = (0..20).map(|number| format!("g{number}")).collect();
    let mut readings = BTreeMap::new();
    run(reader(&world).many_members(&groups, &mut |group, reading| {
        let twice = readings.insert(group.to_owned(), reading);
        assert!(twice.is_none(), "{group} was handed over twice");
    }))
    .unwrap();
    assert_eq!(readings.len(), 20);
    assert!(readings["g3"].complete().is_none() && readings["g4"].complete().is_some());
}

#[test]
fn r08_every_request_is_a_get() {
    let world = TestWorld::new(|_| json(404, &value!({})));
    let reader = reader(&world);
    run(async {
        let _ = reader.directory("d").await;
        let _ = reader.bound_groups(&directory("g_suite")).await;
        let _ = reader.groups().await;
        let _ = reader.group("g").await;
        let _ = reader.users(&directory("office_365")).await;
        let _ = reader.user("u").await;
        let _ = reader.members("g").await;
    });
    let lines = world.lines();
    assert!(lines.len() >= 8 && lines.iter().all(|line| line.starts_with("GET /api/")));
}
