//! Stories by seed. `GROUPCAST_SEEDS=FROM..TO` tells others than the usual ones; `GROUPCAST_SEEDS=N` one, with all
//! that happened in it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use groupcast_simulation::story::{Told, tell};
use groupcast_simulation::truth::Target;

const USUAL: std::ops::Range<u64> = 0..1_500;

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

fn tell_all(target: Target) {
    let seeds = seeds();
    let alone = seeds.end == seeds.start + 1;
    let mut failed = 0;
    for seed in seeds.clone() {
        let Told { wrongs, lines } = tell(seed, target);
        if alone {
            println!("{}", lines.join("\n"));
        }
        if !wrongs.is_empty() {
            failed += 1;
            println!(
                "seed {seed}, {target:?}: {wrongs:#?}\n  again: GROUPCAST_SEEDS={seed} cargo test -p groupcast-simulation --test schedules {}",
                target.name()
            );
            assert!(failed < 5 || alone, "enough seeds have failed");
        }
    }
    println!("{target:?}: {} stories, {failed} failed", seeds.end - seeds.start);
    assert_eq!(failed, 0);
}

#[test]
fn r42_r46_r47_google_comes_to_rest_after_any_schedule_of_faults() {
    tell_all(Target::Google);
}

#[test]
fn r42_r46_r47_entra_comes_to_rest_after_any_schedule_of_faults() {
    tell_all(Target::Entra);
}
