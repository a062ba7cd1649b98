//! The commands: each asks the host, prints, and says how the process ends. What may not enter: how things look
//! (`render`), what JSON looks like (`documents`), what the host does.

mod answers;
mod apply;
mod health;
mod inspect;
mod look;
mod plugins;
mod replay;
mod secrets;
mod store;
mod tokens;

use super::arguments::{Command, PluginCommand};
use super::exit::Exit;
use super::problem::Problem;
use super::render::plan::Totals;
use super::session::Session;

pub use store::StorePlace;

/// How a command ends that made a plan and applied nothing. What could not be read whole is no "nothing to do": whoever
/// watches the exit code must hear of a vendor that is down.
fn exit_of_plan(totals: &Totals) -> Exit {
    if totals.frozen > 0 {
        Exit::Failed
    } else if totals.is_pending() {
        Exit::Pending
    } else {
        Exit::Done
    }
}

pub use plugins::pulled;

/// Does what the command line says.
pub async fn execute(session: &mut Session<'_>, command: &Command) -> Result<Exit, Problem> {
    match command {
        Command::Check => look::check(session).await,
        Command::Plan => look::plan(session).await,
        Command::Why(arguments) => look::why(session, arguments).await,
        Command::Runs(arguments) => look::runs(session, arguments).await,
        Command::Replay(arguments) => replay::replay(session, arguments).await,
        Command::Apply(arguments) => apply::apply(session, arguments).await,
        Command::Sync(arguments) => apply::sync(session, arguments).await,
        Command::Undo(arguments) => apply::undo(session, arguments).await,
        Command::Secrets(arguments) => secrets::secrets(session, &arguments.command).await,
        Command::Store(arguments) => store::store(session, &arguments.command).await,
        Command::Token(arguments) => tokens::tokens(session, &arguments.command).await,
        Command::Openapi => {
            session.text(&crate::api::openapi_text())?;
            Ok(Exit::Done)
        }
        Command::Plugin(arguments) => match &arguments.command {
            PluginCommand::Inspect { file } => inspect::inspect(session, file).await,
            PluginCommand::Add { file } => plugins::add(session, file).await,
            PluginCommand::Pull { reference } => plugins::pull(session, reference).await,
            PluginCommand::List => plugins::list(session),
            PluginCommand::Remove { digest } => plugins::remove(session, digest),
            PluginCommand::Grant {
                digest,
                tenant,
                reads,
            } => plugins::grant(session, digest, tenant.as_deref(), *reads).await,
            PluginCommand::Revoke { digest, tenant } => {
                plugins::revoke(session, digest, tenant.as_deref()).await
            }
            PluginCommand::Compile { memory_bytes } => plugins::compile(*memory_bytes),
        },
        Command::Schema => {
            let schema = session.surroundings.schema()?;
            session.text(&format!("{}\n", schema.trim_end()))?;
            Ok(Exit::Done)
        }
        Command::Health(arguments) => health::health(session, arguments).await,
        Command::Serve => {
            session
                .surroundings
                .serve(session.opening(), &session.cancel)
                .await
        }
        Command::Sandbox(arguments) if session.shared.json && !arguments.console => Err(Problem::refused(
            "the sandbox tells a story, which has no JSON form; for programs, `groupcast simulators --json` serves the \
             same simulated vendors",
        )),
        Command::Sandbox(_) if session.shared.record => Err(Problem::refused(
            "the sandbox tells its story without recordings; while it is up, record a run of your own: \
             `groupcast plan --record` with the configuration that it names",
        )),
        Command::Sandbox(arguments) => {
            let observer = session.progress.clone();
            session
                .surroundings
                .sandbox(arguments, session.shared.json, observer, &session.cancel)
                .await
        }
        Command::Simulators(arguments) => {
            session
                .surroundings
                .simulators(arguments, session.shared.json, &session.cancel)
                .await
        }
    }
}
