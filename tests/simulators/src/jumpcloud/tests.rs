//! The simulator asked as a client asks it: lists, the graph, searches and faults.

mod access;
mod events;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use super::*;
use crate::faults::Rule;

const NOW: u64 = 1_795_378_440_000;
const GOOGLE: &str = "00000000000000000000d001";
const OFFICE: &str = "00000000000000000000d002";
const SALES: &str = "00000000000000000000a001";
const NORTH: &str = "00000000000000000000a002";

fn user_id(number: usize) -> String {
    format!("{number:024x}")
}

fn simulator(users: usize) -> JumpcloudSimulator {
    let ids: Vec<String> = (1..=users).map(user_id).collect();
    let all: Vec<Value> = ids
        .iter()
        .map(|id| json!({"id": id, "username": format!("user-{id}"), "email": format!("{id}@example.com")}))
        .collect();
    let organisation = json!({
        "api_key": "key-1",
        "organisation_id": "00000000000000000000f001",
        "service_account": {"client_id": "client", "client_secret": "secret"},
        "directories": [
            {"id": GOOGLE, "name": "Google", "type": "g_suite", "default_domain": "example.com"},
            {"id": OFFICE, "name": "Office", "type": "office_365"}
        ],
        "users": all,
        "groups": [
            {"id": SALES, "name": "Sales", "email": "sales@example.com", "users": ids, "groups": [NORTH],
             "directories": [GOOGLE, OFFICE]},
            {"id": NORTH, "name": "North"}
        ]
    });
    let organisation: Organisation = serde_json::from_value(organisation).unwrap();
    assert_eq!(organisation.problems(), Vec::<String>::new());
    let mut simulator = JumpcloudSimulator::new(organisation);
    simulator.advance_to(NOW);
    simulator
}

fn send(
    simulator: &mut JumpcloudSimulator,
    faults: &mut Faults,
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response<Bytes> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Bytes::from(body.to_owned())).unwrap();
    let now_ms = simulator.now_ms;
    simulator.handle(&request, &mut Context { now_ms, faults })
}

fn get(simulator: &mut JumpcloudSimulator, uri: &str) -> Response<Bytes> {
    send(
        simulator,
        &mut Faults::none(),
        "GET",
        uri,
        &[("x-api-key", "key-1")],
        "",
    )
}

fn post(simulator: &mut JumpcloudSimulator, uri: &str, body: &Value) -> Response<Bytes> {
    let headers = [("x-api-key", "key-1"), ("content-type", "application/json")];
    send(
        simulator,
        &mut Faults::none(),
        "POST",
        uri,
        &headers,
        &body.to_string(),
    )
}

fn body(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

fn listed(simulator: &mut JumpcloudSimulator, uri: &str, pointer: &str) -> Vec<String> {
    let items = body(&get(simulator, uri));
    let items = items.as_array().unwrap().iter();
    items
        .map(|item| item.pointer(pointer).unwrap().as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_limit_is_10_by_default_and_silently_100_at_most() {
    let mut simulator = simulator(250);
    for (query, expected) in [
        ("", 10),
        ("?limit=100", 100),
        ("?limit=1000", 100),
        ("?limit=100&skip=200", 50),
    ] {
        let response = get(&mut simulator, &format!("/api/systemusers{query}"));
        assert_eq!(
            body(&response)["results"].as_array().unwrap().len(),
            expected,
            "{query}"
        );
        assert_eq!(body(&response)["totalCount"], 250);
    }
    for query in [
        "?limit=0",
        "?limit=-1",
        "?limit=x",
        "?skip=-1",
        "?limit=1&limit=2",
    ] {
        let response = get(&mut simulator, &format!("/api/systemusers{query}"));
        assert_eq!(response.status(), 400, "{query}");
        assert!(body(&response)["message"].is_string());
    }
}

#[test]
fn an_exactly_full_last_page_of_membership_has_no_next_link() {
    // 199 users and the nested group: two full pages.
    let mut simulator = simulator(199);
    let uri = format!("/api/v2/usergroups/{SALES}/membership?limit=100&sort=id");
    let first = get(&mut simulator, &uri);
    assert_eq!(header(&first, "x-total-count"), Some("200"));
    let next = header(&first, "link").unwrap();
    let next = next
        .strip_prefix('<')
        .unwrap()
        .strip_suffix(">; rel=\"next\"")
        .unwrap()
        .to_owned();
    assert!(next.starts_with("/api/v2/usergroups/"), "{next}");
    let second = get(&mut simulator, &next);
    assert_eq!(body(&second).as_array().unwrap().len(), 100);
    assert_eq!(header(&second, "link"), None);
    assert!(
        body(&get(&mut simulator, &format!("{uri}&skip=200")))
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn members_and_groups_of_a_directory_never_have_a_link() {
    let mut simulator = simulator(30);
    for uri in [
        format!("/api/v2/usergroups/{SALES}/members"),
        format!("/api/v2/gsuites/{GOOGLE}/usergroups?limit=1"),
    ] {
        let response = get(&mut simulator, &uri);
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "link"), None, "{uri}");
        assert!(header(&response, "x-total-count").is_some());
    }
}

#[test]
fn paging_members_while_they_change_can_lose_rows_and_sorted_membership_cannot() {
    let page = |simulator: &mut JumpcloudSimulator, path: &str, pointer: &str| {
        let mut seen = listed(simulator, &format!("{path}limit=100"), pointer);
        simulator.remove_user_from_group(SALES, &user_id(200)).unwrap();
        seen.extend(listed(simulator, &format!("{path}limit=100&skip=100"), pointer));
        seen.retain(|id| *id != user_id(200) && id != NORTH);
        seen.sort();
        seen.dedup();
        seen.len()
    };
    let members = format!("/api/v2/usergroups/{SALES}/members?");
    assert!(page(&mut simulator(200), &members, "/to/id") < 199);
    let membership = format!("/api/v2/usergroups/{SALES}/membership?sort=id&filter=type:eq:user&");
    assert_eq!(page(&mut simulator(200), &membership, "/id"), 199);
}

#[test]
fn r05_nested_members_are_effective_and_not_direct() {
    let mut simulator = simulator(1);
    simulator
        .create_user(User {
            id: user_id(77),
            username: "nora".into(),
            ..User::default()
        })
        .unwrap();
    simulator.add_user_to_group(NORTH, &user_id(77)).unwrap();
    let direct = listed(
        &mut simulator,
        &format!("/api/v2/usergroups/{SALES}/members"),
        "/to/id",
    );
    assert!(!direct.contains(&user_id(77)));
    let uri = format!(
        "/api/v2/usergroups/{SALES}/membership?filter=object_id:eq:{}",
        user_id(77)
    );
    let effective = body(&get(&mut simulator, &uri));
    assert_eq!(
        effective[0]["paths"][0][0]["to"],
        json!({"type": "user_group", "id": NORTH})
    );
    assert_eq!(
        effective[0]["paths"][0][1]["to"],
        json!({"type": "user", "id": user_id(77)})
    );
    let of_user = format!("/api/v2/users/{}/memberof?sort=id", user_id(77));
    assert_eq!(listed(&mut simulator, &of_user, "/id"), [SALES, NORTH]);
    simulator.un_nest(SALES, NORTH).unwrap();
    assert_eq!(body(&get(&mut simulator, &uri)), json!([]));
}

#[test]
fn a_nested_group_is_in_the_directory_indirectly_and_not_associated() {
    let mut simulator = simulator(1);
    let mut all = listed(
        &mut simulator,
        &format!("/api/v2/gsuites/{GOOGLE}/usergroups"),
        "/id",
    );
    all.sort();
    assert_eq!(all, [SALES, NORTH]);
    let direct = format!("/api/v2/gsuites/{GOOGLE}/associations?targets=user_group");
    assert_eq!(listed(&mut simulator, &direct, "/to/id"), [SALES]);
    simulator.unbind_group(SALES, GOOGLE).unwrap();
    assert!(listed(&mut simulator, &direct, "/to/id").is_empty());
}

#[test]
fn associations_need_a_target_that_the_object_can_have() {
    let mut simulator = simulator(1);
    let base = format!("/api/v2/usergroups/{SALES}/associations");
    for query in ["", "?targets=user", "?targets=nothing"] {
        let refused = get(&mut simulator, &format!("{base}{query}"));
        assert_eq!(refused.status(), 400);
        assert_eq!(body(&refused)["code"], 400);
        assert_eq!(body(&refused)["status"], "Bad Request");
    }
    assert_eq!(
        listed(&mut simulator, &format!("{base}?targets=g_suite"), "/to/id"),
        [GOOGLE]
    );
}

#[test]
fn r31_the_entra_object_id_comes_with_the_sync_status_only() {
    let mut simulator = simulator(2);
    simulator.organisation.users[0]
        .external_ids
        .insert(OFFICE.into(), "entra-1".into());
    let uri = format!("/api/v2/office365s/{OFFICE}/users");
    assert!(body(&get(&mut simulator, &uri))[0].get("syncStatus").is_none());
    let with = body(&get(
        &mut simulator,
        &format!("{uri}?syncStatus=true&filter=id:eq:{}", user_id(1)),
    ));
    assert_eq!(with[0]["externalId"], "entra-1");
    let without = body(&get(
        &mut simulator,
        &format!("{uri}?syncStatus=true&filter=id:eq:{}", user_id(2)),
    ));
    assert!(without[0].get("externalId").is_none() && without[0]["syncStatus"]["code"] != 0);
    let refused = get(
        &mut simulator,
        &format!("/api/v2/gsuites/{GOOGLE}/users?syncStatus=true"),
    );
    assert_eq!(refused.status(), 400);
}

#[test]
fn what_is_not_there_is_told_from_what_is_not_allowed() {
    let mut simulator = simulator(1);
    for (method, uri, status) in [
        ("GET", "/api/v2/nothing".to_owned(), 404),
        ("GET", format!("/api/v2/usergroups/{GOOGLE}"), 404),
        ("GET", format!("/api/v2/office365s/{GOOGLE}"), 404),
        ("GET", "/api/v2/usergroups/short".to_owned(), 400),
        ("DELETE", format!("/api/v2/usergroups/{SALES}"), 405),
        ("GET", "/api/v2/usergroups?page=1".to_owned(), 400),
        ("GET", "/api/v2/usergroups?filter=email:eq:x".to_owned(), 400),
        ("GET", "/api/v2/usergroups?sort=_id".to_owned(), 400),
        ("GET", "/api/systemusers?sort=id".to_owned(), 400),
        ("GET", format!("/api/v2/usergroups/{SALES}/members?sort=id"), 400),
    ] {
        let headers = [("x-api-key", "key-1")];
        let response = send(&mut simulator, &mut Faults::none(), method, &uri, &headers, "");
        assert_eq!(response.status(), status, "{method} {uri}");
        assert!(header(&response, "x-request-id").is_some());
    }
}

#[test]
fn membership_can_be_written_and_says_what_was_already_so() {
    let mut simulator = simulator(1);
    let uri = format!("/api/v2/usergroups/{NORTH}/members");
    let change = |op: &str, id: &str| json!({"op": op, "type": "user", "id": id});
    for (op, id, status) in [
        ("add", user_id(1), 204),
        ("add", user_id(1), 409),
        ("remove", user_id(1), 204),
        ("remove", user_id(1), 404),
        ("add", user_id(9), 404),
        ("destroy", user_id(1), 400),
    ] {
        assert_eq!(
            post(&mut simulator, &uri, &change(op, &id)).status(),
            status,
            "{op} {id}"
        );
    }
}

#[test]
fn users_are_searched_by_filter_and_text() {
    let mut simulator = simulator(12);
    simulator.set_user_email(&user_id(3), None).unwrap();
    simulator.set_suspended(&user_id(4), true).unwrap();
    for (query, count) in [
        (
            json!({"filter": {"or": [{"username": format!("user-{}", user_id(1))}, {"state": "SUSPENDED"}]}}),
            2,
        ),
        (
            json!({"filter": [{"suspended": true}], "fields": "email username"}),
            1,
        ),
        (
            json!({"filter": {"and": ["state:$eq:ACTIVATED", {"_id": {"$in": [user_id(1), user_id(4)]}}]}}),
            1,
        ),
        (
            json!({"searchFilter": {"searchTerm": "@EXAMPLE.com", "fields": ["email"]}}),
            11,
        ),
        (
            json!({"searchFilter": {"searchTerm": ["nobody", "user-"], "fields": ["username"]}}),
            12,
        ),
    ] {
        let found = body(&post(&mut simulator, "/api/search/systemusers", &query));
        assert_eq!(found["totalCount"], count, "{query}");
    }
    for wrong in [
        json!({"filter": {"nothing": 1}}),
        json!({"query": "x"}),
        json!({"filter": "email:eq:x"}),
    ] {
        assert_eq!(
            post(&mut simulator, "/api/search/systemusers", &wrong).status(),
            400,
            "{wrong}"
        );
    }
    let missing = body(&get(&mut simulator, &format!("/api/systemusers/{}", user_id(3))));
    assert!(missing.get("email").is_none());
}

#[test]
fn faults_strike_lists_and_links_can_lead_elsewhere() {
    let mut simulator = simulator(30);
    simulator.behaviour_mut().link_origin = Some("https://elsewhere.example".into());
    let uri = format!("/api/v2/usergroups/{SALES}/membership?sort=id");
    let ask = |simulator: &mut JumpcloudSimulator, fault: Fault| {
        let mut faults = Faults::none();
        faults.add(Rule {
            vendor: Vendor::Jumpcloud,
            method: None,
            path: Some("/api/v2/usergroups/*/membership".into()),
            query: None,
            skip: 0,
            times: None,
            fault,
        });
        send(simulator, &mut faults, "GET", &uri, &[("x-api-key", "key-1")], "")
    };
    let dropped = ask(&mut simulator, Fault::DropItems { count: 5 });
    assert_eq!(header(&dropped, "x-total-count"), Some("26"));
    let looped = ask(&mut simulator, Fault::LoopPage);
    let link = header(&looped, "link").unwrap();
    assert!(
        link.starts_with("<https://elsewhere.example/api/") && link.contains("skip=0"),
        "{link}"
    );
    let short = ask(&mut simulator, Fault::ShortPage { items: 4 });
    assert_eq!(body(&short).as_array().unwrap().len(), 4);
    assert!(header(&short, "link").unwrap().contains("skip=4&"));
    let reset = ask(&mut simulator, Fault::ResetBefore);
    assert!(header(&reset, "x-request-id").is_some());
}

#[test]
fn the_organisation_survives_its_own_format_and_unknown_fields_are_refused() {
    let mut simulator = simulator(3);
    simulator.set_suspended(&user_id(2), true).unwrap();
    let written = simulator.state();
    let read: Organisation = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(&read, simulator.organisation());
    let mut wrong = written;
    wrong["group"] = json!([]);
    assert!(serde_json::from_value::<Organisation>(wrong).is_err());
    assert!(!format!("{read:?}").contains("key-1"));
}
