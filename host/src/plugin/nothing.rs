//! Services that do nothing: `describe` may call no import, so whatever it tries is refused.

use async_trait::async_trait;
use bytes::Bytes;
use groupcast_guest::failure::{Failure, FailureKind};

use super::services::{Event, LogLevel, NoAnswer, Page, RunServices};
use crate::ledger::{Binding, Effect, Intent, Membership, OpenIntent, Outcome};

/// Refuses everything.
pub(super) struct Nothing;

fn refused() -> Failure {
    Failure::new(
        FailureKind::Denied,
        "describe",
        "no import may be called while a plugin describes itself",
    )
}

#[async_trait]
impl RunServices for Nothing {
    async fn send(&self, _: http::Request<Bytes>) -> Result<http::Response<Bytes>, NoAnswer> {
        Err(NoAnswer::Denied)
    }
    async fn put_part(&self, _: Vec<u8>) -> Result<(), Failure> {
        Err(refused())
    }
    async fn next_part(&self) -> Result<Option<Vec<u8>>, Failure> {
        Err(refused())
    }
    async fn bindings(&self, _: Option<&str>) -> Result<Page<Binding>, Failure> {
        Err(refused())
    }
    async fn memberships(&self, _: &str, _: Option<&str>) -> Result<Page<Membership>, Failure> {
        Err(refused())
    }
    async fn intend(&self, _: Vec<Intent>) -> Result<Vec<u64>, Failure> {
        Err(refused())
    }
    async fn settle(&self, _: Vec<Outcome>) -> Result<(), Failure> {
        Err(refused())
    }
    async fn amend(&self, _: Vec<Effect>) -> Result<(), Failure> {
        Err(refused())
    }
    async fn unsettled(&self, _: u64) -> Result<Vec<OpenIntent>, Failure> {
        Err(refused())
    }
    async fn state_get(&self, _: &str) -> Result<Option<(Vec<u8>, u64)>, Failure> {
        Err(refused())
    }
    async fn state_put(&self, _: &str, _: Vec<u8>, _: Option<u64>) -> Result<Option<u64>, Failure> {
        Err(refused())
    }
    fn report(&self, _: Event) {}
    fn log(&self, _: LogLevel, _: &str) {}
}
