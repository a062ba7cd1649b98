//! What `groupcast serve` serves besides runs, where the configuration has `[service]`: the API, the console, and the
//! tenants of the store besides those of the file.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::problem::Problem;
use super::serve::Around;
use crate::api::Front;
use crate::config::ServiceSection;
use crate::run::Groupcast;
use crate::schedule::Engine;
use crate::service::Service;

/// The service and its front; it listens already.
pub(super) struct Fronted {
    service: Arc<Service>,
    front: Front,
    provider: Option<crate::console::Provider>,
}

impl Fronted {
    /// Listens, and takes up the tenants of the store.
    pub(super) async fn open(
        groupcast: &Arc<Groupcast>,
        engine: &Arc<dyn Engine>,
        section: &ServiceSection,
        around: &Around<'_>,
        stop: &CancellationToken,
    ) -> Result<Self, Problem> {
        let service = Arc::new(Service::new(
            around.config.clone(),
            Arc::clone(groupcast),
            Arc::clone(engine),
            Arc::clone(&around.events),
        ));
        // Listening comes first: an address that is taken is told before anything runs.
        let front = Front::open(
            around.config,
            section,
            Arc::clone(&service),
            around.telemetry.clone(),
            stop.clone(),
        )
        .await
        .map_err(|error| Problem::refused(error.to_string()))?;
        let loaded = service.load().await;
        loaded.map_err(|error| Problem::failed(error.to_string()))?;
        tracing::info!(address = %front.address(), url = front.url(), "serving the API and the console");
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
