//! The host as the process of a run sees it: each call is a message, and the answer comes by another.

use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use groupcast_guest::failure::{Failure, FailureKind};
use http::{HeaderName, HeaderValue};
use serde::Serialize;
use tokio::sync::oneshot;

use super::messages::{Says, write_value};
use crate::ledger::{Binding, Effect, Intent, Membership, OpenIntent, Outcome};
use crate::plugin::journal::{Answer, Blob, Call, Journal, LeftRecording, Reply, Request};
use crate::plugin::services::{Event, LogLevel, NoAnswer, Page, RunServices};
use crate::plugin::tapped::fields;
use crate::plugin::violation::Violation;

/// The host's end of the pipes.
pub(super) struct Remote {
    line: Arc<Line>,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
    calls: AtomicU64,
    journalled: bool,
    /// Processor time of the process when the run began.
    began: Duration,
}

/// The pipe to the host. A message is written whole: nobody else is served by this process meanwhile.
pub(super) struct Line(Mutex<File>);

impl Line {
    pub(super) fn new(to: File) -> Arc<Self> {
        Arc::new(Self(Mutex::new(to)))
    }

    pub(super) fn say(&self, message: &impl Serialize) {
        let mut to = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if write_value(&mut *to, message).is_err() {
            // Nobody listens any more, so there is nobody to do anything for.
            std::process::exit(1);
        }
    }
}

impl Remote {
    pub(super) fn new(line: Arc<Line>, journalled: bool) -> Arc<Self> {
        Arc::new(Self {
            line,
            waiting: Mutex::default(),
            calls: AtomicU64::new(0),
            journalled,
            began: process_time(),
        })
    }

    /// Processor time that the run has used.
    pub(super) fn computed(&self) -> Duration {
        process_time().saturating_sub(self.began)
    }

    /// An answer came.
    pub(super) fn answered(&self, number: u64, answer: Answer) {
        let waiting = self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&number);
        if let Some(waiting) = waiting {
            // Whoever asked may have stopped waiting.
            let _answer = waiting.send(answer);
        }
    }

    async fn ask(&self, call: Call) -> Option<Answer> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(number, sender);
        self.line.say(&Says::Calls {
            number,
            computed: self.computed(),
            call,
        });
        answer.await.ok()
    }
}

fn process_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or_default(),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    )
}

/// A call, and the answer's kind that it must have.
macro_rules! asked {
    ($self:ident, $call:expr, $kind:pat => $value:expr) => {
        match $self.ask($call).await {
            Some($kind) => Ok($value),
            Some(Answer::Failed(failure)) => Err(failure),
            _ => Err(Failure::new(
                FailureKind::Host,
                "host",
                "the host gave no answer of the call's kind",
            )),
        }
    };
}

#[async_trait]
impl RunServices for Remote {
    fn journal(&self) -> Option<Arc<dyn Journal>> {
        self.journalled
            .then(|| Arc::new(Notes(Arc::clone(&self.line))) as _)
    }

    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, NoAnswer> {
        let (head, body) = request.into_parts();
        let request = Request {
            number: 0,
            method: head.method.to_string(),
            url: head.uri.to_string(),
            headers: fields(&head.headers),
            body: Some(body.into()),
            follows: false,
        };
        match self.ask(Call::Send(request)).await {
            Some(Answer::Reply(Reply::Response {
                status,
                headers,
                body,
            })) => response(status, headers, body).ok_or(NoAnswer::ConnectionTerminated),
            Some(Answer::Reply(Reply::None(no_answer))) => Err(no_answer),
            _ => Err(NoAnswer::ConnectionTerminated),
        }
    }

    async fn put_part(&self, part: Vec<u8>) -> Result<(), Failure> {
        asked!(self, Call::PutPart(part.into()), Answer::Done => ())
    }

    async fn next_part(&self) -> Result<Option<Vec<u8>>, Failure> {
        asked!(self, Call::NextPart, Answer::Part(part) => part.map(|part| part.0.to_vec()))
    }

    async fn bindings(&self, after: Option<&str>) -> Result<Page<Binding>, Failure> {
        let call = Call::Bindings(after.map(ToOwned::to_owned));
        asked!(self, call, Answer::Bindings(items, next) => (items, next))
    }

    async fn memberships(&self, group: &str, after: Option<&str>) -> Result<Page<Membership>, Failure> {
        let call = Call::Memberships(group.to_owned(), after.map(ToOwned::to_owned));
        asked!(self, call, Answer::Memberships(items, next) => (items, next))
    }

    async fn intend(&self, intents: Vec<Intent>) -> Result<Vec<u64>, Failure> {
        asked!(self, Call::Intend(intents), Answer::Ids(ids) => ids)
    }

    async fn settle(&self, outcomes: Vec<Outcome>) -> Result<(), Failure> {
        asked!(self, Call::Settle(outcomes), Answer::Done => ())
    }

    async fn amend(&self, effects: Vec<Effect>) -> Result<(), Failure> {
        asked!(self, Call::Amend(effects), Answer::Done => ())
    }

    async fn unsettled(&self, after: u64) -> Result<Vec<OpenIntent>, Failure> {
        asked!(self, Call::Unsettled(after), Answer::Open(open) => open)
    }

    async fn state_get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, Failure> {
        let call = Call::StateGet(key.to_owned());
        asked!(self, call, Answer::Value(found) => found.map(|(value, version)| (value.0.to_vec(), version)))
    }

    async fn state_put(
        &self,
        key: &str,
        value: Vec<u8>,
        expected: Option<u64>,
    ) -> Result<Option<u64>, Failure> {
        let call = Call::StatePut(key.to_owned(), value.into(), expected);
        asked!(self, call, Answer::Version(version) => version)
    }

    fn report(&self, event: Event) {
        self.line.say(&Says::Tells(Call::Report(event)));
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.line.say(&Says::Tells(Call::Log(level, message.to_owned())));
    }

    fn violated(&self, violation: &Violation) {
        self.line.say(&Says::Violated(violation.clone()));
    }
}

fn response(status: u16, headers: Vec<(String, Blob)>, body: Blob) -> Option<http::Response<Bytes>> {
    let mut response = http::Response::new(body.0);
    *response.status_mut() = http::StatusCode::from_u16(status).ok()?;
    for (name, value) in headers {
        response.headers_mut().append(
            HeaderName::try_from(name).ok()?,
            HeaderValue::from_maybe_shared(value.0).ok()?,
        );
    }
    Some(response)
}

/// What WASI answered here, told to the host's journal.
struct Notes(Arc<Line>);

impl Journal for Notes {
    fn replays(&self) -> bool {
        false
    }

    fn answer(&self, _: &Call) -> Result<Option<Answer>, LeftRecording> {
        Ok(None)
    }

    fn note(&self, call: Call, answer: Answer) {
        self.0.say(&Says::Notes(call, answer));
    }
}
