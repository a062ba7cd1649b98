use proptest::prelude::*;
use serde_json::json;

use super::*;

const OURS: &str = "d00000000000000000000001";

fn of(kind: &str, more: Value) -> Vec<Change> {
    let mut body = json!({"id": "e", "timestamp": "2026-11-26T10:00:00.123Z", "event_type": kind});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    changes(&serde_json::from_value(body).unwrap(), OURS)
}

fn connected(from: (&str, &str), to: (&str, &str)) -> Vec<Change> {
    of(
        "association_change",
        json!({"association": {"op": "add", "connection": {
            "from": {"type": from.0, "object_id": from.1},
            "to": {"type": to.0, "object_id": to.1},
        }}}),
    )
}

fn group(id: &str) -> Change {
    Change::Group(id.to_owned())
}

fn is_everything(changes: &[Change]) -> bool {
    matches!(changes, [Change::Everything(_)])
}

#[test]
fn connections_name_the_groups_at_their_ends() {
    assert_eq!(connected(("user_group", "g"), ("user", "u")), [group("g")]);
    assert_eq!(connected(("user", "u"), ("USER_GROUP", "g")), [group("g")]);
    assert_eq!(
        connected(("user_group", "g"), ("user_group", "h")),
        [group("g"), group("h")]
    );
    assert_eq!(connected(("user_group", "g"), ("g_suite", OURS)), [group("g")]);
    assert_eq!(connected(("user_group", "g"), ("office_365", "other")), []);
    assert_eq!(
        connected(("user", "u"), ("office_365", OURS)),
        [Change::Person("u".to_owned())]
    );
    assert_eq!(connected(("user_group", "g"), ("application", "a")), []);
    assert_eq!(connected(("user", "u"), ("system", "s")), []);
    assert!(is_everything(&connected(("user_group", "g"), ("new_kind", "n"))));
    assert!(is_everything(&of("association_change", json!({}))));
}

#[test]
fn records_name_themselves_and_what_is_not_known_asks_for_everything() {
    let user = json!({"resource": {"id": "u", "type": "user"}});
    let person = || vec![Change::Person("u".to_owned())];
    for kind in [
        "user_create",
        "user_update",
        "user_suspended",
        "user_activated",
        "user_gsuite_provision",
        "user_something_new",
    ] {
        assert_eq!(of(kind, user.clone()), person(), "{kind}");
    }
    assert_eq!(
        of("user_delete", user.clone()),
        [Change::PersonGone("u".to_owned())]
    );
    let resource = json!({"resource": {"id": "g", "type": "user_group"}});
    assert_eq!(of("group_update", resource.clone()), [group("g")]);
    assert_eq!(of("group_create", resource.clone()), [group("g")]);
    assert!(is_everything(&of("group_delete", resource.clone())));
    let devices = json!({"resource": {"id": "g", "type": "system_group"}});
    assert_eq!(of("group_delete", devices), []);
    let ours = json!({"resource": {"id": OURS, "type": "g_suite"}});
    assert!(is_everything(&of("gsuite_directory_update", ours)));
    let other = json!({"resource": {"id": "d2", "type": "g_suite"}});
    assert_eq!(of("gsuite_directory_update", other), []);
    for kind in [
        "integration_update",
        "group_merge",
        "organization_update",
        "user_group_rule_change",
        "users_bulk_import",
        "group_update",
        "user_update",
        "user_delete",
        "",
    ] {
        assert!(is_everything(&of(kind, json!({}))), "{kind}");
    }
    for kind in [
        "admin_login_attempt",
        "user_login_attempt",
        "command_run",
        "policy_update",
    ] {
        assert_eq!(of(kind, user.clone()), [], "{kind}");
    }
}

#[test]
fn times_are_read_and_written_to_the_millisecond() {
    for text in [
        "2026-11-26T10:00:00.123Z",
        "2026-11-26T10:00:00.123456789Z",
        "2026-11-26T11:00:00.123+01:00",
    ] {
        assert_eq!(read(text), Some(1_795_687_200_123), "{text}");
    }
    assert_eq!(written(1_795_687_200_123), "2026-11-26T10:00:00.123Z");
    assert_eq!(read("yesterday"), None);
}

proptest! {
    /// Whatever an event is about a group or a person, it is not taken for nothing unless its type is on the list.
    #[test]
    fn no_type_about_groups_or_people_is_dropped(
        before in "[a-z]{0,6}",
        word in prop_oneof![Just("group"), Just("user"), Just("association"), Just("directory"), Just("member")],
        after in "[a-z]{0,6}",
        kind in prop_oneof![Just("user"), Just("user_group"), Just("")],
        id in prop_oneof![Just("x"), Just("")],
    ) {
        let event_type = format!("{before}_{word}_{after}");
        prop_assume!(!HARMLESS.contains(&event_type.as_str()));
        let found = of(&event_type, json!({"resource": {"type": kind, "id": id}}));
        prop_assert!(!found.is_empty(), "{event_type}");
    }
}
