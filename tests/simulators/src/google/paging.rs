//! Pages of a list: opaque tokens bound to their query, and the list faults.
//!
//! A token names the last item that was given, not a position, so a collection that changes between two
//! pages neither repeats nor loses items that did not change, as with Google.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::error::ApiError;
use super::operations::Query;
use crate::faults::Fault;

/// What one list call asks for.
pub(super) struct Paging<'a> {
    identity: String,
    after: Option<String>,
    most: usize,
    now_ms: u64,
    fault: Option<&'a Fault>,
}

impl<'a> Paging<'a> {
    /// Reads `maxResults` and `pageToken`. `what` names the list (operation and group), so that a token
    /// serves no other; `life_ms` is how long tokens live.
    pub(super) fn read(
        what: &str,
        query: &Query,
        default_most: usize,
        life_ms: Option<u64>,
        now_ms: u64,
        fault: Option<&'a Fault>,
    ) -> Result<Self, ApiError> {
        let identity = format!("{what}?{}", query.identity());
        let after = match query.get("pageToken") {
            None | Some("") => None,
            Some(token) => {
                let (issued_ms, after) =
                    open(token, &identity).ok_or_else(|| ApiError::invalid_input("page_token"))?;
                if life_ms.is_some_and(|life_ms| now_ms > issued_ms.saturating_add(life_ms)) {
                    return Err(ApiError::invalid_input("page_token"));
                }
                Some(after)
            }
        };
        let most = query
            .get("maxResults")
            .and_then(|text| text.parse().ok())
            .unwrap_or(default_most);
        Ok(Self {
            identity,
            after,
            most,
            now_ms,
            fault,
        })
    }

    /// Cuts this page out of all items, which come in order with their unique sort keys. Gives the items
    /// and the token of the next page.
    pub(super) fn cut<T>(
        &self,
        items: impl Iterator<Item = (String, T)>,
        descending: bool,
    ) -> (Vec<T>, Option<String>) {
        let mut most = self.most;
        if let Some(Fault::ShortPage { items }) = self.fault {
            most = most.min(*items);
        }
        let is_past = |key: &str| match self.after.as_deref() {
            None | Some("") => true,
            Some(after) if descending => key < after,
            Some(after) => key > after,
        };
        let (repeated, mut skipped) = match self.fault.filter(|_| self.after.is_some()) {
            Some(Fault::RepeatItems { count }) => (*count, 0),
            Some(Fault::SkipItems { count }) => (0, *count),
            _ => (0, 0),
        };
        let mut before = VecDeque::new();
        let mut page = Vec::new();
        let mut last = self.after.clone().unwrap_or_default();
        let mut more = false;
        for (key, item) in items {
            if !is_past(&key) {
                if repeated > 0 {
                    before.push_back(item);
                    if before.len() > repeated {
                        before.pop_front();
                    }
                }
                continue;
            }
            if skipped > 0 {
                skipped -= 1;
                continue;
            }
            page.extend(before.drain(..));
            if page.len() >= most {
                more = true;
                break;
            }
            last = key;
            page.push(item);
        }
        match self.fault {
            Some(Fault::DropItems { count }) => {
                page.truncate(page.len().saturating_sub(*count));
                (page, None)
            }
            Some(Fault::LoopPage) => {
                let here = self.after.clone().unwrap_or_default();
                let token = seal(&self.identity, self.now_ms, &here);
                (page, Some(token))
            }
            _ => {
                let token = more.then(|| seal(&self.identity, self.now_ms, &last));
                (page, token)
            }
        }
    }
}

fn tag(identity: &str, issued_ms: u64, after: &str) -> String {
    let digest = Sha256::digest(format!("{identity}\n{issued_ms}\n{after}").as_bytes());
    hex::encode(digest).chars().take(16).collect()
}

fn seal(identity: &str, issued_ms: u64, after: &str) -> String {
    let tag = tag(identity, issued_ms, after);
    URL_SAFE_NO_PAD.encode(format!("{tag} {issued_ms} {after}"))
}

fn open(token: &str, identity: &str) -> Option<(u64, String)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (given_tag, rest) = text.split_once(' ')?;
    let (issued_ms, after) = rest.split_once(' ')?;
    let issued_ms = issued_ms.parse().ok()?;
    (given_tag == tag(identity, issued_ms, after)).then(|| (issued_ms, after.to_owned()))
}
