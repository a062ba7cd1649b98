//! Compiling, bounded: what a component costs is judged before; one is compiled at a time, on threads of low priority;
//! where this program can start itself, in a process of its own that may use so much time and no more. What was compiled
//! is kept in memory for the next run, and by [`super::compiled`] for the next process. Compiled code is only ever this
//! user's own: nobody hands any in.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::computing::lower_priority;
use super::engine::PluginEngine;
use super::error::PluginError;
use super::load::{EMBEDDED, Plugin};

/// Components that are kept ready, the least used last.
const KEPT: usize = 32;
/// How often it is looked whether the other process has ended.
const LOOK: Duration = Duration::from_millis(10);
/// Seconds of a processor that compiling one component may take in a process of its own.
pub const COMPILE_SECONDS: u64 = 120;

/// A program that compiles a component that it reads from its standard input, and leaves the result in the cache.
#[derive(Debug, Clone)]
pub struct CompilerProcess {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// How long it may run.
    pub longest: Duration,
}

/// The pool that compiles.
pub(super) struct Compiler {
    places: Semaphore,
    threads: Option<rayon::ThreadPool>,
    ready: Mutex<VecDeque<Arc<Plugin>>>,
    process: Mutex<Option<CompilerProcess>>,
}

impl Compiler {
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads((cores / 2).max(1))
            .thread_name(|number| format!("groupcast-compile-{number}"))
            .start_handler(|_| lower_priority())
            .build();
        Self {
            places: Semaphore::new(1),
            threads: threads.ok(),
            ready: Mutex::default(),
            process: Mutex::default(),
        }
    }

    fn ready(&self, digest: &str) -> Option<Arc<Plugin>> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let at = ready.iter().position(|plugin| plugin.digest == digest)?;
        let plugin = ready.remove(at)?;
        ready.push_front(Arc::clone(&plugin));
        Some(plugin)
    }

    fn keep(&self, plugin: &Arc<Plugin>) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.push_front(Arc::clone(plugin));
        ready.truncate(KEPT);
    }
}

impl PluginEngine {
    /// Lets components of others be compiled by a process of their own, whose time is bounded.
    pub fn compile_in(&self, process: CompilerProcess) {
        *self
            .compiler()
            .process
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(process);
    }

    /// A component, compiled now or before. Waits while another one is compiled.
    ///
    /// # Errors
    /// [`PluginError`] says what is wrong with it.
    pub async fn load(self: &Arc<Self>, bytes: Vec<u8>, origin: &str) -> Result<Arc<Plugin>, PluginError> {
        let digest = hex::encode(Sha256::digest(&bytes));
        let compiler = self.compiler();
        if let Some(plugin) = compiler.ready(&digest) {
            return Ok(plugin);
        }
        let _place = compiler.places.acquire().await;
        // Somebody else may have waited for the same one.
        if let Some(plugin) = compiler.ready(&digest) {
            return Ok(plugin);
        }
        let process = compiler
            .process
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let bytes = match process {
            Some(process) if bytes != EMBEDDED && super::compiled::is_kept() => {
                // Too large or no component at all: that needs no compiler to be found out.
                super::load::require_sound(&bytes, origin)?;
                process.compile(bytes, origin).await?
            }
            _ => bytes,
        };
        let (engine, origin) = (Arc::clone(self), origin.to_owned());
        let plugin = tokio::task::spawn_blocking(move || {
            let compile = || Plugin::from_bytes(&engine, &bytes, &origin);
            match &engine.compiler().threads {
                Some(threads) => threads.install(compile),
                None => compile(),
            }
        })
        .await
        .map_err(|error| PluginError::Engine(error.to_string()))??;
        let plugin = Arc::new(plugin);
        compiler.keep(&plugin);
        Ok(plugin)
    }
}

impl CompilerProcess {
    /// A program that takes `plugin compile`, for runs that may have so much memory.
    pub fn of(program: &Path, memory_bytes: usize) -> Self {
        Self {
            program: program.to_path_buf(),
            arguments: ["plugin", "compile", "--memory-bytes"]
                .into_iter()
                .map(OsString::from)
                .chain([OsString::from(memory_bytes.to_string())])
                .collect(),
            longest: Duration::from_secs(COMPILE_SECONDS * 2),
        }
    }

    async fn compile(self, bytes: Vec<u8>, origin: &str) -> Result<Vec<u8>, PluginError> {
        let origin = origin.to_owned();
        tokio::task::spawn_blocking(move || self.compile_blocking(&bytes, &origin).map(|()| bytes))
            .await
            .map_err(|error| PluginError::Engine(error.to_string()))?
    }

    /// Compiles in the process, so that the result is in the cache. What is wrong with the component itself is said
    /// better by whoever compiles it then.
    fn compile_blocking(&self, bytes: &[u8], origin: &str) -> Result<(), PluginError> {
        let costly = |how: String| PluginError::TooCostly {
            path: origin.to_owned(),
            reason: how,
        };
        let started = super::apart::command(&self.program, &self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) => {
                tracing::warn!(%error, "a component is compiled in this process, since no other could be started");
                return Ok(());
            }
        };
        let began = Instant::now();
        std::thread::scope(|scope| {
            if let Some(mut input) = child.stdin.take() {
                // A process that ended early says more by its end than by the pipe that it left.
                scope.spawn(move || input.write_all(bytes));
            }
            loop {
                match child.try_wait() {
                    Ok(Some(ended)) if was_stopped(ended) => {
                        return Err(costly("the compiler used up what it may".to_owned()));
                    }
                    Ok(Some(_)) => return Ok(()),
                    Ok(None) if began.elapsed() < self.longest => std::thread::sleep(LOOK),
                    Ok(None) => {
                        let _killed = child.kill();
                        let _ended = child.wait();
                        return Err(costly(format!("compiling it took more than {:?}", self.longest)));
                    }
                    Err(error) => return Err(PluginError::Engine(error.to_string())),
                }
            }
        })
    }
}

/// Whether the system ended a process: for its time, its memory, or a crash of the compiler.
fn was_stopped(ended: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    ended.signal().is_some()
}

/// The other side: bounds this process, compiles what comes from the standard input, and leaves it in the cache.
///
/// # Errors
/// [`PluginError`].
pub fn compile_here(engine: impl FnOnce() -> Result<PluginEngine, PluginError>) -> Result<(), PluginError> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    use std::io::Read as _;

    let unbounded = |error: rustix::io::Errno| {
        PluginError::Engine(format!("the compiler's time cannot be bounded: {error}"))
    };
    super::apart::make_way();
    setrlimit(
        Resource::Cpu,
        Rlimit {
            current: Some(COMPILE_SECONDS),
            maximum: Some(COMPILE_SECONDS),
        },
    )
    .map_err(unbounded)?;
    // A crash of the compiler must not leave a component's memory behind.
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )
    .map_err(unbounded)?;
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(super::LARGEST_PLUGIN + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| PluginError::Engine(error.to_string()))?;
    Plugin::from_bytes(&engine()?, &bytes, "standard input").map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::RunLimits;

    fn shell(script: &str) -> CompilerProcess {
        CompilerProcess {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            longest: Duration::from_millis(500),
        }
    }

    #[tokio::test]
    async fn a_compiler_that_takes_too_long_is_ended() {
        let started = std::time::Instant::now();
        let refused = shell("cat > /dev/null; exec sleep 60")
            .compile(vec![0; 100_000], "bomb.wasm")
            .await;
        assert!(
            matches!(&refused, Err(PluginError::TooCostly { path, .. }) if path == "bomb.wasm"),
            "{refused:?}"
        );
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[tokio::test]
    async fn a_compiler_that_the_system_ends_is_the_components_fault_and_one_that_fails_is_not() {
        let refused = shell("kill -XCPU $$").compile(Vec::new(), "bomb.wasm").await;
        assert!(
            matches!(refused, Err(PluginError::TooCostly { .. })),
            "{refused:?}"
        );
        assert!(shell("exit 3").compile(Vec::new(), "broken.wasm").await.is_ok());
    }

    #[tokio::test]
    async fn what_was_compiled_is_kept_ready() {
        let engine = Arc::new(PluginEngine::new(1, &RunLimits::default()).unwrap());
        let first = engine.load(EMBEDDED.to_vec(), "first").await.unwrap();
        let again = engine.load(EMBEDDED.to_vec(), "again").await.unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert!(first.is_built_in());
    }
}
