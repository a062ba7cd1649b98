//! The real surroundings: the host's own rooms, and the terminal.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::arguments::{HealthArguments, SandboxArguments, SimulatorsArguments};
use super::commands::StorePlace;
use super::exit::Exit;
use super::operations::{Observer, Operations};
use super::problem::Problem;
use super::serve::Around;
use super::surroundings::{Component, Opening, SecretLine, SecretStore, Surroundings};
use crate::config::Config;
use crate::plugin::{OCI_SCHEME, Plugin, PluginEngine, PluginFolder, RunLimits, is_digest};
use crate::recording::Recordings;
use crate::run::{Groupcast, OpenError, OpenOptions};
use crate::schedule::SystemTime;
use crate::secrets::{Author, SecretError, Secrets};
use crate::service::EventHub;
use crate::service::Principal;
use crate::service::identity::Tokens;
use crate::store::Store;
use crate::telemetry::{DeadManOptions, Health, Telemetry, Watch, WatchOptions, WatchedStore, Watchers};

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
        let other = component_file(&config, opening.plugin).await?;
        let opening = Opening {
            plugin: other.as_deref(),
            ..opening
        };
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
    async fn opened_to_serve(
        &self,
        opening: Opening<'_>,
        telemetry: &Telemetry,
        events: &Arc<EventHub>,
    ) -> Result<(Arc<Groupcast>, Config), Problem> {
        let refused = |error: &dyn std::fmt::Display| Problem::refused(error.to_string());
        let config = load(opening.config)?;
        let record = config.record || opening.record;
        let attempts = crate::run::attempts(&config)
            .await
            .map_err(|error| refused(&error))?;
        // A service may have all its tenants in the store.
        if config.service.is_none() && attempts.iter().all(|(_, setup)| setup.is_err()) {
            return self.opened(opening).await;
        }
        let other = component_file(&config, opening.plugin).await?;
        let (engine, plugin) = match self.compiled.as_ref().filter(|_| other.is_none()) {
            Some((engine, plugin)) => (Arc::clone(engine), Arc::clone(plugin)),
            None => Groupcast::component(&config, other)
                .await
                .map_err(|error| refused(&error))?,
        };
        telemetry.compiled();
        let store = crate::run::open_store(&config)
            .await
            .map_err(|error| Problem::failed(error.to_string()))?;
        let store: Arc<dyn Store> = Arc::new(WatchedStore::new(store, telemetry.clone()));
        // The log says what runs do: beside it, progress would say it twice, and not in the log's form.
        let observer = Arc::new(Watchers(vec![Arc::new(telemetry.clone()), events.clone()]));
        let groupcast = Groupcast::with_plugin(Vec::new(), store, engine, plugin, observer)
            .trusting(config.plugins.trusted.clone())
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
        let store = crate::run::open_store(config).await?;
        let (engine, plugin) = (Arc::clone(engine), Arc::clone(plugin));
        Ok(
            Groupcast::with_plugin(setups, store, engine, plugin, opening.observer)
                .trusting(config.plugins.trusted.clone()),
        )
    }
}

/// The file of the component that `--plugin` means: a file, the digest of one that is kept, or a reference to a registry,
/// from where it is fetched and kept.
async fn component_file(config: &Config, meant: Option<&Path>) -> Result<Option<PathBuf>, Problem> {
    let Some(path) = meant else {
        return Ok(None);
    };
    let text = path.to_str().unwrap_or_default();
    let folder = PluginFolder::new(&config.plugins.folder);
    let digest = if text.starts_with(OCI_SCHEME) {
        folder.keep(&super::commands::pulled(config, text).await?)?
    } else if is_digest(text) {
        text.to_owned()
    } else {
        return Ok(Some(path.to_path_buf()));
    };
    // Read once, so that what was changed since it was kept is refused.
    folder.read(&digest)?;
    Ok(Some(folder.path().join(format!("{digest}.wasm"))))
}

#[async_trait]
impl Surroundings for Host {
    async fn open(&self, opening: Opening<'_>) -> Result<Arc<dyn Operations>, Problem> {
        let (groupcast, _) = self.opened(opening).await?;
        Ok(groupcast)
    }

    async fn serve(&self, opening: Opening<'_>, cancel: &CancellationToken) -> Result<Exit, Problem> {
        let named = opening.connection.map(ToOwned::to_owned);
        let telemetry = Telemetry::default();
        let events = Arc::new(EventHub::default());
        let (groupcast, config) = self.opened_to_serve(opening, &telemetry, &events).await?;
        let connections = groupcast
            .resolve(named.as_deref())
            .map_err(|unknown| Problem::refused(unknown.to_string()))?;
        let watch = watched(&config, &telemetry, groupcast.store()).await?;
        let around = Around {
            config: &config,
            telemetry: &telemetry,
            watch: &watch,
            events,
        };
        let keep = config.store.keep_runs_days;
        let tidying = crate::run::prune_daily(groupcast.store().clone(), keep, &SystemTime);
        let served = tokio::select! {
            served = super::serve::serve(groupcast, &connections, around, cancel) => served,
            never = tidying => match never {},
        };
        watch.stop().await;
        served
    }

    async fn health(&self, config: &Path, arguments: &HealthArguments) -> Result<Health, Problem> {
        let (url, ca_pem) = match &arguments.url {
            Some(url) => (url.clone(), None),
            None => {
                let config = load(config)?;
                let address = config.telemetry.listen.ok_or_else(|| {
                    Problem::refused(
                        "the configuration names no address to ask: give telemetry.listen one, such as \
                         \"127.0.0.1:9464\", or say --url",
                    )
                })?;
                (
                    format!("http://{}/readyz", reachable(address)),
                    certificates(&config)?,
                )
            }
        };
        let unwell = |reason: String| Problem::failed(format!("no host answers at {url}: {reason}"));
        let client = crate::telemetry::client(ca_pem.as_deref()).map_err(Problem::refused)?;
        let answer = client
            .get(&url)
            .send()
            .await
            .map_err(|error| unwell(error.without_url().to_string()))?;
        let status = answer.status();
        answer.json().await.map_err(|_| {
            unwell(format!(
                "what answers with {status} is no groupcast, or not its health; ask /livez or /readyz"
            ))
        })
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

    async fn secrets(&self, config: &Path, tenant: Option<&str>) -> Result<Box<dyn SecretStore>, Problem> {
        let config = load(config)?;
        let mut secrets = Secrets::of(&config.secrets);
        let mut kept = None;
        if let Some(tenant) = tenant {
            if config.tenants.iter().any(|known| known.name == tenant) {
                return Err(Problem::refused(format!(
                    "tenant {tenant} is declared in the configuration file, so its secrets are the host's; leave --tenant out"
                )));
            }
            let store = sealed_store(&config).await?;
            let known = store.tenant(tenant).await;
            if known
                .map_err(|error| Problem::failed(error.to_string()))?
                .is_none()
            {
                return Err(Problem::refused(format!(
                    "there is no tenant {tenant} in the store; make it in the console or by the API first"
                )));
            }
            secrets = secrets.with_store(store.clone());
            kept = Some(store);
        }
        Ok(Box::new(Stored {
            config,
            secrets,
            kept,
            tenant: tenant.map(ToOwned::to_owned),
        }))
    }

    async fn tokens(&self, config: &Path) -> Result<Tokens, Problem> {
        let config = load(config)?;
        let store = crate::run::open_store(&config)
            .await
            .map_err(|error| Problem::failed(error.to_string()))?;
        let declared = config.tenants.into_iter().map(|tenant| tenant.name).collect();
        Ok(Tokens::new(store, declared))
    }

    async fn store(&self, config: &Path) -> Result<StorePlace, Problem> {
        let config = load(config)?;
        Ok(StorePlace {
            location: crate::run::store_location(&config)
                .await
                .map_err(|error| Problem::refused(error.to_string()))?,
            keep_runs_days: config.store.keep_runs_days,
        })
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

/// What serves beside the runs, as the configuration says.
async fn watched(config: &Config, telemetry: &Telemetry, store: &Arc<dyn Store>) -> Result<Watch, Problem> {
    let secrets = Secrets::of(&config.secrets);
    let refused = |error: &dyn std::fmt::Display| Problem::refused(error.to_string());
    let dead_man = match &config.telemetry.dead_man {
        None => None,
        Some(section) => Some(DeadManOptions {
            url: secrets.get(&section.url).await.map_err(|error| refused(&error))?,
            failure_url: match &section.failure_url {
                Some(source) => Some(secrets.get(source).await.map_err(|error| refused(&error))?),
                None => None,
            },
            every: Duration::from_secs(section.every_seconds),
        }),
    };
    let options = WatchOptions {
        listen: config.telemetry.listen,
        dead_man,
        ca_pem: certificates(config)?,
    };
    let watch = Watch::begin(telemetry.clone(), Arc::clone(store), options)
        .await
        .map_err(|error| refused(&error))?;
    if let Some(address) = watch.address() {
        tracing::info!(%address, "metrics and health can be read");
    }
    Ok(watch)
}

/// Where a listener of this machine can be asked: whoever listens everywhere listens here too.
fn reachable(address: SocketAddr) -> SocketAddr {
    let here = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(here, address.port())
}

/// The configuration's own certificate authorities.
fn certificates(config: &Config) -> Result<Option<Vec<u8>>, Problem> {
    let Some(path) = &config.ca_file else {
        return Ok(None);
    };
    std::fs::read(path).map(Some).map_err(|error| {
        Problem::refused(format!(
            "network.ca_file: {} cannot be read: {error}",
            path.display()
        ))
    })
}

pub(super) fn load(path: &Path) -> Result<Config, Problem> {
    Config::load(path).map_err(|error| Problem::refused(error.to_string()))
}

/// The stored secrets of a configuration: the host's, or a tenant's.
struct Stored {
    config: Config,
    secrets: Secrets,
    /// Of a tenant's: the store that they are in.
    kept: Option<Arc<dyn Store>>,
    tenant: Option<String>,
}

/// The store of a configuration, for what is sealed there.
async fn sealed_store(config: &Config) -> Result<Arc<dyn Store>, Problem> {
    crate::run::open_store(config)
        .await
        .map_err(|error| Problem::failed(error.to_string()))
}

/// Whoever has the machine, for the audit log.
fn whoever() -> Author {
    let user = std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned());
    Author {
        actor: Principal::command_line(&user).actor,
        request: None,
    }
}

fn told(error: &SecretError) -> Problem {
    if error.is_passing() {
        Problem::failed(error.to_string())
    } else {
        Problem::refused(error.to_string())
    }
}

#[async_trait]
impl SecretStore for Stored {
    async fn set(
        &self,
        name: &str,
        value: SecretString,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<bool, Problem> {
        let replaced = self.list().await?.iter().any(|known| known.name == name);
        match &self.tenant {
            None => self.secrets.set(name, value, expires_at).await,
            Some(tenant) => self
                .secrets
                .set_for(tenant, name, &value, expires_at, None, &whoever())
                .await
                .map(drop),
        }
        .map_err(|error| told(&error))?;
        // What connections were put aside for may be mended: whoever serves them sees it within a minute.
        if let (Some(store), Some(tenant)) = (&self.kept, &self.tenant)
            && let Err(error) = crate::schedule::mended(&**store, tenant).await
        {
            tracing::warn!(%error, "connections that were put aside could not be released; release them by hand");
        }
        Ok(replaced)
    }

    async fn list(&self) -> Result<Vec<SecretLine>, Problem> {
        let failed = |error: SecretError| Problem::failed(error.to_string());
        match &self.tenant {
            None => {
                let listed = self.secrets.list_with_ends().await.map_err(failed)?;
                let lines = listed.into_iter().map(|(name, expires_at)| SecretLine {
                    name,
                    version: None,
                    expires_at,
                });
                Ok(lines.collect())
            }
            Some(tenant) => {
                let listed = self.secrets.list_for(tenant).await.map_err(failed)?;
                let lines = listed.into_iter().map(|secret| SecretLine {
                    name: secret.name.name,
                    version: Some(secret.version),
                    expires_at: secret.expires_at,
                });
                Ok(lines.collect())
            }
        }
    }

    async fn remove(&self, name: &str) -> Result<bool, Problem> {
        if let Some(tenant) = &self.tenant {
            let removed = self.secrets.remove_for(tenant, name, &whoever()).await;
            return removed.map_err(|error| told(&error));
        }
        if !self.list().await?.iter().any(|known| known.name == name) {
            return Ok(false);
        }
        self.secrets
            .remove(name)
            .await
            .map_err(|error| Problem::failed(error.to_string()))?;
        Ok(true)
    }

    async fn rotate_key(&self) -> Result<String, Problem> {
        // What the key wraps is in the store: a key that is replaced without it would open nothing any more.
        let secrets = if self.config.store.url.is_some() || self.config.store_path.exists() {
            self.secrets.clone().with_store(sealed_store(&self.config).await?)
        } else {
            self.secrets.clone()
        };
        let done = secrets.rotate_key().await.map_err(|error| told(&error))?;
        let made = if done.is_made {
            "A new key is in"
        } else {
            "The first key is that of"
        };
        let file = if done.file {
            "; the encrypted file was sealed again"
        } else {
            ""
        };
        let left = if done.is_older_left {
            " Older keys open nothing any more: take them out of where they are, and out of the configuration."
        } else {
            ""
        };
        Ok(format!(
            "{made} {}: it wraps the keys of {} tenants ({} did already){file}.{left}",
            done.place,
            done.tenants.done + done.tenants.already,
            done.tenants.already
        ))
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
