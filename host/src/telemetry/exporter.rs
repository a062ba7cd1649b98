//! How spans reach the collector: by the host's own HTTP client, on the host's runtime.
//!
//! The library sends from a thread of its own, which has no runtime; the client needs one.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;

/// The longest answer that is read: a collector says little.
const LONGEST: usize = 64 << 10;

/// A collector.
#[derive(Debug)]
pub(super) struct Collector {
    client: reqwest::Client,
    runtime: Handle,
}

impl Collector {
    /// Sends by this client, on the runtime that this is called in.
    pub(super) fn new(client: reqwest::Client) -> Self {
        Self {
            client,
            runtime: Handle::current(),
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let mut request = reqwest::Request::try_from(request)?;
            // What a collector is to be told of who sends may be secret: no log shows it.
            request
                .headers_mut()
                .iter_mut()
                .for_each(|(_, value)| value.set_sensitive(true));
            let mut answer = client.execute(request).await?;
            let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
            let mut body = Vec::new();
            while let Some(piece) = answer.chunk().await? {
                if body.len() + piece.len() > LONGEST {
                    break;
                }
                body.extend_from_slice(&piece);
            }
            let mut response = Response::new(Bytes::from(body));
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok::<_, reqwest::Error>(response)
        });
        Ok(sent.await??)
    }
}
