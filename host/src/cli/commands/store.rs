//! `store`: the store as a whole, without connections or vendors.

use serde::Serialize;

use crate::cli::arguments::StoreCommand;
use crate::cli::exit::Exit;
use crate::cli::problem::Problem;
use crate::cli::render::text::{count, grouped};
use crate::cli::session::Session;
use crate::store::service::{Actor, NewAuditEntry};
use crate::store::{
    BackupSummary, Location, Pruned, RestoreOptions, Retention, Schema, StoreError, StoreStatus,
};

/// Where a configuration keeps its store, and for how long what is in it.
pub struct StorePlace {
    /// Where.
    pub location: Location,
    /// `[store] keep_runs_days`.
    pub keep_runs_days: u32,
}

/// `groupcast/store/1`.
#[derive(Serialize)]
struct StoreDocument<'a> {
    format: &'static str,
    schema: Schema,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a StoreStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<&'a BackupSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pruned: Option<&'a Pruned>,
}

/// `store status|migrate|backup|restore|prune`.
pub async fn store(session: &mut Session<'_>, command: &StoreCommand) -> Result<Exit, Problem> {
    let place = session.surroundings.store(&session.shared.config).await?;
    let location = &place.location;
    let schema = location.schema().await.map_err(problem)?;
    let mut document = StoreDocument {
        format: "groupcast/store/1",
        schema: schema.clone(),
        status: None,
        backup: None,
        pruned: None,
    };
    let (text, exit, status, backup, pruned);
    match command {
        StoreCommand::Status => {
            let waits = schema.found.is_none_or(|found| found < schema.known);
            // Opening it would change it.
            let shown = match waits {
                true => None,
                false => Some(opened(location).await?.status().await.map_err(problem)?),
            };
            (text, exit) = match &shown {
                None => (unmigrated(&schema), Exit::Pending),
                Some(status) if status.audit_broken_at.is_some() => (described(status), Exit::Failed),
                Some(status) => (described(status), Exit::Done),
            };
            status = shown;
            document.status = status.as_ref();
        }
        StoreCommand::Migrate => {
            opened(location).await?;
            document.schema.found = Some(schema.known);
            text = match schema.found {
                Some(found) if found == schema.known => {
                    format!("The store has schema {found} already: there was nothing to do.\n")
                }
                Some(found) => format!("The store went from schema {found} to {}.\n", schema.known),
                None => format!("The store was made, with schema {}.\n", schema.known),
            };
            exit = Exit::Done;
        }
        StoreCommand::Backup { file } => {
            let written = opened(location).await?.backup(file).await.map_err(problem)?;
            text = format!(
                "Wrote {} into {} (SHA-256 {}). It names people: keep it as you keep the store.\n",
                count(written.rows, "row", "rows"),
                file.display(),
                short(&written.sha256)
            );
            backup = written;
            document.backup = Some(&backup);
            exit = Exit::Done;
        }
        StoreCommand::Restore {
            file,
            replace,
            keep_modes,
        } => {
            let options = RestoreOptions {
                replace: *replace,
                keep_modes: *keep_modes,
            };
            let entry = restored(&file.display().to_string(), options);
            let read = opened(location)
                .await?
                .restore(file, options, &entry)
                .await
                .map_err(problem)?;
            document.schema.found = Some(schema.known);
            let next = match keep_modes {
                true => "Connections may write as they could then.",
                false => {
                    "Every connection only plans now, since things went on since then: look at `groupcast plan` and \
                     apply it."
                }
            };
            text = format!(
                "Restored {} of {} ({}). {next}\n",
                count(read.rows, "row", "rows"),
                read.made_at.format("%Y-%m-%d %H:%M UTC"),
                read.from
            );
            backup = read;
            document.backup = Some(&backup);
            exit = Exit::Done;
        }
        StoreCommand::Prune { older_than } => {
            let days = older_than.unwrap_or(place.keep_runs_days);
            let forgotten = opened(location)
                .await?
                .prune(&Retention::days(days))
                .await
                .map_err(problem)?;
            text = format!(
                "Forgot {} with {}, {} and {} that are older than {}.\n",
                count(forgotten.runs, "run", "runs"),
                count(forgotten.operations, "operation", "operations"),
                count(forgotten.plans, "plan", "plans"),
                count(forgotten.jobs, "job", "jobs"),
                count(u64::from(days), "day", "days")
            );
            pruned = forgotten;
            document.pruned = Some(&pruned);
            exit = Exit::Done;
        }
    }
    if session.shared.json {
        session.document(&document)?;
    } else {
        session.text(&text)?;
    }
    Ok(exit)
}

async fn opened(location: &Location) -> Result<std::sync::Arc<dyn crate::store::Store>, Problem> {
    location.open().await.map_err(problem)
}

/// What was not even begun is refused; what broke on the way failed.
fn problem(error: StoreError) -> Problem {
    match error {
        StoreError::NotEmpty
        | StoreError::AtWork(_)
        | StoreError::Backup { .. }
        | StoreError::Newer { .. }
        | StoreError::Unfit { .. } => Problem::refused(error.to_string()),
        _ => Problem::failed(error.to_string()),
    }
}

fn unmigrated(schema: &Schema) -> String {
    match schema.found {
        None => "There is no store yet; the first command that needs one makes it.\n".to_owned(),
        Some(found) => format!(
            "The store has schema {found}, and this version uses {}; the next command brings it there, and so does \
             `groupcast store migrate`.\n",
            schema.known
        ),
    }
}

fn described(status: &StoreStatus) -> String {
    let kind = match status.kind {
        "sqlite" => "SQLite",
        _ => "PostgreSQL",
    };
    let entries = count(status.audit, "entry", "entries");
    let audit = match status.audit_broken_at {
        None => format!("{entries}, each fits the one before"),
        Some(entry) => format!(
            "{entries}; entry {entry} does not fit the one before: somebody changed it in the database"
        ),
    };
    let lines = [
        (
            "Store",
            format!("{} ({kind}, schema {})", status.place, status.schema),
        ),
        (
            "Size",
            format!("{:.1} MiB", status.bytes as f64 / f64::from(1 << 20)),
        ),
        (
            "Tenants",
            format!(
                "{} with {}",
                grouped(status.tenants),
                count(status.directories, "directory", "directories")
            ),
        ),
        (
            "Ledger",
            format!(
                "{}, {}",
                count(status.bindings, "group", "groups"),
                count(status.memberships, "membership", "memberships")
            ),
        ),
        (
            "Open",
            format!(
                "{}; {} held by a run",
                count(status.open_intents, "operation", "operations"),
                count(status.leases, "directory is", "directories are")
            ),
        ),
        (
            "History",
            format!(
                "{}, {}",
                count(status.runs, "run", "runs"),
                count(status.plans, "plan", "plans")
            ),
        ),
        ("Audit log", audit),
    ];
    lines
        .iter()
        .map(|(name, value)| format!("{name:<10} {value}\n"))
        .collect()
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

fn restored(file: &str, options: RestoreOptions) -> NewAuditEntry {
    let user = std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned());
    NewAuditEntry {
        actor: Actor {
            subject: format!("command-line:{user}"),
            name: user,
            address: None,
        },
        tenant: None,
        action: "store.restored".to_owned(),
        subject: file.to_owned(),
        before: None,
        after: Some(serde_json::json!({"replace": options.replace, "keep_modes": options.keep_modes})),
        request: None,
    }
}
