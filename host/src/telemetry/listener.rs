//! A listener for those who watch, apart from the one for people: `/metrics`, `/livez`, `/readyz`.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutLayer;

use super::{Health, Telemetry};

/// What Prometheus is told the text is.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why nobody can look.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address.
    #[error(
        "metrics and health cannot be served on {address}: {reason}; is another program there? telemetry.listen names \
         the address"
    )]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        reason: std::io::Error,
    },
}

/// Where those who watch may look. It listens once it is made, so that a host whose address is taken does not start.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    telemetry: Telemetry,
}

impl Listener {
    /// Takes the address.
    ///
    /// # Errors
    /// If it cannot be had.
    pub async fn bind(address: SocketAddr, telemetry: Telemetry) -> Result<Self, ListenError> {
        let socket = TcpListener::bind(address)
            .await
            .map_err(|reason| ListenError::Bind { address, reason })?;
        Ok(Self { socket, telemetry })
    }

    /// Where it listens: of use where the port was any free one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }

    /// Serves until `stop`. To be stopped last, so that the last of the stopping host can still be read.
    pub async fn serve(self, stop: CancellationToken) {
        let served = axum::serve(self.socket, routes(self.telemetry))
            .with_graceful_shutdown(stop.cancelled_owned())
            .await;
        if let Err(error) = served {
            tracing::error!(%error, "metrics and health are no longer served");
        }
    }
}

/// The three routes, for whoever mounts them elsewhere. They name tenants and connections, so they are for the inside.
pub fn routes(telemetry: Telemetry) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            PATIENCE,
        ))
        .with_state(telemetry)
}

async fn metrics(State(telemetry): State<Telemetry>) -> Response {
    ([(header::CONTENT_TYPE, OPENMETRICS)], telemetry.metrics_text()).into_response()
}

async fn live(State(telemetry): State<Telemetry>) -> Response {
    told(&telemetry.live())
}

async fn ready(State(telemetry): State<Telemetry>) -> Response {
    told(&telemetry.ready().await)
}

fn told(health: &Health) -> Response {
    let status = if health.ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, axum::Json(health.clone())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn metrics_and_health_are_read_over_http() {
        let telemetry = Telemetry::default();
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), telemetry.clone())
            .await
            .unwrap();
        let address = listener.address().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(listener.serve(stop.clone()));
        let look = async |path: &str| {
            let client = crate::telemetry::client(None).unwrap();
            let answer = client
                .get(format!("http://{address}{path}"))
                .send()
                .await
                .unwrap();
            let kind = answer.headers().get("content-type").cloned();
            (answer.status().as_u16(), kind, answer.text().await.unwrap())
        };
        let (status, kind, text) = look("/metrics").await;
        assert_eq!((status, kind.unwrap().to_str().unwrap()), (200, OPENMETRICS));
        assert!(text.contains("groupcast_build_info{version="), "{text}");
        assert_eq!(look("/livez").await.0, 200);
        let (status, _, text) = look("/readyz").await;
        assert_eq!(status, 503);
        assert!(text.contains("the store is not open yet"), "{text}");
        assert_eq!(look("/").await.0, 404);
        let taken = Listener::bind(address, telemetry).await.unwrap_err().to_string();
        assert!(taken.contains("telemetry.listen"), "{taken}");
        stop.cancel();
        serving.await.unwrap();
    }
}
