//! `replay`: a recorded run once more. Neither store nor vendor is opened.

use std::path::{Path, PathBuf};

use crate::cli::arguments::ReplayArguments;
use crate::cli::documents::ReplayDocument;
use crate::cli::exit::Exit;
use crate::cli::problem::Problem;
use crate::cli::render;
use crate::cli::session::Session;
use crate::recording::{ReadError, Recording, ReplayError};

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        Self::refused(error.to_string())
    }
}

impl From<ReplayError> for Problem {
    fn from(error: ReplayError) -> Self {
        Self::refused(error.to_string())
    }
}

/// The file that is meant. A file's path needs no configuration: a recording can come from elsewhere.
fn file(session: &Session<'_>, named: &str) -> Result<PathBuf, Problem> {
    if Path::new(named).is_file() {
        return Ok(PathBuf::from(named));
    }
    session
        .surroundings
        .recordings(&session.shared.config)?
        .find(named)
        .map_err(Problem::refused)
}

/// Reading megabytes and compiling a component are no work for a thread that timers wait for.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match tokio::runtime::Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// `replay RUN`.
pub async fn replay(session: &mut Session<'_>, arguments: &ReplayArguments) -> Result<Exit, Problem> {
    let path = file(session, &arguments.run)?;
    let recording = blocking(|| Recording::read(&path))?;
    let limits = recording.head.limits.of_replay();
    let plugin = session.shared.plugin.as_deref();
    let (engine, plugin) = blocking(|| session.surroundings.component(plugin, &limits))?;
    let head = recording.head.clone();
    let replayed = crate::recording::replay(&engine, &plugin, recording, &session.cancel).await?;
    let exit = match &replayed.difference {
        None => Exit::Done,
        Some(_) => Exit::Failed,
    };
    if session.shared.json {
        session.document(&ReplayDocument::new(exit, &head, replayed))?;
    } else {
        session.text(&render::replay::replay(&head, &replayed))?;
    }
    Ok(exit)
}
