//! `health`: asks a serving host whether it is well.

use serde::Serialize;

use crate::cli::arguments::HealthArguments;
use crate::cli::exit::Exit;
use crate::cli::problem::Problem;
use crate::cli::render::text::shown;
use crate::cli::session::Session;
use crate::telemetry::Health;

/// What `--json` prints.
#[derive(Serialize)]
struct HealthDocument<'a> {
    format: &'static str,
    #[serde(flatten)]
    health: &'a Health,
}

pub(super) async fn health(session: &mut Session<'_>, arguments: &HealthArguments) -> Result<Exit, Problem> {
    let health = session
        .surroundings
        .health(&session.shared.config, arguments)
        .await?;
    if session.shared.json {
        session.document(&HealthDocument {
            format: "groupcast/health/1",
            health: &health,
        })?;
    } else {
        for probe in &health.probes {
            let mark = if probe.ok { "✓" } else { "✗" };
            session.text(&format!(
                "{mark} {}: {}\n",
                shown(&probe.name),
                shown(&probe.message)
            ))?;
        }
    }
    Ok(if health.ok { Exit::Done } else { Exit::Failed })
}
