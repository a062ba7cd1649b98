//! How people are found: by whom the source names, exactly and uniquely.

use super::*;

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
