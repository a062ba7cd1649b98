//! The engine as the program makes it: components of others are compiled and run in processes of their own.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use groupcast::config::Config;
use groupcast::plugin::{
    CompilerProcess, EMBEDDED, Plugin, PluginEngine, RunError, RunLimits, RunnerProcess, Sandbox,
};
use groupcast::recording::Recording;
use groupcast::run::{Groupcast, NoObserver, Selection, SyncOutcome};
use groupcast::store::SqliteStore;
use groupcast_guest::engine::Extent;
use groupcast_tests::{BOTH, Lab, Target, hostile, people, user};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::services::Deaf;

/// The engine and the built-in component, once a process.
pub fn apart() -> (Arc<PluginEngine>, Arc<Plugin>) {
    static COMPONENT: OnceLock<(Arc<PluginEngine>, Arc<Plugin>)> = OnceLock::new();
    let (engine, plugin) = COMPONENT.get_or_init(|| {
        let limits = RunLimits::default();
        let program = Path::new(env!("CARGO_BIN_EXE_groupcast-under-test"));
        let engine = PluginEngine::new(16, &limits).unwrap();
        engine.compile_in(CompilerProcess::of(program, limits.memory_bytes));
        engine.run_in(RunnerProcess::of(program));
        let plugin = Plugin::embedded(&engine).unwrap();
        (Arc::new(engine), Arc::new(plugin))
    });
    (Arc::clone(engine), Arc::clone(plugin))
}

/// Processes of runs that this process has started.
fn running() -> Vec<u32> {
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let name = entry.unwrap().file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let parent = field(number, "PPid:");
        let command = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        if parent.as_deref() == Some(own.as_str()) && command.ends_with(b"\0plugin\0run\0") {
            found.push(number);
        }
    }
    found
}

fn field(process: u32, name: &str) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// So many cores as a list such as `0-3,6` names.
fn cores(list: &str) -> usize {
    let number = |digits: &str| digits.parse::<usize>().unwrap();
    list.split(',')
        .map(|range| match range.split_once('-') {
            Some((first, last)) => number(last) - number(first) + 1,
            None => 1,
        })
        .sum()
}

/// The scheduling policy of each thread, as its number: 5 is `SCHED_IDLE`.
fn policies(process: u32) -> Vec<String> {
    std::fs::read_dir(format!("/proc/{process}/task"))
        .unwrap()
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok())
        .map(|stat| {
            let (_, after_name) = stat.rsplit_once(')').unwrap();
            after_name.split_whitespace().nth(38).unwrap().to_owned()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_of_a_run_has_given_up_what_it_can_and_is_gone_with_the_run() {
    let (engine, _) = apart();
    let plugin = engine
        .load(hostile("infinite-loop", &[]), "hostile.wasm")
        .await
        .unwrap();
    let limits = RunLimits {
        slow_lane: true,
        cpu: Duration::from_secs(60),
        ..RunLimits::default()
    };
    let stop = CancellationToken::new();
    let sandbox = Sandbox::new(Arc::clone(&engine), limits);
    let asked = super::services::run();
    let planning = sandbox.plan(&plugin, Deaf::new(), stop.clone(), &asked);
    let looking = async {
        // It computes once it has used some time of a processor.
        let process = loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if let [process] = running()[..]
                && policies(process).len() > 2
            {
                break process;
            }
        };
        tokio::time::sleep(Duration::from_millis(300)).await;
        let policies = policies(process);
        assert!(policies.iter().all(|policy| policy == "5"), "{policies:?}");
        let (own, its) = (std::process::id(), process);
        let allowed = |process| cores(&field(process, "Cpus_allowed_list:").unwrap());
        assert_eq!(allowed(its), (allowed(own) / 2).max(1));
        assert_eq!(field(its, "NoNewPrivs:").as_deref(), Some("1"));
        let read = |name: &str| std::fs::read_to_string(format!("/proc/{its}/{name}")).unwrap();
        assert_eq!(read("oom_score_adj").trim(), "1000");
        let environment = read("environ");
        for variable in environment.split('\0').filter(|variable| !variable.is_empty()) {
            let (name, _) = variable.split_once('=').unwrap();
            assert!(
                ["HOME", "XDG_CACHE_HOME", "CACHE_DIRECTORY"].contains(&name),
                "{name}"
            );
        }
        // Pipes and what the engine makes for itself: no file of the host's, no socket.
        for descriptor in std::fs::read_dir(format!("/proc/{its}/fd")).unwrap() {
            let Ok(target) = std::fs::read_link(descriptor.unwrap().path()) else {
                continue;
            };
            let target = target.to_string_lossy();
            let harmless = ["pipe:", "anon_inode:", "/memfd:", "/dev/null"];
            assert!(harmless.iter().any(|kind| target.starts_with(kind)), "{target}");
        }
        stop.cancel();
        process
    };
    let (ended, process) = tokio::join!(planning, looking);
    assert!(matches!(ended, Err(RunError::Cancelled)), "{ended:?}");
    let until = Instant::now() + Duration::from_secs(5);
    while running().contains(&process)
        && field(process, "State:").is_some_and(|state| !state.starts_with('Z'))
    {
        assert!(Instant::now() < until, "the process is still there");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The built-in component is this program's own, and needs no wall more.
#[tokio::test(flavor = "multi_thread")]
async fn the_built_in_component_runs_in_the_hosts_process() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    let config = Config::load(&lab.config_file()).unwrap();
    let setups = groupcast::run::connections(&config).await.unwrap();
    let store = Arc::new(SqliteStore::open(&config.store_path).await.unwrap());
    let (engine, built_in) = apart();
    let host = Groupcast::with_plugin(setups, store, engine, built_in, Arc::new(NoObserver));
    let (connection, stop) = (Target::Google.connection(), CancellationToken::new());
    let planning = host.plan(&connection, &stop);
    let looking = async {
        let mut most = 0;
        for _ in 0..100 {
            most = most.max(running().len());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        most
    };
    let (planned, most) = tokio::join!(planning, looking);
    planned.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(most, 0);
}

/// The built-in component as somebody else's: another digest, the same behaviour.
fn somebody_elses() -> Vec<u8> {
    let mut bytes = EMBEDDED.to_vec();
    // A custom section that nobody reads.
    bytes.extend([0, 3, 1, b'x', 0]);
    bytes
}

/// How many processes of runs were there at once, at the most, until this is stopped.
fn watch(stop: CancellationToken) -> JoinHandle<usize> {
    tokio::spawn(async move {
        let mut most = 0;
        while !stop.is_cancelled() {
            most = most.max(running().len());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        most
    })
}

/// What a sync asks of the host, all of it, past both ends of the pipes; and the recording of it is as good as any.
#[tokio::test(flavor = "multi_thread")]
async fn a_whole_sync_is_done_in_processes_of_their_own_and_its_recording_is_replayed_in_this_one() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        let id = lab.group("Sales", Some("sales@example.com"), &[0, 1]);
        let config = Config::load(&lab.config_file()).unwrap();
        let (engine, _) = apart();
        let plugin = engine.load(somebody_elses(), "somebody.wasm").await.unwrap();
        assert!(!plugin.is_built_in());
        let setups = groupcast::run::connections(&config).await.unwrap();
        let store = Arc::new(SqliteStore::open(&config.store_path).await.unwrap());
        let host = Groupcast::with_plugin(
            setups,
            store,
            Arc::clone(&engine),
            Arc::clone(&plugin),
            Arc::new(NoObserver),
        )
        .recording(config.recordings.clone());
        let (connection, cancel, stop) = (
            target.connection(),
            CancellationToken::new(),
            CancellationToken::new(),
        );
        let watched = watch(stop.clone());
        let mut runs = Vec::new();
        for there in [&[0, 1][..], &[0, 1, 2]] {
            if there.len() == 3 {
                lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(2)));
            }
            let planned = host
                .plan(&connection, &cancel)
                .await
                .unwrap_or_else(|failure| panic!("{target:?}: {failure}"));
            let applied = host
                .apply(&connection, &planned.plan.hash, Selection::default(), &cancel)
                .await
                .unwrap_or_else(|failure| panic!("{target:?}: {failure}"));
            assert_eq!(
                lab.people(target, "Sales", "sales@example.com"),
                people(there),
                "{target:?}"
            );
            runs.extend([planned.run, applied.run]);
        }
        let at_rest = host.sync(&connection, Extent::Changes, &cancel).await;
        assert!(
            matches!(at_rest, Ok(SyncOutcome::Nothing(_))),
            "{target:?}: {at_rest:?}"
        );
        stop.cancel();
        assert_eq!(watched.await.unwrap(), 1, "{target:?}");

        for run in runs {
            let place = config.recordings.path(&run).unwrap();
            let recording = Recording::read(&place).unwrap_or_else(|error| panic!("{error}"));
            let replayed = groupcast::recording::replay(&engine, &plugin, recording, &cancel)
                .await
                .unwrap_or_else(|error| panic!("{target:?}: {error}"));
            assert_eq!(replayed.difference, None, "{target:?}");
            assert!(replayed.calls > 20, "{target:?}: {}", replayed.calls);
        }
    }
}

/// What the process costs is measured and printed; that there is none where none is needed is asserted.
#[tokio::test(flavor = "multi_thread")]
async fn only_components_of_others_cost_a_process() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    lab.plan_and_apply(Target::Google).await;
    let config = Config::load(&lab.config_file()).unwrap();
    let (engine, built_in) = apart();
    let foreign = engine.load(somebody_elses(), "somebody.wasm").await.unwrap();
    let mut processes = Vec::new();
    for plugin in [built_in, foreign] {
        let setups = groupcast::run::connections(&config).await.unwrap();
        let store = Arc::new(SqliteStore::open(&config.store_path).await.unwrap());
        let host = Groupcast::with_plugin(setups, store, Arc::clone(&engine), plugin, Arc::new(NoObserver));
        let mut took = Vec::new();
        let (mut largest, mut memory) = (0, 0);
        for _ in 0..12 {
            let begun = Instant::now();
            let (connection, cancel) = (Target::Google.connection(), CancellationToken::new());
            let syncing = host.sync(&connection, Extent::Changes, &cancel);
            tokio::pin!(syncing);
            let ended = loop {
                tokio::select! {
                    ended = &mut syncing => break ended,
                    () = tokio::time::sleep(Duration::from_millis(1)) => {
                        for process in running() {
                            let kib = |name: &str| {
                                let told = field(process, name)?;
                                told.split_whitespace().next()?.parse::<u64>().ok()
                            };
                            largest = largest.max(kib("VmHWM:").unwrap_or_default());
                            memory = memory.max(kib("RssAnon:").unwrap_or_default());
                        }
                    }
                }
            };
            assert!(matches!(ended, Ok(SyncOutcome::Nothing(_))), "{ended:?}");
            took.push(begun.elapsed());
        }
        took.sort_unstable();
        println!(
            "a sync without changes: median {:?}; the process at most {largest} KiB, {memory} KiB of it its own",
            took[took.len() / 2]
        );
        processes.push(largest);
    }
    assert_eq!(processes[0], 0, "the built-in component has no process");
    assert!(processes[1] > 0, "the other one has");
}
