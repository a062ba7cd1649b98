//! *Why* somebody is, or is not, in a group.

use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::form::{Query, text};
use super::{Answer, Host};
use crate::console::page::page;
use crate::console::pages::why::{Answer as Chain, Link, Why};
use crate::console::reader::{Reader, Tab, directory_href};
use crate::console::words::Name;
use crate::store::ConnectionId;

/// `GET …/why`.
pub async fn ask(
    State(service): Host,
    reader: Reader,
    Path((tenant, directory)): Path<(String, String)>,
    axum::extract::Query(query): Query,
) -> Answer {
    let id = ConnectionId::new(tenant, directory);
    let (shell, _) = reader.of_directory(&service, &id, "Why", Tab::Why, false).await?;
    let (person, group) = (text(&query, "person"), text(&query, "group"));
    // A link from a group's page brings the group alone: it asks nobody before the reader does.
    let asked = !group.is_empty() && query.contains_key("person");
    let answer = if asked {
        let who = Some(person.as_str()).filter(|person| !person.is_empty());
        let told = service.why(&reader.who, &id, who, &group).await?;
        let cause = told.steps.iter().position(|step| !step.holds);
        Some(Chain {
            conclusion: Name::new(told.conclusion),
            steps: told
                .steps
                .into_iter()
                .enumerate()
                .map(|(place, step)| Link {
                    holds: step.holds,
                    cause: cause == Some(place),
                    message: Name::new(step.message),
                })
                .collect(),
        })
    } else {
        None
    };
    Ok(page(
        StatusCode::OK,
        &Why {
            shell,
            href: format!("{}/why", directory_href(&id)),
            person,
            group,
            answer,
        },
    ))
}
