//! What a replay found, as a person reads it.

use super::text::{BAD, FAINT, GOOD, STRONG, count, grouped, lines, paint, short, shown};
use crate::recording::{Head, Replayed};

/// Which run it is.
fn head(head: &Head) -> String {
    format!(
        "{} {} of {}, {}\n",
        paint(STRONG, shown(&head.run.id)),
        head.kind,
        shown(&head.connection),
        paint(FAINT, shown(&head.started)),
    )
}

/// A replay bit for bit.
pub fn replay(of: &Head, replayed: &Replayed) -> String {
    let mut text = head(of);
    if let Some(difference) = &replayed.difference {
        text.push_str(&format!(
            "{} Differs at call {} of {}{}:\n  recorded: {}\n  replayed: {}\n",
            paint(BAD, "✗"),
            grouped(difference.call),
            grouped(replayed.recorded_calls),
            difference
                .byte
                .map(|byte| format!(", byte {}", grouped(byte)))
                .unwrap_or_default(),
            lines(&difference.recorded, "    ").trim(),
            lines(&difference.replayed, "    ").trim(),
        ));
        return text;
    }
    text.push_str(&format!(
        "{} Reproduced bit for bit: {}\n",
        paint(GOOD, "✓"),
        count(replayed.calls, "call", "calls")
    ));
    if let Some(plan) = &replayed.plan {
        text.push_str(&format!("  plan {}\n", short(plan)));
    }
    if let Some(why) = &replayed.stopped {
        text.push_str(&format!(
            "  up to where the host stopped the run: {}\n",
            lines(why, "    ").trim()
        ));
    }
    text
}
