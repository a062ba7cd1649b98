//! Pages: where a list is cut, what its head says of the rest, and which faults strike it.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::answer::{Refusal, ok, set_header};
use super::endpoints::Call;
use super::organisation::{Behaviour, ShortPages};
use super::query::Query;
use crate::faults::Fault;

/// Records of a page where `limit` says nothing.
const DEFAULT_LIMIT: usize = 10;

/// The most records of a page; a larger `limit` is lowered without a word, as JumpCloud does.
const MAXIMUM_LIMIT: usize = 100;

/// How many records stand between two removed ones, where pages are short.
const RECORDS_BETWEEN_REMOVED: usize = 7;

/// Which part of a list is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub skip: usize,
    pub limit: usize,
}

impl Window {
    pub(super) fn read(query: &Query) -> Result<Self, Refusal> {
        Ok(Self {
            skip: query.number("skip", 0, 0)?,
            limit: query.number("limit", DEFAULT_LIMIT, 1)?.min(MAXIMUM_LIMIT),
        })
    }

    /// The window that numbers in a body give.
    pub(super) fn of(skip: usize, limit: Option<usize>) -> Self {
        let limit = limit.unwrap_or(DEFAULT_LIMIT).min(MAXIMUM_LIMIT);
        Self { skip, limit }
    }
}

/// One page of a list.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub items: Vec<T>,
    /// How many records the list says it has.
    pub total: usize,
    /// Where the next page begins; none on the last.
    pub next: Option<usize>,
}

/// Cuts a page. `marks` says whether the list marks its next page; where it does not, a page that loops
/// is the first page again, whatever `skip` asks.
pub(super) fn cut<T>(
    mut rows: Vec<T>,
    mut window: Window,
    marks: bool,
    behaviour: &Behaviour,
    fault: Option<&Fault>,
) -> Page<T> {
    if let Some(Fault::DropItems { count }) = fault {
        rows.truncate(rows.len().saturating_sub(*count));
    }
    let looping = matches!(fault, Some(Fault::LoopPage));
    if looping && !marks {
        window.skip = 0;
    }
    match fault {
        Some(Fault::RepeatItems { count }) => window.skip = window.skip.saturating_sub(*count),
        Some(Fault::SkipItems { count }) if window.skip > 0 => {
            // Those before went meanwhile, so the list is as many shorter as the page begins too late.
            rows.drain(..(*count).min(window.skip).min(rows.len()));
        }
        _ => {}
    }
    let most = match fault {
        Some(Fault::ShortPage { items }) => *items,
        _ => usize::MAX,
    };
    let stored = rows.len();
    // A removed record keeps its place in the order that `skip` counts.
    let removed = match behaviour.short_pages {
        ShortPages::Never => 0,
        ShortPages::Uncounted | ShortPages::Counted => stored.saturating_sub(1) / RECORDS_BETWEEN_REMOVED,
    };
    let is_removed =
        |place: usize| removed > 0 && place % (RECORDS_BETWEEN_REMOVED + 1) == RECORDS_BETWEEN_REMOVED;
    let places = stored + removed;
    let end = places.min(window.skip.saturating_add(window.limit));
    let mut place = window.skip;
    let mut taken = 0;
    let mut wanted = vec![false; stored];
    while place < end && taken < most {
        if !is_removed(place) {
            let index = if removed > 0 {
                place - place / (RECORDS_BETWEEN_REMOVED + 1)
            } else {
                place
            };
            if let Some(mark) = wanted.get_mut(index) {
                *mark = true;
                taken += 1;
            }
        }
        place += 1;
    }
    let mut wanted = wanted.into_iter();
    rows.retain(|_| wanted.next().unwrap_or(false));
    Page {
        items: rows,
        total: match behaviour.short_pages {
            ShortPages::Counted => places,
            ShortPages::Never | ShortPages::Uncounted => stored,
        },
        next: if looping {
            Some(window.skip)
        } else {
            Some(place).filter(|place| *place < places)
        },
    }
}

/// Answers a version 2 list: a bare array, its count in `x-total-count` and, on endpoints that have it,
/// the next page in `Link`.
pub(super) fn version2_list<T>(
    rows: Vec<T>,
    call: &Call<'_>,
    behaviour: &Behaviour,
    record: impl FnMut(T) -> Value,
) -> Result<Response<Bytes>, Refusal> {
    let window = Window::read(&call.query)?;
    let page = cut(rows, window, call.endpoint.links, behaviour, call.fault);
    let mut response = ok(&Value::Array(page.items.into_iter().map(record).collect()));
    set_header(&mut response, "x-total-count", &page.total.to_string());
    if let Some(next) = page.next.filter(|_| call.endpoint.links) {
        let link = format!(
            "<{}{}?{}>; rel=\"next\"",
            behaviour.link_origin.as_deref().unwrap_or(""),
            call.path,
            call.query.with(&[("skip", next), ("limit", window.limit)])
        );
        set_header(&mut response, "link", &link);
    }
    Ok(response)
}

/// Answers a version 1 list: `{results, totalCount}`.
pub(super) fn version1_list<T>(
    rows: Vec<T>,
    window: Window,
    call: &Call<'_>,
    behaviour: &Behaviour,
    record: impl FnMut(T) -> Value,
) -> Response<Bytes> {
    let page = cut(rows, window, false, behaviour, call.fault);
    let results: Vec<Value> = page.items.into_iter().map(record).collect();
    ok(&json!({"results": results, "totalCount": page.total}))
}

/// An order that no client may rely on: another one after each write to the collection.
pub(super) fn shift<T>(rows: &mut [T], version: u64, id: impl for<'a> Fn(&'a T) -> &'a str) {
    // FNV-1a: the same on every machine, unlike the standard library's hash.
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    rows.sort_by_cached_key(|row| {
        let start = version.to_le_bytes().into_iter().fold(0xcbf2_9ce4_8422_2325, mix);
        id(row).bytes().fold(start, mix)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(
        count: usize,
        skip: usize,
        limit: usize,
        short: ShortPages,
        fault: Option<&Fault>,
    ) -> Page<usize> {
        let behaviour = Behaviour {
            short_pages: short,
            ..Behaviour::default()
        };
        cut(
            (0..count).collect(),
            Window { skip, limit },
            true,
            &behaviour,
            fault,
        )
    }

    #[test]
    fn an_exactly_full_page_of_100_is_the_last() {
        let full = page(100, 0, 100, ShortPages::Never, None);
        assert_eq!((full.items.len(), full.total, full.next), (100, 100, None));
        let more = page(200, 0, 100, ShortPages::Never, None);
        assert_eq!((more.items.len(), more.next), (100, Some(100)));
        let last = page(200, 100, 100, ShortPages::Never, None);
        assert_eq!((last.items.len(), last.next), (100, None));
        assert_eq!(page(200, 200, 100, ShortPages::Never, None).items.len(), 0);
    }

    #[test]
    fn short_pages_lose_no_record_to_a_client_that_follows_the_mark() {
        for (short, total) in [(ShortPages::Uncounted, 250), (ShortPages::Counted, 285)] {
            let mut seen = Vec::new();
            let mut sizes = Vec::new();
            let mut skip = Some(0);
            while let Some(from) = skip {
                let next = page(250, from, 100, short, None);
                assert_eq!(next.total, total);
                sizes.push(next.items.len());
                seen.extend(next.items);
                skip = next.next;
            }
            assert_eq!(seen, (0..250).collect::<Vec<_>>());
            assert_eq!(sizes, [88, 87, 75], "a page in the middle is short");
        }
    }

    #[test]
    fn faults_drop_loop_and_shorten() {
        let dropped = page(
            12,
            10,
            10,
            ShortPages::Never,
            Some(&Fault::DropItems { count: 1 }),
        );
        assert_eq!((dropped.items.len(), dropped.total, dropped.next), (1, 11, None));
        let looped = page(30, 10, 10, ShortPages::Never, Some(&Fault::LoopPage));
        assert_eq!(looped.next, Some(10));
        let short = page(
            30,
            10,
            10,
            ShortPages::Never,
            Some(&Fault::ShortPage { items: 3 }),
        );
        assert_eq!((short.items, short.next), (vec![10, 11, 12], Some(13)));
    }

    #[test]
    fn an_unsorted_order_shifts_with_each_write_and_only_then() {
        let ordered = |version| {
            let mut rows: Vec<String> = (0..20).map(|number| format!("{number:024x}")).collect();
            shift(&mut rows, version, |row| row);
            rows
        };
        assert_eq!(ordered(1), ordered(1));
        assert_ne!(ordered(1), ordered(2));
    }
}
