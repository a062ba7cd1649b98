//! Calls in words, for whoever looks for the place where two runs part.

use crate::plugin::journal::{Blob, Call, Source};

/// Characters of a text that are shown.
const SHOWN: usize = 60;

fn list(sources: &[Source]) -> String {
    sources
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The ID of the source group that a plan part is about.
pub(super) fn group_of(part: &Blob) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        id: String,
    }
    #[derive(serde::Deserialize)]
    struct Part {
        group: Named,
    }
    serde_json::from_slice::<Part>(&part.0)
        .ok()
        .map(|part| part.group.id)
}

/// A call in a few words.
pub(super) fn call(call: &Call) -> String {
    let milliseconds = |nanoseconds: &u64| nanoseconds / 1_000_000;
    match call {
        Call::MonotonicNow | Call::MonotonicResolution => "a look at the monotonic clock".to_owned(),
        Call::WallNow | Call::WallResolution => "a look at the wall clock".to_owned(),
        Call::SleepFor(timer, time) => format!("timer {timer}, for {} ms", milliseconds(time)),
        Call::SleepUntil(timer, time) => format!("timer {timer}, until {} ms", milliseconds(time)),
        Call::Poll(sources) => format!("waiting for any of: {}", list(sources)),
        Call::Ready(source) => format!("asking whether {source} is ready"),
        Call::Block(source) => format!("waiting for {source}"),
        Call::Send(request) => format!("request {}: {} {}", request.number, request.method, request.url),
        Call::Body(Some(number), body) => format!("the body of request {number} ({} bytes)", body.0.len()),
        Call::Body(None, body) => format!("the body of a request to come ({} bytes)", body.0.len()),
        Call::BodyDropped(Some(number)) => format!("giving up the body of request {number}"),
        Call::BodyDropped(None) => "giving up the body of a request".to_owned(),
        Call::Answer(number) => format!("taking the answer to request {number}"),
        Call::Trailers => "taking an answer's trailers".to_owned(),
        Call::CheckWrite => "asking how much may be written".to_owned(),
        Call::Write(bytes) => format!("writing {bytes} bytes of a body"),
        Call::Flush => "flushing a body".to_owned(),
        Call::ErrorText => "reading a stream's error".to_owned(),
        Call::PutPart(part) => match group_of(part) {
            Some(group) => format!("the plan part of group {group} ({} bytes)", part.0.len()),
            None => format!("a plan part ({} bytes)", part.0.len()),
        },
        Call::NextPart => "asking for the next approved part".to_owned(),
        Call::Bindings(_) => "reading the ledger's bindings".to_owned(),
        Call::Memberships(group, _) => format!("reading the ledger's memberships of group {group}"),
        Call::Intend(intents) => match intents.as_slice() {
            [one] => format!("an intent of group {}: {}", one.group, cut(&one.operation)),
            many => format!("{} intents", many.len()),
        },
        Call::Settle(outcomes) => format!("settling {} intents", outcomes.len()),
        Call::Amend(effects) => format!("{} amendments of the ledger", effects.len()),
        Call::Unsettled(_) => "reading what is unsettled".to_owned(),
        Call::StateGet(key) => format!("reading the state {key:?}"),
        Call::StatePut(key, value, _) => format!("writing the state {key:?} ({} bytes)", value.0.len()),
        Call::Report(event) => format!("progress: {} {}", event.phase, cut(&event.message)),
        Call::Log(_, message) => format!("log: {}", cut(message)),
    }
}

fn cut(text: &str) -> String {
    let mut cut: String = text.chars().take(SHOWN).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut.replace(char::is_control, " ")
}

/// The text around a byte.
fn around(bytes: &[u8], at: usize) -> String {
    let begin = at.saturating_sub(SHOWN / 3);
    let end = at.saturating_add(SHOWN).min(bytes.len());
    String::from_utf8_lossy(bytes.get(begin..end).unwrap_or_default()).replace(char::is_control, " ")
}

/// The first place where two texts part: the byte, and both from a little before it.
pub(super) fn first_byte(recorded: &[u8], now: &[u8]) -> Option<(usize, String, String)> {
    let same = recorded.iter().zip(now).take_while(|(a, b)| a == b).count();
    (recorded.len() != now.len() || same < now.len())
        .then(|| (same, around(recorded, same), around(now, same)))
}

/// What exactly differs between two calls that are otherwise told in the same words.
pub(super) fn detail(recorded: &Call, now: &Call) -> Option<(usize, String, String)> {
    let bytes = |call: &Call| match call {
        Call::PutPart(blob) | Call::Body(_, blob) | Call::StatePut(_, blob, _) => blob.0.to_vec(),
        other => serde_json::to_vec(other).unwrap_or_default(),
    };
    first_byte(&bytes(recorded), &bytes(now))
}
