//! The process's own log, on standard error, and its traces. Results never go there, and secrets never reach it: what
//! holds one has a `Debug` that hides it. How lines look is the telemetry room's.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::sync::Arc;

use secrecy::ExposeSecret as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use super::arguments::Shared;
use super::progress::Progress;
use crate::config::{Config, LogFormat, TelemetrySection};
use crate::secrets::Secrets;
use crate::telemetry::{Form, LogLayer, Traces, client};

/// Spans that lines take tenant, connection and run from, whatever the filter says.
const CONTEXT: &str = "groupcast::trace=info";
/// What writes whole requests out at its lowest levels, those of others than vendors with what is secret in them.
/// And Vault's client, which calls an error whatever Vault answers; what comes of it is told by whoever asked.
const UNHEARD: [&str; 3] = ["h2=info", "vaultrs=off", "rustify=off"];

/// The log and the traces of this process.
pub struct Logging {
    traces: Option<Traces>,
}

/// Starts the log, and traces where the configuration names a collector. `GROUPCAST_LOG` goes before `RUST_LOG`, both
/// before the configuration's `telemetry.log_level`, and that before `--verbose`; all in the syntax of tracing's filters,
/// such as `groupcast::egress=debug`. Where the log is all that the command has to say (`serve`), it says what it does
/// even unasked, and for programs where nobody sits at a terminal.
pub async fn start(
    shared: &Shared,
    serves: bool,
    config: Option<&Config>,
    progress: Arc<Progress>,
) -> Logging {
    let section = config.map(|config| config.telemetry.clone()).unwrap_or_default();
    let traces = match config {
        Some(config) => traces(config).await,
        None => Ok(None),
    };
    let form = match (section.log_format, serves && !std::io::stderr().is_terminal()) {
        (LogFormat::Json, _) | (LogFormat::Auto, true) => Form::Json,
        // The stream takes the colours away where they do not belong.
        (LogFormat::Text | LogFormat::Auto, _) => Form::Text { coloured: true },
    };
    let sink = Arc::new(move |line: &str| progress.print(line));
    let log = LogLayer::new(form, shared.verbose > 1, sink).with_filter(filter(shared, serves, &section));
    let collector = traces.as_ref().ok().and_then(Option::as_ref).map(Traces::layer);
    // Already started: by a test, or by whoever embeds the command line.
    let _ = tracing_subscriber::registry()
        .with(log)
        .with(collector)
        .try_init();
    let traces = traces.unwrap_or_else(|reason| {
        tracing::warn!(reason, "traces are not sent");
        None
    });
    Logging { traces }
}

impl Logging {
    /// Sends the traces that wait; takes some seconds at most.
    pub async fn stop(self) {
        if let Some(traces) = self.traces
            && let Err(error) = tokio::task::spawn_blocking(move || traces.stop()).await
        {
            tracing::debug!(%error, "the last traces were not sent");
        }
    }
}

fn filter(shared: &Shared, serves: bool, section: &TelemetrySection) -> EnvFilter {
    let usual = match (shared.quiet, shared.verbose.max(u8::from(serves))) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "warn,groupcast=info",
        (false, 2) => "info,groupcast=debug",
        (false, _) => "debug,groupcast=trace",
    };
    let asked = ["GROUPCAST_LOG", "RUST_LOG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .chain(section.log_level.clone())
        .filter(|text| !text.trim().is_empty())
        .find_map(|text| EnvFilter::try_new(text).ok());
    let filter = asked.unwrap_or_else(|| EnvFilter::new(usual));
    std::iter::once(CONTEXT)
        .chain(UNHEARD)
        .filter_map(|directive| directive.parse().ok())
        .fold(filter, EnvFilter::add_directive)
}

/// Where traces go, or why they cannot.
async fn traces(config: &Config) -> Result<Option<Traces>, String> {
    let section = &config.telemetry;
    let Some(endpoint) = &section.otlp_endpoint else {
        return Ok(None);
    };
    let secrets = Secrets::of(&config.secrets);
    let mut headers = HashMap::new();
    for (name, source) in &section.otlp_headers {
        let value = secrets.get(source).await.map_err(|error| error.to_string())?;
        headers.insert(name.clone(), value.expose_secret().to_owned());
    }
    let ca_pem = match &config.ca_file {
        Some(path) => Some(
            std::fs::read(path)
                .map_err(|error| format!("network.ca_file: {} cannot be read: {error}", path.display()))?,
        ),
        None => None,
    };
    let client = client(ca_pem.as_deref())?;
    let instance = section.instance.clone().unwrap_or_else(machine);
    Traces::new(client, endpoint, headers, section.trace_ratio, &instance)
        .map(Some)
        .map_err(|error| error.to_string())
}

/// What the machine is called.
fn machine() -> String {
    // The first is not to be seen by a service that is shut in well.
    ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .into_iter()
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .map(|name| name.trim().to_owned())
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "unnamed".to_owned())
}
