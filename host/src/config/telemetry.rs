//! `[telemetry]`: what is told to those who watch the host.

use schemars::JsonSchema;
use serde::Deserialize;

/// Logs, traces, metrics and the dead man's switch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetrySection {
    /// The OTLP collector that traces go to, such as `http://127.0.0.1:4318`; none: nowhere.
    pub otlp_endpoint: Option<String>,
}

impl TelemetrySection {
    /// What the types cannot say: key path below `[telemetry]`, and what is wrong.
    pub(super) fn faults(&self) -> Vec<(Vec<&'static str>, String)> {
        Vec::new()
    }
}
