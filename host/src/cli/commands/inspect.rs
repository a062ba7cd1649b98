//! `plugin inspect`: a component from outside; asked for its description only where it asks for nothing foreign.

use std::path::Path;
use std::sync::Arc;

use crate::cli::documents::PluginDocument;
use crate::cli::exit::Exit;
use crate::cli::problem::Problem;
use crate::cli::render;
use crate::cli::session::Session;
use crate::plugin::{Blame, Manifest, Plugin, PluginEngine, PluginError, RunError, RunLimits, Sandbox};

/// `plugin inspect FILE`.
pub async fn inspect(session: &mut Session<'_>, file: &Path) -> Result<Exit, Problem> {
    let bytes = crate::plugin::read_file(file)?;
    shown(session, &bytes, &file.display().to_string()).await
}

/// Shows a component from outside, and what it says of itself.
pub async fn shown(session: &mut Session<'_>, bytes: &[u8], origin: &str) -> Result<Exit, Problem> {
    let origin = origin.to_owned();
    let limits = RunLimits::default();
    let engine = Arc::new(PluginEngine::new(1, &limits)?);
    let outside = crate::plugin::inspect(&engine, bytes, &origin)?;
    let described = describe(Arc::clone(&engine), limits, bytes, &origin).await;
    let (manifest, problem) = match described {
        Ok(manifest) => (Some(manifest), None),
        Err(problem) => (None, Some(problem)),
    };
    if session.shared.json {
        session.document(&PluginDocument::new(
            origin,
            &outside,
            manifest.as_ref(),
            problem.as_ref(),
        ))?;
    } else {
        session.text(&render::plugin::plugin(&origin, &outside, manifest.as_ref()))?;
        if let Some(problem) = &problem {
            session.failure(problem)?;
        }
    }
    Ok(problem.map_or(Exit::Done, |problem| problem.exit))
}

/// What a component says of itself.
pub async fn describe(
    engine: Arc<PluginEngine>,
    limits: RunLimits,
    bytes: &[u8],
    origin: &str,
) -> Result<Manifest, Problem> {
    let plugin = Plugin::from_bytes(&engine, bytes, origin)?;
    let sandbox = Sandbox::new(engine, limits);
    sandbox
        .describe(&plugin)
        .await
        .map_err(|error| from_run(&error).at(origin))
}

fn from_run(error: &RunError) -> Problem {
    match error.blame() {
        Blame::Guest => Problem::refused(error.to_string()),
        Blame::Host => Problem::failed(error.to_string()),
    }
}

impl From<PluginError> for Problem {
    fn from(error: PluginError) -> Self {
        match error {
            PluginError::Engine(_) => Self::failed(error.to_string()),
            _ => Self::refused(error.to_string()),
        }
    }
}
