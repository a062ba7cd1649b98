//! Counts what a run asks of the vendors, and tells the observer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::check::Signs;
use super::{Observer, RunRef};
use crate::egress::recorder::{Recorder, Refused, Sent};
use crate::plugin::Violation;
use crate::store::service::NewAuditEntry;

/// What one vendor was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VendorCounts {
    /// Requests, batches counted once.
    pub requests: u64,
    /// Of these, batches.
    pub batches: u64,
    /// Parts of batches.
    pub parts: u64,
    /// Operations carried by requests and parts: what changed something, or tried to.
    pub writes: u64,
    /// Answers of 429, and 403 or 503 that ask for a pause are not told apart here.
    pub throttled: u64,
}

/// What each vendor was asked, by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestCounts {
    /// `jumpcloud`, `google`, `entra`.
    pub vendors: BTreeMap<String, VendorCounts>,
}

impl RequestCounts {
    /// All requests.
    pub fn requests(&self) -> u64 {
        self.vendors.values().map(|vendor| vendor.requests).sum()
    }

    /// Adds what another run of the same work was asked.
    pub(super) fn add(&mut self, other: &Self) {
        for (name, more) in &other.vendors {
            let vendor = self.vendors.entry(name.clone()).or_default();
            vendor.requests += more.requests;
            vendor.batches += more.batches;
            vendor.parts += more.parts;
            vendor.writes += more.writes;
            vendor.throttled += more.throttled;
        }
    }

    /// All operations sent.
    pub fn writes(&self) -> u64 {
        self.vendors.values().map(|vendor| vendor.writes).sum()
    }
}

/// The recorder of one run.
pub(super) struct RunRecorder {
    about: RunRef,
    observer: Arc<dyn Observer>,
    counts: Mutex<RequestCounts>,
    refusal: Mutex<Option<Refusal>>,
    /// Where no answer comes from at the moment, and why.
    silent: Mutex<BTreeMap<String, String>>,
    signs: Signs,
    /// Digest of the component.
    plugin: String,
    violations: Mutex<Vec<Violation>>,
}

/// Why a run was refused a request.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    /// For a person.
    pub(super) told: String,
    /// Whether it may pass at another time, with nothing mended.
    pub(super) passing: bool,
}
/// Breaches of one run that are told; a flood of them is told by its first ones.
const MOST_TOLD: usize = 16;

/// Scheme, host and port of a URL.
fn origin(url: &str) -> String {
    url.split('/').take(3).collect::<Vec<_>>().join("/")
}

impl RunRecorder {
    pub(super) fn new(about: RunRef, observer: Arc<dyn Observer>, plugin: &str) -> Self {
        Self {
            about,
            observer,
            counts: Mutex::default(),
            refusal: Mutex::default(),
            silent: Mutex::default(),
            signs: Signs::default(),
            plugin: plugin.to_owned(),
            violations: Mutex::default(),
        }
    }

    /// The component broke its bounds.
    pub(super) fn violated(&self, violation: &Violation) {
        {
            let mut all = self.violations.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= MOST_TOLD || all.contains(violation) {
                return;
            }
            all.push(violation.clone());
        }
        tracing::warn!(
            connection = %self.about.connection, run = self.about.run, plugin = self.plugin, code = violation.code(),
            "{violation}"
        );
        self.observer.violated(&self.about, &self.plugin, violation);
    }

    /// How the component broke its bounds, for the audit log.
    pub(super) fn violations(&self) -> Vec<NewAuditEntry> {
        self.violations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|violation| violation.audit_entry(&self.plugin, &self.about.connection, &self.about.run))
            .collect()
    }

    pub(super) fn counts(&self) -> RequestCounts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first refusal: the component only learns *that* it was refused, a person learns why.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl RunRecorder {
    /// The run that is recorded.
    pub(super) fn about(&self) -> &RunRef {
        &self.about
    }

    /// What the answers show about who gives them.
    pub(super) fn signs(&self) -> &Signs {
        &self.signs
    }

    /// Why places give no answer: the component only learns *that* none came. Nothing where all of them answer.
    pub(super) fn silence(&self) -> Option<String> {
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<&str> = silent.values().map(String::as_str).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

impl Recorder for RunRecorder {
    fn sent(&self, sent: &Sent) {
        self.signs.note(sent);
        if sent.status.is_some() {
            self.silent
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&origin(&sent.url));
        }
        {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            let vendor = counts.vendors.entry(sent.vendor.to_string()).or_default();
            vendor.requests += 1;
            vendor.batches += u64::from(!sent.parts.is_empty());
            vendor.parts += sent.parts.len() as u64;
            vendor.writes += sent.operations.len() as u64;
            vendor.throttled += u64::from(sent.status == Some(429));
        }
        self.observer.sent(&self.about, sent);
    }

    fn unanswered(&self, url: &str, why: &str) {
        let before = self
            .silent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(origin(url), why.to_owned());
        // Retries would say it again and again.
        if before.is_none() {
            tracing::warn!(connection = %self.about.connection, "{why}");
        }
    }

    fn refused(&self, refused: &Refused) {
        tracing::warn!(
            connection = %self.about.connection, method = refused.method, url = refused.url, reason = refused.reason,
            "a request was refused"
        );
        self.refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(|| Refusal {
                told: format!("{} {}: {}", refused.method, refused.url, refused.reason),
                passing: refused.passing,
            });
        self.observer.refused(&self.about, refused);
        if refused.by_component {
            self.violated(&Violation::ForbiddenRequest {
                request: format!("{} {}", refused.method, refused.url),
                reason: refused.reason.clone(),
            });
        }
    }
}
