//! The exports of the component, over an [`Environment`].

mod types;

pub use types::{
    Explanation, Finding, PlanSummary, Question, Report, Run, Severity, SourceEnd, Step, TargetEnd,
};

use crate::environment::Environment;
use crate::failure::Failure;

pub async fn check(run: &Run, environment: Environment<'_>) -> Result<Vec<Finding>, Failure> {
    let request = ::http::Request::get(format!("{}/api/v2/directories", run.source.base_url))
        .body(bytes::Bytes::new())
        .map_err(|error| {
            Failure::new(
                crate::failure::FailureKind::Configuration,
                "url",
                error.to_string(),
            )
        })?;
    let answer = environment.transport.send(request).await;
    Ok(vec![Finding {
        severity: Severity::Info,
        code: "probe".into(),
        place: run.source.base_url.clone(),
        message: format!("{answer:?}"),
        vendor: None,
    }])
}
pub async fn plan(_: &Run, environment: Environment<'_>) -> Result<PlanSummary, Failure> {
    environment.clock.sleep_ms(1).await;
    environment.plan_sink.put(b"{}")?;
    Ok(PlanSummary::default())
}
pub async fn apply(_: &Run, environment: Environment<'_>) -> Result<Report, Failure> {
    while environment.plan_source.next()?.is_some() {}
    Ok(Report::default())
}
pub async fn explain(_: &Run, _: Environment<'_>, _: &Question) -> Result<Explanation, Failure> {
    Ok(Explanation {
        conclusion: String::new(),
        steps: vec![],
    })
}
