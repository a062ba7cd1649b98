//! What the vendor's own answers teach: which ID a group has that was created under a key.

use bytes::Bytes;
use serde_json::Value;

use super::decode::{Decoded, DecodedPart, Effect, WireWrite};
use super::multipart;
use super::origin::Vendor;
use super::rules::quoted_key;

/// Key and ID of every group that a successful answer names.
pub fn keys_and_ids(
    vendor: Vendor,
    decoded: &Decoded,
    status: u16,
    content_type: Option<&str>,
    body: &Bytes,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    // A Graph batch with a throttled part may answer 424 itself; its parts were carried out all the same, each with a
    // status of its own.
    let partial = vendor == Vendor::Entra && decoded.batch && status == 424;
    if vendor == Vendor::Jumpcloud || !(partial || (200..300).contains(&status)) {
        return found;
    }
    let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or(Value::Null);
    if !decoded.batch {
        if let [part] = decoded.parts.as_slice() {
            learn(vendor, part, &parse(body), &mut found);
        }
        return found;
    }
    let answers: Vec<(String, u16, Value)> = match vendor {
        Vendor::Google => {
            let boundary = content_type.and_then(|kind| multipart::boundary(kind).ok());
            multipart::answers(body, boundary.as_deref().unwrap_or_default())
                .into_iter()
                .filter_map(|answer| Some((bare(&answer.id?), answer.status, parse(&answer.body))))
                .collect()
        }
        _ => graph_answers(&parse(body)),
    };
    for (id, status, value) in answers {
        let part = decoded
            .parts
            .iter()
            .find(|part| part.id.as_deref().is_some_and(|name| bare(name) == id));
        if let Some(part) = part.filter(|_| (200..300).contains(&status)) {
            learn(vendor, part, &value, &mut found);
        }
    }
    found
}

/// A Content-ID without its brackets and without what Google puts before it in answers.
fn bare(id: &str) -> String {
    let id = id.trim().trim_start_matches('<').trim_end_matches('>');
    id.strip_prefix("response-").unwrap_or(id).to_owned()
}

fn graph_answers(body: &Value) -> Vec<(String, u16, Value)> {
    body.get("responses")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|answer| {
            let id = answer.get("id")?.as_str()?.to_owned();
            let status = u16::try_from(answer.get("status")?.as_u64()?).ok()?;
            Some((id, status, answer.get("body").cloned().unwrap_or(Value::Null)))
        })
        .collect()
}

fn learn(vendor: Vendor, part: &DecodedPart, body: &Value, found: &mut Vec<(String, String)>) {
    let segments = part.path.segments();
    match (vendor, segments.as_slice()) {
        (
            Vendor::Google,
            ["admin", "directory", "v1", "groups"] | ["admin", "directory", "v1", "groups", _],
        ) => {
            for group in objects(body, "groups") {
                let Some(id) = text(group, "id") else { continue };
                match (text(group, "email"), &part.effect) {
                    (Some(email), effect) => {
                        // Addresses differ in case without being different; keys are compared exactly.
                        if let Effect::Write(writes) = effect
                            && let [WireWrite::CreateGroup { key, .. }] = writes.as_slice()
                            && key.eq_ignore_ascii_case(email)
                        {
                            found.push((key.clone(), id.to_owned()));
                        }
                        found.push((email.to_ascii_lowercase(), id.to_owned()));
                        found.push((email.to_owned(), id.to_owned()));
                    }
                    (None, Effect::Write(writes)) => {
                        if let [WireWrite::CreateGroup { key, .. }] = writes.as_slice() {
                            found.push((key.clone(), id.to_owned()));
                        }
                    }
                    (None, Effect::Read) => {}
                }
            }
        }
        (Vendor::Entra, ["v1.0", keyed, ..])
            if keyed.starts_with("groups(uniqueName='") && segments.len() == 2 =>
        {
            let key = keyed
                .strip_prefix("groups(uniqueName='")
                .and_then(|rest| rest.strip_suffix("')"))
                .and_then(quoted_key);
            if let (Some(key), Some(id)) = (key, text(body, "id")) {
                found.push((key, id.to_owned()));
            }
        }
        (Vendor::Entra, ["v1.0", "groups"] | ["v1.0", "groups", _]) => {
            for group in objects(body, "value") {
                if let (Some(key), Some(id)) = (text(group, "uniqueName"), text(group, "id")) {
                    found.push((key.to_owned(), id.to_owned()));
                }
            }
        }
        _ => {}
    }
}

fn objects<'a>(body: &'a Value, list: &str) -> Vec<&'a Value> {
    match body.get(list).and_then(Value::as_array) {
        Some(items) => items.iter().collect(),
        None => vec![body],
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::super::path::CanonicalPath;
    use super::*;

    fn part(id: Option<&str>, path: &str, effect: Effect) -> DecodedPart {
        DecodedPart {
            id: id.map(str::to_owned),
            method: "GET".into(),
            path: CanonicalPath::parse(path).unwrap(),
            effect,
        }
    }

    fn decoded(batch: bool, parts: Vec<DecodedPart>) -> Decoded {
        Decoded {
            method: "POST".into(),
            path: CanonicalPath::parse("/batch").unwrap(),
            batch,
            parts,
        }
    }

    fn create(key: &str) -> Effect {
        Effect::Write(vec![WireWrite::CreateGroup {
            key: key.into(),
            name: String::new(),
            description: String::new(),
        }])
    }

    fn pairs(
        vendor: Vendor,
        decoded: &Decoded,
        status: u16,
        kind: &str,
        body: &str,
    ) -> Vec<(String, String)> {
        keys_and_ids(vendor, decoded, status, Some(kind), &Bytes::from(body.to_owned()))
    }

    const GROUPS: &str = "/admin/directory/v1/groups";

    #[test]
    fn r44_a_creation_teaches_the_id_of_its_key_only_where_it_succeeded() {
        let request = decoded(false, vec![part(None, GROUPS, create("a@x"))]);
        let body = r#"{"id":"g1","email":"A@x"}"#;
        assert!(
            pairs(Vendor::Google, &request, 200, "application/json", body)
                .contains(&("a@x".into(), "g1".into()))
        );
        assert!(pairs(Vendor::Google, &request, 409, "application/json", body).is_empty());
    }

    #[test]
    fn r18_an_alias_teaches_nothing_about_the_address_that_was_asked_for() {
        let request = decoded(
            false,
            vec![part(None, &format!("{GROUPS}/alias@x"), Effect::Read)],
        );
        let found = pairs(
            Vendor::Google,
            &request,
            200,
            "application/json",
            r#"{"id":"g1","email":"main@x"}"#,
        );
        assert!(found.iter().all(|(key, _)| key == "main@x"), "{found:?}");
    }

    #[test]
    fn r52_the_members_of_a_group_teach_nothing() {
        let request = decoded(
            false,
            vec![part(None, &format!("{GROUPS}/1/members"), Effect::Read)],
        );
        let body = r#"{"members":[{"id":"u1","email":"a@x"}],"id":"g","email":"a@x"}"#;
        assert!(pairs(Vendor::Google, &request, 200, "application/json", body).is_empty());
    }

    #[test]
    fn r44_batches_teach_by_the_answer_that_belongs_to_each_part() {
        let request = decoded(
            true,
            vec![
                part(Some("1"), "/v1.0/groups(uniqueName='k')", create("k")),
                part(Some("2"), "/v1.0/groups(uniqueName='l')", create("l")),
            ],
        );
        let body = r#"{"responses":[{"id":"2","status":403,"body":{"id":"x"}},{"id":"1","status":201,"body":{"id":"g1"}}]}"#;
        assert_eq!(
            pairs(Vendor::Entra, &request, 200, "application/json", body),
            [("k".into(), "g1".into())]
        );
        // As the throttling page has it, where one part was throttled.
        let body = body.replace("403", "429");
        assert_eq!(
            pairs(Vendor::Entra, &request, 424, "application/json", &body),
            [("k".into(), "g1".into())]
        );
        assert!(pairs(Vendor::Entra, &request, 500, "application/json", &body).is_empty());
        let request = decoded(true, vec![part(Some("<7>"), GROUPS, create("a@x"))]);
        let body = "--b\r\nContent-Type: application/http\r\nContent-ID: <response-7>\r\n\r\nHTTP/1.1 200 OK\r\n\
                    Content-Type: application/json\r\n\r\n{\"id\":\"g1\",\"email\":\"a@x\"}\r\n--b--\r\n";
        let found = pairs(Vendor::Google, &request, 200, "multipart/mixed; boundary=b", body);
        assert!(found.contains(&("a@x".into(), "g1".into())), "{found:?}");
    }
}
