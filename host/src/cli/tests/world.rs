//! A fixed world: parts built by hand, a host that answers with them, and a call of the program over it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, TimeZone as _, Utc};
use clap::Parser as _;
use groupcast_guest::engine::{Explanation, Extent, Finding, PlanSummary, Report, Severity, Step};
use groupcast_guest::failure::VendorAnswer;
use groupcast_guest::ledger::Settlement;
use groupcast_guest::plan::part::{
    ForeignMember, GroupRef, GroupState, Held, Note, Operation, Part, PartGroup, PartTarget, Reason,
    RemovalReason, TargetHow, Waiting,
};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::cli::arguments::{CommandLine, HealthArguments, SandboxArguments, SimulatorsArguments};
use crate::cli::commands::StorePlace;
use crate::cli::exit::Exit;
use crate::cli::operations::{
    ApplyOutcome, CheckReport, ConnectionName, Observer, OperationOutcome, Operations, PlanOutcome,
    RequestCounts, RunEnd, RunFailure, RunFailureKind, RunRecord, Selection, StoredPlan, SyncOutcome,
    VendorCounts,
};
use crate::cli::problem::Problem;
use crate::cli::progress::{Manner, Progress};
use crate::cli::surroundings::{Component, Opening, SecretLine, SecretStore, Surroundings};
use crate::plugin::{Plugin, PluginEngine, RunLimits, Usage};
use crate::recording::Recordings;
use crate::service::identity::Tokens;
use crate::store::SqliteStore;
use crate::telemetry::{Health, Probe};

pub const HASH: &str = "90454829d4f080ed62dd49fafcd5f260f8e67cbb933667669634155819eaa83b";

pub fn at(minute: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 14, 9, minute, 0).unwrap()
}

/// A part in step, bound to its Google group.
pub fn part(id: &str, name: &str, state: GroupState) -> Part {
    let email = format!("{}@example.com", name.to_lowercase().replace(' ', "-"));
    Part {
        version: 1,
        group: PartGroup {
            id: id.to_owned(),
            name: name.to_owned(),
            email: Some(email.clone()),
            email_is_override: false,
            users: Some(12),
        },
        state,
        reasons: vec![],
        target: Some(PartTarget {
            id: Some(format!("t-{id}")),
            key: email.clone(),
            label: email,
            how: TargetHow::Bound,
            before: None,
        }),
        fingerprint: "f".repeat(64),
        operations: vec![],
        held: vec![],
        notes: vec![],
        waiting: vec![],
        foreign: vec![],
        warnings: vec![],
    }
}

pub fn add(target: &str, person: &str) -> Operation {
    Operation::AddMember {
        group: GroupRef::Id(target.to_owned()),
        principal: format!("p-{person}"),
        user: format!("u-{person}"),
        address: format!("{person}@example.com"),
    }
}

pub fn remove(target: &str, person: &str, why: RemovalReason) -> Operation {
    Operation::RemoveMember {
        group: GroupRef::Id(target.to_owned()),
        principal: format!("p-{person}"),
        user: Some(format!("u-{person}")),
        address: format!("{person}@example.com"),
        why,
    }
}

pub fn in_step(id: &str, name: &str) -> Part {
    part(id, name, GroupState::Managed)
}

pub fn takeover() -> Part {
    let mut part = part("g1", "Sales", GroupState::Pending);
    if let Some(target) = &mut part.target {
        target.how = TargetHow::Takeover;
    }
    part.reasons = vec![Reason::new("changes", "3 changes are to be made.")];
    part.operations = vec![
        Operation::UpdateGroup {
            group: GroupRef::Id("t-g1".to_owned()),
            name: Some("Sales".to_owned()),
            description: Some("Everybody who sells".to_owned()),
            address: None,
        },
        add("t-g1", "alice"),
        add("t-g1", "bob"),
    ];
    let member = |label: &str, kind: &str, role: &str| ForeignMember {
        principal: format!("p-{label}"),
        label: label.to_owned(),
        kind: kind.to_owned(),
        role: role.to_owned(),
    };
    part.foreign = vec![
        member("boss@example.com", "user", "owner"),
        member("partners@example.com", "group", "member"),
        member("guest@elsewhere.example", "external", "member"),
    ];
    part
}

pub fn create() -> Part {
    let mut part = part("g2", "Support", GroupState::Pending);
    part.group.email_is_override = true;
    part.target = Some(PartTarget {
        id: None,
        key: "support@example.com".to_owned(),
        label: "support@example.com".to_owned(),
        how: TargetHow::Create,
        before: None,
    });
    let new = GroupRef::New("support@example.com".to_owned());
    part.operations = vec![
        Operation::CreateGroup {
            key: "support@example.com".to_owned(),
            name: "Support".to_owned(),
            description: "Second line".to_owned(),
        },
        Operation::AddMember {
            group: new,
            principal: "p-carol".to_owned(),
            user: "u-carol".to_owned(),
            address: "carol@example.com".to_owned(),
        },
    ];
    part.waiting = vec![Waiting {
        user: "u-dave".to_owned(),
        label: "dave@example.com".to_owned(),
        reason: Reason::new(
            "awaiting-user",
            "Nobody in the target answers to dave@example.com; the next run looks again.",
        ),
    }];
    part
}

pub fn adds_and_removals() -> Part {
    let mut part = part("g3", "Engineering", GroupState::Pending);
    part.operations = (0..30)
        .map(|number| add("t-g3", &format!("person{number:02}")))
        .chain([
            remove("t-g3", "erin", RemovalReason::LeftGroup),
            remove("t-g3", "frank", RemovalReason::UserDeleted),
        ])
        .collect();
    part.foreign = vec![ForeignMember {
        principal: "p-x".to_owned(),
        label: "owner@example.com".to_owned(),
        kind: "user".to_owned(),
        role: "owner".to_owned(),
    }];
    part
}

pub fn email_moved() -> Part {
    let mut part = part("g4", "Press", GroupState::Pending);
    part.operations = vec![add("t-g4", "gina"), remove("t-old", "gina", RemovalReason::Moved)];
    part.notes = vec![Note::Bind {
        state: "managed".to_owned(),
        key: "press@example.com".to_owned(),
        target: Some("t-g4".to_owned()),
        name: "Press".to_owned(),
        had_email: true,
        moving_from: vec![("t-old".to_owned(), "media@example.com".to_owned())],
    }];
    part
}

pub fn held_by_limit() -> Part {
    let mut part = part("g5", "All Staff", GroupState::Held);
    let reason = Reason::new(
        "limit",
        "25 removals are more than the 30% of 60 memberships that one group may lose in one run; approve them, or raise \
         the limit.",
    );
    part.reasons = vec![reason.clone()];
    part.held = (0..25)
        .map(|number| Held {
            operation: remove("t-g5", &format!("leaver{number:02}"), RemovalReason::LeftGroup),
            reason: reason.clone(),
            approvable: true,
        })
        .collect();
    part.held.push(Held {
        operation: remove("t-g5", "owner", RemovalReason::LeftGroup),
        reason: Reason::new(
            "owner",
            "owner@example.com owns or manages the group in the target; owners and managers are never removed, do it \
             there.",
        ),
        approvable: false,
    });
    part
}

pub fn held_empty_source() -> Part {
    let mut part = part("g6", "Interns", GroupState::Held);
    part.group.users = Some(0);
    part.held = vec![Held {
        operation: remove("t-g6", "ivan", RemovalReason::LeftGroup),
        reason: Reason::new(
            "empty-source",
            "The group became empty in the source, which is also what a broken read looks like; approve to remove its \
             members.",
        ),
        approvable: true,
    }];
    part
}

pub fn conflict() -> Part {
    let mut part = part("g7", "Sales \u{202e}evil", GroupState::Conflict);
    part.target = None;
    part.group.email = Some("sales@example.com".to_owned());
    part.reasons = vec![Reason::new(
        "address-taken",
        "Its address sales@example.com is held by `Sales`; give one of them another.",
    )];
    part
}

pub fn at_risk() -> Part {
    let mut part = part("g8", "Contractors", GroupState::AtRisk);
    part.target = None;
    part.group.email = None;
    part.warnings = vec![Reason::new(
        "at-risk",
        "Bound without an email while management is on: the vendor warns that its 12 users can be suspended. Give it an \
         email, or unbind it.",
    )];
    part
}

pub fn not_exported(id: &str, name: &str, code: &str, message: &str) -> Part {
    let mut part = part(id, name, GroupState::NotExportable);
    part.target = None;
    part.group.email = None;
    part.reasons = vec![Reason::new(code, message)];
    part
}

/// One of each.
pub fn everything() -> Vec<Part> {
    let no_email = "The group has no email; give it one to export it.";
    vec![
        takeover(),
        create(),
        adds_and_removals(),
        email_moved(),
        held_by_limit(),
        held_empty_source(),
        conflict(),
        at_risk(),
        not_exported("g9", "Chess", "no-email", no_email),
        not_exported("g10", "Running ", "no-email", no_email),
        not_exported(
            "g11",
            "Alumni",
            "not-bound",
            "The group is not bound to the directory.",
        ),
        in_step("g12", "Finance"),
        in_step("g13", "Legal"),
    ]
}

pub fn stored(parts: Vec<Part>) -> StoredPlan {
    StoredPlan {
        hash: HASH.to_owned(),
        parts,
        created: at(26),
        expires: at(26) + chrono::Duration::days(7),
    }
}

pub fn findings() -> Vec<Finding> {
    vec![
        Finding {
            severity: Severity::Info,
            code: "reach".to_owned(),
            place: "JumpCloud".to_owned(),
            message: "214 groups can be read.".to_owned(),
            vendor: None,
        },
        Finding {
            severity: Severity::Problem,
            code: "group-at-risk".to_owned(),
            place: "Contractors".to_owned(),
            message: "Bound without an email: 12 users can be suspended.\nGive it an email, or set acknowledge = true."
                .to_owned(),
            vendor: None,
        },
        Finding {
            severity: Severity::Warning,
            code: "target-unreachable".to_owned(),
            place: "https://admin.googleapis.com".to_owned(),
            message: "The directory refused to list groups; grant the scope admin.directory.group.readonly."
                .to_owned(),
            vendor: Some(VendorAnswer {
                status: 403,
                reason: "insufficientPermissions".to_owned(),
                request_id: Some("req-17".to_owned()),
            }),
        },
    ]
}

pub fn explanation() -> Explanation {
    let step = |code: &str, holds, message: &str| Step {
        code: code.to_owned(),
        holds,
        message: message.to_owned(),
    };
    Explanation {
        conclusion: "alice is not in the target of “Sales”, since nobody there answers to alice@example.com."
            .to_owned(),
        group: Some("g1".to_owned()),
        people: vec!["alice".to_owned()],
        steps: vec![
            step("group", true, "JumpCloud has the group “Sales” (g1)."),
            step("binding", true, "“Sales” is bound to the directory."),
            step(
                "resolution",
                false,
                "Nobody in the target answers to alice@example.com.",
            ),
            step(
                "member",
                false,
                "The target does not show alice among the members.",
            ),
        ],
    }
}

pub fn apply_outcome() -> ApplyOutcome {
    let outcome = |operation, settlement, status, reason: Option<&str>| OperationOutcome {
        group: "g1".to_owned(),
        operation,
        settlement: Some(settlement),
        status,
        reason: reason.map(str::to_owned),
        request_id: status.map(|_| "req-9".to_owned()),
    };
    ApplyOutcome {
        run: "run-2".to_owned(),
        hash: HASH.to_owned(),
        report: Report {
            applied: 2,
            failed: 1,
            moved: vec![(
                "g3".to_owned(),
                "erin@example.com was added in the target meanwhile.".to_owned(),
            )],
        },
        outcomes: vec![
            outcome(add("t-g1", "alice"), Settlement::Applied, Some(200), None),
            outcome(
                add("t-g1", "amy"),
                Settlement::Already,
                Some(409),
                Some("duplicate"),
            ),
            outcome(
                add("t-g1", "bob"),
                Settlement::Refused,
                Some(412),
                Some("conditionNotMet"),
            ),
            outcome(
                remove("t-g1", "carl", RemovalReason::LeftGroup),
                Settlement::Abandoned,
                None,
                Some("The run was cancelled before it was sent."),
            ),
        ],
        requests: RequestCounts {
            vendors: BTreeMap::from([(
                "google".to_owned(),
                VendorCounts {
                    requests: 17,
                    batches: 2,
                    parts: 1_040,
                    writes: 1_041,
                    throttled: 1,
                },
            )]),
        },
        usage: Usage {
            memory_peak_bytes: 8 << 20,
            wall_ms: 4_321,
            cpu_ms: 0,
        },
    }
}

pub fn records() -> Vec<RunRecord> {
    let google = ConnectionName::new("default", "google");
    vec![
        RunRecord {
            id: "run-2".to_owned(),
            connection: google.clone(),
            kind: "apply".to_owned(),
            started: at(30),
            ended: None,
            end: None,
            message: None,
            counters: BTreeMap::new(),
            plan: Some(HASH.to_owned()),
        },
        RunRecord {
            id: "run-1".to_owned(),
            connection: google.clone(),
            kind: "plan".to_owned(),
            started: at(26),
            ended: Some(at(28)),
            end: Some(RunEnd::Pending),
            message: None,
            counters: BTreeMap::from([("adds".to_owned(), 1_200), ("held".to_owned(), 0)]),
            plan: Some(HASH.to_owned()),
        },
        RunRecord {
            id: "run-0".to_owned(),
            connection: ConnectionName::new("default", "entra"),
            kind: "sync".to_owned(),
            started: at(10),
            ended: Some(at(10)),
            end: Some(RunEnd::Refused),
            message: Some("the client secret of Entra ID has expired\nrenew it".to_owned()),
            counters: BTreeMap::new(),
            plan: None,
        },
    ]
}

/// What the host is to answer.
pub struct World {
    pub connections: Vec<&'static str>,
    pub plan: Result<Vec<Part>, RunFailure>,
    pub findings: Vec<Finding>,
    pub apply: ApplyOutcome,
    pub sync_applies: bool,
    pub answer: Option<bool>,
    pub secrets: Vec<String>,
    pub records: Vec<RunRecord>,
    /// What was applied: connection, hash, selection.
    pub applied: Arc<Mutex<Vec<(String, String, Selection)>>>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            connections: vec!["google"],
            plan: Ok(everything()),
            findings: findings(),
            apply: apply_outcome(),
            sync_applies: true,
            answer: None,
            secrets: vec!["google".to_owned()],
            records: records(),
            applied: Arc::default(),
        }
    }
}

/// What a call printed, and how it ended.
pub struct Called {
    pub exit: Exit,
    pub out: String,
    pub errors: String,
}

impl World {
    /// Calls the program.
    pub async fn call(self, words: &[&str]) -> Called {
        let words = ["groupcast"].into_iter().chain(words.iter().copied());
        let command_line = CommandLine::try_parse_from(words).unwrap();
        let progress = Arc::new(Progress::new(Manner::Silent, 0));
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let surroundings = FakeSurroundings(Arc::new(self));
        let exit = crate::cli::run(
            &command_line,
            &surroundings,
            CancellationToken::new(),
            progress,
            &mut out,
            &mut errors,
        )
        .await;
        let plain =
            |bytes: Vec<u8>| anstream::adapter::strip_str(&String::from_utf8(bytes).unwrap()).to_string();
        Called {
            exit,
            out: plain(out),
            errors: plain(errors),
        }
    }
}

struct FakeSurroundings(Arc<World>);
struct FakeHost(Arc<World>);
struct FakeSecrets(Arc<World>);

#[async_trait]
impl Surroundings for FakeSurroundings {
    async fn open(&self, opening: Opening<'_>) -> Result<Arc<dyn Operations>, Problem> {
        if opening.config == Path::new("missing.toml") {
            return Err(Problem::refused(
                "missing.toml: there is no such file; write one, or give --config FILE",
            ));
        }
        Ok(Arc::new(FakeHost(Arc::clone(&self.0))))
    }

    async fn serve(&self, _: Opening<'_>, _: &CancellationToken) -> Result<Exit, Problem> {
        Ok(Exit::Done)
    }

    async fn health(&self, _: &Path, arguments: &HealthArguments) -> Result<Health, Problem> {
        let ok = arguments.url.is_none();
        let message = if ok { "answers" } else { "does not answer\u{1b}[2J" };
        let probe = Probe {
            name: "store".into(),
            ok,
            message: message.to_owned(),
        };
        Ok(Health {
            ok,
            probes: vec![probe],
        })
    }

    fn component(&self, _: Option<&Path>, limits: &RunLimits) -> Result<Component, Problem> {
        let engine = PluginEngine::new(1, limits)?;
        let plugin = Plugin::embedded(&engine)?;
        Ok((Arc::new(engine), Arc::new(plugin)))
    }

    fn recordings(&self, _: &Path) -> Result<Recordings, Problem> {
        Ok(Recordings {
            folder: PathBuf::from("no.recordings"),
            keep: 20,
            largest: 1 << 20,
        })
    }

    async fn secrets(&self, _: &Path, _: Option<&str>) -> Result<Box<dyn SecretStore>, Problem> {
        Ok(Box::new(FakeSecrets(Arc::clone(&self.0))))
    }

    async fn tokens(&self, _: &Path) -> Result<Tokens, Problem> {
        let folder = std::env::temp_dir().join(format!("groupcast-tokens-{:016x}", rand::random::<u64>()));
        std::fs::create_dir_all(&folder)?;
        let store = SqliteStore::open(&folder.join("groupcast.db"))
            .await
            .map_err(|error| Problem::failed(error.to_string()))?;
        Ok(Tokens::new(Arc::new(store), vec!["acme".to_owned()]))
    }

    async fn store(&self, config: &Path) -> Result<StorePlace, Problem> {
        Ok(StorePlace {
            location: crate::store::Location::File(config.with_extension("db")),
            keep_runs_days: 400,
        })
    }

    fn schema(&self) -> Result<String, Problem> {
        Ok("{}".to_owned())
    }

    async fn sandbox(
        &self,
        _: &SandboxArguments,
        _: bool,
        _: Arc<dyn Observer>,
        _: &CancellationToken,
    ) -> Result<Exit, Problem> {
        Ok(Exit::Done)
    }

    async fn simulators(
        &self,
        _: &SimulatorsArguments,
        _: bool,
        _: &CancellationToken,
    ) -> Result<Exit, Problem> {
        Ok(Exit::Done)
    }

    fn confirm(&self, _: &str) -> Option<bool> {
        self.0.answer
    }

    fn secret_value(&self, _: &str) -> Result<SecretString, Problem> {
        Ok(SecretString::from("hunter2-hunter2"))
    }
}

#[async_trait]
impl SecretStore for FakeSecrets {
    async fn set(&self, name: &str, _: SecretString, _: Option<DateTime<Utc>>) -> Result<bool, Problem> {
        Ok(self.0.secrets.iter().any(|known| known == name))
    }

    async fn list(&self) -> Result<Vec<SecretLine>, Problem> {
        let lines = self.0.secrets.iter().map(|name| SecretLine {
            name: name.clone(),
            version: None,
            expires_at: None,
        });
        Ok(lines.collect())
    }

    async fn rotate_key(&self) -> Result<String, Problem> {
        Ok("Rotated.".to_owned())
    }

    async fn remove(&self, name: &str) -> Result<bool, Problem> {
        Ok(self.0.secrets.iter().any(|known| known == name))
    }
}

impl FakeHost {
    fn outcome(&self, connection: &ConnectionName) -> Result<PlanOutcome, RunFailure> {
        if connection.name == "broken" {
            return Err(RunFailure {
                kind: RunFailureKind::Refused,
                repetition: crate::run::Repetition::NeedsMending,
                message:
                    "Google refused the service account: it lacks a scope.\nGrant it in the admin console."
                        .to_owned(),
                vendor: Some(VendorAnswer {
                    status: 401,
                    reason: "unauthorized_client".to_owned(),
                    request_id: None,
                }),
            });
        }
        Ok(PlanOutcome {
            run: "run-1".to_owned(),
            plan: stored(self.0.plan.clone()?),
            summary: PlanSummary::default(),
            requests: RequestCounts::default(),
            usage: Usage::default(),
        })
    }
}

#[async_trait]
impl Operations for FakeHost {
    fn connections(&self) -> Vec<ConnectionName> {
        self.0
            .connections
            .iter()
            .map(|name| ConnectionName::new("default", *name))
            .collect()
    }

    fn resolve(&self, name: Option<&str>) -> Result<Vec<ConnectionName>, String> {
        let all = self.connections();
        let Some(name) = name else { return Ok(all) };
        let found: Vec<ConnectionName> = all
            .into_iter()
            .filter(|one| one.name == name || one.to_string() == name)
            .collect();
        if found.is_empty() {
            Err(format!("there is no connection {name}"))
        } else {
            Ok(found)
        }
    }

    async fn check(&self, _: &ConnectionName, _: &CancellationToken) -> Result<CheckReport, RunFailure> {
        Ok(CheckReport {
            run: "run-1".to_owned(),
            findings: self.0.findings.clone(),
            requests: RequestCounts::default(),
        })
    }

    async fn plan(
        &self,
        connection: &ConnectionName,
        _: &CancellationToken,
    ) -> Result<PlanOutcome, RunFailure> {
        self.outcome(connection)
    }

    async fn stored_plan(&self, hash: &str) -> Result<Option<StoredPlan>, RunFailure> {
        Ok((hash == HASH).then(|| stored(everything())))
    }

    async fn apply(
        &self,
        connection: &ConnectionName,
        hash: &str,
        selection: Selection,
        _: &CancellationToken,
    ) -> Result<ApplyOutcome, RunFailure> {
        let entry = (connection.to_string(), hash.to_owned(), selection);
        self.0.applied.lock().unwrap().push(entry);
        Ok(self.0.apply.clone())
    }

    async fn sync(
        &self,
        connection: &ConnectionName,
        _: Extent,
        _: &CancellationToken,
    ) -> Result<SyncOutcome, RunFailure> {
        let plan = self.outcome(connection)?;
        Ok(if self.0.sync_applies {
            SyncOutcome::Applied {
                plan,
                apply: self.0.apply.clone(),
            }
        } else {
            SyncOutcome::Planned {
                plan,
                why: "default/google only plans until a plan of it was approved".to_owned(),
            }
        })
    }

    async fn undo(&self, _: &str, _: &CancellationToken) -> Result<PlanOutcome, RunFailure> {
        self.outcome(&ConnectionName::new("default", "google"))
    }

    async fn why(
        &self,
        _: &ConnectionName,
        _: Option<&str>,
        _: &str,
        _: &CancellationToken,
    ) -> Result<Explanation, RunFailure> {
        Ok(explanation())
    }

    async fn runs(&self, limit: usize) -> Result<Vec<RunRecord>, RunFailure> {
        Ok(self.0.records.iter().take(limit).cloned().collect())
    }
}
