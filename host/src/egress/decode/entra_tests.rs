//! Tests of the Entra decoder.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn graph() -> Origin {
    Origin::base("https://graph.microsoft.com").unwrap()
}

fn send(method: &str, path: &str, prefer: Option<&str>, body: &str) -> Result<Decoded, Refusal> {
    let mut headers: Plain = vec![("content-type".into(), "application/json".into())];
    if let Some(prefer) = prefer {
        headers.push(("prefer".into(), prefer.into()));
    }
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    decode(&WireRequest {
        origin: &graph(),
        method,
        path,
        query,
        headers: &headers,
        body: body.as_bytes(),
    })
}

fn reference(id: &str) -> String {
    format!("https://graph.microsoft.com/v1.0/directoryObjects/{id}")
}

fn creation() -> Value {
    json!({"displayName": "Sales", "description": null, "mailEnabled": false, "mailNickname": "gc-1",
           "securityEnabled": true, "groupTypes": []})
}

const CREATE: &str = "/v1.0/groups(uniqueName='gc-1')";

#[test]
fn r44_the_four_operations_are_read_from_the_wire() {
    assert_eq!(
        send(
            "PATCH",
            CREATE,
            Some("create-if-missing"),
            &creation().to_string()
        )
        .unwrap()
        .writes(),
        [WireWrite::CreateGroup {
            key: "gc-1".into(),
            name: "Sales".into(),
            description: String::new()
        }]
    );
    assert_eq!(
        send(
            "PATCH",
            "/v1.0/groups/g1",
            None,
            r#"{"displayName":"N","description":null}"#
        )
        .unwrap()
        .writes(),
        [WireWrite::UpdateGroup {
            group: "g1".into(),
            name: Some("N".into()),
            description: Some(String::new()),
            address: None
        }]
    );
    let add = |principal: &str| WireWrite::AddMember {
        group: "g1".into(),
        principal: principal.into(),
    };
    let bind = json!({"members@odata.bind": [reference("u1"), "https://graph.microsoft.com/v1.0/users/u2"]});
    assert_eq!(
        send("PATCH", "/v1.0/groups/g1", None, &bind.to_string())
            .unwrap()
            .writes(),
        [add("u1"), add("u2")]
    );
    let one = json!({"@odata.id": reference("u1")});
    assert_eq!(
        send("POST", "/v1.0/groups/g1/members/$ref", None, &one.to_string())
            .unwrap()
            .writes(),
        [add("u1")]
    );
    assert_eq!(
        send("DELETE", "/v1.0/groups/g1/members/u1/$ref", None, "")
            .unwrap()
            .writes(),
        [WireWrite::RemoveMember {
            group: "g1".into(),
            principal: "u1".into()
        }]
    );
    assert!(
        send("GET", "/v1.0/users?$top=999", None, "")
            .unwrap()
            .writes()
            .is_empty()
    );
}

#[test]
fn r33_a_member_is_never_deleted_without_ref() {
    for path in ["/v1.0/groups/g1/members/u1", "/v1.0/groups/g1/owners/u1"] {
        let refusal = send("DELETE", path, None, "").unwrap_err();
        assert!(matches!(refusal, Refusal::DeleteWithoutReference(_)), "{refusal}");
        assert!(refusal.to_string().contains("deletes the member itself"));
    }
    for path in [
        "/v1.0/groups/g1/members/u1/",
        "/v1.0/groups/g1/members/u1%2F$ref",
        "/v1.0/groups/g1/members/$ref",
    ] {
        assert!(send("DELETE", path, None, "").is_err(), "{path}");
    }
    assert!(send("DELETE", "/v1.0/groups/g1/members/$ref?@id=x", None, "").is_err());
    let batch = json!({"requests": [{"id": "1", "method": "DELETE", "url": "/groups/g1/members/u1"}]});
    assert!(matches!(
        send("POST", "/v1.0/$batch", None, &batch.to_string()),
        Err(Refusal::DeleteWithoutReference(_))
    ));
}

#[test]
fn r33_every_request_that_changes_a_user_is_refused() {
    for (method, path) in [
        ("PATCH", "/v1.0/users/u1"),
        ("POST", "/v1.0/users"),
        ("DELETE", "/v1.0/users/u1"),
        ("PATCH", "/v1.0/Users/u1"),
        ("PATCH", "/v1.0/users(userPrincipalName='a@x')"),
        ("POST", "/v1.0/users/u1/revokeSignInSessions"),
        ("PATCH", "/v1.0/me"),
    ] {
        assert!(
            matches!(send(method, path, None, "{}"), Err(Refusal::UserWrite(_))),
            "{method} {path}"
        );
        let inner = path.strip_prefix("/v1.0").unwrap();
        let batch = json!({"requests": [{"id": "1", "method": method, "url": inner, "body": {},
                                         "headers": {"Content-Type": "application/json"}}]});
        assert!(
            matches!(
                send("POST", "/v1.0/$batch", None, &batch.to_string()),
                Err(Refusal::UserWrite(_))
            ),
            "{method} {path} in a batch"
        );
    }
}

#[test]
fn r52_writes_that_no_plan_holds_are_refused() {
    for (method, path) in [
        ("POST", "/v1.0/groups"),
        ("DELETE", "/v1.0/groups/g1"),
        ("PUT", "/v1.0/groups/g1"),
        ("POST", "/v1.0/groups/g1/owners/$ref"),
        ("DELETE", "/v1.0/groups/g1/owners/u1/$ref"),
        ("POST", "/v1.0/Groups/g1/members/$ref"),
        ("DELETE", "/v1.0/directoryObjects/u1"),
        ("PATCH", "/v1.0/groups(mailNickname='x')"),
        ("POST", "/beta/groups/g1/members/$ref"),
        ("GET", "/beta/groups"),
        ("POST", "/v1.0/directoryObjects/getByIds"),
        ("HEAD", "/v1.0/groups"),
    ] {
        assert!(
            matches!(send(method, path, None, "{}"), Err(Refusal::Unknown(_))),
            "{method} {path}"
        );
    }
}

#[test]
fn r22_only_a_plain_security_group_may_be_created() {
    for (name, value) in [
        ("mailEnabled", json!(true)),
        ("securityEnabled", json!(false)),
        ("groupTypes", json!(["Unified"])),
        ("groupTypes", json!(["DynamicMembership"])),
        ("isAssignableToRole", json!(true)),
        ("owners@odata.bind", json!([reference("u1")])),
        ("members@odata.bind", json!([reference("u1")])),
        ("uniqueName", json!("other")),
        ("mailNickname", json!("a b")),
        ("mailNickname", json!("")),
        ("displayName", json!(null)),
    ] {
        let mut body = creation();
        body[name] = value.clone();
        let answer = send("PATCH", CREATE, Some("create-if-missing"), &body.to_string());
        assert!(matches!(answer, Err(Refusal::Content { .. })), "{name}: {value}");
    }
}

#[test]
fn r44_create_if_missing_stands_with_a_creation_and_nowhere_else() {
    let body = creation().to_string();
    for prefer in [
        None,
        Some("return=minimal"),
        Some("create-if-missing, return=minimal"),
    ] {
        assert!(send("PATCH", CREATE, prefer, &body).is_err(), "{prefer:?}");
    }
    assert!(
        send(
            "PATCH",
            "/v1.0/groups/g1",
            Some("create-if-missing"),
            r#"{"displayName":"N"}"#
        )
        .is_err()
    );
    assert!(
        send(
            "PATCH",
            "/v1.0/groups/g1",
            Some("return=minimal"),
            r#"{"displayName":"N"}"#
        )
        .is_ok()
    );
}

#[test]
fn r52_a_change_of_a_group_sets_name_and_description_or_binds_members_and_nothing_else() {
    let many: Vec<_> = (0..21).map(|number| reference(&format!("u{number}"))).collect();
    for body in [
        json!({}),
        json!({"owners@odata.bind": [reference("u1")]}),
        json!({"members@odata.bind": [reference("u1")], "displayName": "N"}),
        json!({"members@odata.bind": []}),
        json!({"members@odata.bind": many}),
        json!({"members@odata.bind": reference("u1")}),
        json!({"Members@odata.bind": [reference("u1")]}),
        json!({"securityEnabled": false}),
        json!({"displayName": null}),
    ] {
        let answer = send("PATCH", "/v1.0/groups/g1", None, &body.to_string());
        assert!(matches!(answer, Err(Refusal::Content { .. })), "{body}");
    }
}

#[test]
fn r52_references_that_lead_elsewhere_are_refused() {
    for reference in [
        "https://evil.example/v1.0/directoryObjects/u1",
        "https://graph.microsoft.com.evil.example/v1.0/directoryObjects/u1",
        "https://graph.microsoft.com@evil.example/v1.0/directoryObjects/u1",
        "http://graph.microsoft.com/v1.0/directoryObjects/u1",
        "https://graph.microsoft.com/beta/directoryObjects/u1",
        "https://graph.microsoft.com/v1.0/groups/g2",
        "https://graph.microsoft.com/v1.0/directoryObjects/u1/../u2",
        "https://graph.microsoft.com/v1.0/directoryObjects/",
        "https://graph.microsoft.com/v1.0/users/a@x",
        "directoryObjects/u1",
    ] {
        let body = json!({"@odata.id": reference}).to_string();
        let answer = send("POST", "/v1.0/groups/g1/members/$ref", None, &body);
        assert!(matches!(answer, Err(Refusal::Content { .. })), "{reference}");
    }
}

#[test]
fn r44_every_part_of_a_batch_is_read() {
    let batch = json!({"requests": [
        {"id": "1", "method": "GET", "url": "/groups/g1/members?$top=5", "headers": {"ConsistencyLevel": "eventual"}},
        {"id": "2", "method": "DELETE", "url": "/groups/g1/members/u1/$ref", "dependsOn": ["1"]},
        {"id": "3", "method": "PATCH", "url": "/groups(uniqueName='gc-1')", "body": creation(),
         "headers": {"Content-Type": "application/json", "Prefer": "create-if-missing"}},
    ]});
    let decoded = send("POST", "/v1.0/$batch", None, &batch.to_string()).unwrap();
    assert!(decoded.batch);
    assert_eq!(decoded.parts[0].effect, Effect::Read);
    assert_eq!(decoded.parts[1].path.as_str(), "/v1.0/groups/g1/members/u1/$ref");
    assert_eq!(decoded.writes().len(), 2);
}

#[test]
fn r44_a_batch_that_is_not_exact_is_refused_as_a_whole() {
    let read = r#"{"id":"1","method":"GET","url":"/groups"}"#;
    for body in [
        "{}".to_owned(),
        r#"{"requests":[]}"#.to_owned(),
        format!(r#"{{"requests":[{read},{read}]}}"#),
        format!(r#"{{"requests":[{read}],"requests":[{read}]}}"#),
        format!(r#"{{"requests":[{read}],"other":1}}"#),
        r#"{"requests":[{"id":"1","method":"GET","url":"/groups","method":"DELETE"}]}"#.to_owned(),
        r#"{"requests":[{"id":"1","method":"GET","url":"https://evil.example/groups"}]}"#.to_owned(),
        r#"{"requests":[{"id":"1","method":"GET","url":"//evil.example/groups"}]}"#.to_owned(),
        r#"{"requests":[{"id":"1","method":"GET","url":"groups"}]}"#.to_owned(),
        r#"{"requests":[{"id":"1","method":"GET","url":"/groups/../users"}]}"#.to_owned(),
        r#"{"requests":[{"id":"1","method":"GET","url":"/groups#x"}]}"#.to_owned(),
        r#"{"requests":[{"id":"1","method":"POST","url":"/$batch","body":{"requests":[]},"headers":{"Content-Type":"application/json"}}]}"#.to_owned(),
        r#"{"requests":[{"id":"1","method":"GET","url":"/groups","headers":{"X-HTTP-Method-Override":"DELETE"}}]}"#.to_owned(),
        r#"{"requests":[{"id":"1","method":"GET","url":"/groups","headers":{"Authorization":"Bearer x"}}]}"#.to_owned(),
        r#"{"requests":[{"id":"1","method":"GET","url":"/groups","headers":{"Prefer":"a","prefer":"b"}}]}"#.to_owned(),
        r#"{"requests":[{"id":"1","method":"GET","url":"/groups","body":{}}]}"#.to_owned(),
        r#"{"requests":[{"id":1,"method":"GET","url":"/groups"}]}"#.to_owned(),
        r#"{"requests":[{"id":"1","method":"GET","url":"/groups","dependsOn":"2"}]}"#.to_owned(),
    ] {
        assert!(send("POST", "/v1.0/$batch", None, &body).is_err(), "{body}");
    }
    assert!(
        send(
            "POST",
            "/v1.0/$batch?x=1",
            None,
            &format!(r#"{{"requests":[{read}]}}"#)
        )
        .is_err()
    );
    assert!(
        send(
            "POST",
            "/v1.0/$batch",
            Some("create-if-missing"),
            &format!(r#"{{"requests":[{read}]}}"#)
        )
        .is_err()
    );
    let many: Vec<_> = (0..21)
        .map(|id| json!({"id": id.to_string(), "method": "GET", "url": "/groups"}))
        .collect();
    assert!(
        send(
            "POST",
            "/v1.0/$batch",
            None,
            &json!({ "requests": many }).to_string()
        )
        .is_err()
    );
}

fn encode(write: &WireWrite) -> (&'static str, String, Option<&'static str>, String) {
    match write {
        WireWrite::CreateGroup {
            key,
            name,
            description,
        } => {
            let mut body = creation();
            body["displayName"] = json!(name);
            body["description"] = json!(description);
            let key = percent_encoding::utf8_percent_encode(&key.replace('\'', "''"), UNRESERVED).to_string();
            (
                "PATCH",
                format!("/v1.0/groups(uniqueName='{key}')"),
                Some("create-if-missing"),
                body.to_string(),
            )
        }
        WireWrite::UpdateGroup {
            group,
            name,
            description,
            ..
        } => {
            let mut body = Map::new();
            if let Some(name) = name {
                body.insert("displayName".into(), json!(name));
            }
            if let Some(description) = description {
                body.insert("description".into(), json!(description));
            }
            (
                "PATCH",
                format!("/v1.0/groups/{group}"),
                None,
                Value::Object(body).to_string(),
            )
        }
        WireWrite::AddMember { group, principal } => (
            "POST",
            format!("/v1.0/groups/{group}/members/$ref"),
            None,
            json!({"@odata.id": reference(principal)}).to_string(),
        ),
        WireWrite::RemoveMember { group, principal } => (
            "DELETE",
            format!("/v1.0/groups/{group}/members/{principal}/$ref"),
            None,
            String::new(),
        ),
    }
}

const UNRESERVED: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

fn any_write() -> impl Strategy<Value = WireWrite> {
    let id = "[a-zA-Z0-9-]{1,36}";
    prop_oneof![
        ("[a-zA-Z0-9' -]{1,12}", ".{0,12}", ".{0,12}").prop_map(|(key, name, description)| {
            WireWrite::CreateGroup {
                key,
                name,
                description,
            }
        }),
        (id, ".{0,12}", proptest::option::of(".{0,12}")).prop_map(|(group, name, description)| {
            WireWrite::UpdateGroup {
                group,
                name: Some(name),
                description,
                address: None,
            }
        }),
        (id, id).prop_map(|(group, principal)| WireWrite::AddMember { group, principal }),
        (id, id).prop_map(|(group, principal)| WireWrite::RemoveMember { group, principal }),
    ]
}

proptest! {
    #[test]
    fn r44_a_write_is_read_as_the_operation_that_it_was_written_from(write in any_write()) {
        let (method, path, prefer, body) = encode(&write);
        let decoded = send(method, &path, prefer, &body).unwrap();
        prop_assert_eq!(decoded.writes(), [write]);
    }

    #[test]
    fn r44_what_passes_as_a_write_writes_again_to_the_same_operation(
        method in "(POST|PATCH|DELETE)",
        path in "/v1.0/(groups/g1|groups/g1/members/[$]ref|groups/g1/members/u1(/[$]ref)?|users/u1|groups[(]uniqueName='k'[)])",
        key in "(displayName|description|@odata.id|members@odata.bind|x)",
        value in "(null|\"[a-z]{0,3}\"|\\[\"https://graph.microsoft.com/v1.0/directoryObjects/u1\"\\])",
        empty in any::<bool>(),
    ) {
        let body = if empty { String::new() } else { format!("{{\"{key}\":{value}}}") };
        if let Ok(decoded) = send(&method, &path, None, &body) {
            for write in decoded.writes() {
                let (method, path, prefer, body) = encode(&write);
                prop_assert_eq!(send(method, &path, prefer, &body).unwrap().writes(), [write]);
            }
        }
    }

    #[test]
    fn decoding_never_panics(method in "[A-Z]{0,6}", path in "/[ -~]{0,40}", body in ".{0,80}") {
        let _ = send(&method, &path, None, &body);
        let _ = send("POST", "/v1.0/$batch", None, &body);
        let batch = json!({"requests": [{"id": "1", "method": method, "url": path, "body": body}]});
        let _ = send("POST", "/v1.0/$batch", None, &batch.to_string());
    }
}
