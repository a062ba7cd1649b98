//! Batches, lists under faults, and the change feed.

use serde_json::{Value, json};

use super::*;
use crate::faults::{Disruption, Rule};

fn batch(requests: Value) -> Option<Value> {
    Some(json!({ "requests": requests }))
}

fn part<'b>(body: &'b Value, id: &str) -> &'b Value {
    body["responses"]
        .as_array()
        .unwrap()
        .iter()
        .find(|part| part["id"] == id)
        .unwrap()
}

#[test]
fn a_batch_judges_each_part_alone_and_answers_in_another_order() {
    let mut desk = Desk::open("app");
    let seen = desk.call("POST", "/v1.0/$batch", batch(json!([
        {"id": "a", "method": "POST", "url": "/groups/sales/members/$ref", "headers": {"Content-Type": "application/json"}, "body": reference(&user_id(0))},
        {"id": "b", "method": "GET", "url": "/groups/inner?$select=id", "dependsOn": ["a"]},
        {"id": "c", "method": "POST", "url": "/groups/sales/members/$ref", "headers": {"content-type": "application/json"}, "body": reference(&user_id(3))},
        {"id": "d", "method": "POST", "url": "/groups/sales/members/$ref", "body": reference(&user_id(4))},
    ])), &[]);
    assert_eq!(seen.status, 200);
    let status = |id: &str| part(&seen.body, id)["status"].as_u64().unwrap();
    assert_eq!(
        (status("a"), status("b"), status("c"), status("d")),
        (400, 424, 204, 400)
    );
    assert_ne!(seen.body["responses"][0]["id"], "a");
    assert!(part(&seen.body, "c").get("body").is_none());
}

#[test]
fn a_malformed_batch_is_refused_whole() {
    let mut desk = Desk::open("app");
    let one = |id: &str, url: &str| json!({"id": id, "method": "GET", "url": url});
    let many: Vec<_> = (0..21)
        .map(|number| one(&number.to_string(), "/groups"))
        .collect();
    for requests in [
        json!([one("1", "/groups"), one("1", "/users")]),
        json!(many),
        json!([]),
        json!([one("1", "https://graph.microsoft.com/v1.0/groups")]),
        json!([{"id": "1", "method": "GET", "url": "/groups", "dependsOn": ["2"]}]),
        // A request can wait only for one that stands before it.
        json!([{"id": "1", "method": "GET", "url": "/groups", "dependsOn": ["2"]}, one("2", "/groups")]),
        json!([{"id": "1", "method": "GET", "url": "/groups", "dependsOn": ["1"]}]),
        json!([{"id": "1", "method": "GET", "url": "/groups", "colour": "red"}]),
        json!([{"id": 1, "method": "GET", "url": "/groups"}]),
    ] {
        assert_eq!(
            desk.call("POST", "/v1.0/$batch", batch(requests.clone()), &[])
                .status,
            400,
            "{requests}"
        );
    }
}

#[test]
fn what_microsofts_python_library_writes_into_every_part_is_taken_without_effect() {
    let mut desk = Desk::open("app");
    let requests = json!([
        {"id": "1", "method": "GET", "url": "/groups/nothing", "depends_on": []},
        {"id": "2", "method": "GET", "url": "/groups/sales", "depends_on": ["1"]},
    ]);
    let seen = desk.call("POST", "/v1.0/$batch", batch(requests), &[]);
    assert_eq!(part(&seen.body, "1")["status"], 404, "{}", seen.body);
    assert_eq!(part(&seen.body, "2")["status"], 200);
}

#[test]
fn parts_of_a_batch_are_throttled_one_by_one() {
    let mut tenant = tenant();
    tenant.throttle = Throttle {
        writes_per_window: Some(1),
        ..Throttle::default()
    };
    let mut desk = Desk::with(tenant, "app");
    let add = |id: &str, number| {
        json!({"id": id, "method": "POST", "url": "/groups/sales/members/$ref",
        "headers": {"Content-Type": "application/json"}, "body": reference(&user_id(number))})
    };
    let seen = desk.call(
        "POST",
        "/v1.0/$batch",
        batch(json!([add("1", 20), add("2", 21)])),
        &[],
    );
    assert_eq!(seen.status, 200);
    assert_eq!(part(&seen.body, "1")["status"], 204);
    assert_eq!(part(&seen.body, "2")["status"], 429);
    assert_eq!(part(&seen.body, "2")["headers"]["Retry-After"], "10");
}

#[test]
fn parts_of_a_batch_are_struck_by_faults_one_by_one() {
    let mut desk = Desk::open("app");
    desk.faults.add(Rule {
        vendor: Vendor::Entra,
        method: None,
        path: Some("/v1.0/users/*".into()),
        query: None,
        skip: 1,
        times: Some(1),
        fault: Fault::Answer {
            status: 503,
            headers: vec![],
            body: "{}".into(),
            content_type: "application/json".into(),
        },
    });
    let get = |id: &str| json!({"id": id, "method": "GET", "url": format!("/users/{}", user_id(1))});
    let seen = desk.call(
        "POST",
        "/v1.0/$batch",
        batch(json!([get("1"), get("2"), get("3")])),
        &[],
    );
    let statuses: Vec<_> = ["1", "2", "3"]
        .iter()
        .map(|id| part(&seen.body, id)["status"].clone())
        .collect();
    assert_eq!(statuses, [json!(200), json!(503), json!(200)]);
    desk.faults.clear();
    desk.faults.add(Rule {
        vendor: Vendor::Entra,
        method: None,
        path: Some("/v1.0/users/*".into()),
        query: None,
        skip: 0,
        times: None,
        fault: Fault::ResetAfter,
    });
    let seen = desk.call("POST", "/v1.0/$batch", batch(json!([get("1")])), &[]);
    assert_eq!(
        seen.response.extensions().get::<Disruption>(),
        Some(&Disruption::Reset)
    );
}

#[test]
fn lists_carry_out_the_faults_of_lists() {
    let list_fault = |fault| {
        let mut desk = Desk::open("app");
        desk.faults.add(Rule {
            vendor: Vendor::Entra,
            method: None,
            path: Some("/v1.0/users".into()),
            query: None,
            skip: 0,
            times: Some(1),
            fault,
        });
        desk
    };
    let (users, pages) = list_fault(Fault::ShortPage { items: 3 }).all("/v1.0/users");
    assert_eq!((users.len(), pages), (250, 4));
    let (users, _) = list_fault(Fault::DropItems { count: 2 }).all("/v1.0/users?$top=999");
    assert_eq!(users.len(), 248);
    let mut desk = list_fault(Fault::LoopPage);
    let first = desk.get("/v1.0/users?$top=10");
    let second = desk.get(first.body["@odata.nextLink"].as_str().unwrap());
    assert_eq!(first.body["value"], second.body["value"]);
}

#[test]
fn the_change_feed_gives_everything_then_what_changed() {
    let mut desk = Desk::open("app");
    for path in [
        "/v1.0/groups/delta",
        "/v1.0/groups/delta()",
        "/v1.0/groups/microsoft.graph.delta()",
    ] {
        let seen = desk.get(&format!("{path}?$select=displayName,members&$top=2"));
        assert!(seen.body["@odata.nextLink"].is_string(), "{path}");
    }
    let mut link = "/v1.0/groups/delta?$select=displayName,members&$top=2".to_owned();
    let mut groups = Vec::new();
    let delta = loop {
        let seen = desk.get(&link);
        groups.extend(seen.body["value"].as_array().unwrap().clone());
        if let Some(next) = seen.body["@odata.nextLink"].as_str() {
            link = next.to_owned();
        } else {
            break seen.body["@odata.deltaLink"].as_str().unwrap().to_owned();
        }
    };
    assert_eq!(groups.len(), 6);
    desk.simulator.remove_member("sales", &user_id(0));
    desk.simulator.add_member("sales", &user_id(30), ObjectType::User);
    desk.simulator.rename_group("inner", "Renamed");
    desk.simulator.delete_group("list");
    let (mut changes, mut link) = (Vec::new(), delta.clone());
    let next = loop {
        let seen = desk.get(&link);
        changes.extend(seen.body["value"].as_array().unwrap().clone());
        match seen.body["@odata.nextLink"].as_str() {
            Some(next) => link = next.to_owned(),
            None => break seen.body["@odata.deltaLink"].as_str().unwrap().to_owned(),
        }
    };
    let told = |id: &str| changes.iter().find(|group| group["id"] == id).unwrap().clone();
    assert_eq!(told("inner")["displayName"], "Renamed");
    assert_eq!(told("list")["@removed"]["reason"], "changed");
    let members = told("sales")["members@delta"].clone();
    assert_eq!(members[0]["@removed"]["reason"], "deleted");
    assert_eq!(members[1]["id"], user_id(30));
    assert_eq!(desk.get(&next).body["value"], json!([]));
    desk.now_ms += 8 * 24 * 3_600_000;
    desk.login_again();
    let seen = desk.get(&delta);
    assert_eq!(code(&seen), (410, "resyncRequired"));
    assert!(
        seen.response.headers()["location"]
            .to_str()
            .unwrap()
            .contains("/v1.0/groups/delta?$select=")
    );
}

#[test]
fn a_large_group_comes_in_portions_of_the_change_feed() {
    let mut tenant = tenant();
    tenant.groups[0].members = (0..250)
        .map(|number| Member {
            id: user_id(number),
            kind: ObjectType::User,
        })
        .collect();
    for number in 0..800 {
        tenant.groups[1].members.push(Member {
            id: format!("device-{number:04}"),
            kind: ObjectType::Device,
        });
    }
    let mut desk = Desk::with(tenant, "app");
    let (groups, pages) = desk.all("/v1.0/groups/delta?$select=members");
    assert!(pages > 1);
    let members: usize = groups
        .iter()
        .map(|group| group["members@delta"].as_array().map_or(0, Vec::len))
        .sum();
    assert_eq!(members, 250 + 802);
    assert!(groups.iter().filter(|group| group["id"] == "inner").count() > 1);
}
