//! `secrets`: values go in by the keyboard or standard input, and are never printed.

use crate::cli::arguments::SecretsCommand;
use crate::cli::documents::SecretsDocument;
use crate::cli::exit::Exit;
use crate::cli::problem::Problem;
use crate::cli::session::Session;

/// `secrets set|list|rm`.
pub async fn secrets(session: &mut Session<'_>, command: &SecretsCommand) -> Result<Exit, Problem> {
    let store = session.surroundings.secrets(&session.shared.config).await?;
    match command {
        SecretsCommand::Set { name } => {
            let value = session.surroundings.secret_value(name)?;
            let replaced = store.set(name, value).await?;
            if !session.shared.json {
                let word = if replaced { "Replaced" } else { "Stored" };
                session.text(&format!(
                    "{word} {name}. Refer to it as {{ stored = \"{name}\" }}.\n"
                ))?;
            }
        }
        SecretsCommand::Rm { name } => {
            if !store.remove(name).await? {
                return Err(Problem::refused(format!(
                    "there is no secret {name}; `groupcast secrets list` lists the names"
                )));
            }
            if !session.shared.json {
                session.text(&format!("Removed {name}.\n"))?;
            }
        }
        SecretsCommand::List if !session.shared.json => {
            let names = store.list().await?;
            let text: String = names.iter().map(|name| format!("{name}\n")).collect();
            session.text(&text)?;
            if names.is_empty() {
                // Not a name, so not where names are piped from.
                session
                    .errors
                    .write_all(b"No secret is stored; `groupcast secrets set NAME` stores one.\n")?;
            }
        }
        SecretsCommand::List => {}
    }
    if session.shared.json {
        let names = store.list().await?;
        session.document(&SecretsDocument {
            format: "groupcast/secrets/1",
            names,
        })?;
    }
    Ok(Exit::Done)
}
