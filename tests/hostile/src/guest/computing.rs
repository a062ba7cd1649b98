//! Misdeeds against the processor and against patience.

use super::Deed;
use super::bindings::wasi::clocks::monotonic_clock;
use super::bindings::wasi::http::types::{Fields, OutgoingBody, OutgoingRequest};
use super::bindings::wasi::http::{outgoing_handler, types};
use super::bindings::wasi::io::poll;

pub fn act(misdeed: &str) -> Option<Deed> {
    match misdeed {
        "infinite-loop" => spin(),
        "loop-that-yields" => loop {
            monotonic_clock::subscribe_duration(0).block();
        },
        "tight-host-call-loop" => loop {
            std::hint::black_box(monotonic_clock::now());
        },
        "spinning-on-poll" => {
            let (never, at_once) = (
                monotonic_clock::subscribe_duration(u64::MAX / 2),
                monotonic_clock::subscribe_duration(0),
            );
            loop {
                std::hint::black_box((never.ready(), poll::poll(&[&never, &at_once])));
            }
        }
        "bulk-fill" => {
            let mut room = vec![0u8; 4 << 20];
            for value in (0..=u8::MAX).cycle() {
                room.fill(value);
                std::hint::black_box(&room);
            }
        }
        "deep-recursion" => {
            std::hint::black_box(recurse(1));
        }
        "never-returning" => monotonic_clock::subscribe_duration(u64::MAX / 2).block(),
        "body-that-never-ends" => {
            let (body, future) = begin();
            let stream = body.write().unwrap();
            stream.blocking_write_and_flush(b"{").unwrap();
            // The answer comes once the body is whole, which it never is.
            future.subscribe().block();
        }
        "slow-loris" => {
            let (body, _future) = begin();
            let stream = body.write().unwrap();
            loop {
                let _ = stream.blocking_write_and_flush(b" ");
                monotonic_clock::subscribe_duration(20_000_000).block();
            }
        }
        "endless-body" => {
            let (body, _future) = begin();
            let stream = body.write().unwrap();
            loop {
                let _ = stream.blocking_write_and_flush(&[b' '; 4_096]);
            }
        }
        _ => return None,
    }
    Some(Ok(()))
}

fn spin() -> ! {
    let mut count = 0u64;
    loop {
        count = std::hint::black_box(count.wrapping_add(1));
    }
}

#[allow(unconditional_recursion, reason = "it means harm")]
fn recurse(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 64]);
    recurse(depth + 1) + room[7]
}

/// A request whose body is still to be written.
pub fn begin() -> (OutgoingBody, types::FutureIncomingResponse) {
    let request = OutgoingRequest::new(Fields::new());
    request.set_method(&types::Method::Post).unwrap();
    request.set_scheme(Some(&types::Scheme::Https)).unwrap();
    request.set_authority(Some("graph.microsoft.com")).unwrap();
    request.set_path_with_query(Some("/v1.0/$batch")).unwrap();
    let body = request.body().unwrap();
    (body, outgoing_handler::handle(request, None).unwrap())
}
