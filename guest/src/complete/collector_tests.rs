//! The judgement of pages, whatever order and shape they come in.

use proptest::prelude::*;

use super::*;

fn collector() -> Collector<u32> {
    Collector::new("numbers", u32::to_string)
}

fn token(mark: &str) -> Next {
    Next::Token(mark.to_owned())
}

#[test]
fn r42_the_end_mark_is_what_ends_a_read_and_short_or_empty_pages_are_not() {
    let mut pages = collector();
    pages.feed(Page::new(vec![1, 2], token("a"))).unwrap();
    pages.feed(Page::new(vec![], token("b"))).unwrap();
    assert_eq!(pages.next_token(), Some("b"));
    assert!(!pages.is_done());
    pages.feed(Page::new(vec![3], Next::End)).unwrap();
    assert!(pages.is_done());
    assert_eq!(pages.finish().unwrap().get(), &[1, 2, 3]);
}

#[test]
fn r42_what_is_handed_on_is_judged_alike_and_never_claimed_to_be_kept() {
    let mut taken = Vec::new();
    let mut pages = collector();
    pages
        .feed_into(Page::new(vec![1, 2], token("a")), |item| taken.push(item))
        .unwrap();
    let mut doubled = pages.clone();
    assert!(
        doubled
            .feed_into(Page::new(vec![2], Next::End), |_| panic!("it came twice"))
            .is_err()
    );
    assert!(doubled.judge().is_err());
    pages
        .feed_into(Page::new(vec![3], Next::End), |item| taken.push(item))
        .unwrap();
    assert_eq!((taken.as_slice(), pages.len()), (&[1, 2, 3][..], 3));
    let kept = pages.clone();
    assert!(pages.judge().is_ok());
    assert!(
        kept.finish().is_err(),
        "what was handed on is not a whole list of nothing"
    );
}

#[test]
fn r42_a_repeated_token_is_refused_and_what_was_seen_is_kept() {
    let mut pages = collector();
    pages.feed(Page::new(vec![1], token("a"))).unwrap();
    let fault = pages.feed(Page::new(vec![2], token("a"))).unwrap_err();
    assert!(matches!(fault, Incomplete::RepeatedToken { .. }));
    assert_eq!(pages.next_token(), None);
    let short = pages.finish().unwrap_err();
    assert_eq!(short.seen, [1, 2]);
    assert!(short.reason.to_string().contains("twice"));
}

#[test]
fn r42_a_repeated_item_is_refused() {
    let mut pages = collector();
    pages.feed(Page::new(vec![1, 2], token("a"))).unwrap();
    let fault = pages.feed(Page::new(vec![2, 3], Next::End)).unwrap_err();
    assert!(matches!(fault, Incomplete::RepeatedItem { .. }));
    assert_eq!(pages.finish().unwrap_err().seen, [1, 2, 3]);
}

#[test]
fn r42_an_authoritative_count_must_agree() {
    for (total, fewer) in [(3, true), (1, false)] {
        let mut pages = collector();
        pages
            .feed(Page::new(vec![1, 2], Next::End).with_total(total))
            .unwrap();
        let reason = pages.finish().unwrap_err().reason;
        assert_eq!(matches!(reason, Incomplete::Fewer { .. }), fewer);
        assert_eq!(matches!(reason, Incomplete::More { .. }), !fewer);
    }
    let mut pages = collector();
    pages.feed(Page::new(vec![1], token("a")).with_total(2)).unwrap();
    let fault = pages
        .feed(Page::new(vec![2], Next::End).with_total(3))
        .unwrap_err();
    assert!(matches!(fault, Incomplete::TotalChanged { .. }));
}

#[test]
fn r42_a_cap_a_failure_and_a_missing_end_are_each_refused() {
    let mut capped = collector();
    assert!(capped.feed(Page::new(vec![1], Next::End).with_cap(true)).is_err());
    assert!(matches!(
        capped.finish().unwrap_err().reason,
        Incomplete::Capped { .. }
    ));

    let mut failed = collector();
    failed.feed(Page::new(vec![1], token("a"))).unwrap();
    failed.fail("the vendor answered 500");
    assert!(failed.feed(Page::new(vec![2], Next::End)).is_err());
    assert!(failed.finish().unwrap_err().reason.to_string().contains("500"));

    let mut unended = collector();
    unended.feed(Page::new(vec![1], token("a"))).unwrap();
    assert!(matches!(
        unended.finish().unwrap_err().reason,
        Incomplete::NoEnd { seen: 1, .. }
    ));
    assert!(matches!(
        collector().finish().unwrap_err().reason,
        Incomplete::NoEnd { seen: 0, .. }
    ));
}

#[test]
fn r42_a_page_after_the_end_spoils_the_read() {
    let mut pages = collector();
    pages.feed(Page::new(vec![1], Next::End)).unwrap();
    assert!(matches!(
        pages.feed(Page::new(vec![2], Next::End)),
        Err(Incomplete::AfterEnd { .. })
    ));
    assert!(pages.finish().is_err());
}

#[test]
fn pages_and_empty_pages_are_bounded() {
    let mut long = collector().with_bounds(Bounds {
        pages: 2,
        empty_pages: 9,
    });
    long.feed(Page::new(vec![1], token("a"))).unwrap();
    let fault = long.feed(Page::new(vec![2], token("b"))).unwrap_err();
    assert!(matches!(fault, Incomplete::TooManyPages { pages: 2, .. }));

    let mut empty = collector().with_bounds(Bounds {
        pages: 9,
        empty_pages: 1,
    });
    empty.feed(Page::new(vec![], token("a"))).unwrap();
    let fault = empty.feed(Page::new(vec![], token("b"))).unwrap_err();
    assert!(matches!(fault, Incomplete::TooManyEmptyPages { pages: 2, .. }));
}

proptest! {
    #[test]
    fn r42_any_cut_into_pages_gives_every_item_once(sizes in proptest::collection::vec(0usize..5, 1..20)) {
        let mut pages = collector();
        let mut number = 0u32;
        for (index, size) in sizes.iter().enumerate() {
            let items: Vec<u32> = (0..*size).map(|_| { number += 1; number }).collect();
            let next = if index + 1 == sizes.len() { Next::End } else { token(&index.to_string()) };
            pages.feed(Page::new(items, next)).unwrap();
        }
        let whole = pages.finish().unwrap();
        prop_assert_eq!(whole.get().clone(), (1..=number).collect::<Vec<_>>());
    }

    #[test]
    fn r42_a_read_without_its_last_page_is_never_whole(
        sizes in proptest::collection::vec(0usize..5, 1..20),
        fail in any::<bool>(),
    ) {
        let mut pages = collector();
        let mut number = 0u32;
        for (index, size) in sizes.iter().enumerate() {
            let items: Vec<u32> = (0..*size).map(|_| { number += 1; number }).collect();
            pages.feed(Page::new(items, token(&index.to_string()))).unwrap();
        }
        if fail {
            pages.fail("the connection broke");
        }
        let short = pages.finish().unwrap_err();
        prop_assert_eq!(short.seen.len(), number as usize);
    }
}
