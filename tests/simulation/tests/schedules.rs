//! Stories by seed. `GROUPCAST_SEEDS=FROM..TO` tells others than the usual ones; `GROUPCAST_SEEDS=N` one, with all
//! that happened in it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use groupcast_simulation::story::{faults, tell};
use groupcast_simulation::truth::Target;

/// As many as let each fault strike; `make soak` tells the others, on and on.
const USUAL: std::ops::Range<u64> = 0..2_000;
/// Each fault must have made a difference at least so often in the usual stories.
const LEAST_STRIKES: u64 = 10;

/// It strikes a next page of events, and no story is so long that there are a thousand of them.
const NEVER: &str = "events-again";

fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("GROUPCAST_SEEDS") else {
        return USUAL;
    };
    match text.split_once("..") {
        Some((from, to)) => from.parse().unwrap()..to.parse().unwrap(),
        None => {
            let seed = text.parse().unwrap();
            seed..seed + 1
        }
    }
}

/// What came of all the stories.
#[derive(Default)]
struct Sum {
    failed: usize,
    strikes: BTreeMap<&'static str, u64>,
}

fn tell_all(target: Target) {
    let seeds = seeds();
    let begun = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let sum = Mutex::new(Sum::default());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || sum.lock().unwrap().failed >= 5 {
                        break;
                    }
                    tell_one(seed, target, seeds.end == seeds.start + 1, &sum);
                }
            });
        }
    });
    let Sum { failed, strikes } = sum.into_inner().unwrap();
    println!(
        "{target:?}: {} stories in {:.1} s, {failed} failed",
        seeds.end - seeds.start,
        begun.elapsed().as_secs_f64()
    );
    println!("strikes: {strikes:?}");
    assert_eq!(failed, 0);
    if seeds == USUAL {
        let seldom: Vec<&str> = faults(target)
            .map(|(named, _)| named.name)
            .filter(|name| *name != NEVER)
            .filter(|name| strikes.get(name).copied().unwrap_or(0) < LEAST_STRIKES)
            .collect();
        assert_eq!(seldom, Vec::<&str>::new(), "these faults hardly ever strike");
    }
}

fn tell_one(seed: u64, target: Target, alone: bool, sum: &Mutex<Sum>) {
    let again = format!(
        "GROUPCAST_SEEDS={seed} cargo test -p groupcast-simulation --test schedules {} -- --nocapture",
        target.name()
    );
    // A story in which something panics is a failed one, and its seed must be told.
    let Ok(told) = std::panic::catch_unwind(|| tell(seed, target)) else {
        println!("seed {seed}, {target:?}: it panicked\n  again: {again}");
        sum.lock().unwrap().failed += 1;
        return;
    };
    if alone {
        println!("{}", told.lines.join("\n"));
    }
    let mut sum = sum.lock().unwrap();
    for (name, count) in told.strikes {
        *sum.strikes.entry(name).or_default() += count;
    }
    if !told.wrongs.is_empty() {
        sum.failed += 1;
        println!("seed {seed}, {target:?}: {:#?}\n  again: {again}", told.wrongs);
    }
}

#[test]
fn r42_r46_r47_google_comes_to_rest_after_any_schedule_of_faults() {
    tell_all(Target::Google);
}

#[test]
fn r42_r46_r47_entra_comes_to_rest_after_any_schedule_of_faults() {
    tell_all(Target::Entra);
}
