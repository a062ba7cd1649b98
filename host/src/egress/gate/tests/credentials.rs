//! Credentials at the gate: added on the way out, renewed once, never seen by the guest.

use super::*;

#[tokio::test]
async fn r7_the_credential_is_added_on_the_way_out_and_the_connection_is_kept() {
    let (origin, seen) = server(Vec::new()).await;
    let built = reading(&origin);
    for _ in 0..3 {
        let answer = built.gate.send(get(&origin)).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[0].1, "/admin/directory/v1/groups?customer=my_customer");
    assert_eq!(seen[0].2, "Bearer token-of-run-1");
    let recorded = format!("{:?}", built.recorder.all_sent());
    assert!(!recorded.contains("token-of-run"), "{recorded}");
}

#[tokio::test]
async fn r7_after_a_401_the_request_is_sent_once_more_with_a_new_token() {
    let (origin, seen) = server(vec![answer(401, "{}"), answer(200, "{}")]).await;
    let built = reading(&origin);
    assert_eq!(built.gate.send(get(&origin)).await.unwrap().status(), 200);
    let tokens: Vec<_> = seen.lock().unwrap().iter().map(|seen| seen.2.clone()).collect();
    assert_eq!(tokens, ["Bearer token-of-run-1", "Bearer token-of-run-2"]);

    let (origin, seen) = server((0..5).map(|_| answer(401, "{}")).collect()).await;
    let built = reading(&origin);
    assert_eq!(built.gate.send(get(&origin)).await.unwrap().status(), 401);
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn r7_a_credential_that_cannot_be_renewed_is_not_tried_twice() {
    let (origin, seen) = server(vec![answer(401, "{}")]).await;
    let built = gate(
        &origin,
        Phase::Reads,
        Arc::new(NoPermit),
        false,
        Limits::default(),
    );
    assert_eq!(built.gate.send(get(&origin)).await.unwrap().status(), 401);
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn r7_an_echoed_token_never_reaches_the_guest_and_headers_pass_a_list() {
    let mut echo = answer(200, r#"{"you":"Bearer token-of-run-1"}"#);
    for (name, value) in [
        ("set-cookie", "s=token-of-run-1"),
        ("x-echo", "token-of-run-1"),
        ("etag", "\"token-of-run-1\""),
        ("x-total-count", "7"),
    ] {
        echo.headers_mut().insert(
            HeaderName::from_static(name),
            http::HeaderValue::from_static(value),
        );
    }
    let (origin, _) = server(vec![echo]).await;
    let built = reading(&origin);
    let answer = built.gate.send(get(&origin)).await.unwrap();
    let shown = format!("{:?}", answer);
    assert!(!shown.contains("token-of-run-1"), "{shown}");
    assert!(answer.headers().get("set-cookie").is_none() && answer.headers().get("x-echo").is_none());
    assert_eq!(answer.headers()["x-total-count"], "7");
    assert_eq!(answer.body(), &Bytes::from(r#"{"you":"Bearer **************"}"#));
    assert!(built.recorder.all_sent()[0].echoed_secret);
}
