//! Everything that a run can observe, as pairs of call and answer: the boundary that recordings are taken at and replays
//! are answered at. The component is one thread and has no source of chance but its imports, so the same answers in the
//! same order make the same run, bit for bit.
//!
//! A call is noted only where its answer could be another one the next time. Not noted, because they follow from what
//! is: resources (the component sees handles, and wasmtime counts these the same way each time), header fields, the
//! reading of an answer's body (which is whole before the component hears of the answer), and the building of a request.
//!
//! What may not enter: files and replaying itself (`recording/`); and no secret ever can, since this is the component's
//! side of the egress gate.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use groupcast_guest::failure::Failure;
use serde::{Deserialize, Serialize};

use super::services::{Event, LogLevel, NoAnswer};
use crate::ledger::{Binding, Effect, Intent, Membership, OpenIntent, Outcome};

/// Bytes; as JSON a text where they are one, else `{"base64": …}`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Blob(pub Bytes);

impl fmt::Debug for Blob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl From<Bytes> for Blob {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

#[derive(Serialize, Deserialize)]
struct Base64 {
    base64: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes(Base64),
}

impl Serialize for Blob {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine as _;
        match std::str::from_utf8(&self.0) {
            Ok(text) => text.serialize(serializer),
            Err(_) => Base64 {
                base64: base64::engine::general_purpose::STANDARD.encode(&self.0),
            }
            .serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use base64::Engine as _;
        match Written::deserialize(deserializer)? {
            Written::Text(text) => Ok(text.into_bytes().into()),
            Written::Bytes(Base64 { base64 }) => base64::engine::general_purpose::STANDARD
                .decode(base64)
                .map(Self::from)
                .map_err(serde::de::Error::custom),
        }
    }
}

/// What a pollable waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The run's nth timer.
    Timer(u32),
    /// The answer to the run's nth request.
    Request(u32),
    /// A body that is read, written or trailed: with whole bodies, these never wait for long.
    Body,
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timer(number) => write!(formatter, "timer {number}"),
            Self::Request(number) => write!(formatter, "request {number}"),
            Self::Body => formatter.write_str("body"),
        }
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |digits: &str| {
            digits
                .parse()
                .map_err(|_| format!("{text:?} is nothing to wait for"))
        };
        match text.split_once(' ') {
            Some(("timer", digits)) => number(digits).map(Self::Timer),
            Some(("request", digits)) => number(digits).map(Self::Request),
            None if text == "body" => Ok(Self::Body),
            _ => Err(format!("{text:?} is nothing to wait for")),
        }
    }
}

impl Serialize for Source {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A request as it left the component: no credential is in it yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Counted from 1, in the order of sending.
    pub number: u32,
    /// HTTP method.
    pub method: String,
    /// Absolute URL.
    pub url: String,
    /// Headers, in order.
    pub headers: Vec<(String, Blob)>,
    /// The body, where it was whole before the request was sent. Else it follows as [`Call::Body`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Blob>,
    /// Whether the body follows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follows: bool,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// An answer, as the component saw it: decompressed, and only with headers that pass the gate.
    Response {
        /// HTTP status.
        status: u16,
        /// Headers, in order.
        headers: Vec<(String, Blob)>,
        /// The whole body.
        body: Blob,
    },
    /// None.
    None(NoAnswer),
}

/// A call of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// `monotonic-clock.now`.
    MonotonicNow,
    /// `monotonic-clock.resolution`.
    MonotonicResolution,
    /// `wall-clock.now`.
    WallNow,
    /// `wall-clock.resolution`.
    WallResolution,
    /// `monotonic-clock.subscribe-duration`, nanoseconds.
    SleepFor(u32, u64),
    /// `monotonic-clock.subscribe-instant`, nanoseconds.
    SleepUntil(u32, u64),
    /// `poll`.
    Poll(Vec<Source>),
    /// `pollable.ready`.
    Ready(Source),
    /// `pollable.block`.
    Block(Source),
    /// `outgoing-handler.handle`.
    Send(Request),
    /// `outgoing-body.finish`: the body of a request, or one that no request has yet.
    Body(Option<u32>, Blob),
    /// An outgoing body dropped before its end: its request fails.
    BodyDropped(Option<u32>),
    /// `future-incoming-response.get`.
    Answer(u32),
    /// `future-trailers.get`.
    Trailers,
    /// `output-stream.check-write`, or waiting until it allows something.
    CheckWrite,
    /// `output-stream.write` and its like, bytes.
    Write(u64),
    /// `output-stream.flush` and its like.
    Flush,
    /// `error.to-debug-string`.
    ErrorText,
    /// `plan-sink.put`.
    PutPart(Blob),
    /// `plan-source.next`.
    NextPart,
    /// `ledger.bindings`.
    Bindings(Option<String>),
    /// `ledger.memberships`.
    Memberships(String, Option<String>),
    /// `ledger.intend`.
    Intend(Vec<Intent>),
    /// `ledger.settle`.
    Settle(Vec<Outcome>),
    /// `ledger.amend`.
    Amend(Vec<Effect>),
    /// `ledger.unsettled`.
    Unsettled(u64),
    /// `state.get`.
    StateGet(String),
    /// `state.put`.
    StatePut(String, Blob, Option<u64>),
    /// `progress.report`.
    Report(Event),
    /// `progress.log`.
    Log(LogLevel, String),
}

/// What the call answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Nothing, successfully.
    Done,
    /// Nanoseconds, bytes.
    Number(u64),
    /// Seconds and nanoseconds of a date.
    Date(u64, u32),
    /// Positions of what is ready.
    Positions(Vec<u32>),
    /// Yes or no.
    Flag(bool),
    /// Not yet.
    Pending,
    /// It was taken before.
    Taken,
    /// A request's end.
    Reply(Reply),
    /// The stream is closed.
    Closed,
    /// The stream failed: the text, and the size that was refused where that is why.
    StreamFailed(String, Option<u64>),
    /// A text.
    Text(String),
    /// The host refused.
    Failed(Failure),
    /// A plan part, or that there is no more.
    Part(Option<Blob>),
    /// A page of bindings and the mark of the next.
    Bindings(Vec<Binding>, Option<String>),
    /// A page of memberships and the mark of the next.
    Memberships(Vec<Membership>, Option<String>),
    /// IDs of intents.
    Ids(Vec<u64>),
    /// Open intents.
    Open(Vec<OpenIntent>),
    /// A value of the state and its version.
    Value(Option<(Blob, u64)>),
    /// The version after a write; none where somebody else wrote.
    Version(Option<u64>),
}

/// The run left the way that its journal describes; it cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the run left its recording")]
pub struct LeftRecording;

/// Notes a run's calls with their answers, or answers the calls from such notes.
pub trait Journal: Send + Sync + 'static {
    /// Whether calls are answered by the journal alone: then nothing leaves, and nothing waits.
    fn replays(&self) -> bool;

    /// The answer to a call; none where it is to be made in earnest and then noted.
    ///
    /// # Errors
    /// A replaying journal has no answer to this call; it keeps the reason.
    fn answer(&self, call: &Call) -> Result<Option<Answer>, LeftRecording>;

    /// Notes a call that was made and its answer.
    fn note(&self, call: Call, answer: Answer);
}
