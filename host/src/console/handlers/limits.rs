//! A directory's limits: shown, entered, kept; what is wrong is told at its field (R43).

use std::collections::HashMap;

use axum::extract::{Form, Path, State};
use groupcast_guest::settings::{Limit, Limits};
use serde_json::{Map, Value, json};

use super::directory::done;
use super::form::{Entered, Fields, number, text, told, version};
use super::{Answer, Host};
use crate::console::faults::Faults;
use crate::console::page;
use crate::console::pages::limits::{LimitRow, Limits as LimitsPage};
use crate::console::reader::{self, Reader, Tab, declared, directory_href};
use crate::service::{Declared, Service};
use crate::store::ConnectionId;
use crate::store::service::Role;

type At = Path<(String, String)>;

/// As the configuration has them, in words, and what that means.
const LIMITS: [(&str, &str, &str); 7] = [
    ("group_removals", "Removed from one group in one run", ""),
    ("run_removals", "Removed in one run", "All groups together."),
    ("group_adds", "Added to one group in one run", ""),
    ("run_adds", "Added in one run", "All groups together."),
    (
        "takeover_adds",
        "Added to a group that is taken over",
        "Over it, the whole takeover waits.",
    ),
    (
        "takeover_removals",
        "Removed from a group that is taken over",
        "Over it, the whole takeover waits.",
    ),
    (
        "run_takeover_adds",
        "Added in one run to all that are taken over",
        "Over it, these takeovers wait as a whole.",
    ),
];

fn of<'a>(limits: &'a Limits, key: &str) -> &'a Limit {
    match key {
        "group_removals" => &limits.group_removals,
        "run_removals" => &limits.run_removals,
        "group_adds" => &limits.group_adds,
        "run_adds" => &limits.run_adds,
        "takeover_adds" => &limits.takeover_adds,
        "takeover_removals" => &limits.takeover_removals,
        _ => &limits.run_takeover_adds,
    }
}

/// Each limit in a row.
pub(super) fn rows(limits: &Limits) -> Vec<LimitRow> {
    let text = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    LIMITS
        .iter()
        .map(|(key, title, about)| {
            let limit = of(limits, key);
            LimitRow {
                key,
                title,
                about,
                count: text(limit.count),
                percent: text(limit.percent.map(u64::from)),
                minimum_size: limit.minimum_size.to_string(),
            }
        })
        .collect()
}

/// `GET …/limits`.
pub async fn page(State(service): Host, reader: Reader, Path(at): At) -> Answer {
    let id = ConnectionId::new(at.0, at.1);
    shown(&service, &reader, &id, None, Faults::default()).await
}

/// `POST …/limits`.
pub async fn keep(State(service): Host, reader: Reader, Path(at): At, Form(form): Fields) -> Answer {
    let id = ConnectionId::new(at.0, at.1);
    let seen = version(&form);
    let view = service.directory(&reader.who, &id).await?;
    let now = view.settings.clone().unwrap_or_default().limits;
    let (rows, weight) = (entered(&form), text(&form, "stake_weight"));
    let mut faults = Faults::default();
    let patch = patch(&rows, &weight, &now, &mut faults);
    let change = Entered { seen, patch, faults };
    let Some(faults) = change.keep(&service, &reader, &id, field_of).await? else {
        return Ok(done(&id, "limits"));
    };
    let parts = |row: &LimitRow| row.parts().map(|(part, ..)| row.field(part));
    let fields: Vec<String> = rows.iter().flat_map(parts).collect();
    let faults = faults.in_order_of(&fields);
    shown(&service, &reader, &id, Some((rows, weight, seen)), faults).await
}

async fn shown(
    service: &Service,
    reader: &Reader,
    id: &ConnectionId,
    entered: Option<(Vec<LimitRow>, String, u64)>,
    faults: Faults,
) -> Answer {
    let (mut shell, view) = reader
        .of_directory(service, id, "Limits", Tab::Details, true)
        .await?;
    let status = told(&faults, &mut shell);
    let limits = view.settings.clone().unwrap_or_default().limits;
    let (rows, stake_weight, version) = entered.unwrap_or_else(|| {
        let weight = limits.stake_weight.to_string();
        (rows(&limits), weight, reader::version(view.declared))
    });
    Ok(page::page(
        status,
        &LimitsPage {
            shell,
            href: directory_href(id),
            version,
            declared_in_file: declared(view.declared, "This directory"),
            may_change: matches!(view.declared, Declared::InStore { .. })
                && reader.who.may(Some(&id.tenant), Role::Admin),
            rows,
            stake_weight,
            faults,
        },
    ))
}

/// The field that a place of the configuration is entered in: `google.limits.run_adds.percent` is `run_adds_percent`.
fn field_of(id: &ConnectionId, place: &str) -> Option<String> {
    let rest = place.strip_prefix(&id.name)?.strip_prefix(".limits.")?;
    Some(rest.replace('.', "_"))
}

fn entered(form: &HashMap<String, String>) -> Vec<LimitRow> {
    LIMITS
        .iter()
        .map(|(key, title, about)| {
            let mut row = LimitRow {
                key,
                title,
                about,
                ..LimitRow::default()
            };
            row.count = text(form, &row.field("count"));
            row.percent = text(form, &row.field("percent"));
            row.minimum_size = text(form, &row.field("minimum_size"));
            row
        })
        .collect()
}

/// What was entered as a change of the directory: of what differs alone, so that what stays as it is by itself goes with
/// a later version's choice.
fn patch(rows: &[LimitRow], weight: &str, now: &Limits, faults: &mut Faults) -> Value {
    let mut limits = Map::new();
    for row in rows {
        let count = number::<u64>(&row.field("count"), &row.count, faults);
        let percent = number::<u8>(&row.field("percent"), &row.percent, faults);
        let minimum_size = number::<u64>(&row.field("minimum_size"), &row.minimum_size, faults).unwrap_or(0);
        let entered = Limit {
            count,
            percent,
            minimum_size,
        };
        if entered != *of(now, row.key) {
            let parts = json!({ "count": count, "percent": percent, "minimum_size": minimum_size });
            limits.insert(row.key.to_owned(), parts);
        }
    }
    let weight = number::<u32>("stake_weight", weight, faults).unwrap_or(Limits::default().stake_weight);
    if weight != now.stake_weight {
        limits.insert("stake_weight".to_owned(), weight.into());
    }
    json!({ "limits": limits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r43_only_what_differs_is_changed_and_what_is_empty_limits_nothing() {
        let now = Limits::default();
        let mut entered = rows(&now);
        let mut faults = Faults::default();
        assert_eq!(patch(&entered, "3", &now, &mut faults), json!({ "limits": {} }));
        entered[0].count = String::new();
        entered[0].percent = "25".to_owned();
        assert_eq!(
            patch(&entered, "4", &now, &mut faults),
            json!({ "limits": {
                "group_removals": { "count": null, "percent": 25, "minimum_size": 10 }, "stake_weight": 4,
            } })
        );
        assert!(faults.is_empty());
        entered[1].percent = "ten".to_owned();
        entered[2].count = "-5".to_owned();
        patch(&entered, "3", &now, &mut faults);
        assert!(
            faults
                .told("run_removals_percent")
                .to_string()
                .contains("whole number")
        );
        assert!(
            faults
                .told("group_adds_count")
                .to_string()
                .contains("whole number")
        );
    }

    #[test]
    fn r43_each_limit_has_a_row_of_its_own() {
        let mut limits = Limits::default();
        let all = [
            &mut limits.group_removals,
            &mut limits.run_removals,
            &mut limits.group_adds,
            &mut limits.run_adds,
            &mut limits.takeover_adds,
            &mut limits.takeover_removals,
            &mut limits.run_takeover_adds,
        ];
        for (number, limit) in (1..).zip(all) {
            limit.count = Some(number);
        }
        let counts: Vec<String> = rows(&limits).into_iter().map(|row| row.count).collect();
        assert_eq!(counts, ["1", "2", "3", "4", "5", "6", "7"]);
        let told = serde_json::to_value(&limits).unwrap();
        for (key, row) in LIMITS.iter().zip(rows(&limits)) {
            assert_eq!(told[key.0]["count"].to_string(), row.count);
        }
        assert_eq!(
            told.as_object().unwrap().len(),
            LIMITS.len() + 1,
            "and the weight"
        );
        let id = ConnectionId::new("acme", "entra");
        assert_eq!(
            field_of(&id, "entra.limits.run_adds.percent").as_deref(),
            Some("run_adds_percent")
        );
    }
}
