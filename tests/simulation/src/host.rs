//! The host of one connection, in memory: what it keeps outlives a run, and a run can be killed at any of its calls.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use groupcast_guest::engine::{Engine, Extent, Report, Run, SourceEnd, TargetEnd};
use groupcast_guest::environment::{
    Clock, Environment, Ledger, Level, LocalFuture, PlanSink, PlanSource, Progress, State, Transport,
    TransportError,
};
use groupcast_guest::failure::{Failure, FailureKind};
use groupcast_guest::ledger::{
    Binding, Effect, Intent, Membership, OpenIntent, Outcome, Provenance, Settlement,
};
use groupcast_guest::plan::part::Part;
use groupcast_guest::settings::Settings;
use groupcast_simulators::log::LoggedRequest;
use http::{Request, Response};

use crate::cloud::{Cloud, GOOGLE, GRAPH, JUMPCLOUD};
use crate::truth::{Target, Watch, wanted};

/// Where a run is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// At this call of the host, counted from 1.
    pub call: u64,
    /// Whether the call still takes effect.
    pub after_effect: bool,
}

/// How a sync went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Nothing to do.
    Nothing,
    /// A plan was applied.
    Applied(Report),
    /// It failed, with what the engine said.
    Failed(Failure),
    /// It was killed.
    Killed,
}

type MembershipKey = (String, String, String);

/// One connection's host.
pub struct Host<'a> {
    /// The vendors.
    pub cloud: &'a Cloud,
    /// Which directory it writes to.
    pub target: Target,
    /// The settings.
    pub settings: Settings,
    /// How much a run reads.
    pub read: Cell<Extent>,
    /// The ledger's bindings.
    pub bindings: RefCell<BTreeMap<String, Binding>>,
    /// The ledger's memberships.
    pub memberships: RefCell<BTreeMap<MembershipKey, Membership>>,
    intents: RefCell<Vec<(Intent, Option<Settlement>)>>,
    state: RefCell<BTreeMap<String, (Vec<u8>, u64)>>,
    parts: RefCell<Vec<Vec<u8>>>,
    given: Cell<usize>,
    runs: Cell<u64>,
    calls: Cell<u64>,
    cut: Cell<Option<Cut>>,
    dead: Cell<bool>,
    /// Who has been wanted where ever since the run began.
    wanted: RefCell<BTreeMap<String, BTreeSet<String>>>,
    seen_interruptions: Cell<u64>,
    /// What no run may do and some run did.
    pub wrongs: RefCell<Vec<String>>,
    /// What the engine logged.
    pub logged: RefCell<Vec<String>>,
}

impl<'a> Host<'a> {
    /// A new connection.
    pub fn new(cloud: &'a Cloud, target: Target, settings: Settings) -> Self {
        Self {
            cloud,
            target,
            settings,
            read: Cell::new(Extent::Whole),
            bindings: RefCell::default(),
            memberships: RefCell::default(),
            intents: RefCell::default(),
            state: RefCell::default(),
            parts: RefCell::default(),
            given: Cell::new(0),
            runs: Cell::new(0),
            calls: Cell::new(0),
            cut: Cell::new(None),
            dead: Cell::new(false),
            wanted: RefCell::default(),
            seen_interruptions: Cell::new(0),
            wrongs: RefCell::default(),
            logged: RefCell::default(),
        }
    }

    /// Plans and applies all of the plan, as a schedule does; killed at `cut`, if the run gets there.
    pub fn sync(&self, cut: Option<Cut>) -> Ended {
        self.calls.set(0);
        self.cut.set(cut);
        self.dead.set(false);
        self.wanted
            .replace(wanted(self.cloud, self.target, &self.settings));
        let ended = self.cloud.time.run(self.plan_and_apply(), &self.dead);
        self.cut.set(None);
        self.dead.set(false);
        ended.unwrap_or(Ended::Killed)
    }

    /// Plans alone.
    pub fn plan(&self) -> Result<Vec<Part>, Failure> {
        let run = self.next_run();
        self.parts.borrow_mut().clear();
        let engine = Engine {
            run: &run,
            environment: self.environment(),
        };
        self.cloud
            .time
            .run(engine.plan(), &self.dead)
            .expect("it is not killed")?;
        Ok(self.planned())
    }

    /// Calls of the host that the last run made.
    pub fn calls(&self) -> u64 {
        self.calls.get()
    }

    /// Intents whose outcome is not known.
    pub fn open_intents(&self) -> usize {
        self.intents
            .borrow()
            .iter()
            .filter(|(_, settled)| settled.is_none())
            .count()
    }

    async fn plan_and_apply(&self) -> Ended {
        let run = self.next_run();
        let engine = Engine {
            run: &run,
            environment: self.environment(),
        };
        self.parts.borrow_mut().clear();
        self.given.set(0);
        // As the bundled host does: what an earlier run left open is settled before anything is planned.
        if self.open_intents() > 0
            && let Err(failure) = engine.apply().await
        {
            return Ended::Failed(failure);
        }
        if let Err(failure) = engine.plan().await {
            return Ended::Failed(failure);
        }
        if !self.planned().iter().any(Part::has_work) {
            return Ended::Nothing;
        }
        self.given.set(0);
        let run = self.next_run();
        let engine = Engine {
            run: &run,
            environment: self.environment(),
        };
        match engine.apply().await {
            Ok(report) => Ended::Applied(report),
            Err(failure) => Ended::Failed(failure),
        }
    }

    fn planned(&self) -> Vec<Part> {
        self.parts
            .borrow()
            .iter()
            .map(|bytes| Part::from_bytes(bytes).expect("a part reads"))
            .collect()
    }

    fn next_run(&self) -> Run {
        let number = self.runs.get() + 1;
        self.runs.set(number);
        Run {
            id: format!("run-{number}"),
            source: SourceEnd {
                vendor: "jumpcloud".to_owned(),
                base_url: JUMPCLOUD.to_owned(),
                events_base_url: Some(JUMPCLOUD.to_owned()),
                directory: self.target.directory().to_owned(),
            },
            target: TargetEnd {
                vendor: self.target.name().to_owned(),
                base_url: match self.target {
                    Target::Google => GOOGLE,
                    Target::Entra => GRAPH,
                }
                .to_owned(),
            },
            settings: serde_json::to_string(&self.settings).expect("settings are JSON"),
            seed: number,
            read: self.read.get(),
        }
    }

    fn environment(&self) -> Environment<'_> {
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

    /// Does a call, unless the run dies before it or is dead.
    fn call<T>(&self, effect: impl FnOnce() -> T) -> Result<T, Failure> {
        let killed = || Failure::new(FailureKind::Host, "run", "the run was killed");
        if self.dead.get() {
            return Err(killed());
        }
        let number = self.calls.get() + 1;
        self.calls.set(number);
        let cut = self.cut.get().filter(|cut| cut.call == number);
        if cut.is_some_and(|cut| !cut.after_effect) {
            self.dead.set(true);
            return Err(killed());
        }
        let value = effect();
        if cut.is_some() {
            self.dead.set(true);
            return Err(killed());
        }
        Ok(value)
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
                let key = (row.group.clone(), row.target.clone(), row.principal.clone());
                self.memberships.borrow_mut().insert(key, row.clone());
            }
            Effect::DropMembership {
                group,
                target,
                principal,
            } => {
                let key = (group.clone(), target.clone(), principal.clone());
                self.memberships.borrow_mut().remove(&key);
            }
        }
    }

    /// Rows of the ledger that say that somebody is there because the source wants it.
    pub fn recorded(&self) -> Vec<(String, String)> {
        self.memberships
            .borrow()
            .values()
            .filter(|row| row.provenance != Provenance::Foreign)
            .map(|row| (row.target.clone(), row.principal.clone()))
            .collect()
    }

    fn judge(&self, entries: &[LoggedRequest]) {
        let bindings = self.bindings.borrow();
        let mut still = self.wanted.borrow_mut();
        if self.seen_interruptions.replace(self.cloud.interrupted.get()) != self.cloud.interrupted.get() {
            // A run cannot know what has changed since it read: it is blamed for what was wanted all along.
            let now = wanted(self.cloud, self.target, &self.settings);
            for (group, people) in still.iter_mut() {
                people.retain(|person| now.get(group).is_some_and(|now| now.contains(person)));
            }
        }
        let watch = Watch {
            cloud: self.cloud,
            target: self.target,
            bindings: &bindings,
            wanted: &still,
        };
        let found = watch.wrongs(entries);
        self.wrongs.borrow_mut().extend(found);
    }
}

impl Transport for Host<'_> {
    fn send(&self, request: Request<Bytes>) -> LocalFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let number = self.calls.get() + 1;
            self.calls.set(number);
            let cut = self.cut.get().filter(|cut| cut.call == number);
            if self.dead.get() || cut.is_some_and(|cut| !cut.after_effect) {
                self.dead.set(true);
                return std::future::pending().await;
            }
            let answer = self.cloud.send(request, |entries| self.judge(entries)).await;
            if cut.is_some() {
                self.dead.set(true);
                return std::future::pending().await;
            }
            answer
        })
    }
}

impl Clock for Host<'_> {
    fn monotonic_ms(&self) -> u64 {
        self.cloud.time.now_ms()
    }

    fn unix_seconds(&self) -> u64 {
        self.cloud.time.now_ms() / 1_000
    }

    fn sleep_ms(&self, ms: u64) -> LocalFuture<'_, ()> {
        Box::pin(self.cloud.time.sleep(ms))
    }
}

impl Ledger for Host<'_> {
    fn bindings(&self) -> Result<Vec<Binding>, Failure> {
        self.call(|| self.bindings.borrow().values().cloned().collect())
    }

    fn memberships(&self, group: &str) -> Result<Vec<Membership>, Failure> {
        self.call(|| {
            let rows = self.memberships.borrow();
            rows.values().filter(|row| row.group == group).cloned().collect()
        })
    }

    fn intend(&self, intents: &[Intent]) -> Result<Vec<u64>, Failure> {
        self.call(|| {
            let mut all = self.intents.borrow_mut();
            let first = all.len() as u64;
            all.extend(intents.iter().map(|intent| (intent.clone(), None)));
            (first..first + intents.len() as u64).collect()
        })
    }

    fn settle(&self, outcomes: &[Outcome]) -> Result<(), Failure> {
        self.call(|| {
            for outcome in outcomes {
                let place = usize::try_from(outcome.intent).expect("a number");
                let settled = &mut self.intents.borrow_mut()[place].1;
                assert!(settled.is_none(), "settled twice: {outcome:?}");
                *settled = Some(outcome.settlement);
                outcome.effects.iter().for_each(|effect| self.effect(effect));
            }
        })
    }

    fn amend(&self, effects: &[Effect]) -> Result<(), Failure> {
        self.call(|| effects.iter().for_each(|effect| self.effect(effect)))
    }

    fn unsettled(&self) -> Result<Vec<OpenIntent>, Failure> {
        self.call(|| {
            self.intents
                .borrow()
                .iter()
                .zip(0_u64..)
                .filter(|((_, settled), _)| settled.is_none())
                .map(|((intent, _), id)| OpenIntent {
                    id,
                    run: "earlier".to_owned(),
                    intent: intent.clone(),
                })
                .collect()
        })
    }
}

impl State for Host<'_> {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, Failure> {
        self.call(|| self.state.borrow().get(key).cloned())
    }

    fn put(&self, key: &str, value: &[u8], expected: Option<u64>) -> Result<Option<u64>, Failure> {
        self.call(|| {
            let mut state = self.state.borrow_mut();
            let version = state.get(key).map(|(_, version)| *version);
            if version != expected {
                return None;
            }
            let next = version.unwrap_or(0) + 1;
            state.insert(key.to_owned(), (value.to_vec(), next));
            Some(next)
        })
    }
}

impl Progress for Host<'_> {
    fn report(&self, _: &str, _: u64, _: Option<u64>, _: &str) {}

    fn log(&self, level: Level, message: &str) {
        if level >= Level::Warn {
            self.logged.borrow_mut().push(message.to_owned());
        }
    }
}

impl PlanSink for Host<'_> {
    fn put(&self, part: &[u8]) -> Result<(), Failure> {
        self.call(|| self.parts.borrow_mut().push(part.to_vec()))
    }
}

impl PlanSource for Host<'_> {
    fn next(&self) -> Result<Option<Vec<u8>>, Failure> {
        self.call(|| {
            let next = self.given.get();
            self.given.set(next + 1);
            self.parts.borrow().get(next).cloned()
        })
    }
}
