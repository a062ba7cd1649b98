//! Vendors in trouble: throttling in every spelling, faults, proxies' pages, cut and broken answers. Nothing wrong is
//! written; the same run or the next is right again; and where it cannot go on, it says why.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use groupcast_simulators::Vendor;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_tests::{BOTH, Lab, Target, people, user};
use tokio_util::sync::CancellationToken;

use crate::support::{answer, exported, heal, json, ledger_agrees, rule, sales, strike, writes_of};

/// What passes by itself.
fn passing() -> Vec<(&'static str, Fault)> {
    let throttled = |value: &str| answer(429, &[("retry-after", value)], "application/json", "{}");
    vec![
        ("429 in a second", throttled("1")),
        ("429 in half a second", throttled("0.5")),
        ("429 until a date", throttled("Sun, 06 Nov 1994 08:49:37 GMT")),
        ("429 without a word", json(429, "{}")),
        ("429 with nonsense", throttled("soon")),
        ("429 with a negative number", throttled("-5")),
        ("500", json(500, "{}")),
        ("502", answer(502, &[], "text/html", "<html>bad gateway</html>")),
        ("503", answer(503, &[("retry-after", "1")], "text/plain", "busy")),
        ("504", answer(504, &[], "text/html", "")),
        ("reset", Fault::ResetBefore),
    ]
}

/// What an answer to a read can be that is none.
fn unreadable() -> Vec<(&'static str, Fault)> {
    vec![
        (
            "HTML with 200",
            answer(200, &[], "text/html", "<html>please log in</html>"),
        ),
        ("nothing with 200", answer(200, &[], "application/json", "")),
        ("half a document", Fault::Truncate { after: 15 }),
    ]
}

/// Requests of a run: reads of the source, reads of the target, and each kind of write.
fn places(target: Target) -> Vec<(Vendor, &'static str, &'static str)> {
    let mut places = vec![
        (Vendor::Jumpcloud, "GET", "/api/v2/directories"),
        (Vendor::Jumpcloud, "GET", "/api/v2/usergroups"),
        (Vendor::Jumpcloud, "GET", "/api/v2/usergroups/*/membership"),
        (Vendor::Jumpcloud, "GET", "/api/systemusers"),
    ];
    places.extend(match target {
        Target::Google => [
            (Vendor::Google, "GET", "/admin/directory/v1/groups/*/members"),
            (Vendor::Google, "POST", "/batch/**"),
            (Vendor::Google, "POST", "/token"),
        ],
        Target::Entra => [
            (Vendor::Entra, "GET", "/v1.0/groups/*/members"),
            (Vendor::Entra, "POST", "/v1.0/$batch"),
            (Vendor::Entra, "POST", "/*/oauth2/v2.0/token"),
        ],
    });
    places.extend(
        writes_of(target)
            .into_iter()
            .map(|(method, path)| (target.vendor(), method, path)),
    );
    places
}

/// One change after the other, each under another fault: at no time is anybody in the group whom neither the old nor
/// the new state has, and after a run without faults all is right.
async fn endures(
    target: Target,
    vendor: Vendor,
    method: &str,
    path: &str,
    faults: Vec<(&'static str, Fault)>,
) {
    let (mut lab, id) = exported(target).await;
    let cancel = CancellationToken::new();
    let mut is: BTreeSet<usize> = (0..4).collect();
    for (turn, (what, fault)) in faults.into_iter().enumerate() {
        let (comes, goes) = ((turn + 4) % 8, turn % 8);
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(comes)));
        lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(goes)));
        let name = format!("New {turn}");
        let address = format!("new-{turn}@example.com");
        lab.group(&name, Some(&address), &[comes]);
        let before = is.clone();
        is.insert(comes);
        is.remove(&goes);
        strike(
            &lab,
            Rule {
                times: Some(1),
                ..rule(vendor, method, path, fault)
            },
        );
        let place = format!("{what} at {vendor:?} {method} {path}, {target:?}");
        let begun = Instant::now();
        let outcome = lab
            .groupcast()
            .await
            .sync(
                &target.connection(),
                groupcast_guest::engine::Extent::Changes,
                &cancel,
            )
            .await;
        assert!(begun.elapsed() < Duration::from_secs(120), "{place}");
        if let Err(failure) = &outcome {
            assert!(failure.to_string().len() > 20, "{place}: it says why: {failure}");
        }
        let now = sales(&lab, target).unwrap();
        assert!(
            now.is_superset(&before.intersection(&is).copied().collect()),
            "{place}: {now:?}"
        );
        assert!(
            now.is_subset(&before.union(&is).copied().collect()),
            "{place}: {now:?}"
        );
        heal(&lab);
        lab.sync(target).await;
        assert_eq!(sales(&lab, target).as_ref(), Some(&is), "{place}: {outcome:#?}");
        assert_eq!(
            lab.people(target, &name, &address),
            people(&[comes]),
            "{place}: {outcome:#?}"
        );
        ledger_agrees(&lab, target).await;
        assert_eq!(lab.writes(Vendor::Jumpcloud), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r47_google_trouble_that_passes_does_no_harm_wherever_it_strikes() {
    everywhere(Target::Google).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r47_entra_trouble_that_passes_does_no_harm_wherever_it_strikes() {
    everywhere(Target::Entra).await;
}

async fn everywhere(target: Target) {
    // A process has so many instances at once and no more.
    const AT_ONCE: usize = 4;
    let mut tasks = tokio::task::JoinSet::new();
    for (vendor, method, path) in places(target) {
        let mut faults = passing();
        faults.extend(unreadable());
        if tasks.len() >= AT_ONCE {
            tasks.join_next().await.unwrap().unwrap();
        }
        tasks.spawn(endures(target, vendor, method, path, faults));
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_throttle_longer_than_a_run_waits_ends_it_at_once_and_says_for_how_long() {
    for target in BOTH {
        for value in ["1000000", "99999999999999999999", "Tue, 31 Dec 2999 23:59:59 GMT"] {
            let (lab, id) = exported(target).await;
            lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(4)));
            strike(
                &lab,
                rule(
                    Vendor::Jumpcloud,
                    "GET",
                    "/api/v2/directories",
                    answer(429, &[("retry-after", value)], "application/json", "{}"),
                ),
            );
            let begun = Instant::now();
            let failure = lab.try_plan(target).await.expect_err("throttled");
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{value}: {:?}",
                begun.elapsed()
            );
            assert!(
                failure.to_string().contains("fewer requests"),
                "{value}: {failure}"
            );
            assert_eq!(lab.all_writes(), Vec::<String>::new());
            heal(&lab);
            lab.sync(target).await;
            assert_eq!(sales(&lab, target), people(&[0, 1, 2, 3, 4]));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_an_answer_that_stays_unreadable_ends_in_a_clear_word_and_in_no_write() {
    for target in BOTH {
        for (what, fault) in unreadable() {
            let lab = changed(target).await;
            strike(&lab, rule(Vendor::Jumpcloud, "GET", "/api/v2/directories", fault));
            let failure = lab.try_plan(target).await.expect_err("no plan");
            assert!(failure.to_string().len() > 30, "{what}: {failure}");
            assert_eq!(lab.all_writes(), Vec::<String>::new(), "{what}, {target:?}");
            heal(&lab);
            lab.sync(target).await;
            assert_eq!(sales(&lab, target), people(&[1, 2, 3, 4]), "{what}, {target:?}");
        }
    }
}

async fn changed(target: Target) -> Lab {
    let (lab, id) = exported(target).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(4)));
    lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(0)));
    lab
}
