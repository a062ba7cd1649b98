//! What a replay found, as a person reads it.

use groupcast_guest::plan::part::Part;

use super::group::group;
use super::plan::{Approval, Detail};
use super::text::{BAD, FAINT, GOOD, STRONG, count, grouped, lines, paint, short, shown};
use crate::recording::{Against, Head, Outcome, Redacted, Replayed};

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

/// How many lines of requests or operations are shown.
const SHOWN: usize = 20;

fn list(text: &mut String, what: &str, items: &[String], detail: Detail) {
    if items.is_empty() {
        return;
    }
    let shown_items = detail.longest_list.map_or(items.len(), |_| SHOWN);
    text.push_str(&format!("{what} ({}):\n", grouped(items.len() as u64)));
    for item in items.iter().take(shown_items) {
        text.push_str(&format!("  {}\n", lines(item, "    ").trim()));
    }
    if items.len() > shown_items {
        let more = items.len() - shown_items;
        text.push_str(&format!(
            "  {}\n",
            paint(FAINT, format!("and {more} more; --verbose shows them"))
        ));
    }
}

fn end(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Returned(value) => shown(&value.to_string()),
        Outcome::Failed(failure) => lines(&failure.to_string(), "    ").trim().to_owned(),
        Outcome::Stopped(why) => lines(why, "    ").trim().to_owned(),
    }
}

/// The same group in two plans, one below the other.
fn part(text: &mut String, what: &str, part: Option<&Part>, detail: Detail) {
    text.push_str(&format!("{}\n", paint(STRONG, what)));
    match part {
        Some(part) => text.push_str(&group(part, &Approval::default(), detail)),
        None => text.push_str("  nothing\n"),
    }
}

/// What another component makes of a run.
pub fn against(of: &Head, against: &Against, detail: Detail) -> String {
    let mut text = head(of);
    text.push_str(&format!(
        "recorded with component {}; asked is {}, {}\n",
        short(&of.component),
        short(&against.component),
        shown(&against.origin)
    ));
    text.push_str(&match against.same {
        true => format!("{} It does the same\n", paint(GOOD, "✓")),
        false => format!("{} It does something else\n", paint(BAD, "✗")),
    });
    if let Some(plan) = &against.plan {
        text.push_str(&format!(
            "plan {} then, {} now: {}, {}\n",
            short(&plan.recorded),
            short(&plan.now),
            count(plan.same, "group the same", "groups the same"),
            count(plan.parts.len() as u64, "group differs", "groups differ"),
        ));
        for difference in &plan.parts {
            text.push('\n');
            part(&mut text, "then", difference.recorded.as_ref(), detail);
            part(&mut text, "now", difference.now.as_ref(), detail);
        }
        if !plan.parts.is_empty() {
            text.push('\n');
        }
    }
    if let Some(writes) = &against.writes {
        let told = |operations: &[(String, String)]| -> Vec<String> {
            operations
                .iter()
                .map(|(group, operation)| format!("group {group}: {operation}"))
                .collect()
        };
        text.push_str(&format!(
            "{} sent by both\n",
            count(writes.same, "write", "writes")
        ));
        list(
            &mut text,
            "Writes that were sent then and would not be now",
            &told(&writes.recorded),
            detail,
        );
        list(
            &mut text,
            "Writes that would be sent now and were not then",
            &told(&writes.now),
            detail,
        );
    }
    text.push_str(&format!(
        "{} then, {} now\n",
        count(against.requests.recorded, "request", "requests"),
        grouped(against.requests.now)
    ));
    list(
        &mut text,
        "Made now and not recorded, so answered as if the vendor could not be reached",
        &against.requests.unknown,
        detail,
    );
    list(
        &mut text,
        "Made then and not now",
        &against.requests.unmade,
        detail,
    );
    if against.recorded != against.now {
        text.push_str(&format!(
            "then it ended with: {}\nnow it ends with: {}\n",
            end(&against.recorded),
            end(&against.now)
        ));
    }
    text
}

/// What a redacted copy is worth.
pub fn redacted(of: &Head, file: &str, redacted: &Redacted, replayed: &Replayed, detail: Detail) -> String {
    let mut text = head(of);
    text.push_str(&format!(
        "{} Written to {}: {} with a pseudonym\n",
        paint(GOOD, "✓"),
        shown(file),
        count(redacted.words, "word", "words")
    ));
    if replayed.difference.is_none() {
        text.push_str(&format!(
            "  it replays bit for bit: {}\n",
            count(replayed.calls, "call", "calls")
        ));
    }
    if !redacted.same_end {
        text.push_str(
            "  the run ends otherwise in the copy than it did: what it was about depends on names\n",
        );
    }
    list(
        &mut text,
        "Requests without an answer in the copy, since they were made of names",
        &redacted.unknown,
        detail,
    );
    text.push_str(&paint(
        FAINT,
        "IDs, domains and names of groups are in it; look through it before you give it away\n",
    ));
    text
}
