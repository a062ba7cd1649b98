//! A company of 5,000 people, 500 groups and 50,000 memberships, from nothing, through the real component: what it takes
//! in memory, requests and time, and that everybody is in place.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use groupcast::plugin::RunLimits;
use groupcast::run::{Selection, SyncOutcome};
use groupcast_simulators::Vendor;
use groupcast_simulators::organisation::Size;
use groupcast_tests::{BOTH, Lab, Target, changes, component};

const SIZE: Size = Size {
    users: 5_000,
    groups: 500,
    memberships: 50_000,
};
/// The largest that is promised to fit into the memory that a run may use by default.
const LARGEST: Size = Size {
    users: 100_000,
    groups: 5_000,
    memberships: 500_000,
};
const MEMORY: u64 = 128 << 20;

/// Numbers of the people of each group, by name, as JumpCloud has them.
fn wanted(lab: &Lab) -> BTreeMap<String, BTreeSet<usize>> {
    let organisation = lab
        .simulators
        .with_jumpcloud(|jumpcloud| jumpcloud.organisation().clone());
    let number = |user: &String| usize::from_str_radix(&user[1..], 16).unwrap();
    organisation
        .groups
        .into_iter()
        .map(|group| (group.name, group.users.iter().map(number).collect()))
        .collect()
}

/// As the target has them.
fn found(lab: &Lab, target: Target) -> BTreeMap<String, BTreeSet<usize>> {
    let mut found: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    match target {
        Target::Google => {
            for group in lab.google(|google| google.tenant()).groups {
                let members = group
                    .members
                    .iter()
                    .map(|member| member.email.as_deref().unwrap());
                let numbers = members.map(|address| address[5..11].parse().unwrap());
                assert!(
                    found.insert(group.name, numbers.collect()).is_none(),
                    "two groups of one name"
                );
            }
        }
        Target::Entra => {
            for group in lab.entra(|entra| entra.tenant()).groups {
                let numbers = group
                    .members
                    .iter()
                    .map(|member| member.id[24..].parse().unwrap());
                assert!(
                    found.insert(group.display_name, numbers.collect()).is_none(),
                    "two groups of one name"
                );
            }
        }
    }
    found
}

/// Requests on the wire since the log was cleared: parts of batches are none, nor are those for tokens.
fn sent(lab: &Lab, vendor: Vendor) -> usize {
    lab.simulators
        .requests()
        .iter()
        .filter(|request| request.vendor == vendor && !request.in_batch && !request.path.ends_with("/token"))
        .count()
}

/// Parts of batches since the log was cleared.
fn parts(lab: &Lab, vendor: Vendor) -> usize {
    lab.simulators
        .requests()
        .iter()
        .filter(|request| request.vendor == vendor && request.in_batch)
        .count()
}

/// Pages, or batches, that hold so many things.
fn pages(things: usize, each: usize) -> usize {
    things.div_ceil(each)
}

/// The fewest requests that each step can take, everything read once and written once, with the largest pages, and
/// batches of the sizes that the component uses: 100 at Google (which takes up to 1,000 and advises 50), 20 at Graph
/// (which takes no more).
struct Least {
    /// Users, groups and bindings in pages of 100, the members of each group in pages of 100, and the directory.
    source: usize,
    /// People; and each address as a group's, and where it is no group's as a user's (R18). Or each name, as
    /// `uniqueName` and as display name (R21).
    plan: usize,
    /// What was planned from is read again, and the groups and members are written. Graph takes 20 members at once.
    apply: usize,
    /// People, each group, and who is in it: at Graph also who owns it.
    second: usize,
}

fn least(size: Size, wanted: &BTreeMap<String, BTreeSet<usize>>, target: Target) -> Least {
    let each = |page: usize| {
        wanted
            .values()
            .map(|people| pages(people.len(), page))
            .sum::<usize>()
    };
    let source = 1 + pages(size.users, 100) + 2 * pages(size.groups, 100) + each(100);
    let (plan, writes, second) = match target {
        Target::Google => {
            let people = pages(size.users, 500);
            let writes = pages(size.groups, 100) + pages(size.memberships, 100);
            (
                people + pages(2 * size.groups, 100),
                writes,
                people + pages(size.groups, 100) + each(200),
            )
        }
        Target::Entra => {
            let people = pages(size.users, 999);
            let writes = pages(size.groups, 20) + pages(each(20), 20);
            (
                people + pages(2 * size.groups, 20),
                writes,
                people + pages(3 * size.groups, 20),
            )
        }
    };
    Least {
        source,
        plan,
        apply: plan + writes,
        second,
    }
}

/// Prints what was asked beside the fewest, and holds both against each other.
fn compare(what: &str, lab: &Lab, target: Target, least: (usize, usize), allowed: (usize, usize)) {
    let (source, to) = (sent(lab, Vendor::Jumpcloud), sent(lab, target.vendor()));
    println!(
        "  {what}: JumpCloud {source} requests, at least {}; {target:?} {to}, at least {}",
        least.0, least.1
    );
    assert!(
        (least.0..=allowed.0).contains(&source),
        "{what}: {source} of JumpCloud, allowed {}",
        allowed.0
    );
    assert!(
        (least.1..=allowed.1).contains(&to),
        "{what}: {to} of {target:?}, allowed {}",
        allowed.1
    );
}

fn show(what: &str, memory: u64, started: Instant) {
    println!(
        "{what}: {:?}, {} KiB of the component's memory",
        started.elapsed(),
        memory >> 10
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r30_a_large_company_from_nothing_within_memory_and_requests_and_r46_then_nothing() {
    assert_eq!(RunLimits::default().memory_bytes as u64, MEMORY);
    let started = Instant::now();
    component();
    println!("compiling the component: {:?}", started.elapsed());
    for target in BOTH {
        let lab = Lab::with(SIZE, |_| ()).await;
        let wanted = wanted(&lab);
        assert_eq!(
            wanted.values().map(BTreeSet::len).sum::<usize>(),
            SIZE.memberships
        );
        let least = least(SIZE, &wanted, target);
        // The directory's own record beside the list of directories; for Entra also the people that JumpCloud has
        // tied to it, with their object IDs.
        let source = match target {
            Target::Google => least.source + 1,
            Target::Entra => least.source + 1 + pages(SIZE.users, 100),
        };

        let started = Instant::now();
        let plan = lab.plan(target).await;
        show("plan", plan.usage.memory_peak_bytes, started);
        let summary = (plan.summary.groups, plan.summary.adds, plan.summary.held);
        assert_eq!(summary, (500, 50_000, 0), "{:?}", plan.summary);
        assert_eq!(
            plan.plan.parts.iter().map(|part| changes(part).0).sum::<usize>(),
            SIZE.memberships
        );
        assert!(plan.usage.memory_peak_bytes < MEMORY / 4);
        compare(
            "plan",
            &lab,
            target,
            (least.source, least.plan),
            (source, least.plan),
        );
        lab.simulators.clear_requests();

        let started = Instant::now();
        let apply = lab
            .apply(target, &plan.plan.hash, Selection::default())
            .await
            .unwrap_or_else(|failure| panic!("{failure}"));
        show("apply", apply.usage.memory_peak_bytes, started);
        let totals = (
            apply.report.applied,
            apply.report.failed,
            apply.report.moved.len(),
        );
        assert_eq!(totals, (50_500, 0, 0));
        assert!(apply.usage.memory_peak_bytes < MEMORY / 3);
        // Each approved group is read by itself and not from the list. At Graph two parts of a batch must not write to
        // one group, and each chunk of intents ends before the next begins: batches are not always full.
        let writes = least.apply - least.plan;
        let allowed = match target {
            // Once, whose directory it is (R48).
            Target::Google => least.apply + 1,
            Target::Entra => least.plan + 3 * writes,
        };
        compare(
            "apply",
            &lab,
            target,
            (least.source, least.apply),
            (source + SIZE.groups, allowed),
        );
        let written = parts(&lab, target.vendor()) - 2 * SIZE.groups;
        let each_twenty: usize = wanted.values().map(|people| pages(people.len(), 20)).sum();
        match target {
            Target::Google => assert_eq!(written, SIZE.groups + SIZE.memberships),
            // The first page of people comes with the batch of look-ups. Intents are made durable in chunks, and where a
            // chunk ends within a group, one request more is needed for it.
            Target::Entra => {
                let exact = SIZE.groups + each_twenty + 1;
                assert!(
                    (exact..=exact + exact / 100).contains(&written),
                    "{written}, at least {exact}"
                );
            }
        }
        assert!(
            wanted == found(&lab, target),
            "{target:?}: not everybody is in place"
        );
        lab.simulators.clear_requests();

        let started = Instant::now();
        let SyncOutcome::Nothing(second) = lab.sync(target).await else {
            panic!("{target:?}: a second run has something to do");
        };
        show("second run", second.usage.memory_peak_bytes, started);
        assert!(!second.plan.has_work() && !second.plan.has_held());
        assert!(second.usage.memory_peak_bytes < MEMORY / 3);
        // A page of members within Graph's batch holds 100; larger groups are read on outside of it.
        let large: usize = wanted.values().map(|people| pages(people.len(), 999)).sum();
        let allowed = match target {
            Target::Google => least.second,
            Target::Entra => least.second + large,
        };
        compare(
            "second run",
            &lab,
            target,
            (least.source, least.second),
            (source, allowed),
        );
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
    }
}

/// Google alone, unless more is asked for: simulated JumpCloud takes long to tell who of a hundred thousand is in Entra.
fn targets() -> Vec<Target> {
    match std::env::var("GROUPCAST_SCALE").as_deref() {
        Ok("all") => BOTH.to_vec(),
        Ok("entra") => vec![Target::Entra],
        _ => vec![Target::Google],
    }
}

/// How many people each group of the largest company has: half of all, some departments, and many teams.
fn sizes() -> Vec<usize> {
    let large = [LARGEST.users / 2].into_iter().chain([LARGEST.users / 20; 10]);
    let mut sizes: Vec<usize> = large.collect();
    let teams = LARGEST.groups - sizes.len();
    let left = LARGEST.memberships - sizes.iter().sum::<usize>();
    sizes.extend((0..teams).map(|team| left / teams + usize::from(team < left % teams)));
    sizes
}

async fn largest() -> Lab {
    // One membership a group is generated; who is where is said here, since the generator makes some groups so large
    // that the simulators would take most of the time.
    let size = Size {
        memberships: LARGEST.groups,
        ..LARGEST
    };
    Lab::with(size, |organisation| {
        let users: Vec<String> = organisation
            .jumpcloud
            .users
            .iter()
            .map(|user| user.id.clone())
            .collect();
        let groups = organisation.jumpcloud.groups.iter_mut();
        for (number, (group, size)) in groups.zip(sizes()).enumerate() {
            let first = number * 7_919 % users.len();
            group.users = users.iter().cycle().skip(first).take(size).cloned().collect();
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn r30_the_largest_company_is_planned_within_the_memory_of_a_run() {
    assert_eq!(RunLimits::default().memory_bytes as u64, MEMORY);
    component();
    for target in targets() {
        let started = Instant::now();
        let lab = largest().await;
        let wanted = wanted(&lab);
        assert_eq!(
            wanted.values().map(BTreeSet::len).sum::<usize>(),
            LARGEST.memberships
        );
        println!("the largest company: {:?}", started.elapsed());
        let least = least(LARGEST, &wanted, target);
        let source = match target {
            Target::Google => least.source + 1,
            Target::Entra => least.source + 1 + pages(LARGEST.users, 100),
        };
        let started = Instant::now();
        let plan = lab.plan(target).await;
        show("plan", plan.usage.memory_peak_bytes, started);
        let summary = (plan.summary.groups, plan.summary.adds, plan.summary.held);
        assert_eq!(summary, (5_000, 500_000, 0), "{:?}", plan.summary);
        assert!(plan.usage.memory_peak_bytes <= MEMORY);
        compare(
            "plan",
            &lab,
            target,
            (least.source, least.plan),
            (source, least.plan),
        );
        if std::env::var_os("GROUPCAST_SCALE").is_none() {
            continue;
        }
        lab.simulators.clear_requests();
        let started = Instant::now();
        let apply = lab
            .apply(target, &plan.plan.hash, Selection::default())
            .await
            .unwrap_or_else(|failure| panic!("{failure}"));
        show("apply", apply.usage.memory_peak_bytes, started);
        assert_eq!((apply.report.applied, apply.report.failed), (505_000, 0));
        assert!(
            wanted == found(&lab, target),
            "{target:?}: not everybody is in place"
        );
        let started = Instant::now();
        let SyncOutcome::Nothing(second) = lab.sync(target).await else {
            panic!("{target:?}: a second run has something to do");
        };
        show("second run", second.usage.memory_peak_bytes, started);
    }
}
