//! What is found out before a directory's management is switched on (R33 to R35): who would be at risk, and whether two
//! engines would fight. Reads only.

use groupcast_guest::engine::{Finding, Severity};
use tokio_util::sync::CancellationToken;

use super::{Principal, Result, Service};
use crate::store::ConnectionId;
use crate::store::service::Role;

/// What an acknowledgement accepts (R34, R35).
const ACKNOWLEDGED: [&str; 2] = ["group-at-risk", "group-management-on"];

/// What the preflight found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preflight {
    /// Everything that was found, problems first.
    pub findings: Vec<Finding>,
    /// Findings that only an acknowledgement gets past: groups without an email, JumpCloud's own management.
    pub to_acknowledge: Vec<Finding>,
    /// Whether it may be switched on without one.
    pub may_enable: bool,
}

impl Preflight {
    fn of(mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| match finding.severity {
            Severity::Problem => 0,
            Severity::Warning => 1,
            Severity::Info => 2,
        });
        let to_acknowledge: Vec<Finding> = findings
            .iter()
            .filter(|finding| ACKNOWLEDGED.contains(&finding.code.as_str()))
            .cloned()
            .collect();
        Self {
            may_enable: to_acknowledge.is_empty(),
            to_acknowledge,
            findings,
        }
    }

    /// Why it was not switched on, for a person.
    pub fn told(&self) -> String {
        let what: Vec<&str> = self
            .to_acknowledge
            .iter()
            .map(|finding| finding.message.as_str())
            .collect();
        format!(
            "group management was not switched on: {} Mend this, or acknowledge it.",
            what.join(" ")
        )
    }
}

impl Service {
    /// Finds out what switching on would mean. Never writes.
    ///
    /// # Errors
    /// Not allowed; the component failed. What is wrong with credentials or directories is a finding.
    pub async fn preflight(&self, who: &Principal, id: &ConnectionId) -> Result<Preflight> {
        self.require_directory(who, id, Role::Operator).await?;
        let report = self.groupcast.check(id, &CancellationToken::new()).await?;
        Ok(Preflight::of(report.findings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity, code: &str) -> Finding {
        Finding {
            severity,
            code: code.to_owned(),
            place: "Sales".to_owned(),
            message: format!("{code}."),
            vendor: None,
        }
    }

    #[test]
    fn r34_r35_only_what_can_be_acknowledged_stands_in_the_way() {
        let calm = Preflight::of(vec![finding(Severity::Info, "last-success")]);
        assert!(calm.may_enable);
        let risk = Preflight::of(vec![
            finding(Severity::Info, "last-success"),
            finding(Severity::Warning, "group-at-risk"),
        ]);
        assert!(!risk.may_enable && risk.told().contains("group-at-risk"));
        assert_eq!(risk.findings[0].code, "group-at-risk", "the worst first");
    }
}
