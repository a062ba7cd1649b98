//! The state machine that every pager drives: it is fed the vendor's pages and says at the end whether
//! they are the whole. What a vendor's end mark or count looks like stays in the vendor's own room.

use std::collections::HashSet;

use super::Complete;
use crate::names::Names;

/// What a page says about the one after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// There is more, under this mark (a token, a link, an offset).
    Token(String),
    /// The vendor's own end mark.
    End,
}

/// One page as a vendor's room hands it over.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items, in the vendor's order.
    pub items: Vec<T>,
    /// What comes after it.
    pub next: Next,
    /// How many items there are in all; only where that count is authoritative, never a hint.
    pub total: Option<u64>,
    /// Whether the vendor cut the answer off at a limit of its own.
    pub capped: bool,
}

impl<T> Page<T> {
    /// A page without a count, not cut off.
    pub fn new(items: Vec<T>, next: Next) -> Self {
        Self {
            items,
            next,
            total: None,
            capped: false,
        }
    }

    /// The same page with an authoritative count of all items.
    #[must_use]
    pub fn with_total(mut self, total: u64) -> Self {
        self.total = Some(total);
        self
    }

    /// The same page, cut off by a limit of the vendor's or not.
    #[must_use]
    pub fn with_cap(mut self, capped: bool) -> Self {
        self.capped = capped;
        self
    }
}

/// How long a read may go on. A vendor that pages for ever must not keep a run for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Pages in all.
    pub pages: usize,
    /// Pages without an item that nevertheless announce another one.
    pub empty_pages: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            pages: 100_000,
            empty_pages: 100,
        }
    }
}

/// Why a read is not proven whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    /// The vendor pointed back to a page that was read already.
    #[error("reading {what}: the vendor gave the page mark `{token}` twice; run again")]
    RepeatedToken {
        /// What was read.
        what: String,
        /// The mark.
        token: String,
    },
    /// An item came twice, so that the pages shifted while they were read and another item may be missing.
    #[error("reading {what}: `{key}` came twice, so that something else may be missing; run again")]
    RepeatedItem {
        /// What was read.
        what: String,
        /// The item's key.
        key: String,
    },
    /// Fewer items than the vendor's own authoritative count.
    #[error("reading {what}: {seen} came of the {total} that the vendor counts; run again")]
    Fewer {
        /// What was read.
        what: String,
        /// How many came.
        seen: u64,
        /// How many there are.
        total: u64,
    },
    /// More items than the vendor's own authoritative count.
    #[error("reading {what}: {seen} came although the vendor counts {total}; run again")]
    More {
        /// What was read.
        what: String,
        /// How many came.
        seen: u64,
        /// How many there are.
        total: u64,
    },
    /// The authoritative count changed from one page to the next.
    #[error("reading {what}: the vendor counted {first}, then {second} while it was read; run again")]
    TotalChanged {
        /// What was read.
        what: String,
        /// The count at first.
        first: u64,
        /// The count later.
        second: u64,
    },
    /// The vendor cut the answer off.
    #[error("reading {what}: the vendor cut the list off at a limit of its own, after {seen}")]
    Capped {
        /// What was read.
        what: String,
        /// How many came.
        seen: u64,
    },
    /// A request failed.
    #[error("reading {what}: {reason}")]
    Failed {
        /// What was read.
        what: String,
        /// The failure.
        reason: String,
    },
    /// The read stopped before the vendor's end mark.
    #[error("reading {what}: it stopped after {seen}, before the vendor's end mark")]
    NoEnd {
        /// What was read.
        what: String,
        /// How many came.
        seen: u64,
    },
    /// A page came after the end mark.
    #[error("reading {what}: a page came after the vendor's end mark; this is a defect of the reader")]
    AfterEnd {
        /// What was read.
        what: String,
    },
    /// More pages than a read may take.
    #[error("reading {what}: there was no end after {pages} pages")]
    TooManyPages {
        /// What was read.
        what: String,
        /// How many pages were read.
        pages: usize,
    },
    /// Too many pages without an item.
    #[error("reading {what}: {pages} pages were empty and still announced another one")]
    TooManyEmptyPages {
        /// What was read.
        what: String,
        /// How many pages were empty.
        pages: usize,
    },
}

/// What a read that is not proven whole leaves: what was seen and why that is not the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall<T> {
    /// What was seen, each item once.
    pub seen: Vec<T>,
    /// Why it is not the whole.
    pub reason: Incomplete,
}

/// Collects pages and judges them. Feed it every page, in order; then [`Collector::finish`].
#[derive(Debug, Clone)]
pub struct Collector<T> {
    what: String,
    key: fn(&T) -> String,
    bounds: Bounds,
    items: Vec<T>,
    /// Keys of all items that came, also of those that were handed on.
    keys: Names,
    tokens: HashSet<String>,
    total: Option<u64>,
    pages: usize,
    empty_pages: usize,
    next: Option<Next>,
    fault: Option<Incomplete>,
}

impl<T> Collector<T> {
    /// A collector for `what` (for messages, such as `members of sales@example.com`), whose items are told
    /// apart by `key`.
    pub fn new(what: impl Into<String>, key: fn(&T) -> String) -> Self {
        Self {
            what: what.into(),
            key,
            bounds: Bounds::default(),
            items: Vec::new(),
            keys: Names::new(),
            tokens: HashSet::new(),
            total: None,
            pages: 0,
            empty_pages: 0,
            next: None,
            fault: None,
        }
    }

    /// The same collector with other bounds.
    #[must_use]
    pub fn with_bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// The mark of the page to ask for next; none at the beginning, at the end and after a fault.
    pub fn next_token(&self) -> Option<&str> {
        match (&self.fault, &self.next) {
            (None, Some(Next::Token(token))) => Some(token),
            _ => None,
        }
    }

    /// Whether there is nothing more to ask for: the end was reached, or a fault makes going on pointless.
    pub fn is_done(&self) -> bool {
        self.fault.is_some() || self.next == Some(Next::End)
    }

    /// How many items came so far.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether nothing came so far.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Takes the next page. Its items are kept even where the page shows that the read is not whole: adds may go on
    /// from what was seen.
    ///
    /// # Errors
    /// Why the read cannot be whole any more. The first fault stays; later pages are not looked at.
    pub fn feed(&mut self, page: Page<T>) -> Result<(), Incomplete> {
        let mut items = std::mem::take(&mut self.items);
        let fed = self.feed_into(page, |item| items.push(item));
        self.items = items;
        fed
    }

    /// Takes the next page and hands its items on, each once, where all of them would be too many to keep. The judgement
    /// is then [`Self::judge`].
    ///
    /// # Errors
    /// As [`Self::feed`].
    pub fn feed_into(&mut self, page: Page<T>, mut take: impl FnMut(T)) -> Result<(), Incomplete> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if self.next == Some(Next::End) {
            return self.refuse(Incomplete::AfterEnd {
                what: self.what.clone(),
            });
        }
        self.pages += 1;
        let came_empty = page.items.is_empty();
        let mut repeated = None;
        for item in page.items {
            let key = (self.key)(&item);
            if self.keys.find(&key).is_none() {
                self.keys.keep(&key);
                take(item);
            } else if repeated.is_none() {
                repeated = Some(key);
            }
        }
        if let Some(key) = repeated {
            return self.refuse(Incomplete::RepeatedItem {
                what: self.what.clone(),
                key,
            });
        }
        if page.capped {
            return self.refuse(Incomplete::Capped {
                what: self.what.clone(),
                seen: self.seen(),
            });
        }
        if let Some(second) = page.total {
            match self.total {
                Some(first) if first != second => {
                    return self.refuse(Incomplete::TotalChanged {
                        what: self.what.clone(),
                        first,
                        second,
                    });
                }
                _ => self.total = Some(second),
            }
        }
        self.turn(page.next, came_empty)
    }

    /// Takes note that a request failed. The first fault stays.
    pub fn fail(&mut self, reason: impl Into<String>) {
        if self.fault.is_none() {
            self.fault = Some(Incomplete::Failed {
                what: self.what.clone(),
                reason: reason.into(),
            });
        }
    }

    /// The judgement.
    ///
    /// # Errors
    /// What was seen and why it is not proven whole.
    pub fn finish(mut self) -> Result<Complete<Vec<T>>, Shortfall<T>> {
        let items = std::mem::take(&mut self.items);
        if items.len() < self.keys.len() {
            self.fail("its items were handed on and not kept; this is a defect of the reader");
        }
        match self.judge() {
            Ok(whole) => Ok(whole.map(|()| items)),
            Err(reason) => Err(Shortfall { seen: items, reason }),
        }
    }

    /// The judgement of what was handed on by [`Self::feed_into`].
    ///
    /// # Errors
    /// Why it is not proven whole.
    pub fn judge(self) -> Result<Complete<()>, Incomplete> {
        let seen = self.seen();
        let what = self.what;
        Err(match (self.fault, self.next, self.total) {
            (Some(fault), _, _) => fault,
            (None, Some(Next::End), Some(total)) if seen < total => Incomplete::Fewer { what, seen, total },
            (None, Some(Next::End), Some(total)) if seen > total => Incomplete::More { what, seen, total },
            (None, Some(Next::End), _) => return Ok(Complete(())),
            (None, _, _) => Incomplete::NoEnd { what, seen },
        })
    }

    fn turn(&mut self, next: Next, came_empty: bool) -> Result<(), Incomplete> {
        if let Next::Token(token) = &next {
            if came_empty {
                self.empty_pages += 1;
            }
            if !self.tokens.insert(token.clone()) {
                return self.refuse(Incomplete::RepeatedToken {
                    what: self.what.clone(),
                    token: token.clone(),
                });
            }
            if self.empty_pages > self.bounds.empty_pages {
                return self.refuse(Incomplete::TooManyEmptyPages {
                    what: self.what.clone(),
                    pages: self.empty_pages,
                });
            }
            if self.pages >= self.bounds.pages {
                return self.refuse(Incomplete::TooManyPages {
                    what: self.what.clone(),
                    pages: self.pages,
                });
            }
        }
        self.next = Some(next);
        Ok(())
    }

    fn refuse(&mut self, fault: Incomplete) -> Result<(), Incomplete> {
        self.fault = Some(fault.clone());
        Err(fault)
    }

    fn seen(&self) -> u64 {
        u64::try_from(self.keys.len()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
#[path = "collector_tests.rs"]
mod tests;
