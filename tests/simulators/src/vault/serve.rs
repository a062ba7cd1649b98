//! The Vault behind a socket of this machine, without TLS.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::VaultSimulator;

/// Serves until the runtime ends, and answers where: `http://127.0.0.1:PORT`.
///
/// # Errors
/// Where no socket can be had.
pub async fn serve(vault: Arc<Mutex<VaultSimulator>>) -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let vault = Arc::clone(&vault);
            let service = service_fn(move |request: Request<Incoming>| {
                let vault = Arc::clone(&vault);
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.map(http_body_util::Collected::to_bytes);
                    let request = Request::from_parts(parts, body.unwrap_or_default());
                    let now = SystemTime::now()
                        .duration_since(UNIX_EPOCH)
                        .unwrap_or(Duration::ZERO)
                        .as_millis();
                    let answer = vault
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .handle(&request, u64::try_from(now).unwrap_or(u64::MAX));
                    Ok::<Response<_>, Infallible>(answer.map(Full::new))
                }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    Ok(address)
}
