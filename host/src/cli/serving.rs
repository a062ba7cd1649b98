//! A host that serves: the service, what begins its runs, and the front with the API and the console on it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::api::Front;
use crate::config::{Config, ServiceSection};
use crate::console;
use crate::run::Groupcast;
use crate::schedule::{Engine, Served};
use crate::service::{EventHub, Service};

/// Everything that serves, open and listening; see [`Self::run`].
pub struct Serving {
    /// What can be done.
    pub service: Arc<Service>,
    engine: Arc<dyn Engine>,
    front: Front,
    provider: Option<String>,
}

impl Serving {
    /// Opens it. Listening comes first: an address that is taken is told before anything runs.
    ///
    /// # Errors
    /// What is wrong, for a person.
    pub async fn open(
        groupcast: Arc<Groupcast>,
        config: &Config,
        section: &ServiceSection,
        engine: Arc<dyn Engine>,
        events: Arc<EventHub>,
        stop: &CancellationToken,
    ) -> Result<Self, String> {
        let service = Arc::new(Service::new(config.clone(), groupcast, Arc::clone(&engine), events));
        let front = Front::open(config, section, Arc::clone(&service), stop.clone())
            .await
            .map_err(|error| error.to_string())?;
        service.load().await.map_err(|error| error.to_string())?;
        let provider = section.oidc.as_ref().map(|oidc| {
            let host = url::Url::parse(&oidc.issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
            host.unwrap_or_else(|| oidc.issuer.clone())
        });
        Ok(Self {
            service,
            engine,
            front,
            provider,
        })
    }

    /// How people reach it.
    pub fn url(&self) -> &str {
        self.front.url()
    }

    /// Serves until `stop`; runs under way end before their next write.
    pub async fn run(self, stop: &CancellationToken) -> Served {
        let console = console::router(Arc::clone(&self.service), self.provider);
        let (served, (), ()) = tokio::join!(
            self.engine.serve(stop.clone()),
            self.front.serve(console),
            self.service.watch(stop),
        );
        served
    }
}
