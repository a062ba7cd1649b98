//! Batches, faults and quotas of the simulated Google, seen from outside.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod google_support;

use google_support::*;
use groupcast_simulators::faults::{Disruption, Fault};
use groupcast_simulators::google::{GoogleSimulator, Tenant};
use serde_json::json;

#[test]
fn batches_answer_each_part_under_its_own_id() {
    let mut world = World::new(|_| {});
    for path in ["/batch", "/batch/admin/directory/v1"] {
        let answer = world.batch(
            path,
            &[
                ("GET", "groups/g1?fields=id", None),
                ("POST", "groups/g2/members", Some(json!({"id": "u0"}))),
                ("GET", "groups/nope", None),
            ],
        );
        assert_eq!(answer.status, 200);
        let parts = parts(&answer);
        assert_eq!(
            parts[0],
            ("<response-part 0>".to_owned(), 200, json!({"id": "g1"}))
        );
        assert_eq!(parts[2].1, 404);
        assert!([200, 409].contains(&parts[1].1));
    }
    assert_eq!(world.simulator.group("g2").unwrap().members.len(), 1);
}

#[test]
fn shuffled_batches_come_in_another_order_with_the_same_answers() {
    let mut world = World::new(|_| {});
    let asked = [
        ("GET", "groups/g1", None),
        ("GET", "groups/g2", None),
        ("GET", "groups/g3", None),
    ];
    world.simulator.shuffle_batches = true;
    world.simulator.fold_content_ids = true;
    for _ in 0..4 {
        let answer = world.batch("/batch", &asked);
        assert!(
            answer.text.contains("Content-ID:\r\n <response-"),
            "{}",
            answer.text
        );
        let mut got = parts_folded(&answer);
        assert_ne!(got, ["g1", "g2", "g3"]);
        got.sort();
        assert_eq!(got, ["g1", "g2", "g3"]);
    }
}

fn parts_folded(answer: &Answer) -> Vec<String> {
    parts(answer)
        .into_iter()
        .map(|(_, _, body)| body["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn batches_that_break_the_envelope_are_refused_whole() {
    let mut world = World::new(|_| {});
    let part = "--edge\r\nContent-Type: application/http\r\n\r\n";
    let cases = [
        "--edge--\r\n".to_owned(),
        format!("{part}GET {BASE}groups/g1\r\n\r\n"),
        format!("{part}GET https://admin.googleapis.com{BASE}groups/g1\r\n\r\n--edge--"),
        format!("{part}GET //evil.example{BASE}groups/g1\r\n\r\n--edge--"),
        format!("--edge\r\n\r\nGET {BASE}groups/g1\r\n\r\n--edge--"),
        format!(
            "{}--edge--",
            format!("{part}GET {BASE}groups/g1\r\n\r\n").repeat(1001)
        ),
    ];
    for text in cases {
        let answer = world.raw_batch("/batch", text.clone());
        assert_eq!(answer.error().0, 400, "{}", &text[..text.len().min(200)]);
    }
    let answer = world.raw_batch(
        "/batch",
        format!(
            "{}--edge--",
            format!("{part}GET {BASE}groups/g1\r\n\r\n").repeat(1000)
        ),
    );
    assert_eq!(parts(&answer).len(), 1000);
}

#[test]
fn faults_strike_single_parts_and_whole_batches() {
    let mut world = World::new(|_| {});
    world.fault(
        "POST",
        "/admin/directory/v1/groups/g2/members",
        Some(1),
        Fault::Answer {
            status: 503,
            headers: vec![("retry-after".into(), "2".into())],
            body: "{}".into(),
            content_type: "application/json".into(),
        },
    );
    let asked = [
        ("POST", "groups/g2/members", Some(json!({"id": "u1"}))),
        ("GET", "groups/g2", None),
    ];
    let answer = world.batch("/batch", &asked);
    assert_eq!(
        parts(&answer).iter().map(|part| part.1).collect::<Vec<_>>(),
        [503, 200]
    );
    assert!(world.simulator.group("g2").unwrap().members.is_empty());
    world.fault("POST", "/batch", None, Fault::DropItems { count: 1 });
    assert_eq!(parts(&world.batch("/batch", &asked)).len(), 1);
    assert_eq!(
        world.simulator.group("g2").unwrap().members.len(),
        1,
        "the missing part did run"
    );
}

#[test]
fn a_reset_after_the_effect_leaves_the_effect() {
    let mut world = World::new(|_| {});
    world.fault("DELETE", "/admin/directory/v1/groups/*", None, Fault::ResetAfter);
    let request = http::Request::delete(format!("{BASE}groups/g2"))
        .header(
            "authorization",
            format!("Bearer {}", world.token.clone().unwrap()),
        )
        .body(bytes::Bytes::new())
        .unwrap();
    let response = world.raw(&request);
    assert_eq!(
        response.extensions().get::<Disruption>(),
        Some(&Disruption::Reset)
    );
    assert!(world.simulator.group("g2").is_none());
}

#[test]
fn the_three_quotas_have_their_own_answers() {
    let mut world = World::new(|tenant| tenant["quota"] = json!({"queries_per_minute": 2}));
    assert_eq!(world.get("groups/g1").status, 200);
    assert_eq!(world.get("groups/g1").status, 200);
    let refused = world.get("groups/g1");
    assert_eq!(
        (refused.error().0, refused.error().1),
        (403, "userRateLimitExceeded")
    );
    assert!(refused.headers.get("retry-after").is_none());
    world.now_ms += 60_000;
    let answer = world.batch(
        "/batch",
        &[
            ("GET", "groups/g1", None),
            ("GET", "groups/g1", None),
            ("GET", "groups/g1", None),
        ],
    );
    assert_eq!(
        parts(&answer).iter().map(|part| part.1).collect::<Vec<_>>(),
        [200, 200, 403]
    );

    let mut world = World::new(|tenant| {
        tenant["quota"] = json!({"account_queries_per_minute": 1, "retry_after_seconds": 7})
    });
    world.get("groups/g1");
    let refused = world.get("groups/g1?quotaUser=someone");
    assert_eq!((refused.error().0, refused.error().1), (429, "rateLimitExceeded"));
    assert_eq!(refused.headers["retry-after"], "7");

    let mut world = World::new(|tenant| tenant["quota"] = json!({"concurrent": 1}));
    world.get("groups/g1");
    assert_eq!(world.get("groups/g1").error().1, "quotaExceeded");
    world.now_ms += 1;
    assert_eq!(world.get("groups/g1").status, 200);
}

#[test]
fn forms_of_batches_can_be_asked_for_in_the_organisation_file() {
    let tenant = |batches: serde_json::Value| -> Tenant {
        serde_json::from_value(json!({"customer_id": "C01", "batches": batches})).unwrap()
    };
    let told = GoogleSimulator::new(tenant(json!({"shuffled": true, "folded_content_ids": true})));
    assert!(told.shuffle_batches && told.fold_content_ids);
    let usual = GoogleSimulator::new(tenant(json!({})));
    assert!(!usual.shuffle_batches && !usual.fold_content_ids);
    // What is usual is not written, so that files from before read the same.
    assert!(
        serde_json::to_value(usual.tenant())
            .unwrap()
            .get("batches")
            .is_none()
    );
}
