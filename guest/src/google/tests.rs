//! The target's behaviour against a scripted Google; batches are really packed and unpacked.

use std::cell::RefCell;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json as value};

use super::*;
use crate::environment::TransportError;
use crate::failure::FailureKind;
use crate::http::testing::{Scripted, TestWorld, json, run};
use crate::ledger::Settlement;
use crate::plan::model::{MemberKind, Role};
use crate::plan::part::{GroupRef, Operation, RemovalReason};

const BASE: &str = "/admin/directory/v1/";

fn google<'a>(world: &'a TestWorld<'_>, domains: &[&str]) -> Google<'a> {
    let settings = Settings {
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        ..Settings::default()
    };
    Google::new(
        Client::new(world.environment(), "https://admin.example", classify, 1),
        &settings,
    )
}

fn refusal(code: u16, reason: &str, message: &str) -> (u16, Value) {
    (
        code,
        value!({"error": {"code": code, "message": message, "errors": [{"reason": reason, "message": message}]}}),
    )
}

fn not_found(what: &str) -> (u16, Value) {
    refusal(404, "notFound", &format!("Resource Not Found: {what}"))
}

/// A Google that answers single calls and batches alike: `METHOD path` below the API, with the body.
fn serve<'a>(mut answer: impl FnMut(&str, &Value) -> (u16, Value) + 'a) -> TestWorld<'a> {
    TestWorld::new(move |request| {
        if request.uri().path() == "/batch" {
            return batch_answer(request, |line, body| Some(answer(line, body)));
        }
        let body = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
        let (status, body) = answer(&line(request.method().as_str(), request.uri().path()), &body);
        json(status, &body)
    })
}

fn line(method: &str, path: &str) -> String {
    format!(
        "{method} {}",
        path.split('?').next().unwrap().strip_prefix(BASE).unwrap()
    )
}

/// Answers a batch, last part first; a part that gets none is left out.
#[allow(clippy::unnecessary_wraps, reason = "so that it stands in a script as it is")]
fn batch_answer(
    request: &Request<Bytes>,
    mut answer: impl FnMut(&str, &Value) -> Option<(u16, Value)>,
) -> Scripted {
    let text = String::from_utf8(request.body().to_vec()).unwrap();
    let boundary = request.headers()["content-type"]
        .to_str()
        .unwrap()
        .split("boundary=")
        .nth(1)
        .unwrap();
    let mut parts = Vec::new();
    for part in text
        .split(&format!("--{boundary}"))
        .filter(|part| part.contains("Content-ID"))
    {
        let (outer, inner) = part.split_once("\r\n\r\n").unwrap();
        let id = outer
            .split("Content-ID: <")
            .nth(1)
            .unwrap()
            .split('>')
            .next()
            .unwrap();
        let (head, body) = inner.split_once("\r\n\r\n").unwrap();
        let mut words = head.split(' ');
        let line = line(words.next().unwrap(), words.next().unwrap());
        let body = serde_json::from_str(body.trim()).unwrap_or(Value::Null);
        if let Some((status, body)) = answer(&line, &body) {
            let body = if status == 204 {
                String::new()
            } else {
                body.to_string()
            };
            parts.push(format!(
                "--b\r\nContent-Type: application/http\r\nContent-ID: <response-{id}>\r\n\r\nHTTP/1.1 {status} X\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}\r\n",
                body.len()
            ));
        }
    }
    parts.reverse();
    let body = format!("{}--b--\r\n", parts.concat());
    crate::http::testing::text(200, "multipart/mixed; boundary=b", &body)
}

fn add(group: &str, principal: &str) -> Write {
    Write {
        operation: Operation::AddMember {
            group: GroupRef::Id(group.to_owned()),
            principal: principal.to_owned(),
            user: "u".to_owned(),
            address: format!("{principal}@example.com"),
        },
        target: Some(group.to_owned()),
    }
}

fn remove(group: &str, principal: &str) -> Write {
    Write {
        operation: Operation::RemoveMember {
            group: GroupRef::Id(group.to_owned()),
            principal: principal.to_owned(),
            user: None,
            address: String::new(),
            why: RemovalReason::LeftGroup,
        },
        target: Some(group.to_owned()),
    }
}

fn create(key: &str) -> Write {
    Write {
        operation: Operation::CreateGroup {
            key: key.to_owned(),
            name: "Sales".to_owned(),
            description: String::new(),
        },
        target: None,
    }
}

fn settlements(results: &[WriteResult]) -> Vec<Settlement> {
    results.iter().map(|result| result.settlement).collect()
}

fn wanted(key: &str, bound: Option<&str>) -> Wanted {
    Wanted {
        group: format!("jc-{key}"),
        name: "Sales".to_owned(),
        key: key.to_owned(),
        bound: bound.map(str::to_owned),
    }
}

fn look_up_one(world: &TestWorld<'_>, domains: &[&str], want: Wanted, held: &[&str]) -> Sight {
    let held = held.iter().map(|id| (*id).to_owned()).collect();
    let group = want.group.clone();
    run(google(world, domains).look_up(&[want], &held))
        .unwrap()
        .remove(&group)
        .unwrap()
}

fn user(id: &str, email: Option<&str>) -> SourceUser {
    SourceUser {
        id: id.to_owned(),
        username: id.to_owned(),
        email: email.map(str::to_owned),
        suspended: false,
        target_id: None,
    }
}

#[test]
fn r31_people_are_found_by_primary_address_or_alias_to_the_immutable_id() {
    let world = serve(|_, _| {
        (
            200,
            value!({"users": [
                {"id": "1", "primaryEmail": "alice@example.com", "aliases": ["a@example.com"]},
                {"id": "2", "primaryEmail": "bob@example.com", "nonEditableAliases": ["bob@example.com.test"]},
                {"id": "3", "primaryEmail": "x@example.com", "aliases": ["shared@example.com"]},
                {"id": "4", "primaryEmail": "y@example.com", "aliases": ["shared@example.com"]},
            ]}),
        )
    });
    let users = [
        user("a", Some("Alice@Example.com ")),
        user("b", Some("a@example.com")),
        user("c", Some("bob@example.com.test")),
        user("d", Some("shared@example.com")),
        user("e", Some("nobody@example.com")),
        user("f", Some(" ")),
    ];
    let found = run(google(&world, &[]).resolve(&users)).unwrap();
    let id = |user: &str| match &found[user] {
        Resolution::Resolved(principal) => principal.id.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!([id("a"), id("b"), id("c")], ["1", "1", "2"]);
    assert!(matches!(&found["d"], Resolution::Ambiguous { candidates } if candidates.len() == 2));
    assert!(matches!(&found["e"], Resolution::Unknown { .. }));
    assert!(matches!(&found["f"], Resolution::NoAddress));
    let line = &world.lines()[0];
    assert!(
        line.contains("customer=my_customer&maxResults=500&orderBy=email"),
        "{line}"
    );
}

#[test]
fn r42_pages_of_users_end_by_their_token_even_when_exactly_full() {
    let pages = RefCell::new(0);
    let world = TestWorld::new(|request| {
        let number = pages.replace_with(|number| *number + 1);
        let query = request.uri().query().unwrap();
        assert_eq!(query.contains("pageToken=t%2B1"), number == 1, "{query}");
        let users: Value = (0..500)
            .map(|at| value!({"id": format!("{number}-{at}"), "primaryEmail": format!("{number}-{at}@example.com")}))
            .collect();
        let mut page = value!({"users": users});
        if number == 0 {
            page["nextPageToken"] = value!("t+1");
        }
        json(200, &page)
    });
    let found = run(google(&world, &[]).resolve(&[user("a", Some("1-499@example.com"))])).unwrap();
    assert!(matches!(&found["a"], Resolution::Resolved(_)));
    assert_eq!(*pages.borrow(), 2);
}

#[test]
fn r31_a_list_of_users_that_is_not_whole_proves_nobody_unknown() {
    // The page's token comes again: the list is not whole.
    let world = serve(|line, _| match line {
        "GET users" => (200, value!({"users": [], "nextPageToken": "t"})),
        "GET users/alice@example.com" => (200, value!({"id": "1", "primaryEmail": "alice@example.com"})),
        "GET users/bob@example.com" => not_found("userKey"),
        _ => refusal(403, "forbidden", "Not Authorized to access this resource/api"),
    });
    let users =
        ["alice@example.com", "bob@example.com", "c@elsewhere.example"].map(|email| user(email, Some(email)));
    let found = run(google(&world, &[]).resolve(&users)).unwrap();
    assert!(matches!(&found["alice@example.com"], Resolution::Resolved(_)));
    assert!(matches!(&found["bob@example.com"], Resolution::Unknown { .. }));
    assert!(matches!(
        &found["c@elsewhere.example"],
        Resolution::Unproven { .. }
    ));
}

#[test]
fn r07_users_that_may_not_be_read_end_the_run_with_the_fix() {
    let world = serve(|_, _| refusal(403, "forbidden", "Not Authorized to access this resource/api"));
    let failure = run(google(&world, &[]).resolve(&[user("a", Some("a@example.com"))])).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unauthorized);
    assert!(failure.message.contains("Groups Admin"));
}

#[test]
fn r20_a_bound_group_is_read_by_its_id_and_a_404_is_no_absence() {
    let world = serve(|line, _| match line {
        "GET groups/g1" => (200, value!({"id": "g1", "email": "new@example.com", "name": "N"})),
        _ => not_found("groupKey"),
    });
    let wants = [
        wanted("a@example.com", Some("g1")),
        wanted("b@example.com", Some("g2")),
    ];
    let sights = run(google(&world, &[]).look_up(&wants, &BTreeSet::new())).unwrap();
    assert!(matches!(&sights["jc-a@example.com"], Sight::Bound(group) if group.key == "new@example.com"));
    assert!(matches!(&sights["jc-b@example.com"], Sight::BoundMissing));
    assert_eq!(world.lines(), ["POST /batch"], "no list is asked");
}

#[test]
fn r18_an_alias_a_users_address_and_a_foreign_domain_are_refused_before_any_write() {
    let answer = |line: &str, _: &Value| match line {
        "GET groups/alias@example.com" => (200, value!({"id": "g9", "email": "other@example.com"})),
        "GET users/alice@example.com" => (200, value!({"id": "1", "primaryEmail": "alice@example.com"})),
        "GET users" => (
            200,
            value!({"users": [{"id": "1", "primaryEmail": "alice@example.com"}]}),
        ),
        line if line.contains("@elsewhere.example") => refusal(403, "forbidden", "Not Authorized"),
        line if line.starts_with("GET groups/") => not_found("groupKey"),
        _ => not_found("userKey"),
    };
    let code = |key: &str, domains: &[&str]| {
        let world = serve(answer);
        let sight = look_up_one(&world, domains, wanted(key, None), &[]);
        assert!(world.lines().iter().all(|line| line.starts_with("GET")));
        match sight {
            Sight::Blocked {
                conflict: true,
                reason,
            } => reason.code,
            Sight::Nothing { .. } => "nothing".to_owned(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code("alias@example.com", &[]), "alias");
    assert_eq!(code("alice@example.com", &[]), "address-of-user");
    assert_eq!(code("sales@elsewhere.example", &[]), "foreign-domain");
    assert_eq!(code("sales@example.com", &["other.example"]), "foreign-domain");
    assert_eq!(code("nonsense", &[]), "invalid-address");
    assert_eq!(code("sales@example.com", &[]), "nothing");
    assert_eq!(code("sales@example.com", &["Example.com"]), "nothing");
}

#[test]
fn r50_r51_an_existing_group_is_taken_over_unless_another_source_group_holds_it() {
    let answer = |_: &str, _: &Value| {
        let group = value!({"id": "g1", "email": "Sales@example.com", "name": "S", "description": "d"});
        (200, group)
    };
    let sight = look_up_one(&serve(answer), &[], wanted("sales@example.com", None), &[]);
    assert!(matches!(sight, Sight::Takeover(group) if group.id == "g1" && group.description == "d"));
    let sight = look_up_one(&serve(answer), &[], wanted("sales@example.com", None), &["g1"]);
    assert!(matches!(sight, Sight::Blocked { conflict: true, reason } if reason.code == "held-by-another"));
}

#[test]
fn a_page_that_is_not_googles_is_no_absence() {
    let world = TestWorld::new(|_| crate::http::testing::text(404, "text/html", "<html>404</html>"));
    let sight = look_up_one(&world, &["example.com"], wanted("sales@example.com", None), &[]);
    assert!(matches!(sight, Sight::Unknown { .. }));
}

#[test]
fn members_are_read_whole_with_kinds_and_roles() {
    let member = |at: usize| value!({"id": format!("{at}"), "email": "m@example.com", "role": "MEMBER", "type": "USER", "status": "ACTIVE"});
    let world = TestWorld::new(|request| {
        let query = request.uri().query().unwrap().to_owned();
        let path = request.uri().path();
        if path.contains("/empty/") {
            return json(200, &value!({}));
        }
        if path.contains("/loop/") {
            return json(200, &value!({"members": [], "nextPageToken": "t"}));
        }
        if path.contains("/gone/") {
            let (status, body) = not_found("groupKey");
            return json(status, &body);
        }
        if query.contains("pageToken") {
            return json(
                200,
                &value!({"members": [
                    {"id": "ext", "email": "x@elsewhere.example", "role": "MEMBER", "type": "USER"},
                    {"id": "grp", "email": "g@example.com", "role": "MANAGER", "type": "GROUP", "status": "ACTIVE"},
                    {"id": "all", "role": "OWNER", "type": "CUSTOMER"},
                ]}),
            );
        }
        json(
            200,
            &value!({"members": (0..200).map(member).collect::<Value>(), "nextPageToken": "t"}),
        )
    });
    let targets = ["g", "empty", "loop", "gone"].map(str::to_owned);
    let read = run(google(&world, &[]).members(&targets));
    let members = read["g"].complete().unwrap().get();
    assert_eq!(members.len(), 203);
    let kinds: Vec<_> = members[199..]
        .iter()
        .map(|member| (member.kind, member.role))
        .collect();
    assert_eq!(
        kinds,
        [
            (MemberKind::User, Role::Member),
            (MemberKind::External, Role::Member),
            (MemberKind::Group, Role::Manager),
            (MemberKind::Other, Role::Owner)
        ]
    );
    assert_eq!(read["empty"].complete().unwrap().get().len(), 0);
    assert!(read["loop"].complete().is_none(), "a token that comes again");
    assert!(
        read["gone"].complete().is_none(),
        "a 404 does not prove that a group is empty"
    );
}

#[test]
fn r40_one_bad_entry_never_fails_the_others_in_batches_of_at_most_100() {
    let world = serve(|line, body| {
        assert_eq!(line, "POST groups/g/members");
        assert_eq!(body["role"], "MEMBER");
        assert_eq!(body.as_object().unwrap().len(), 2, "nothing but ID and role");
        match body["id"].as_str().unwrap() {
            "7" => refusal(400, "invalid", "Invalid Input: memberKey"),
            _ => (200, body.clone()),
        }
    });
    let writes: Vec<Write> = (0..250).map(|at| add("g", &at.to_string())).collect();
    let results = run(google(&world, &[]).write(&writes));
    assert_eq!(world.lines(), ["POST /batch"; 3]);
    assert_eq!(results.len(), 250);
    for (at, result) in results.iter().enumerate() {
        let expected = if at == 7 {
            Settlement::Refused
        } else {
            Settlement::Applied
        };
        assert_eq!(result.settlement, expected, "{at}");
    }
    assert!(results[7].message.contains("Invalid Input"));
}

#[test]
fn r40_a_batch_that_the_host_refuses_is_split_down_to_the_part_to_blame() {
    let world = TestWorld::new(|request| {
        let text = String::from_utf8_lossy(request.body()).into_owned();
        if text.contains("\"id\":\"5\"") {
            return Err(TransportError::Denied("not approved".to_owned()));
        }
        if request.uri().path() == "/batch" {
            return batch_answer(request, |_, body| Some((200, body.clone())));
        }
        json(200, &value!({"id": "x"}))
    });
    let writes: Vec<Write> = (0..8).map(|at| add("g", &at.to_string())).collect();
    let results = run(google(&world, &[]).write(&writes));
    let refused: Vec<usize> = (0..8)
        .filter(|at| results[*at].settlement != Settlement::Applied)
        .collect();
    assert_eq!(refused, [5]);
    assert_eq!(results[5].settlement, Settlement::Abandoned);
    assert!(results[5].message.contains("not approved"));
}

#[test]
fn throttled_and_missing_parts_are_sent_again_alone() {
    let rounds = RefCell::new(Vec::new());
    let world = TestWorld::new(|request| {
        let mut seen = Vec::new();
        let round = rounds.borrow().len();
        let id = |body: &Value| body["id"].as_str().unwrap().to_owned();
        let answer = if request.uri().path() == "/batch" {
            batch_answer(request, |_, body| {
                seen.push(id(body));
                match (round, id(body).as_str()) {
                    (0, "1") => Some(refusal(403, "userRateLimitExceeded", "slow")),
                    (0, "2") => None,
                    _ => Some((200, body.clone())),
                }
            })
        } else {
            panic!("{}", request.uri());
        };
        rounds.borrow_mut().push(seen);
        answer
    });
    let writes: Vec<Write> = (0..4).map(|at| add("g", &at.to_string())).collect();
    let results = run(google(&world, &[]).write(&writes));
    assert_eq!(settlements(&results), [Settlement::Applied; 4]);
    assert_eq!(*rounds.borrow(), [vec!["0", "1", "2", "3"], vec!["1", "2"]]);
    assert!(world.now_ms.get() >= 1_000);
}

#[test]
fn r40_duplicates_are_already_after_read_back_and_pending_ones_are_told_apart() {
    let world = serve(|line, body| match (line, body["id"].as_str()) {
        ("POST groups/g/members", _) => refusal(409, "duplicate", "Member already exists."),
        ("GET groups/g/members/1", _) => (200, value!({"id": "1", "role": "OWNER"})),
        _ => not_found("memberKey"),
    });
    let results = run(google(&world, &[]).write(&[add("g", "1"), add("g", "2")]));
    assert_eq!(settlements(&results), [Settlement::Already, Settlement::Refused]);
    assert_eq!(results[1].answer.as_ref().unwrap().reason, "pending-invitation");
}

#[test]
fn r40_a_member_that_is_gone_is_already_removed_and_one_that_shows_is_not() {
    let world = serve(|line, _| match line {
        "DELETE groups/g/members/ok" => (204, Value::Null),
        "GET groups/g/members/odd" => (200, value!({"id": "odd"})),
        _ => not_found("memberKey"),
    });
    let results =
        run(google(&world, &[]).write(&[remove("g", "ok"), remove("g", "gone"), remove("g", "odd")]));
    assert_eq!(
        settlements(&results),
        [Settlement::Applied, Settlement::Already, Settlement::Refused]
    );
    let world = serve(|_, _| not_found("groupKey"));
    let results = run(google(&world, &[]).write(&[remove("g", "x")]));
    assert_eq!(
        settlements(&results),
        [Settlement::Refused],
        "a missing group proves nothing of its members"
    );
}

#[test]
fn a_conflict_counts_as_applied_once_it_shows() {
    let looks = RefCell::new(0);
    let world = serve(|line, _| {
        if line.starts_with("POST") {
            return refusal(409, "conflict", "");
        }
        let look = looks.replace_with(|looks| *looks + 1);
        if look == 0 {
            not_found("memberKey")
        } else {
            (200, value!({"id": "1"}))
        }
    });
    let results = run(google(&world, &[]).write(&[add("g", "1")]));
    assert_eq!(settlements(&results), [Settlement::Applied]);
    assert_eq!(*looks.borrow(), 2);
}

#[test]
fn r20_a_group_just_created_is_waited_for_and_never_created_again() {
    let tries = RefCell::new(0);
    let world = serve(|line, body| match line {
        "POST groups" => (
            200,
            value!({"id": "g1", "email": body["email"], "name": body["name"]}),
        ),
        _ => {
            let tried = tries.replace_with(|tries| *tries + 1);
            if tried < 5 {
                not_found("groupKey")
            } else {
                (200, value!({"id": "1"}))
            }
        }
    });
    let google = google(&world, &[]);
    let created = run(google.write(&[create("sales@example.com")]));
    let group = created[0].created.clone().unwrap();
    assert_eq!(
        (created[0].settlement, group.id.as_str()),
        (Settlement::Applied, "g1")
    );
    let mut write = add("g1", "1");
    if let Operation::AddMember { group, .. } = &mut write.operation {
        *group = GroupRef::New("sales@example.com".to_owned());
    }
    let results = run(google.write(&[write]));
    assert_eq!(settlements(&results), [Settlement::Applied]);
    let creations = world
        .lines()
        .iter()
        .filter(|line| line.ends_with("/groups"))
        .count();
    assert_eq!(creations, 1);
    assert!(
        (30_000..90_000).contains(&world.now_ms.get()),
        "{}",
        world.now_ms.get()
    );
}

#[test]
fn r47_creating_a_group_that_exists_is_already_by_its_own_address_alone() {
    let duplicate = |key: &str, email: &'static str| {
        let world = serve(move |line, _| {
            if line.starts_with("POST") {
                refusal(409, "duplicate", "Entity already exists.")
            } else {
                (200, value!({"id": "g1", "email": email}))
            }
        });
        run(google(&world, &[]).write(&[create(key)])).remove(0)
    };
    let already = duplicate("sales@example.com", "sales@example.com");
    assert_eq!(already.settlement, Settlement::Already);
    assert_eq!(already.created.unwrap().id, "g1");
    let alias = duplicate("sales@example.com", "other@example.com");
    assert_eq!((alias.settlement, alias.created), (Settlement::Refused, None));
}

#[test]
fn r16_an_update_sends_only_what_changes() {
    let world = serve(|line, body| {
        assert_eq!(line, "PATCH groups/g");
        assert_eq!(body, &value!({"name": "New"}));
        (200, value!({"id": "g", "email": "a@example.com"}))
    });
    let update = Write {
        operation: Operation::UpdateGroup {
            group: GroupRef::Id("g".to_owned()),
            name: Some("New".to_owned()),
            description: None,
            address: None,
        },
        target: Some("g".to_owned()),
    };
    assert_eq!(
        settlements(&run(google(&world, &[]).write(&[update]))),
        [Settlement::Applied]
    );
}

#[test]
fn writes_keep_their_order_and_stop_when_the_credential_is_refused() {
    let world = serve(|line, _| match line {
        "POST groups/g/members" => (200, value!({"id": "1"})),
        _ => refusal(
            403,
            "insufficientPermissions",
            "Request had insufficient authentication scopes.",
        ),
    });
    let results = run(google(&world, &[]).write(&[add("g", "1"), remove("g", "2"), add("g", "3")]));
    assert_eq!(
        settlements(&results),
        [Settlement::Applied, Settlement::Refused, Settlement::Abandoned]
    );
    let lines = world.lines();
    assert!(
        lines[0].starts_with("POST") && lines[1].starts_with("DELETE") && lines.len() == 2,
        "{lines:?}"
    );
}

#[test]
fn a_member_of_a_group_that_was_not_created_is_abandoned_unsent() {
    let world = TestWorld::scripted(vec![]);
    let mut write = add("g", "1");
    write.target = None;
    if let Operation::AddMember { group, .. } = &mut write.operation {
        *group = GroupRef::New("sales@example.com".to_owned());
    }
    assert_eq!(
        settlements(&run(google(&world, &[]).write(&[write]))),
        [Settlement::Abandoned]
    );
}
