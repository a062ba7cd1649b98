//! What `check` found: problems first, then what to do next.

use groupcast_guest::engine::{Finding, Severity};

use super::failure::vendor;
use super::text::{BAD, CARE, FAINT, GOOD, HINT, STRONG, count, fitting, lines, paint, shown};
use crate::cli::operations::ConnectionName;

/// The findings of one connection.
pub fn check(connection: &ConnectionName, findings: &[Finding]) -> String {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let mut text = format!(
        "{}\n",
        paint(STRONG, format!("Check of {}", shown(&connection.to_string())))
    );
    for finding in sorted {
        let (style, sign) = match finding.severity {
            Severity::Problem => (BAD, "✗"),
            Severity::Warning => (CARE, "!"),
            Severity::Info => (GOOD, "·"),
        };
        text.push_str(&format!(
            "  {} {} {}\n",
            paint(style, sign),
            paint(STRONG, shown(&finding.place)),
            paint(FAINT, format!("[{}]", shown(&finding.code)))
        ));
        text.push_str(&lines(&finding.message, "    "));
        if let Some(answer) = &finding.vendor {
            text.push_str(&format!("    {}\n", paint(FAINT, vendor(answer))));
        }
    }
    let number = |severity| {
        findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count() as u64
    };
    let problems = number(Severity::Problem);
    let warnings = number(Severity::Warning);
    let next = if problems > 0 {
        format!(
            "{}, {}. Mend {}, then check again.",
            count(problems, "problem", "problems"),
            count(warnings, "warning", "warnings"),
            fitting(problems, "the problem", "the problems")
        )
    } else {
        format!(
            "No problem, {}. Next: {}",
            count(warnings, "warning", "warnings"),
            paint(HINT, "groupcast plan")
        )
    };
    text.push_str(&format!("{next}\n"));
    text
}
