//! How many requests a sync took, beside how few it could have taken.
//!
//! The least there can be, with every page and every batch as large as the vendor allows, reading everything once and
//! writing everything once; `users` are those of the target, `m` the members of one group:
//!
//! - JumpCloud, for each directory: its list of directories (1), users (pages of 100), groups (100), the groups bound to
//!   the directory (100), and the members of each bound group (100).
//! - Google: users (pages of 500), groups (200), the members of each group taken over (200); one batch of up to 1,000
//!   for the creations and one for the additions, as many as are needed.
//! - Entra: users (pages of 999); in batches of 20: a look-up for each group, a creation for each new one, and an
//!   addition for each 20 members.
//!
//! A sync takes more, since it confirms what it wrote and reads again, before it applies, what the plan was made from.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use groupcast_simulators::Vendor;
use groupcast_simulators::jumpcloud::DirectoryKind;
use groupcast_simulators::log::LoggedRequest;
use groupcast_simulators::organisation::Organisation;

use super::expectation::effective;

/// Requests to one vendor. A batch is one request; its parts are counted beside it. Tokens are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Requests that went over the wire.
    pub requests: u64,
    /// Requests within batches.
    pub parts: u64,
    /// How many of both write.
    pub writes: u64,
    /// How many were refused for their number (429, or Google's 403 for quotas is left out: it looks like others).
    pub throttled: u64,
}

/// Counts the log, by vendor.
pub(super) fn count(log: &[LoggedRequest]) -> BTreeMap<Vendor, Count> {
    let mut counts: BTreeMap<Vendor, Count> = BTreeMap::new();
    for request in log.iter().filter(|request| !request.path.ends_with("/token")) {
        let count = counts.entry(request.vendor).or_default();
        if request.in_batch {
            count.parts += 1;
        } else {
            count.requests += 1;
        }
        count.writes += u64::from(request.is_mutation());
        count.throttled += u64::from(request.status == 429);
    }
    counts
}

/// The least that a first sync to both directories can take, by vendor (see above), as requests and parts.
pub(super) fn minimum(before: &Organisation) -> BTreeMap<Vendor, (u64, u64)> {
    let pages = |items: usize, page: u64| (items as u64).div_ceil(page).max(1);
    let source = &before.jumpcloud;
    let (mut jumpcloud, mut google, mut entra) = (0, (0, 0), (0, 0));
    for directory in &source.directories {
        let bound: Vec<_> = source
            .groups
            .iter()
            .filter(|group| group.directories.contains(&directory.id))
            .collect();
        let sizes: Vec<usize> = bound
            .iter()
            .map(|group| effective(source, &group.id).len())
            .collect();
        jumpcloud +=
            1 + pages(source.users.len(), 100) + pages(source.groups.len(), 100) + pages(bound.len(), 100);
        jumpcloud += sizes.iter().map(|size| pages(*size, 100)).sum::<u64>();
        let new = |exists: &dyn Fn(&groupcast_simulators::jumpcloud::Group) -> bool| {
            bound
                .iter()
                .zip(&sizes)
                .filter(|(group, size)| **size > 0 && !exists(group))
                .count() as u64
        };
        match directory.kind {
            DirectoryKind::GoogleWorkspace => {
                let there = |group: &groupcast_simulators::jumpcloud::Group| {
                    before
                        .google
                        .groups
                        .iter()
                        .any(|other| Some(&other.email) == group.email.as_ref())
                };
                let creations = new(&there);
                let additions: u64 = sizes.iter().map(|size| *size as u64).sum();
                let taken = bound.iter().filter(|group| there(group)).count() as u64;
                google.0 = pages(before.google.users.len(), 500)
                    + pages(before.google.groups.len(), 200)
                    + taken
                    + creations.div_ceil(1000)
                    + additions.div_ceil(1000);
                google.1 = creations + additions;
            }
            DirectoryKind::Office365 => {
                let creations = new(&|group| {
                    let mut same = before
                        .entra
                        .groups
                        .iter()
                        .filter(|other| other.display_name == group.name);
                    same.next().is_some() && same.next().is_none()
                });
                let additions: u64 = sizes.iter().map(|size| (*size as u64).div_ceil(20)).sum();
                let lookups = bound.len() as u64;
                entra.0 = pages(before.entra.users.len(), 999)
                    + lookups.div_ceil(20)
                    + creations.div_ceil(20)
                    + additions.div_ceil(20);
                entra.1 = lookups + creations + additions;
            }
        }
    }
    BTreeMap::from([
        (Vendor::Jumpcloud, (jumpcloud, 0)),
        (Vendor::Google, google),
        (Vendor::Entra, entra),
    ])
}

/// The table.
pub(super) fn table(counts: &BTreeMap<Vendor, Count>, least: &BTreeMap<Vendor, (u64, u64)>) -> String {
    let mut text =
        String::from("  vendor        requests   at least    in batches   at least     writes   throttled\n");
    for (vendor, name) in [
        (Vendor::Jumpcloud, "JumpCloud"),
        (Vendor::Google, "Google"),
        (Vendor::Entra, "Entra ID"),
    ] {
        let count = counts.get(&vendor).copied().unwrap_or_default();
        let (requests, parts) = least.get(&vendor).copied().unwrap_or_default();
        let _ = writeln!(
            text,
            "  {name:<10}  {:>10} {requests:>10}    {:>10} {parts:>10} {:>10}  {:>10}",
            count.requests, count.parts, count.writes, count.throttled
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use groupcast_simulators::organisation::{SAMPLE_GOOGLE_PUBLIC_KEY, Size, generated};

    use super::*;

    #[test]
    fn the_least_is_what_the_formula_says() {
        let size = Size {
            users: 1000,
            groups: 1,
            memberships: 1000,
        };
        let least = minimum(&generated(size, 1, SAMPLE_GOOGLE_PUBLIC_KEY));
        // Twice: 1 + 10 pages of users + 1 of groups + 1 of bindings + 10 of members.
        assert_eq!(least[&Vendor::Jumpcloud], (46, 0));
        // 2 pages of users, 1 of groups, a batch of creations, a batch of additions.
        assert_eq!(least[&Vendor::Google], (5, 1001));
        // 2 pages of users; a look-up, a creation and 50 additions, in 1 + 1 + 3 batches.
        assert_eq!(least[&Vendor::Entra], (7, 52));
    }

    #[test]
    fn parts_and_tokens_are_told_from_requests() {
        let one = LoggedRequest {
            vendor: Vendor::Google,
            time_ms: 0,
            method: "POST".to_owned(),
            path: "/batch".to_owned(),
            query: String::new(),
            status: 200,
            authorization: None,
            in_batch: false,
            body: None,
            disruption: None,
        };
        let part = LoggedRequest {
            path: "/admin/directory/v1/groups".to_owned(),
            in_batch: true,
            status: 429,
            ..one.clone()
        };
        let token = LoggedRequest {
            path: "/token".to_owned(),
            ..one.clone()
        };
        let expected = Count {
            requests: 1,
            parts: 1,
            writes: 1,
            throttled: 1,
        };
        assert_eq!(count(&[one, part, token])[&Vendor::Google], expected);
    }
}
