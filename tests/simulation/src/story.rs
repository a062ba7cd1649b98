//! A story: an organisation, rounds of clicks, faults, crashes and syncs, and at last a world without faults that must
//! come to rest as the requirements want it. All of it follows from the seed.

use std::collections::BTreeSet;

use groupcast_guest::settings::{Limit, Limits, OnEmailChange, Settings, Suspended};
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_simulators::organisation::{Organisation, Size, generated};
use groupcast_simulators::{Vendor, entra, google, jumpcloud};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::cloud::{Cloud, PUBLIC_KEY};
use crate::host::{Cut, Ended, Host};
use crate::truth::{Target, differences, user};

/// Between two scheduled runs.
const QUARTER_HOUR_MS: u64 = 15 * 60 * 1_000;
/// So many runs may a world without faults take to come to rest.
const RUNS_TO_REST: usize = 8;
/// People at the end of the list whom no source group ever has.
const STRANGERS: usize = 2;

/// How a story ended.
#[derive(Debug)]
pub struct Told {
    /// What was wrong; empty where all is well.
    pub wrongs: Vec<String>,
    /// What happened, line by line.
    pub lines: Vec<String>,
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
    let size = if random.random_ratio(1, 20) {
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
    slow_down(&mut organisation, &mut random);
    let mut settings = settings();
    if random.random_ratio(1, 4) {
        settings.on_email_change = OnEmailChange::Rename;
    }
    if random.random_ratio(1, 4) {
        settings.suspended = Suspended::Remove;
    }
    let cloud = Cloud::new(organisation, seed);
    let host = Host::new(&cloud, target, settings);
    let mut teller = Teller {
        cloud: &cloud,
        host: &host,
        target,
        random,
        people: size.users,
        groups_made: 0,
        by_hand: BTreeSet::new(),
        lines: Vec::new(),
    };
    teller.rounds();
    let wrongs = teller.rest();
    Told {
        wrongs,
        lines: teller.lines,
    }
}

fn slow_down(organisation: &mut Organisation, random: &mut StdRng) {
    let mut late = || {
        if random.random_ratio(1, 3) {
            random.random_range(0..45_000)
        } else {
            0
        }
    };
    organisation.google.lag = google::tenant::Lag {
        create_ms: late(),
        list_ms: late(),
        member_ms: late(),
    };
    organisation.entra.lag = entra::Lag {
        create_ms: late(),
        read_ms: late(),
    };
}

struct Teller<'a> {
    cloud: &'a Cloud,
    host: &'a Host<'a>,
    target: Target,
    random: StdRng,
    people: usize,
    groups_made: usize,
    by_hand: BTreeSet<(String, String)>,
    lines: Vec<String>,
}

impl Teller<'_> {
    fn rounds(&mut self) {
        for _ in 0..self.random.random_range(1..5) {
            for _ in 0..self.random.random_range(0..5) {
                self.click();
            }
            for _ in 0..self.random.random_range(0..4) {
                let rule = fault(&mut self.random, self.target);
                self.lines.push(format!(
                    "fault: {}",
                    serde_json::to_string(&rule).unwrap_or_default()
                ));
                self.cloud.faults.borrow_mut().add(rule);
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
        self.cloud.faults.borrow_mut().clear();
        let mut rested = false;
        for _ in 0..RUNS_TO_REST {
            self.cloud.time.pass(QUARTER_HOUR_MS);
            if self.sync(None) == Ended::Nothing {
                rested = true;
                break;
            }
        }
        let mut wrongs = self.host.wrongs.borrow().clone();
        if !rested {
            wrongs.push(format!("it does not come to rest within {RUNS_TO_REST} runs"));
        }
        wrongs.extend(differences(self.host, &self.by_hand));
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

    /// An administrator does something.
    fn click(&mut self) {
        let now = self.cloud.time.now_ms();
        let mut jumpcloud = self.cloud.jumpcloud.borrow_mut();
        jumpcloud.advance_to(now);
        let groups = jumpcloud.organisation().groups.clone();
        let users: Vec<String> = jumpcloud
            .organisation()
            .users
            .iter()
            .map(|found| found.id.clone())
            .filter(|id| (0..self.people).map(user).any(|known| known == *id))
            .collect();
        let (Some(group), Some(person)) = (groups.choose(&mut self.random), users.choose(&mut self.random))
        else {
            return;
        };
        let line = match self.random.random_range(0..13) {
            0..3 => {
                let done = jumpcloud.add_user_to_group(&group.id, person);
                format!("{person} joins {}: {done:?}", group.name)
            }
            3..6 if group.users.len() > 1 => {
                let leaver = group.users.choose(&mut self.random).unwrap_or(person);
                let done = jumpcloud.remove_user_from_group(&group.id, leaver);
                format!("{leaver} leaves {}: {done:?}", group.name)
            }
            6 => {
                let name = format!("Renamed {:04}", self.random.random_range(0..10_000));
                let done = jumpcloud.rename_group(&group.id, &name);
                format!("{} is renamed {name}: {done:?}", group.name)
            }
            7 => {
                let email = format!("moved-{:06}@example.com", self.random.random_range(0..1_000_000));
                let done = jumpcloud.set_group_email(&group.id, Some(&email));
                format!("{} moves to {email}: {done:?}", group.name)
            }
            8 => {
                self.groups_made += 1;
                let made = jumpcloud::Group {
                    id: format!("c{:023x}", self.groups_made),
                    name: format!("Made {}", self.groups_made),
                    email: Some(format!("made-{}@example.com", self.groups_made)),
                    description: None,
                    users: vec![person.clone()],
                    groups: Vec::new(),
                    directories: group.directories.clone(),
                };
                let done = jumpcloud.create_group(made);
                format!("group {} is made with {person}: {done:?}", self.groups_made)
            }
            9 if users.len() > 4 && groups.iter().all(|group| group.users != [person.clone()]) => {
                let done = jumpcloud.delete_user(person);
                format!("{person} is deleted: {done:?}")
            }
            10 => {
                drop(jumpcloud);
                return self.drift();
            }
            11 => {
                drop(jumpcloud);
                return self.strange();
            }
            12 => {
                let done = jumpcloud.set_group_description(&group.id, Some("Described"));
                format!("{} is described: {done:?}", group.name)
            }
            _ => return,
        };
        self.lines.push(line);
    }

    /// Somebody takes a member out in the target.
    fn drift(&mut self) {
        let rows = self.host.recorded();
        let Some((group, person)) = rows.choose(&mut self.random).cloned() else {
            return;
        };
        let done = match self.target {
            Target::Google => self.cloud.google.borrow_mut().remove_member(&group, &person),
            Target::Entra => self.cloud.entra.borrow_mut().remove_member(&group, &person),
        };
        self.lines
            .push(format!("{person} is taken out of target {group}: {done}"));
    }

    /// Somebody puts a stranger into a target group.
    fn strange(&mut self) {
        let stranger = self
            .target
            .principal(self.people + self.random.random_range(0..STRANGERS));
        let groups: Vec<String> = self
            .host
            .bindings
            .borrow()
            .values()
            .filter_map(|binding| binding.target.clone())
            .collect();
        let Some(group) = groups.choose(&mut self.random).cloned() else {
            return;
        };
        let done = match self.target {
            Target::Google => {
                self.cloud
                    .google
                    .borrow_mut()
                    .add_member(&group, &stranger, google::tenant::Role::Member)
            }
            Target::Entra => {
                self.cloud
                    .entra
                    .borrow_mut()
                    .add_member(&group, &stranger, entra::ObjectType::User)
            }
        };
        if done {
            self.by_hand.insert((group.clone(), stranger.clone()));
        }
        self.lines.push(format!(
            "the stranger {stranger} is put into target {group}: {done}"
        ));
    }
}

const JUMPCLOUD_PATHS: &[&str] = &[
    "/api/v2/directories",
    "/api/v2/gsuites/**",
    "/api/v2/office365s/**",
    "/api/v2/usergroups",
    "/api/v2/usergroups/*",
    "/api/v2/usergroups/*/membership",
    "/api/systemusers",
    "/api/systemusers/*",
    "/**",
];
const GOOGLE_PATHS: &[&str] = &[
    "/admin/directory/v1/groups",
    "/admin/directory/v1/groups/*",
    "/admin/directory/v1/groups/*/members",
    "/admin/directory/v1/groups/*/members/*",
    "/admin/directory/v1/users",
    "/admin/directory/v1/users/*",
    "/batch",
    "/token",
    "/**",
];
const ENTRA_PATHS: &[&str] = &[
    "/v1.0/groups",
    "/v1.0/groups/*",
    "/v1.0/groups/*/members",
    "/v1.0/groups/*/members/**",
    "/v1.0/users",
    "/v1.0/users/*",
    "/v1.0/$batch",
    "/*/oauth2/v2.0/token",
    "/**",
];

/// A fault: whom it strikes, where, when and how.
fn fault(random: &mut StdRng, target: Target) -> Rule {
    let (vendor, paths) = match (random.random_ratio(2, 5), target) {
        (true, _) => (Vendor::Jumpcloud, JUMPCLOUD_PATHS),
        (false, Target::Google) => (Vendor::Google, GOOGLE_PATHS),
        (false, Target::Entra) => (Vendor::Entra, ENTRA_PATHS),
    };
    let fault = kind(random, vendor);
    // A list that lies in the same way twice is, to whoever reads it, a list that tells the truth.
    let lies = matches!(fault, Fault::DropItems { .. })
        || matches!(&fault, Fault::Answer { status, .. } if matches!(status, 200 | 404));
    Rule {
        vendor,
        method: random
            .random_ratio(1, 4)
            .then(|| {
                ["GET", "POST", "PATCH", "DELETE"]
                    .choose(random)
                    .map(|method| (*method).to_owned())
            })
            .flatten(),
        path: paths.choose(random).map(|path| (*path).to_owned()),
        query: None,
        skip: if random.random() {
            0
        } else {
            random.random_range(0..30)
        },
        times: Some(if lies { 1 } else { random.random_range(1..5) }),
        fault,
    }
}

fn kind(random: &mut StdRng, vendor: Vendor) -> Fault {
    let answer = |status: u16, headers: &[(&str, &str)], body: String, html: bool| Fault::Answer {
        status,
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body,
        content_type: if html { "text/html" } else { "application/json" }.to_owned(),
    };
    let said = |status: u16, reason: &str| match vendor {
        Vendor::Google => format!(
            r#"{{"error":{{"code":{status},"message":"{reason}","errors":[{{"domain":"global","reason":"{reason}","message":"{reason}"}}]}}}}"#
        ),
        Vendor::Entra => format!(r#"{{"error":{{"code":"{reason}","message":"{reason}"}}}}"#),
        Vendor::Jumpcloud => format!(r#"{{"code":{status},"message":"{reason}","status":"{reason}"}}"#),
    };
    match random.random_range(0..24) {
        0 => answer(
            429,
            &[("retry-after", "2")],
            said(429, "rateLimitExceeded"),
            false,
        ),
        1 => answer(
            429,
            &[("retry-after", "2.128")],
            said(429, "TooManyRequests"),
            false,
        ),
        2 => answer(429, &[], said(429, "rateLimitExceeded"), false),
        3 => answer(
            429,
            &[("retry-after", "1000000000")],
            said(429, "rateLimitExceeded"),
            false,
        ),
        4 => answer(429, &[("retry-after", "-3")], String::new(), false),
        5 => answer(403, &[], said(403, "userRateLimitExceeded"), false),
        6 => answer(403, &[], said(403, "forbidden"), false),
        7 => answer(401, &[], said(401, "InvalidAuthenticationToken"), false),
        8 => answer(500, &[], said(500, "backendError"), false),
        9 => answer(502, &[], "<html>bad gateway</html>".to_owned(), true),
        10 => answer(
            503,
            &[("retry-after", "1")],
            said(503, "serviceNotAvailable"),
            false,
        ),
        11 => answer(504, &[], String::new(), false),
        12 => answer(
            200,
            &[],
            "<html>the proxy wants you to sign in</html>".to_owned(),
            true,
        ),
        13 => answer(200, &[], "{\"results\":[{\"_id\":".to_owned(), false),
        14 => answer(404, &[], said(404, "notFound"), false),
        15 => Fault::AnswerAfter {
            status: 500,
            body: said(500, "internalError"),
        },
        16 => Fault::AnswerAfter {
            status: 503,
            body: String::new(),
        },
        17 => Fault::ResetBefore,
        18 => Fault::ResetAfter,
        19 => Fault::Truncate {
            after: random.random_range(0..200),
        },
        20 => Fault::Delay {
            ms: *[5_000, 59_000, 90_000].choose(random).unwrap_or(&5_000),
        },
        21 => Fault::DropItems {
            count: random.random_range(1..4),
        },
        22 => Fault::LoopPage,
        _ => Fault::ShortPage {
            items: random.random_range(0..3),
        },
    }
}
