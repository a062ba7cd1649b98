//! A directory's *Details*, and what is switched, paused and set there.

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use groupcast_guest::engine::Severity;
use groupcast_guest::settings::Settings;
use serde_json::Value;

use super::form::{Fields, filled, text, version};
use super::{Answer, Host};
use super::{jobs, limits, schedule};
use crate::console::page::{page, see_other};
use crate::console::pages::directory::{Details, Enable, FindingNote, POLICIES, PauseNote, QuarantineNote};
use crate::console::reader::{self, Reader, Tab, declared, directory_href, tenant_href};
use crate::console::words::{Name, Tone, When, count, grouped};
use crate::service::{Declared, DirectoryView};
use crate::store::service::{DirectoryVendor, JobState, Role};
use crate::store::{ConnectionId, Mode};

type At = Path<(String, String)>;

fn id(at: (String, String)) -> ConnectionId {
    ConnectionId::new(at.0, at.1)
}

/// `GET` of a directory.
pub async fn details(State(service): Host, reader: Reader, Path(at): At) -> Answer {
    let id = id(at);
    let title = Name::new(id.name.clone()).plain();
    let (shell, view) = reader
        .of_directory(&service, &id, title, Tab::Details, false)
        .await?;
    let stored = matches!(view.declared, Declared::InStore { .. });
    let settings = view.settings.clone().unwrap_or_default();
    let jobs = service.jobs(&reader.who, &id, 5).await?;
    let running = jobs
        .iter()
        .find(|job| job.state != JobState::Ended)
        .map(|job| (jobs::href(&id, &job.id), "A run is under way".to_owned()));
    let since = chrono::Utc::now() - chrono::Duration::days(90);
    let figures = match service.samples(&reader.who, &id, since).await?.last() {
        Some(latest) => vec![
            (grouped(latest.sample.groups), "Groups exported"),
            (grouped(latest.sample.memberships), "Memberships"),
            (grouped(latest.sample.awaiting), "People waiting"),
        ],
        None => Vec::new(),
    };
    let google = view.vendor == DirectoryVendor::Google;
    let facts = policy_facts(&settings, google);
    let word = |value: &Value, or: &'static str, among: &[&'static str]| {
        let value = value.as_str().unwrap_or(or);
        among.iter().copied().find(|one| *one == value).unwrap_or(or)
    };
    let told = serde_json::to_value(&settings).unwrap_or_default();
    Ok(page(
        StatusCode::OK,
        &Details {
            begin: jobs::choices(&reader, &view),
            href: directory_href(&id),
            version: reader::version(view.declared),
            google,
            unusable: view.unusable.clone(),
            running,
            quarantine: reader::quarantine(&view).map(|quarantine| QuarantineNote {
                since: When::new(quarantine.at),
                reason: quarantine.reason.clone(),
                way_out: quarantine.way_out.clone(),
            }),
            at_risk: view.managed && settings.acknowledge,
            managed: view.managed,
            declared_in_file: declared(view.declared, "This directory"),
            may_operate: reader.who.may(Some(&id.tenant), Role::Operator),
            may_change: stored && reader.who.may(Some(&id.tenant), Role::Admin),
            mode: match view.mode {
                Mode::PlanOnly => "Plans, and waits for approval",
                Mode::Active => "Applies within limits",
            },
            last_success: view.last_success.map(When::new),
            next: view.status.next.map(When::new),
            figures,
            paused: reader::paused(&view).map(|pause| PauseNote {
                at: When::new(pause.at),
                by: Name::new(pause.by.clone()),
                reason: Name::new(pause.reason.clone()),
            }),
            schedule: schedule::facts(&schedule::form_of(&view)),
            policies: POLICIES,
            policy: word(
                told.get("policy").unwrap_or(&Value::Null),
                "managed",
                &["managed", "authoritative", "additive"],
            ),
            suspended: word(
                told.get("suspended").unwrap_or(&Value::Null),
                "keep",
                &["keep", "remove"],
            ),
            on_change: if google {
                word(
                    told.get("on_email_change").unwrap_or(&Value::Null),
                    "move",
                    &["move", "rename"],
                )
            } else {
                word(
                    told.get("on_ambiguous").unwrap_or(&Value::Null),
                    "create",
                    &["create", "hold"],
                )
            },
            policy_facts: facts,
            limits: limits::rows(&settings.limits),
            identity: identity(&view),
            shell,
        },
    ))
}

/// The policy in words, for whoever may not change it.
fn policy_facts(settings: &Settings, google: bool) -> Vec<(&'static str, String)> {
    let told = serde_json::to_value(settings).unwrap_or_default();
    let word = |key: &str| told.get(key).and_then(Value::as_str).unwrap_or_default();
    let drift = word("policy");
    let drift = POLICIES
        .iter()
        .find(|(value, _)| *value == drift)
        .map_or(drift, |(_, words)| words);
    let suspended = if word("suspended") == "remove" {
        "are removed"
    } else {
        "stay members"
    };
    let (on_change, then) = match (google, word("on_email_change"), word("on_ambiguous")) {
        (true, "rename", _) => ("When a group's email changes", "change the address of the group"),
        (true, ..) => (
            "When a group's email changes",
            "move members to the group at the new address",
        ),
        (false, _, "hold") => ("When several groups have the name", "wait and ask"),
        (false, ..) => ("When several groups have the name", "create another, and warn"),
    };
    vec![
        ("Members who are not JumpCloud's", drift.to_owned()),
        ("People suspended in JumpCloud", suspended.to_owned()),
        (on_change, then.to_owned()),
    ]
}

fn identity(view: &DirectoryView) -> Vec<(&'static str, Name)> {
    let mut facts = vec![("JumpCloud's ID", Name::new(view.directory.clone()))];
    let of = |key: &str| {
        let section = view.section.as_ref()?;
        section
            .get(key)
            .and_then(Value::as_str)
            .map(|value| Name::new(value.to_owned()))
    };
    for (key, label) in [
        ("customer_id", "Customer ID"),
        ("admin", "Acts for"),
        ("tenant_id", "Entra tenant"),
        ("client_id", "Application"),
    ] {
        facts.extend(of(key).map(|value| (label, value)));
    }
    facts
}

/// `GET …/enable`: what switching on would mean, before it happens.
pub async fn look(State(service): Host, reader: Reader, Path(at): At) -> Answer {
    let id = id(at);
    let title = "Switch on group management";
    let (shell, view) = reader
        .of_directory(&service, &id, title, Tab::Details, true)
        .await?;
    let found = service.preflight(&reader.who, &id).await?;
    let problems = found
        .findings
        .iter()
        .filter(|one| one.severity == Severity::Problem)
        .count();
    let summary = match (problems, found.to_acknowledge.len()) {
        (0, 0) => "Nothing is in the way".to_owned(),
        (0, risks) => format!("{} to accept", count(risks as u64, "thing", "things")),
        (problems, _) => count(problems as u64, "problem", "problems"),
    };
    let findings = found
        .findings
        .iter()
        .map(|one| FindingNote {
            tone: match one.severity {
                Severity::Problem => Tone::Bad,
                Severity::Warning => Tone::Care,
                Severity::Info => Tone::Plain,
            },
            place: Name::new(one.place.clone()),
            code: one.code.clone(),
            message: one.message.clone(),
        })
        .collect();
    Ok(page(
        StatusCode::OK,
        &Enable {
            shell,
            href: directory_href(&id),
            version: reader::version(view.declared),
            summary,
            findings,
            needs_acknowledgement: !found.may_enable,
            was_managed: view.last_success.is_some(),
        },
    ))
}

/// Back to the *Details*, which say what was done.
pub(super) fn done(id: &ConnectionId, code: &str) -> axum::response::Response {
    see_other(&format!("{}?done={code}", directory_href(id)))
}

/// `POST …/enable`.
pub async fn enable(State(service): Host, reader: Reader, Path(at): At, Form(form): Fields) -> Answer {
    let id = id(at);
    let acknowledge = text(&form, "acknowledge") == "yes";
    service
        .set_managed(&reader.who, &id, version(&form), true, acknowledge)
        .await?;
    Ok(done(&id, "enabled"))
}

/// `POST …/disable`.
pub async fn disable(State(service): Host, reader: Reader, Path(at): At, Form(form): Fields) -> Answer {
    let id = id(at);
    service
        .set_managed(&reader.who, &id, version(&form), false, false)
        .await?;
    Ok(done(&id, "disabled"))
}

/// `POST …/pause`.
pub async fn pause(State(service): Host, reader: Reader, Path(at): At, Form(form): Fields) -> Answer {
    let id = id(at);
    service.pause(&reader.who, &id, &text(&form, "reason")).await?;
    Ok(done(&id, "paused"))
}

/// `POST …/resume`.
pub async fn resume(State(service): Host, reader: Reader, Path(at): At) -> Answer {
    let id = id(at);
    service.resume(&reader.who, &id).await?;
    Ok(done(&id, "resumed"))
}

/// `POST …/release`: out of quarantine.
pub async fn release(State(service): Host, reader: Reader, Path(at): At) -> Answer {
    let id = id(at);
    service.release(&reader.who, &id).await?;
    Ok(done(&id, "released"))
}

/// `POST …/policy`.
pub async fn policy(State(service): Host, reader: Reader, Path(at): At, Form(form): Fields) -> Answer {
    let id = id(at);
    let mut patch = serde_json::Map::new();
    for key in ["policy", "suspended", "on_email_change", "on_ambiguous"] {
        if let Some(value) = filled(&form, key) {
            patch.insert(key.to_owned(), value.into());
        }
    }
    service
        .change_directory(&reader.who, &id, version(&form), &Value::Object(patch))
        .await?;
    Ok(done(&id, "policy"))
}

/// `POST …/forget`.
pub async fn forget(State(service): Host, reader: Reader, Path(at): At, Form(form): Fields) -> Answer {
    let id = id(at);
    service.remove_directory(&reader.who, &id, version(&form)).await?;
    Ok(see_other(&format!("{}?done=forgotten", tenant_href(&id.tenant))))
}
