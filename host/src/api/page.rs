//! Lists in pages: at most so many items, and an opaque cursor to the next ones.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;
use crate::store;

/// How many items a page has where nothing is said.
const USUAL: u32 = 50;
/// How many it has at most.
pub(super) const MOST: u32 = 200;

/// Which page of a list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many items at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 1024, pattern = "^[A-Za-z0-9_-]+$")]
    pub cursor: Option<String>,
}

/// How many items, checked.
pub(super) fn limit(given: Option<u32>) -> Result<u32, Problem> {
    match given {
        None => Ok(USUAL),
        Some(limit) if (1..=MOST).contains(&limit) => Ok(limit),
        Some(limit) => Err(Problem::invalid_value(
            "limit",
            format!("{limit} is out of range; it goes from 1 to {MOST}"),
        )),
    }
}

/// Where a page begins. A cursor is opaque so that nobody makes one up; what it holds is a mark of the store or the last
/// item's key.
pub(super) fn after(given: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(given) = given else { return Ok(None) };
    URL_SAFE_NO_PAD
        .decode(given)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.strip_prefix("1:").map(str::to_owned))
        .filter(|text| !text.contains('\0'))
        .map(Some)
        .ok_or_else(|| {
            Problem::invalid_value(
                "cursor",
                "this is no cursor of this list; begin without one, then use `next` of each page",
            )
        })
}

/// The cursor of a mark.
pub(super) fn cursor(mark: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("1:{mark}"))
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Items<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next page; none: this is the last.
    pub next: Option<String>,
}

impl<T> Items<T> {
    /// A page of the store's.
    pub(super) fn of<U>(page: store::Page<U>, shown: impl FnMut(U) -> T) -> Self {
        Self {
            items: page.items.into_iter().map(shown).collect(),
            next: page.next.as_deref().map(cursor),
        }
    }

    /// A whole list.
    pub(super) fn all(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

/// `Link: <...>; rel="next"` (RFC 8288) for a page with a next one; the query's other parameters stay.
pub(super) fn link(uri: &http::Uri, next: Option<&str>) -> Option<(http::HeaderName, HeaderValue)> {
    let next = next?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if name != "cursor" {
            query.append_pair(&name, &value);
        }
    }
    query.append_pair("cursor", next);
    let link = format!("<{}?{}>; rel=\"next\"", uri.path(), query.finish());
    Some((header::LINK, HeaderValue::from_str(&link).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_their_own_lists() {
        assert_eq!(after(Some(&cursor("a/b c"))).unwrap().as_deref(), Some("a/b c"));
        for wrong in [
            "",
            "abc",
            "!!",
            &URL_SAFE_NO_PAD.encode("2:x"),
            &URL_SAFE_NO_PAD.encode([255, 255]),
        ] {
            assert!(after(Some(wrong)).is_err(), "{wrong}");
        }
        assert!(limit(Some(0)).is_err() && limit(Some(201)).is_err() && limit(Some(200)).is_ok());
    }

    #[test]
    fn the_next_page_is_linked_with_the_same_filter() {
        let uri = "/api/v1/runs?tenant=acme&cursor=old&limit=5".parse().unwrap();
        let (_, link) = link(&uri, Some("new")).unwrap();
        assert_eq!(
            link,
            "</api/v1/runs?tenant=acme&limit=5&cursor=new>; rel=\"next\""
        );
    }
}
