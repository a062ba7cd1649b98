//! A directory's schedule: shown, entered, kept; what is wrong is told at its field.

use std::collections::HashMap;

use axum::extract::{Form, Path, State};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::directory::done;
use super::form::{Entered, Fields, number, text, told, version};
use super::{Answer, Host};
use crate::console::faults::Faults;
use crate::console::page;
use crate::console::pages::schedule::{DAYS, QuietRow, Schedule, ScheduleForm};
use crate::console::reader::{self, Reader, Tab, declared, directory_href};
use crate::console::words::count;
use crate::service::{Declared, DirectoryView, Service};
use crate::store::ConnectionId;
use crate::store::service::Role;

type At = Path<(String, String)>;

/// So many hours can be entered.
const MOST: usize = 20;

/// The fields before the quiet hours, from above.
const FIELDS: [&str; 5] = [
    "cron",
    "timezone",
    "jitter_seconds",
    "watch_seconds",
    "quarantine_after",
];

/// `GET …/schedule`.
pub async fn page(State(service): Host, reader: Reader, Path(at): At) -> Answer {
    let id = ConnectionId::new(at.0, at.1);
    shown(&service, &reader, &id, None, Faults::default()).await
}

/// `POST …/schedule`.
pub async fn keep(State(service): Host, reader: Reader, Path(at): At, Form(form): Fields) -> Answer {
    let id = ConnectionId::new(at.0, at.1);
    let seen = version(&form);
    let entered = entered(&form);
    let mut faults = Faults::default();
    let patch = patch(&entered, &mut faults);
    let change = Entered { seen, patch, faults };
    let Some(faults) = change.keep(&service, &reader, &id, field_of).await? else {
        return Ok(done(&id, "schedule"));
    };
    let faults = faults.in_order_of(&FIELDS.map(str::to_owned));
    shown(&service, &reader, &id, Some((entered, seen)), faults).await
}

async fn shown(
    service: &Service,
    reader: &Reader,
    id: &ConnectionId,
    entered: Option<(ScheduleForm, u64)>,
    faults: Faults,
) -> Answer {
    let (mut shell, view) = reader
        .of_directory(service, id, "Schedule", Tab::Details, true)
        .await?;
    let status = told(&faults, &mut shell);
    // Of the version that was seen: what somebody else changed meanwhile is not overwritten.
    let (mut form, version) = entered.unwrap_or_else(|| (form_of(&view), reader::version(view.declared)));
    form.quiet.push(QuietRow {
        number: form.quiet.len(),
        ..QuietRow::default()
    });
    let answer: Response = page::page(
        status,
        &Schedule {
            shell,
            href: directory_href(id),
            version,
            declared_in_file: declared(view.declared, "This directory"),
            may_change: matches!(view.declared, Declared::InStore { .. })
                && reader.who.may(Some(&id.tenant), Role::Admin),
            facts: facts(&form_of(&view)),
            form,
            faults,
            days: DAYS,
        },
    );
    Ok(answer)
}

/// The field that a place of the configuration is entered in: `google.schedule.quiet[0].from` is `quiet_0_from`.
fn field_of(id: &ConnectionId, place: &str) -> Option<String> {
    let rest = place.strip_prefix(&id.name)?.strip_prefix(".schedule.")?;
    let Some((hours, part)) = rest.strip_prefix("quiet[").and_then(|rest| rest.split_once("].")) else {
        return Some(rest.to_owned());
    };
    Some(format!("quiet_{hours}_{part}"))
}

/// What stands in a form of what there is.
pub(super) fn form_of(view: &DirectoryView) -> ScheduleForm {
    let Some(schedule) = view.schedule.as_ref().filter(|one| !one.is_null()) else {
        return ScheduleForm {
            enabled: true,
            ..ScheduleForm::default()
        };
    };
    let of = |value: &Value, key: &str| value.get(key).map(word).unwrap_or_default();
    let quiet = schedule.get("quiet").and_then(Value::as_array);
    let quiet = quiet.into_iter().flatten().enumerate().map(|(number, hours)| {
        let days = hours.get("days").and_then(Value::as_array);
        let days: Vec<&str> = days.into_iter().flatten().filter_map(Value::as_str).collect();
        QuietRow {
            number,
            from: of(hours, "from"),
            until: of(hours, "until"),
            days: DAYS
                .iter()
                .map(|(day, _)| *day)
                .filter(|day| days.contains(day))
                .collect(),
            timezone: of(hours, "timezone"),
        }
    });
    ScheduleForm {
        cron: of(schedule, "cron"),
        timezone: of(schedule, "timezone"),
        enabled: schedule.get("enabled") != Some(&Value::Bool(false)),
        jitter_seconds: of(schedule, "jitter_seconds"),
        watch_seconds: of(schedule, "watch_seconds"),
        missed: of(schedule, "missed"),
        quarantine_after: of(schedule, "quarantine_after"),
        quiet_for: of(schedule, "quiet_for"),
        quiet: quiet.collect(),
    }
}

/// A text or number as it is entered.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

fn entered(form: &HashMap<String, String>) -> ScheduleForm {
    let mut quiet = Vec::new();
    for number in 0..MOST {
        let mut row = QuietRow {
            number,
            ..QuietRow::default()
        };
        row.from = text(form, &row.field("from"));
        row.until = text(form, &row.field("until"));
        row.timezone = text(form, &row.field("timezone"));
        row.days = DAYS
            .iter()
            .map(|(day, _)| *day)
            .filter(|day| form.contains_key(&row.field(day)))
            .collect();
        if !row.is_empty() {
            // Places of what the service finds wrong count those that it was given.
            row.number = quiet.len();
            quiet.push(row);
        }
    }
    ScheduleForm {
        cron: text(form, "cron"),
        timezone: text(form, "timezone"),
        enabled: text(form, "enabled") == "yes",
        jitter_seconds: text(form, "jitter_seconds"),
        watch_seconds: text(form, "watch_seconds"),
        missed: text(form, "missed"),
        quarantine_after: text(form, "quarantine_after"),
        quiet_for: text(form, "quiet_for"),
        quiet,
    }
}

/// What was entered as a change of the directory: what is empty is taken away.
fn patch(form: &ScheduleForm, faults: &mut Faults) -> Value {
    if form.cron.is_empty() {
        return json!({ "schedule": null });
    }
    let whole = |field: &str, entered: &str, faults: &mut Faults| {
        number::<u32>(field, entered, faults).map_or(Value::Null, Value::from)
    };
    let text = |entered: &str| {
        Some(entered)
            .filter(|text| !text.is_empty())
            .map_or(Value::Null, Value::from)
    };
    let quiet = form.quiet.iter().map(|row| {
        let mut hours = Map::new();
        hours.insert("from".to_owned(), row.from.clone().into());
        hours.insert("until".to_owned(), row.until.clone().into());
        if !row.days.is_empty() {
            hours.insert("days".to_owned(), json!(row.days));
        }
        if !row.timezone.is_empty() {
            hours.insert("timezone".to_owned(), row.timezone.clone().into());
        }
        Value::Object(hours)
    });
    let quiet: Vec<Value> = quiet.collect();
    json!({ "schedule": {
        "cron": form.cron,
        "timezone": text(&form.timezone),
        "enabled": form.enabled,
        "jitter_seconds": whole("jitter_seconds", &form.jitter_seconds, faults),
        "watch_seconds": whole("watch_seconds", &form.watch_seconds, faults),
        "missed": text(&form.missed),
        "quarantine_after": whole("quarantine_after", &form.quarantine_after, faults),
        "quiet_for": text(&form.quiet_for),
        "quiet": quiet,
    } })
}

/// A number of seconds, as it was entered, in words.
fn seconds(entered: &str) -> String {
    entered.parse().map_or_else(
        |_| format!("{entered} seconds"),
        |number| count(number, "second", "seconds"),
    )
}

/// A schedule in words.
pub(super) fn facts(form: &ScheduleForm) -> Vec<(&'static str, String)> {
    if form.cron.is_empty() {
        return vec![("Runs begin", "when asked for".to_owned())];
    }
    let zone = if form.timezone.is_empty() {
        "UTC"
    } else {
        &form.timezone
    };
    let mut facts = vec![
        ("Cron pattern", form.cron.clone()),
        ("Time zone", zone.to_owned()),
    ];
    if !form.enabled {
        facts.push(("Switched off", "runs begin when asked for".to_owned()));
    }
    if !form.jitter_seconds.is_empty() && form.jitter_seconds != "0" {
        facts.push(("Begin up to", format!("{} late", seconds(&form.jitter_seconds))));
    }
    if !form.watch_seconds.is_empty() {
        facts.push((
            "Look in between",
            format!("each {}", seconds(&form.watch_seconds)),
        ));
    }
    for row in &form.quiet {
        let days: Vec<&str> = DAYS
            .iter()
            .filter(|(day, _)| row.has(day))
            .map(|(_, name)| *name)
            .collect();
        let days = if days.is_empty() {
            "every day".to_owned()
        } else {
            days.join(", ")
        };
        let zone = if row.timezone.is_empty() {
            String::new()
        } else {
            format!(" ({})", row.timezone)
        };
        facts.push(("Quiet", format!("{} to {}, {days}{zone}", row.from, row.until)));
    }
    if !form.quiet.is_empty() && form.quiet_for == "writes" {
        facts.push(("In quiet hours", "runs only plan".to_owned()));
    }
    if form.missed == "skip" {
        facts.push(("Missed runs", "are left out".to_owned()));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> HashMap<String, String> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        fields.iter().map(own).collect()
    }

    #[test]
    fn what_is_entered_becomes_a_change_in_which_nothing_of_before_stays() {
        let fields = form(&[
            ("cron", " 0 5 * * * "),
            ("enabled", "yes"),
            ("jitter_seconds", "90"),
            ("quiet_for", "writes"),
            ("quiet_0_mon", "yes"),
            ("quiet_2_from", "22:00"),
            ("quiet_2_until", "06:00"),
            ("quiet_2_fri", "yes"),
        ]);
        let mut faults = Faults::default();
        let entered = entered(&fields);
        assert_eq!(
            patch(&entered, &mut faults),
            json!({ "schedule": {
                "cron": "0 5 * * *", "timezone": null, "enabled": true, "jitter_seconds": 90, "watch_seconds": null,
                "missed": null, "quarantine_after": null, "quiet_for": "writes",
                "quiet": [{ "from": "22:00", "until": "06:00", "days": ["fri"] }],
            } })
        );
        assert!(faults.is_empty());
        assert_eq!(entered.quiet[0].number, 0, "as the service counts them");
        assert_eq!(
            patch(&ScheduleForm::default(), &mut faults),
            json!({ "schedule": null })
        );
    }

    #[test]
    fn a_number_that_is_none_is_told_at_its_field() {
        let mut faults = Faults::default();
        let fields = form(&[
            ("cron", "0 5 * * *"),
            ("jitter_seconds", "soon"),
            ("watch_seconds", "-1"),
        ]);
        patch(&entered(&fields), &mut faults);
        assert!(faults.told("jitter_seconds").to_string().contains("whole number"));
        assert!(faults.told("watch_seconds").to_string().contains("whole number"));
    }

    #[test]
    fn places_of_the_configuration_are_fields_of_the_form() {
        let id = ConnectionId::new("acme", "google");
        assert_eq!(field_of(&id, "google.schedule.cron").as_deref(), Some("cron"));
        assert_eq!(
            field_of(&id, "google.schedule.quiet[3].from").as_deref(),
            Some("quiet_3_from")
        );
        assert_eq!(field_of(&id, "google-2.schedule.cron"), None);
        assert_eq!(field_of(&id, "google.admin"), None);
    }
}
