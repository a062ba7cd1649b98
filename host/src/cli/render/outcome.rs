//! What became of an applied plan: totals first, then everything that did not go well, each with the vendor's answer.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use groupcast_guest::failure::VendorAnswer;
use groupcast_guest::ledger::Settlement;
use groupcast_guest::plan::part::{Operation, Part};

use super::failure::vendor;
use super::plan::Detail;
use super::runs::duration;
use super::text::{BAD, CARE, FAINT, GOOD, HINT, STRONG, count, grouped, lines, name, paint, short, shown};
use crate::cli::operations::{ApplyOutcome, ConnectionName, OperationOutcome};

/// The outcome; `parts` are the plan's, for the groups' names, as far as they are at hand.
pub fn outcome(
    connection: &ConnectionName,
    outcome: &ApplyOutcome,
    parts: &[Part],
    detail: Detail,
) -> String {
    let names: BTreeMap<&str, &str> = parts
        .iter()
        .map(|part| (part.group.id.as_str(), part.group.name.as_str()))
        .collect();
    let called = |id: &str| names.get(id).map_or_else(|| shown(id), |known| name(known));
    let mut text = format!(
        "{} {}\n",
        paint(
            STRONG,
            format!(
                "Applied plan {} to {}",
                short(&outcome.hash),
                shown(&connection.to_string())
            )
        ),
        paint(FAINT, format!("(run {})", shown(&outcome.run)))
    );
    let _ = writeln!(text, "  {} {}", paint(GOOD, "✓"), done(outcome));
    let troubles: Vec<&OperationOutcome> = outcome
        .outcomes
        .iter()
        .filter(|one| !matches!(one.settlement, Some(Settlement::Applied | Settlement::Already)))
        .collect();
    let most = detail.longest_list.unwrap_or(usize::MAX);
    for one in troubles.iter().take(most) {
        trouble(&mut text, &called(&one.group), one);
    }
    if troubles.len() > most {
        let more = grouped((troubles.len() - most) as u64);
        let _ = writeln!(
            text,
            "  {} … and {more} more (--verbose shows all)",
            paint(BAD, "✗")
        );
    }
    for (group, moved) in &outcome.report.moved {
        let _ = writeln!(
            text,
            "  {} {} was left alone, since it moved after the plan was made:",
            paint(CARE, "!"),
            paint(STRONG, called(group))
        );
        text.push_str(&lines(moved, "    "));
    }
    for (vendor, counts) in &outcome.requests.vendors {
        let mut said = format!(
            "{}: {}, {}",
            shown(vendor),
            count(counts.requests, "request", "requests"),
            count(counts.writes, "write", "writes")
        );
        if counts.batches > 0 {
            let _ = write!(
                said,
                ", {} with {}",
                count(counts.batches, "batch", "batches"),
                count(counts.parts, "part", "parts")
            );
        }
        if counts.throttled > 0 {
            let _ = write!(
                said,
                ", asked to pause {}",
                count(counts.throttled, "time", "times")
            );
        }
        let _ = writeln!(text, "  {}", paint(FAINT, said));
    }
    let took = duration(i64::try_from(outcome.usage.wall_ms).unwrap_or(i64::MAX));
    let _ = writeln!(text, "  {}", paint(FAINT, format!("took {took}")));
    if !outcome.report.moved.is_empty() || !troubles.is_empty() {
        let _ = writeln!(text, "To see what is left: {}", paint(HINT, "groupcast plan"));
    }
    text
}

fn done(outcome: &ApplyOutcome) -> String {
    let mut numbers = [0_u64; 4];
    let mut already = 0;
    for one in &outcome.outcomes {
        match one.settlement {
            Some(Settlement::Already) => already += 1,
            Some(Settlement::Applied) => {
                let [creates, updates, adds, removals] = &mut numbers;
                match one.operation {
                    Operation::CreateGroup { .. } => *creates += 1,
                    Operation::UpdateGroup { .. } => *updates += 1,
                    Operation::AddMember { .. } => *adds += 1,
                    Operation::RemoveMember { .. } => *removals += 1,
                }
            }
            Some(Settlement::Refused | Settlement::Abandoned) | None => {}
        }
    }
    let [creates, updates, adds, removals] = numbers;
    let said: Vec<String> = [
        (creates, count(creates, "group created", "groups created")),
        (updates, count(updates, "group updated", "groups updated")),
        (adds, count(adds, "membership added", "memberships added")),
        (
            removals,
            count(removals, "membership removed", "memberships removed"),
        ),
        (already, format!("{} so already", grouped(already))),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(_, words)| words)
    .collect();
    if said.is_empty() {
        format!(
            "{} done",
            count(outcome.report.applied, "operation", "operations")
        )
    } else {
        said.join(", ")
    }
}

fn trouble(text: &mut String, group: &str, one: &OperationOutcome) {
    let what = match &one.operation {
        Operation::CreateGroup { key, .. } => format!("creating {}", shown(key)),
        Operation::UpdateGroup { .. } => "changing its attributes".to_owned(),
        Operation::AddMember { address, .. } => format!("adding {}", shown(address)),
        Operation::RemoveMember { address, .. } => format!("removing {}", shown(address)),
    };
    let how = match one.settlement {
        Some(Settlement::Abandoned) => "was not sent",
        None => "was cut short; the next run reads back what became of it",
        Some(_) => "was refused",
    };
    let _ = writeln!(
        text,
        "  {} {}: {what} {how}",
        paint(BAD, "✗"),
        paint(STRONG, group)
    );
    match (one.status, &one.reason) {
        (Some(status), reason) => {
            let answer = VendorAnswer {
                status,
                reason: reason.clone().unwrap_or_default(),
                request_id: one.request_id.clone(),
            };
            let _ = writeln!(text, "    {}", vendor(&answer));
        }
        (None, Some(reason)) => text.push_str(&lines(reason, "    ")),
        (None, None) => {}
    }
}
