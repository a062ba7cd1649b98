//! Answers at the gate: redirects, sizes, counts, and those that do not come.

use super::*;

#[tokio::test]
async fn r52_a_redirect_is_an_answer_and_is_not_followed() {
    let redirect = Response::builder()
        .status(302)
        .header("location", "http://127.0.0.1:9/elsewhere")
        .body(Bytes::new())
        .unwrap();
    let (origin, seen) = server(vec![redirect]).await;
    let built = reading(&origin);
    assert_eq!(built.gate.send(get(&origin)).await.unwrap().status(), 302);
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_answer_over_the_cap_is_refused_packed_or_not() {
    use std::io::Write;
    let long = "x".repeat(10_000);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(long.as_bytes()).unwrap();
    let mut packed = answer(200, "");
    *packed.body_mut() = packer.finish().unwrap().into();
    packed
        .headers_mut()
        .insert("content-encoding", http::HeaderValue::from_static("gzip"));
    let (origin, _) = server(vec![answer(200, &long), packed.clone(), packed]).await;
    let limits = Limits {
        response_bytes: 5_000,
        ..Limits::default()
    };
    let built = gate(&origin, Phase::Reads, Arc::new(NoPermit), true, limits);
    for _ in 0..2 {
        let error = built.gate.send(get(&origin)).await.unwrap_err();
        assert_eq!(error.kind(), GateErrorKind::AnswerTooLong);
    }
    let built = reading(&origin);
    let answer = built.gate.send(get(&origin)).await.unwrap();
    assert_eq!(answer.body().len(), 10_000);
    assert!(answer.headers().get("content-encoding").is_none());
}

#[tokio::test]
async fn the_requests_and_bytes_of_a_run_are_capped() {
    let (origin, seen) = server(Vec::new()).await;
    let limits = Limits {
        requests_per_run: 2,
        request_bytes: 10,
        ..Limits::default()
    };
    let built = gate(&origin, Phase::Reads, Arc::new(NoPermit), true, limits);
    let long = request(&origin, Method::POST, "/groups", "{\"name\":\"a long one\"}");
    assert_eq!(
        built.gate.send(long).await.unwrap_err().kind(),
        GateErrorKind::RequestTooLong
    );
    for _ in 0..2 {
        built.gate.send(get(&origin)).await.unwrap();
    }
    let error = built.gate.send(get(&origin)).await.unwrap_err();
    assert_eq!(error.kind(), GateErrorKind::TooManyRequests);
    assert_eq!(seen.lock().unwrap().len(), 2);
    assert_eq!(built.gate.totals().by_status[&(Vendor::Google, 200)], 2);
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_may_have_taken_effect_and_a_dead_port_cannot() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = Origin::base(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let limits = Limits {
        request_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let built = gate(&silent, Phase::Reads, Arc::new(NoPermit), true, limits.clone());
    let error = built.gate.send(get(&silent)).await.unwrap_err();
    assert_eq!(error.kind(), GateErrorKind::AnswerLost);
    assert!(error.may_have_been_sent());
    drop(listener);
    let built = gate(&silent, Phase::Reads, Arc::new(NoPermit), true, limits);
    let error = built.gate.send(get(&silent)).await.unwrap_err();
    assert_eq!(error.kind(), GateErrorKind::NotSent);
    assert!(!error.may_have_been_sent());
}
