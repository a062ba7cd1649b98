//! A causal chain: each link with whether it holds, and the first that does not marked as the cause.

use groupcast_guest::engine::Explanation;

use super::text::{BAD, FAINT, GOOD, STRONG, lines, paint, shown};
use crate::cli::operations::ConnectionName;

/// The chain.
pub fn why(connection: &ConnectionName, explanation: &Explanation) -> String {
    let mut text = format!(
        "{} {}\n\n",
        paint(STRONG, shown(&explanation.conclusion)),
        paint(FAINT, format!("({})", shown(&connection.to_string())))
    );
    let cause = explanation.steps.iter().position(|step| !step.holds);
    for (place, step) in explanation.steps.iter().enumerate() {
        let message = lines(&step.message, "    ");
        let message = message.trim();
        let line = match (step.holds, cause == Some(place)) {
            (true, _) => format!("  {} {message}\n", paint(GOOD, "✓")),
            (false, true) => format!(
                "  {} {}  {}\n",
                paint(BAD, "✗"),
                paint(STRONG, message),
                paint(BAD, "← the cause")
            ),
            (false, false) => format!("  {} {message}\n", paint(BAD, "✗")),
        };
        text.push_str(&line);
    }
    text
}
