//! The catalogue of faults: each has a name, a line that says what it is, the vendors it can strike, and how it is
//! made. Stories by seed, tests of one fault and whoever drives the simulators by hand draw from this one list, and
//! strikes are counted by these names ([`Faults::struck`](crate::faults::Faults::struck)).
//!
//! What a fault does is carried out elsewhere: by [`faults`](crate::faults) and by the vendors. What may not enter: a
//! fault that no vendor, proxy or network is known to have.

mod answers;
mod feeds;
mod lists;
mod places;
mod vendors;
mod worlds;

use rand::rngs::StdRng;

use crate::Vendor;
use crate::faults::{Fault, NamedRule, Rule};
use crate::organisation::Organisation;

pub use places::{PARTS, Place};

/// One fault.
#[derive(Debug)]
pub struct Named {
    /// Its name.
    pub name: &'static str,
    /// What happens, in one line.
    pub about: &'static str,
    /// Whom it can strike.
    pub vendors: &'static [Vendor],
    /// How it is made.
    how: How,
}

/// How a fault is made.
#[derive(Debug)]
enum How {
    /// Requests are struck, by these rules.
    Strikes(fn(Vendor, &mut StdRng) -> Vec<Strike>),
    /// The organisation is such from the start.
    World(fn(Vendor, &mut Organisation, &mut StdRng)),
    /// The vendor's clock is ahead by so many milliseconds, or behind.
    Clock(fn(&mut StdRng) -> i64),
}

/// A rule in the making.
#[derive(Debug)]
struct Strike {
    method: Option<&'static str>,
    place: Place,
    query: Option<&'static str>,
    skip: u32,
    times: Option<u32>,
    fault: Fault,
}

/// The most requests of a kind that pass before a fault strikes, unless the fault says otherwise.
const MOST_SKIPPED: u32 = 12;

impl Strike {
    /// Strikes one request of this place.
    fn at(place: Place, fault: Fault) -> Self {
        Self {
            method: None,
            place,
            query: None,
            skip: 0,
            times: Some(1),
            fault,
        }
    }

    fn method(mut self, method: &'static str) -> Self {
        self.method = Some(method);
        self
    }

    fn query(mut self, query: &'static str) -> Self {
        self.query = Some(query);
        self
    }

    fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Lets some requests pass first, half of the time.
    fn after_some(mut self, dice: &mut StdRng) -> Self {
        use rand::Rng;
        if dice.random() {
            self.skip = dice.random_range(0..MOST_SKIPPED);
        }
        self
    }
}

const EVERYBODY: &[Vendor] = &[Vendor::Jumpcloud, Vendor::Google, Vendor::Entra];
const TARGETS: &[Vendor] = &[Vendor::Google, Vendor::Entra];
const JUMPCLOUD: &[Vendor] = &[Vendor::Jumpcloud];
const GOOGLE: &[Vendor] = &[Vendor::Google];
const ENTRA: &[Vendor] = &[Vendor::Entra];

/// Every fault, each name once.
pub fn all() -> impl Iterator<Item = &'static Named> {
    [answers::ALL, lists::ALL, feeds::ALL, vendors::ALL, worlds::ALL]
        .into_iter()
        .flatten()
}

/// The fault of this name.
pub fn find(name: &str) -> Option<&'static Named> {
    all().find(|named| named.name == name)
}

/// A fault of requests, at every vendor unless [`Named::only`] names some.
const fn named(
    name: &'static str,
    about: &'static str,
    strikes: fn(Vendor, &mut StdRng) -> Vec<Strike>,
) -> Named {
    Named {
        name,
        about,
        vendors: EVERYBODY,
        how: How::Strikes(strikes),
    }
}

impl Named {
    const fn only(mut self, vendors: &'static [Vendor]) -> Self {
        self.vendors = vendors;
        self
    }

    /// The rules that make it at a vendor, with its details drawn from the dice; none where it is not made by rules.
    pub fn rules(&self, vendor: Vendor, dice: &mut StdRng) -> Vec<NamedRule> {
        let How::Strikes(strikes) = self.how else {
            return Vec::new();
        };
        strikes(vendor, dice)
            .into_iter()
            .map(|strike| NamedRule {
                name: self.name,
                only_parts: strike.place.only_parts,
                rule: Rule {
                    vendor,
                    method: strike.method.map(str::to_owned),
                    path: strike.place.path.map(str::to_owned),
                    query: strike.query.map(str::to_owned),
                    skip: strike.skip,
                    times: strike.times,
                    fault: strike.fault,
                },
            })
            .collect()
    }

    /// Makes it part of an organisation, where it is one that is there from the start, and says whether it is.
    pub fn arrange(&self, vendor: Vendor, organisation: &mut Organisation, dice: &mut StdRng) -> bool {
        let How::World(arrange) = self.how else {
            return false;
        };
        arrange(vendor, organisation, dice);
        true
    }

    /// How far the vendor's clock is ahead, in milliseconds, where that is the fault.
    pub fn clock(&self, dice: &mut StdRng) -> Option<i64> {
        match self.how {
            How::Clock(clock) => Some(clock(dice)),
            How::Strikes(_) | How::World(_) => None,
        }
    }

    /// Whether it strikes requests, and so can begin and end at any time.
    pub fn is_passing(&self) -> bool {
        matches!(self.how, How::Strikes(_))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_at_least_forty_faults_and_no_name_comes_twice() {
        let names: BTreeSet<&str> = all().map(|named| named.name).collect();
        assert_eq!(names.len(), all().count());
        assert!(names.len() >= 40, "{}", names.len());
        assert!(all().all(|named| !named.about.is_empty() && !named.vendors.is_empty()));
    }
}
