//! Many calls in few requests, by Google's batch endpoint. Each call gets its own result: a part that is throttled
//! or unanswered is sent again, and a batch that is refused whole is halved down to the part that is to blame (R40).

use std::collections::VecDeque;

use crate::failure::{Failure, FailureKind};
use crate::http::delay::{LONGEST_MS, next_random, parse_retry_after};
use crate::http::{Answer, Call, Client, Ruling, multipart, together};

/// Calls in one batch. Google allows 1,000; fewer lose less when one is lost.
pub(super) const MOST: usize = 100;
/// Batches at a time: each counts as many queries as it has parts.
const AT_ONCE: usize = 2;
/// Times that a part is sent, the first included.
const ROUNDS: u32 = 6;

/// Sends calls, all of which must be repeatable; one result each, in their order. An accepted answer may still be an
/// error that the caller understands.
pub(super) async fn send(client: &Client<'_>, calls: &[Call]) -> Vec<Result<Answer, Failure>> {
    let chunks = calls.chunks(MOST).map(|chunk| send_chunk(client, chunk));
    together(chunks, AT_ONCE).await.into_iter().flatten().collect()
}

async fn send_chunk(client: &Client<'_>, calls: &[Call]) -> Vec<Result<Answer, Failure>> {
    let mut results: Vec<Option<Result<Answer, Failure>>> = vec![None; calls.len()];
    let mut pending: Vec<usize> = (0..calls.len()).collect();
    for round in 0..ROUNDS {
        let sent: Vec<Call> = pending
            .iter()
            .filter_map(|index| calls.get(*index).cloned())
            .collect();
        let mut again = Vec::new();
        let mut asked_ms: Option<u64> = None;
        for (index, answer) in pending.iter().copied().zip(send_once(client, &sent).await) {
            let (result, repeat) = judge(client, answer, &mut asked_ms);
            if let Some(place) = results.get_mut(index) {
                *place = Some(result);
            }
            if repeat {
                again.push(index);
            }
        }
        pending = again;
        let last = round + 1 == ROUNDS;
        if pending.is_empty() || last || client.pause(round, asked_ms).await.is_err() {
            break;
        }
    }
    let unanswered = |index: usize| {
        let place = calls.get(index).map(Call::place).unwrap_or_default();
        Failure::new(
            FailureKind::Transient,
            place,
            "Google's batch answer left this part out, again and again; it may have taken effect.",
        )
    };
    results
        .into_iter()
        .enumerate()
        .map(|(index, result)| result.unwrap_or_else(|| Err(unanswered(index))))
        .collect()
}

/// The result of one part as it stands, and whether it is worth another round.
fn judge(
    client: &Client<'_>,
    answer: Result<Option<Answer>, Failure>,
    asked_ms: &mut Option<u64>,
) -> (Result<Answer, Failure>, bool) {
    let answer = match answer {
        Err(failure) => return (Err(failure), false),
        Ok(None) => {
            let failure = Failure::new(
                FailureKind::Transient,
                "POST /batch",
                "Google's batch answer left this part out; it may have taken effect.",
            );
            return (Err(failure), true);
        }
        Ok(Some(answer)) => answer,
    };
    let verdict = client.classify(&answer);
    let asked = answer
        .header("retry-after")
        .and_then(|text| parse_retry_after(text, client.environment().clock.unix_seconds()));
    match verdict.ruling {
        Ruling::Accept => (Ok(answer), false),
        Ruling::Refused(kind) => (Err(answer.failure(kind, &verdict.reason, verdict.message)), false),
        Ruling::Throttled => {
            client.slow_down();
            let kind = FailureKind::Throttled(asked.map(|ms| ms.div_ceil(1000)));
            let repeat = asked.is_none_or(|ms| ms <= LONGEST_MS);
            if repeat {
                *asked_ms = (*asked_ms).max(asked);
            }
            (
                Err(answer.failure(kind, &verdict.reason, verdict.message)),
                repeat,
            )
        }
        Ruling::Transient => (
            Err(answer.failure(FailureKind::Transient, &verdict.reason, verdict.message)),
            true,
        ),
    }
}

/// One pass over the calls: none for a part that got no answer. A batch refused whole is halved.
async fn send_once(client: &Client<'_>, calls: &[Call]) -> Vec<Result<Option<Answer>, Failure>> {
    let mut results: Vec<Result<Option<Answer>, Failure>> = Vec::new();
    let mut open: VecDeque<&[Call]> = VecDeque::from([calls]);
    while let Some(some) = open.pop_front() {
        if let [only] = some {
            results.push(client.call(only.clone()).await.map(Some));
            continue;
        }
        let (_, nonce) = next_random(client.environment().clock.monotonic_ms());
        let packed = multipart::pack(some, nonce);
        let call = Call::new(http::Method::POST, &["batch"])
            .body(&packed.content_type, packed.body)
            .repeatable();
        match client.call(call).await {
            Ok(answer) if answer.is_success() => match multipart::unpack(&answer, some) {
                Ok(answers) => results.extend(answers.into_iter().map(Ok)),
                Err(_) => results.extend(some.iter().map(|_| Ok(None))),
            },
            Err(failure) if !is_about_the_content(&failure) => {
                results.extend(some.iter().map(|_| Err(failure.clone())));
            }
            // Refused whole, by the host or by Google: some part is to blame, and the others shall not suffer.
            Ok(_) | Err(_) => {
                let (first, second) = some.split_at(some.len() / 2);
                open.push_front(second);
                open.push_front(first);
            }
        }
    }
    results
}

fn is_about_the_content(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::Denied | FailureKind::Vendor)
}
