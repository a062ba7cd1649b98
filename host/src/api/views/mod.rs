//! The API's shapes: what the service knows, as JSON that stays the same when the inside changes.

use serde::Serialize;
use serde_json::Value;

mod access;
mod plans;
mod plugins;
mod tenancy;
mod work;

pub use access::*;
pub use plans::*;
pub use plugins::*;
pub use tenancy::*;
pub use work::*;

/// An enum's own word.
fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}
