//! `plugin add`, `pull`, `list`, `remove`, `grant`, `revoke`: the folder of components. And the hidden `plugin compile`, by which this program
//! is its own compiler, in a process that can be ended.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::inspect;
use crate::cli::documents::{KeptDocument, KeptEntry};
use crate::cli::exit::Exit;
use crate::cli::problem::Problem;
use crate::cli::render::text::{grouped, shown};
use crate::cli::session::Session;
use crate::config::Config;
use crate::plugin::{PluginEngine, PluginFolder, RunLimits};
use crate::secrets::Secrets;
use crate::service::{FetchError, Principal, rules_of};
use crate::store::service::{NewAuditEntry, PluginRecord};

fn configuration(session: &Session<'_>) -> Result<Config, Problem> {
    crate::cli::host::load(&session.shared.config)
}

/// `plugin add FILE`.
pub async fn add(session: &mut Session<'_>, file: &Path) -> Result<Exit, Problem> {
    let config = configuration(session)?;
    let bytes = crate::plugin::read_file(file)?;
    keep(session, &config, bytes, &file.display().to_string()).await
}

/// `plugin pull REFERENCE`.
pub async fn pull(session: &mut Session<'_>, reference: &str) -> Result<Exit, Problem> {
    let config = configuration(session)?;
    let bytes = pulled(&config, reference).await?;
    keep(session, &config, bytes, reference).await
}

/// What a reference names, fetched.
pub async fn pulled(config: &Config, reference: &str) -> Result<Vec<u8>, Problem> {
    let secrets = Secrets::of(&config.secrets);
    match crate::service::fetch(config, &secrets, reference).await {
        Ok(pulled) => Ok(pulled.bytes),
        Err(FetchError::Plugin(error)) => Err(error.into()),
        Err(error) => Err(Problem::refused(error.to_string())),
    }
}

async fn keep(
    session: &mut Session<'_>,
    config: &Config,
    bytes: Vec<u8>,
    origin: &str,
) -> Result<Exit, Problem> {
    let exit = inspect::shown(session, &bytes, origin).await?;
    if exit == Exit::Done {
        let digest = PluginFolder::new(&config.plugins.folder).keep(&bytes)?;
        if !session.shared.json {
            session.text(&format!(
                "\nKept. Nothing was granted to it. Run it with: groupcast plan --plugin {digest}\n"
            ))?;
        }
    }
    Ok(exit)
}

/// `plugin list`.
pub fn list(session: &mut Session<'_>) -> Result<Exit, Problem> {
    let folder = PluginFolder::new(configuration(session)?.plugins.folder);
    let kept = folder.list()?;
    if session.shared.json {
        let plugins = kept.into_iter().map(|(digest, size)| KeptEntry { digest, size });
        session.document(&KeptDocument {
            format: "groupcast/plugins/1",
            plugins: plugins.collect(),
        })?;
    } else if kept.is_empty() {
        session.text(&format!(
            "No components are kept in {}; add one with: groupcast plugin add FILE\n",
            folder.path().display()
        ))?;
    } else {
        let mut text = String::new();
        for (digest, size) in kept {
            let _ = writeln!(text, "{digest}  {} bytes", grouped(size));
        }
        session.text(&text)?;
    }
    Ok(Exit::Done)
}

/// `plugin remove DIGEST`.
pub fn remove(session: &mut Session<'_>, digest: &str) -> Result<Exit, Problem> {
    let folder = PluginFolder::new(configuration(session)?.plugins.folder);
    let digest = folder.find(digest)?;
    folder.remove(&digest)?;
    if session.shared.json {
        return list(session);
    }
    session.text(&format!(
        "Removed {digest}. Tenants that name it cannot run until it is added again.\n"
    ))?;
    Ok(Exit::Done)
}

/// `plugin grant DIGEST`.
pub async fn grant(
    session: &mut Session<'_>,
    digest: &str,
    tenant: Option<&str>,
    only_reads: bool,
) -> Result<Exit, Problem> {
    let config = configuration(session)?;
    let folder = PluginFolder::new(&config.plugins.folder);
    let digest = folder.find(digest)?;
    let bytes = folder.read(&digest)?;
    let limits = RunLimits::default();
    let engine = Arc::new(PluginEngine::new(1, &limits)?);
    let manifest = inspect::describe(engine, limits, &bytes, &digest).await?;
    let granted = rules_of(&manifest, only_reads);
    let failed = |error: &dyn std::fmt::Display| Problem::failed(error.to_string());
    let rules = serde_json::to_value(&granted).map_err(|error| failed(&error))?;
    let record = PluginRecord {
        tenant: tenant.map(ToOwned::to_owned),
        digest: digest.clone(),
        origin: "groupcast plugin add".to_owned(),
        name: format!("{} {}", manifest.name, manifest.version),
        size: bytes.len() as u64,
        granted: rules.clone(),
        added_at: chrono::Utc::now(),
    };
    let mut audit = entry("plugin.granted", tenant, &digest);
    audit.after = Some(rules);
    let store = crate::run::open_store(&config)
        .await
        .map_err(|error| failed(&error))?;
    store
        .put_plugin(&record, &audit)
        .await
        .map_err(|error| failed(&error))?;
    if session.shared.json {
        session.document(&record)?;
        return Ok(Exit::Done);
    }
    let whom = tenant.map_or_else(|| "every tenant".to_owned(), |tenant| format!("tenant {tenant}"));
    let mut text = format!("Granted to component {digest}, for {whom}:\n");
    for rule in &granted {
        let kind = if rule.writes { "writes" } else { "reads" };
        let (credential, path) = (shown(&rule.credential), shown(&rule.path));
        let _ = writeln!(text, "  {:<6} {credential} {path}  {kind}", rule.method);
    }
    if granted.is_empty() {
        text.push_str("  nothing\n");
    }
    session.text(&text)?;
    Ok(Exit::Done)
}

/// `plugin revoke DIGEST`.
pub async fn revoke(
    session: &mut Session<'_>,
    beginning: &str,
    tenant: Option<&str>,
) -> Result<Exit, Problem> {
    let config = configuration(session)?;
    let failed = |error: &dyn std::fmt::Display| Problem::failed(error.to_string());
    let store = crate::run::open_store(&config)
        .await
        .map_err(|error| failed(&error))?;
    let whom = tenant.map_or_else(|| "every tenant".to_owned(), |tenant| format!("tenant {tenant}"));
    // By what was granted and not by what is kept: a component that was removed can be granted still.
    let mut found = store.plugins(tenant).await.map_err(|error| failed(&error))?;
    found.retain(|record| record.digest.starts_with(beginning));
    let (Some(record), true) = (found.pop(), found.is_empty()) else {
        return Err(Problem::refused(format!(
            "nothing was granted to {whom} for a component whose digest begins with {beginning}, or for more than one; \
             nothing was revoked"
        )));
    };
    let mut audit = entry("plugin.revoked", tenant, &record.digest);
    audit.before = Some(record.granted.clone());
    store
        .remove_plugin(tenant, &record.digest, &audit)
        .await
        .map_err(|error| failed(&error))?;
    if session.shared.json {
        session.document(&record)?;
        return Ok(Exit::Done);
    }
    session.text(&format!(
        "Revoked from component {}, for {whom}. Runs that use it begin no more.\n",
        record.digest
    ))?;
    Ok(Exit::Done)
}

/// The audit log's entry of whoever sits at this machine.
fn entry(action: &str, tenant: Option<&str>, digest: &str) -> NewAuditEntry {
    let user = std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned());
    NewAuditEntry {
        actor: Principal::command_line(&user).actor,
        tenant: tenant.map(ToOwned::to_owned),
        action: action.to_owned(),
        subject: digest.to_owned(),
        before: None,
        after: None,
        request: None,
    }
}

/// `plugin compile`, for this program itself.
pub fn compile(memory_bytes: usize) -> Result<Exit, Problem> {
    let limits = RunLimits {
        memory_bytes,
        ..RunLimits::default()
    };
    crate::plugin::compile_here(|| PluginEngine::new(1, &limits))?;
    Ok(Exit::Done)
}
