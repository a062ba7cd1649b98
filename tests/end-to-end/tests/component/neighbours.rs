//! How much whoever shares a process with hostile components notices of them: their syncs without changes should take no
//! more than 1.5 times what they take alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use groupcast::plugin::{PluginEngine, RunLimits, Sandbox};
use groupcast::run::{Groupcast, SyncOutcome};
use groupcast_guest::engine::{Extent, Run, SourceEnd, TargetEnd};
use groupcast_tests::{Lab, Target, hostile};
use tokio_util::sync::CancellationToken;

use super::processes::apart;
use super::services::Deaf;

/// Samples of each block; quiet and loud blocks take turns, so that what else the machine does falls on both.
const BLOCK: usize = 40;
const BLOCKS: usize = 6;
/// A machine that is busy with something else shows in one attempt or another; a host that lets components be in others'
/// way shows in each.
const ATTEMPTS: usize = 3;
/// Tenants whose components mean harm.
const HOSTILE: [&str; 6] = [
    "infinite-loop",
    "bulk-fill",
    "spinning-on-poll",
    "loop-that-yields",
    "many-small-allocations",
    "log-flood",
];

fn run() -> Run {
    Run {
        id: "hostile".to_owned(),
        source: SourceEnd {
            vendor: "jumpcloud".to_owned(),
            base_url: "https://127.0.0.1:1".to_owned(),
            events_base_url: None,
            directory: "d".to_owned(),
        },
        target: TargetEnd {
            vendor: "google".to_owned(),
            base_url: "https://127.0.0.1:1".to_owned(),
        },
        settings: "{}".to_owned(),
        seed: 1,
        read: Extent::Whole,
    }
}

/// Runs its component again and again, until told to stop. Once for each time that it is told to begin, it brings a new
/// one, which is compiled first.
async fn harm(
    engine: Arc<PluginEngine>,
    misdeed: &'static str,
    number: usize,
    at_work: Arc<AtomicBool>,
    (loaded, ended): (Arc<AtomicU64>, Arc<AtomicU64>),
) {
    let limits = RunLimits {
        memory_bytes: 64 << 20,
        cpu: Duration::from_secs(2),
        wall: Duration::from_secs(60),
        slow_lane: true,
        ..RunLimits::default()
    };
    for round in 0u32.. {
        while !at_work.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // One tenant in turn: compiling is bounded for all of them together.
        let mark = if round as usize % HOSTILE.len() == number {
            round
        } else {
            0
        };
        let bytes = hostile(misdeed, &[&number.to_string(), &mark.to_string()]);
        let plugin = engine.load(bytes, "hostile.wasm").await.unwrap();
        loaded.fetch_add(1, Ordering::Relaxed);
        while at_work.load(Ordering::Relaxed) {
            let sandbox = Sandbox::new(Arc::clone(&engine), limits.clone());
            let asked = run();
            let stop = CancellationToken::new();
            let planning = sandbox.plan(&plugin, Deaf::new(), stop.clone(), &asked);
            let watching = async {
                while at_work.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                stop.cancel();
                // The run ends by that.
                std::future::pending::<()>().await;
            };
            tokio::select! {
                _ended = planning => {}
                () = watching => {}
            }
            ended.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn block(host: &Groupcast, samples: &mut Vec<Duration>) {
    for _ in 0..BLOCK {
        let started = Instant::now();
        let ended = host
            .sync(
                &Target::Google.connection(),
                Extent::Changes,
                &CancellationToken::new(),
            )
            .await
            .unwrap_or_else(|failure| panic!("{failure}"));
        samples.push(started.elapsed());
        assert!(matches!(ended, SyncOutcome::Nothing(_)), "{ended:?}");
    }
}

fn percentile(samples: &mut [Duration], share: f64) -> Duration {
    samples.sort_unstable();
    let at = (samples.len() as f64 * share).ceil() as usize;
    samples[at.clamp(1, samples.len()) - 1]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbours_syncs_are_as_quick_beside_hostile_components_as_alone() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1, 2, 3]);
    lab.group("Engineering", Some("engineering@example.com"), &[4, 5, 6]);
    lab.plan_and_apply(Target::Google).await;
    let host = lab.groupcast().await;
    let (engine, _) = apart();

    let at_work = Arc::new(AtomicBool::new(false));
    let (loaded, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let tenants: Vec<_> = HOSTILE
        .iter()
        .enumerate()
        .map(|(number, misdeed)| {
            tokio::spawn(harm(
                Arc::clone(&engine),
                misdeed,
                number,
                Arc::clone(&at_work),
                (Arc::clone(&loaded), Arc::clone(&ended)),
            ))
        })
        .collect();

    // What is made at the first use is made before.
    at_work.store(true, Ordering::Relaxed);
    while loaded.load(Ordering::Relaxed) < HOSTILE.len() as u64 {
        block(&host, &mut Vec::new()).await;
    }
    at_work.store(false, Ordering::Relaxed);
    block(&host, &mut Vec::new()).await;
    let mut ratios = Vec::new();
    for _ in 0..ATTEMPTS {
        let (mut quiet, mut loud) = (Vec::new(), Vec::new());
        for _ in 0..BLOCKS {
            block(&host, &mut quiet).await;
            at_work.store(true, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
            block(&host, &mut loud).await;
            at_work.store(false, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for share in [0.5, 0.9, 0.99] {
            let (alone, beside) = (percentile(&mut quiet, share), percentile(&mut loud, share));
            let ratio = beside.as_secs_f64() / alone.as_secs_f64();
            println!(
                "p{:.0}: alone {alone:?}, beside hostile components {beside:?}, ratio {ratio:.2}",
                share * 100.0
            );
            if share > 0.95 {
                ratios.push(ratio);
            }
        }
        if ratios.last().is_some_and(|ratio| *ratio <= 1.5) {
            break;
        }
    }
    println!("{} hostile runs were ended", ended.load(Ordering::Relaxed));
    assert!(ended.load(Ordering::Relaxed) > 0);
    for tenant in tenants {
        assert!(!tenant.is_finished(), "a hostile tenant ended by itself");
        tenant.abort();
    }
    assert!(
        ratios.last().is_some_and(|ratio| *ratio <= 1.5),
        "p99 beside hostile components, as parts of what it is alone: {ratios:?}"
    );
}
