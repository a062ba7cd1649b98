use std::cell::RefCell;
use std::rc::Rc;

use serde_json::json;

use super::*;
use crate::entra::fake::{self, BASE, Part, error, page, say, world};
use crate::entra::request::ObjectId;
use crate::entra::types::{DirectoryObject, UpdateGroup};
use crate::http::testing::{TestWorld, json as answer, run, with_header};

fn id(text: &str) -> ObjectId {
    ObjectId::parse(text).unwrap()
}

fn log() -> Rc<RefCell<Vec<Part>>> {
    Rc::default()
}

fn lines(log: &Rc<RefCell<Vec<Part>>>) -> Vec<String> {
    log.borrow().iter().map(Part::line).collect()
}

fn meanings(outcomes: &[Outcome]) -> Vec<Meaning> {
    outcomes
        .iter()
        .map(|outcome| outcome.as_ref().unwrap().meaning())
        .collect()
}

#[test]
fn answers_are_matched_by_id_and_cut_into_batches_of_twenty() {
    let log = log();
    let world = world(&log, |part| {
        let id = part
            .url
            .trim_start_matches("/groups/")
            .split('?')
            .next()
            .unwrap()
            .to_owned();
        Some(say(200, json!({"id": id})))
    });
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let requests: Vec<Request> = (0..45)
        .map(|number| Request::Group(id(&format!("g{number}"))))
        .collect();
    let outcomes = run(graph.read(&requests));
    for (number, outcome) in outcomes.iter().enumerate() {
        let body = outcome.as_ref().unwrap().body.clone().unwrap();
        assert_eq!(body["id"], format!("g{number}"));
    }
    assert_eq!(world.requests.borrow().len(), 3);
}

#[test]
fn a_throttled_part_alone_is_sent_again_after_its_own_wait() {
    let log = log();
    let mut refused = 1;
    let world = world(&log, move |part| {
        Some(if part.url.starts_with("/groups/b") && refused > 0 {
            refused -= 1;
            let mut said = error(429, "TooManyRequests", "");
            said.headers = json!({"retry-AFTER": "7.5"});
            said
        } else {
            say(200, json!({"id": "x"}))
        })
    });
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let outcomes = run(graph.batch(&[Request::Group(id("a")), Request::Group(id("b"))]));
    assert_eq!(meanings(&outcomes), [Meaning::Done, Meaning::Done]);
    assert_eq!(lines(&log), ["GET /groups/a", "GET /groups/b", "GET /groups/b"]);
    assert!(
        (7_500..9_000).contains(&world.now_ms.get()),
        "{}",
        world.now_ms.get()
    );
}

#[test]
fn a_throttled_part_without_a_wait_is_sent_again_and_given_up_in_the_end() {
    let log = log();
    let world = world(&log, |_| Some(error(429, "TooManyRequests", "")));
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let outcomes = run(graph.batch(&[Request::Group(id("a"))]));
    let failure = outcomes.first().unwrap().as_ref().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Throttled(None));
    assert_eq!(lines(&log).len(), 8);
    assert!(world.now_ms.get() > 60_000, "{}", world.now_ms.get());
}

#[test]
fn an_absurd_wait_is_not_waited_for() {
    let log = log();
    let world = world(&log, |_| {
        let mut said = error(429, "TooManyRequests", "");
        said.headers = json!({"Retry-After": 1_000_000_000});
        Some(said)
    });
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let outcomes = run(graph.batch(&[Request::Group(id("a"))]));
    assert_eq!(
        outcomes.first().unwrap().as_ref().unwrap_err().kind,
        FailureKind::Throttled(Some(1_000_000_000))
    );
    assert_eq!(world.now_ms.get(), 0);
}

#[test]
fn writes_to_one_group_wait_for_one_another_and_go_on_after_a_refusal() {
    let log = log();
    let world = world(&log, |part| {
        Some(if part.members() == ["bad"] {
            fake::already()
        } else {
            say(204, Value::Null)
        })
    });
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let add = |group: &str, member: &str| Request::Add {
        group: id(group),
        members: vec![id(member)],
    };
    let outcomes = run(graph.batch(&[
        add("g1", "bad"),
        add("g2", "u1"),
        add("g1", "u2"),
        Request::Update {
            group: id("g1"),
            body: UpdateGroup::default(),
        },
    ]));
    assert_eq!(
        meanings(&outcomes),
        [
            Meaning::MemberAlready,
            Meaning::Done,
            Meaning::Done,
            Meaning::Done
        ]
    );
    assert_eq!(
        lines(&log),
        [
            "PATCH /groups/g1 +bad",
            "PATCH /groups/g2 +u1",
            "PATCH /groups/g1 +u2",
            "PATCH /groups/g1"
        ]
    );
    let first: Value = serde_json::from_slice(world.requests.borrow()[0].body()).unwrap();
    let depends: Vec<&Value> = first["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| &part["dependsOn"])
        .collect();
    assert_eq!(
        depends,
        [&Value::Null, &Value::Null, &json!(["0"]), &json!(["2"])]
    );
    assert_eq!(world.now_ms.get(), 0, "a dependent part does not wait");
}

#[test]
fn a_part_left_out_or_answered_twice_is_asked_for_again() {
    let part = |id: &str| json!({"id": id, "status": 200, "body": {"id": "x"}});
    let world = TestWorld::scripted(vec![
        answer(200, &json!({"responses": [part("0"), part("1"), part("1")]})),
        answer(200, &json!({"responses": [part("1")]})),
        answer(200, &json!({"responses": [part("2")]})),
    ]);
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let requests = ["a", "b", "c"].map(|name| Request::Group(id(name)));
    let outcomes = run(graph.batch(&requests));
    assert_eq!(meanings(&outcomes), [Meaning::Done; 3]);
    let sent: Vec<usize> = world
        .requests
        .borrow()
        .iter()
        .map(|request| {
            let body: Value = serde_json::from_slice(request.body()).unwrap();
            body["requests"].as_array().unwrap().len()
        })
        .collect();
    assert_eq!(sent, [3, 2, 1]);
}

#[test]
fn a_batch_that_answers_424_itself_is_read_part_by_part() {
    let world = TestWorld::scripted(vec![
        answer(
            424,
            &json!({"responses": [
                {"id": "0", "status": 200, "body": {"id": "x"}},
                {"id": "1", "status": 429, "headers": {"Retry-After": "2"}}]}),
        ),
        answer(
            200,
            &json!({"responses": [{"id": "1", "status": 200, "body": {"id": "y"}}]}),
        ),
    ]);
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let outcomes = run(graph.batch(&[Request::Group(id("a")), Request::Group(id("b"))]));
    assert_eq!(meanings(&outcomes), [Meaning::Done; 2]);
}

#[test]
fn whole_answers_are_ruled_by_the_same_table() {
    for (status, kind) in [
        (401, FailureKind::Unauthorized),
        (403, FailureKind::Unauthorized),
        (400, FailureKind::Vendor),
    ] {
        let world = TestWorld::scripted(vec![answer(
            status,
            &json!({"error": {"code": "x", "message": "y"}}),
        )]);
        let graph = Graph::new(fake::environment(&world), BASE, 1);
        let outcomes = run(graph.batch(&[Request::Group(id("a"))]));
        assert_eq!(outcomes.first().unwrap().as_ref().unwrap_err().kind, kind);
    }
    let good = || {
        answer(
            200,
            &json!({"responses": [{"id": "0", "status": 200, "body": {"id": "x"}}]}),
        )
    };
    for passing in [
        answer(503, &json!({})),
        answer(504, &json!({})),
        with_header(answer(429, &json!({})), "retry-after", "3"),
    ] {
        let world = TestWorld::scripted(vec![passing, good()]);
        let graph = Graph::new(fake::environment(&world), BASE, 1);
        let outcomes = run(graph.batch(&[Request::Group(id("a"))]));
        assert_eq!(meanings(&outcomes), [Meaning::Done]);
    }
}

/// A list of `count` members in pages of 999; `end_link` adds a last, empty page.
fn listed(count: usize, end_link: bool) -> (Result<usize, (usize, String)>, usize) {
    let log = log();
    let world = world(&log, move |part| {
        let from: usize = part
            .url
            .split("skiptoken=")
            .nth(1)
            .map_or(0, |token| token.parse().unwrap());
        let until = (from + 999).min(count);
        let items: Vec<Value> = (from..until)
            .map(|number| json!({"id": format!("u{number}")}))
            .collect();
        let mut said = page(&items);
        if until < count || (end_link && from < count) {
            said.body["@odata.nextLink"] = json!(format!("{BASE}/v1.0/groups/g/members?$skiptoken={until}"));
        }
        Some(said)
    });
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let first = run(graph.batch(&[Request::Members(id("g"))])).pop().unwrap();
    let whole = run(graph.list("members".into(), first, |member: &DirectoryObject| {
        member.id.clone()
    }));
    let pages = log.borrow().len();
    (
        whole
            .map(|whole| whole.get().len())
            .map_err(|short| (short.seen.len(), short.reason.to_string())),
        pages,
    )
}

#[test]
fn r42_a_full_page_of_999_without_a_next_link_is_the_last() {
    assert_eq!(listed(999, false), (Ok(999), 1));
    assert_eq!(listed(1_998, false), (Ok(1_998), 2));
}

#[test]
fn r42_a_full_page_of_999_with_a_next_link_is_not_the_last() {
    assert_eq!(listed(999, true), (Ok(999), 2));
    assert_eq!(listed(1_000, false), (Ok(1_000), 2));
    assert_eq!(listed(0, false), (Ok(0), 1));
}

fn linked(link: &'static str) -> String {
    let log = log();
    let world = world(&log, move |_| {
        let mut said = page(&[json!({"id": "u1"})]);
        said.body["@odata.nextLink"] = json!(link);
        Some(said)
    });
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let first = run(graph.batch(&[Request::Members(id("g"))])).pop().unwrap();
    let short = run(graph.list("members".into(), first, |member: &DirectoryObject| {
        member.id.clone()
    }))
    .unwrap_err();
    assert_eq!(short.seen.len(), 1);
    assert!(world.requests.borrow().len() <= 2);
    short.reason.to_string()
}

#[test]
fn r42_a_next_link_to_another_server_or_out_of_the_api_is_not_followed() {
    for link in [
        "https://evil.test/v1.0/groups/g/members?$skiptoken=1",
        "http://graph.test/v1.0/groups/g/members?$skiptoken=1",
        "https://graph.test@evil.test/v1.0/x",
        "https://graph.test/beta/groups/g/members?$skiptoken=1",
        "https://graph.test/v1.0/../beta/groups",
    ] {
        assert!(linked(link).contains("not followed"), "{link}");
    }
}

#[test]
fn r42_a_next_link_that_loops_is_no_whole_list() {
    assert!(linked("https://graph.test/v1.0/groups/g/members?$skiptoken=1").contains("twice"));
}

#[test]
fn r42_a_list_that_fails_half_way_keeps_what_was_seen() {
    let log = log();
    let world = world(&log, move |part| {
        Some(if part.url.contains("skiptoken") {
            error(403, "Authorization_RequestDenied", "withdrawn")
        } else {
            let mut said = page(&[json!({"id": "u1"})]);
            said.body["@odata.nextLink"] = json!(format!("{BASE}/v1.0/groups/g/members?$skiptoken=1"));
            said
        })
    });
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let first = run(graph.batch(&[Request::Members(id("g"))])).pop().unwrap();
    let short = run(graph.list("members".into(), first, |member: &DirectoryObject| {
        member.id.clone()
    }))
    .unwrap_err();
    assert_eq!(short.seen.len(), 1);
    assert!(
        short.reason.to_string().contains("GroupMember.ReadWrite.All"),
        "{}",
        short.reason
    );
}
