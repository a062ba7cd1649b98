//! What serves beside the runs, as the configuration says: metrics, health and the dead man's switch; and how the health
//! of a host that serves is asked for. What may not enter: what is measured.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::load;
use crate::cli::arguments::HealthArguments;
use crate::cli::problem::Problem;
use crate::config::Config;
use crate::secrets::Secrets;
use crate::store::Store;
use crate::telemetry::{DeadManOptions, Health, Telemetry, Watch, WatchOptions};

/// What serves beside the runs, as the configuration says.
pub(super) async fn watched(
    config: &Config,
    telemetry: &Telemetry,
    store: &Arc<dyn Store>,
) -> Result<Watch, Problem> {
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

/// What a host that serves says of its health.
pub(super) async fn health(config: &Path, arguments: &HealthArguments) -> Result<Health, Problem> {
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
