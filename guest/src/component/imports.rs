//! The engine's environment over the world's imports.

use bytes::Bytes;
use wstd::http::error::ErrorCode;

use super::bindings::groupcast::sync::{ledger, plan_sink, plan_source, progress, state};
use super::bindings::wasi::clocks::wall_clock;
use super::convert;
use crate::environment::{
    Clock, Environment, Ledger, Level, LocalFuture, PlanSink, PlanSource, Progress, State, Transport,
    TransportError,
};
use crate::failure::Failure;
use crate::ledger::{Binding, Effect, Intent, Membership, OpenIntent, Outcome};

/// Entries a call of the ledger takes at most (WIT `ledger.intend`, `settle`, `amend`).
const LEDGER_PAGE: usize = 1_000;

/// All imports; they hold no state of their own.
pub(super) struct Imports;

impl Imports {
    pub(super) fn environment(&self) -> Environment<'_> {
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
}

impl Transport for Imports {
    fn send(
        &self,
        request: ::http::Request<Bytes>,
    ) -> LocalFuture<'_, Result<::http::Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let response = wstd::http::Client::new()
                .send(request)
                .await
                .map_err(transport_error)?;
            let (head, mut body) = response.into_parts();
            let body = body
                .bytes_contents()
                .await
                .map_err(|error| TransportError::AnswerLost(error.to_string()))?;
            Ok(::http::Response::from_parts(head, body))
        })
    }
}

/// Why nothing was sent, for a person; the host says more where it knows more.
fn unreached(code: &ErrorCode) -> &'static str {
    match code {
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) => "its name could not be resolved",
        ErrorCode::TlsProtocolError | ErrorCode::TlsCertificateError | ErrorCode::TlsAlertReceived(_) => {
            "no trusted connection came to be"
        }
        _ => "no connection came to be",
    }
}

/// Whether a request that failed can have taken effect decides whether it may be repeated.
fn transport_error(error: wstd::http::Error) -> TransportError {
    let Some(code) = error.downcast_ref::<ErrorCode>() else {
        return TransportError::AnswerLost(error.to_string());
    };
    match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => TransportError::Denied(
            "the host's egress gate refused it; the host's log names the missing rule".to_owned(),
        ),
        ErrorCode::DnsTimeout
        | ErrorCode::DnsError(_)
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionLimitReached
        | ErrorCode::TlsProtocolError
        | ErrorCode::TlsCertificateError
        | ErrorCode::TlsAlertReceived(_) => TransportError::NotSent(unreached(code).to_owned()),
        ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestHeaderSize(_)
        | ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestMethodInvalid => TransportError::Denied(code.to_string()),
        _ => TransportError::AnswerLost(code.to_string()),
    }
}

impl Clock for Imports {
    fn monotonic_ms(&self) -> u64 {
        let now = wasip2::clocks::monotonic_clock::now();
        now / 1_000_000
    }

    fn unix_seconds(&self) -> u64 {
        wall_clock::now().seconds
    }

    fn sleep_ms(&self, ms: u64) -> LocalFuture<'_, ()> {
        Box::pin(async move {
            wstd::time::Timer::after(wstd::time::Duration::from_millis(ms))
                .wait()
                .await;
        })
    }
}

impl Ledger for Imports {
    fn bindings(&self) -> Result<Vec<Binding>, Failure> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = ledger::bindings(after.as_deref()).map_err(convert::failure)?;
            for item in page.items {
                all.push(convert::binding(item)?);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }

    fn memberships(&self, group: &str) -> Result<Vec<Membership>, Failure> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = ledger::memberships(group, after.as_deref()).map_err(convert::failure)?;
            all.extend(page.items.into_iter().map(convert::membership));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }

    fn intend(&self, intents: &[Intent]) -> Result<Vec<u64>, Failure> {
        let mut ids = Vec::with_capacity(intents.len());
        for page in intents.chunks(LEDGER_PAGE) {
            let page: Vec<_> = page.iter().map(convert::to_intent).collect();
            ids.extend(ledger::intend(&page).map_err(convert::failure)?);
        }
        Ok(ids)
    }

    fn settle(&self, outcomes: &[Outcome]) -> Result<(), Failure> {
        for page in outcomes.chunks(LEDGER_PAGE) {
            let page: Vec<_> = page.iter().map(convert::to_outcome).collect();
            ledger::settle(&page).map_err(convert::failure)?;
        }
        Ok(())
    }

    fn amend(&self, effects: &[Effect]) -> Result<(), Failure> {
        for page in effects.chunks(LEDGER_PAGE) {
            let page: Vec<_> = page.iter().map(convert::to_effect).collect();
            ledger::amend(&page).map_err(convert::failure)?;
        }
        Ok(())
    }

    fn unsettled(&self) -> Result<Vec<OpenIntent>, Failure> {
        let mut all: Vec<OpenIntent> = Vec::new();
        loop {
            let after = all.last().map_or(0, |last| last.id);
            let page = ledger::unsettled(after).map_err(convert::failure)?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page.into_iter().map(convert::open_intent));
        }
    }
}

impl State for Imports {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, Failure> {
        let entry = state::get(key).map_err(convert::failure)?;
        Ok(entry.map(|entry| (entry.value, entry.version)))
    }

    fn put(&self, key: &str, value: &[u8], expected: Option<u64>) -> Result<Option<u64>, Failure> {
        state::put(key, value, expected).map_err(convert::failure)
    }
}

impl Progress for Imports {
    fn report(&self, phase: &str, done: u64, total: Option<u64>, message: &str) {
        progress::report(&progress::Event {
            phase: phase.to_owned(),
            done,
            total,
            message: message.to_owned(),
        });
    }

    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Debug => progress::Level::Debug,
            Level::Info => progress::Level::Info,
            Level::Warn => progress::Level::Warn,
            Level::Error => progress::Level::Error,
        };
        progress::log(level, message);
    }
}

impl PlanSink for Imports {
    fn put(&self, part: &[u8]) -> Result<(), Failure> {
        plan_sink::put(part).map_err(convert::failure)
    }
}

impl PlanSource for Imports {
    fn next(&self) -> Result<Option<Vec<u8>>, Failure> {
        plan_source::next().map_err(convert::failure)
    }
}
