//! The engine as the program makes it: components of others are compiled and run in processes of their own.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use groupcast::config::Config;
use groupcast::plugin::{CompilerProcess, Plugin, PluginEngine, RunError, RunLimits, RunnerProcess, Sandbox};
use groupcast::run::{Groupcast, NoObserver};
use groupcast::store::SqliteStore;
use groupcast_tests::{Lab, Target, hostile};
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
    let asked = super::misdeeds::run();
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
