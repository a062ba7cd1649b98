//! The command line: grammar and help ([`arguments`]), what each command does (`commands`), how results look as text
//! ([`render`]) and as JSON ([`documents`]), progress, the log, exit codes ([`exit`]). What may not enter: anything
//! that a console or an API would need too; that is the host's, behind [`operations::Operations`].

pub mod arguments;
mod commands;
pub mod documents;
pub mod exit;
mod facade;
mod front;
pub mod host;
mod logging;
pub mod operations;
pub mod problem;
pub mod progress;
mod prompt;
pub mod render;
mod serve;
pub mod serving;
mod session;
pub mod surroundings;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use tokio_util::sync::CancellationToken;

use self::arguments::{Command, CommandLine};
use self::documents::{ErrorDocument, ErrorEntry};
use self::exit::Exit;
use self::problem::Problem;
use self::progress::{Manner, Progress};
use self::render::failure::failure;
use self::session::Session;
use self::surroundings::Surroundings;
use crate::config::Config;

/// The program.
pub fn main() -> ExitCode {
    // Before there is any other thread: what this process gives up then holds for all of it.
    if std::env::args_os().skip(1).eq(crate::plugin::RUN_ARGUMENTS) {
        return match crate::plugin::run_here() {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => {
                eprintln!("{reason}");
                Exit::Failed.into()
            }
        };
    }
    crate::plugin::starts_itself();
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(error) => {
            let refused = error.use_stderr();
            // A closed stream cannot be told that it is closed.
            let _ = error.print();
            return if refused {
                Exit::Refused.into()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let serving = matches!(command_line.command, Command::Serve | Command::Simulators(_));
    let manner = Manner::fitting(command_line.shared.quiet, serving);
    let progress = Arc::new(Progress::new(manner, command_line.shared.verbose));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            progress.print(&failure(&Problem::failed(format!(
                "the program could not start: {error}"
            ))));
            return Exit::Failed.into();
        }
    };
    let cancel = CancellationToken::new();
    let exit = runtime.block_on(async {
        let serves = matches!(command_line.command, Command::Serve);
        let config = config_of_log(&command_line);
        let logging = logging::start(
            &command_line.shared,
            serves,
            config.as_ref(),
            Arc::clone(&progress),
        )
        .await;
        tokio::spawn(listen_for_signals(cancel.clone(), serves, Arc::clone(&progress)));
        let exit = run(
            &command_line,
            &host::Host::default(),
            cancel,
            progress,
            &mut anstream::stdout(),
            &mut anstream::stderr(),
        )
        .await;
        logging.stop().await;
        exit
    });
    // Blocking reads (a prompt, a name lookup) must not keep the process alive.
    runtime.shutdown_background();
    exit.into()
}

/// What the log and the traces of a command that runs something are configured by. What is wrong with the file, the
/// command itself says.
fn config_of_log(command_line: &CommandLine) -> Option<Config> {
    let runs = matches!(
        command_line.command,
        Command::Serve | Command::Check | Command::Plan | Command::Apply(_) | Command::Sync(_)
    );
    runs.then(|| Config::load(&command_line.shared.config).ok())
        .flatten()
}

/// Does what a command line says, over given surroundings and streams.
pub async fn run(
    command_line: &CommandLine,
    surroundings: &dyn Surroundings,
    cancel: CancellationToken,
    progress: Arc<Progress>,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> Exit {
    let mut session = Session {
        shared: &command_line.shared,
        surroundings,
        cancel,
        progress,
        out,
        errors,
    };
    let done = commands::execute(&mut session, &command_line.command).await;
    match done.and_then(|exit| Ok(session.out.flush().map(|()| exit)?)) {
        Ok(exit) => {
            session.progress.clear();
            exit
        }
        // Whoever reads has seen enough (`groupcast plan | head`).
        Err(problem) if problem.message == problem::NOBODY_READS => Exit::Done,
        Err(problem) => {
            report(&mut session, &problem);
            problem.exit
        }
    }
}

fn report(session: &mut Session<'_>, problem: &Problem) {
    // Where neither stream takes it, the exit code still says it.
    let _ = if session.shared.json {
        session.document(&ErrorDocument {
            format: "groupcast/error/1",
            exit: problem.exit.code(),
            error: ErrorEntry::from(problem),
        })
    } else {
        session.failure(problem)
    };
}

/// The first signal asks runs to stop before their next write; the second ends the process.
async fn listen_for_signals(cancel: CancellationToken, serves: bool, progress: Arc<Progress>) {
    signal().await;
    cancel.cancel();
    if serves {
        tracing::info!("Stopping before the next write; once more to end at once");
    } else {
        progress.print("Stopping before the next write; once more to end at once.\n");
    }
    signal().await;
    // 130: what shells report for a process that was interrupted.
    std::process::exit(130);
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

#[cfg(not(unix))]
async fn signal() {
    let _ = tokio::signal::ctrl_c().await;
}
