//! Graph asks to slow down: outside and inside a batch, with and without a time to wait, for a moment and for an hour.

use groupcast::run::Selection;
use groupcast_simulators::entra::Throttle;
use groupcast_simulators::faults::Rule;
use groupcast_simulators::log::LoggedRequest;
use groupcast_tests::Lab;

use crate::looking::{
    ENTRA, answer, applied, binds, creations, exported, fresh, groups, heal, joins, members, mutations,
    objects, only, organised, rule, settled, strike,
};

fn throttled(method: &str, path: &str, times: u32, retry_after: Option<&str>) -> Rule {
    let headers: Vec<(&str, &str)> = retry_after
        .map(|seconds| ("retry-after", seconds))
        .into_iter()
        .collect();
    Rule {
        times: Some(times),
        ..rule(method, path, answer(429, "TooManyRequests", &headers))
    }
}

/// Milliseconds between a refused request and the next of the same method and path.
fn waits(lab: &Lab, which: impl Fn(&LoggedRequest) -> bool) -> Vec<u64> {
    let requests: Vec<LoggedRequest> = lab.simulators.requests().into_iter().filter(which).collect();
    requests
        .windows(2)
        .filter(|pair| pair[0].status == 429)
        .map(|pair| pair[1].time_ms - pair[0].time_ms)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_batch_is_sent_again_after_the_time_that_graph_asked_for() {
    let mut lab = fresh().await;
    let (source, target) = exported(&mut lab, &[0]).await;
    joins(&lab, &source, 1);
    strike(&lab, throttled("POST", "/v1.0/$batch", 2, Some("2")));
    applied(&lab).await;
    let waited = waits(&lab, |request| request.path == "/v1.0/$batch");
    assert_eq!(waited.len(), 2);
    assert!(waited.iter().all(|ms| *ms >= 1_900), "{waited:?}");
    assert_eq!(members(&lab, &target), objects([0, 1]));
    assert_eq!(mutations(&lab).len(), 1, "the addition was sent once");
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_next_page_is_asked_for_again() {
    let mut lab = fresh().await;
    let (source, target) = exported(&mut lab, &[0, 1, 2, 3]).await;
    joins(&lab, &source, 4);
    crate::looking::leaves(&lab, &source, 0);
    strike(
        &lab,
        Rule {
            query: Some("skiptoken".to_owned()),
            ..throttled("GET", "/v1.0/groups/*/members", 1, Some("1"))
        },
    );
    strike(
        &lab,
        rule(
            "GET",
            "/v1.0/groups/*/members",
            groupcast_simulators::faults::Fault::ShortPage { items: 2 },
        ),
    );
    applied(&lab).await;
    assert_eq!(members(&lab, &target), objects([1, 2, 3, 4]));
    assert!(
        lab.simulators
            .requests()
            .iter()
            .any(|request| request.status == 429 && !request.in_batch)
    );
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_part_of_a_batch_is_sent_again_alone_after_the_time_that_graph_asked_for() {
    for retry_after in [Some("2"), None] {
        let mut lab = fresh().await;
        let (sales, target) = exported(&mut lab, &[0]).await;
        let other = lab.group("Support", None, &[0]);
        applied(&lab).await;
        joins(&lab, &sales, 1);
        joins(&lab, &other, 1);
        lab.simulators.clear_requests();
        strike(
            &lab,
            throttled("PATCH", &format!("/v1.0/groups/{target}"), 2, retry_after),
        );
        applied(&lab).await;
        assert_eq!(members(&lab, &target), objects([0, 1]));
        let waited = waits(&lab, |request| {
            request.path == format!("/v1.0/groups/{target}") && request.is_mutation()
        });
        assert_eq!(waited.len(), 2);
        let least = if retry_after.is_some() { 1_900 } else { 900 };
        assert!(waited.iter().all(|ms| *ms >= least), "{waited:?}");
        let support = only(&lab, "Support").id;
        assert_eq!(members(&lab, &support), objects([0, 1]));
        let to_support = mutations(&lab)
            .into_iter()
            .filter(|request| request.path.contains(&support))
            .count();
        assert_eq!(to_support, 1, "what was served is not sent again");
        settled(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_depends_on_a_throttled_part_follows_it_and_nobody_is_lost() {
    let mut lab = organised(50, |_| ()).await;
    let (source, target) = exported(&mut lab, &[0]).await;
    for number in 1..50 {
        joins(&lab, &source, number);
    }
    strike(&lab, throttled("PATCH", "/v1.0/groups/*", 1, Some("1")));
    applied(&lab).await;
    let sent = mutations(&lab);
    let statuses: Vec<u16> = sent.iter().map(|request| request.status).collect();
    assert!(statuses.contains(&429) && statuses.contains(&424), "{statuses:?}");
    let added: usize = sent
        .iter()
        .filter(|request| request.status == 204)
        .map(|request| binds(request).len())
        .sum();
    assert_eq!(added, 49, "each once");
    assert_eq!(members(&lab, &target), objects(0..50));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_tight_limit_on_writes_everything_comes_through_in_time() {
    for batch_answers_424 in [false, true] {
        let mut lab = organised(30, |_| ()).await;
        for number in 0..12 {
            lab.group(&format!("Group {number}"), None, &[number, number + 1]);
        }
        lab.entra(|entra| {
            entra.set_throttle(Throttle {
                writes_per_window: Some(5),
                window_ms: 1_000,
                batch_answers_424,
                ..Throttle::default()
            });
        });
        lab.plan_and_apply(ENTRA).await;
        for number in 0..12 {
            let group = only(&lab, &format!("Group {number}"));
            assert_eq!(members(&lab, &group.id), objects([number, number + 1]));
        }
        assert!(mutations(&lab).iter().any(|request| request.status == 429));
        settled(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_graph_asks_for_an_hour_the_run_ends_and_a_later_one_finishes_it() {
    let mut lab = organised(30, |_| ()).await;
    let everybody: Vec<usize> = (0..30).collect();
    lab.group("Sales", None, &everybody);
    let plan = lab.plan(ENTRA).await;
    strike(
        &lab,
        Rule {
            skip: 1,
            times: None,
            ..throttled("PATCH", "/v1.0/groups/*", 1, Some("3600"))
        },
    );
    let begun = std::time::Instant::now();
    let outcome = lab.apply(ENTRA, &plan.plan.hash, Selection::default()).await;
    assert!(begun.elapsed().as_secs() < 120, "it does not wait for an hour");
    let failure = outcome.expect_err("the run is unfinished and says so");
    assert!(failure.to_string().contains("slow down"), "{failure}");
    assert_eq!(creations(&lab).len(), 1);

    heal(&lab);
    lab.plan_and_apply(ENTRA).await;
    assert_eq!(members(&lab, &only(&lab, "Sales").id), objects(0..30));
    assert_eq!(groups(&lab).len(), 1);
    settled(&lab).await;
}
