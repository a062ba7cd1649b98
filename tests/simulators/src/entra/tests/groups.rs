//! Groups, members and users: reading and writing them.

use serde_json::json;

use super::*;

#[test]
fn r24_a_filter_by_name_finds_what_differs_in_case_and_every_twin() {
    let mut desk = Desk::open("app");
    let seen = desk.get("/v1.0/groups?$filter=displayName%20eq%20'SALES'&$select=id,displayName");
    let names: Vec<_> = seen.body["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["displayName"].clone())
        .collect();
    assert_eq!(names, ["sales", "Sales"]);
    let seen = desk.get("/v1.0/groups?$filter=displayName%20eq%20'O''Brien'");
    assert_eq!(seen.body["value"][0]["id"], "inner");
}

#[test]
fn advanced_queries_need_the_header_and_the_count() {
    let mut desk = Desk::open("app");
    let path = "/v1.0/groups?$filter=displayName%20ne%20'x'";
    assert_eq!(code(&desk.get(path)), (400, "Request_UnsupportedQuery"));
    let with_count = format!("{path}&$count=true");
    assert_eq!(desk.get(&with_count).status, 400);
    let eventual = [("ConsistencyLevel", "eventual")];
    let seen = desk.call("GET", &with_count, None, &eventual);
    assert_eq!(seen.body["@odata.count"], 6);
    assert_eq!(desk.get("/v1.0/groups/sales/members/$count").status, 400);
    let seen = desk.call("GET", "/v1.0/groups/sales/members/$count", None, &eventual);
    assert_eq!(seen.response.body().as_ref(), b"3");
}

#[test]
fn pages_follow_the_link_and_an_exactly_full_last_page_ends() {
    let mut desk = Desk::open("app");
    let (users, pages) = desk.all("/v1.0/users?$select=id&$top=125");
    assert_eq!((users.len(), pages), (250, 2));
    let (users, pages) = desk.all("/v1.0/users?$select=id");
    assert_eq!((users.len(), pages), (250, 3));
    assert_eq!(desk.get("/v1.0/users?$top=999").status, 200);
    assert_eq!(desk.get("/v1.0/users?$top=1000").status, 400);
    assert_eq!(desk.get("/v1.0/users?$skip=5").status, 400);
}

#[test]
fn a_bulk_add_is_all_or_nothing() {
    let mut desk = Desk::open("app");
    let seen = desk.bulk("sales", &[user_id(5), user_id(0)]);
    assert_eq!(
        seen.body["error"]["message"],
        "One or more added object references already exist for the following modified properties: 'members'."
    );
    assert_eq!(desk.simulator.state.groups["sales"].members.truth().len(), 3);
    assert!(
        desk.bulk("sales", &[user_id(5), user_id(5)]).body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("can only be present once as an add/remove change")
    );
    let twenty_one: Vec<_> = (10..31).map(user_id).collect();
    assert_eq!(desk.bulk("sales", &twenty_one).status, 400);
    assert_eq!(desk.bulk("sales", &twenty_one[..20]).status, 204);
    assert_eq!(desk.bulk("sales", &["nobody".to_owned()]).status, 404);
}

#[test]
fn a_member_is_added_and_removed_by_reference_and_types_show() {
    let mut desk = Desk::open("app");
    assert_eq!(desk.add("sales", &user_id(7)).status, 204);
    assert_eq!(code(&desk.add("sales", &user_id(7))), (400, "Request_BadRequest"));
    assert_eq!(
        code(&desk.add("sales", "nobody")),
        (404, "Request_ResourceNotFound")
    );
    for cast in ["graph.user", "microsoft.graph.user"] {
        let (users, _) = desk.all(&format!("/v1.0/groups/sales/members/{cast}?$select=id"));
        assert_eq!(users.len(), 2);
    }
    let (members, _) = desk.all("/v1.0/groups/sales/members?$select=id");
    assert_eq!(members[0]["@odata.type"], "#microsoft.graph.user");
    let (all, _) = desk.all("/v1.0/groups/sales/transitiveMembers?$select=id");
    assert_eq!(all.len(), 5);
    let path = format!("/v1.0/groups/sales/members/{}/$ref", user_id(7));
    assert_eq!(desk.call("DELETE", &path, None, &[]).status, 204);
    assert_eq!(desk.call("DELETE", &path, None, &[]).status, 404);
    assert_eq!(desk.simulator.user_mutation_attempts(), 0);
}

#[test]
fn r33_a_removal_without_ref_deletes_the_user_where_permitted_and_is_counted_either_way() {
    let path = format!("/v1.0/groups/sales/members/{}", user_id(0));
    let mut desk = Desk::open("app");
    assert_eq!(
        code(&desk.call("DELETE", &path, None, &[])),
        (403, "Authorization_RequestDenied")
    );
    assert_eq!(desk.simulator.user_mutation_attempts(), 1);
    assert_eq!(desk.simulator.tenant().users.len(), 250);
    let mut desk = Desk::open("danger");
    assert_eq!(desk.call("DELETE", &path, None, &[]).status, 204);
    assert_eq!(desk.simulator.tenant().users.len(), 249);
    assert_eq!(desk.simulator.state()["user_mutation_attempts"], 1);
    let seen = desk.call("POST", "/v1.0/groups/sales/members", Some(reference("x")), &[]);
    assert_eq!(
        seen.body["error"]["message"],
        "Write requests are only supported on contained entities"
    );
}

#[test]
fn r27_groups_that_graph_does_not_write_refuse_in_its_words() {
    let mut desk = Desk::open("app");
    for (group, status, words) in [
        (
            "list",
            400,
            "Cannot Update a mail-enabled security groups and or distribution list.",
        ),
        (
            "synced",
            400,
            "Unable to update the specified properties for on-premises mastered Directory Sync objects",
        ),
        ("role", 403, "Insufficient privileges"),
        ("dynamic", 400, "dynamic membership"),
    ] {
        let seen = desk.add(group, &user_id(9));
        assert_eq!(seen.status, status, "{group}");
        assert!(
            seen.body["error"]["message"].as_str().unwrap().contains(words),
            "{group}"
        );
    }
}

#[test]
fn permissions_are_enforced_and_can_be_withdrawn() {
    let mut desk = Desk::open("reader");
    assert_eq!(desk.add("sales", &user_id(9)).status, 403);
    assert_eq!(desk.get("/v1.0/users").status, 403);
    // Without a right to read users, a member shows its ID and type alone.
    let (members, _) = desk.all("/v1.0/groups/sales/members");
    assert_eq!(members[0]["displayName"], Value::Null);
    let mut desk = Desk::open("app");
    assert!(desk.simulator.withdraw_permission("app", "Group.ReadWrite.All"));
    assert_eq!(desk.get("/v1.0/groups").status, 403);
}

#[test]
fn r22_a_security_group_is_created_with_body_and_location() {
    let mut desk = Desk::open("app");
    let seen = desk.call("POST", "/v1.0/groups", Some(security_group("New")), &[]);
    assert_eq!(seen.status, 201);
    let id = seen.body["id"].as_str().unwrap().to_owned();
    assert!(
        seen.response.headers()["location"]
            .to_str()
            .unwrap()
            .ends_with(&id)
    );
    assert_eq!(desk.get(&format!("/v1.0/groups/{id}")).status, 200);
    for (name, value) in [
        ("mailNickname", json!("a b")),
        ("mailNickname", json!("größe")),
        ("mailNickname", json!("n".repeat(65))),
        ("displayName", json!("")),
        ("displayName", json!("n".repeat(257))),
        ("mailEnabled", json!(true)),
        ("colour", json!("red")),
        ("securityEnabled", json!("yes")),
    ] {
        let mut body = security_group("New");
        body[name] = value;
        assert_eq!(
            desk.call("POST", "/v1.0/groups", Some(body), &[]).status,
            400,
            "{name}"
        );
    }
    let mut body = security_group("New");
    body["colour"] = json!("red");
    let seen = desk.call("POST", "/v1.0/groups", Some(body), &[]);
    assert_eq!(seen.body["error"]["code"], "");
}

#[test]
fn r25_an_upsert_creates_once_and_then_updates() {
    let mut desk = Desk::open("app");
    let path = "/v1.0/groups(uniqueName='groupcast%3A1')";
    let prefer = [("Prefer", "create-if-missing")];
    assert_eq!(
        desk.call("PATCH", path, Some(json!({"displayName": "x"})), &[])
            .status,
        404
    );
    let created = desk.call("PATCH", path, Some(security_group("One")), &prefer);
    assert_eq!(
        (created.status, &created.body["uniqueName"]),
        (201, &json!("groupcast:1"))
    );
    assert!(created.response.headers().contains_key("location"));
    assert_eq!(
        desk.call("PATCH", path, Some(security_group("Two")), &prefer)
            .status,
        204
    );
    assert_eq!(
        desk.call("PATCH", path, Some(json!({"displayName": "Three"})), &[])
            .status,
        204
    );
    assert_eq!(desk.get(path).body["displayName"], "Three");
    let mut twin = security_group("Four");
    twin["uniqueName"] = json!("groupcast:1");
    assert_eq!(desk.call("POST", "/v1.0/groups", Some(twin), &[]).status, 400);
}

#[test]
fn a_new_group_is_late_and_so_are_its_members() {
    let mut tenant = tenant();
    tenant.lag = Lag {
        create_ms: 5_000,
        read_ms: 2_000,
    };
    let mut desk = Desk::with(tenant, "app");
    let seen = desk.call(
        "PATCH",
        "/v1.0/groups(uniqueName='k')",
        Some(security_group("Late")),
        &[("Prefer", "create-if-missing")],
    );
    let id = seen.body["id"].as_str().unwrap().to_owned();
    assert_eq!(desk.get(&format!("/v1.0/groups/{id}")).status, 404);
    assert_eq!(desk.add(&id, &user_id(1)).status, 404);
    // The alternate key is known at once, so that a second upsert makes no second group.
    let again = desk.call(
        "PATCH",
        "/v1.0/groups(uniqueName='k')",
        Some(security_group("Late")),
        &[("Prefer", "create-if-missing")],
    );
    assert_eq!(again.status, 204);
    desk.now_ms += 5_000;
    assert_eq!(desk.add(&id, &user_id(1)).status, 204);
    assert!(desk.all(&format!("/v1.0/groups/{id}/members")).0.is_empty());
    desk.now_ms += 2_000;
    assert_eq!(desk.all(&format!("/v1.0/groups/{id}/members")).0.len(), 1);
}

#[test]
fn a_deleted_group_is_in_the_recycle_bin_until_it_is_restored_or_purged() {
    let mut desk = Desk::open("app");
    assert_eq!(desk.call("DELETE", "/v1.0/groups/sales", None, &[]).status, 204);
    assert_eq!(
        code(&desk.get("/v1.0/groups/sales/members")),
        (404, "Request_ResourceNotFound")
    );
    let (bin, _) = desk.all("/v1.0/directory/deletedItems/microsoft.graph.group");
    assert!(bin[0]["deletedDateTime"].is_string());
    assert_eq!(
        desk.call(
            "POST",
            "/v1.0/directory/deletedItems/sales/restore",
            Some(json!({})),
            &[]
        )
        .status,
        200
    );
    assert_eq!(desk.get("/v1.0/groups/sales").status, 200);
}

#[test]
fn users_resolve_by_name_mail_and_alias_and_objects_by_id() {
    let mut desk = Desk::open("app");
    for filter in [
        "userPrincipalName%20eq%20'USER-05@example.com'",
        "mail%20eq%20'user-05@example.com'",
        "proxyAddresses/any(x:x%20eq%20'smtp:alias-05@example.com')",
    ] {
        let (users, _) = desk.all(&format!("/v1.0/users?$filter={filter}&$select=id"));
        assert_eq!(users, [json!({"id": user_id(5)})], "{filter}");
    }
    assert_eq!(desk.get("/v1.0/users/user-05@example.com").body["id"], user_id(5));
    let body = json!({"ids": [user_id(5), "sales", "nobody"], "types": ["user"]});
    let seen = desk.call("POST", "/v1.0/directoryObjects/getByIds", Some(body), &[]);
    assert_eq!(seen.body["value"].as_array().unwrap().len(), 1);
}

#[test]
fn request_ids_are_given_and_the_clients_is_echoed() {
    let mut desk = Desk::open("app");
    let seen = desk.call("GET", "/v1.0/groups/none", None, &[("client-request-id", "mine")]);
    assert_eq!(seen.response.headers()["client-request-id"], "mine");
    assert_eq!(seen.body["error"]["innerError"]["client-request-id"], "mine");
    assert_eq!(
        seen.response.headers()["request-id"].to_str().unwrap(),
        seen.body["error"]["innerError"]["request-id"]
    );
    assert_eq!(
        desk.get("/v1.0/groups/sales/members").response.headers()["x-ms-resource-unit"],
        "3"
    );
}

#[test]
fn the_state_is_published_in_the_format_it_was_read_from() {
    let before = tenant();
    let simulator = EntraSimulator::new(before.clone());
    let after = simulator.tenant();
    let sorted = |tenant: &Tenant| {
        let mut value = serde_json::to_value(tenant).unwrap();
        for list in ["users", "groups"] {
            value[list]
                .as_array_mut()
                .unwrap()
                .sort_by_key(|one| one["id"].to_string());
            for one in value[list].as_array_mut().unwrap() {
                if let Some(members) = one.get_mut("members") {
                    members
                        .as_array_mut()
                        .unwrap()
                        .sort_by_key(|one| one["id"].to_string());
                }
            }
        }
        value
    };
    assert_eq!(sorted(&before), sorted(&after));
    assert!(serde_json::from_value::<Tenant>(json!({"tenant_id": "t", "domain": "d", "color": 1})).is_err());
}

#[test]
fn a_body_may_say_that_it_is_a_group_and_nothing_else() {
    let mut desk = Desk::open("app");
    let named = |kind: &str| {
        let mut body = security_group("Typed");
        body["@odata.type"] = json!(kind);
        body
    };
    let seen = desk.call("POST", "/v1.0/groups", Some(named("#microsoft.graph.group")), &[]);
    assert_eq!(seen.status, 201, "{}", seen.body);
    assert_eq!(seen.body.get("@odata.type"), None);
    let path = format!("/v1.0/groups/{}", seen.body["id"].as_str().unwrap());
    let change = json!({"@odata.type": "#microsoft.graph.group", "displayName": "Typed again"});
    assert_eq!(desk.call("PATCH", &path, Some(change), &[]).status, 204);
    let add = json!({"@odata.type": "#microsoft.graph.group",
        "members@odata.bind": [format!("https://graph.microsoft.com/v1.0/directoryObjects/{}", user_id(0))]});
    assert_eq!(desk.call("PATCH", &path, Some(add), &[]).status, 204);
    let upsert = [("prefer", "create-if-missing")];
    let body = Some(named("#microsoft.graph.group"));
    assert_eq!(
        desk.call("PATCH", "/v1.0/groups(uniqueName='typed')", body, &upsert)
            .status,
        201
    );
    // Alone it changes nothing, and another type is no group.
    let empty = json!({"@odata.type": "#microsoft.graph.group"});
    assert_eq!(desk.call("PATCH", &path, Some(empty), &[]).status, 400);
    for wrong in [json!("#microsoft.graph.user"), json!(null)] {
        let mut body = security_group("Typed");
        body["@odata.type"] = wrong;
        assert_eq!(desk.call("POST", "/v1.0/groups", Some(body), &[]).status, 400);
    }
}
