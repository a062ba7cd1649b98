//! What the host keeps for a run, in memory: the ledger, the plan, and a fuse that cuts the run off.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Target, principal};
use crate::environment::{
    Clock, Environment, Ledger, Level, LocalFuture, PlanSink, PlanSource, Progress, State, Transport,
    TransportError,
};
use crate::failure::{Failure, FailureKind};
use crate::ledger::{Binding, Effect, Intent, Membership, OpenIntent, Outcome, Settlement};
use crate::plan::part::{Operation, Part};

/// What the host keeps: the ledger, the plan, and a fuse.
#[derive(Debug, Default)]
pub struct Host {
    pub bindings: RefCell<BTreeMap<String, Binding>>,
    pub memberships: RefCell<BTreeMap<(String, String, String), Membership>>,
    pub intents: RefCell<Vec<(Intent, Option<Settlement>)>>,
    pub outcomes: RefCell<Vec<Outcome>>,
    pub parts: RefCell<Vec<Part>>,
    pub approved: RefCell<Vec<Part>>,
    next: Cell<usize>,
    /// Calls until the run is cut off; none: never.
    pub fuse: Cell<Option<usize>>,
    pub logged: RefCell<Vec<String>>,
    /// People who must always be in some group (R15).
    pub never_nowhere: RefCell<Vec<String>>,
    pub cancelled: Cell<bool>,
    pub state: RefCell<BTreeMap<String, (Vec<u8>, u64)>>,
    /// The time, in seconds since the Unix epoch.
    pub now: Cell<u64>,
}

impl Host {
    pub fn environment(&self) -> Environment<'_> {
        Environment {
            transport: self,
            clock: self,
            ledger: self,
            state: self,
            progress: self,
            plan_sink: self,
            plan_source: self,
        }
    }

    /// Gives the plan's parts to the next apply.
    pub fn approve(&self) {
        *self.approved.borrow_mut() = self.parts.borrow().clone();
        self.next.set(0);
    }

    pub fn again(&self) {
        self.next.set(0);
    }

    pub fn fuse_blown(&self) -> bool {
        self.fuse.get() == Some(0)
    }

    pub fn burn(&self) {
        if let Some(left) = self.fuse.get() {
            self.fuse.set(Some(left.saturating_sub(1)));
        }
    }

    fn call(&self) -> Result<(), Failure> {
        if self.cancelled.get() {
            return Err(Failure::new(
                FailureKind::Cancelled,
                "run",
                "the run was cancelled",
            ));
        }
        if self.fuse_blown() {
            return Err(Failure::new(FailureKind::Host, "run", "the run was cut off"));
        }
        self.burn();
        Ok(())
    }

    pub fn is_open(&self, operation: &str) -> bool {
        self.intents
            .borrow()
            .iter()
            .any(|(intent, settled)| settled.is_none() && intent.operation == operation)
    }

    pub fn is_approved(&self, operation: &Operation) -> bool {
        self.approved
            .borrow()
            .iter()
            .any(|part| part.operations.contains(operation))
    }

    pub fn after_write(&self, target: &Target) {
        for user in self.never_nowhere.borrow().iter() {
            let everywhere = target.groups.borrow();
            assert!(
                everywhere
                    .values()
                    .any(|group| group.members.contains_key(&principal(user))),
                "R15: {user} is in no group"
            );
        }
    }

    fn effect(&self, effect: &Effect) {
        match effect {
            Effect::Bind(binding) => {
                self.bindings
                    .borrow_mut()
                    .insert(binding.group.clone(), binding.clone());
            }
            Effect::Unbind(group) => {
                self.bindings.borrow_mut().remove(group);
            }
            Effect::PutMembership(row) => {
                self.memberships.borrow_mut().insert(
                    (row.group.clone(), row.target.clone(), row.principal.clone()),
                    row.clone(),
                );
            }
            Effect::DropMembership {
                group,
                target,
                principal,
            } => {
                self.memberships
                    .borrow_mut()
                    .remove(&(group.clone(), target.clone(), principal.clone()));
            }
        }
    }

    pub fn open(&self) -> usize {
        self.intents
            .borrow()
            .iter()
            .filter(|(_, settled)| settled.is_none())
            .count()
    }
}

impl Ledger for Host {
    fn bindings(&self) -> Result<Vec<Binding>, Failure> {
        self.call()?;
        Ok(self.bindings.borrow().values().cloned().collect())
    }

    fn memberships(&self, group: &str) -> Result<Vec<Membership>, Failure> {
        self.call()?;
        let rows = self.memberships.borrow();
        Ok(rows.values().filter(|row| row.group == group).cloned().collect())
    }

    fn intend(&self, intents: &[Intent]) -> Result<Vec<u64>, Failure> {
        self.call()?;
        assert!(intents.len() <= 1_000);
        let mut all = self.intents.borrow_mut();
        let first = all.len() as u64;
        all.extend(intents.iter().map(|intent| (intent.clone(), None)));
        Ok((first..first + intents.len() as u64).collect())
    }

    fn settle(&self, outcomes: &[Outcome]) -> Result<(), Failure> {
        self.call()?;
        assert!(outcomes.len() <= 1_000);
        for outcome in outcomes {
            let mut intents = self.intents.borrow_mut();
            let (_, settled) = intents.get_mut(usize::try_from(outcome.intent).unwrap()).unwrap();
            assert!(settled.is_none(), "settled twice: {outcome:?}");
            *settled = Some(outcome.settlement);
            outcome.effects.iter().for_each(|effect| self.effect(effect));
            self.outcomes.borrow_mut().push(outcome.clone());
        }
        Ok(())
    }

    fn amend(&self, effects: &[Effect]) -> Result<(), Failure> {
        self.call()?;
        assert!(effects.len() <= 1_000);
        effects.iter().for_each(|effect| self.effect(effect));
        Ok(())
    }

    fn unsettled(&self) -> Result<Vec<OpenIntent>, Failure> {
        self.call()?;
        Ok(self
            .intents
            .borrow()
            .iter()
            .zip(0_u64..)
            .filter(|((_, settled), _)| settled.is_none())
            .map(|((intent, _), id)| OpenIntent {
                id,
                run: "earlier".to_owned(),
                intent: intent.clone(),
            })
            .collect())
    }
}

impl Transport for Host {
    fn send(
        &self,
        _: ::http::Request<Bytes>,
    ) -> LocalFuture<'_, Result<::http::Response<Bytes>, TransportError>> {
        Box::pin(async { Err(TransportError::Denied("there is no network here".to_owned())) })
    }
}

impl Clock for Host {
    fn monotonic_ms(&self) -> u64 {
        0
    }
    fn unix_seconds(&self) -> u64 {
        self.now.get()
    }
    fn sleep_ms(&self, _: u64) -> LocalFuture<'_, ()> {
        Box::pin(async {})
    }
}

impl State for Host {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, Failure> {
        Ok(self.state.borrow().get(key).cloned())
    }
    fn put(&self, key: &str, value: &[u8], expected: Option<u64>) -> Result<Option<u64>, Failure> {
        let mut state = self.state.borrow_mut();
        let version = state.get(key).map(|(_, version)| *version);
        if version != expected {
            return Ok(None);
        }
        let next = version.unwrap_or(0) + 1;
        state.insert(key.to_owned(), (value.to_vec(), next));
        Ok(Some(next))
    }
}

impl Progress for Host {
    fn report(&self, _: &str, _: u64, _: Option<u64>, _: &str) {}
    fn log(&self, _: Level, message: &str) {
        self.logged.borrow_mut().push(message.to_owned());
    }
}

impl PlanSink for Host {
    fn put(&self, part: &[u8]) -> Result<(), Failure> {
        let part = Part::from_bytes(part).unwrap();
        let mut parts = self.parts.borrow_mut();
        assert!(
            parts.last().is_none_or(|last| last.group.id < part.group.id),
            "not ascending"
        );
        parts.push(part);
        Ok(())
    }
}

impl PlanSource for Host {
    fn next(&self) -> Result<Option<Vec<u8>>, Failure> {
        let next = self.next.get();
        self.next.set(next + 1);
        Ok(self.approved.borrow().get(next).map(Part::to_bytes))
    }
}
