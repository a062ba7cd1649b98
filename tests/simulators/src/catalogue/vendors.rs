//! Faults that one vendor alone has.

use rand::Rng;
use rand::rngs::StdRng;

use super::answers::{answer, said};
use super::places::{ANYWHERE, PARTS, at};
use super::{ENTRA, GOOGLE, JUMPCLOUD, Named, Strike};
use crate::Vendor;
use crate::faults::Fault;
use crate::faults::edit::Edit;

const GOOGLE_MEMBERS: &str = "/admin/directory/v1/groups/*/members";

pub(super) const ALL: &[Named] = &[
    named(
        JUMPCLOUD,
        "address-blocked",
        "403: JumpCloud has blocked this machine's address",
        |_, dice| {
            let body = r#"{"message":"Forbidden: your IP has been blocked due to suspected abuse"}"#;
            vec![Strike::at(ANYWHERE, answer(403, &[], body, false)).after_some(dice)]
        },
    ),
    named(
        JUMPCLOUD,
        "limit-lowered",
        "pages hold fewer items than were asked for, without a word",
        |vendor, dice| {
            let items = dice.random_range(1..4);
            vec![Strike::at(super::places::list(vendor, dice), Fault::ShortPage { items }).times(40)]
        },
    ),
    named(
        GOOGLE,
        "quota-of-the-user",
        "403 userRateLimitExceeded",
        |vendor, dice| {
            quota(
                dice,
                answer(403, &[], &said(vendor, 403, "userRateLimitExceeded"), false),
            )
        },
    ),
    named(
        GOOGLE,
        "quota-of-the-project",
        "403 quotaExceeded, for requests at the same moment",
        |vendor, dice| quota(dice, answer(403, &[], &said(vendor, 403, "quotaExceeded"), false)),
    ),
    named(
        GOOGLE,
        "quota-in-plain-text",
        "403, and a sentence without a form",
        |_, dice| quota(dice, text(403, "Request rate higher than configured.")),
    ),
    named(
        GOOGLE,
        "quota-metric-in-plain-text",
        "429, and a sentence without a form",
        |_, dice| {
            quota(
                dice,
                text(
                    429,
                    "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user'.",
                ),
            )
        },
    ),
    named(
        GOOGLE,
        "quota-as-unavailable",
        "503 for a quota that is exceeded",
        |_, dice| quota(dice, text(503, "quota exceeded for the current request")),
    ),
    named(
        GOOGLE,
        "member-invited",
        "409 duplicate for a member who is invited and shows nowhere",
        |_, dice| {
            vec![
                Strike::at(at(GOOGLE_MEMBERS), Fault::Invited)
                    .method("POST")
                    .times(dice.random_range(1..4)),
            ]
        },
    ),
    named(
        GOOGLE,
        "duplicate-though-absent",
        "409 duplicate for a member who is not there",
        |vendor, dice| member_refused(vendor, dice, 409, "duplicate"),
    ),
    named(
        GOOGLE,
        "condition-not-met",
        "412 for a new member",
        |vendor, dice| member_refused(vendor, dice, 412, "conditionNotMet"),
    ),
    named(
        GOOGLE,
        "conflict-though-done",
        "409 conflict for a write that takes effect",
        |vendor, dice| {
            let body = said(vendor, 409, "conflict");
            let method = if dice.random() { "POST" } else { "DELETE" };
            vec![
                Strike::at(PARTS, Fault::AnswerAfter { status: 409, body })
                    .method(method)
                    .times(dice.random_range(1..4)),
            ]
        },
    ),
    named(
        GOOGLE,
        "alias-echo",
        "a group answers under another address than the one asked for",
        |_, dice| {
            let how = Edit::OtherAddress;
            vec![
                Strike::at(at("/admin/directory/v1/groups/*"), Fault::Edit { how })
                    .method("GET")
                    .after_some(dice),
            ]
        },
    ),
    named(
        GOOGLE,
        "batch-shuffled",
        "the parts of a batch are answered in another order",
        |_, dice| vec![Strike::at(at("/batch"), Fault::ShuffleParts).times(dice.random_range(1..20))],
    ),
    named(
        GOOGLE,
        "batch-folded",
        "the Content-ID headers of a batch's parts are folded",
        |_, dice| vec![Strike::at(at("/batch"), Fault::FoldParts).times(dice.random_range(1..20))],
    ),
    named(
        ENTRA,
        "batch-424",
        "a batch with a throttled part answers 424 as a whole",
        |vendor, _| {
            let throttled = answer(
                429,
                &[("Retry-After", "1")],
                &said(vendor, 429, "TooManyRequests"),
                false,
            );
            vec![
                Strike::at(at("/v1.0/$batch"), Fault::Status { status: 424 }),
                Strike::at(PARTS, throttled),
            ]
        },
    ),
    named(
        ENTRA,
        "batch-part-424",
        "a part is not carried out because another failed",
        |vendor, dice| {
            let fault = answer(424, &[], &said(vendor, 424, "FailedDependency"), false);
            vec![
                Strike::at(PARTS, fault)
                    .times(dice.random_range(1..4))
                    .after_some(dice),
            ]
        },
    ),
    named(
        ENTRA,
        "bind-refused-whole",
        "all new members are refused since one is said to be there",
        |_, dice| {
            let body = r#"{"error":{"code":"Request_BadRequest","message":"One or more added object references already exist for the following modified properties: 'members'."}}"#;
            vec![
                Strike::at(at("/v1.0/groups/**"), answer(400, &[], body, false))
                    .method("PATCH")
                    .times(dice.random_range(1..4)),
            ]
        },
    ),
    named(
        ENTRA,
        "refused-by-the-validator",
        "400 of the OData validator, with an empty code",
        |_, dice| {
            let body = r#"{"error":{"code":"","message":"invalid","details":[{"code":"","target":"members","message":"invalid"}]}}"#;
            vec![Strike::at(PARTS, answer(400, &[], body, false)).after_some(dice)]
        },
    ),
    named(
        ENTRA,
        "concurrent-change",
        "409, for two writes to one group at the same moment",
        |vendor, dice| {
            let fault = answer(
                409,
                &[],
                &said(vendor, 409, "Directory_ConcurrencyViolation"),
                false,
            );
            vec![
                Strike::at(at("/v1.0/groups/**"), fault)
                    .method("PATCH")
                    .times(dice.random_range(1..3)),
            ]
        },
    ),
];

const fn named(
    vendors: &'static [Vendor],
    name: &'static str,
    about: &'static str,
    strikes: fn(Vendor, &mut StdRng) -> Vec<Strike>,
) -> Named {
    super::named(name, about, strikes).only(vendors)
}

fn text(status: u16, words: &str) -> Fault {
    Fault::Answer {
        status,
        headers: Vec::new(),
        body: words.to_owned(),
        content_type: "text/plain".to_owned(),
    }
}

fn quota(dice: &mut StdRng, fault: Fault) -> Vec<Strike> {
    let place = if dice.random() { PARTS } else { ANYWHERE };
    vec![
        Strike::at(place, fault)
            .times(dice.random_range(1..6))
            .after_some(dice),
    ]
}

fn member_refused(vendor: Vendor, dice: &mut StdRng, status: u16, reason: &str) -> Vec<Strike> {
    vec![
        Strike::at(
            at(GOOGLE_MEMBERS),
            answer(status, &[], &said(vendor, status, reason), false),
        )
        .method("POST")
        .times(dice.random_range(1..3)),
    ]
}
