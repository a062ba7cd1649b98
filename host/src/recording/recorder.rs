//! A run's calls into a file, while it goes on. A recording never ends a run: what cannot be written is said once, and
//! the run goes on without one.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::file::{Head, Outcome, Writer};
use super::folder::Recordings;
use crate::plugin::journal::{Answer, Call, Journal, LeftRecording};
use crate::plugin::{RunError, Usage};

/// The outcome of a call of the sandbox, as a recording keeps it.
pub(super) fn outcome<T: Serialize>(result: &Result<(T, Usage), RunError>) -> Outcome {
    match result {
        Ok((value, _)) => Outcome::Returned(serde_json::to_value(value).unwrap_or_default()),
        Err(RunError::Failed(failure)) => Outcome::Failed(failure.clone()),
        Err(error) => Outcome::Stopped(error.to_string()),
    }
}

/// Records one run.
pub struct Recorder {
    run: String,
    recordings: Recordings,
    writer: Mutex<Option<Writer<BufWriter<File>>>>,
}

impl Recorder {
    /// Begins a recording; none, with a warning, where the file cannot be made.
    pub fn start(recordings: &Recordings, head: &Head) -> Option<Arc<Self>> {
        let begun = recordings.make().and_then(|()| {
            let path = recordings
                .unfinished(&head.run.id)
                .ok_or_else(|| io::Error::other("the run's ID is no file name"))?;
            Writer::create(&path, head)
        });
        match begun {
            Ok(writer) => Some(Arc::new(Self {
                run: head.run.id.clone(),
                recordings: recordings.clone(),
                writer: Mutex::new(Some(writer)),
            })),
            Err(error) => {
                tracing::warn!(
                    run = head.run.id,
                    "the run is not recorded: {} cannot be written ({error})",
                    recordings.folder.display()
                );
                None
            }
        }
    }

    /// Ends it: the file gets its name. Where it is then; none where it was given up.
    pub fn end<T: Serialize>(&self, result: &Result<(T, Usage), RunError>) -> Option<PathBuf> {
        let writer = self.take()?;
        let unfinished = self.recordings.unfinished(&self.run)?;
        let path = self.recordings.path(&self.run)?;
        let ended = writer
            .end(outcome(result))
            .and_then(|_| std::fs::rename(&unfinished, &path));
        if let Err(error) = ended {
            self.give_up(&format!("it cannot be written: {error}"));
            return None;
        }
        self.recordings.prune();
        Some(path)
    }

    fn take(&self) -> Option<Writer<BufWriter<File>>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn give_up(&self, why: &str) {
        tracing::warn!(run = self.run, "the recording of this run was dropped: {why}");
        if let Some(path) = self.recordings.unfinished(&self.run) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A run that was dropped before its end leaves no half of a recording.
impl Drop for Recorder {
    fn drop(&mut self) {
        if self.take().is_some() {
            self.give_up("the run did not come to an end");
        }
    }
}

impl Journal for Recorder {
    fn replays(&self) -> bool {
        false
    }

    fn answer(&self, _: &Call) -> Result<Option<Answer>, LeftRecording> {
        Ok(None)
    }

    fn note(&self, call: Call, answer: Answer) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = writer.as_mut() else {
            return;
        };
        let why = match open.call(&call, &answer) {
            Ok(()) if open.bytes() <= self.recordings.largest => return,
            Ok(()) => format!(
                "it is larger than {} MiB; raise recording.largest_mib if it is worth the space",
                self.recordings.largest >> 20
            ),
            Err(error) => format!("it cannot be written: {error}"),
        };
        *writer = None;
        drop(writer);
        self.give_up(&why);
    }
}
