//! Faults that are there from the start and stay: delays after writes, clocks that go wrong, tokens that do not live
//! as long as they say, and forms of answers that are allowed and seldom seen.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::{ENTRA, EVERYBODY, GOOGLE, How, JUMPCLOUD, Named, TARGETS};
use crate::Vendor;
use crate::jumpcloud::ShortPages;
use crate::organisation::Organisation;

pub(super) const ALL: &[Named] = &[
    world(
        TARGETS,
        "new-groups-late",
        "a new group answers 404 for up to 45 s",
        |vendor, organisation, dice| match vendor {
            Vendor::Google => organisation.google.lag.create_ms = late(dice),
            _ => organisation.entra.lag.create_ms = late(dice),
        },
    ),
    world(
        TARGETS,
        "lists-late",
        "lists show what was up to 45 s ago",
        |vendor, organisation, dice| match vendor {
            Vendor::Google => organisation.google.lag.list_ms = late(dice),
            _ => organisation.entra.lag.read_ms = late(dice),
        },
    ),
    world(
        GOOGLE,
        "members-late",
        "lists lack new members for up to 45 s",
        |_, organisation, dice| {
            organisation.google.lag.member_ms = late(dice);
        },
    ),
    world(
        GOOGLE,
        "external-ids-forgotten",
        "a group's externalIds are taken and not kept",
        |_, organisation, _| {
            organisation.google.forgets_external_ids = true;
        },
    ),
    world(
        GOOGLE,
        "quota-small",
        "few queries a minute",
        |_, organisation, dice| {
            organisation.google.quota.queries_per_minute = Some(dice.random_range(120..300));
            organisation.google.quota.retry_after_seconds = Some(1).filter(|_| dice.random());
        },
    ),
    world(
        GOOGLE,
        "nobody-at-once",
        "few requests at the same moment",
        |_, organisation, _| {
            organisation.google.quota.concurrent = Some(1);
        },
    ),
    world(
        ENTRA,
        "throttle-small",
        "few writes and units in ten seconds",
        |_, organisation, dice| {
            let throttle = &mut organisation.entra.throttle;
            throttle.writes_per_window = Some(dice.random_range(3..20));
            throttle.units_per_window = Some(dice.random_range(30..100));
            throttle.retry_after = dice.random();
            throttle.batch_answers_424 = dice.random();
        },
    ),
    world(
        JUMPCLOUD,
        "removed-records",
        "removed records keep their place on a page",
        |_, organisation, dice| {
            organisation.jumpcloud.behaviour.short_pages = if dice.random() {
                ShortPages::Counted
            } else {
                ShortPages::Uncounted
            };
        },
    ),
    world(
        JUMPCLOUD,
        "events-late-for-good",
        "some events show minutes late",
        |_, organisation, dice| {
            let behaviour = &mut organisation.jumpcloud.behaviour;
            behaviour.events_late_ms = dice.random_range(1_000..1_200_000);
            behaviour.events_late_every = dice.random_range(1..4);
        },
    ),
    world(
        JUMPCLOUD,
        "events-lost",
        "some events never show",
        |_, organisation, dice| {
            organisation.jumpcloud.behaviour.events_lost_every = dice.random_range(1..5);
        },
    ),
    Named {
        name: "clock-skew",
        about: "the vendor's clock is ahead or behind",
        vendors: EVERYBODY,
        how: How::Clock(|dice| *[-240_000, -45_000, 45_000, 240_000].choose(dice).unwrap_or(&0)),
    },
];

const fn world(
    vendors: &'static [Vendor],
    name: &'static str,
    about: &'static str,
    arrange: fn(Vendor, &mut Organisation, &mut StdRng),
) -> Named {
    Named {
        name,
        about,
        vendors,
        how: How::World(arrange),
    }
}

fn late(dice: &mut StdRng) -> u64 {
    dice.random_range(500..45_000)
}
