//! The real surroundings: the host's own rooms, and the terminal.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::arguments::{SandboxArguments, SimulatorsArguments};
use super::exit::Exit;
use super::operations::{Observer, Operations};
use super::problem::Problem;
use super::surroundings::{Component, Opening, SecretStore, Surroundings};
use crate::config::Config;
use crate::plugin::{Plugin, PluginEngine, RunLimits};
use crate::recording::Recordings;
use crate::run::{Groupcast, OpenError, OpenOptions};
use crate::secrets::Secrets;
use crate::store::SqliteStore;

/// The longest secret, bytes: a service account's key file has under 3 KiB.
const LONGEST_SECRET: u64 = 64 << 10;

/// The host itself.
#[derive(Default)]
pub struct Host {
    compiled: Option<(Arc<PluginEngine>, Arc<Plugin>)>,
}

impl Host {
    /// A host with the built-in component compiled already: for whoever makes many calls in one process.
    pub fn with_component(engine: Arc<PluginEngine>, plugin: Arc<Plugin>) -> Self {
        Self {
            compiled: Some((engine, plugin)),
        }
    }

    async fn opened(&self, opening: Opening<'_>) -> Result<(Arc<Groupcast>, Config), Problem> {
        let mut config = load(opening.config)?;
        if opening.acknowledge {
            config.acknowledge();
        }
        let record = config.record || opening.record;
        let groupcast = self.over(&config, opening).await.map_err(|error| match error {
            OpenError::Store(_) => Problem::failed(error.to_string()),
            OpenError::Plugin(_) | OpenError::Setup(_) => Problem::refused(error.to_string()),
        })?;
        let groupcast = if record {
            groupcast.recording(config.recordings.clone())
        } else {
            groupcast
        };
        Ok((Arc::new(groupcast), config))
    }

    /// The same for a service: it goes on with the connections that can be set up, and looks again for the others. Where
    /// none can, there is nothing to serve.
    async fn opened_to_serve(&self, opening: Opening<'_>) -> Result<(Arc<Groupcast>, Config), Problem> {
        let refused = |error: &dyn std::fmt::Display| Problem::refused(error.to_string());
        let config = load(opening.config)?;
        let record = config.record || opening.record;
        let attempts = crate::run::attempts(&config)
            .await
            .map_err(|error| refused(&error))?;
        if attempts.iter().all(|(_, setup)| setup.is_err()) {
            return self.opened(opening).await;
        }
        let (engine, plugin) = match self.compiled.as_ref().filter(|_| opening.plugin.is_none()) {
            Some((engine, plugin)) => (Arc::clone(engine), Arc::clone(plugin)),
            None => Groupcast::component(&config, opening.plugin.map(Path::to_path_buf))
                .await
                .map_err(|error| refused(&error))?,
        };
        let store = SqliteStore::open(&config.store_path)
            .await
            .map_err(|error| Problem::failed(error.to_string()))?;
        let groupcast = Groupcast::with_plugin(Vec::new(), Arc::new(store), engine, plugin, opening.observer)
            .with_attempts(config.clone(), attempts);
        let groupcast = if record {
            groupcast.recording(config.recordings.clone())
        } else {
            groupcast
        };
        Ok((Arc::new(groupcast), config))
    }

    async fn over(&self, config: &Config, opening: Opening<'_>) -> Result<Groupcast, OpenError> {
        let Some((engine, plugin)) = self.compiled.as_ref().filter(|_| opening.plugin.is_none()) else {
            let options = OpenOptions {
                plugin: opening.plugin.map(Path::to_path_buf),
                observer: opening.observer,
            };
            return Groupcast::open(config.clone(), options).await;
        };
        let setups = crate::run::connections(config).await?;
        let store = Arc::new(SqliteStore::open(&config.store_path).await?);
        let (engine, plugin) = (Arc::clone(engine), Arc::clone(plugin));
        Ok(Groupcast::with_plugin(
            setups,
            store,
            engine,
            plugin,
            opening.observer,
        ))
    }
}

#[async_trait]
impl Surroundings for Host {
    async fn open(&self, opening: Opening<'_>) -> Result<Arc<dyn Operations>, Problem> {
        let (groupcast, _) = self.opened(opening).await?;
        Ok(groupcast)
    }

    async fn serve(&self, opening: Opening<'_>, cancel: &CancellationToken) -> Result<Exit, Problem> {
        let named = opening.connection.map(ToOwned::to_owned);
        let (groupcast, config) = self.opened_to_serve(opening).await?;
        let connections = groupcast
            .resolve(named.as_deref())
            .map_err(|unknown| Problem::refused(unknown.to_string()))?;
        super::serve::serve(groupcast, &config, &connections, cancel).await
    }

    fn component(&self, file: Option<&Path>, limits: &RunLimits) -> Result<Component, Problem> {
        if let (None, Some((engine, plugin))) = (file, &self.compiled) {
            return Ok((Arc::clone(engine), Arc::clone(plugin)));
        }
        let engine = PluginEngine::new(1, limits)?;
        let plugin = match file {
            Some(path) => Plugin::from_file(&engine, path)?,
            None => Plugin::embedded(&engine)?,
        };
        Ok((Arc::new(engine), Arc::new(plugin)))
    }

    fn recordings(&self, config: &Path) -> Result<Recordings, Problem> {
        load(config).map(|config| config.recordings)
    }

    async fn secrets(&self, config: &Path) -> Result<Box<dyn SecretStore>, Problem> {
        let config = load(config)?;
        Ok(Box::new(Stored(Secrets::new(
            &config.secrets_file,
            &config.secrets_key_file,
        ))))
    }

    fn schema(&self) -> Result<String, Problem> {
        serde_json::to_string_pretty(&crate::config::schema())
            .map_err(|error| Problem::failed(format!("the schema cannot be written: {error}")))
    }

    async fn sandbox(
        &self,
        arguments: &SandboxArguments,
        json: bool,
        observer: Arc<dyn Observer>,
        cancel: &CancellationToken,
    ) -> Result<Exit, Problem> {
        let open: crate::sandbox::Open = Box::new(move |path| {
            Box::pin(async move {
                let config = Config::load(&path).map_err(|error| error.to_string())?;
                let options = OpenOptions {
                    plugin: None,
                    observer,
                };
                let groupcast = Groupcast::open(config, options)
                    .await
                    .map_err(|error| error.to_string())?;
                Ok(Arc::new(groupcast) as Arc<dyn Operations>)
            })
        });
        let serve: crate::sandbox::OpenService =
            Box::new(|path, stop| Box::pin(async move { super::serving::Serving::open(&path, &stop).await }));
        crate::sandbox::run_sandbox(arguments, json, open, serve, cancel).await
    }

    async fn simulators(
        &self,
        arguments: &SimulatorsArguments,
        json: bool,
        cancel: &CancellationToken,
    ) -> Result<Exit, Problem> {
        crate::sandbox::run_simulators(arguments, json, cancel).await
    }

    fn confirm(&self, question: &str) -> Option<bool> {
        if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
            return None;
        }
        let mut terminal = std::io::stderr();
        write!(terminal, "{question} [y/N] ").ok()?;
        terminal.flush().ok()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer).ok()?;
        Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    fn secret_value(&self, name: &str) -> Result<SecretString, Problem> {
        let stdin = std::io::stdin();
        let value = if stdin.is_terminal() {
            super::prompt::unseen(&format!("Value of {name} (not shown): "))?
        } else {
            let mut value = Zeroizing::new(String::new());
            stdin
                .lock()
                .take(LONGEST_SECRET + 1)
                .read_to_string(&mut value)
                .map_err(|error| {
                    Problem::refused(format!(
                        "the value cannot be read: {error}; give it as UTF-8 text"
                    ))
                })?;
            value
        };
        trimmed(&value)
    }
}

fn load(path: &Path) -> Result<Config, Problem> {
    Config::load(path).map_err(|error| Problem::refused(error.to_string()))
}

/// The encrypted secrets of a configuration.
struct Stored(Secrets);

#[async_trait]
impl SecretStore for Stored {
    async fn set(&self, name: &str, value: SecretString) -> Result<bool, Problem> {
        let replaced = self.list().await?.iter().any(|known| known == name);
        self.0
            .set(name, value)
            .await
            .map_err(|error| Problem::refused(error.to_string()))?;
        Ok(replaced)
    }

    async fn list(&self) -> Result<Vec<String>, Problem> {
        self.0
            .list()
            .await
            .map_err(|error| Problem::failed(error.to_string()))
    }

    async fn remove(&self, name: &str) -> Result<bool, Problem> {
        if !self.list().await?.iter().any(|known| known == name) {
            return Ok(false);
        }
        self.0
            .remove(name)
            .await
            .map_err(|error| Problem::failed(error.to_string()))?;
        Ok(true)
    }
}

/// Without the line break that editors and `echo` put at the end.
fn trimmed(value: &str) -> Result<SecretString, Problem> {
    if value.len() as u64 > LONGEST_SECRET {
        return Err(Problem::refused(format!(
            "the value has more than {LONGEST_SECRET} bytes; is it the right file?"
        )));
    }
    let value = value.strip_suffix('\n').unwrap_or(value);
    let value = value.strip_suffix('\r').unwrap_or(value);
    if value.is_empty() {
        return Err(Problem::refused("the value is empty; nothing was stored"));
    }
    Ok(SecretString::from(value))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn one_line_break_at_the_end_of_a_secret_is_left_out() {
        assert_eq!(trimmed("key\n").unwrap().expose_secret(), "key");
        assert_eq!(trimmed("key\r\n").unwrap().expose_secret(), "key");
        assert_eq!(trimmed("two\nlines\n\n").unwrap().expose_secret(), "two\nlines\n");
        assert_eq!(trimmed(" blanks stay ").unwrap().expose_secret(), " blanks stay ");
    }

    #[test]
    fn empty_and_oversized_secrets_are_refused() {
        assert_eq!(trimmed("\n").unwrap_err().exit, Exit::Refused);
        assert_eq!(trimmed(&"x".repeat(70_000)).unwrap_err().exit, Exit::Refused);
    }
}
