//! The format of a recording: gzip of lines `CHECKSUM JSON`. The first line is the [`Head`], the last the [`Ending`],
//! between them each call with its answer. A checksum covers its line and all before it, so that a change is found at its
//! own place and a lost end is noticed. It guards against damage and thoughtless editing; it is no signature.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use groupcast_guest::engine::{Question, Run};
use groupcast_guest::failure::Failure;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::plugin::RunLimits;
use crate::plugin::journal::{Answer, Call};

/// Name and version of the format.
pub const FORMAT: &str = "groupcast-recording/1";
/// Hexadecimal digits of a line's checksum.
const CHECKSUM: usize = 16;
/// The longest line that is read: the largest call (a plan part, an answer) several times over, since JSON escapes.
const LONGEST_LINE: u64 = 512 << 20;

/// Which export ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `check`.
    Check,
    /// `plan`.
    Plan,
    /// `apply`.
    Apply,
    /// `explain`.
    Why,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Check => "check",
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Why => "why",
        })
    }
}

/// What a component can notice of its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory.
    pub memory_bytes: usize,
    /// Elements of tables.
    pub table_elements: usize,
    /// Bytes of log.
    pub log_bytes: u64,
    /// Bytes of a call.
    pub call_bytes: usize,
    /// Resource handles.
    pub handles: usize,
    /// Bytes of all plan parts.
    pub plan_bytes: u64,
}

impl From<&RunLimits> for Limits {
    fn from(limits: &RunLimits) -> Self {
        Self {
            memory_bytes: limits.memory_bytes,
            table_elements: limits.table_elements,
            log_bytes: limits.log_bytes,
            call_bytes: limits.call_bytes,
            handles: limits.handles,
            plan_bytes: limits.plan_bytes,
        }
    }
}

impl Limits {
    /// As a replay runs under: time is not limited by what it was, since a replay does not wait.
    pub fn of_replay(&self) -> RunLimits {
        RunLimits {
            memory_bytes: self.memory_bytes,
            table_elements: self.table_elements,
            log_bytes: self.log_bytes,
            call_bytes: self.call_bytes,
            handles: self.handles,
            plan_bytes: self.plan_bytes,
            ..RunLimits::default()
        }
    }
}

/// What ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// [`FORMAT`].
    pub format: String,
    /// Version of the host that recorded.
    pub host: String,
    /// When the run began, RFC 3339.
    pub started: String,
    /// The connection, as it is printed.
    pub connection: String,
    /// Which export.
    pub kind: Kind,
    /// SHA-256 of the component's bytes, lower-case hexadecimal.
    pub component: String,
    /// Whether people's names and addresses were replaced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
    /// What a component can notice of its limits.
    pub limits: Limits,
    /// What it was asked with.
    pub run: Run,
    /// What `explain` was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
}

/// How the export ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// What it returned, as JSON.
    Returned(serde_json::Value),
    /// The failure that it returned.
    Failed(Failure),
    /// It was stopped, or crashed: why.
    Stopped(String),
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// How the export ended.
    pub outcome: Outcome,
    /// How many calls there are.
    pub calls: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Line<'a> {
    Recording(&'a Head),
    Call(&'a Call, &'a Answer),
    End(&'a Ending),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ReadLine {
    Recording(Box<Head>),
    Call(Call, Answer),
    End(Ending),
}

/// A checksum over all lines so far.
#[derive(Default)]
struct Chain([u8; 32]);

impl Chain {
    fn next(&mut self, line: &[u8]) -> String {
        self.0 = Sha256::new()
            .chain_update(self.0)
            .chain_update(line)
            .finalize()
            .into();
        let mut text = hex::encode(self.0);
        text.truncate(CHECKSUM);
        text
    }
}

/// A new file that only its owner can read.
///
/// # Errors
/// There is one already, or it cannot be made.
pub fn new_file(path: &Path) -> io::Result<BufWriter<File>> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(BufWriter::new)
}

/// Writes a recording, call by call.
pub struct Writer<W: Write> {
    out: GzEncoder<W>,
    chain: Chain,
    calls: u64,
    bytes: u64,
}

impl Writer<BufWriter<File>> {
    /// Into a new file that only its owner can read.
    ///
    /// # Errors
    /// The file cannot be made, or written.
    pub fn create(path: &Path, head: &Head) -> io::Result<Self> {
        Self::new(new_file(path)?, head)
    }
}

impl<W: Write> Writer<W> {
    /// Begins with the head.
    ///
    /// # Errors
    /// As writing fails.
    pub fn new(out: W, head: &Head) -> io::Result<Self> {
        let mut writer = Self {
            out: GzEncoder::new(out, Compression::fast()),
            chain: Chain::default(),
            calls: 0,
            bytes: 0,
        };
        writer.line(&Line::Recording(head))?;
        Ok(writer)
    }

    /// Bytes so far, before compression.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A call and its answer.
    ///
    /// # Errors
    /// As writing fails.
    pub fn call(&mut self, call: &Call, answer: &Answer) -> io::Result<()> {
        self.calls += 1;
        self.line(&Line::Call(call, answer))
    }

    /// The end.
    ///
    /// # Errors
    /// As writing fails.
    pub fn end(mut self, outcome: Outcome) -> io::Result<W> {
        let calls = self.calls;
        self.line(&Line::End(&Ending { outcome, calls }))?;
        let mut out = self.out.finish()?;
        out.flush()?;
        Ok(out)
    }

    fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        let json = serde_json::to_vec(line)?;
        let checksum = self.chain.next(&json);
        self.bytes = self.bytes.saturating_add((json.len() + CHECKSUM + 2) as u64);
        self.out.write_all(checksum.as_bytes())?;
        self.out.write_all(b" ")?;
        self.out.write_all(&json)?;
        self.out.write_all(b"\n")
    }
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file.
    #[error("{path}: cannot be read ({reason})")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// Something else.
    #[error("{path}: is no recording of a run; `groupcast replay` takes what `--record` or [recording] keep")]
    Foreign {
        /// The file.
        path: String,
    },
    /// Of another version.
    #[error("{path}: is a recording of another version of Groupcast ({reason}); replay it with that version")]
    Version {
        /// The file.
        path: String,
        /// What does not read.
        reason: String,
    },
    /// The end is missing.
    #[error(
        "{path}: ends after {calls} calls without an end: the file was cut off, or the process died during the run; \
         what is lost cannot be replayed"
    )]
    Truncated {
        /// The file.
        path: String,
        /// Calls that can be read.
        calls: u64,
    },
    /// A line was changed.
    #[error(
        "{path}: line {line} was changed since it was recorded ({what}); nothing was replayed, since what it shows would \
         not be what happened"
    )]
    Changed {
        /// The file.
        path: String,
        /// The line, from 1.
        line: u64,
        /// What stands there.
        what: String,
    },
    /// More than fits.
    #[error("{path}: line {line} is longer than any recording's; it was not made by Groupcast")]
    TooLong {
        /// The file.
        path: String,
        /// The line, from 1.
        line: u64,
    },
}

/// A recording that was read.
#[derive(Debug, Clone)]
pub struct Recording {
    /// What ran.
    pub head: Head,
    /// Its calls, in order.
    pub calls: Vec<(Call, Answer)>,
    /// How it ended.
    pub ending: Ending,
}

impl Recording {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ReadError`]; a recording is read as a whole or not at all.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| ReadError::Unreadable {
            path: name.clone(),
            reason: error.to_string(),
        })?;
        Self::from_reader(file, &name)
    }

    /// Reads a recording; `name` is what errors call it.
    ///
    /// # Errors
    /// As for [`Recording::read`].
    pub fn from_reader(reader: impl Read, name: &str) -> Result<Self, ReadError> {
        let path = || name.to_owned();
        let mut lines = BufReader::new(GzDecoder::new(BufReader::new(reader)));
        let mut chain = Chain::default();
        let mut head = None;
        let mut calls = Vec::new();
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let truncated = || match number {
                1 => ReadError::Foreign { path: path() },
                _ => ReadError::Truncated {
                    path: path(),
                    calls: number - 2,
                },
            };
            let changed = |what: String| ReadError::Changed {
                path: path(),
                line: number,
                what,
            };
            let read = match (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line) {
                Ok(read) => read,
                // A flipped bit in the compressed stream; the lines before it are sound.
                Err(error) if number > 1 && error.kind() == io::ErrorKind::InvalidData => {
                    return Err(changed("it cannot be decompressed".to_owned()));
                }
                Err(_) => return Err(truncated()),
            };
            if read as u64 == LONGEST_LINE {
                return Err(ReadError::TooLong {
                    path: path(),
                    line: number,
                });
            }
            if line.pop() != Some(b'\n') {
                return Err(truncated());
            }
            let (checksum, json) = line.split_at_checked(CHECKSUM).unwrap_or_default();
            let json = json.strip_prefix(b" ").unwrap_or_default();
            let sound = chain.next(json).as_bytes() == checksum;
            let parsed = serde_json::from_slice::<ReadLine>(json);
            if number == 1 {
                head = Some(first(parsed, json, sound, name)?);
                continue;
            }
            match parsed {
                Ok(ReadLine::Call(call, answer)) if sound => calls.push((call, answer)),
                Ok(ReadLine::End(ending)) if sound && ending.calls == calls.len() as u64 => {
                    let Some(head) = head else {
                        return Err(ReadError::Foreign { path: path() });
                    };
                    return Ok(Self { head, calls, ending });
                }
                Ok(ReadLine::Call(call, _)) => return Err(changed(super::describe::call(&call))),
                Ok(ReadLine::End(_)) => return Err(changed("the end".to_owned())),
                Err(error) if sound => {
                    return Err(ReadError::Version {
                        path: path(),
                        reason: format!("line {number}: {error}"),
                    });
                }
                Ok(ReadLine::Recording(_)) | Err(_) => {
                    return Err(changed("it is no call of a run".to_owned()));
                }
            }
        }
        Err(ReadError::Foreign { path: path() })
    }

    /// Writes it again.
    ///
    /// # Errors
    /// As writing fails.
    pub fn write<W: Write>(&self, out: W) -> io::Result<W> {
        let mut writer = Writer::new(out, &self.head)?;
        for (call, answer) in &self.calls {
            writer.call(call, answer)?;
        }
        writer.end(self.ending.outcome.clone())
    }

    /// The plan parts that were made, in order.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.calls
            .iter()
            .filter_map(|(call, answer)| match (call, answer) {
                (Call::PutPart(part), Answer::Done) => Some(part.0.as_ref()),
                _ => None,
            })
    }
}

/// The first line, or what it is instead.
fn first(
    parsed: serde_json::Result<ReadLine>,
    json: &[u8],
    sound: bool,
    name: &str,
) -> Result<Head, ReadError> {
    let path = || name.to_owned();
    match parsed {
        Ok(ReadLine::Recording(head)) if head.format == FORMAT => {
            if sound {
                return Ok(*head);
            }
            Err(ReadError::Changed {
                path: path(),
                line: 1,
                what: "what ran, and with which settings".to_owned(),
            })
        }
        Ok(ReadLine::Recording(head)) => Err(ReadError::Version {
            path: path(),
            reason: head.format,
        }),
        Err(error) if json.starts_with(b"{\"recording\":{") => Err(ReadError::Version {
            path: path(),
            reason: error.to_string(),
        }),
        _ => Err(ReadError::Foreign { path: path() }),
    }
}
