//! A host that serves and nothing else: what the sandbox opens to show the console.

use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::front::Fronted;
use crate::config::Config;
use crate::run::{Groupcast, JobRunner, OpenOptions, engine_limits};
use crate::schedule::{EmbeddedEngine, Engine};
use crate::service::{EventHub, Service};
use crate::telemetry::Telemetry;

/// Everything that serves, open and listening; see [`Self::run`].
pub struct Serving {
    /// What can be done.
    pub service: Arc<Service>,
    engine: Arc<dyn Engine>,
    fronted: Fronted,
}

impl Serving {
    /// Opens it on a configuration file. Listening comes first: an address that is taken is told before anything runs.
    ///
    /// # Errors
    /// What is wrong, for a person.
    pub async fn open(path: &Path, stop: &CancellationToken) -> Result<Self, String> {
        let config = Config::load(path).map_err(|error| error.to_string())?;
        let section = config
            .service
            .clone()
            .ok_or_else(|| "the configuration has no section [service]".to_owned())?;
        let events = Arc::new(EventHub::default());
        let options = OpenOptions {
            plugin: None,
            observer: events.clone(),
        };
        let groupcast = Groupcast::open(config.clone(), options)
            .await
            .map_err(|error| error.to_string())?;
        let groupcast = Arc::new(groupcast);
        let store = Arc::clone(groupcast.store());
        let runner = Arc::new(JobRunner::new(Arc::clone(&groupcast)));
        let engine: Arc<dyn Engine> =
            Arc::new(EmbeddedEngine::new(runner, store, engine_limits(&config), None));
        for connection in config.connections() {
            engine
                .put_schedule(&connection.id, connection.schedule.clone())
                .await
                .map_err(|error| error.to_string())?;
        }
        let (of, told) = ((&config, &section), (&Telemetry::default(), &events));
        let fronted = Fronted::open(&groupcast, &engine, of, told, stop)
            .await
            .map_err(|problem| problem.message)?;
        Ok(Self {
            service: Arc::clone(&fronted.service),
            engine,
            fronted,
        })
    }

    /// How people reach it.
    pub fn url(&self) -> &str {
        self.fronted.front.url()
    }

    /// Serves until `stop`; runs under way end before their next write.
    pub async fn run(self, stop: &CancellationToken) {
        tokio::join!(self.engine.serve(stop.clone()), self.fronted.serve(stop));
    }
}
