//! Google Workspace: the Directory API's groups and members, alone and in its multipart batch.

use super::super::headers;
use super::super::multipart;
use super::{Decoded, DecodedPart, Effect, Refusal, Single, SingleBody, WireRequest, WireWrite};

/// Calls in one batch, by the vendor's own limit.
const BATCH_LIMIT: usize = 1_000;

/// Understands a request to Google.
///
/// # Errors
/// If it is no read and none of a plan's operations.
pub fn decode(request: &WireRequest<'_>) -> Result<Decoded, Refusal> {
    let single = Single::of(request)?;
    if matches!(
        single.path.segments().as_slice(),
        ["batch"] | ["batch", "admin", "directory", "v1"]
    ) {
        return batch(request, single);
    }
    Ok(Decoded::single(one(single, None)?))
}

fn batch(request: &WireRequest<'_>, single: Single<'_>) -> Result<Decoded, Refusal> {
    if request.method != "POST" {
        return Err(Refusal::Unknown(single.label));
    }
    single.no_query()?;
    let content_type =
        headers::get(request.headers, "content-type").ok_or_else(|| single.refuse("has no content type"))?;
    let boundary = multipart::boundary(content_type).map_err(|why| single.refuse(why))?;
    let requests = multipart::requests(request.body, &boundary).map_err(|why| single.refuse(why))?;
    if requests.len() > BATCH_LIMIT {
        return Err(single.refuse(format!(
            "{} calls in one batch; {BATCH_LIMIT} are the most",
            requests.len()
        )));
    }
    let mut parts = Vec::with_capacity(requests.len());
    for part in &requests {
        let (path, query) = match part.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (part.target.as_str(), None),
        };
        let inner = Single::new(
            &part.method,
            path,
            query,
            &part.headers,
            SingleBody::Bytes(&part.body),
        )?;
        parts.push(one(inner, part.id.clone())?);
    }
    Ok(Decoded {
        method: request.method.to_owned(),
        path: single.path,
        batch: true,
        parts,
    })
}

fn one(single: Single<'_>, id: Option<String>) -> Result<DecodedPart, Refusal> {
    let path = single.path.clone();
    let segments = path.segments();
    let ["admin", "directory", "v1", below @ ..] = segments.as_slice() else {
        return Err(Refusal::Unknown(single.label));
    };
    if single.method == "GET" {
        single.no_body()?;
        return Ok(single.read(id));
    }
    if below
        .first()
        .is_some_and(|first| first.eq_ignore_ascii_case("users"))
    {
        return Err(Refusal::UserWrite(single.label));
    }
    let write = match (single.method, below) {
        ("POST", ["groups"]) => {
            let object = single.object(&["email", "name", "description"])?;
            WireWrite::CreateGroup {
                key: single.required_text(&object, "email")?,
                name: single.text(&object, "name")?.unwrap_or_default(),
                description: single.text(&object, "description")?.unwrap_or_default(),
            }
        }
        ("PATCH", ["groups", group]) => {
            let object = single.object(&["name", "description", "email"])?;
            if object.is_empty() {
                return Err(single.refuse("changes nothing"));
            }
            WireWrite::UpdateGroup {
                group: single.id(group)?,
                name: single.text(&object, "name")?,
                description: single.text(&object, "description")?,
                address: single.text(&object, "email")?,
            }
        }
        ("POST", ["groups", group, "members"]) => {
            let object = single.object(&["id", "role"])?;
            // Owners and managers are never made (R39, R52).
            if single.required_text(&object, "role")? != "MEMBER" {
                return Err(single.refuse("gives another role than MEMBER"));
            }
            WireWrite::AddMember {
                group: single.id(group)?,
                principal: single.id(&single.required_text(&object, "id")?)?,
            }
        }
        ("DELETE", ["groups", group, "members", member]) => {
            single.no_body()?;
            WireWrite::RemoveMember {
                group: single.id(group)?,
                principal: single.id(member)?,
            }
        }
        _ => return Err(Refusal::Unknown(single.label)),
    };
    // `fields` only shortens the answer.
    if single
        .query
        .is_some_and(|query| !query.starts_with("fields=") || query.contains('&'))
    {
        return Err(single.refuse("has a query, which a write must not have"));
    }
    Ok(single.done(id, Effect::Write(vec![write])))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::headers::Plain;
    use super::super::super::origin::Origin;
    use super::*;

    fn with_type(content_type: &str, method: &str, path: &str, body: &str) -> Result<Decoded, Refusal> {
        let origin = Origin::base("https://admin.googleapis.com").unwrap();
        let headers: Plain = vec![("content-type".into(), content_type.into())];
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        decode(&WireRequest {
            origin: &origin,
            method,
            path,
            query,
            headers: &headers,
            body: body.as_bytes(),
        })
    }

    fn json(method: &str, path: &str, body: &str) -> Result<Decoded, Refusal> {
        with_type(
            "application/json",
            method,
            &format!("/admin/directory/v1{path}"),
            body,
        )
    }

    fn batch_of(parts: &[String]) -> String {
        let mut text = String::new();
        for (number, part) in parts.iter().enumerate() {
            text.push_str(&format!(
                "--b\r\nContent-Type: application/http\r\nContent-ID: <{number}>\r\n\r\n{part}\r\n"
            ));
        }
        text + "--b--\r\n"
    }

    #[test]
    fn r44_the_four_operations_are_read_from_the_wire() {
        assert_eq!(
            json(
                "POST",
                "/groups",
                r#"{"email":"a@x","name":"A","description":"d"}"#
            )
            .unwrap()
            .writes(),
            [WireWrite::CreateGroup {
                key: "a@x".into(),
                name: "A".into(),
                description: "d".into()
            }]
        );
        assert_eq!(
            json("PATCH", "/groups/01abc", r#"{"email":"b@x"}"#)
                .unwrap()
                .writes(),
            [WireWrite::UpdateGroup {
                group: "01abc".into(),
                name: None,
                description: None,
                address: Some("b@x".into())
            }]
        );
        assert_eq!(
            json("POST", "/groups/01abc/members", r#"{"id":"117","role":"MEMBER"}"#)
                .unwrap()
                .writes(),
            [WireWrite::AddMember {
                group: "01abc".into(),
                principal: "117".into()
            }]
        );
        assert_eq!(
            json("DELETE", "/groups/01abc/members/117", "").unwrap().writes(),
            [WireWrite::RemoveMember {
                group: "01abc".into(),
                principal: "117".into()
            }]
        );
        assert!(
            json("GET", "/groups/a@x?fields=id", "")
                .unwrap()
                .writes()
                .is_empty()
        );
    }

    #[test]
    fn r33_every_request_that_changes_a_user_is_refused() {
        for (method, path) in [
            ("PATCH", "/users/1"),
            ("PUT", "/users/1"),
            ("POST", "/users"),
            ("DELETE", "/users/1"),
            ("POST", "/users/1/makeAdmin"),
            ("POST", "/Users/1/undelete"),
        ] {
            assert!(
                matches!(json(method, path, "{}"), Err(Refusal::UserWrite(_))),
                "{method} {path}"
            );
        }
    }

    #[test]
    fn r52_writes_that_no_plan_holds_are_refused() {
        for (method, path, body) in [
            ("DELETE", "/groups/01abc", ""),
            ("PUT", "/groups/01abc", r#"{"name":"x"}"#),
            ("PATCH", "/groups/01abc/members/117", r#"{"role":"OWNER"}"#),
            ("POST", "/groups/01abc/aliases", r#"{"alias":"x@y"}"#),
            ("DELETE", "/groups/01abc/aliases/x@y", ""),
            ("POST", "/customer/my_customer/roleassignments", "{}"),
            ("HEAD", "/groups", ""),
        ] {
            assert!(
                matches!(json(method, path, body), Err(Refusal::Unknown(_))),
                "{method} {path}"
            );
        }
        assert!(with_type("application/json", "GET", "/gmail/v1/users", "").is_err());
        assert!(with_type("application/json", "PATCH", "/groups/v1/groups/a@x", "{}").is_err());
    }

    #[test]
    fn r52_bodies_with_other_properties_are_refused() {
        for (path, method, body) in [
            (
                "/groups",
                "POST",
                r#"{"email":"a@x","name":"A","externalIds":[]}"#,
            ),
            ("/groups", "POST", r#"{"name":"A"}"#),
            ("/groups", "POST", r#"{"email":"a@x","email":"b@x"}"#),
            ("/groups/1", "PATCH", "{}"),
            ("/groups/1", "PATCH", r#"{"name":null}"#),
            ("/groups/1", "PATCH", "[]"),
            ("/groups/1/members", "POST", r#"{"id":"1","role":"OWNER"}"#),
            ("/groups/1/members", "POST", r#"{"id":"1"}"#),
            ("/groups/1/members", "POST", r#"{"email":"a@x","role":"MEMBER"}"#),
            ("/groups/1/members", "POST", r#"{"id":"a@x","role":"MEMBER"}"#),
            ("/groups/1/members?x=y", "POST", r#"{"id":"1","role":"MEMBER"}"#),
            (
                "/groups/1/members?fields=id&uploadType=media",
                "POST",
                r#"{"id":"1","role":"MEMBER"}"#,
            ),
            ("/groups/1/members/2", "DELETE", "{}"),
        ] {
            assert!(
                matches!(json(method, path, body), Err(Refusal::Content { .. })),
                "{method} {path} {body}"
            );
        }
        let form = with_type(
            "application/x-www-form-urlencoded",
            "POST",
            "/admin/directory/v1/groups",
            "email=a@x",
        );
        assert!(matches!(form, Err(Refusal::Content { .. })));
    }

    #[test]
    fn r31_writes_name_groups_and_members_by_id_and_never_by_address() {
        assert!(json("DELETE", "/groups/sales@x/members/117", "").is_err());
        assert!(json("DELETE", "/groups/01abc/members/a@x", "").is_err());
        assert!(json("PATCH", "/groups/sales@x", r#"{"name":"N"}"#).is_err());
    }

    #[test]
    fn r44_every_part_of_a_batch_is_read() {
        let body = batch_of(&[
            "GET /admin/directory/v1/groups/1/members?maxResults=200 HTTP/1.1\r\n\r\n".into(),
            "DELETE /admin/directory/v1/groups/1/members/2 HTTP/1.1\r\n\r\n".into(),
        ]);
        let decoded = with_type("multipart/mixed; boundary=b", "POST", "/batch", &body).unwrap();
        assert!(decoded.batch);
        assert_eq!(decoded.parts.len(), 2);
        assert_eq!(decoded.parts[0].effect, Effect::Read);
        assert_eq!(decoded.writes().len(), 1);
    }

    #[test]
    fn r33_a_batch_with_one_bad_part_is_refused_as_a_whole() {
        for bad in [
            "PATCH /admin/directory/v1/users/1 HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{\"suspended\":true}",
            "POST /batch HTTP/1.1\r\n\r\n",
            "DELETE /admin/directory/v1/groups/1 HTTP/1.1\r\n\r\n",
            "DELETE /admin/directory/v1/groups/1/../../users/2 HTTP/1.1\r\n\r\n",
            "DELETE https://admin.googleapis.com/admin/directory/v1/groups/1/members/2 HTTP/1.1\r\n\r\n",
            "GET /admin/directory/v1/groups/1 HTTP/1.1\r\nX-HTTP-Method-Override: DELETE\r\n\r\n",
        ] {
            let body = batch_of(&[
                "GET /admin/directory/v1/groups/1 HTTP/1.1\r\n\r\n".into(),
                bad.into(),
            ]);
            assert!(
                with_type("multipart/mixed; boundary=b", "POST", "/batch", &body).is_err(),
                "{bad}"
            );
        }
        assert!(with_type("application/json", "POST", "/batch", "{}").is_err());
        assert!(with_type("multipart/mixed; boundary=b", "GET", "/batch", "").is_err());
    }

    fn encode(write: &WireWrite) -> (String, String, String) {
        let root = "/admin/directory/v1/groups";
        match write {
            WireWrite::CreateGroup {
                key,
                name,
                description,
            } => (
                "POST".into(),
                root.into(),
                serde_json::json!({"email": key, "name": name, "description": description}).to_string(),
            ),
            WireWrite::UpdateGroup {
                group,
                name,
                description,
                address,
            } => {
                let mut body = serde_json::Map::new();
                for (key, value) in [("name", name), ("description", description), ("email", address)] {
                    if let Some(value) = value {
                        body.insert(key.into(), value.clone().into());
                    }
                }
                (
                    "PATCH".into(),
                    format!("{root}/{group}"),
                    serde_json::Value::Object(body).to_string(),
                )
            }
            WireWrite::AddMember { group, principal } => (
                "POST".into(),
                format!("{root}/{group}/members"),
                serde_json::json!({"id": principal, "role": "MEMBER"}).to_string(),
            ),
            WireWrite::RemoveMember { group, principal } => (
                "DELETE".into(),
                format!("{root}/{group}/members/{principal}"),
                String::new(),
            ),
        }
    }

    fn any_write() -> impl Strategy<Value = WireWrite> {
        let id = "[a-zA-Z0-9_-]{1,20}";
        prop_oneof![
            (".{0,12}", ".{0,12}", ".{0,12}").prop_map(|(key, name, description)| WireWrite::CreateGroup {
                key,
                name,
                description
            }),
            (id, ".{0,12}", proptest::option::of(".{0,12}")).prop_map(|(group, name, address)| {
                WireWrite::UpdateGroup {
                    group,
                    name: Some(name),
                    description: None,
                    address,
                }
            }),
            (id, id).prop_map(|(group, principal)| WireWrite::AddMember { group, principal }),
            (id, id).prop_map(|(group, principal)| WireWrite::RemoveMember { group, principal }),
        ]
    }

    proptest! {
        #[test]
        fn r44_a_write_is_read_as_the_operation_that_it_was_written_from(write in any_write()) {
            let (method, path, body) = encode(&write);
            let decoded = with_type("application/json", &method, &path, &body).unwrap();
            prop_assert_eq!(decoded.writes(), [write]);
        }

        #[test]
        fn r44_what_passes_as_a_write_writes_again_to_the_same_operation(
            method in "(GET|POST|PATCH|PUT|DELETE)",
            path in "/admin/directory/v1/(groups|users|groups/1|groups/1/members|groups/1/members/2|groups/a@x)",
            body in r#"(|\{\}|\{"id":"[a-z1]{1,3}","role":"(MEMBER|OWNER)"\}|\{"(name|email|id)":"[a-z@]{0,4}"\})"#,
        ) {
            if let Ok(decoded) = with_type("application/json", &method, &path, &body) {
                for write in decoded.writes() {
                    let (method, path, body) = encode(&write);
                    prop_assert_eq!(
                        with_type("application/json", &method, &path, &body).unwrap().writes(),
                        [write]
                    );
                }
            }
        }

        #[test]
        fn decoding_never_panics(method in "[A-Z]{0,6}", path in "/[ -~]{0,40}", body in ".{0,60}", kind in "[ -~]{0,40}") {
            let _ = with_type(&kind, &method, &path, &body);
            let _ = with_type("multipart/mixed; boundary=b", "POST", "/batch", &body);
        }
    }
}
