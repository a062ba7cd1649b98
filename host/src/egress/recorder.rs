//! What is told of each request: the proof of R33, and what `runs` shows. Never a credential.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use groupcast_guest::plan::part::Operation;

use super::origin::Vendor;
use super::quota::Taken;

/// One attempt that was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// Whose API.
    pub vendor: Vendor,
    /// Method.
    pub method: String,
    /// URL; it can hold no credential.
    pub url: String,
    /// 1, or 2 after a renewed token.
    pub attempt: u32,
    /// Methods and paths of a batch's parts; empty where it is none.
    pub parts: Vec<String>,
    /// The approved operations that it carried out; empty for reads.
    pub operations: Vec<Operation>,
    /// The vendor's status; none where no answer came.
    pub status: Option<u16>,
    /// The vendor's request ID.
    pub request_id: Option<String>,
    /// What went wrong, where no answer came.
    pub failure: Option<String>,
    /// From the connection in hand to the last byte.
    pub duration: Duration,
    /// Bytes of the request's body.
    pub bytes_out: u64,
    /// Bytes of the answer's body, unpacked.
    pub bytes_in: u64,
    /// Whether the answer held a secret, which was blanked.
    pub echoed_secret: bool,
    /// How many seconds the vendor's clock is ahead of this machine's, by the answer's `Date`.
    pub clock_ahead: Option<i64>,
    /// The answer's content type.
    pub content_type: Option<String>,
    /// What it took of the vendor's quota, and what the vendor says of that.
    pub quota: Taken,
}

/// One request that was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Method.
    pub method: String,
    /// URL, cut at 2,048 characters.
    pub url: String,
    /// Why, and what to do.
    pub reason: String,
    /// Whether the same may pass at another time, with nothing mended: whoever gives the credential could not be
    /// reached.
    pub passing: bool,
    /// Whether the component is to blame: it asked for what no sync may have. Else it is the moment that was wrong.
    pub by_component: bool,
}

/// Is told of each request. Must not block.
pub trait Recorder: Send + Sync {
    /// A request was sent.
    fn sent(&self, sent: &Sent);
    /// A request was refused.
    fn refused(&self, refused: &Refused);
    /// No answer came, for the network's or the vendor's sake; the guest may try again.
    fn unanswered(&self, _url: &str, _why: &str) {}
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRecorder;

impl Recorder for NoRecorder {
    fn sent(&self, _sent: &Sent) {}
    fn refused(&self, _refused: &Refused) {}
}

/// Keeps everything in memory: for tests and short runs.
#[derive(Debug, Default)]
pub struct MemoryRecorder {
    sent: Mutex<Vec<Sent>>,
    refused: Mutex<Vec<Refused>>,
}

impl MemoryRecorder {
    /// What was sent so far.
    pub fn all_sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was refused so far.
    pub fn all_refused(&self) -> Vec<Refused> {
        self.refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Recorder for MemoryRecorder {
    fn sent(&self, sent: &Sent) {
        self.sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sent.clone());
    }

    fn refused(&self, refused: &Refused) {
        self.refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(refused.clone());
    }
}

/// Totals of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Attempts by vendor and status; status 0 is "no answer".
    pub by_status: BTreeMap<(Vendor, u16), u64>,
    /// Requests refused.
    pub refused: u64,
    /// Bytes of bodies sent.
    pub bytes_out: u64,
    /// Bytes of bodies received, unpacked.
    pub bytes_in: u64,
}
