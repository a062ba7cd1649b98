//! Speaking HTTP to a vendor: one [`Client`] a base URL, with retries, pacing and strict reading. What is
//! retried is decided by the vendor's own error table ([`Verdict`]); credentials are the host's business and
//! never seen here. No vendor's path, field or error code may enter this room, and no body may reach a log.

mod answer;
mod call;
mod client;
pub mod delay;
pub mod multipart;
mod pace;
#[cfg(test)]
pub mod testing;

pub use answer::{Answer, Ruling, Verdict};
pub use call::Call;
pub use client::{Client, as_they_come, together};
