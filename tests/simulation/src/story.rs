//! A story: an organisation, rounds of clicks, faults, crashes and syncs, and at last a world without faults that must
//! come to rest as the requirements want it. All of it follows from the seed.

use std::collections::{BTreeMap, BTreeSet};

use groupcast_guest::engine::Extent;
use groupcast_guest::settings::{Limit, Limits, OnEmailChange, Settings, Suspended};
use groupcast_simulators::catalogue::{self, Named};
use groupcast_simulators::organisation::{Size, generated};
use groupcast_simulators::{Vendor, jumpcloud};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::cloud::{Cloud, PUBLIC_KEY};
use crate::host::{Cut, Ended, Host};
use crate::truth::{Target, differences, user, wanted};

/// Between two scheduled runs.
const QUARTER_HOUR_MS: u64 = 15 * 60 * 1_000;
/// So long a reading of everything is good, by the settings' default.
const VERIFIED_MS: u64 = 6 * 60 * 60 * 1_000;
/// So many runs may a world without faults take to come to rest.
const RUNS_TO_REST: usize = 8;
/// People at the end of the list whom no source group ever has.
pub(crate) const STRANGERS: usize = 2;

/// Faults that say what is not so, in a form that is right.
const LIES: &[&str] = &[
    "absent-though-alive",
    "another-shape",
    "empty-body",
    "item-on-no-page",
    "list-empty",
    "list-without-its-end",
];

/// How a story ended.
#[derive(Debug)]
pub struct Told {
    /// What was wrong; empty where all is well.
    pub wrongs: Vec<String>,
    /// What happened, line by line.
    pub lines: Vec<String>,
    /// How many answers each fault of the catalogue changed; faults of the world count once a story.
    pub strikes: BTreeMap<&'static str, u64>,
}

/// The faults that can strike a sync to this directory.
pub fn faults(target: Target) -> impl Iterator<Item = (&'static Named, Vendor)> {
    let vendors = [Vendor::Jumpcloud, target.vendor()];
    catalogue::all().flat_map(move |named| {
        vendors
            .into_iter()
            .filter(|vendor| named.vendors.contains(vendor))
            .map(move |vendor| (named, vendor))
    })
}

/// Settings without limits: what limits hold waits for a person, and nobody is there.
pub fn settings() -> Settings {
    let none = Limit {
        count: None,
        percent: None,
        minimum_size: 0,
    };
    Settings {
        managed: true,
        selected: vec!["*".to_owned()],
        limits: Limits {
            group_adds: none,
            group_removals: none,
            run_adds: none,
            run_removals: none,
            takeover_adds: none,
            run_takeover_adds: none,
            ..Limits::default()
        },
        ..Settings::default()
    }
}

/// Tells the story of a seed for one directory.
pub fn tell(seed: u64, target: Target) -> Told {
    let mut random = StdRng::seed_from_u64(seed);
    let size = if random.random_ratio(1, 40) {
        // Lists of more than one page at every vendor.
        Size {
            users: 215,
            groups: 3,
            memberships: 420,
        }
    } else {
        Size {
            users: random.random_range(5..12),
            groups: random.random_range(1..4),
            memberships: random.random_range(3..16),
        }
    };
    let mut organisation = generated(
        Size {
            users: size.users + STRANGERS,
            ..size
        },
        seed,
        PUBLIC_KEY,
    );
    for group in &mut organisation.jumpcloud.groups {
        let strangers: Vec<String> = (size.users..size.users + STRANGERS).map(user).collect();
        group.users.retain(|id| !strangers.contains(id));
        if group.users.is_empty() {
            group.users.push(user(0));
        }
    }
    for group in &mut organisation.jumpcloud.groups {
        group.name = format!("Z\u{fc}rich {}", group.name);
    }
    let mut strikes = BTreeMap::new();
    let mut lines = Vec::new();
    let mut clocks = Vec::new();
    for (named, vendor) in faults(target).filter(|(named, _)| !named.is_passing()) {
        if !random.random_ratio(1, 6) {
            continue;
        }
        // Whoever is not listed is asked for one by one: in a large world few queries a minute take longer than a story.
        if named.name == "quota-small" && size.users > 60 {
            continue;
        }
        named.arrange(vendor, &mut organisation, &mut random);
        clocks.extend(named.clock(&mut random).map(|ahead_ms| (vendor, ahead_ms)));
        *strikes.entry(named.name).or_default() += 1;
        lines.push(format!("world: {} at {vendor:?}", named.name));
    }
    let mut settings = settings();
    if random.random_ratio(1, 4) {
        settings.on_email_change = OnEmailChange::Rename;
    }
    if random.random_ratio(1, 4) {
        settings.suspended = Suspended::Remove;
    }
    let cloud = Cloud::new(organisation, seed);
    for (vendor, ahead_ms) in clocks {
        cloud.faults.borrow_mut().set_clock(vendor, ahead_ms);
    }
    let host = Host::new(&cloud, target, settings);
    // Most stories read what changed, as a schedule does; some read everything each time.
    if !seed.is_multiple_of(3) {
        host.read.set(Extent::Changes);
    }
    let mut teller = Teller {
        cloud: &cloud,
        host: &host,
        target,
        random,
        people: size.users,
        groups_made: 0,
        by_hand: BTreeSet::new(),
        taken_away: BTreeMap::new(),
        unseen: strikes.keys().any(|name| is_hidden_from_feeds(name)),
        lied: false,
        lines,
    };
    teller.rounds();
    let wrongs = teller.rest();
    for (name, count) in cloud.faults.borrow().struck() {
        *strikes.entry(name).or_default() += count;
    }
    Told {
        wrongs,
        lines: teller.lines,
        strikes,
    }
}

pub(crate) struct Teller<'a> {
    pub(crate) cloud: &'a Cloud,
    pub(crate) host: &'a Host<'a>,
    pub(crate) target: Target,
    pub(crate) random: StdRng,
    pub(crate) people: usize,
    pub(crate) groups_made: usize,
    pub(crate) by_hand: BTreeSet<(String, String)>,
    /// Emails that were taken away from groups.
    pub(crate) taken_away: BTreeMap<String, String>,
    /// Whether something happened that no feed tells of.
    pub(crate) unseen: bool,
    /// Whether a lie has been drawn.
    pub(crate) lied: bool,
    pub(crate) lines: Vec<String>,
}

/// Whether a fault can leave a reading of changes with something that no feed tells of: the feeds' own, and what a whole
/// reading was told wrongly.
fn is_hidden_from_feeds(name: &str) -> bool {
    ["events-", "delta-", "optional-fields-"]
        .iter()
        .any(|begin| name.starts_with(begin))
        || LIES.contains(&name)
}

impl Teller<'_> {
    fn rounds(&mut self) {
        for _ in 0..self.random.random_range(1..5) {
            for _ in 0..self.random.random_range(1..6) {
                self.click();
            }
            self.draw_faults();
            if self.random.random_ratio(1, 4) {
                self.interrupt();
            }
            let cut = self.random.random_ratio(1, 4).then(|| Cut {
                call: self.random.random_range(1..120),
                after_effect: self.random.random(),
            });
            self.sync(cut);
            if self.random.random_ratio(1, 3) {
                self.sync(None);
            }
        }
    }

    /// None, one alone, or several together.
    fn draw_faults(&mut self) {
        let passing: Vec<_> = faults(self.target)
            .filter(|(named, _)| named.is_passing())
            .collect();
        for _ in 0..*[0, 1, 1, 2, 3, 5].choose(&mut self.random).unwrap_or(&1) {
            let Some((named, vendor)) = passing.choose(&mut self.random) else {
                return;
            };
            // Two lies that agree are, to whoever reads twice, the truth.
            if LIES.contains(&named.name) && std::mem::replace(&mut self.lied, true) {
                continue;
            }
            let rules = named.rules(*vendor, &mut self.random);
            self.lines.extend(rules.iter().map(|named| {
                let rule = serde_json::to_string(&named.rule).unwrap_or_default();
                format!("fault: {} {rule}", named.name)
            }));
            self.cloud.faults.borrow_mut().add_named(rules);
        }
    }

    fn sync(&mut self, cut: Option<Cut>) -> Ended {
        self.cloud.requests.borrow_mut().clear();
        let ended = self.host.sync(cut);
        self.lines.push(format!("sync, cut {cut:?}: {ended:?}"));
        let sent = self.cloud.requests.borrow();
        let writes = sent.iter().filter(|request| request.is_mutation());
        self.lines.extend(writes.map(|write| {
            let body = write.body.as_ref().map(ToString::to_string).unwrap_or_default();
            format!(
                "  {} {} {} {} {body}",
                write.time_ms, write.method, write.path, write.status
            )
        }));
        drop(sent);
        // A person starts the next run at once, or the schedule later.
        let pause = if self.random.random_ratio(1, 3) {
            1_000
        } else {
            QUARTER_HOUR_MS
        };
        self.cloud.time.pass(pause);
        ended
    }

    /// Without faults the world comes to rest, and it is as it should be.
    fn rest(&mut self) -> Vec<String> {
        self.unseen |= self.target == Target::Google && self.cloud.interrupted.get() > 0;
        self.unseen |= self
            .cloud
            .faults
            .borrow()
            .struck()
            .iter()
            .any(|(name, times)| is_hidden_from_feeds(name) && *times > 0);
        self.cloud.faults.borrow_mut().clear();
        self.cloud.interruptions.borrow_mut().clear();
        // A count that is wrong for good is no fault that stops: removals would be frozen for good, and rightly.
        let mut jumpcloud = self.cloud.jumpcloud.borrow_mut();
        jumpcloud.behaviour_mut().short_pages = jumpcloud::ShortPages::Never;
        drop(jumpcloud);
        self.accept_invitations();
        let mut rested = false;
        if self.unseen {
            // Google has no feed of changes to members, and what a list or a feed hid nobody tells: it is found when
            // everything is read again.
            self.cloud.time.pass(VERIFIED_MS);
        }
        for _ in 0..RUNS_TO_REST {
            self.cloud.time.pass(QUARTER_HOUR_MS);
            self.cloud.catch_up();
            if self.sync(None) == Ended::Nothing {
                rested = true;
                break;
            }
        }
        let mut wrongs = self.host.wrongs.borrow().clone();
        if !rested {
            wrongs.push(format!("it does not come to rest within {RUNS_TO_REST} runs"));
        }
        let mut found = differences(self.host, &self.by_hand);
        if !found.is_empty() {
            // What a dead run left open is settled by the first run, and what follows from it is noted by the next.
            self.cloud.time.pass(QUARTER_HOUR_MS);
            self.sync(None);
            found = differences(self.host, &self.by_hand);
        }
        wrongs.extend(found);
        self.sync(None);
        let writes = self.cloud.writes();
        if !writes.is_empty() {
            wrongs.push(format!("R46: a run without changes wrote {writes:?}"));
        }
        if !wrongs.is_empty() {
            self.tell_state();
        }
        self.lines.extend(
            self.host
                .logged
                .borrow()
                .iter()
                .map(|line| format!("logged: {line}")),
        );
        wrongs
    }

    /// Whoever was invited by somebody else accepts: nothing can be done about a pending member. One whom the source
    /// does not want any more by then, and whom the ledger never had, is a stranger.
    fn accept_invitations(&mut self) {
        let wanted = wanted(self.cloud, self.target, &self.host.settings);
        let recorded = self.host.recorded();
        let mut google = self.cloud.google.borrow_mut();
        for group in google.tenant().groups {
            let bindings = self.host.bindings.borrow();
            let source = bindings
                .values()
                .find(|binding| binding.target.as_deref() == Some(&group.id))
                .map(|binding| &binding.group);
            for member in group.members {
                let row = (group.id.clone(), member.id.clone());
                let is_wanted = source
                    .and_then(|source| wanted.get(source))
                    .is_some_and(|people| people.contains(&member.id));
                if google.accept_invitation(&group.id, &member.id) && !is_wanted && !recorded.contains(&row) {
                    self.by_hand.insert(row);
                }
            }
        }
    }

    /// What the plan and the ledger say, for whoever looks for the cause.
    fn tell_state(&mut self) {
        match self.host.plan() {
            Ok(parts) => {
                let parts = parts
                    .iter()
                    .map(|part| format!("plan: {}", String::from_utf8_lossy(&part.to_bytes())));
                self.lines.extend(parts);
            }
            Err(failure) => self.lines.push(format!("plan: {failure}")),
        }
        for row in self.host.memberships.borrow().values() {
            self.lines.push(format!("ledger: {row:?}"));
        }
    }
}
