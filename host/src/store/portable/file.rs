//! The file itself: lines in, lines out, on a thread of its own, since compressing and hashing keep a thread busy.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{BackupSummary, End, FORMAT, Header, VERSION};
use crate::store::values::json;
use crate::store::{Result, StoreError};

/// The longest line: a part of a plan in base64, and as much again.
const LONGEST: u64 = 64 << 20;
/// Lines that wait for the other side.
const AHEAD: usize = 64;

/// A backup that is being written. Dropped before its end, it leaves no file.
pub struct Writing {
    header: Header,
    lines: mpsc::Sender<Line>,
    writer: JoinHandle<Result<String>>,
}

enum Line {
    Text(String),
    /// All is there: so many rows.
    End(u64),
}

impl Writing {
    /// Makes the file, which must not be there yet, for its owner alone.
    pub async fn begin(path: &Path, header: Header) -> Result<Self> {
        let file = create(path)?;
        let (lines, waiting) = mpsc::channel(AHEAD);
        let to = path.to_path_buf();
        let writer = spawn_blocking(move || {
            let written = write(file, waiting).map_err(|error| failed(&to, &error.to_string()));
            if written.is_err() {
                let _ = std::fs::remove_file(&to);
            }
            written
        });
        let first = json(&header)?;
        let writing = Self {
            header,
            lines,
            writer,
        };
        writing.line(first).await;
        Ok(writing)
    }

    /// One more line. What goes wrong is said at the end.
    pub async fn line(&self, line: String) {
        let _ = self.lines.send(Line::Text(line)).await;
    }

    /// Ends the file; then it is whole and on the disk.
    pub async fn end(self, rows: u64) -> Result<BackupSummary> {
        let _ = self.lines.send(Line::End(rows)).await;
        let sha256 = joined(self.writer.await)?;
        Ok(BackupSummary {
            made_at: self.header.made_at,
            from: self.header.from,
            schema: self.header.schema,
            rows,
            sha256,
        })
    }
}

/// A backup that was found whole, and is read line by line.
pub struct Reading {
    header: Header,
    summary: BackupSummary,
    lines: mpsc::Receiver<String>,
    reader: JoinHandle<Result<()>>,
}

impl Reading {
    /// Opens a file and reads it through once, so that nothing is done with one that is damaged.
    pub async fn begin(path: &Path) -> Result<Self> {
        let from = path.to_path_buf();
        let (header, end) = joined(spawn_blocking(move || read(&from, |_| true)).await)?;
        let (sender, lines) = mpsc::channel(AHEAD);
        let from = path.to_path_buf();
        let expected = end.clone();
        let reader = spawn_blocking(move || {
            let (_, again) = read(&from, |line| sender.blocking_send(line).is_ok())?;
            if again == expected {
                Ok(())
            } else {
                Err(failed(&from, "it was changed while it was read; try again"))
            }
        });
        Ok(Self {
            summary: BackupSummary {
                made_at: header.made_at,
                from: header.from.clone(),
                schema: header.schema,
                rows: end.rows,
                sha256: end.sha256,
            },
            header,
            lines,
            reader,
        })
    }

    /// The first line.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next line between header and end.
    pub async fn next(&mut self) -> Option<String> {
        self.lines.recv().await
    }

    /// What was read, once there is no next line.
    pub async fn end(self) -> Result<BackupSummary> {
        joined(self.reader.await)?;
        Ok(self.summary)
    }
}

fn write(file: File, mut lines: mpsc::Receiver<Line>) -> std::io::Result<String> {
    let mut out = GzEncoder::new(BufWriter::new(file), Compression::fast());
    let mut hash = Sha256::new();
    while let Some(line) = lines.blocking_recv() {
        match line {
            Line::Text(mut line) => {
                line.push('\n');
                hash.update(&line);
                out.write_all(line.as_bytes())?;
            }
            Line::End(rows) => {
                let sha256 = hex::encode(hash.finalize());
                let end = End {
                    rows,
                    sha256: sha256.clone(),
                };
                serde_json::to_writer(&mut out, &end)?;
                out.write_all(b"\n")?;
                let file = out
                    .finish()?
                    .into_inner()
                    .map_err(std::io::IntoInnerError::into_error)?;
                file.sync_all()?;
                return Ok(sha256);
            }
        }
    }
    Err(std::io::Error::other("the store could not be read to its end"))
}

/// Reads a file to its end, giving away each line between the first and the last, until nobody wants more.
fn read(path: &Path, mut give: impl FnMut(String) -> bool) -> Result<(Header, End)> {
    let broken = |what: &str| failed(path, what);
    let file = File::open(path).map_err(|error| broken(&error.to_string()))?;
    let mut lines = BufReader::new(GzDecoder::new(BufReader::new(file)));
    let mut next = || -> Result<Option<String>> {
        let mut line = String::new();
        lines
            .by_ref()
            .take(LONGEST)
            .read_line(&mut line)
            .map_err(|error| broken(&format!("it is damaged or no backup ({error})")))?;
        if line.is_empty() {
            return Ok(None);
        }
        if !line.ends_with('\n') {
            return Err(broken("it is damaged: a line has no end"));
        }
        Ok(Some(line))
    };
    let first = next()?.unwrap_or_default();
    let header: Header =
        serde_json::from_str(&first).map_err(|_| broken("it is no backup of a groupcast store"))?;
    if header.format != FORMAT {
        return Err(broken("it is no backup of a groupcast store"));
    }
    if header.version != VERSION {
        return Err(broken(&format!(
            "it was made by a newer version of groupcast (format {}); use that version",
            header.version
        )));
    }
    let mut hash = Sha256::new();
    hash.update(&first);
    let mut rows = 0;
    while let Some(mut line) = next()? {
        if line.starts_with("{\"rows\":") {
            let end: End =
                serde_json::from_str(&line).map_err(|_| broken("it is damaged: its end is none"))?;
            let sha256 = hex::encode(hash.finalize());
            if end.sha256 != sha256 || end.rows != rows {
                return Err(broken("it is damaged: it is not what its checksum says"));
            }
            if next()?.is_some() {
                return Err(broken("it is damaged: something comes after its end"));
            }
            return Ok((header, end));
        }
        hash.update(&line);
        rows += u64::from(line.starts_with('['));
        line.pop();
        if !give(line) {
            return Err(broken("it was not read to its end"));
        }
    }
    Err(broken("it is not whole: its end is missing"))
}

fn create(path: &Path) -> Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => failed(path, "a backup overwrites no file; name another one"),
        _ => failed(path, &error.to_string()),
    })
}

fn failed(path: &Path, what: &str) -> StoreError {
    StoreError::Backup {
        path: PathBuf::from(path),
        what: what.to_owned(),
    }
}

fn joined<T>(ended: std::result::Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    ended.unwrap_or_else(|error| Err(StoreError::Damaged(error.to_string())))
}
