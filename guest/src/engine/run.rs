//! The run as the WIT world gives it, and the one place that looks at a vendor's name.

use serde::{Deserialize, Serialize};

use crate::engine::answers::{Explanation, Finding, PlanSummary, Question, Report};
use crate::engine::{Session, check, explain, plan, settings};
use crate::entra::Entra;
use crate::environment::Environment;
use crate::failure::{Failure, FailureKind};
use crate::google::Google;
use crate::http::Client;
use crate::jumpcloud::Reader;
use crate::plan::model::{TargetRules, TextLimits};
use crate::{apply, google, jumpcloud};

/// One end of a run where groups come from (WIT `source`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceEnd {
    /// `jumpcloud`.
    pub vendor: String,
    /// Scheme, host and port.
    pub base_url: String,
    /// The same for the feed of events; none where there is no feed.
    #[serde(default)]
    pub events_base_url: Option<String>,
    /// The source's own ID of the directory.
    pub directory: String,
}

/// The other end, where groups go (WIT `target`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetEnd {
    /// `google` or `entra`.
    pub vendor: String,
    /// Scheme, host and port.
    pub base_url: String,
}

/// One run (WIT `run`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Unique among the host's runs.
    pub id: String,
    /// Where groups come from.
    pub source: SourceEnd,
    /// Where groups go.
    pub target: TargetEnd,
    /// The connection's settings: a JSON document.
    pub settings: String,
    /// The only source of randomness.
    pub seed: u64,
    /// How much is read.
    #[serde(default)]
    pub read: Extent,
}

/// How much is read (WIT `extent`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extent {
    /// Everything.
    #[default]
    Whole,
    /// What changed since the last whole reading, as far as that is proven.
    Changes,
}

/// The five exports over one run.
#[derive(Clone, Copy)]
pub struct Engine<'a> {
    /// The run.
    pub run: &'a Run,
    /// The imports.
    pub environment: Environment<'a>,
}

/// Runs an export with the session that the run asks for: the vendor decides only who answers.
macro_rules! dispatch {
    ($engine:expr, |$session:ident| $work:expr) => {{
        let engine = $engine;
        let settings = settings::parse(&engine.run.settings)?;
        let source = engine.source()?;
        match engine.run.target.vendor.as_str() {
            "google" => {
                let client = Client::new(
                    engine.environment,
                    &engine.run.target.base_url,
                    google::classify,
                    engine.run.seed,
                );
                let target = Google::new(client, &settings);
                let $session = &Session {
                    source: &source,
                    target: &target,
                    environment: engine.environment,
                    settings: &settings,
                    rules: TargetRules::Addressed,
                    text: TextLimits {
                        name: None,
                        description: Some(4_096),
                    },
                    directory: &engine.run.source.directory,
                    read: engine.run.read,
                };
                $work.await
            }
            "entra" => {
                let target = Entra::new(
                    engine.environment,
                    &engine.run.target.base_url,
                    settings.on_ambiguous,
                    engine.run.seed,
                );
                let $session = &Session {
                    source: &source,
                    target: &target,
                    environment: engine.environment,
                    settings: &settings,
                    rules: TargetRules::Named,
                    text: TextLimits {
                        name: Some(256),
                        description: Some(1_024),
                    },
                    directory: &engine.run.source.directory,
                    read: engine.run.read,
                };
                $work.await
            }
            other => Err(unknown_vendor("target", other, "`google` or `entra`")),
        }
    }};
}

impl<'a> Engine<'a> {
    /// WIT `check`.
    ///
    /// # Errors
    /// Settings that are wrong, an unknown vendor, or the host's end of the run; the rest are findings.
    pub async fn check(&self) -> Result<Vec<Finding>, Failure> {
        dispatch!(self, |session| check::check(session))
    }

    /// WIT `plan`.
    ///
    /// # Errors
    /// What ended the run; the parts handed over so far are then worthless.
    pub async fn plan(&self) -> Result<PlanSummary, Failure> {
        dispatch!(self, |session| plan::plan(session))
    }

    /// WIT `apply`.
    ///
    /// # Errors
    /// What ended the run; the same parts may be applied again (R47).
    pub async fn apply(&self) -> Result<Report, Failure> {
        dispatch!(self, |session| apply::apply(session))
    }

    /// WIT `explain`.
    ///
    /// # Errors
    /// What kept the reads from being made.
    pub async fn explain(&self, question: &Question) -> Result<Explanation, Failure> {
        dispatch!(self, |session| explain::explain(session, question))
    }

    fn source(&self) -> Result<Reader<'a>, Failure> {
        if self.run.source.vendor != "jumpcloud" {
            return Err(unknown_vendor("source", &self.run.source.vendor, "`jumpcloud`"));
        }
        let client =
            |base_url: &str| Client::new(self.environment, base_url, jumpcloud::classify, self.run.seed);
        let reader = Reader::new(client(&self.run.source.base_url));
        Ok(match &self.run.source.events_base_url {
            Some(events) => reader.with_events(client(events)),
            None => reader,
        })
    }
}

fn unknown_vendor(end: &str, vendor: &str, known: &str) -> Failure {
    Failure::new(
        FailureKind::Configuration,
        format!("{end}.vendor"),
        format!("`{vendor}` is not known. Use {known}."),
    )
}
