//! `replay`: a recorded run once more. Neither store nor vendor is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::arguments::ReplayArguments;
use crate::cli::documents::{AgainstDocument, RedactedDocument, ReplayDocument};
use crate::cli::exit::Exit;
use crate::cli::problem::Problem;
use crate::cli::render;
use crate::cli::session::Session;
use crate::plugin::{Plugin, PluginEngine};
use crate::recording::{ReadError, Recording, RedactError, ReplayError};

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

impl From<RedactError> for Problem {
    fn from(error: RedactError) -> Self {
        match error {
            RedactError::Write(_) | RedactError::Shape(_) => Self::failed(error.to_string()),
            RedactError::Component(_) | RedactError::Bytes(_) => Self::refused(error.to_string()),
        }
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
    if let Some(other) = &arguments.against {
        return against(session, &recording, other.as_deref()).await;
    }
    let limits = recording.head.limits.of_replay();
    let plugin = session.shared.plugin.as_deref();
    let (engine, plugin) = blocking(|| session.surroundings.component(plugin, &limits))?;
    if let Some(copy) = &arguments.redact {
        return redact(session, &recording, copy, &engine, &plugin).await;
    }
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

/// `replay RUN --against [FILE]`.
async fn against(
    session: &mut Session<'_>,
    recording: &Recording,
    other: Option<&Path>,
) -> Result<Exit, Problem> {
    let limits = recording.head.limits.of_replay();
    let (engine, plugin) = blocking(|| session.surroundings.component(other, &limits))?;
    let found = crate::recording::against(&engine, &plugin, recording, &session.cancel).await;
    let exit = if found.same { Exit::Done } else { Exit::Failed };
    if session.shared.json {
        session.document(&AgainstDocument::new(exit, &recording.head, found))?;
    } else {
        let text = render::replay::against(&recording.head, &found, session.detail());
        session.text(&text)?;
    }
    Ok(exit)
}

/// `replay RUN --redact FILE`: the copy is written, and replayed to see that it can be.
async fn redact(
    session: &mut Session<'_>,
    recording: &Recording,
    copy: &Path,
    engine: &Arc<PluginEngine>,
    plugin: &Plugin,
) -> Result<Exit, Problem> {
    let written = crate::recording::new_file(copy).map_err(|error| {
        Problem::refused(format!(
            "{}: cannot be written ({error}); a copy never replaces a file",
            copy.display()
        ))
    })?;
    let redacted = crate::recording::redact(engine, plugin, recording, written, &session.cancel).await?;
    let read = blocking(|| Recording::read(copy))?;
    let replayed = crate::recording::replay(engine, plugin, read, &session.cancel).await?;
    let exit = match &replayed.difference {
        None => Exit::Done,
        Some(_) => Exit::Failed,
    };
    let file = copy.display().to_string();
    if session.shared.json {
        session.document(&RedactedDocument::new(
            exit,
            &recording.head,
            file,
            redacted,
            replayed,
        ))?;
    } else {
        let detail = session.detail();
        let text = render::replay::redacted(&recording.head, &file, &redacted, &replayed, detail);
        session.text(&text)?;
    }
    Ok(exit)
}
