//! Where recordings lie: a folder beside the store, a file a run, the newest kept. What may not enter: what is in them.

use std::path::{Path, PathBuf};
use std::time::Duration;

const SUFFIX: &str = ".recording.gz";
/// Of a run that is still at work.
const UNFINISHED: &str = ".unfinished";

/// The folder and its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recordings {
    /// The folder; made when the first recording is.
    pub folder: PathBuf,
    /// How many are kept: the newest.
    pub keep: usize,
    /// Bytes of one before compression; a run that needs more is not recorded.
    pub largest: u64,
}

/// The longest that a run can take, as the configuration's limits have it: what is unfinished for longer belongs to a run
/// that died.
const LONGEST_RUN: Duration = Duration::from_secs(604_800);

/// Whether a text can be a run's ID: nothing that leads out of the folder.
fn is_run(run: &str) -> bool {
    !run.is_empty()
        && run.len() <= 128
        && run
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

impl Recordings {
    /// The file of a run.
    pub fn path(&self, run: &str) -> Option<PathBuf> {
        is_run(run).then(|| self.folder.join(format!("{run}{SUFFIX}")))
    }

    /// The file of a run while it is at work.
    pub(super) fn unfinished(&self, run: &str) -> Option<PathBuf> {
        is_run(run).then(|| self.folder.join(format!("{run}{SUFFIX}{UNFINISHED}")))
    }

    /// Makes the folder; only its owner can look into it.
    pub(super) fn make(&self) -> std::io::Result<()> {
        if self.folder.is_dir() {
            return Ok(());
        }
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.folder)
    }

    /// Runs with a recording, newest first: IDs begin with the time.
    pub fn runs(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        let mut runs: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(SUFFIX).map(ToOwned::to_owned))
            .collect();
        runs.sort_unstable_by(|a, b| b.cmp(a));
        runs
    }

    /// The recording that a person means: a file's path, a run's ID, or a beginning that only one run has.
    ///
    /// # Errors
    /// For a person: there is none, or there are several.
    pub fn find(&self, named: &str) -> Result<PathBuf, String> {
        if Path::new(named).is_file() {
            return Ok(PathBuf::from(named));
        }
        if let Some(path) = self.path(named).filter(|path| path.is_file()) {
            return Ok(path);
        }
        let runs = self.runs();
        let mut found = runs.iter().filter(|run| run.starts_with(named));
        match (found.next(), found.next()) {
            (Some(run), None) => self.path(run).ok_or_else(|| format!("run {run} has no name")),
            (Some(_), Some(_)) => Err(format!(
                "several recorded runs begin with {named}; write more of it"
            )),
            (None, _) => Err(format!(
                "there is no recording of run {named} in {}; runs are recorded with `--record`, or always with \
                 `[recording] enabled = true`; recorded are: {}",
                self.folder.display(),
                if runs.is_empty() {
                    "none".to_owned()
                } else {
                    runs.iter().take(5).cloned().collect::<Vec<_>>().join(", ")
                }
            )),
        }
    }

    /// Removes what is over the number to keep, oldest first, and what runs that died have left.
    pub(super) fn prune(&self) {
        self.remove_left();
        for run in self.runs().into_iter().skip(self.keep.max(1)) {
            if let Some(path) = self.path(&run)
                && let Err(error) = std::fs::remove_file(&path)
            {
                tracing::warn!(%error, path = %path.display(), "an old recording could not be removed");
            }
        }
    }

    fn remove_left(&self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else {
            return;
        };
        for entry in entries.flatten() {
            let unfinished = entry.file_name().to_string_lossy().ends_with(UNFINISHED);
            let age = entry.metadata().and_then(|file| file.modified()).ok();
            let age = age.and_then(|modified| modified.elapsed().ok());
            if unfinished && age.is_some_and(|age| age > LONGEST_RUN) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}
