//! WASI's own imports with a tap on them: each call whose answer could be another one the next time goes past the run's
//! [`Journal`], where it has one. Without one, every function is wasmtime's own.
//!
//! Every function of the interfaces is written out, so that the compiler asks what to do about a new one.

mod clocks;
mod http;
mod io;
mod plain;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::component::Resource;
use wasmtime::{Result, format_err};
use wasmtime_wasi::p2::DynPollable;

pub(super) use self::clocks::TappedClocks;
pub(super) use self::http::{TappedHttp, fields};
pub(super) use self::io::TappedIo;
use super::journal::{Answer, Blob, Call, Journal, Reply, Source};

/// Bytes of a request's body that are kept; the host refuses longer ones anyway.
const KEPT: usize = 9 << 20;

/// The tap of one run.
#[derive(Default)]
pub(super) struct Tap {
    journal: Option<Arc<dyn Journal>>,
    /// What each pollable waits for, by its place in the table.
    sources: HashMap<u32, Source>,
    timers: u32,
    /// Which request each awaited answer belongs to, by its place in the table.
    answers: HashMap<u32, u32>,
    /// The body of each request that has one and is not sent yet, by places in the table.
    request_bodies: HashMap<u32, u32>,
    /// Bodies being written, by their place in the table.
    bodies: HashMap<u32, Body>,
    /// The body that each output stream writes, by places in the table.
    streams: HashMap<u32, u32>,
    /// Bodies that were whole before their request was sent, by the request's place in the table.
    whole: HashMap<u32, Blob>,
    post: Arc<Post>,
}

/// A request's body while it is written.
#[derive(Default)]
struct Body {
    request: Option<u32>,
    bytes: Vec<u8>,
}

/// What the sending side, which runs in the background, and the tap tell each other.
#[derive(Default)]
pub(super) struct Post {
    pub(super) journalled: bool,
    /// Whether nothing is sent, since the journal answers.
    pub(super) silent: bool,
    sent: AtomicU32,
    head: Mutex<Option<::http::request::Parts>>,
    replies: Mutex<HashMap<u32, Reply>>,
}

impl Post {
    /// The next request's number; its head is kept for the tap.
    pub(super) fn sent(&self, head: &::http::request::Parts) -> u32 {
        if self.journalled {
            *self.head.lock().unwrap_or_else(PoisonError::into_inner) = Some(head.clone());
        }
        self.sent.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// What became of a request.
    pub(super) fn replied(&self, number: u32, reply: impl FnOnce() -> Reply) {
        if self.journalled {
            self.replies
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(number, reply());
        }
    }
}

impl Tap {
    pub(super) fn new(journal: Option<Arc<dyn Journal>>) -> Self {
        let post = Post {
            journalled: journal.is_some(),
            silent: journal.as_ref().is_some_and(|journal| journal.replays()),
            ..Post::default()
        };
        Self {
            journal,
            post: Arc::new(post),
            ..Self::default()
        }
    }

    pub(super) fn post(&self) -> Arc<Post> {
        Arc::clone(&self.post)
    }

    fn is_on(&self) -> bool {
        self.journal.is_some()
    }

    /// The journal's answer; none where the call is to be made.
    fn answer(&self, call: &Call) -> Result<Option<Answer>> {
        match &self.journal {
            Some(journal) => Ok(journal.answer(call)?),
            None => Ok(None),
        }
    }

    fn note(&self, call: Call, answer: Answer) {
        if let Some(journal) = &self.journal {
            journal.note(call, answer);
        }
    }

    /// A call of an answer that is just a value: made, noted, or answered from the journal.
    fn value<T: Clone>(
        &self,
        call: Call,
        real: impl FnOnce() -> Result<T>,
        to: impl FnOnce(T) -> Answer,
        from: impl FnOnce(Answer) -> Option<T>,
    ) -> Result<T> {
        if !self.is_on() {
            return real();
        }
        match self.answer(&call)? {
            Some(answer) => from(answer).ok_or_else(|| unfit(&call)),
            None => {
                let value = real()?;
                self.note(call, to(value.clone()));
                Ok(value)
            }
        }
    }

    /// A pollable was made.
    fn waits_for(&mut self, pollable: &Resource<DynPollable>, source: Source) {
        if self.is_on() {
            self.sources.insert(pollable.rep(), source);
        }
    }

    fn source(&self, pollable: &Resource<DynPollable>) -> Source {
        self.sources.get(&pollable.rep()).copied().unwrap_or(Source::Body)
    }

    /// Keeps what is written to a request's body.
    fn written(&mut self, stream: u32, bytes: &[u8]) {
        let body = self
            .streams
            .get(&stream)
            .and_then(|body| self.bodies.get_mut(body));
        if let Some(body) = body {
            let room = KEPT.saturating_sub(body.bytes.len());
            body.bytes.extend(bytes.iter().take(room));
        }
    }
}

/// A journal whose answer is of another kind than the call: it was made by something else than this host.
fn unfit(call: &Call) -> wasmtime::Error {
    format_err!("the recording's answer does not fit the call {call:?}")
}
