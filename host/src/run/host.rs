//! The host's side of one run: the component's imports over the gate and the store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use groupcast_guest::failure::{Failure, FailureKind};
use tokio::sync::Mutex as AsyncMutex;

use super::{Observer, RunRef};
use crate::egress::gate::{Gate, GateError, GateErrorKind};
use crate::egress::permit::OpenIntents;
use crate::ledger::{Binding, Effect, Intent, Membership, OpenIntent, Outcome};
use crate::plugin::{Event, LogLevel, NoAnswer, Page, RunServices, Violation};
use crate::store::{DirectoryKey, Store, StoreError};
use crate::telemetry::traces::Phases;

use super::lease::HeldLease;
use super::recorder::RunRecorder;

/// Parts are handed to the store in bundles: a transaction for each would cost more than the plan.
const STAGED: usize = 64;

/// What the component may do to what is kept.
pub(super) enum Access {
    /// `check` and `explain`: read the ledger.
    Look,
    /// `plan`: also stage parts.
    Plan {
        /// Parts not yet handed to the store, and how many were before them.
        staged: AsyncMutex<(u64, Vec<Vec<u8>>)>,
    },
    /// `apply`: also take approved parts and write to the ledger.
    Apply {
        /// Hash of the plan.
        hash: String,
        /// Positions of the approved parts that are still to be given, last first.
        positions: Mutex<Vec<u64>>,
        /// The approved operations by source group.
        approved: Arc<ApprovedIntents>,
        /// The directory's lease.
        lease: Arc<HeldLease>,
    },
}

/// Which operations were approved, and which of them have an open intent.
#[derive(Default)]
pub(super) struct ApprovedIntents {
    approved: std::collections::BTreeSet<(String, String)>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    by_id: BTreeMap<u64, String>,
    by_operation: BTreeMap<String, u32>,
}

impl ApprovedIntents {
    pub(super) fn new(approved: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            approved: approved.into_iter().collect(),
            open: Mutex::default(),
        }
    }

    fn is_approved(&self, intent: &Intent) -> bool {
        // A set of pairs of strings: looked up without building a pair would need a borrowed-key trick.
        self.approved
            .contains(&(intent.group.clone(), intent.operation.clone()))
    }

    fn opened(&self, id: u64, operation: String) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        *open.by_operation.entry(operation.clone()).or_default() += 1;
        open.by_id.insert(id, operation);
    }

    fn settled(&self, id: u64) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(operation) = open.by_id.remove(&id) else {
            return;
        };
        if let Some(count) = open.by_operation.get_mut(&operation) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.by_operation.remove(&operation);
            }
        }
    }
}

impl OpenIntents for ApprovedIntents {
    fn is_open(&self, operation_json: &str) -> bool {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .by_operation
            .contains_key(operation_json)
    }
}

/// The services of one run.
pub(super) struct RunHost {
    pub(super) about: RunRef,
    pub(super) directory: DirectoryKey,
    pub(super) store: Arc<dyn Store>,
    pub(super) gate: Gate,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) phases: Phases,
    pub(super) recorder: Arc<RunRecorder>,
    pub(super) access: Access,
}

impl RunHost {
    /// Hands the last staged parts to the store; the plan can be sealed then.
    pub(super) async fn flush(&self) -> Result<(), StoreError> {
        if let Access::Plan { staged } = &self.access {
            let mut staged = staged.lock().await;
            self.stage(&mut staged).await?;
        }
        Ok(())
    }

    async fn stage(&self, staged: &mut (u64, Vec<Vec<u8>>)) -> Result<(), StoreError> {
        if !staged.1.is_empty() {
            self.store
                .stage_parts(&self.about.run, staged.0, &staged.1)
                .await?;
            staged.0 += staged.1.len() as u64;
            staged.1.clear();
        }
        Ok(())
    }

    /// A part that is none is the component's fault; anything else is the store's.
    pub(super) fn not_staged(&self, error: &StoreError) -> Failure {
        if matches!(error, StoreError::BadPart { .. }) {
            self.recorder.violated(&Violation::UnusablePlan {
                why: error.to_string(),
            });
        }
        kept(error)
    }

    fn may_not(&self, what: &str) -> Failure {
        self.recorder.violated(&Violation::ForbiddenCall {
            call: what.to_owned(),
        });
        Failure::new(
            FailureKind::Denied,
            what,
            "only `apply` may do this; the component is at fault, report it to its author",
        )
    }
}

fn kept(error: &StoreError) -> Failure {
    let kind = match error {
        StoreError::LeaseLost { .. } => FailureKind::Cancelled,
        _ => FailureKind::Host,
    };
    Failure::new(kind, "store", error.to_string())
}

fn no_answer(error: &GateError) -> NoAnswer {
    match error.kind() {
        GateErrorKind::Denied | GateErrorKind::NoCredential => NoAnswer::Denied,
        GateErrorKind::Name => NoAnswer::Dns,
        GateErrorKind::AddressProhibited => NoAnswer::AddressProhibited,
        GateErrorKind::NotSent => NoAnswer::ConnectionRefused,
        GateErrorKind::AnswerLost => NoAnswer::ConnectionTerminated,
        GateErrorKind::AnswerTooLong => NoAnswer::ResponseTooLarge(0),
        GateErrorKind::RequestTooLong => NoAnswer::RequestTooLarge(0),
        GateErrorKind::TooManyRequests => NoAnswer::RequestLimit,
    }
}

#[async_trait]
impl RunServices for RunHost {
    fn may_write(&self, request: &http::Request<Bytes>) -> bool {
        self.gate.may_write(request)
    }

    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, NoAnswer> {
        self.gate.send(request).await.map_err(|error| {
            tracing::debug!(connection = %self.about.connection, %error, "no answer");
            no_answer(&error)
        })
    }

    async fn put_part(&self, part: Vec<u8>) -> Result<(), Failure> {
        let Access::Plan { staged } = &self.access else {
            return Err(self.may_not("plan-sink.put"));
        };
        let mut staged = staged.lock().await;
        staged.1.push(part);
        if staged.1.len() >= STAGED {
            self.stage(&mut staged)
                .await
                .map_err(|error| self.not_staged(&error))?;
        }
        Ok(())
    }

    async fn next_part(&self) -> Result<Option<Vec<u8>>, Failure> {
        let Access::Apply { hash, positions, .. } = &self.access else {
            return Err(self.may_not("plan-source.next"));
        };
        let position = positions.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match position {
            None => Ok(None),
            Some(position) => self
                .store
                .part_bytes(&self.directory, hash, position)
                .await
                .map(Some)
                .map_err(|error| kept(&error)),
        }
    }

    async fn bindings(&self, after: Option<&str>) -> Result<Page<Binding>, Failure> {
        let page = self
            .store
            .bindings(&self.directory, after)
            .await
            .map_err(|error| kept(&error))?;
        Ok((page.items, page.next))
    }

    async fn memberships(&self, group: &str, after: Option<&str>) -> Result<Page<Membership>, Failure> {
        let page = self
            .store
            .memberships(&self.directory, group, after)
            .await
            .map_err(|error| kept(&error))?;
        Ok((page.items, page.next))
    }

    async fn intend(&self, intents: Vec<Intent>) -> Result<Vec<u64>, Failure> {
        let Access::Apply { approved, lease, .. } = &self.access else {
            return Err(self.may_not("ledger.intend"));
        };
        if let Some(stranger) = intents.iter().find(|intent| !approved.is_approved(intent)) {
            self.recorder.violated(&Violation::NotApproved {
                group: stranger.group.chars().take(100).collect(),
                operation: stranger.operation.chars().take(1_000).collect(),
            });
            return Err(Failure::new(
                FailureKind::Denied,
                format!("group {}", stranger.group),
                format!(
                    "the approved plan has no such operation: {}; plan again and approve what is missing",
                    stranger.operation
                ),
            ));
        }
        let held = lease.current().await;
        let ids = self
            .store
            .intend(&self.directory, &self.about.run, &held, &intents)
            .await
            .map_err(|error| kept(&error))?;
        for (id, intent) in ids.iter().zip(intents) {
            approved.opened(*id, intent.operation);
        }
        Ok(ids)
    }

    async fn settle(&self, outcomes: Vec<Outcome>) -> Result<(), Failure> {
        let Access::Apply { approved, .. } = &self.access else {
            return Err(self.may_not("ledger.settle"));
        };
        self.store
            .settle(&self.directory, &outcomes)
            .await
            .map_err(|error| kept(&error))?;
        for outcome in outcomes {
            approved.settled(outcome.intent);
        }
        Ok(())
    }

    async fn amend(&self, effects: Vec<Effect>) -> Result<(), Failure> {
        let Access::Apply { lease, .. } = &self.access else {
            return Err(self.may_not("ledger.amend"));
        };
        if !lease.fresh.is_fresh() {
            return Err(Failure::new(
                FailureKind::Cancelled,
                "lease",
                "this run no longer holds its directory, so nothing more is recorded; apply the plan again",
            ));
        }
        self.store
            .amend(&self.directory, &effects)
            .await
            .map_err(|error| kept(&error))
    }

    async fn unsettled(&self, after: u64) -> Result<Vec<OpenIntent>, Failure> {
        self.store
            .unsettled(&self.directory, after)
            .await
            .map_err(|error| kept(&error))
    }

    async fn state_get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, Failure> {
        let entry = self
            .store
            .state_get(&self.directory, key)
            .await
            .map_err(|error| kept(&error))?;
        Ok(entry.map(|entry| (entry.value, entry.version)))
    }

    async fn state_put(
        &self,
        key: &str,
        value: Vec<u8>,
        expected: Option<u64>,
    ) -> Result<Option<u64>, Failure> {
        self.store
            .state_put(&self.directory, key, &value, expected)
            .await
            .map_err(|error| kept(&error))
    }

    fn report(&self, event: Event) {
        self.phases.enter(&event.phase);
        self.observer.event(&self.about, &event);
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.observer.log(&self.about, level, message);
    }

    fn violated(&self, violation: &Violation) {
        self.recorder.violated(violation);
    }
}
