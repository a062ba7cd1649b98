//! Faults that any request can meet: refusals, throttling, answers that are none, and connections that break.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::places::{any, object, token};
use super::{Named, Strike, TARGETS, named};
use crate::Vendor;
use crate::faults::Fault;
use crate::faults::edit::Edit;

pub(super) const ALL: &[Named] = &[
    named("throttled", "429, with the seconds to wait", |vendor, dice| {
        some(vendor, dice, throttled(vendor, Some("2")))
    }),
    named(
        "throttled-fractionally",
        "429, with a fraction of seconds to wait, as Graph has been seen to",
        |vendor, dice| some(vendor, dice, throttled(vendor, Some("2.128"))),
    ),
    named(
        "throttled-until-a-date",
        "429, with an HTTP date until which to wait",
        |vendor, dice| {
            some(
                vendor,
                dice,
                Fault::RefusedUntil {
                    status: 429,
                    wait_ms: 3_000,
                    skew_ms: 0,
                },
            )
        },
    ),
    named(
        "throttled-until-a-date-of-another-clock",
        "503, with an HTTP date by a clock that goes minutes wrong",
        |vendor, dice| {
            let skew_ms = *[-600_000, -30_000, 30_000, 600_000].choose(dice).unwrap_or(&0);
            some(
                vendor,
                dice,
                Fault::RefusedUntil {
                    status: 503,
                    wait_ms: 3_000,
                    skew_ms,
                },
            )
        },
    ),
    named(
        "throttled-without-a-word",
        "429, without Retry-After",
        |vendor, dice| some(vendor, dice, throttled(vendor, None)),
    ),
    named(
        "throttled-for-decades",
        "429, with a billion seconds to wait",
        |vendor, dice| some(vendor, dice, throttled(vendor, Some("1000000000"))),
    ),
    named(
        "throttled-negatively",
        "429, with fewer than no seconds to wait",
        |vendor, dice| some(vendor, dice, throttled(vendor, Some("-3"))),
    ),
    named(
        "server-error",
        "500, in the vendor's form, without effect",
        |vendor, dice| {
            some(
                vendor,
                dice,
                answer(500, &[], &said(vendor, 500, "backendError"), false),
            )
        },
    ),
    named("bad-gateway", "502, with a proxy's HTML page", |vendor, dice| {
        some(vendor, dice, answer(502, &[], "<html>bad gateway</html>", true))
    }),
    named(
        "unavailable-in-html",
        "503, with HTML and Retry-After",
        |vendor, dice| {
            let html = "<html>We are sorry</html>";
            some(vendor, dice, answer(503, &[("retry-after", "1")], html, true))
        },
    ),
    named("gateway-time-out", "504, without a body", |vendor, dice| {
        some(vendor, dice, answer(504, &[], "", false))
    }),
    named(
        "html-for-json",
        "200, with the page of a proxy that wants a sign-in",
        |vendor, dice| {
            let html = "<html>the proxy wants you to sign in</html>";
            some(vendor, dice, answer(200, &[], html, true))
        },
    ),
    named(
        "cut-json",
        "200, with JSON that stops in the middle",
        |vendor, dice| some(vendor, dice, answer(200, &[], "{\"results\":[{\"_id\":", false)),
    ),
    named("empty-body", "200, with nothing in it", |vendor, dice| {
        some(vendor, dice, answer(200, &[], "", false))
    }),
    named(
        "another-shape",
        "200, with JSON that is something else: null, an empty object, text",
        |vendor, dice| {
            let body = *["null", "{}", "\"ok\"", "[null]"].choose(dice).unwrap_or(&"null");
            once(vendor, dice, answer(200, &[], body, false))
        },
    ),
    named(
        "credential-refused",
        "401, although the credential is good",
        |vendor, dice| {
            let body = said(vendor, 401, "InvalidAuthenticationToken");
            some(vendor, dice, answer(401, &[], &body, false))
        },
    ),
    named(
        "permission-withdrawn",
        "403, for a right that was there a moment ago",
        |vendor, dice| {
            some(
                vendor,
                dice,
                answer(403, &[], &said(vendor, 403, "forbidden"), false),
            )
        },
    ),
    named(
        "absent-though-alive",
        "404, for an object that is there",
        |vendor, dice| {
            vec![
                Strike::at(object(vendor, dice), answer(404, &[], &missing(vendor), false))
                    .method("GET")
                    .after_some(dice),
            ]
        },
    ),
    named(
        "forbidden-for-absent",
        "403, where 404 would be right",
        |vendor, dice| {
            let fault = answer(403, &[], &said(vendor, 403, "forbidden"), false);
            vec![
                Strike::at(object(vendor, dice), fault)
                    .method("GET")
                    .after_some(dice),
            ]
        },
    ),
    named(
        "absent-to-writes",
        "404, to a write: the object is not on that server yet",
        |vendor, dice| {
            let fault = answer(404, &[], &missing(vendor), false);
            let method = *["POST", "PATCH", "DELETE"].choose(dice).unwrap_or(&"POST");
            vec![
                Strike::at(super::places::PARTS, fault)
                    .method(method)
                    .times(dice.random_range(1..4)),
            ]
        },
    )
    .only(TARGETS),
    named(
        "reset-before",
        "the connection breaks before the request has an effect",
        |vendor, dice| some(vendor, dice, Fault::ResetBefore),
    ),
    named(
        "reset-after",
        "the request takes effect, and the connection breaks before an answer",
        |vendor, dice| some(vendor, dice, Fault::ResetAfter),
    ),
    named(
        "cut-body",
        "the connection breaks in the middle of the answer",
        |vendor, dice| {
            let after = dice.random_range(0..200);
            some(vendor, dice, Fault::Truncate { after })
        },
    ),
    named("slow", "the answer takes seconds", |vendor, dice| {
        let ms = *[5_000, 20_000, 59_000].choose(dice).unwrap_or(&5_000);
        some(vendor, dice, Fault::Delay { ms })
    }),
    named(
        "no-answer-in-time",
        "the request takes effect, and the answer comes after everybody has given up",
        |vendor, dice| once(vendor, dice, Fault::Delay { ms: 90_000 }),
    ),
    named(
        "late-effect",
        "the request takes effect after everybody has given up",
        |vendor, dice| {
            let ms = *[61_000, 90_000, 300_000].choose(dice).unwrap_or(&61_000);
            once(vendor, dice, Fault::LateEffect { ms })
        },
    ),
    named(
        "error-after-effect",
        "the request takes effect and is answered with 500",
        |vendor, dice| {
            let body = said(vendor, 500, "internalError");
            some(vendor, dice, Fault::AnswerAfter { status: 500, body })
        },
    ),
    named(
        "unavailable-after-effect",
        "the request takes effect and is answered with 503 and nothing",
        |vendor, dice| {
            let body = String::new();
            some(vendor, dice, Fault::AnswerAfter { status: 503, body })
        },
    ),
    named(
        "unknown-fields",
        "objects have fields that no documentation names",
        |_, dice| edited(dice, Edit::UnknownFields),
    ),
    named(
        "optional-fields-missing",
        "fields that need not be there are not",
        |_, dice| edited(dice, Edit::OptionalMissing),
    ),
    named(
        "optional-fields-null",
        "fields that need not be there are null",
        |_, dice| edited(dice, Edit::OptionalNull),
    ),
    named("capitals", "addresses come in capitals", |_, dice| {
        edited(dice, Edit::Capitals)
    }),
    named(
        "decomposed",
        "names come with combining accents (Unicode's NFD)",
        |_, dice| edited(dice, Edit::Decomposed),
    ),
    named(
        "token-revoked",
        "all tokens are revoked in the middle of a run",
        |vendor, dice| once(vendor, dice, Fault::RevokeTokens),
    )
    .only(TARGETS),
    named("no-token", "the token endpoint fails", |vendor, dice| {
        vec![
            Strike::at(
                token(vendor),
                answer(500, &[], "{\"error\":\"internal_failure\"}", false),
            )
            .times(dice.random_range(1..6)),
            Strike::at(super::places::ANYWHERE, Fault::RevokeTokens),
        ]
    })
    .only(TARGETS),
];

/// A few requests, anywhere.
fn some(vendor: Vendor, dice: &mut StdRng, fault: Fault) -> Vec<Strike> {
    let times = dice.random_range(1..5);
    vec![Strike::at(any(vendor, dice), fault).times(times).after_some(dice)]
}

fn once(vendor: Vendor, dice: &mut StdRng, fault: Fault) -> Vec<Strike> {
    vec![Strike::at(any(vendor, dice), fault).after_some(dice)]
}

/// Many reads, since an answer of another form is seldom alone.
fn edited(dice: &mut StdRng, how: Edit) -> Vec<Strike> {
    let times = dice.random_range(1..40);
    vec![
        Strike::at(super::places::ANYWHERE, Fault::Edit { how })
            .method("GET")
            .times(times)
            .after_some(dice),
    ]
}

fn throttled(vendor: Vendor, retry_after: Option<&str>) -> Fault {
    let headers: Vec<(&str, &str)> = retry_after
        .map(|wait| ("retry-after", wait))
        .into_iter()
        .collect();
    answer(429, &headers, &said(vendor, 429, "rateLimitExceeded"), false)
}

/// An answer without effect.
pub(super) fn answer(status: u16, headers: &[(&str, &str)], body: &str, html: bool) -> Fault {
    Fault::Answer {
        status,
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: body.to_owned(),
        content_type: if html { "text/html" } else { "application/json" }.to_owned(),
    }
}

/// An error in the vendor's form.
pub(super) fn said(vendor: Vendor, status: u16, reason: &str) -> String {
    match vendor {
        Vendor::Google => format!(
            r#"{{"error":{{"code":{status},"message":"{reason}","errors":[{{"domain":"global","reason":"{reason}","message":"{reason}"}}]}}}}"#
        ),
        Vendor::Entra => format!(r#"{{"error":{{"code":"{reason}","message":"{reason}"}}}}"#),
        Vendor::Jumpcloud => format!(r#"{{"code":{status},"message":"{reason}","status":"{reason}"}}"#),
    }
}

fn missing(vendor: Vendor) -> String {
    match vendor {
        Vendor::Jumpcloud => said(vendor, 404, "Not Found"),
        Vendor::Google => said(vendor, 404, "notFound"),
        Vendor::Entra => said(vendor, 404, "Request_ResourceNotFound"),
    }
}
