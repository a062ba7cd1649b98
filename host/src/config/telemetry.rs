//! `[telemetry]`: what is told to those who watch the host.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use super::secret_source::SecretSource;

/// Logs, traces, metrics and the dead man's switch.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetrySection {
    /// Address and port where `groupcast serve` answers `/metrics`, `/livez` and `/readyz`, with and without `[service]`;
    /// none: nowhere. Who can connect there can read the names of tenants and connections, but nobody's data.
    #[schemars(with = "Option<String>")]
    pub listen: Option<SocketAddr>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is logged, as a filter such as `info` or `warn,groupcast::egress=debug`. `GROUPCAST_LOG` and `RUST_LOG` go
    /// before it.
    pub log_level: Option<String>,
    /// The OTLP collector that traces go to by HTTP, such as `http://127.0.0.1:4318`; none: nowhere.
    pub otlp_endpoint: Option<String>,
    /// Headers for the collector by name, such as `authorization`.
    pub otlp_headers: BTreeMap<String, SecretSource>,
    /// Which share of jobs is traced, from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub trace_ratio: f64,
    /// What this host is called in traces and metrics; by itself the machine's name.
    pub instance: Option<String>,
    /// After how many seconds without success a connection counts as late; by itself once two of its scheduled runs and
    /// an hour more have passed.
    #[schemars(range(min = 60, max = 31_536_000))]
    pub max_age_seconds: Option<u64>,
    /// The dead man's switch: somebody elsewhere who raises the alarm where this host falls silent.
    pub dead_man: Option<DeadManSection>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere where the host serves.
    #[default]
    Auto,
    /// One line of text an event.
    Text,
    /// One line of JSON an event.
    Json,
}

/// Whom the dead man's switch pings, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadManSection {
    /// Where the URL is that is pinged while every enabled connection succeeds in time. It is a secret: who knows it can
    /// keep the alarm silent.
    pub url: SecretSource,
    /// Where the URL is that is told which connection is late; by itself the one above with `/fail` after it, as
    /// healthchecks.io has it.
    pub failure_url: Option<SecretSource>,
    /// Seconds between two pings.
    #[serde(default = "every_seconds")]
    #[schemars(range(min = 10, max = 86_400))]
    pub every_seconds: u64,
}

fn every_seconds() -> u64 {
    60
}

impl Default for TelemetrySection {
    fn default() -> Self {
        Self {
            listen: None,
            log_format: LogFormat::Auto,
            log_level: None,
            otlp_endpoint: None,
            otlp_headers: BTreeMap::new(),
            trace_ratio: 1.0,
            instance: None,
            max_age_seconds: None,
            dead_man: None,
        }
    }
}

impl TelemetrySection {
    /// What the types cannot say: key path below `[telemetry]`, and what is wrong.
    pub(super) fn faults(&self) -> Vec<(Vec<&'static str>, String)> {
        let mut faults = Vec::new();
        let mut refuse = |keys: &[&'static str], message: String| faults.push((keys.to_vec(), message));
        if let Some(filter) = &self.log_level
            && let Err(error) = tracing_subscriber::EnvFilter::try_new(filter)
        {
            refuse(
                &["log_level"],
                format!("this is no log filter ({error}); write such as `info` or `warn,groupcast=debug`"),
            );
        }
        if let Some(endpoint) = &self.otlp_endpoint
            && !is_collector(endpoint)
        {
            refuse(
                &["otlp_endpoint"],
                "this is no collector's URL; write scheme, host and port, such as `http://127.0.0.1:4318`, and what is \
                 secret into otlp_headers"
                    .to_owned(),
            );
        }
        for (name, source) in &self.otlp_headers {
            if http::HeaderName::try_from(name.as_str()).is_err() {
                refuse(
                    &["otlp_headers"],
                    "a header's name has letters, digits and `-`".to_owned(),
                );
            }
            if let Some(fault) = source.fault() {
                refuse(&["otlp_headers"], fault);
            }
        }
        if !(0.0..=1.0).contains(&self.trace_ratio) {
            refuse(
                &["trace_ratio"],
                format!("{} is out of range; it goes from 0 to 1", self.trace_ratio),
            );
        }
        if self.instance.as_ref().is_some_and(|name| {
            name.trim().is_empty() || name.len() > 255 || name.chars().any(char::is_control)
        }) {
            refuse(
                &["instance"],
                "a host's name is not empty, has no control characters and 255 bytes at most".to_owned(),
            );
        }
        let mut range = |keys: &[&'static str], given: u64, least: u64, most: u64| {
            if given < least || given > most {
                refuse(
                    keys,
                    format!("{given} is out of range; it goes from {least} to {most}"),
                );
            }
        };
        if let Some(seconds) = self.max_age_seconds {
            range(&["max_age_seconds"], seconds, 60, 31_536_000);
        }
        if let Some(dead_man) = &self.dead_man {
            range(&["dead_man", "every_seconds"], dead_man.every_seconds, 10, 86_400);
            if let Some(fault) = dead_man.url.fault() {
                refuse(&["dead_man", "url"], fault);
            }
            if let Some(fault) = dead_man.failure_url.as_ref().and_then(SecretSource::fault) {
                refuse(&["dead_man", "failure_url"], fault);
            }
        }
        faults
    }
}

/// Scheme, host, port and path alone: what is secret has no place in a URL.
fn is_collector(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(section: TelemetrySection) -> Vec<String> {
        section
            .faults()
            .into_iter()
            .map(|(keys, _)| keys.join("."))
            .collect()
    }

    #[test]
    fn what_is_usual_has_no_faults() {
        assert!(faults(TelemetrySection::default()).is_empty());
    }

    #[test]
    fn each_wrong_value_is_named_at_its_place() {
        let section = TelemetrySection {
            log_level: Some("groupcast=loud".to_owned()),
            otlp_endpoint: Some("https://user:word@collector.example/".to_owned()),
            otlp_headers: BTreeMap::from([("two words".to_owned(), SecretSource::Env("TOKEN".to_owned()))]),
            trace_ratio: f64::NAN,
            instance: Some("a\nb".to_owned()),
            max_age_seconds: Some(1),
            dead_man: Some(DeadManSection {
                url: SecretSource::Env("1".to_owned()),
                failure_url: None,
                every_seconds: 1,
            }),
            ..TelemetrySection::default()
        };
        assert_eq!(
            faults(section),
            [
                "log_level",
                "otlp_endpoint",
                "otlp_headers",
                "trace_ratio",
                "instance",
                "max_age_seconds",
                "dead_man.every_seconds",
                "dead_man.url"
            ]
        );
    }
}
