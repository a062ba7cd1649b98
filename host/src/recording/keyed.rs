//! Answers from a recording by request, for a component that may ask in another order, or for something else. Requests
//! are told apart by method, URL, body and occurrence; reads of ledger and state by what is read. Time is a clock of its
//! own that only sleeping moves, and an answer is there as soon as its request is whole, so that two replays of one
//! component are the same.
//!
//! What the recording cannot know is said, not guessed: a request that was not made then has no answer, as if the vendor
//! could not be reached, and is counted.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use groupcast_guest::failure::{Failure, FailureKind};

use super::describe;
use super::file::Recording;
use crate::ledger::Intent;
use crate::plugin::NoAnswer;
use crate::plugin::journal::{Answer, Blob, Call, Journal, LeftRecording, Reply, Request, Source};

/// Bytes that may be written at once.
const WRITABLE: u64 = 1 << 20;
/// Where IDs of intents begin that the recording does not have.
const NEW_INTENTS: u64 = 1 << 40;
/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// A request, as it is looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) body: Bytes,
}

impl Key {
    /// Of a request; what separates the parts of its body is a number of chance and says nothing.
    fn new(request: &Request, body: &Bytes) -> Self {
        let kind = request
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
            .and_then(|(_, kind)| std::str::from_utf8(&kind.0).ok());
        let boundary = kind
            .and_then(|kind| kind.split_once("boundary="))
            .map(|(_, rest)| {
                rest.split(';')
                    .next()
                    .unwrap_or_default()
                    .trim()
                    .trim_matches('"')
            })
            .filter(|boundary| !boundary.is_empty());
        let body = match (boundary, std::str::from_utf8(body)) {
            (Some(boundary), Ok(text)) => Bytes::from(text.replace(boundary, "*")),
            _ => body.clone(),
        };
        Self {
            method: request.method.clone(),
            url: request.url.clone(),
            body,
        }
    }
}

/// What was answered, in order; where more is asked than was answered, the last again.
struct Answers<T> {
    next: VecDeque<T>,
    last: Option<T>,
}

impl<T> Default for Answers<T> {
    fn default() -> Self {
        Self {
            next: VecDeque::new(),
            last: None,
        }
    }
}

impl<T: Clone> Answers<T> {
    fn take(&mut self) -> Option<T> {
        if let Some(next) = self.next.pop_front() {
            self.last = Some(next);
        }
        self.last.clone()
    }
}

/// What a component did over a recording.
#[derive(Debug, Clone, Default)]
pub(super) struct Done {
    /// Requests in order of sending.
    pub(super) requests: Vec<Key>,
    /// Requests that the recording has no answer to, and reads of the ledger that it does not have.
    pub(super) unknown: Vec<String>,
    /// Requests that were made more often than then; they got the last answer again.
    pub(super) repeated: u64,
    /// Plan parts.
    pub(super) parts: Vec<Bytes>,
    /// Operations about to be sent.
    pub(super) intents: Vec<Intent>,
}

#[derive(Default)]
struct State {
    elapsed: u64,
    timers: HashMap<u32, u64>,
    unfinished: HashMap<u32, Request>,
    replies: HashMap<u32, Reply>,
    taken: HashSet<u32>,
    requests: HashMap<Key, Answers<Reply>>,
    reads: HashMap<String, Answers<Answer>>,
    next_intent: u64,
    done: Done,
    stuck: Option<String>,
}

/// A recording by request.
pub(super) struct Keyed {
    monotonic: u64,
    wall: (u64, u32),
    state: Mutex<State>,
}

/// What was done in a recording, in the same form.
pub(super) fn done(recording: &Recording) -> Done {
    let mut done = Done {
        parts: recording.parts().map(Bytes::copy_from_slice).collect(),
        ..Done::default()
    };
    done.requests = sent(recording).into_values().map(|(key, _)| key).collect();
    for (call, answer) in &recording.calls {
        if let (Call::Intend(intents), Answer::Ids(_)) = (call, answer) {
            done.intents.extend(intents.iter().cloned());
        }
    }
    done
}

/// The recorded requests by number, each with its answer if it got one.
fn sent(recording: &Recording) -> BTreeMap<u32, (Key, Option<Reply>)> {
    let mut requests: BTreeMap<u32, (&Request, Bytes, Option<Reply>)> = BTreeMap::new();
    for (call, answer) in &recording.calls {
        match (call, answer) {
            (Call::Send(request), _) => {
                let body = request.body.clone().unwrap_or_default().0;
                requests.insert(request.number, (request, body, None));
            }
            (Call::Body(Some(number), Blob(written)), _) => {
                if let Some((_, body, _)) = requests.get_mut(number) {
                    body.clone_from(written);
                }
            }
            (Call::Answer(number), Answer::Reply(reply)) => {
                if let Some((_, _, answered)) = requests.get_mut(number) {
                    *answered = Some(reply.clone());
                }
            }
            _ => {}
        }
    }
    requests
        .into_iter()
        .map(|(number, (request, body, reply))| (number, (Key::new(request, &body), reply)))
        .collect()
}

/// How a read is looked up.
fn read_key(call: &Call) -> String {
    serde_json::to_string(call).unwrap_or_default()
}

fn is_read(call: &Call) -> bool {
    matches!(
        call,
        Call::NextPart
            | Call::Bindings(_)
            | Call::Memberships(..)
            | Call::Unsettled(_)
            | Call::StateGet(_)
            | Call::StatePut(..)
            | Call::Intend(_)
    )
}

impl Keyed {
    pub(super) fn new(recording: &Recording) -> Self {
        let mut state = State {
            next_intent: NEW_INTENTS,
            ..State::default()
        };
        for (key, reply) in sent(recording).into_values() {
            if let Some(reply) = reply {
                state.requests.entry(key).or_default().next.push_back(reply);
            }
        }
        let (mut monotonic, mut wall) = (None, None);
        for (call, answer) in &recording.calls {
            match (call, answer) {
                (Call::MonotonicNow, Answer::Number(now)) => {
                    monotonic.get_or_insert(*now);
                }
                (Call::WallNow, Answer::Date(seconds, nanoseconds)) => {
                    wall.get_or_insert((*seconds, *nanoseconds));
                }
                (call, answer) if is_read(call) => {
                    let reads = state.reads.entry(read_key(call)).or_default();
                    reads.next.push_back(answer.clone());
                }
                _ => {}
            }
        }
        Self {
            monotonic: monotonic.unwrap_or_default(),
            wall: wall.unwrap_or_else(|| started(recording)),
            state: Mutex::new(state),
        }
    }

    /// What was done, and where the component could not go on, if it could not.
    pub(super) fn done(&self) -> (Done, Option<String>) {
        let state = self.state();
        (state.done.clone(), state.stuck.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn started(recording: &Recording) -> (u64, u32) {
    let started = chrono::DateTime::parse_from_rfc3339(&recording.head.started);
    let seconds = started.map_or(0, |started| started.timestamp());
    (u64::try_from(seconds).unwrap_or_default(), 0)
}

impl State {
    fn is_ready(&self, source: Source) -> bool {
        match source {
            Source::Timer(timer) => self
                .timers
                .get(&timer)
                .is_none_or(|deadline| *deadline <= self.elapsed),
            Source::Request(number) => self.replies.contains_key(&number) || self.taken.contains(&number),
            Source::Body => true,
        }
    }

    /// Positions of what is ready; where nothing is, time passes to the next timer.
    fn wait(&mut self, sources: &[Source]) -> Option<Vec<u32>> {
        let ready = |state: &Self| -> Vec<u32> {
            (0..)
                .zip(sources)
                .filter(|(_, source)| state.is_ready(**source))
                .map(|(at, _)| at)
                .collect()
        };
        let now = ready(self);
        if !now.is_empty() {
            return Some(now);
        }
        let next = sources
            .iter()
            .filter_map(|source| match source {
                Source::Timer(timer) => self.timers.get(timer).copied(),
                _ => None,
            })
            .min()?;
        self.elapsed = next;
        Some(ready(self))
    }

    /// A request is whole: it is answered at once.
    fn complete(&mut self, number: u32, key: Key) {
        let reply = match self.requests.get_mut(&key) {
            Some(answers) => {
                self.done.repeated += u64::from(answers.next.is_empty());
                answers.take()
            }
            None => None,
        };
        let reply = reply.unwrap_or_else(|| {
            self.done.unknown.push(format!("{} {}", key.method, key.url));
            Reply::None(NoAnswer::ConnectionRefused)
        });
        self.replies.insert(number, reply);
        self.done.requests.push(key);
    }

    fn read(&mut self, call: &Call) -> Answer {
        let recorded = self
            .reads
            .get_mut(&read_key(call))
            .and_then(|answers| match call {
                // Each part is given once.
                Call::NextPart => answers.next.pop_front(),
                _ => answers.take(),
            });
        match (call, recorded) {
            (Call::Intend(intents), Some(Answer::Ids(ids))) => {
                self.done.intents.extend(intents.iter().cloned());
                Answer::Ids(ids)
            }
            (_, Some(answer)) => answer,
            (Call::NextPart, None) => Answer::Part(None),
            (Call::Intend(intents), None) => {
                self.done.intents.extend(intents.iter().cloned());
                let first = self.next_intent;
                self.next_intent = first.saturating_add(intents.len() as u64);
                Answer::Ids((first..self.next_intent).collect())
            }
            // A key of its own that the other component had no use for.
            (Call::StateGet(_), None) => Answer::Value(None),
            (Call::StatePut(..), None) => Answer::Version(Some(1)),
            (call, None) => {
                let what = describe::call(call);
                self.done.unknown.push(what.clone());
                Answer::Failed(Failure::new(
                    FailureKind::Transient,
                    "replay",
                    format!("the recording does not have this: {what}"),
                ))
            }
        }
    }
}

impl Journal for Keyed {
    fn replays(&self) -> bool {
        true
    }

    fn answer(&self, call: &Call) -> Result<Option<Answer>, LeftRecording> {
        let mut state = self.state();
        if state.stuck.is_some() {
            return Err(LeftRecording);
        }
        let answer = match call {
            Call::MonotonicNow => Answer::Number(self.monotonic.saturating_add(state.elapsed)),
            Call::MonotonicResolution => Answer::Number(1),
            Call::WallNow => {
                let nanoseconds = u64::from(self.wall.1).saturating_add(state.elapsed);
                let rest = u32::try_from(nanoseconds % SECOND).unwrap_or_default();
                Answer::Date(self.wall.0.saturating_add(nanoseconds / SECOND), rest)
            }
            Call::WallResolution => Answer::Date(0, 1),
            Call::SleepFor(timer, time) => {
                let deadline = state.elapsed.saturating_add(*time);
                state.timers.insert(*timer, deadline);
                Answer::Done
            }
            Call::SleepUntil(timer, when) => {
                state.timers.insert(*timer, when.saturating_sub(self.monotonic));
                Answer::Done
            }
            Call::Poll(sources) => match state.wait(sources) {
                Some(ready) => Answer::Positions(ready),
                None => {
                    state.stuck = Some(describe::call(call));
                    return Err(LeftRecording);
                }
            },
            Call::Ready(source) => Answer::Flag(state.is_ready(*source)),
            Call::Block(source) => match state.wait(&[*source]) {
                Some(_) => Answer::Done,
                None => {
                    state.stuck = Some(describe::call(call));
                    return Err(LeftRecording);
                }
            },
            Call::Send(request) => {
                if request.follows {
                    state.unfinished.insert(request.number, request.clone());
                } else {
                    let body = request.body.clone().unwrap_or_default().0;
                    state.complete(request.number, Key::new(request, &body));
                }
                Answer::Done
            }
            Call::Body(Some(number), Blob(body)) => {
                if let Some(request) = state.unfinished.remove(number) {
                    state.complete(*number, Key::new(&request, body));
                }
                Answer::Done
            }
            Call::BodyDropped(Some(number)) => {
                state.unfinished.remove(number);
                let broken = NoAnswer::Protocol("the body was given up".to_owned());
                state.replies.insert(*number, Reply::None(broken));
                Answer::Done
            }
            Call::Body(None, _) | Call::BodyDropped(None) => Answer::Done,
            Call::Answer(number) if state.taken.contains(number) => Answer::Taken,
            Call::Answer(number) => match state.replies.remove(number) {
                Some(reply) => {
                    state.taken.insert(*number);
                    Answer::Reply(reply)
                }
                None => Answer::Pending,
            },
            Call::CheckWrite => Answer::Number(WRITABLE),
            Call::Trailers | Call::Write(_) | Call::Flush | Call::Settle(_) | Call::Amend(_) => Answer::Done,
            Call::Report(_) | Call::Log(..) => Answer::Done,
            Call::ErrorText => Answer::Text("the stream failed".to_owned()),
            Call::PutPart(part) => {
                state.done.parts.push(part.0.clone());
                Answer::Done
            }
            read => state.read(read),
        };
        Ok(Some(answer))
    }

    fn note(&self, _: Call, _: Answer) {}
}
