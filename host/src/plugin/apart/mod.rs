//! Components of others run in a process of their own, one for each run. What such a component does to its processor, its
//! address space or, should it ever find a hole in the sandbox, to its process, it does to itself: that process has low
//! priority and half of the cores, no credentials, no environment, no files but the compiled component, no network, and
//! is the first that the system ends when memory runs out. All that it can do is ask: each call of an import is a message
//! to the host, and [`super::RunServices`] answers it there, behind the same gate and the same permit as any run's.
//!
//! What may not enter: what calls mean. The messages are those that recordings are made of ([`super::journal`]).

mod confine;
mod inside;
mod messages;
mod outside;
mod remote;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, OnceLock};

use bytes::Bytes;

pub(super) use self::confine::make_way;
pub use self::inside::run_here;
pub(super) use self::outside::outside;
use super::engine::PluginEngine;
use super::load::Plugin;
use super::services::RunServices;

/// A program that runs one export of a component that it reads from its standard input.
#[derive(Debug, Clone)]
pub struct RunnerProcess {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// How this program is told to be such a process: the first thing that it looks for.
pub const RUN_ARGUMENTS: [&str; 2] = ["plugin", "run"];

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Says that this process is of a program that takes [`RUN_ARGUMENTS`] and `plugin compile`: from now on, every engine
/// has components of others compiled and run by it in processes of their own.
pub fn starts_itself() {
    if let Some(program) = own_file() {
        PROGRAM.get_or_init(|| program);
    }
}

/// The kernel's link to the program that a process runs.
const OWN_LINK: &str = "/proc/self/exe";

/// The file that this process was started from. By the kernel's link where there is one: a newer version that was put in
/// the file's place meanwhile may have other messages.
fn own_file() -> Option<PathBuf> {
    let link = Path::new(OWN_LINK);
    if cfg!(target_os = "linux") && link.exists() {
        return Some(link.to_path_buf());
    }
    std::env::current_exe().ok()
}

/// The program, if it said so.
pub(super) fn this_program() -> Option<&'static Path> {
    PROGRAM.get().map(PathBuf::as_path)
}

impl RunnerProcess {
    /// A program that takes [`RUN_ARGUMENTS`].
    pub fn of(program: &Path) -> Self {
        Self {
            program: program.to_path_buf(),
            arguments: RUN_ARGUMENTS.iter().map(OsString::from).collect(),
        }
    }
}

impl PluginEngine {
    /// Lets components of others run in processes of their own.
    pub fn run_in(&self, process: RunnerProcess) {
        *self.runner() = Some(process);
    }

    /// The process that a run is to be in, and the component for it; none: it runs here.
    pub(super) fn process_for(
        &self,
        plugin: &Plugin,
        services: &dyn RunServices,
    ) -> Option<(RunnerProcess, Bytes)> {
        // A replay asks nobody for anything, and is made where somebody looks for a fault.
        if services.journal().is_some_and(|journal| journal.replays()) {
            return None;
        }
        let component = plugin.foreign.clone()?;
        let process = self.runner().clone()?;
        is_compiled_for_others().then_some((process, component))
    }
}

/// Whether what was compiled is there for another process; else each would compile its component first.
fn is_compiled_for_others() -> bool {
    static KEPT: LazyLock<bool> = LazyLock::new(|| {
        let kept = super::compiled::is_kept();
        if !kept {
            tracing::warn!(
                "components of others run in this process, since there is no folder for compiled ones that only this user \
                 can write to; set CACHE_DIRECTORY or HOME"
            );
        }
        kept
    });
    *KEPT
}

/// How a program is started for somebody else's component. Of the environment it gets where compiled components are, and
/// nothing else: the rest may hold secrets.
pub(super) fn command(program: &Path, arguments: &[OsString]) -> Command {
    let kept = ["CACHE_DIRECTORY", "XDG_CACHE_HOME", "HOME"]
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(kept);
    #[cfg(unix)]
    if program == Path::new(OWN_LINK) {
        // For whoever looks at a list of processes.
        std::os::unix::process::CommandExt::arg0(&mut command, "groupcast");
    }
    command
}
