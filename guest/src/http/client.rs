//! Sends calls: paced, retried by verdict, never more than a bounded number at once.

use std::cell::Cell;
use std::future::Future;

use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use url::Url;

use super::answer::{Answer, Ruling, Verdict};
use super::call::Call;
use super::delay::{LONGEST_MS, next_random, retry_after_ms, wait_ms};
use super::pace::Pace;
use crate::environment::{Environment, TransportError};
use crate::failure::{Failure, FailureKind};

/// Tries of one call, the first included.
const TRIES: u32 = 8;
/// Tries of a read whose answer was no whole JSON document.
const UNREADABLE_TRIES: u32 = 3;
/// Requests in flight at most.
const MOST_IN_FLIGHT: usize = 8;

/// A client of one vendor at one base URL.
pub struct Client<'a> {
    environment: Environment<'a>,
    base: Result<Url, String>,
    classify: fn(&Answer) -> Verdict,
    pace: Pace,
    random: Cell<u64>,
}

impl std::fmt::Debug for Client<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Client")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl<'a> Client<'a> {
    /// A client of the vendor whose error table is `classify`. `seed` is the run's: the jitter's only source.
    /// A base URL that is none fails each call as a configuration failure.
    pub fn new(
        environment: Environment<'a>,
        base_url: &str,
        classify: fn(&Answer) -> Verdict,
        seed: u64,
    ) -> Self {
        let base = match Url::parse(base_url) {
            Ok(url) if url.has_host() && url.username().is_empty() && url.password().is_none() => Ok(url),
            Ok(_) => Err("it must be scheme, host and port alone".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        Self {
            environment,
            base,
            classify,
            pace: Pace::new(MOST_IN_FLIGHT),
            random: Cell::new(seed),
        }
    }

    /// What the client works with.
    pub fn environment(&self) -> &Environment<'a> {
        &self.environment
    }

    /// The vendor's error table.
    pub fn classify(&self, answer: &Answer) -> Verdict {
        (self.classify)(answer)
    }

    /// How many calls it makes sense to have under way at once.
    pub fn at_once(&self) -> usize {
        MOST_IN_FLIGHT
    }

    /// The read that a vendor's next link asks for. Path and query are followed as they are.
    ///
    /// # Errors
    /// A link that leads to another origin is refused: our credential must not follow it.
    pub fn follow(&self, link: &str) -> Result<Call, Failure> {
        let base = self.base()?;
        let refused = |why: &str| {
            Failure::new(
                FailureKind::Vendor,
                base.as_str(),
                format!("The vendor's link to the next page {why}; it is not followed."),
            )
        };
        let target = base.join(link).map_err(|_| refused("cannot be read"))?;
        if target.origin() != base.origin() {
            return Err(refused("leads to another server"));
        }
        if !target.username().is_empty() || target.password().is_some() {
            return Err(refused("holds a user name"));
        }
        Ok(Call::get_verbatim(
            target.path(),
            target.query().unwrap_or_default(),
        ))
    }

    /// Sends a call until its answer is one that the vendor's error table accepts.
    ///
    /// # Errors
    /// What the table refuses; a passing fault that outlasted the retries; a wait longer than we wait
    /// ([`FailureKind::Throttled`]); a lost answer of a call that may not be repeated (transient, without
    /// a vendor's answer: it may have taken effect); what the host denied, which is never sent again.
    pub async fn call(&self, call: Call) -> Result<Answer, Failure> {
        let mut attempt = 0;
        loop {
            let last = attempt + 1 >= TRIES;
            match self.once(&call).await? {
                Sent::Answered { answer, sent_ms } => {
                    let verdict = (self.classify)(&answer);
                    let again = match verdict.ruling {
                        Ruling::Accept => {
                            self.pace.more();
                            return Ok(answer);
                        }
                        Ruling::Refused(kind) => {
                            return Err(answer.failure(kind, &verdict.reason, verdict.message));
                        }
                        Ruling::Throttled => true,
                        Ruling::Transient => call.repeatable,
                    };
                    let asked = retry_after_ms(&answer.headers, self.environment.clock.unix_seconds());
                    let kind = match verdict.ruling {
                        Ruling::Throttled => FailureKind::Throttled(asked.map(|ms| ms.div_ceil(1000))),
                        _ => FailureKind::Transient,
                    };
                    if last || !again || asked.is_some_and(|ms| ms > LONGEST_MS) {
                        return Err(answer.failure(kind, &verdict.reason, verdict.message));
                    }
                    let wait = self.next_wait_ms(attempt, asked);
                    if verdict.ruling == Ruling::Throttled {
                        let now = self.environment.clock.monotonic_ms();
                        self.pace.less(sent_ms, now, now.saturating_add(wait));
                    }
                    self.environment.clock.sleep_ms(wait).await;
                }
                Sent::Nothing(failure) if last => return Err(failure),
                Sent::Nothing(_) => {
                    let wait = self.next_wait_ms(attempt, None);
                    self.environment.clock.sleep_ms(wait).await;
                }
            }
            attempt += 1;
        }
    }

    /// Sends a call and reads its successful answer as JSON. A read whose answer is no whole JSON document (cut
    /// short, a proxy's page) is made again.
    ///
    /// # Errors
    /// As [`Self::call`] and [`Answer::json`]; an accepted answer that is no success is a vendor failure.
    pub async fn fetch<T: DeserializeOwned>(&self, call: Call) -> Result<T, Failure> {
        self.fetch_found(call, &[]).await?.ok_or_else(|| {
            Failure::new(
                FailureKind::Vendor,
                "",
                "an answer without a value was not expected",
            )
        })
    }

    /// The same, where an answer with one of the statuses in `none` means that there is nothing.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub async fn fetch_found<T: DeserializeOwned>(
        &self,
        call: Call,
        none: &[u16],
    ) -> Result<Option<T>, Failure> {
        Ok(self.fetch_with_head(call, none).await?.map(|(value, _)| value))
    }

    /// The same, with the answer, whose headers the caller reads.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub async fn fetch_with_head<T: DeserializeOwned>(
        &self,
        call: Call,
        none: &[u16],
    ) -> Result<Option<(T, Answer)>, Failure> {
        let mut tries = 0;
        loop {
            let answer = self.call(call.clone()).await?;
            if none.contains(&answer.status) {
                return Ok(None);
            }
            if !answer.is_success() {
                let reason = (self.classify)(&answer).reason;
                let message = format!(
                    "The vendor answered {}, which was not expected here.",
                    answer.status
                );
                return Err(answer.failure(FailureKind::Vendor, &reason, message));
            }
            match answer.json() {
                Ok(value) => return Ok(Some((value, answer))),
                Err(failure) => {
                    tries += 1;
                    let again = failure.kind == FailureKind::Transient && call.repeatable;
                    if !again || tries >= UNREADABLE_TRIES {
                        return Err(failure);
                    }
                    self.environment
                        .clock
                        .sleep_ms(self.next_wait_ms(tries, None))
                        .await;
                }
            }
        }
    }

    /// Waits before something is tried again that the client does not retry itself, such as throttled parts of a
    /// batch, a read-back or an object that is not shown yet. `attempt` counts from 0; `asked_ms` is the vendor's wish.
    ///
    /// # Errors
    /// The seconds asked for, if that is longer than we wait.
    pub async fn pause(&self, attempt: u32, asked_ms: Option<u64>) -> Result<(), u64> {
        if let Some(asked) = asked_ms.filter(|ms| *ms > LONGEST_MS) {
            return Err(asked.div_ceil(1000));
        }
        self.environment
            .clock
            .sleep_ms(self.next_wait_ms(attempt, asked_ms))
            .await;
        Ok(())
    }

    /// Lessens the pace, for a throttled part of a batch.
    pub fn slow_down(&self) {
        let now = self.environment.clock.monotonic_ms();
        self.pace.less(now, now, now);
    }

    fn base(&self) -> Result<&Url, Failure> {
        self.base.as_ref().map_err(|why| {
            Failure::new(
                FailureKind::Configuration,
                "base-url",
                format!("The vendor's base URL cannot be used: {why}. Correct it in the configuration."),
            )
        })
    }

    fn next_wait_ms(&self, attempt: u32, asked_ms: Option<u64>) -> u64 {
        let (state, random) = next_random(self.random.get());
        self.random.set(state);
        wait_ms(attempt, asked_ms, random)
    }

    async fn once(&self, call: &Call) -> Result<Sent, Failure> {
        let base = self.base()?;
        let place = call.place();
        let unwritable =
            |why: &str| Failure::new(FailureKind::Vendor, &place, format!("Nothing was sent: {why}."));
        if let Some(fault) = &call.fault {
            return Err(unwritable(fault));
        }
        let prefix = base.as_str().trim_end_matches('/');
        let mut request = http::Request::builder()
            .method(call.method.clone())
            .uri(format!("{prefix}{}", call.path_and_query()));
        if let Some(headers) = request.headers_mut() {
            headers.insert("accept", http::HeaderValue::from_static("application/json"));
            for (name, value) in &call.headers {
                headers.insert(name, value.clone());
            }
        }
        let request = request
            .body(call.body.clone())
            .map_err(|error| unwritable(&error.to_string()))?;

        let clock = self.environment.clock;
        let slot = self.pace.slot().await;
        let quiet = self.pace.quiet_until_ms().saturating_sub(clock.monotonic_ms());
        if quiet > 0 {
            clock.sleep_ms(quiet).await;
        }
        let sent_ms = clock.monotonic_ms();
        let result = self.environment.transport.send(request).await;
        drop(slot);
        match result {
            Ok(response) => {
                let (head, body) = response.into_parts();
                Ok(Sent::Answered {
                    answer: Answer {
                        status: head.status.as_u16(),
                        headers: head.headers,
                        body,
                        place,
                    },
                    sent_ms,
                })
            }
            Err(TransportError::Denied(why)) => Err(Failure::new(
                FailureKind::Denied,
                place,
                format!("The host refused the request, and it was not sent: {why}"),
            )),
            Err(TransportError::NotSent(why)) => Ok(Sent::Nothing(Failure::new(
                FailureKind::Transient,
                place,
                format!("The vendor could not be reached: {why}"),
            ))),
            Err(TransportError::AnswerLost(why)) => {
                let repeatable = call.repeatable;
                let failure = Failure::new(
                    FailureKind::Transient,
                    place,
                    if repeatable {
                        format!("No whole answer came: {why}")
                    } else {
                        format!(
                            "The request was sent and may have taken effect, but no whole answer came: {why}"
                        )
                    },
                );
                if repeatable {
                    Ok(Sent::Nothing(failure))
                } else {
                    Err(failure)
                }
            }
        }
    }
}

enum Sent {
    Answered { answer: Answer, sent_ms: u64 },
    Nothing(Failure),
}

/// Runs futures, at most `at_once` of them at a time; their results in the order of the futures.
pub async fn together<F: Future>(futures: impl IntoIterator<Item = F>, at_once: usize) -> Vec<F::Output> {
    let numbered = futures
        .into_iter()
        .enumerate()
        .map(|(index, future)| async move { (index, future.await) });
    let mut results: Vec<_> = futures_util::stream::iter(numbered)
        .buffer_unordered(at_once.max(1))
        .collect()
        .await;
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Runs futures, at most `at_once` of them at a time, and hands over each result as it comes, in no particular order:
/// where there are many, not all results need be kept.
///
/// # Errors
/// The first that `take` answers; the futures that are not done yet are dropped.
pub async fn as_they_come<F: Future, E>(
    futures: impl IntoIterator<Item = F>,
    at_once: usize,
    mut take: impl FnMut(F::Output) -> Result<(), E>,
) -> Result<(), E> {
    let mut results = futures_util::stream::iter(futures).buffer_unordered(at_once.max(1));
    while let Some(result) = results.next().await {
        take(result)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
