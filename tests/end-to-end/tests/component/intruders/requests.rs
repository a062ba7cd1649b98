//! Requests that no sync makes: to others, around the rules, to people; and what comes back of those that pass.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn r52_nobody_else_is_reached_by_whatever_name() {
    let (lab, neighbour) = (lab().await, Lab::new().await);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let own = authority(&lab.simulators.addresses().google);
    let theirs = authority(&neighbour.simulators.addresses().google);
    let here = format!("127.0.0.1:{port}");
    let places = [
        ("another tenant's vendor", theirs.clone()),
        ("loopback", here.clone()),
        ("loopback by name", format!("localhost:{port}")),
        ("loopback in IPv6", format!("[::1]:{port}")),
        ("loopback as IPv4 in IPv6", format!("[::ffff:127.0.0.1]:{port}")),
        ("loopback in decimal", format!("2130706433:{port}")),
        ("loopback in hexadecimal", format!("0x7f000001:{port}")),
        ("loopback in octal", format!("0177.0.0.1:{port}")),
        ("loopback cut short", format!("127.1:{port}")),
        ("any address", format!("0.0.0.0:{port}")),
        ("link-local", "169.254.1.1".to_owned()),
        ("metadata by address", "169.254.169.254".to_owned()),
        ("metadata as IPv4 in IPv6", "[::ffff:169.254.169.254]".to_owned()),
        ("metadata in decimal", "2852039166".to_owned()),
        ("metadata by name", "metadata.google.internal".to_owned()),
        ("metadata of another cloud", "[fd00:ec2::254]".to_owned()),
        ("a private network", "10.0.0.1".to_owned()),
        (
            "another port of the vendor's",
            format!("127.0.0.1:{}", port.wrapping_add(1)),
        ),
        (
            "a stranger behind the vendor's name",
            format!("{own}.evil.example"),
        ),
        ("the vendor's name as the user", format!("{own}@{here}")),
        ("a user at the vendor", format!("me@{own}")),
        ("a user and a password", format!("me:secret@{own}")),
    ];
    for (name, place) in &places {
        for scheme in ["https", "http"] {
            let ask = ["GET", scheme, place, GROUP, "", "accept: application/json"];
            refused(&lab, Target::Google, name, &ask).await;
        }
    }
    refused(
        &lab,
        Target::Google,
        "the vendor in the clear",
        &["GET", "http", &own, GROUP, ""],
    )
    .await;
    // A redirect is an answer: whoever follows it asks for a place that is not theirs.
    refused(
        &lab,
        Target::Google,
        "a redirect",
        &["GET", "https", "evil.example", "/next", ""],
    )
    .await;
    let knocked = tokio::time::timeout(std::time::Duration::from_millis(100), listener.accept()).await;
    assert!(knocked.is_err(), "somebody connected to this machine");
    assert_eq!(arrived(&neighbour), Vec::<String>::new());
    the_real_one_still_works(&lab, Target::Google).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r52_no_path_query_or_header_leads_around_the_rules() {
    let lab = lab().await;
    let own = authority(&lab.simulators.addresses().google);
    let secret = "c3RvbGVuLWRhdGE";
    let paths = [
        (
            "a path that no rule names",
            "/admin/directory/v1/customer/my_customer/roles".to_owned(),
        ),
        ("stolen data as a path", format!("/{secret}")),
        ("stolen data below a path", format!("{GROUP}/{secret}")),
        (
            "a path that goes up",
            "/admin/directory/v1/groups/../users/1".to_owned(),
        ),
        (
            "a path that goes up in disguise",
            "/admin/directory/v1/groups/%2e%2e/users/1".to_owned(),
        ),
        (
            "a path that goes up twice in disguise",
            "/admin/directory/v1/groups/%252e%252e/users/1".to_owned(),
        ),
        (
            "a slash in disguise",
            "/admin/directory/v1/groups%2fsales@example.com".to_owned(),
        ),
        ("a backslash", "/admin/directory/v1/groups\\..\\users".to_owned()),
        (
            "an empty segment",
            "//evil.example/admin/directory/v1/groups/a".to_owned(),
        ),
        ("a whole URL as a path", format!("https://evil.example{GROUP}")),
        ("no leading slash", "@evil.example/".to_owned()),
        (
            "a line break",
            format!("{GROUP} HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
        ),
        ("a parameter of a path", format!("{GROUP};jsessionid={secret}")),
    ];
    for (name, path) in &paths {
        refused(&lab, Target::Google, name, &["GET", "https", &own, path, ""]).await;
    }
    for (name, header) in [
        ("a method in disguise", "x-http-method-override: DELETE"),
        ("a method in another disguise", "x-http-method: DELETE"),
        ("an origin in disguise", "x-forwarded-host: evil.example"),
        ("a header of its own", "x-stolen: c3RvbGVuLWRhdGE"),
        ("a host of its own", "host: evil.example"),
        ("a length of its own", "transfer-encoding: chunked"),
        ("a credential of its own", "authorization: Bearer mine"),
    ] {
        refused(
            &lab,
            Target::Google,
            name,
            &["GET", "https", &own, GROUP, "", header],
        )
        .await;
    }
    for method in ["PUT", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PURGE", "get"] {
        refused(&lab, Target::Google, method, &[method, "https", &own, GROUP, ""]).await;
    }
    // A query of a request that is granted goes to the vendor that it was granted for, in the tenant's own name, and
    // nowhere else: who reads it there is the tenant.
    lab.simulators.clear_requests();
    let query = format!("{GROUP}?leak={secret}");
    let intruder = Intruder::of(&lab, "ask", &["GET", "https", &own, &query, ""]).await;
    let _ended = intruder.plan(Target::Google).await;
    assert_eq!(arrived(&lab), [format!("GET {GROUP}")]);
    // Headers that cannot be set at all, by any of the ways to set one.
    lab.simulators.clear_requests();
    let headers = [
        "authorization: Bearer mine",
        "Authorization: Basic bWluZQ==",
        "x-api-key: mine",
        "cookie: session=mine",
        "proxy-authorization: Basic bWluZQ==",
        "x-org-id: theirs",
        "host: evil.example",
        "connection: upgrade",
        "transfer-encoding: chunked",
        "upgrade: h2c",
        "te: trailers",
        "accept: a\r\nauthorization: Bearer mine",
        "accept\r\nauthorization: Bearer mine",
        "acc ept: a",
    ];
    let intruder = Intruder::of(&lab, "set-headers", &headers).await;
    intruder.plan(Target::Google).await.unwrap();
    assert_eq!(arrived(&lab), Vec::<String>::new());
    the_real_one_still_works(&lab, Target::Google).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r33_no_user_is_touched_plainly_or_in_a_batch_while_planning_or_applying() {
    let lab = lab().await;
    let addresses = lab.simulators.addresses();
    let (google, entra, source) = (
        authority(&addresses.google),
        authority(&addresses.graph),
        authority(&addresses.jumpcloud),
    );
    let in_graph =
        r#"{"requests":[{"id":"1","method":"DELETE","url":"/users/00000000-0000-4000-8000-000000000000"}]}"#;
    let in_google = "--b\r\nContent-Type: application/http\r\nContent-ID: <1>\r\n\r\nDELETE /admin/directory/v1/users/1 HTTP/1.1\r\n\r\n--b--";
    let json = "content-type: application/json";
    let mixed = "content-type: multipart/mixed; boundary=b";
    let cases: [(&str, Target, Vec<&str>); 9] = [
        (
            "deleting a user of Google",
            Target::Google,
            vec!["DELETE", "https", &google, "/admin/directory/v1/users/1", ""],
        ),
        (
            "suspending a user of Google",
            Target::Google,
            vec![
                "PATCH",
                "https",
                &google,
                "/admin/directory/v1/users/1",
                r#"{"suspended":true}"#,
                json,
            ],
        ),
        (
            "deleting a user in Google's batch",
            Target::Google,
            vec![
                "POST",
                "https",
                &google,
                "/batch/admin/directory_v1",
                in_google,
                mixed,
            ],
        ),
        (
            "deleting a user of Entra",
            Target::Entra,
            vec![
                "DELETE",
                "https",
                &entra,
                "/v1.0/users/00000000-0000-4000-8000-000000000000",
                "",
            ],
        ),
        (
            "deleting a user in Graph's batch",
            Target::Entra,
            vec!["POST", "https", &entra, "/v1.0/$batch", in_graph, json],
        ),
        (
            "deleting a member's own object",
            Target::Entra,
            vec![
                "DELETE",
                "https",
                &entra,
                "/v1.0/groups/00000000-0000-4000-8000-000000000000/members/00000000-0000-4000-8000-000000000001",
                "",
            ],
        ),
        (
            "deleting a group of Google",
            Target::Google,
            vec!["DELETE", "https", &google, "/admin/directory/v1/groups/g1", ""],
        ),
        (
            "creating a group while planning",
            Target::Google,
            vec![
                "POST",
                "https",
                &google,
                "/admin/directory/v1/groups",
                r#"{"email":"sales@example.com","name":"Sales","description":""}"#,
                json,
            ],
        ),
        (
            "writing to the source",
            Target::Google,
            vec![
                "POST",
                "https",
                &source,
                "/api/v2/usergroups",
                r#"{"name":"mine"}"#,
                json,
            ],
        ),
    ];
    for (name, target, ask) in &cases {
        refused(&lab, *target, name, ask).await;
    }
    for (name, target, ask) in &cases {
        let approved = lab.plan(*target).await;
        lab.simulators.clear_requests();
        let intruder = Intruder::of(&lab, "apply/ask", ask).await;
        let cancel = CancellationToken::new();
        let failure = intruder
            .host
            .apply(
                &target.connection(),
                &approved.plan.hash,
                Selection::default(),
                &cancel,
            )
            .await
            .expect_err(name);
        // The creation is one that was approved: it lacks its intent, which is the moment's fault and not a trespass.
        if !name.starts_with("creating") {
            assert_eq!(
                intruder.blamed().await,
                ["forbidden-request"],
                "{name}: {failure:?}"
            );
        }
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{name}");
    }
    for target in BOTH {
        the_real_one_still_works(&lab, target).await;
    }
}

/// Whatever it reads it tells: no credential is in any of it.
#[tokio::test(flavor = "multi_thread")]
async fn no_credential_comes_back_to_who_tells_everything() {
    let lab = lab().await;
    let addresses = lab.simulators.addresses();
    let own = authority(&addresses.google);
    let source = authority(&addresses.jumpcloud);
    for (place, path) in [
        (&own, "/admin/directory/v1/groups/nobody@example.com"),
        (&source, "/api/v2/usergroups?limit=10&skip=0&sort=_id"),
    ] {
        let intruder = Intruder::of(&lab, "ask", &["GET", "https", place, path, ""]).await;
        let _ended = intruder.plan(Target::Google).await;
        let said = intruder.said();
        let sent = lab.simulators.requests();
        assert!(
            sent.iter().any(|request| path.starts_with(&request.path)),
            "it was asked: {sent:?}"
        );
        assert!(!said.is_empty(), "it read an answer");
        for secret in ["generated-jumpcloud-key", "BEGIN PRIVATE KEY", "Bearer ", "ya29."] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}
