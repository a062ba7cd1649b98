//! Sending to Graph: everything goes in `$batch`, up to twenty requests at a time, and each part is retried
//! alone, since Graph throttles each part alone inside an answer of 200. Next pages are followed as
//! single reads. What an answer means is decided in `errors`; what to do about it, by the callers.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::errors::{Classified, Meaning, classify};
use super::request::{BATCH, ROOT, Request};
use super::types::{BatchAnswer, BatchPart, BatchPartAnswer, BatchRequest, Page};
use crate::complete::{self, Collector, Complete, Incomplete, Next, Shortfall};
use crate::environment::Environment;
use crate::failure::{Failure, FailureKind};
use crate::http::delay::{LONGEST_MS, parse_retry_after};
use crate::http::{Answer, Call, Client, Ruling, Verdict, together};

/// Tries of one part of a batch, the first included.
const TRIES: u32 = 8;
/// Tries of a batch whose answer was no whole JSON document.
const UNREADABLE_TRIES: u32 = 3;

/// The answer to one request.
#[derive(Debug, Clone)]
pub struct Reply {
    /// What it means.
    pub classified: Classified,
    /// Its body.
    pub body: Option<Value>,
}

/// The answer to one request, or why there is none.
pub type Outcome = Result<Reply, Failure>;

impl Reply {
    /// What the answer means.
    pub fn meaning(&self) -> Meaning {
        self.classified.meaning
    }

    /// Reads the body of a success.
    ///
    /// # Errors
    /// The answer's own failure if it is no success; a vendor failure if the body is of another shape.
    pub fn read<T: DeserializeOwned>(&self, place: &str) -> Result<T, Failure> {
        if self.meaning() != Meaning::Done {
            return Err(self.classified.to_failure(place));
        }
        serde_json::from_value(self.body.clone().unwrap_or_default()).map_err(|_| {
            Failure::new(
                FailureKind::Vendor,
                place,
                "Microsoft Graph answered a document that is not of the shape it documents. Nothing was done \
                 with it; run again, and report it if it stays.",
            )
            .answered(self.classified.answer.clone())
        })
    }
}

/// Graph's error table for whole answers: batches and next pages.
pub fn verdict(answer: &Answer) -> Verdict {
    if answer.is_success() {
        return Verdict::accept();
    }
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let classified = classify(answer.status, body.as_ref(), None);
    // The throttling page has it that a batch with a throttled part answers 424 itself; its parts are in it.
    if classified.meaning == Meaning::Depended
        && body.as_ref().is_some_and(|body| body.get("responses").is_some())
    {
        return Verdict::accept();
    }
    let ruling = match classified.meaning {
        Meaning::Done => Ruling::Accept,
        Meaning::Throttled => Ruling::Throttled,
        Meaning::Transient | Meaning::Depended => Ruling::Transient,
        Meaning::Unauthenticated | Meaning::Forbidden => Ruling::Refused(FailureKind::Unauthorized),
        _ => Ruling::Refused(FailureKind::Vendor),
    };
    Verdict::new(ruling, classified.answer.reason.clone(), classified.explain())
}

/// Graph at one base URL.
#[derive(Debug)]
pub struct Graph<'a> {
    client: Client<'a>,
    base: String,
}

impl<'a> Graph<'a> {
    /// Graph at a base URL (scheme, host and port); `seed` is the run's.
    pub fn new(environment: Environment<'a>, base_url: &str, seed: u64) -> Self {
        Self {
            client: Client::new(environment, base_url, verdict, seed),
            base: base_url.trim_end_matches('/').to_owned(),
        }
    }

    /// What it works with.
    pub fn environment(&self) -> &Environment<'a> {
        self.client.environment()
    }

    /// Waits before something is looked at again; see [`Client::pause`].
    pub async fn pause(&self, attempt: u32) {
        // Without a vendor's wish there is nothing to refuse.
        let _ = self.client.pause(attempt, None).await;
    }

    /// Sends any number of reads; their answers in the same order.
    pub async fn read(&self, requests: &[Request]) -> Vec<Outcome> {
        let batches = requests.chunks(BATCH).map(|chunk| self.batch(chunk));
        together(batches, self.client.at_once())
            .await
            .into_iter()
            .flatten()
            .collect()
    }

    /// Sends up to twenty requests in one batch; their answers in the same order. Requests that change the same
    /// group run one after the other, in the order given; one is tried even where the one before it was
    /// refused. Passing faults are tried again, each part by itself.
    pub async fn batch(&self, requests: &[Request]) -> Vec<Outcome> {
        let mut state: Vec<PartState> = requests.iter().map(|_| PartState::default()).collect();
        let mut round = 0;
        loop {
            let pending: Vec<usize> = (0..requests.len())
                .filter(|index| state.get(*index).is_some_and(|part| !part.settled))
                .collect();
            if pending.is_empty() {
                break;
            }
            let before = self.predecessors(requests, &pending);
            let answers = match self.send(requests, &pending, &before).await {
                Ok(answers) => answers,
                Err(failure) => {
                    for part in state.iter_mut().filter(|part| !part.settled) {
                        part.settled = true;
                        part.outcome = Some(Err(failure.clone()));
                    }
                    break;
                }
            };
            let asked = self.settle(requests, &pending, &before, answers, &mut state);
            if let Some(wait) = asked
                && state.iter().any(|part| !part.settled)
            {
                // A wait that is too long was settled already.
                let _ = self.client.pause(round, wait).await;
                round += 1;
            }
        }
        state
            .into_iter()
            .map(|part| part.outcome.unwrap_or_else(|| Err(no_answer())))
            .collect()
    }

    /// For each pending request, the pending one before it that changes the same group.
    fn predecessors(&self, requests: &[Request], pending: &[usize]) -> BTreeMap<usize, usize> {
        let mut last: BTreeMap<&str, usize> = BTreeMap::new();
        let mut before = BTreeMap::new();
        for index in pending {
            if let Some(group) = requests.get(*index).and_then(Request::changes)
                && let Some(earlier) = last.insert(group, *index)
            {
                before.insert(*index, earlier);
            }
        }
        before
    }

    /// Sends the pending requests once.
    async fn send(
        &self,
        requests: &[Request],
        pending: &[usize],
        before: &BTreeMap<usize, usize>,
    ) -> Result<BTreeMap<usize, BatchPartAnswer>, Failure> {
        let parts = pending
            .iter()
            .filter_map(|index| {
                let request = requests.get(*index)?;
                Some(BatchPart {
                    id: index.to_string(),
                    method: request.method(),
                    url: request.url(),
                    headers: request.headers(),
                    body: request.body(&self.base),
                    depends_on: before.get(index).map(usize::to_string).into_iter().collect(),
                })
            })
            .collect();
        let call = Call::new(::http::Method::POST, &[ROOT.trim_start_matches('/'), "$batch"])
            .json(&BatchRequest { requests: parts })
            // Every write here can be sent twice: a second creation updates, a second addition or removal answers
            // that it is so already, which is read back.
            .repeatable();
        let mut tries = 0;
        let answer: BatchAnswer = loop {
            match self.client.call(call.clone()).await?.json() {
                Ok(answer) => break answer,
                Err(failure) => {
                    tries += 1;
                    if failure.kind != FailureKind::Transient || tries >= UNREADABLE_TRIES {
                        return Err(failure);
                    }
                    self.pause(tries).await;
                }
            }
        };
        let mut answers = BTreeMap::new();
        let mut doubled = Vec::new();
        for part in answer.responses {
            let Ok(index) = part.id.parse::<usize>() else {
                continue;
            };
            if answers.insert(index, part).is_some() {
                doubled.push(index);
            }
        }
        // Two answers to one request are none: which of them is true cannot be told.
        for index in doubled {
            answers.remove(&index);
        }
        Ok(answers)
    }

    /// Takes the answers in. Answers whether to wait before the rest is sent again, and what the vendor wishes.
    fn settle(
        &self,
        requests: &[Request],
        pending: &[usize],
        before: &BTreeMap<usize, usize>,
        mut answers: BTreeMap<usize, BatchPartAnswer>,
        state: &mut [PartState],
    ) -> Option<Option<u64>> {
        let now = self.environment().clock.unix_seconds();
        let mut wait: Option<Option<u64>> = None;
        let mut throttled = false;
        let mut unsettled_before = Vec::new();
        for index in pending {
            let (Some(part), Some(request)) = (state.get_mut(*index), requests.get(*index)) else {
                continue;
            };
            let after_unfinished = before
                .get(index)
                .is_some_and(|earlier| unsettled_before.contains(earlier));
            let Some(answer) = answers.remove(index) else {
                unsettled_before.push(*index);
                part.tries += 1;
                part.settled = part.tries >= TRIES;
                part.outcome = Some(Err(no_answer()));
                wait.get_or_insert(None);
                continue;
            };
            let asked = retry_after(&answer, now);
            let reply = Reply {
                classified: classify(answer.status, answer.body.as_ref(), request_id(&answer)),
                body: answer.body,
            };
            let meaning = reply.meaning();
            if meaning != Meaning::Done {
                unsettled_before.push(*index);
            }
            if !reply.classified.is_passing() {
                part.settled = true;
            } else if meaning == Meaning::Depended && after_unfinished {
                // It was not tried; this is no try of its own, and no reason to wait.
            } else {
                part.tries += 1;
                throttled |= meaning == Meaning::Throttled;
                let too_long = asked.is_some_and(|ms| ms > LONGEST_MS);
                part.settled = part.tries >= TRIES || too_long;
                if !part.settled {
                    wait = Some(wait.flatten().max(asked));
                }
            }
            let place = format!("{} {ROOT}{}", request.method(), request.url());
            part.outcome = Some(
                if part.settled && reply.classified.is_passing() && request.changes().is_none() {
                    let mut failure = reply.classified.to_failure(place);
                    if meaning == Meaning::Throttled {
                        failure.kind = FailureKind::Throttled(asked.map(|ms| ms.div_ceil(1000)));
                    }
                    Err(failure)
                } else {
                    Ok(reply)
                },
            );
        }
        if throttled {
            self.client.slow_down();
        }
        wait
    }

    /// Reads a list to its end. `first` is the answer to the first page, as a batch gave it.
    ///
    /// # Errors
    /// What was seen, and why it is not proven whole (R42).
    pub async fn list<T: DeserializeOwned>(
        &self,
        what: String,
        first: Outcome,
        key: fn(&T) -> String,
    ) -> Result<Complete<Vec<T>>, Shortfall<T>> {
        let mut seen = Vec::new();
        match self.list_into(what, first, key, |item| seen.push(item)).await {
            Ok(whole) => Ok(whole.map(|()| seen)),
            Err(reason) => Err(Shortfall { seen, reason }),
        }
    }

    /// The same for a list that is too long to be kept as it comes: each item is handed on, once.
    ///
    /// # Errors
    /// Why it is not proven whole.
    pub async fn list_into<T: DeserializeOwned>(
        &self,
        what: String,
        first: Outcome,
        key: fn(&T) -> String,
        mut take: impl FnMut(T),
    ) -> Result<Complete<()>, Incomplete> {
        let mut collector = Collector::new(what.clone(), key);
        let mut page: Result<Page<T>, Failure> = first.and_then(|reply| reply.read(&what));
        loop {
            match page {
                Ok(page) => {
                    let next = page.next_link.map_or(Next::End, Next::Token);
                    // The collector keeps the fault and tells it at the end.
                    let _ = collector.feed_into(complete::Page::new(page.value, next), &mut take);
                }
                Err(failure) => collector.fail(failure.to_string()),
            }
            let Some(link) = collector.next_token().map(str::to_owned) else {
                return collector.judge();
            };
            page = self.next_page(&link).await;
        }
    }

    /// Reads a page that a link names, within the API.
    ///
    /// # Errors
    /// A link that leads elsewhere; the read's own failure.
    pub async fn next_page<T: DeserializeOwned>(&self, link: &str) -> Result<T, Failure> {
        let call = self.client.follow(link)?;
        if !call.path_and_query().starts_with(&format!("{ROOT}/")) {
            return Err(Failure::new(
                FailureKind::Vendor,
                call.place(),
                "Microsoft Graph's link to the next page leads out of the API; it is not followed.",
            ));
        }
        self.client.fetch(call).await
    }
}

#[derive(Debug, Default)]
struct PartState {
    settled: bool,
    tries: u32,
    outcome: Option<Outcome>,
}

fn no_answer() -> Failure {
    Failure::new(
        FailureKind::Transient,
        "POST /v1.0/$batch",
        "Microsoft Graph left one request of a batch without a clear answer. Run again.",
    )
}

fn header<'b>(answer: &'b BatchPartAnswer, name: &str) -> Option<&'b Value> {
    answer
        .headers
        .as_ref()?
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

fn retry_after(answer: &BatchPartAnswer, unix_seconds: u64) -> Option<u64> {
    match header(answer, "retry-after")? {
        Value::String(text) => parse_retry_after(text, unix_seconds),
        Value::Number(number) => parse_retry_after(&number.to_string(), unix_seconds),
        _ => None,
    }
}

fn request_id(answer: &BatchPartAnswer) -> Option<String> {
    header(answer, "request-id")
        .or_else(|| header(answer, "client-request-id"))
        .and_then(Value::as_str)
        .map(str::to_owned)
}

#[cfg(test)]
#[path = "graph_tests.rs"]
mod tests;
