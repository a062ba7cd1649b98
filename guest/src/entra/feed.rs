//! Graph's feed of changes to groups and their members. It names what changed, however it was changed: by a hand in the
//! portal, by another program, by us. Nothing is concluded from it but which groups to read again.
//!
//! Source: Microsoft Graph, `group: delta` and "Use delta query to track changes" (`$deltatoken=latest` gives the present
//! end without the groups before it; a token lives for seven days; 410 where it cannot be gone on from).

use std::collections::BTreeSet;

use serde::Deserialize;

use super::graph::Graph;
use super::request::{DELTA, ROOT};
use crate::failure::{Failure, FailureKind};
use crate::feed::{Mark, TargetChanges};

/// Pages in one look; where more changed, reading everything is cheaper.
const MOST_PAGES: usize = 50;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    value: Vec<Changed>,
    #[serde(rename = "@odata.nextLink", default)]
    next: Option<String>,
    #[serde(rename = "@odata.deltaLink", default)]
    delta: Option<String>,
}

#[derive(Deserialize)]
struct Changed {
    id: String,
}

/// The present end of the feed.
///
/// # Errors
/// What ends the run.
pub(super) async fn mark(graph: &Graph<'_>) -> Result<Result<Mark, String>, Failure> {
    let start = format!("{DELTA}?$select=displayName,description,members&$deltatoken=latest");
    Ok(follow(graph, &start).await?.map(|changes| changes.next))
}

/// What changed since a mark that [`mark`] or this gave.
///
/// # Errors
/// What ends the run.
pub(super) async fn changes_since(
    graph: &Graph<'_>,
    mark: &str,
) -> Result<Result<TargetChanges, String>, Failure> {
    follow(graph, mark).await
}

async fn follow(graph: &Graph<'_>, link: &str) -> Result<Result<TargetChanges, String>, Failure> {
    let mut groups = BTreeSet::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut link = link.to_owned();
    for _ in 0..MOST_PAGES {
        if !seen.insert(link.clone()) {
            return Ok(Err("Entra's feed of changes gave one page twice".to_owned()));
        }
        let page: Page = match graph.next_page(&link).await {
            Ok(page) => page,
            Err(failure) if ends_the_run(&failure) => return Err(failure),
            Err(failure) => {
                return Ok(Err(format!(
                    "Entra's feed of changes could not be read on: {failure}"
                )));
            }
        };
        groups.extend(page.value.into_iter().map(|changed| changed.id));
        match (page.next, page.delta) {
            (Some(next), None) => link = next,
            (None, Some(delta)) if delta.contains(ROOT) => {
                return Ok(Ok(TargetChanges {
                    groups,
                    next: Mark::At(delta),
                }));
            }
            _ => {
                return Ok(Err(
                    "a page of Entra's feed of changes does not say what comes after it".to_owned(),
                ));
            }
        }
    }
    Ok(Err(format!(
        "Entra's feed of changes has more than {MOST_PAGES} pages"
    )))
}

/// Refused alone ends no run: everything can be read instead, and that says what is missing.
fn ends_the_run(failure: &Failure) -> bool {
    matches!(
        failure.kind,
        FailureKind::Cancelled | FailureKind::Host | FailureKind::Configuration
    )
}
