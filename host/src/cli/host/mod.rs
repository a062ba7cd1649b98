//! The real surroundings: the host's own rooms, and the terminal. What may not enter: what a command does with them.

mod secrets;
mod terminal;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use self::secrets::Stored;
use super::arguments::{HealthArguments, SandboxArguments, SimulatorsArguments};
use super::commands::StorePlace;
use super::exit::Exit;
use super::operations::{Observer, Operations};
use super::problem::Problem;
use super::serve::Around;
use super::surroundings::{Component, Opening, SecretStore, Surroundings};
use crate::config::Config;
use crate::plugin::{OCI_SCHEME, Plugin, PluginEngine, PluginFolder, RunLimits, is_digest};
use crate::recording::Recordings;
use crate::run::{Groupcast, OpenError, OpenOptions};
use crate::schedule::SystemTime;
use crate::service::EventHub;
use crate::service::identity::Tokens;
use crate::store::Store;
use crate::telemetry::{Health, Telemetry, WatchedStore, Watchers};

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
        folder.keep(&crate::cli::commands::pulled(config, text).await?)?
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
        let watch = watch::watched(&config, &telemetry, groupcast.store()).await?;
        let around = Around {
            config: &config,
            telemetry: &telemetry,
            watch: &watch,
            events,
        };
        let keep = config.store.keep_runs_days;
        let tidying = crate::run::prune_daily(groupcast.store().clone(), keep, &SystemTime);
        let served = tokio::select! {
            served = crate::cli::serve::serve(groupcast, &connections, around, cancel) => served,
            never = tidying => match never {},
        };
        watch.stop().await;
        served
    }

    async fn health(&self, config: &Path, arguments: &HealthArguments) -> Result<Health, Problem> {
        watch::health(config, arguments).await
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
        Stored::open(load(config)?, tenant)
            .await
            .map(|stored| Box::new(stored) as Box<dyn SecretStore>)
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
        let serve: crate::sandbox::OpenService = Box::new(|path, stop| {
            Box::pin(async move { crate::cli::serving::Serving::open(&path, &stop).await })
        });
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
        terminal::confirm(question)
    }

    fn secret_value(&self, name: &str) -> Result<SecretString, Problem> {
        terminal::secret_value(name)
    }
}

pub(super) fn load(path: &Path) -> Result<Config, Problem> {
    Config::load(path).map_err(|error| Problem::refused(error.to_string()))
}
