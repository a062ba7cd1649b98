//! Whoever shares a process with hostile components does not notice: their syncs without changes take as long as ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use groupcast::plugin::{PluginEngine, RunLimits, Sandbox};
use groupcast::run::{Groupcast, SyncOutcome};
use groupcast_guest::engine::{Extent, Run, SourceEnd, TargetEnd};
use groupcast_tests::{Lab, Target, component, hostile};
use tokio_util::sync::CancellationToken;

use super::services::Deaf;

/// Samples of each block; quiet and loud blocks take turns, so that what else the machine does falls on both.
const BLOCK: usize = 30;
const BLOCKS: usize = 6;
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

/// Runs its component again and again, compiled anew each time, until told to stop.
async fn harm(
    engine: Arc<PluginEngine>,
    misdeed: &'static str,
    number: usize,
    at_work: Arc<AtomicBool>,
    ended: Arc<AtomicU64>,
) {
    let limits = RunLimits {
        memory_bytes: 64 << 20,
        cpu: Duration::from_secs(2),
        wall: Duration::from_secs(60),
        slow_lane: true,
        ..RunLimits::default()
    };
    for round in 0.. {
        let mark = format!("{number}-{round}");
        while !at_work.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let plugin = engine
            .load(hostile(misdeed, &[&mark]), "hostile.wasm")
            .await
            .unwrap();
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
    let (engine, _) = component();

    let at_work = Arc::new(AtomicBool::new(false));
    let ended = Arc::new(AtomicU64::new(0));
    let tenants: Vec<_> = HOSTILE
        .iter()
        .enumerate()
        .map(|(number, misdeed)| {
            tokio::spawn(harm(
                Arc::clone(&engine),
                misdeed,
                number,
                Arc::clone(&at_work),
                Arc::clone(&ended),
            ))
        })
        .collect();

    let (mut quiet, mut loud) = (Vec::new(), Vec::new());
    // What is made at the first use is made before.
    block(&host, &mut Vec::new()).await;
    for _ in 0..BLOCKS {
        block(&host, &mut quiet).await;
        at_work.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(100)).await;
        block(&host, &mut loud).await;
        at_work.store(false, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for tenant in tenants {
        assert!(!tenant.is_finished(), "a hostile tenant ended by itself");
        tenant.abort();
    }
    let ratio = |share: f64, quiet: &mut [Duration], loud: &mut [Duration]| {
        let (alone, beside) = (percentile(quiet, share), percentile(loud, share));
        println!(
            "p{:.0}: alone {alone:?}, beside hostile components {beside:?}",
            share * 100.0
        );
        beside.as_secs_f64() / alone.as_secs_f64()
    };
    let half = ratio(0.50, &mut quiet, &mut loud);
    let most = ratio(0.99, &mut quiet, &mut loud);
    println!(
        "ratios {half:.2} and {most:.2}; {} hostile runs were ended",
        ended.load(Ordering::Relaxed)
    );
    assert!(ended.load(Ordering::Relaxed) > 0);
    assert!(
        most <= 1.5,
        "p99 beside hostile components is {most:.2} of what it is alone"
    );
}
