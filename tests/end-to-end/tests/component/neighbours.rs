//! How much whoever shares a process with hostile components notices of them: their syncs without changes should take no
//! more than 1.5 times what they take alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use groupcast::plugin::{PluginEngine, RunLimits, Sandbox};
use groupcast::run::{Groupcast, SyncOutcome};
use groupcast_guest::engine::Extent;
use groupcast_tests::{Lab, Target, hostile};
use tokio_util::sync::CancellationToken;

use super::processes::apart;
use super::services::{Deaf, run};

/// Samples of each block; quiet and loud blocks take turns, so that what else the machine does falls on both.
const BLOCK: usize = 40;
const BLOCKS: usize = 6;
/// A machine that is busy with something else shows in one attempt or another; a host that lets components be in others'
/// way shows in each.
const ATTEMPTS: usize = 6;
/// Tenants whose components mean harm, all at once.
const HOSTILE: usize = 6;
/// What they do, one after the other: everything that a component can do to a machine, and the loudest again and again.
const MISDEEDS: [&str; 36] = [
    "infinite-loop",
    "bulk-fill",
    "spinning-on-poll",
    "loop-that-yields",
    "many-small-allocations",
    "log-flood",
    "tight-host-call-loop",
    "memory-bomb",
    "endless-body",
    "deep-recursion",
    "giant-list",
    "ledger-flood",
    "giant-text",
    "many-handles",
    "many-header-fields",
    "invalid-text",
    "forged-handle",
    "plan-flood",
    "doubly-dropped-handle",
    "handle-of-another-kind",
    "request-flood",
    "open-request-flood",
    "held-bodies",
    "state-flood",
    "trap-everywhere",
    "progress-flood",
    "never-returning",
    "body-that-never-ends",
    "slow-loris",
    "infinite-loop",
    "bulk-fill",
    "spinning-on-poll",
    "loop-that-yields",
    "many-small-allocations",
    "log-flood",
    "memory-bomb",
];

/// Runs hostile components one after the other, until told to stop. Once for each time that it is told to begin, one
/// tenant brings a new component, which is compiled first.
async fn harm(
    engine: Arc<PluginEngine>,
    tenant: usize,
    at_work: Arc<AtomicBool>,
    (ready, ended): (Arc<AtomicU64>, Arc<AtomicU64>),
) {
    let limits = RunLimits {
        memory_bytes: 64 << 20,
        cpu: Duration::from_secs(2),
        wall: Duration::from_secs(60),
        slow_lane: true,
        ..RunLimits::default()
    };
    let load = async |misdeed: &str, mark: usize| {
        let bytes = hostile(misdeed, &[&tenant.to_string(), &mark.to_string()]);
        engine.load(bytes, "hostile.wasm").await.unwrap()
    };
    let mut plugins = Vec::new();
    for misdeed in MISDEEDS.iter().skip(tenant).step_by(HOSTILE) {
        plugins.push(load(misdeed, 0).await);
    }
    ready.fetch_add(1, Ordering::Relaxed);
    let mut next = 0;
    for round in 1.. {
        while !at_work.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // In turn: compiling is bounded for all of them together.
        if round % HOSTILE == tenant {
            load("infinite-loop", round).await;
        }
        while at_work.load(Ordering::Relaxed) {
            let plugin = &plugins[next % plugins.len()];
            let sandbox = Sandbox::new(Arc::clone(&engine), limits.clone());
            let asked = run();
            let stop = CancellationToken::new();
            let planning = sandbox.plan(plugin, Deaf::new(), stop.clone(), &asked);
            // Whoever waits without end makes room for whoever does not.
            let turn = Duration::from_millis(1_500);
            let watching = async {
                let until = Instant::now() + turn;
                while at_work.load(Ordering::Relaxed) && Instant::now() < until {
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
            next += 1;
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
    let (ready, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let tenants: Vec<_> = (0..HOSTILE)
        .map(|tenant| {
            tokio::spawn(harm(
                Arc::clone(&engine),
                tenant,
                Arc::clone(&at_work),
                (Arc::clone(&ready), Arc::clone(&ended)),
            ))
        })
        .collect();

    // What is made at the first use is made before.
    while ready.load(Ordering::Relaxed) < HOSTILE as u64 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
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
