//! JumpCloud's two ways of paging. The end is the vendor's own mark and never a short page: pages can be short
//! in the middle, where records were removed.

use http::HeaderMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::complete::{Collector, Next, Page};
use crate::failure::{Failure, FailureKind};
use crate::http::{Answer, Call, Client};
use crate::plan::model::Reading;

/// Records of a page at most; JumpCloud lowers more to this without a word.
const LIMIT: usize = 100;

/// A list to read.
pub(super) struct List<'a, T> {
    /// What it is, for a person.
    pub what: String,
    /// Path segments.
    pub path: &'a [&'a str],
    /// Query without `limit` and `skip`.
    pub query: &'a [(&'a str, &'a str)],
    /// What tells items apart.
    pub key: fn(&T) -> String,
}

impl<T> List<'_, T> {
    fn call(&self, skip: usize) -> Call {
        let mut call = Call::get(self.path);
        for (name, value) in self.query {
            call = call.query(name, value);
        }
        call.query("limit", &LIMIT.to_string())
            .query("skip", &skip.to_string())
    }
}

/// Reads a version 2 list: a bare array, `Link` with the next page on most endpoints, the count in
/// `x-total-count`.
///
/// # Errors
/// Only what ends the run; all else makes the reading partial.
pub(super) async fn read_version2<T: DeserializeOwned>(
    client: &Client<'_>,
    list: &List<'_, T>,
) -> Result<Reading<Vec<T>>, Failure> {
    read(client, list, |records: Vec<Option<T>>, answer| Batch {
        total: total(&answer.headers),
        link: next_link(&answer.headers),
        records,
    })
    .await
}

#[derive(Deserialize)]
struct Version1<T> {
    results: Vec<Option<T>>,
    #[serde(rename = "totalCount", default)]
    total: Option<u64>,
}

/// Reads a version 1 list: `{results, totalCount}`.
///
/// # Errors
/// Only what ends the run; all else makes the reading partial.
pub(super) async fn read_version1<T: DeserializeOwned>(
    client: &Client<'_>,
    list: &List<'_, T>,
) -> Result<Reading<Vec<T>>, Failure> {
    read(client, list, |body: Version1<T>, _| Batch {
        total: body.total,
        link: None,
        records: body.results,
    })
    .await
}

/// Whether a failure ends the whole run, since every further read would end alike.
pub(super) fn ends_the_run(failure: &Failure) -> bool {
    matches!(
        failure.kind,
        FailureKind::Unauthorized
            | FailureKind::Denied
            | FailureKind::Configuration
            | FailureKind::Cancelled
            | FailureKind::Host
    )
}

struct Batch<T> {
    records: Vec<Option<T>>,
    total: Option<u64>,
    link: Option<String>,
}

async fn read<T, Body: DeserializeOwned>(
    client: &Client<'_>,
    list: &List<'_, T>,
    batch_of: fn(Body, &Answer) -> Batch<T>,
) -> Result<Reading<Vec<T>>, Failure> {
    let mut collector = Collector::new(list.what.clone(), list.key);
    let mut skip = 0;
    let mut call = list.call(skip);
    loop {
        let batch = match client.fetch_with_head::<Body>(call, &[404]).await {
            Ok(Some((body, answer))) => batch_of(body, &answer),
            Ok(None) => {
                collector.fail("JumpCloud answers that it does not exist (404)");
                break;
            }
            Err(failure) if ends_the_run(&failure) => return Err(failure),
            Err(failure) => {
                collector.fail(failure.to_string());
                break;
            }
        };
        // A null stands where a record was removed: it is no item, and its place in the order stays.
        let came_empty = batch.records.is_empty();
        let items: Vec<T> = batch.records.into_iter().flatten().collect();
        let seen = (collector.len() + items.len()) as u64;
        // Without a link the next page begins a whole page further: `skip` counts removed records too.
        skip += LIMIT;
        let (next, next_call) = match batch.link {
            Some(link) => match client.follow(&link) {
                Ok(call) => (Next::Token(call.path_and_query()), call),
                Err(failure) => {
                    collector.fail(failure.to_string());
                    break;
                }
            },
            None if came_empty || batch.total.is_some_and(|total| seen >= total) => {
                (Next::End, list.call(skip))
            }
            None => (Next::Token(format!("skip {skip}")), list.call(skip)),
        };
        let mut page = Page::new(items, next);
        page.total = batch.total;
        if collector.feed(page).is_err() || collector.is_done() {
            break;
        }
        call = next_call;
    }
    Ok(match collector.finish() {
        Ok(whole) => Reading::Complete(whole),
        Err(shortfall) => Reading::Partial {
            seen: shortfall.seen,
            reason: shortfall.reason.to_string(),
        },
    })
}

fn total(headers: &HeaderMap) -> Option<u64> {
    headers.get("x-total-count")?.to_str().ok()?.trim().parse().ok()
}

/// The target of `<…>; rel="next"` (RFC 8288).
fn next_link(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all("link")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .find_map(|value| {
            let mut rest = value;
            loop {
                let (target, after) = rest.split_once('<')?.1.split_once('>')?;
                let (parameters, remaining) = after.split_once(",").unwrap_or((after, ""));
                let is_next = parameters.split(';').any(|parameter| {
                    parameter.split_once('=').is_some_and(|(name, value)| {
                        name.trim().eq_ignore_ascii_case("rel")
                            && value
                                .trim()
                                .trim_matches('"')
                                .split_ascii_whitespace()
                                .any(|relation| relation.eq_ignore_ascii_case("next"))
                    })
                });
                if is_next {
                    return Some(target.to_owned());
                }
                rest = remaining;
            }
        })
}

#[cfg(test)]
#[path = "pages_tests.rs"]
mod tests;
