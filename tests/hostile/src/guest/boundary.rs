//! Misdeeds against memory, and values that are none.

use super::Deed;
use super::bindings::groupcast::sync::{plan_sink, progress};
use super::bindings::wasi::http::types::Fields;

pub fn act(misdeed: &str) -> Option<Deed> {
    match misdeed {
        "memory-bomb" => {
            while std::arch::wasm32::memory_grow(0, 16) != usize::MAX {}
            std::arch::wasm32::unreachable();
        }
        "many-small-allocations" => loop {
            std::mem::forget(std::hint::black_box(Box::new([1u8; 24])));
        },
        "giant-list" => {
            let _ = plan_sink::put(&vec![b' '; 12 << 20]);
        }
        "giant-text" => progress::log(progress::Level::Info, &" ".repeat(12 << 20)),
        "many-handles" => loop {
            std::mem::forget(Fields::new());
        },
        "many-header-fields" => {
            let fields = Fields::new();
            for _ in 0..=32_768 {
                fields.append("a", b"").unwrap();
            }
        }
        "invalid-text" => {
            let bytes = std::hint::black_box([0xff, 0xfe, 0xff]);
            let text = unsafe { std::str::from_utf8_unchecked(&bytes) };
            progress::log(progress::Level::Info, text);
        }
        "forged-handle" => {
            let forged = unsafe { Fields::from_handle(4_321) };
            let _ = forged.append("accept", b"text/plain");
        }
        "doubly-dropped-handle" => {
            let fields = Fields::new();
            let again = unsafe { Fields::from_handle(fields.handle()) };
            drop(fields);
            drop(again);
        }
        "handle-of-another-kind" => {
            let timer = super::bindings::wasi::clocks::monotonic_clock::subscribe_duration(0);
            let forged = unsafe { Fields::from_handle(timer.handle()) };
            let _ = forged.append("accept", b"text/plain");
            std::mem::forget(forged);
        }
        _ => return None,
    }
    Some(Ok(()))
}
