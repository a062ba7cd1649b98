//! Faults of the feeds that tell what has changed: JumpCloud's Directory Insights and Graph's delta query.

use rand::Rng;
use rand::rngs::StdRng;

use super::answers::{answer, said};
use super::places::at;
use super::{ENTRA, JUMPCLOUD, Named, Strike};
use crate::Vendor;
use crate::faults::Fault;
use crate::faults::edit::Edit;

const EVENTS: &str = "/insights/directory/v1/events";
const DELTA: &str = "/v1.0/groups/delta";

pub(super) const ALL: &[Named] = &[
    named(
        JUMPCLOUD,
        "events-late",
        "the newest events do not show yet",
        |_, dice| {
            let count = dice.random_range(1..6);
            feed(EVENTS, dice, Fault::DropItems { count })
        },
    ),
    named(JUMPCLOUD, "events-doubled", "an event comes twice", |_, dice| {
        feed(EVENTS, dice, Fault::RepeatItems { count: 2 })
    }),
    named(
        JUMPCLOUD,
        "events-reversed",
        "events come out of order",
        |_, dice| {
            let how = Edit::ReversedItems;
            feed(EVENTS, dice, Fault::Edit { how })
        },
    ),
    named(
        JUMPCLOUD,
        "events-skipped",
        "the oldest events are not shown",
        |_, dice| feed(EVENTS, dice, Fault::SkipItems { count: 1 }),
    ),
    named(
        JUMPCLOUD,
        "events-short",
        "a page of events is short",
        |_, dice| feed(EVENTS, dice, Fault::ShortPage { items: 1 }),
    ),
    named(
        JUMPCLOUD,
        "events-again",
        "the next page of events is the same page",
        |_, dice| feed(EVENTS, dice, Fault::LoopPage),
    ),
    named(
        ENTRA,
        "delta-expired",
        "410: a full resynchronisation is asked for",
        |vendor, dice| {
            let reason = if dice.random() {
                "resyncRequired"
            } else {
                "syncStateNotFound"
            };
            let place = "https://graph.test/v1.0/groups/delta";
            let body = said(vendor, 410, reason);
            feed(DELTA, dice, answer(410, &[("location", place)], &body, false))
        },
    ),
    named(
        ENTRA,
        "delta-replayed",
        "changes that were told are told again",
        |_, dice| feed(DELTA, dice, Fault::RepeatItems { count: 5 }),
    ),
    named(
        ENTRA,
        "delta-doubled",
        "a group comes twice on a page",
        |_, dice| {
            let how = Edit::DoubledItem;
            feed(DELTA, dice, Fault::Edit { how })
        },
    ),
    named(
        ENTRA,
        "delta-without-its-end",
        "the last changes are never told",
        |_, dice| feed(DELTA, dice, Fault::DropItems { count: 1 }),
    ),
    named(ENTRA, "delta-short", "a page of changes is short", |_, dice| {
        feed(DELTA, dice, Fault::ShortPage { items: 1 })
    }),
    named(
        ENTRA,
        "delta-again",
        "the next page of changes is the same page",
        |_, dice| feed(DELTA, dice, Fault::LoopPage),
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

fn feed(path: &'static str, dice: &mut StdRng, fault: Fault) -> Vec<Strike> {
    vec![Strike::at(at(path), fault).times(dice.random_range(1..3))]
}
