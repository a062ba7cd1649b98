//! What a host serves besides runs, where the configuration has `[service]`: the API, the console, and the
//! tenants of the store besides those of the file.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::problem::Problem;
use crate::api::Front;
use crate::config::{Config, ServiceSection};
use crate::run::Groupcast;
use crate::schedule::Engine;
use crate::service::{EventHub, Service};
use crate::telemetry::Telemetry;

/// The service and its front; it listens already.
pub(super) struct Fronted {
    pub(super) service: Arc<Service>,
    pub(super) front: Front,
    provider: Option<crate::console::Provider>,
}

impl Fronted {
    /// Listens, and takes up the tenants of the store.
    pub(super) async fn open(
        groupcast: &Arc<Groupcast>,
        engine: &Arc<dyn Engine>,
        (config, section): (&Config, &ServiceSection),
        (telemetry, events): (&Telemetry, &Arc<EventHub>),
        stop: &CancellationToken,
    ) -> Result<Self, Problem> {
        let service = Arc::new(Service::new(
            config.clone(),
            Arc::clone(groupcast),
            Arc::clone(engine),
            Arc::clone(events),
        ));
        // Listening comes first: an address that is taken is told before anything runs.
        let front = Front::open(
            config,
            section,
            Arc::clone(&service),
            telemetry.clone(),
            stop.clone(),
        )
        .await
        .map_err(|error| Problem::refused(error.to_string()))?;
        let loaded = service.load().await;
        loaded.map_err(|error| Problem::failed(error.to_string()))?;
        Ok(Self {
            service,
            front,
            provider: crate::console::provider(section),
        })
    }

    /// Serves until `stop`.
    pub(super) async fn serve(self, stop: &CancellationToken) {
        let console = crate::console::router(Arc::clone(&self.service), self.provider);
        tokio::join!(self.front.serve(console), self.service.watch(stop));
    }
}
