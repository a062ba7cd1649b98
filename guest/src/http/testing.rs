//! A world in memory for tests: answers by a closure, time that moves when it is waited for.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};

use crate::environment::{
    Clock, Environment, Ledger, Level, LocalFuture, PlanSink, PlanSource, Progress, State, Transport,
    TransportError,
};
use crate::failure::Failure;
use crate::ledger::{Binding, Effect, Intent, Membership, OpenIntent, Outcome};

/// What a scripted vendor answers.
pub type Scripted = Result<Response<Bytes>, TransportError>;

type Vendor<'a> = Box<dyn FnMut(&Request<Bytes>) -> Scripted + 'a>;

/// A world whose vendor is a closure.
pub struct TestWorld<'a> {
    answer: RefCell<Vendor<'a>>,
    /// All requests, in order.
    pub requests: RefCell<Vec<Request<Bytes>>>,
    /// Milliseconds passed.
    pub now_ms: Cell<u64>,
    /// Each wait, in order.
    pub waits: RefCell<Vec<u64>>,
    /// Requests in flight now and at most.
    pub in_flight: Cell<(usize, usize)>,
}

/// What [`TestWorld::unix_seconds`] starts at.
pub const STARTED_AT: u64 = 1_700_000_000;

impl<'a> TestWorld<'a> {
    /// A world whose vendor answers with `answer`.
    pub fn new(answer: impl FnMut(&Request<Bytes>) -> Scripted + 'a) -> Self {
        Self {
            answer: RefCell::new(Box::new(answer)),
            requests: RefCell::default(),
            now_ms: Cell::new(0),
            waits: RefCell::default(),
            in_flight: Cell::default(),
        }
    }

    /// A world whose vendor gives these answers in order, and panics when asked for more.
    pub fn scripted(answers: Vec<Scripted>) -> Self {
        let mut answers = answers.into_iter();
        Self::new(move |request| {
            answers
                .next()
                .unwrap_or_else(|| panic!("unexpected {} {}", request.method(), request.uri()))
        })
    }

    /// The environment that the engine is given.
    pub fn environment(&self) -> Environment<'_> {
        Environment {
            transport: self,
            clock: self,
            ledger: self,
            state: self,
            progress: self,
            plan_sink: self,
            plan_source: self,
        }
    }

    /// `METHOD path?query` of each request.
    pub fn lines(&self) -> Vec<String> {
        self.requests
            .borrow()
            .iter()
            .map(|request| {
                let path = request.uri().path_and_query().map_or("", |path| path.as_str());
                format!("{} {path}", request.method())
            })
            .collect()
    }
}

/// A JSON answer.
#[allow(clippy::unnecessary_wraps, reason = "so that it stands in a script as it is")]
pub fn json(status: u16, body: &serde_json::Value) -> Scripted {
    text(status, "application/json", &body.to_string())
}

/// An answer of any type.
#[allow(clippy::unnecessary_wraps, reason = "so that it stands in a script as it is")]
pub fn text(status: u16, content_type: &str, body: &str) -> Scripted {
    Ok(Response::builder()
        .status(status)
        .header("content-type", content_type)
        .body(Bytes::from(body.to_owned()))
        .unwrap())
}

/// The same answer with one header more.
pub fn with_header(answer: Scripted, name: &'static str, value: &str) -> Scripted {
    answer.map(|mut response| {
        response.headers_mut().insert(name, value.parse().unwrap());
        response
    })
}

/// Runs a future to its end on this thread.
pub fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("the future never ends");
}

/// Lets others run once: so that requests overlap in tests as they do in life.
async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Transport for TestWorld<'_> {
    fn send(&self, request: Request<Bytes>) -> LocalFuture<'_, Scripted> {
        Box::pin(async move {
            let (now, most) = self.in_flight.get();
            self.in_flight.set((now + 1, most.max(now + 1)));
            yield_once().await;
            let answer = (self.answer.borrow_mut())(&request);
            self.requests.borrow_mut().push(request);
            let (now, most) = self.in_flight.get();
            self.in_flight.set((now - 1, most));
            answer
        })
    }
}

impl Clock for TestWorld<'_> {
    fn monotonic_ms(&self) -> u64 {
        self.now_ms.get()
    }

    fn unix_seconds(&self) -> u64 {
        STARTED_AT + self.now_ms.get() / 1000
    }

    fn sleep_ms(&self, ms: u64) -> LocalFuture<'_, ()> {
        self.waits.borrow_mut().push(ms);
        let due = self.now_ms.get() + ms;
        Box::pin(async move {
            yield_once().await;
            self.now_ms.set(self.now_ms.get().max(due));
        })
    }
}

impl Ledger for TestWorld<'_> {
    fn bindings(&self) -> Result<Vec<Binding>, Failure> {
        Ok(Vec::new())
    }

    fn memberships(&self, _: &str) -> Result<Vec<Membership>, Failure> {
        Ok(Vec::new())
    }

    fn intend(&self, intents: &[Intent]) -> Result<Vec<u64>, Failure> {
        Ok((0..).take(intents.len()).collect())
    }

    fn settle(&self, _: &[Outcome]) -> Result<(), Failure> {
        Ok(())
    }

    fn amend(&self, _: &[Effect]) -> Result<(), Failure> {
        Ok(())
    }

    fn unsettled(&self) -> Result<Vec<OpenIntent>, Failure> {
        Ok(Vec::new())
    }
}

impl State for TestWorld<'_> {
    fn get(&self, _: &str) -> Result<Option<(Vec<u8>, u64)>, Failure> {
        Ok(None)
    }

    fn put(&self, _: &str, _: &[u8], _: Option<u64>) -> Result<Option<u64>, Failure> {
        Ok(None)
    }
}

impl Progress for TestWorld<'_> {
    fn report(&self, _: &str, _: u64, _: Option<u64>, _: &str) {}

    fn log(&self, _: Level, _: &str) {}
}

impl PlanSink for TestWorld<'_> {
    fn put(&self, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }
}

impl PlanSource for TestWorld<'_> {
    fn next(&self) -> Result<Option<Vec<u8>>, Failure> {
        Ok(None)
    }
}
