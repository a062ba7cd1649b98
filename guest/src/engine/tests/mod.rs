//! The exports over a world in memory. The planner, the reading and the writing are the real ones.

mod apply;
mod changes;
mod check_explain;
mod excerpts;
mod explaining;
mod fakes;
mod plan;
mod random;
mod undo;

use futures_util::FutureExt;

use crate::engine::answers::{Explanation, Finding, PlanSummary, Question, Report};
use crate::engine::{self, Extent, Session};
use crate::failure::Failure;
use crate::plan::model::{TargetRules, TextLimits};
use crate::plan::part::{Operation, Part};
use crate::settings::{Limit, Limits, Settings};
use fakes::{Guarded, Host, Source, Target};

/// A source, a target, a host and settings.
struct Town {
    rules: TargetRules,
    source: Source,
    target: Target,
    host: Host,
    settings: Settings,
    read: Extent,
}

impl Town {
    fn new(rules: TargetRules) -> Self {
        let none = Limit::default();
        Self {
            rules,
            source: Source::new(rules),
            target: Target {
                rules: Some(rules),
                ..Target::default()
            },
            host: Host::default(),
            settings: Settings {
                managed: true,
                selected: vec!["*".to_owned()],
                limits: Limits {
                    group_adds: none,
                    group_removals: none,
                    run_adds: none,
                    run_removals: none,
                    takeover_adds: none,
                    run_takeover_adds: none,
                    ..Limits::default()
                },
                ..Settings::default()
            },
            read: Extent::Whole,
        }
    }

    fn google() -> Self {
        Self::new(TargetRules::Addressed)
    }

    fn entra() -> Self {
        Self::new(TargetRules::Named)
    }

    fn with<R>(&self, work: impl FnOnce(&Session<'_, Source, Guarded<'_>>) -> R) -> R {
        let target = Guarded {
            target: &self.target,
            host: &self.host,
        };
        work(&Session {
            source: &self.source,
            target: &target,
            environment: self.host.environment(),
            settings: &self.settings,
            rules: self.rules,
            text: TextLimits::default(),
            directory: "d1",
            read: self.read,
        })
    }

    fn try_plan(&self) -> Result<PlanSummary, Failure> {
        self.host.parts.borrow_mut().clear();
        self.source.asked.borrow_mut().clear();
        self.with(|session| engine::plan::plan(session).now_or_never().unwrap())
    }

    fn plan(&self) -> Vec<Part> {
        self.try_plan().unwrap();
        self.host.parts.borrow().clone()
    }

    fn part(&self, group: &str) -> Part {
        self.plan()
            .into_iter()
            .find(|part| part.group.id == group)
            .unwrap()
    }

    /// Applies what was approved last.
    fn try_apply(&self) -> Result<Report, Failure> {
        self.host.again();
        self.with(|session| crate::apply::apply(session).now_or_never().unwrap())
    }

    fn sync(&self) -> Report {
        self.plan();
        self.host.approve();
        self.try_apply().unwrap()
    }

    fn check(&self) -> Vec<Finding> {
        self.with(|session| engine::check::check(session).now_or_never().unwrap().unwrap())
    }

    fn explain(&self, person: Option<&str>, group: &str) -> Explanation {
        let question = Question {
            person: person.map(str::to_owned),
            group: group.to_owned(),
        };
        self.with(|session| {
            engine::explain::explain(session, &question)
                .now_or_never()
                .unwrap()
                .unwrap()
        })
    }

    fn assert_settled(&self) {
        assert_eq!(self.host.open(), 0, "open intents");
        let operations: Vec<Operation> = self.plan().into_iter().flat_map(|part| part.operations).collect();
        assert_eq!(operations, [], "a second plan has work");
    }
}

fn codes(part: &Part) -> Vec<&str> {
    part.reasons.iter().map(|reason| reason.code.as_str()).collect()
}
