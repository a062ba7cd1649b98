//! Runs as a table.

use super::text::{BAD, CARE, FAINT, GOOD, STRONG, grouped, paint, short, shown};
use crate::cli::operations::{RunEnd, RunRecord};

const HEAD: [&str; 7] = [
    "RUN",
    "STARTED (UTC)",
    "TOOK",
    "CONNECTION",
    "KIND",
    "PLAN",
    "END",
];

/// The table; newest first, as given.
pub fn runs(records: &[RunRecord]) -> String {
    if records.is_empty() {
        return "No run yet. Begin with: groupcast check\n".to_owned();
    }
    let rows: Vec<[String; 7]> = records.iter().map(row).collect();
    let mut widths = HEAD.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = format!("{}\n", paint(STRONG, line(&HEAD.map(str::to_owned), &widths)));
    for (row, record) in rows.iter().zip(records) {
        let style = match record.end {
            Some(RunEnd::Done) => GOOD,
            Some(RunEnd::Pending) => CARE,
            Some(RunEnd::Refused | RunEnd::Failed) => BAD,
            Some(RunEnd::HandedOver) | None => FAINT,
        };
        // The end is the last column, so that its colour has no padding to reach over.
        let plain = line(row, &widths);
        let end = row.last().map_or("", String::as_str);
        let before = plain.strip_suffix(end).unwrap_or(&plain);
        text.push_str(&format!("{before}{}\n", paint(style, end)));
        if let Some(message) = &record.message {
            let first = message.lines().next().unwrap_or_default();
            text.push_str(&format!("  {}\n", paint(FAINT, shown(first))));
        }
    }
    text
}

fn row(record: &RunRecord) -> [String; 7] {
    let took = record.ended.map_or_else(
        || "-".to_owned(),
        |ended| duration(ended.signed_duration_since(record.started).num_milliseconds()),
    );
    let end = match record.end {
        Some(RunEnd::Done) => "done",
        Some(RunEnd::Pending) => "changes pending",
        Some(RunEnd::Refused) => "refused",
        Some(RunEnd::Failed) => "failed",
        Some(RunEnd::HandedOver) => "handed over",
        None => "not ended",
    };
    let counters: Vec<String> = record
        .counters
        .iter()
        .filter(|(_, number)| **number > 0)
        .map(|(counter, number)| format!("{} {}", grouped(*number), shown(counter)))
        .collect();
    let end = if counters.is_empty() {
        end.to_owned()
    } else {
        format!("{end} ({})", counters.join(", "))
    };
    [
        shown(&record.id),
        record.started.format("%Y-%m-%d %H:%M:%S").to_string(),
        took,
        shown(&record.connection.to_string()),
        shown(&record.kind),
        record
            .plan
            .as_deref()
            .map_or_else(|| "-".to_owned(), |hash| short(hash).to_owned()),
        end,
    ]
}

fn line(cells: &[String; 7], widths: &[usize; 7]) -> String {
    let mut text = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        text.push_str(cell);
        let padding = width.saturating_sub(cell.chars().count()) + 2;
        text.push_str(&" ".repeat(padding));
    }
    text.trim_end().to_owned()
}

/// Milliseconds as `340ms`, `12.3s`, `4m05s`, `2h03m`.
pub fn duration(milliseconds: i64) -> String {
    let milliseconds = milliseconds.max(0);
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("{milliseconds}ms"),
        1..60 => format!("{seconds}.{}s", milliseconds % 1000 / 100),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_have_the_unit_that_fits() {
        assert_eq!(duration(340), "340ms");
        assert_eq!(duration(12_345), "12.3s");
        assert_eq!(duration(245_000), "4m05s");
        assert_eq!(duration(7_380_000), "2h03m");
        assert_eq!(duration(-5), "0ms");
    }
}
