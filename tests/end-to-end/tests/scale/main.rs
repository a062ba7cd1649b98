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
use groupcast::run::RequestCounts;
use groupcast_simulators::Vendor;
use groupcast_simulators::organisation::Size;
use groupcast_tests::{BOTH, Lab, Target, changes, component};

const SIZE: Size = Size {
    users: 5_000,
    groups: 500,
    memberships: 50_000,
};
const MEMORY: u64 = 64 << 20;

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

/// What each vendor was asked since the log was cleared, by kind of request.
fn kinds(lab: &Lab) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for request in lab.simulators.requests() {
        let path: Vec<&str> = request
            .path
            .split('/')
            .map(|segment| {
                if segment.len() > 14 && segment.contains(|c: char| c.is_ascii_digit()) {
                    "*"
                } else {
                    segment
                }
            })
            .collect();
        let inside = if request.in_batch { "  part " } else { "" };
        let kind = format!(
            "{:?} {inside}{} {}",
            request.vendor,
            request.method,
            path.join("/")
        );
        *kinds.entry(kind).or_default() += 1;
    }
    kinds
}

/// Requests on the wire since the log was cleared: parts of batches are none, nor are those for tokens.
fn sent(lab: &Lab, vendor: Vendor) -> usize {
    lab.simulators
        .requests()
        .iter()
        .filter(|request| request.vendor == vendor && !request.in_batch && !request.path.ends_with("/token"))
        .count()
}

/// The fewest requests to JumpCloud that read everything once: users, groups and bindings, and the members of each
/// group, in pages of 100; and the directory.
fn least_of_the_source(wanted: &BTreeMap<String, BTreeSet<usize>>) -> usize {
    let members: usize = wanted.values().map(|people| people.len().div_ceil(100)).sum();
    1 + SIZE.users.div_ceil(100) + 2 * SIZE.groups.div_ceil(100) + members
}

fn show(what: &str, counts: &RequestCounts, memory: u64, started: Instant) {
    println!("{what}: {:?}, {} KiB of memory", started.elapsed(), memory >> 10);
    println!("  {:?}", counts.vendors);
}

#[tokio::test(flavor = "multi_thread")]
async fn r30_a_large_company_from_nothing_within_memory_and_requests_and_r46_then_nothing() {
    assert_eq!(RunLimits::default().memory_bytes as u64, MEMORY);
    let started = Instant::now();
    component();
    println!("compiling the component took {:?}", started.elapsed());
    for target in BOTH {
        let started = Instant::now();
        let lab = Lab::with(SIZE, |_| ()).await;
        println!("{target:?}: the laboratory took {:?}", started.elapsed());

        let started = Instant::now();
        let plan = lab.plan(target).await;
        show("plan", &plan.requests, plan.usage.memory_peak_bytes, started);
        println!("{:#?}", kinds(&lab));
        assert_eq!(
            (plan.summary.groups, plan.summary.adds, plan.summary.held),
            (500, 50_000, 0),
            "{:?}",
            plan.summary
        );
        assert_eq!(
            plan.plan.parts.iter().map(|part| changes(part).0).sum::<usize>(),
            50_000
        );
        assert!(plan.usage.memory_peak_bytes < MEMORY);
        lab.simulators.clear_requests();

        let started = Instant::now();
        let hash = plan.plan.hash.clone();
        let apply = lab
            .apply(target, &hash, groupcast::run::Selection::default())
            .await
            .unwrap();
        show("apply", &apply.requests, apply.usage.memory_peak_bytes, started);
        println!("{:#?}", kinds(&lab));
        assert_eq!(
            (
                apply.report.applied,
                apply.report.failed,
                apply.report.moved.len()
            ),
            (50_500, 0, 0)
        );
        assert!(apply.usage.memory_peak_bytes < MEMORY);
        println!("sent in apply: {}", sent(&lab, target.vendor()));
        lab.simulators.clear_requests();

        let started = Instant::now();
        let (wanted, found) = (wanted(&lab), found(&lab, target));
        assert_eq!(wanted.values().map(BTreeSet::len).sum::<usize>(), 50_000);
        assert!(wanted == found, "not everybody is in place");
        println!("comparison: {:?}", started.elapsed());

        let started = Instant::now();
        let second = lab.plan(target).await;
        show(
            "second plan",
            &second.requests,
            second.usage.memory_peak_bytes,
            started,
        );
        println!("{:#?}", kinds(&lab));
        assert!(!second.plan.has_work() && !second.plan.has_held());
        assert!(second.usage.memory_peak_bytes < MEMORY);
        lab.sync(target).await;
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
    }
}
