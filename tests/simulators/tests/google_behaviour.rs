//! What the simulated Google does, seen from outside.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod google_support;

use google_support::*;
use groupcast_simulators::VendorSimulator as _;
use groupcast_simulators::faults::Fault;
use groupcast_simulators::google::tenant::Role;
use serde_json::{Value, json};

fn many_members(count: usize) -> impl FnOnce(&mut Value) {
    move |tenant| {
        let members: Vec<Value> = (0..count)
            .map(|at| json!({"id": format!("m{at:05}"), "email": format!("m{at}@elsewhere.org")}))
            .collect();
        tenant["groups"][1]["members"] = Value::Array(members);
    }
}

fn read_all(world: &mut World, list: &str, target: &str) -> (Vec<String>, usize) {
    let mut items = Vec::new();
    let mut token = String::new();
    for pages in 1..100 {
        let answer = world.get(&format!("{target}&pageToken={token}"));
        assert_eq!(answer.status, 200, "{}", answer.text);
        for item in answer.json[list].as_array().into_iter().flatten() {
            items.push(item["id"].as_str().unwrap().to_owned());
        }
        match answer.json.get("nextPageToken") {
            None => return (items, pages),
            Some(next) => token = next.as_str().unwrap().to_owned(),
        }
    }
    panic!("the list never ends");
}

#[test]
fn r42_an_exactly_full_page_of_two_hundred_is_the_last() {
    for (count, pages) in [(199, 1), (200, 1), (201, 2), (400, 2)] {
        let mut world = World::new(many_members(count));
        let (items, read) = read_all(&mut world, "members", "groups/g2/members?maxResults=200");
        let unique: std::collections::BTreeSet<_> = items.iter().collect();
        assert_eq!((items.len(), unique.len(), read), (count, count, pages));
    }
}

#[test]
fn pages_neither_lose_nor_repeat_what_stays_while_the_group_changes() {
    let mut world = World::new(many_members(300));
    let first = world.get("groups/g2/members?maxResults=100");
    world.simulator.remove_member("g2", "m00000");
    world.simulator.remove_member("g2", "m00150");
    let token = first.json["nextPageToken"].as_str().unwrap();
    let (rest, _) = read_all(&mut world, "members", "groups/g2/members?maxResults=200");
    assert_eq!(rest.len(), 298);
    let second = world.get(&format!("groups/g2/members?maxResults=200&pageToken={token}"));
    assert_eq!(second.json["members"][0]["id"], "m00100");
    assert_eq!(second.json["members"].as_array().unwrap().len(), 199);
}

#[test]
fn a_page_token_serves_no_other_query() {
    let mut world = World::new(many_members(300));
    let first = world.get("groups/g2/members?maxResults=100");
    let token = first.json["nextPageToken"].as_str().unwrap().to_owned();
    for target in [
        "groups/g1/members?",
        "groups/g2/members?roles=OWNER&",
        "groups?customer=my_customer&",
    ] {
        let answer = world.get(&format!("{target}pageToken={token}"));
        assert_eq!(answer.error().0, 400, "{target}");
    }
    assert_eq!(world.get("groups/g2/members?pageToken=nonsense").error().0, 400);
    // The same group by another key, and another page size, is the same query.
    let answer = world.get(&format!(
        "groups/empty@example.com/members?maxResults=7&pageToken={token}"
    ));
    assert_eq!(answer.json["members"].as_array().unwrap().len(), 7);
}

#[test]
fn page_sizes_beyond_what_is_published_are_refused() {
    let mut world = World::new(|_| {});
    for target in [
        "groups?customer=my_customer&maxResults=201",
        "groups/g1/members?maxResults=201",
        "groups/g1/members?maxResults=0",
        "users?customer=my_customer&maxResults=501",
    ] {
        assert_eq!(world.get(target).error().1, "invalidParameter", "{target}");
    }
    assert_eq!(world.get("users?customer=my_customer&maxResults=500").status, 200);
}

#[test]
fn list_faults_loop_shorten_and_hide() {
    let path = "/admin/directory/v1/groups/*/members";
    let mut world = World::new(many_members(10));
    world.fault("GET", path, Some(1), Fault::DropItems { count: 3 });
    let (items, _) = read_all(&mut world, "members", "groups/g2/members?maxResults=200");
    assert_eq!(items.len(), 7);
    world.faults.clear();
    world.fault("GET", path, Some(1), Fault::ShortPage { items: 2 });
    let (items, pages) = read_all(&mut world, "members", "groups/g2/members?maxResults=200");
    assert_eq!((items.len(), pages), (10, 2));
    world.faults.clear();
    world.fault("GET", path, Some(1), Fault::LoopPage);
    let (items, pages) = read_all(&mut world, "members", "groups/g2/members?maxResults=200");
    assert_eq!((items.len(), pages), (20, 2));
}

#[test]
fn an_empty_group_answers_without_a_members_key() {
    let mut world = World::new(|_| {});
    let answer = world.get("groups/g2/members");
    assert_eq!(answer.json["kind"], "admin#directory#members");
    assert!(answer.json.get("members").is_none());
    assert!(answer.json.get("nextPageToken").is_none());
}

#[test]
fn pending_members_are_invisible_and_in_the_way() {
    let mut world = World::new(|_| {});
    let listed = world.get("groups/g1/members").emails("members");
    assert!(!listed.contains(&"plain@example.com".to_owned()));
    assert_eq!(
        world.get("groups/g1/members/plain@example.com").error(),
        (404, "notFound", "Resource Not Found: memberKey")
    );
    let again = world.post("groups/g1/members", &json!({"email": "plain@example.com"}));
    assert_eq!(again.error(), (409, "duplicate", "Member already exists."));
    // Delete and add again is how GAM gets out of it.
    assert_eq!(
        world
            .call("DELETE", "groups/g1/members/plain@example.com", None)
            .status,
        204
    );
    assert_eq!(
        world
            .post("groups/g1/members", &json!({"email": "plain@example.com"}))
            .status,
        200
    );
    assert_eq!(world.get("groups/g1/members/u4").json["status"], "ACTIVE");
}

#[test]
fn r18_an_alias_finds_the_group_under_its_primary_address() {
    let mut world = World::new(|_| {});
    for key in [
        "selling@example.com",
        "SELLING@Example.com",
        "sales@example.com",
        "g1",
        "selling%40example.com",
    ] {
        let answer = world.get(&format!("groups/{key}"));
        assert_eq!(answer.json["email"], "sales@example.com", "{key}");
        assert_eq!(answer.json["directMembersCount"], "3");
        assert_eq!(answer.headers["etag"], answer.json["etag"].as_str().unwrap());
    }
    let taken = world.post("groups", &json!({"email": "selling@example.com"}));
    assert_eq!(taken.error(), (409, "duplicate", "Entity already exists."));
    let users = world.post("groups", &json!({"email": "a.smith@example.com"}));
    assert_eq!(users.error().1, "duplicate");
}

#[test]
fn external_and_customer_members_lack_what_google_leaves_out() {
    let mut world = World::new(|_| {});
    let external = world.get("groups/g1/members/outside@googlemail.com");
    assert_eq!(external.json["id"], "x1");
    assert!(external.json.get("status").is_none());
    let customer = world.get("groups/g4/members").json["members"][0].clone();
    assert_eq!(
        (&customer["id"], &customer["type"]),
        (&json!("C01test"), &json!("CUSTOMER"))
    );
    assert!(customer.get("email").is_none());
    assert_eq!(world.get("groups/g3/members/u2").json["status"], "SUSPENDED");
    let dotted = world.post("groups/g1/members", &json!({"email": "o.u.t.side@gmail.com"}));
    assert_eq!(dotted.error().1, "duplicate");
}

#[test]
fn r31_a_member_is_added_by_alias_under_its_primary_address() {
    let mut world = World::new(|_| {});
    let added = world.post(
        "groups/g2/members",
        &json!({"email": "A.Smith@example.com", "role": "MEMBER"}),
    );
    assert_eq!(added.json["id"], "u1");
    assert_eq!(added.json["email"], "anna@example.com");
    let again = world.post("groups/g2/members", &json!({"id": "u1"}));
    assert_eq!(again.error(), (409, "duplicate", "Member already exists."));
    assert_eq!(
        world
            .call("DELETE", "groups/g2/members/a.smith@example.com", None)
            .status,
        204
    );
    assert_eq!(
        world.call("DELETE", "groups/g2/members/u1", None).error().2,
        "Resource Not Found: memberKey"
    );
}

#[test]
fn members_are_refused_as_google_refuses_them() {
    let mut world = World::new(|tenant| tenant["groups"][1]["refuses_external_members"] = json!(true));
    let cases = [
        (
            "g2",
            json!({}),
            (400, "required", "Missing required field: memberKey"),
        ),
        (
            "g2",
            json!({"email": ""}),
            (400, "required", "Missing required field: memberKey"),
        ),
        (
            "g2",
            json!({"email": "no address"}),
            (400, "invalid", "Invalid Input: memberKey"),
        ),
        (
            "g2",
            json!({"email": "ghost@example.com"}),
            (404, "notFound", "Resource Not Found: memberKey"),
        ),
        (
            "g2",
            json!({"email": "sales@example.com", "role": "MANAGER"}),
            (400, "invalid", "Invalid Input: memberKey"),
        ),
        (
            "g2",
            json!({"email": "a@outside.org"}),
            (400, "invalid", "Invalid Input: memberKey"),
        ),
        (
            "g2",
            json!({"email": "anna@example.com", "role": "BOSS"}),
            (400, "invalid", "Invalid Input: role"),
        ),
        (
            "g1",
            json!({"email": "nested@example.com"}),
            (412, "conditionNotMet", "Cyclic memberships not allowed"),
        ),
        (
            "g1",
            json!({"id": "g1"}),
            (412, "conditionNotMet", "Cyclic memberships not allowed"),
        ),
        (
            "nope@example.com",
            json!({"id": "u1"}),
            (404, "notFound", "Resource Not Found: groupKey"),
        ),
        (
            "team@foreign.org",
            json!({"id": "u1"}),
            (403, "forbidden", "Not Authorized to access this resource/api"),
        ),
    ];
    for (group, body, wanted) in cases {
        let answer = world.post(&format!("groups/{group}/members"), &body);
        assert_eq!(answer.error(), wanted, "{group} {body}");
    }
    let unknown = world.post(
        "groups/g2/members",
        &json!({"email": "anna@example.com", "colour": "red"}),
    );
    assert_eq!(unknown.status, 400);
    assert!(
        unknown.text.contains("Unknown name \\\"colour\\\" at 'member'"),
        "{}",
        unknown.text
    );
    assert!(world.simulator.group("g2").unwrap().members.is_empty());
}

#[test]
fn groups_are_refused_as_google_refuses_them() {
    let mut world = World::new(|_| {});
    let cases = [
        (json!({"name": "x"}), (400, "required")),
        (json!({"email": "x@foreign.org"}), (404, "domainNotFound")),
        (json!({"email": "not an address"}), (400, "invalid")),
        (
            json!({"email": "x@example.com", "description": "d".repeat(4097)}),
            (400, "invalid"),
        ),
        (json!({"email": "x@example.com", "name": 5}), (400, "badRequest")),
        (
            json!({"email": "x@example.com", "owner": "me"}),
            (400, "badRequest"),
        ),
        (json!({"email": "Empty@example.com"}), (409, "duplicate")),
    ];
    for (body, wanted) in cases {
        let answer = world.post("groups", &body);
        let (code, reason, _) = answer.error();
        assert_eq!((code, reason), wanted, "{body}");
    }
    assert_eq!(world.get("groups").error().1, "badRequest");
    assert_eq!(world.get("groups?customer=my_customer&colour=red").error().0, 400);
}

#[test]
fn r16_a_renamed_group_keeps_its_id_and_its_old_address() {
    let mut world = World::new(|_| {});
    let answer = world.call(
        "PATCH",
        "groups/g2",
        Some(&json!({"email": "New@example.com", "name": "New"})),
    );
    assert_eq!(answer.json["id"], "g2");
    assert_eq!(answer.json["email"], "new@example.com");
    assert_eq!(
        world.get("groups/empty@example.com").json["email"],
        "new@example.com"
    );
    let taken = world.call("PUT", "groups/g2", Some(&json!({"email": "sales@example.com"})));
    assert_eq!(taken.error().1, "duplicate");
}

#[test]
fn r20_a_new_group_is_late_by_id_and_later_in_the_list() {
    let mut world = World::new(|tenant| {
        tenant["lag"] = json!({"create_ms": 1000, "list_ms": 5000, "member_ms": 2000});
    });
    let id = world.post("groups", &json!({"email": "late@example.com"})).json["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let listed = |world: &mut World| {
        world
            .get("groups?domain=example.com")
            .emails("groups")
            .contains(&"late@example.com".to_owned())
    };
    assert_eq!(
        world.get(&format!("groups/{id}")).error().2,
        "Resource Not Found: groupKey"
    );
    assert_eq!(
        world
            .post("groups", &json!({"email": "late@example.com"}))
            .error()
            .1,
        "duplicate"
    );
    world.now_ms += 1000;
    assert_eq!(world.get(&format!("groups/{id}")).status, 200);
    assert!(!listed(&mut world));
    let member = json!({"email": "anna@example.com"});
    assert_eq!(world.post(&format!("groups/{id}/members"), &member).status, 200);
    assert!(
        world
            .get(&format!("groups/{id}/members"))
            .emails("members")
            .is_empty()
    );
    assert_eq!(
        world.post(&format!("groups/{id}/members"), &member).error().1,
        "duplicate"
    );
    world.now_ms += 4000;
    assert!(listed(&mut world));
    assert_eq!(
        world.get(&format!("groups/{id}/members")).emails("members"),
        ["anna@example.com"]
    );
}

#[test]
fn derived_membership_and_has_member_look_through_nested_groups() {
    let mut world = World::new(|_| {});
    let direct = world.get("groups/g3/members").emails("members");
    assert_eq!(direct, ["sales@example.com", "bert@example.com"]);
    let derived = world
        .get("groups/g3/members?includeDerivedMembership=true")
        .emails("members");
    assert!(derived.contains(&"anna@example.com".to_owned()), "{derived:?}");
    assert!(
        !derived.contains(&"plain@example.com".to_owned()),
        "pending is not derived"
    );
    assert_eq!(
        world.get("groups/g3/hasMember/anna@example.com").json,
        json!({"isMember": true})
    );
    assert_eq!(
        world.get("groups/g3/hasMember/u3").json,
        json!({"isMember": false})
    );
    assert_eq!(
        world.get("groups/g3/hasMember/out.side@gmail.com").error().2,
        "Invalid Input: memberKey"
    );
}

#[test]
fn fields_select_and_an_empty_selection_answers_nothing() {
    let mut world = World::new(|_| {});
    let answer =
        world.get("groups/g1/members?fields=nextPageToken,members(id,role)&roles=OWNER&prettyPrint=false");
    assert_eq!(answer.text, r#"{"members":[{"id":"u0","role":"OWNER"}]}"#);
    assert_eq!(world.get("groups/g1?fields=colour").error().1, "invalidParameter");
    let silent = world.post("groups/g2/members?fields=", &json!({"id": "u1"}));
    assert_eq!((silent.status.as_u16(), silent.text.as_str()), (204, ""));
    assert_eq!(world.get("groups/g2/members/u1").status, 200);
}

#[test]
fn r33_users_are_readable_and_never_writable() {
    let mut world = World::new(|_| {});
    assert_eq!(
        world.get("users/a.smith@example.com").json["primaryEmail"],
        "anna@example.com"
    );
    let (users, pages) = read_all(&mut world, "users", "users?customer=my_customer&maxResults=2");
    assert_eq!((users.len(), pages), (5, 3));
    let before = world.simulator.tenant();
    for (method, target) in [
        ("DELETE", "users/u1"),
        ("PATCH", "users/u1"),
        ("PUT", "users/u1"),
        ("POST", "users"),
        ("POST", "users/u1/makeAdmin"),
    ] {
        assert_eq!(
            world
                .call(method, target, Some(&json!({"suspended": true})))
                .error()
                .1,
            "forbidden"
        );
    }
    world.batch("/batch", &[("DELETE", "users/u1", None)]);
    assert_eq!(world.simulator.state()["user_mutation_attempts"], 6);
    assert_eq!(world.simulator.tenant(), before);
}

#[test]
fn an_override_header_makes_a_write_of_a_post() {
    let mut world = World::new(|_| {});
    let request = http::Request::post(format!("{BASE}users/u1"))
        .header("x-http-method-override", "DELETE")
        .body(bytes::Bytes::new())
        .unwrap();
    assert_eq!(world.handle(&request).error().1, "forbidden");
    let request = http::Request::post(format!("{BASE}groups/g2"))
        .header(
            "authorization",
            format!("Bearer {}", world.token.clone().unwrap()),
        )
        .header("x-http-method-override", "DELETE")
        .body(bytes::Bytes::new())
        .unwrap();
    assert_eq!(world.handle(&request).status, 204);
    assert!(world.simulator.group("g2").is_none());
}

#[test]
fn an_unchanged_resource_answers_not_modified() {
    let mut world = World::new(|_| {});
    let tag = world.get("groups/g1").headers["etag"].clone();
    let request = http::Request::get(format!("{BASE}groups/g1"))
        .header(
            "authorization",
            format!("Bearer {}", world.token.clone().unwrap()),
        )
        .header("if-none-match", tag)
        .body(bytes::Bytes::new())
        .unwrap();
    assert_eq!(world.handle(&request).status, 304);
    world.simulator.edit_group("g1", "Sales", "changed");
    assert_eq!(world.handle(&request).status, 200);
}

#[test]
fn clicks_of_an_admin_show_in_the_api_and_in_the_file_format() {
    let mut world = World::new(|_| {});
    let simulator = &mut world.simulator;
    assert!(simulator.add_member("g2", "anna@example.com", Role::Manager));
    assert!(simulator.add_pending_member("g2", "new@outside.org"));
    assert!(!simulator.add_member("g2", "ghost@example.com", Role::Member));
    assert!(simulator.add_alias("u3", "gauss@example.com"));
    assert!(simulator.delete_user("u2"));
    assert_eq!(
        world.get("groups/g2/members").json["members"][0]["role"],
        "MANAGER"
    );
    assert_eq!(
        world.get("groups/g2/members").emails("members"),
        ["anna@example.com"]
    );
    assert!(world.simulator.accept_invitation("g2", "new@outside.org"));
    assert_eq!(world.get("groups/g2/members").emails("members").len(), 2);
    assert_eq!(world.get("users/gauss@example.com").json["id"], "u3");
    assert_eq!(
        world.get("groups/g3/members").emails("members"),
        ["sales@example.com"]
    );
    let file = serde_json::to_value(world.simulator.tenant()).unwrap();
    let again: groupcast_simulators::google::Tenant = serde_json::from_value(file).unwrap();
    assert_eq!(again, world.simulator.tenant());
}
