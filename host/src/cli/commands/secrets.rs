//! `secrets`: values go in by the keyboard or standard input, and are never printed.

use chrono::{NaiveTime, Utc};

use crate::cli::arguments::SecretsCommand;
use crate::cli::documents::{SecretDocument, SecretsDocument};
use crate::cli::exit::Exit;
use crate::cli::problem::Problem;
use crate::cli::session::Session;
use crate::cli::surroundings::SecretLine;
use crate::secrets::expiry::when;

/// `secrets set|list|rm|rotate-key`.
pub async fn secrets(session: &mut Session<'_>, command: &SecretsCommand) -> Result<Exit, Problem> {
    let tenant = match command {
        SecretsCommand::Set { tenant, .. }
        | SecretsCommand::List { tenant }
        | SecretsCommand::Rm { tenant, .. } => tenant.as_deref(),
        SecretsCommand::RotateKey => None,
    };
    let store = session
        .surroundings
        .secrets(&session.shared.config, tenant)
        .await?;
    match command {
        SecretsCommand::Set { name, expires, .. } => {
            let value = session.surroundings.secret_value(name)?;
            let expires = expires.map(|day| day.and_time(NaiveTime::MIN).and_utc());
            let replaced = store.set(name, value, expires).await?;
            if !session.shared.json {
                let word = if replaced { "Replaced" } else { "Stored" };
                session.text(&format!(
                    "{word} {name}. Refer to it as {{ stored = \"{name}\" }}.\n"
                ))?;
            }
        }
        SecretsCommand::Rm { name, .. } => {
            if !store.remove(name).await? {
                return Err(Problem::refused(format!(
                    "there is no secret {name}; `groupcast secrets list` lists the names"
                )));
            }
            if !session.shared.json {
                session.text(&format!("Removed {name}.\n"))?;
            }
        }
        SecretsCommand::List { .. } if !session.shared.json => {
            let lines = store.list().await?;
            let text: String = lines.iter().map(line).collect();
            session.text(&text)?;
            if lines.is_empty() {
                // Not a name, so not where names are piped from.
                session
                    .errors
                    .write_all(b"No secret is stored; `groupcast secrets set NAME` stores one.\n")?;
            }
        }
        SecretsCommand::List { .. } => {}
        SecretsCommand::RotateKey => {
            let done = store.rotate_key().await?;
            if !session.shared.json {
                session.text(&format!("{done}\n"))?;
            }
        }
    }
    if session.shared.json {
        let lines = store.list().await?;
        session.document(&SecretsDocument {
            format: "groupcast/secrets/1",
            names: lines.iter().map(|line| line.name.clone()).collect(),
            secrets: lines
                .into_iter()
                .map(|line| SecretDocument {
                    name: line.name,
                    version: line.version,
                    expires_at: line.expires_at.map(|at| at.to_rfc3339()),
                })
                .collect(),
        })?;
    }
    Ok(Exit::Done)
}

/// The name, alone where nothing else is known, so that names can be piped.
fn line(secret: &SecretLine) -> String {
    let expires = secret
        .expires_at
        .map(|at| format!("  {}", when(at, Utc::now())))
        .unwrap_or_default();
    format!("{}{expires}\n", secret.name)
}
