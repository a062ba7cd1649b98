//! Many small tenants: the cycle without changes, and what it costs.

use std::time::{Duration, Instant};

use groupcast::config::Config;
use groupcast::plugin::RunLimits;
use groupcast::schedule::{Engine, EngineLimits};
use groupcast::store::service::Trigger;
use groupcast_simulators::Vendor;
use groupcast_tests::{Lab, Target, user};

use crate::service::{Host, configuration, in_step, latencies, names, percentile, resident, tenants, whole};

/// What each tenant's schedule is when a thousand are measured. The jitter spreads them over the period.
const EVERY_FIVE_MINUTES: &str = "cron = \"*/5 * * * *\"\njitter_seconds = 240";

#[tokio::test(flavor = "multi_thread")]
async fn every_cycle_without_changes_is_done_in_time() {
    let count = tenants();
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1, 2]);
    lab.group("Support", Some("support@example.com"), &[3, 4]);
    let file = configuration(
        &lab,
        &names("tenant", count),
        Target::Google,
        whole().then_some(EVERY_FIVE_MINUTES),
    );
    let path = lab.folder.path().join("groupcast.toml");
    std::fs::write(&path, file).unwrap();
    let config = Config::load(&path).unwrap_or_else(|error| panic!("{error}"));
    let at_once = EngineLimits::runs_at_once(RunLimits::default().memory_bytes);
    let limits = EngineLimits::of(at_once, 2);

    let mut host = Host::open(&config.store_path, limits).await;
    let before = resident();
    let begun = Instant::now();
    host.take_up(&config).await;
    let taken_up = begun.elapsed();
    let idle = resident();
    let each = idle.saturating_sub(before) / count as u64;
    eprintln!(
        "{count} tenants taken up in {taken_up:.1?}; an idle tenant holds {each} KiB; {at_once} runs at once"
    );
    assert!(each < 512, "an idle tenant holds {each} KiB");

    let begun = Instant::now();
    host.export_all().await;
    eprintln!("  all exported for the first time in {:.1?}", begun.elapsed());
    host.serve();
    // The feed of events must have shown something once, or its silence would prove nothing.
    lab.jumpcloud(|jumpcloud| jumpcloud.set_user_email(&user(0), Some("user-000000@example.com")));

    // All of them at once: in the first rounds everything is read, then the feed is looked at.
    for round in ["first", "second", "third"] {
        lab.simulators.clear_requests();
        let (quiet, begun) = (resident(), Instant::now());
        for id in host.connections.clone() {
            host.ask(&id, false).await;
        }
        let (mut most, mut running) = (0, 0);
        while host.ended.count() < count {
            most = most.max(resident());
            running = running.max(host.engine.load().running);
            assert!(
                begun.elapsed() < Duration::from_secs(600),
                "{} ended",
                host.ended.count()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let took = begun.elapsed();
        let jobs = host.ended.take();
        in_step(&jobs);
        let all = latencies(&jobs);
        let requests = lab.simulators.requests().len();
        eprintln!(
            "  {round} round: {count} in {took:.1?}, {:.1} a second; {:.1} requests each; waiting and work: median {} ms, \
             p99 {} ms; {running} at work at once held {} KiB each",
            count as f64 / took.as_secs_f64(),
            requests as f64 / count as f64,
            percentile(&all, 50),
            percentile(&all, 99),
            most.saturating_sub(quiet) / running.max(1) as u64,
        );
        // In a period of five minutes every one of a thousand has its turn.
        assert!(
            took < Duration::from_millis(300) * u32::try_from(count).unwrap(),
            "{count} tenants took {took:?}"
        );
    }
    let writes = lab.writes(Vendor::Google);
    assert_eq!(writes, Vec::<String>::new(), "no change writes nothing (R46)");

    if whole() {
        // Two periods and what is left of the first.
        tokio::time::sleep(Duration::from_secs(11 * 60)).await;
        let jobs = host.ended.take();
        in_step(&jobs);
        let mut runs = std::collections::BTreeMap::<String, usize>::new();
        for job in &jobs {
            assert_eq!(job.trigger, Trigger::Schedule);
            *runs.entry(job.connection.to_string()).or_default() += 1;
        }
        let all = latencies(&jobs);
        eprintln!(
            "  by schedule, every five minutes for eleven: {} runs of {} tenants, waiting and work: median {} ms, p99 {} \
             ms, longest {} ms",
            jobs.len(),
            runs.len(),
            percentile(&all, 50),
            percentile(&all, 99),
            percentile(&all, 100),
        );
        assert_eq!(runs.len(), count);
        assert!(runs.values().all(|runs| (1..=3).contains(runs)), "{runs:?}");
        assert!(percentile(&all, 99) < 30_000, "nobody waits for long");
    }
    host.stop().await;
}
