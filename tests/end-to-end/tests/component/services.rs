//! A host that promises nothing and remembers what it is told, for what is about the sandbox alone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use groupcast::ledger::{Binding, Effect, Intent, Membership, OpenIntent, Outcome};
use groupcast::plugin::{Event, LogLevel, NoAnswer, Page, RunServices, Violation};
use groupcast_guest::engine::{Extent, Run, SourceEnd, TargetEnd};
use groupcast_guest::failure::Failure;

/// What is asked of every component that is run without vendors.
pub fn run() -> Run {
    Run {
        id: "r1".to_owned(),
        source: SourceEnd {
            vendor: "jumpcloud".to_owned(),
            base_url: "https://127.0.0.1:1".to_owned(),
            events_base_url: None,
            directory: "d".to_owned(),
        },
        target: TargetEnd {
            vendor: "google".to_owned(),
            base_url: "https://127.0.0.1:1".to_owned(),
        },
        settings: "{}".to_owned(),
        seed: 1,
        read: Extent::Whole,
    }
}

/// Takes logs and parts; answers nothing, and parts only if it is told to.
#[derive(Default)]
pub struct Deaf {
    /// Whether a part that is put is never answered.
    pub stuck: bool,
    /// Bytes of log lines that arrived.
    pub log_bytes: AtomicU64,
    /// Parts that arrived.
    pub parts: AtomicU64,
    /// What the plugin was blamed for, by code.
    pub violations: Mutex<Vec<&'static str>>,
}

impl Deaf {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn stuck() -> Arc<Self> {
        Arc::new(Self {
            stuck: true,
            ..Self::default()
        })
    }
}

#[async_trait]
impl RunServices for Deaf {
    async fn send(&self, _: http::Request<Bytes>) -> Result<http::Response<Bytes>, NoAnswer> {
        Err(NoAnswer::Denied)
    }
    async fn put_part(&self, _: Vec<u8>) -> Result<(), Failure> {
        self.parts.fetch_add(1, Ordering::Relaxed);
        if self.stuck {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
    async fn next_part(&self) -> Result<Option<Vec<u8>>, Failure> {
        Ok(None)
    }
    async fn bindings(&self, _: Option<&str>) -> Result<Page<Binding>, Failure> {
        Ok((Vec::new(), None))
    }
    async fn memberships(&self, _: &str, _: Option<&str>) -> Result<Page<Membership>, Failure> {
        Ok((Vec::new(), None))
    }
    async fn intend(&self, _: Vec<Intent>) -> Result<Vec<u64>, Failure> {
        Ok(Vec::new())
    }
    async fn settle(&self, _: Vec<Outcome>) -> Result<(), Failure> {
        Ok(())
    }
    async fn amend(&self, _: Vec<Effect>) -> Result<(), Failure> {
        Ok(())
    }
    async fn unsettled(&self, _: u64) -> Result<Vec<OpenIntent>, Failure> {
        Ok(Vec::new())
    }
    async fn state_get(&self, _: &str) -> Result<Option<(Vec<u8>, u64)>, Failure> {
        Ok(None)
    }
    async fn state_put(&self, _: &str, _: Vec<u8>, _: Option<u64>) -> Result<Option<u64>, Failure> {
        Ok(None)
    }
    fn report(&self, _: Event) {}
    fn violated(&self, violation: &Violation) {
        self.violations.lock().unwrap().push(violation.code());
    }
    fn log(&self, _: LogLevel, message: &str) {
        self.log_bytes.fetch_add(message.len() as u64, Ordering::Relaxed);
    }
}
