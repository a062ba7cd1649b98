use serde_json::{Value, json as value};

use super::*;
use crate::http::testing::{Scripted, TestWorld, json, run, text, with_header};
use crate::jumpcloud::classify;

#[derive(Debug, Deserialize)]
struct Item {
    id: String,
}

fn items(numbers: std::ops::Range<usize>) -> Value {
    numbers
        .map(|number| value!({"id": format!("{number:04}")}))
        .collect()
}

fn counted(body: &Value, total: &str) -> Scripted {
    with_header(json(200, body), "x-total-count", total)
}

fn linked(answer: Scripted, to: &str) -> Scripted {
    with_header(answer, "link", &format!("<{to}>; rel=\"next\""))
}

fn list() -> List<'static, Item> {
    List {
        what: "the groups".to_owned(),
        path: &["api", "v2", "usergroups"],
        query: &[("sort", "id")],
        key: |item| item.id.clone(),
    }
}

fn read_all(world: &TestWorld<'_>) -> Result<Reading<Vec<Item>>, Failure> {
    let client = Client::new(world.environment(), "https://console.example", classify, 1);
    run(read_version2(&client, &list()))
}

fn seen(world: &TestWorld<'_>) -> (usize, Option<String>) {
    match read_all(world).unwrap() {
        Reading::Complete(whole) => (whole.get().len(), None),
        Reading::Partial { seen, reason } => (seen.len(), Some(reason)),
    }
}

#[test]
fn r42_an_exactly_full_last_page_ends_by_its_count() {
    let world = TestWorld::scripted(vec![counted(&items(0..100), "100")]);
    assert_eq!(seen(&world), (100, None));
    assert_eq!(world.lines(), ["GET /api/v2/usergroups?sort=id&limit=100&skip=0"]);
}

#[test]
fn r42_without_a_count_only_an_empty_page_is_the_end() {
    let world = TestWorld::scripted(vec![
        json(200, &items(0..100)),
        json(200, &items(100..130)),
        json(200, &value!([])),
    ]);
    assert_eq!(seen(&world), (130, None));
    assert!(world.lines()[2].ends_with("skip=200"));
}

#[test]
fn r42_a_short_page_in_the_middle_is_not_the_end() {
    let world = TestWorld::scripted(vec![
        counted(&items(0..88), "130"),
        counted(&items(88..130), "130"),
    ]);
    assert_eq!(seen(&world), (130, None));
    let nulls = value!([{"id": "a"}, null, {"id": "b"}]);
    let world = TestWorld::scripted(vec![json(200, &nulls), json(200, &value!([]))]);
    assert_eq!(seen(&world), (2, None));
}

#[test]
fn r42_links_are_followed_as_they_are_even_from_an_empty_page() {
    let world = TestWorld::scripted(vec![
        linked(
            counted(&value!([]), "3"),
            "/api/v2/usergroups?skip=7&limit=100&sort=id",
        ),
        linked(
            counted(&items(0..2), "3"),
            "https://console.example/api/v2/usergroups?skip=9",
        ),
        counted(&items(2..3), "3"),
    ]);
    assert_eq!(seen(&world), (3, None));
    assert_eq!(world.lines()[2], "GET /api/v2/usergroups?skip=9");
}

#[test]
fn r42_a_list_shorter_than_its_count_is_not_whole() {
    let world = TestWorld::scripted(vec![counted(&items(0..5), "7"), counted(&value!([]), "7")]);
    let (count, reason) = seen(&world);
    assert_eq!(count, 5);
    assert!(reason.unwrap().contains('7'));
}

#[test]
fn r42_a_page_that_comes_again_is_not_whole() {
    let again = || linked(json(200, &value!([])), "/api/v2/usergroups?skip=0");
    let world = TestWorld::scripted(vec![again(), again()]);
    assert!(seen(&world).1.unwrap().contains("twice"));
    let world = TestWorld::scripted(vec![json(200, &items(0..100)), json(200, &items(0..100))]);
    let (count, reason) = seen(&world);
    assert_eq!(count, 100);
    assert!(reason.unwrap().contains("twice"));
}

#[test]
fn a_link_to_another_server_is_not_followed() {
    let world = TestWorld::scripted(vec![linked(json(200, &items(0..3)), "https://evil.example/api")]);
    assert!(seen(&world).1.unwrap().contains("another server"));
    assert_eq!(world.requests.borrow().len(), 1);
}

#[test]
fn a_failing_page_leaves_a_partial_reading_and_a_refused_key_ends_the_run() {
    let world = TestWorld::new(|request| {
        if request.uri().query().unwrap().ends_with("skip=0") {
            json(200, &items(0..100))
        } else {
            text(502, "text/html", "<html>")
        }
    });
    let (count, reason) = seen(&world);
    assert_eq!((count, reason.is_some()), (100, true));
    let world = TestWorld::scripted(vec![json(401, &value!({}))]);
    assert_eq!(read_all(&world).unwrap_err().kind, FailureKind::Unauthorized);
}

#[test]
fn version_1_counts_in_its_body() {
    let mut from = 0;
    let world = TestWorld::new(|_| {
        let page = items(from..from + 100);
        from += 100;
        json(200, &value!({"results": page, "totalCount": 200}))
    });
    let client = Client::new(world.environment(), "https://console.example", classify, 1);
    let reading = run(read_version1(&client, &list())).unwrap();
    assert_eq!(reading.complete().unwrap().get().len(), 200);
    assert_eq!(world.requests.borrow().len(), 2);
}

#[test]
fn next_links_are_found_in_every_spelling() {
    for (header, expected) in [
        ("</a>; rel=\"next\"", Some("/a")),
        ("</a>; rel=next", Some("/a")),
        (
            "</a>; rel=\"first\", </b>; title=\"x\"; rel=\"next last\"",
            Some("/b"),
        ),
        ("</a>; rel=\"prev\"", None),
        ("nonsense", None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert("link", header.parse().unwrap());
        assert_eq!(next_link(&headers).as_deref(), expected, "{header}");
    }
}
