//! Misdeeds by number: more than anybody wants to keep.

use super::bindings::groupcast::sync::{ledger, plan_sink, progress, state};
use super::{Deed, Order, computing, network};

pub fn act(misdeed: &str, order: &Order) -> Option<Deed> {
    match misdeed {
        "log-flood" => {
            for _ in 0..20_000 {
                progress::log(progress::Level::Error, "the sky is falling");
            }
        }
        "progress-flood" => {
            for done in 0..20_000 {
                progress::report(&progress::Event {
                    phase: "planning".to_owned(),
                    done,
                    total: Some(1),
                    message: String::new(),
                });
            }
        }
        "plan-flood" => while plan_sink::put(b"").is_ok() {},
        "ledger-flood" => {
            let effects: Vec<_> = (0..1_000)
                .map(|number| {
                    ledger::Effect::Bind(ledger::Binding {
                        group: format!("g{number}"),
                        state: "managed".to_owned(),
                        key: String::new(),
                        target: None,
                        details: String::new(),
                    })
                })
                .collect();
            while ledger::amend(&effects).is_ok() {}
        }
        "state-flood" => {
            for number in 0u64.. {
                if state::put(&format!("k{number}"), &[0; 100_000], None).is_err() {
                    break;
                }
            }
        }
        "request-flood" => loop {
            let _ = network::get(order.argument(0), "/flood");
        },
        "open-request-flood" => {
            let mut open = Vec::new();
            loop {
                open.push(computing::begin());
                super::bindings::wasi::clocks::monotonic_clock::subscribe_duration(0).block();
            }
        }
        "held-bodies" => {
            let mut open = Vec::new();
            loop {
                let (body, future) = computing::begin();
                let stream = body.write().unwrap();
                for _ in 0..256 {
                    stream.blocking_write_and_flush(&[b' '; 4_096]).unwrap();
                }
                open.push((stream, body, future));
            }
        }
        _ => return None,
    }
    Some(Ok(()))
}
