//! The dead man's switch: somebody elsewhere is told again and again that all is well, and raises the alarm where nobody
//! tells them any more. What fails silently is heard that way: a host that is gone, a scheduler that is stuck.
//!
//! Speaks as healthchecks.io does (a request to a URL; the same with `/fail` and a text for a failure), which a
//! heartbeat of Alertmanager or of a status page understands too.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;

use super::{Late, Telemetry};

/// How often one ping is tried.
const ATTEMPTS: u32 = 3;
/// Before the second attempt; the third waits twice as long.
const PAUSE: Duration = Duration::from_secs(2);
/// How many late connections are named.
const NAMED: usize = 20;

/// Why a ping did not arrive. Never names the URL, which is a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeadManError {
    /// No URL.
    #[error(
        "the dead man's switch has no URL: what telemetry.dead_man names is none; give one such as https://hc-ping.com/…"
    )]
    Url,
    /// It answered something else than success.
    #[error("the dead man's switch answered {0}; look whether its URL is still right")]
    Answered(u16),
    /// It did not answer.
    #[error("the dead man's switch could not be reached: {0}")]
    Unreached(String),
}

/// Whom to ping, and how often.
#[derive(Debug)]
pub struct DeadMan {
    client: reqwest::Client,
    success: SecretString,
    failure: SecretString,
    every: Duration,
    pause: Duration,
}

impl DeadMan {
    /// Pings `success` while all is well, and tells `failure` (none: the same with `/fail` after its path) what is not.
    ///
    /// # Errors
    /// If one of the two is no URL of the web.
    pub fn new(
        client: reqwest::Client,
        success: SecretString,
        failure: Option<SecretString>,
        every: Duration,
    ) -> Result<Self, DeadManError> {
        let of_web = |secret: &SecretString| {
            url::Url::parse(secret.expose_secret().trim())
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
                .ok_or(DeadManError::Url)
        };
        let mut failing = match &failure {
            Some(failure) => of_web(failure)?,
            None => {
                let mut url = of_web(&success)?;
                let path = format!("{}/fail", url.path().trim_end_matches('/'));
                url.set_path(&path);
                url
            }
        };
        failing.set_fragment(None);
        let success = of_web(&success)?;
        Ok(Self {
            client,
            success: SecretString::from(success.to_string()),
            failure: SecretString::from(failing.to_string()),
            every,
            pause: PAUSE,
        })
    }

    /// The same without waiting between attempts.
    #[cfg(test)]
    pub(super) fn without_pauses(mut self) -> Self {
        self.pause = Duration::ZERO;
        self
    }

    /// Looks and pings until `stop`. A host that is stopped in order says nothing: it falls silent, and whoever listens
    /// decides how long that may last.
    pub async fn serve(self, telemetry: Telemetry, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.every) => {}
            }
            let told = tokio::select! {
                () = stop.cancelled() => return,
                told = self.look(&telemetry) => told,
            };
            if let Err(error) = told {
                telemetry.shared().metrics.dead_man_failures.inc();
                tracing::warn!(%error, "a ping did not arrive");
            }
        }
    }

    /// Looks once and tells what is so.
    ///
    /// # Errors
    /// If it did not arrive.
    pub async fn look(&self, telemetry: &Telemetry) -> Result<(), DeadManError> {
        let live = telemetry.live();
        let ready = telemetry.ready().await;
        let late = telemetry.late();
        if live.ok && ready.ok && late.is_empty() {
            return self.tell(&self.success, String::new()).await;
        }
        let mut text = String::new();
        if !live.ok || !ready.ok {
            let faults = [live.faults(), ready.faults()];
            for fault in faults.iter().filter(|fault| !fault.is_empty()) {
                text.push_str(fault);
                text.push('\n');
            }
        }
        text.push_str(&words(&late));
        self.tell(&self.failure, text).await
    }

    async fn tell(&self, url: &SecretString, text: String) -> Result<(), DeadManError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let error = match self
                .client
                .post(url.expose_secret())
                .header(http::header::CONTENT_TYPE, "text/plain; charset=utf-8")
                .body(text.clone())
                .send()
                .await
            {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => DeadManError::Answered(answer.status().as_u16()),
                // Without the URL, which the library would name.
                Err(error) => DeadManError::Unreached(error.without_url().to_string()),
            };
            if attempt >= ATTEMPTS {
                return Err(error);
            }
            tokio::time::sleep(self.pause * attempt).await;
        }
    }
}

/// Late connections in words.
fn words(late: &[Late]) -> String {
    let mut text = String::new();
    for one in late.iter().take(NAMED) {
        text.push_str(&format!("{}: {}\n", one.connection, one.why));
    }
    if late.len() > NAMED {
        text.push_str(&format!("and {} more\n", late.len() - NAMED));
    }
    text
}
