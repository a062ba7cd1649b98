//! Each vendor's way to say what is used, and nonsense, which is not believed.

use super::super::decode::{DecodedPart, WireWrite};
use super::super::path::CanonicalPath;
use super::*;

fn answered(
    vendor: Vendor,
    batch: bool,
    status: u16,
    pairs: &[(&'static str, &'static str)],
    body: &str,
) -> Taken {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.insert(*name, value.parse().unwrap());
    }
    let asked = Taken {
        calls: 2,
        units: 7.0,
        ..Taken::default()
    };
    of_answer(
        asked,
        vendor,
        batch,
        status,
        &headers,
        &Bytes::from(body.to_owned()),
    )
}

fn part(method: &str, path: &str) -> DecodedPart {
    let write = WireWrite::AddMember {
        group: "g".to_owned(),
        principal: "u".to_owned(),
    };
    DecodedPart {
        id: None,
        method: method.to_owned(),
        path: CanonicalPath::parse(path).unwrap(),
        effect: if method == "GET" {
            Effect::Read
        } else {
            Effect::Write(vec![write])
        },
    }
}

#[test]
fn each_vendors_way_to_say_it_is_understood_and_nonsense_is_not() {
    let of = |pairs: &[(&'static str, &'static str)]| answered(Vendor::Entra, false, 200, pairs, "{}").used;
    assert_eq!(of(&[("x-ms-throttle-limit-percentage", "0.9")]), Some(0.9));
    assert_eq!(
        of(&[("ratelimit-limit", "200"), ("ratelimit-remaining", "50")]),
        Some(0.75)
    );
    assert_eq!(
        of(&[("x-ratelimit-limit", "10"), ("x-ratelimit-remaining", "12")]),
        Some(0.0)
    );
    assert_eq!(of(&[("ratelimit-limit", "200")]), None);
    assert_eq!(
        of(&[("ratelimit-limit", "0"), ("ratelimit-remaining", "0")]),
        None
    );
    assert_eq!(of(&[("x-ms-throttle-limit-percentage", "NaN")]), None);
    assert_eq!(of(&[]), None);
}

#[test]
fn a_batch_takes_a_call_for_each_of_its_parts() {
    let decoded = Decoded {
        method: "POST".to_owned(),
        path: CanonicalPath::parse("/v1.0/$batch").unwrap(),
        batch: true,
        parts: vec![
            part("GET", "/v1.0/groups/g/members"),
            part("GET", "/v1.0/users"),
            part("POST", "/v1.0/groups/g/members/$ref"),
        ],
    };
    let taken = of_request(Vendor::Entra, &decoded, Duration::from_secs(8), 32);
    assert_eq!((taken.calls, taken.writes), (3, 1));
    assert_eq!(taken.units, 6.0);
    assert_eq!(taken.occupied, Duration::from_millis(250));
    let google = of_request(Vendor::Google, &decoded, Duration::ZERO, 32);
    assert_eq!((google.calls, google.units), (3, 0.0));
}

#[test]
fn graphs_own_word_on_the_cost_counts_and_else_the_table() {
    let single =
        |pairs: &[(&'static str, &'static str)]| answered(Vendor::Entra, false, 200, pairs, "{}").units;
    assert_eq!(single(&[("x-ms-resource-unit", "3")]), 3.0);
    assert_eq!(single(&[("x-ms-resource-unit", "-1")]), 7.0);
    let batch = |body: &str| answered(Vendor::Entra, true, 200, &[("x-ms-resource-unit", "1")], body);
    let told = batch(
        r#"{"responses":[
            {"id":"1","status":200,"headers":{"X-MS-Resource-Unit":"3"},"body":{"value":[]}},
            {"id":"2","status":429,"headers":{"x-ms-resource-unit":"2","x-ms-throttle-limit-percentage":"1.1"}}]}"#,
    );
    assert_eq!((told.units, told.used, told.throttled), (5.0, Some(1.1), true));
    let silent = batch(
        r#"{"responses":[{"id":"1","status":200,"headers":{"x-ms-resource-unit":"3"}},{"id":"2","status":204}]}"#,
    );
    assert_eq!((silent.units, silent.used, silent.throttled), (7.0, None, false));
    assert_eq!(batch("<html>").units, 7.0);
}

#[test]
fn too_many_is_told_from_no_right() {
    let google = |status, body: &str| answered(Vendor::Google, false, status, &[], body).throttled;
    for reason in TOO_MANY {
        let body = format!(
            r#"{{"error":{{"code":403,"errors":[{{"domain":"usageLimits","reason":"{reason}"}}]}}}}"#
        );
        assert!(google(403, &body), "{reason}");
    }
    assert!(google(403, "Request rate higher than configured."));
    assert!(google(429, ""));
    assert!(!google(403, r#"{"error":{"errors":[{"reason":"forbidden"}]}}"#));
    assert!(!google(403, "<html>"));
    assert!(!google(200, "Request rate higher than configured."));
    let entra = |status| answered(Vendor::Entra, false, status, &[], "").throttled;
    assert!(entra(429) && !entra(403) && !entra(503));
    assert!(answered(Vendor::Jumpcloud, false, 429, &[], "").throttled);
    let refused = r#"{"error":{"errors":[{"reason":"userRateLimitExceeded"}]}}"#;
    let body = format!(
        "--b\r\nContent-Type: application/http\r\nContent-ID: <response-7>\r\n\r\nHTTP/1.1 403 Forbidden\r\n\
         Content-Type: application/json\r\n\r\n{refused}\r\n--b--\r\n"
    );
    let kind = [("content-type", "multipart/mixed; boundary=b")];
    assert!(answered(Vendor::Google, true, 200, &kind, &body).throttled);
    assert!(
        !answered(
            Vendor::Google,
            true,
            200,
            &kind,
            &body.replace("userRateLimitExceeded", "forbidden")
        )
        .throttled
    );
}
