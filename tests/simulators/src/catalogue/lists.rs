//! Faults of lists: pages that are short, doubled, lost or endless, and items that are not what they should be.

use rand::Rng;
use rand::rngs::StdRng;

use super::answers::{answer, said};
use super::places::{any, batch, later_page, list, members};
use super::{JUMPCLOUD, Named, Strike, TARGETS, named};
use crate::Vendor;
use crate::faults::Fault;
use crate::faults::edit::Edit;

pub(super) const ALL: &[Named] = &[
    named(
        "list-without-its-end",
        "a list lacks its last items and says that it is complete",
        |vendor, dice| {
            let count = dice.random_range(1..4);
            lie(vendor, dice, Fault::DropItems { count })
        },
    ),
    named(
        "list-empty",
        "200 with an empty list, although there are items",
        |vendor, dice| lie(vendor, dice, Fault::DropItems { count: usize::MAX }),
    ),
    named(
        "page-again",
        "a list's next page is the same page",
        |vendor, dice| {
            let times = dice.random_range(1..4);
            vec![
                Strike::at(list(vendor, dice), Fault::LoopPage)
                    .times(times)
                    .after_some(dice),
            ]
        },
    ),
    named("page-short", "a page in the middle is short", |vendor, dice| {
        let items = dice.random_range(1..3);
        let times = dice.random_range(1..8);
        vec![
            Strike::at(list(vendor, dice), Fault::ShortPage { items })
                .times(times)
                .after_some(dice),
        ]
    }),
    named(
        "page-empty",
        "a page in the middle is empty, with a next page",
        |vendor, dice| vec![Strike::at(list(vendor, dice), Fault::ShortPage { items: 0 }).after_some(dice)],
    ),
    named(
        "item-on-two-pages",
        "an item moves between pages while they are read, and comes twice",
        |vendor, _| paged(vendor, Fault::RepeatItems { count: 1 }),
    ),
    named(
        "item-on-no-page",
        "an item moves between pages while they are read, and never comes",
        |vendor, _| paged(vendor, Fault::SkipItems { count: 1 }),
    ),
    named(
        "page-mark-expired",
        "the mark of the next page is not known any more",
        |vendor, dice| {
            let status = if dice.random() { 400 } else { 410 };
            let body = match vendor {
                Vendor::Entra => said(vendor, status, "Directory_ExpiredPageToken"),
                Vendor::Google => said(vendor, status, "invalid"),
                Vendor::Jumpcloud => said(vendor, status, "invalid skip"),
            };
            paged(vendor, answer(status, &[], &body, false))
        },
    ),
    named("item-doubled", "a page holds an item twice", |vendor, dice| {
        listed(vendor, dice, Edit::DoubledItem)
    }),
    named(
        "items-reversed",
        "a page's items come in the opposite order",
        |vendor, dice| listed(vendor, dice, Edit::ReversedItems),
    ),
    named(
        "item-null",
        "an item is null, as where a record was removed",
        |vendor, dice| listed(vendor, dice, Edit::NullItem),
    ),
    named(
        "count-wrong",
        "a list counts one more than it has",
        |vendor, dice| listed(vendor, dice, Edit::WrongCount),
    )
    .only(JUMPCLOUD),
    named(
        "count-of-another-type",
        "a list's count is text",
        |vendor, dice| {
            let _ = vendor;
            vec![
                Strike::at(
                    super::places::at("/api/systemusers"),
                    Fault::Edit {
                        how: Edit::ChangedTypes,
                    },
                )
                .times(dice.random_range(1..4)),
            ]
        },
    )
    .only(JUMPCLOUD),
    named(
        "batch-part-missing",
        "a batch's answer lacks its last part",
        |vendor, dice| batched(vendor, dice, Fault::DropItems { count: 1 }),
    )
    .only(TARGETS),
    named(
        "batch-part-doubled",
        "a batch's answer holds a part twice",
        |vendor, dice| batched(vendor, dice, Fault::RepeatItems { count: 1 }),
    )
    .only(TARGETS),
    named(
        "batch-part-throttled",
        "one part is answered with 429 and Retry-After within a batch's 200",
        |vendor, dice| {
            let fault = answer(
                429,
                &[("Retry-After", "2")],
                &said(vendor, 429, "TooManyRequests"),
                false,
            );
            parts(dice, fault)
        },
    )
    .only(TARGETS),
    named(
        "batch-part-throttled-without-a-word",
        "one part is answered with 429 and no Retry-After within a batch's 200",
        |vendor, dice| {
            parts(
                dice,
                answer(429, &[], &said(vendor, 429, "rateLimitExceeded"), false),
            )
        },
    )
    .only(TARGETS),
    named(
        "batch-part-failed",
        "one part is answered with 503 within a batch's 200",
        |vendor, dice| {
            parts(
                dice,
                answer(503, &[], &said(vendor, 503, "serviceNotAvailable"), false),
            )
        },
    )
    .only(TARGETS),
    named(
        "batch-part-failed-after-effect",
        "one part takes effect and is answered with 500 within a batch's 200",
        |vendor, dice| {
            let body = said(vendor, 500, "internalError");
            parts(dice, Fault::AnswerAfter { status: 500, body })
        },
    )
    .only(TARGETS),
];

/// A list that lies in the same way twice is, to whoever reads it, a list that tells the truth: so once.
fn lie(vendor: Vendor, dice: &mut StdRng, fault: Fault) -> Vec<Strike> {
    vec![Strike::at(list(vendor, dice), fault).after_some(dice)]
}

fn listed(vendor: Vendor, dice: &mut StdRng, how: Edit) -> Vec<Strike> {
    lie(vendor, dice, Fault::Edit { how })
}

/// Pages of one item of a group's members, so that there is a later page, and a fault on that.
fn paged(vendor: Vendor, fault: Fault) -> Vec<Strike> {
    // JumpCloud's first page has `skip=0` in its query, which its faults on later pages leave as it is.
    let later = match vendor {
        Vendor::Jumpcloud => "skip=1&",
        _ => later_page(vendor),
    };
    vec![
        Strike::at(members(vendor), fault).method("GET").query(later),
        Strike::at(members(vendor), Fault::ShortPage { items: 1 })
            .method("GET")
            .times(4),
    ]
}

fn batched(vendor: Vendor, dice: &mut StdRng, fault: Fault) -> Vec<Strike> {
    let place = batch(vendor).unwrap_or_else(|| any(vendor, dice));
    vec![
        Strike::at(place, fault)
            .times(dice.random_range(1..4))
            .after_some(dice),
    ]
}

fn parts(dice: &mut StdRng, fault: Fault) -> Vec<Strike> {
    vec![
        Strike::at(super::places::PARTS, fault)
            .times(dice.random_range(1..4))
            .after_some(dice),
    ]
}
