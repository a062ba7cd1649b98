use serde_json::{Value, json as value};

use super::*;
use crate::http::testing::{STARTED_AT, TestWorld, json, run, text, with_header};

fn by_status(answer: &Answer) -> Verdict {
    let ruling = match answer.status {
        401 => Ruling::Refused(FailureKind::Unauthorized),
        429 => Ruling::Throttled,
        500.. => Ruling::Transient,
        _ => Ruling::Accept,
    };
    Verdict::new(ruling, "theReason", "The sentence.")
}

fn client<'a>(world: &'a TestWorld<'_>) -> Client<'a> {
    Client::new(world.environment(), "https://vendor.example", by_status, 42)
}

fn write() -> Call {
    Call::new(http::Method::POST, &["things"]).json(&value!({"a": 1}))
}

#[test]
fn a_throttled_call_waits_as_asked_in_every_form() {
    let date = "Tue, 14 Nov 2023 22:13:30 GMT";
    assert_eq!(
        crate::http::delay::parse_retry_after(date, STARTED_AT),
        Some(10_000)
    );
    for (header, least) in [
        ("3", 3_000),
        ("2.128", 2_128),
        (date, 10_000),
        ("-5", 1_000),
        ("soon", 1_000),
    ] {
        let world = TestWorld::scripted(vec![
            with_header(json(429, &value!({})), "retry-after", header),
            json(200, &value!([1])),
        ]);
        let got: Value = run(client(&world).fetch(Call::get(&["things"]))).unwrap();
        assert_eq!(got, value!([1]));
        let waited = world.waits.borrow()[0];
        assert!((least..least + 1_000).contains(&waited), "{header}: {waited}");
    }
}

#[test]
fn an_absurd_wait_ends_the_call_as_throttled() {
    let world = TestWorld::scripted(vec![with_header(json(429, &value!({})), "retry-after", "1e9")]);
    let failure = run(client(&world).call(Call::get(&["things"]))).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Throttled(Some(1_000_000_000)));
    assert!(world.waits.borrow().is_empty());
}

#[test]
fn retries_end_and_their_waits_grow_and_repeat_with_the_seed() {
    let waits = |_: ()| {
        let world = TestWorld::new(|_| json(503, &value!({})));
        let failure = run(client(&world).call(Call::get(&["things"]))).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Transient);
        assert_eq!(failure.vendor.unwrap().reason, "theReason");
        assert_eq!(world.requests.borrow().len(), 8);
        world.waits.take()
    };
    let first = waits(());
    assert_eq!(first, waits(()), "same seed, same jitter");
    assert!(
        first.windows(2).take(4).all(|pair| pair[0] < pair[1]),
        "{first:?}"
    );
}

#[test]
fn what_the_host_denies_is_never_sent_again() {
    let world = TestWorld::scripted(vec![Err(TransportError::Denied("no rule".to_owned()))]);
    let failure = run(client(&world).call(Call::get(&["things"]))).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied);
    assert!(failure.message.contains("no rule"));
}

#[test]
fn a_write_whose_answer_is_lost_is_sent_again_only_if_declared_repeatable() {
    let lost = || Err(TransportError::AnswerLost("reset".to_owned()));
    let world = TestWorld::scripted(vec![lost()]);
    let failure = run(client(&world).call(write())).unwrap_err();
    assert_eq!((failure.kind, failure.vendor), (FailureKind::Transient, None));
    assert!(failure.message.contains("may have taken effect"));

    let world = TestWorld::scripted(vec![lost(), json(200, &value!({}))]);
    run(client(&world).call(write().repeatable())).unwrap();
    let world = TestWorld::scripted(vec![json(503, &value!({}))]);
    assert!(
        run(client(&world).call(write())).is_err(),
        "a 503 may have taken effect too"
    );
}

#[test]
fn a_request_that_was_not_sent_is_tried_again_even_if_it_writes() {
    let world = TestWorld::scripted(vec![
        Err(TransportError::NotSent("no route".to_owned())),
        json(429, &value!({})),
        json(200, &value!({})),
    ]);
    assert_eq!(run(client(&world).call(write())).unwrap().status, 200);
}

#[test]
fn r07_a_refused_credential_fails_at_once() {
    let world = TestWorld::scripted(vec![json(401, &value!({}))]);
    let failure = run(client(&world).call(Call::get(&["things"]))).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unauthorized);
    assert_eq!(failure.place, "GET /things");
}

#[test]
fn a_read_that_is_cut_short_or_a_web_page_is_made_again() {
    let world = TestWorld::scripted(vec![
        text(200, "application/json", "[1, 2"),
        text(200, "text/html", "<html>"),
        json(200, &value!([1, 2])),
    ]);
    let got: Value = run(client(&world).fetch(Call::get(&["things"]))).unwrap();
    assert_eq!(got, value!([1, 2]));
    let world = TestWorld::new(|_| text(200, "text/html", "<html>"));
    let failure = run(client(&world).fetch::<Value>(Call::get(&["things"]))).unwrap_err();
    assert!(failure.message.contains("web page"));
    assert_eq!(world.requests.borrow().len(), 3);
}

#[test]
fn a_next_link_is_followed_on_the_same_origin_only() {
    let world = TestWorld::scripted(vec![]);
    let client = client(&world);
    for good in [
        "/a/b?skip=100&x=%20",
        "https://vendor.example/a/b?skip=100&x=%20",
        "https://vendor.example:443/a/b?skip=100&x=%20",
    ] {
        assert_eq!(
            client.follow(good).unwrap().path_and_query(),
            "/a/b?skip=100&x=%20"
        );
    }
    for bad in [
        "https://evil.example/a",
        "http://vendor.example/a",
        "https://vendor.example:8443/a",
        "//evil.example/a",
        "https://me@vendor.example/a",
        "https://vendor.example.evil.example/a",
        "file:///etc/passwd",
    ] {
        let failure = client.follow(bad).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Vendor, "{bad}");
    }
}

#[test]
fn calls_overlap_up_to_the_window_and_answers_keep_their_order() {
    let world = TestWorld::new(|request| json(200, &value!(request.uri().path())));
    let client = client(&world);
    let paths: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    let answers = run(together(
        paths
            .iter()
            .map(|path| client.fetch::<String>(Call::get(&[path]))),
        20,
    ));
    let answers: Vec<String> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(
        answers,
        paths.iter().map(|path| format!("/{path}")).collect::<Vec<_>>()
    );
    let most = world.in_flight.get().1;
    assert!(
        (5..=8).contains(&most),
        "{most} in flight: it grew and stayed bounded"
    );
}

#[test]
fn one_throttled_answer_quietens_all() {
    let mut answers = 0;
    let world = TestWorld::new(move |_| {
        answers += 1;
        if answers == 1 {
            with_header(json(429, &value!({})), "retry-after", "60")
        } else {
            json(200, &value!([]))
        }
    });
    let client = client(&world);
    run(async {
        let first = client.call(Call::get(&["a"]));
        let others = together((0..8).map(|_| client.call(Call::get(&["b"]))), 8);
        let (first, others) = futures_util::join!(first, others);
        assert!(first.is_ok() && others.iter().all(Result::is_ok));
    });
    assert!(world.now_ms.get() >= 60_000);
    assert!(client.pace.window() < 6);
}
#[test]
fn a_base_url_that_is_none_is_a_configuration_failure() {
    let world = TestWorld::scripted(vec![]);
    for bad in ["", "console", "https://me:pw@vendor.example"] {
        let client = Client::new(world.environment(), bad, by_status, 1);
        let failure = run(client.call(Call::get(&["a"]))).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Configuration);
        assert!(!failure.message.contains("pw@"));
    }
}
