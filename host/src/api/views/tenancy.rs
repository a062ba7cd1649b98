//! Tenants, directories and groups.

use super::word;
use crate::service::{BoundBy, Declared, DirectoryView, GroupView, Preflight, TenantView};
use crate::store::Mode;
use crate::store::service::{DirectoryVendor, Pause, Quarantine, Version};
use chrono::{DateTime, Utc};
use groupcast_guest::engine::{Finding, Severity};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::{Ref, RefOr, Schema};

/// Where something is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeclaredIn {
    /// In the configuration file: shown here, and changed there.
    File,
    /// In the store: changed here.
    Store,
}

pub(in crate::api) fn declared(declared: Declared) -> (DeclaredIn, Option<Version>) {
    match declared {
        Declared::InFile => (DeclaredIn::File, None),
        Declared::InStore { version } => (DeclaredIn::Store, Some(version)),
    }
}

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tenant {
    /// Its name.
    name: String,
    /// What people call it.
    title: String,
    /// Where it is declared.
    declared_in: DeclaredIn,
    /// Grows with each change; also the `ETag`.
    version: Option<u64>,
    /// Where its groups come from; none where the file declares it.
    #[schema(schema_with = jumpcloud)]
    #[serde(skip_serializing_if = "Option::is_none")]
    jumpcloud: Option<Value>,
    /// The plugin that its runs use, by digest; none: the built-in one.
    plugin: Option<String>,
    /// Whether its runs begin at all.
    enabled: bool,
    /// When it was made.
    created_at: Option<DateTime<Utc>>,
    /// How many directories it has.
    directories: u64,
}

impl From<TenantView> for Tenant {
    fn from(view: TenantView) -> Self {
        let (declared_in, version) = declared(view.declared);
        Self {
            name: view.name,
            title: view.title,
            declared_in,
            version,
            jumpcloud: view.jumpcloud,
            plugin: view.plugin,
            enabled: view.enabled,
            created_at: view.created_at,
            directories: view.directories as u64,
        }
    }
}

/// A section of the configuration format, whose schema stands in the document under its own name.
pub(super) fn section(name: &str) -> RefOr<Schema> {
    Ref::from_schema_name(name).into()
}

pub(in crate::api) fn jumpcloud() -> RefOr<Schema> {
    section("JumpCloudSection")
}

pub(in crate::api) fn directory_section() -> RefOr<Schema> {
    section("DirectorySection")
}

fn schedule() -> RefOr<Schema> {
    section("ScheduleSection")
}

/// Which vendor a directory is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    /// Google Workspace.
    Google,
    /// Microsoft 365 / Entra ID.
    Entra,
}

impl From<DirectoryVendor> for Vendor {
    fn from(vendor: DirectoryVendor) -> Self {
        match vendor {
            DirectoryVendor::Google => Self::Google,
            DirectoryVendor::Entra => Self::Entra,
        }
    }
}

impl From<Vendor> for DirectoryVendor {
    fn from(vendor: Vendor) -> Self {
        match vendor {
            Vendor::Google => Self::Google,
            Vendor::Entra => Self::Entra,
        }
    }
}

/// A directory that a tenant's groups go to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Directory {
    /// Whose.
    tenant: String,
    /// Its name.
    name: String,
    /// Of which vendor.
    vendor: Vendor,
    /// Where it is declared.
    declared_in: DeclaredIn,
    /// Grows with each change; also the `ETag`.
    version: Option<u64>,
    /// JumpCloud's ID of it.
    directory: String,
    /// Its settings: where secrets are, never themselves; left out where the file declares it.
    #[schema(schema_with = directory_section)]
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<Value>,
    /// Whether group management is switched on.
    managed: bool,
    /// `plan-only`: plans wait for approval. `active`: plans within limits are applied.
    mode: ApiMode,
    /// When a run last ended well.
    last_success: Option<DateTime<Utc>>,
    /// When it runs.
    #[schema(schema_with = schedule)]
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<Value>,
    /// When the next run begins by itself.
    next_run: Option<DateTime<Utc>>,
    /// Since when a run is under way.
    running_since: Option<DateTime<Utc>>,
    /// Why no run begins by itself, or later than the schedule says, in words; none: it begins as scheduled.
    waiting: Option<String>,
    /// Who paused it; none: nobody did.
    paused: Option<ApiPause>,
    /// Why it no longer runs by itself, and the way out; none: it runs.
    quarantine: Option<ApiQuarantine>,
    /// Runs that failed one after the other, up to now.
    failures: u32,
    /// Before this moment no run begins by itself: pauses grow after failures.
    not_before: Option<DateTime<Utc>>,
    /// Why it cannot run, where it cannot.
    unusable: Option<String>,
}

/// Somebody paused a directory: nothing begins by itself until it is resumed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pause)]
pub struct ApiPause {
    /// Who.
    by: String,
    /// When.
    at: DateTime<Utc>,
    /// Why, in their words.
    reason: String,
}

impl From<Pause> for ApiPause {
    fn from(pause: Pause) -> Self {
        Self {
            by: pause.by,
            at: pause.at,
            reason: pause.reason,
        }
    }
}

/// A directory failed so often, or so that no repetition mends it, that it waits for a person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quarantine)]
pub struct ApiQuarantine {
    /// Since when.
    at: DateTime<Utc>,
    /// What kept failing.
    reason: String,
    /// What to do.
    way_out: String,
}

impl From<Quarantine> for ApiQuarantine {
    fn from(quarantine: Quarantine) -> Self {
        Self {
            at: quarantine.at,
            reason: quarantine.reason,
            way_out: quarantine.way_out,
        }
    }
}

/// Whether a directory is written to without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Mode)]
pub enum ApiMode {
    /// Plans wait for approval.
    PlanOnly,
    /// Plans within limits are applied.
    Active,
}

impl From<DirectoryView> for Directory {
    fn from(view: DirectoryView) -> Self {
        let (declared_in, version) = declared(view.declared);
        Self {
            tenant: view.id.tenant,
            name: view.id.name,
            vendor: view.vendor.into(),
            declared_in,
            version,
            directory: view.directory,
            section: view.section,
            managed: view.managed,
            mode: match view.mode {
                Mode::PlanOnly => ApiMode::PlanOnly,
                Mode::Active => ApiMode::Active,
            },
            last_success: view.last_success,
            schedule: view.schedule,
            next_run: view.status.next,
            running_since: view
                .status
                .job
                .as_ref()
                .map(|job| job.began_at.unwrap_or(job.queued_at)),
            waiting: view.status.why,
            paused: view.status.state.paused.map(ApiPause::from),
            quarantine: view.status.state.quarantine.map(ApiQuarantine::from),
            failures: view.status.state.failures,
            not_before: view.status.state.not_before,
            unusable: view.unusable,
        }
    }
}

/// One thing that was found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Finding)]
pub struct ApiFinding {
    /// How much it matters.
    severity: ApiSeverity,
    /// Stable name for programs.
    code: String,
    /// What it is about.
    place: String,
    /// What was found and what to do.
    message: String,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Severity)]
pub enum ApiSeverity {
    /// Good to know.
    Info,
    /// To look at.
    Warning,
    /// To mend.
    Problem,
}

impl From<Finding> for ApiFinding {
    fn from(finding: Finding) -> Self {
        Self {
            severity: match finding.severity {
                Severity::Info => ApiSeverity::Info,
                Severity::Warning => ApiSeverity::Warning,
                Severity::Problem => ApiSeverity::Problem,
            },
            code: finding.code,
            place: finding.place,
            message: finding.message,
        }
    }
}

/// What stands in the way of switching group management on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Preflight)]
pub struct ApiPreflight {
    /// Everything that was found, problems first.
    findings: Vec<ApiFinding>,
    /// What only an acknowledgement gets past.
    to_acknowledge: Vec<ApiFinding>,
    /// Whether it may be switched on without one.
    may_enable: bool,
}

impl From<Preflight> for ApiPreflight {
    fn from(preflight: Preflight) -> Self {
        Self {
            findings: preflight.findings.into_iter().map(Into::into).collect(),
            to_acknowledge: preflight.to_acknowledge.into_iter().map(Into::into).collect(),
            may_enable: preflight.may_enable,
        }
    }
}

/// A group as a directory's settings and the latest plan have it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Group {
    /// JumpCloud's ID.
    id: String,
    /// Its name there.
    name: String,
    /// Its own email there.
    email: Option<String>,
    /// Who bound it to this directory; none: it is not bound.
    bound: Option<Binder>,
    /// The address that takes the place of its own email here (Google).
    address: Option<String>,
    /// Whether it is selected for export (Entra).
    selected: bool,
    /// Its own drift policy, where it has one: `managed`, `authoritative` or `additive`.
    policy: Option<String>,
    /// Users, nested ones included, as the latest plan read them.
    users: Option<u64>,
    /// Its state in the latest plan: `managed`, `held`, `not-exportable`, …; none where no plan saw it.
    state: Option<String>,
    /// Why, most important first.
    reasons: Vec<String>,
    /// The target's immutable ID.
    target: Option<String>,
    /// What the target was looked up or created by.
    key: Option<String>,
    /// Whether it is no longer in the source.
    is_gone: bool,
}

/// Who bound a group to a directory.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Binder {
    /// An association in JumpCloud.
    Jumpcloud,
    /// The list in the directory's settings.
    Settings,
}

impl From<GroupView> for Group {
    fn from(view: GroupView) -> Self {
        Self {
            id: view.id,
            name: view.name,
            email: view.email,
            bound: view.bound.map(|by| match by {
                BoundBy::JumpCloud => Binder::Jumpcloud,
                BoundBy::Us => Binder::Settings,
            }),
            address: view.address,
            selected: view.selected,
            policy: view.policy.map(word),
            users: view.users,
            state: view.state.map(word),
            reasons: view.reasons.into_iter().map(|reason| reason.message).collect(),
            target: view.target,
            key: view.key,
            is_gone: view.is_gone,
        }
    }
}
