//! How groups are found: by the binding, by what was created and not settled, by the very name.

use super::*;

fn group(id: &str, name: &str) -> Value {
    json!({"id": id, "displayName": name, "mailEnabled": false, "securityEnabled": true, "groupTypes": []})
}

/// Answers group requests from a list, as Graph does: names are filtered without case.
fn serve_groups(groups: &[Value], part: &Part) -> Said {
    let path = part.url.split('?').next().unwrap();
    if let Some(name) = part.url.strip_prefix("/groups?$filter=displayName eq '") {
        let name = name
            .split("'&$select")
            .next()
            .unwrap()
            .replace("''", "'")
            .to_lowercase();
        let found: Vec<Value> = groups
            .iter()
            .filter(|group| group["displayName"].as_str().unwrap().to_lowercase() == name)
            .cloned()
            .collect();
        return page(&found);
    }
    let found = match path.strip_prefix("/groups(uniqueName='") {
        Some(key) => groups
            .iter()
            .find(|group| group["uniqueName"] == key.trim_end_matches("')")),
        None => groups
            .iter()
            .find(|group| group["id"] == path.trim_start_matches("/groups/")),
    };
    found.map_or_else(missing, |group| say(200, group.clone()))
}

fn seen(groups: &[Value], sought: &[Wanted], held: &[&str]) -> BTreeMap<String, Sight> {
    let log = Log::default();
    let groups = groups.to_vec();
    let world = world(&log, move |part| Some(serve_groups(&groups, part)));
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let held = held.iter().map(|id| (*id).to_owned()).collect();
    run(look_up(&graph, sought, &held, OnAmbiguous::Create)).unwrap()
}

fn taken_over(sight: &Sight) -> Option<&str> {
    match sight {
        Sight::Takeover(group) => Some(&group.id),
        _ => None,
    }
}

#[test]
fn r11_a_bound_group_is_read_by_its_id_whatever_its_name() {
    let groups = [group("g1", "Old name"), group("g2", "Sales")];
    let answer = seen(
        &groups,
        &[
            wanted("s1", "Sales", Some("g1")),
            wanted("s2", "Sales", Some("g9")),
            wanted("s3", "Sales", Some("no id")),
        ],
        &[],
    );
    assert!(matches!(&answer["s1"], Sight::Bound(group) if group.id == "g1" && group.name == "Old name"));
    assert!(
        matches!(answer["s2"], Sight::BoundMissing),
        "r20: never a reason to create again"
    );
    assert!(matches!(answer["s3"], Sight::Unknown { .. }));
}

#[test]
fn r27_a_bound_group_that_somebody_makes_dynamic_or_mail_enabled_is_left_as_it_is() {
    let mut dynamic = group("g1", "Sales");
    dynamic["groupTypes"] = json!(["DynamicMembership"]);
    let mut mailed = group("g2", "Sales");
    mailed["mailEnabled"] = json!(true);
    let mut synced = group("g3", "Sales");
    synced["onPremisesSyncEnabled"] = json!(true);
    let mut reticent = group("g4", "Sales");
    reticent.as_object_mut().unwrap().remove("mailEnabled");
    let sought = [
        wanted("s1", "Sales", Some("g1")),
        wanted("s2", "Sales", Some("g2")),
        wanted("s3", "Sales", Some("g3")),
        wanted("s4", "Sales", Some("g4")),
    ];
    let answer = seen(&[dynamic, mailed, synced, reticent], &sought, &[]);
    for group in ["s1", "s2", "s3"] {
        assert!(
            matches!(&answer[group], Sight::Blocked { conflict: false, reason } if reason.code == "guarded-target"),
            "{group}: {:?}",
            answer[group]
        );
    }
    assert!(
        matches!(&answer["s4"], Sight::Bound(_)),
        "what is left out says nothing"
    );
}

#[test]
fn r21_r24_a_group_of_the_very_name_is_taken_over_though_the_server_ignores_case() {
    let groups = [
        group("g1", "SALES"),
        group("g2", "Sales"),
        group("g3", "O'Brien's"),
    ];
    let answer = seen(
        &groups,
        &[
            wanted("s1", "Sales", None),
            wanted("s2", "O'Brien's", None),
            wanted("s3", "sales", None),
            wanted("s4", "New", None),
        ],
        &[],
    );
    assert_eq!(taken_over(&answer["s1"]), Some("g2"));
    assert_eq!(taken_over(&answer["s2"]), Some("g3"));
    assert!(matches!(&answer["s3"], Sight::Nothing { warnings } if warnings[0].code == "other-spelling"));
    assert!(matches!(&answer["s4"], Sight::Nothing { warnings } if warnings.is_empty()));
}

#[test]
fn r25_a_group_that_we_created_and_did_not_settle_is_taken_up_before_any_name_is_looked_at() {
    let mut own = group("g3", "Sales");
    own["uniqueName"] = json!("groupcast-s1");
    let groups = [group("g1", "Sales"), group("g2", "Sales"), own];
    let answer = seen(&groups, &[wanted("s1", "Sales", None)], &[]);
    assert!(
        matches!(&answer["s1"], Sight::Takeover(group) if group.id == "g3" && group.key == "groupcast-s1")
    );
}

#[test]
fn r51_two_source_groups_of_one_name_never_take_the_same_group_over() {
    let groups = [group("g1", "Sales")];
    let both = [wanted("s2", "Sales", None), wanted("s1", "Sales", None)];
    let answer = seen(&groups, &both, &[]);
    assert_eq!(taken_over(&answer["s1"]), Some("g1"));
    assert!(matches!(&answer["s2"], Sight::Nothing { warnings } if warnings[0].code == "twin-names"));
    let answer = seen(&groups, &both, &["g1"]);
    assert!(
        answer
            .values()
            .all(|sight| matches!(sight, Sight::Nothing { .. }))
    );
}

#[test]
fn r22_a_name_that_entra_cannot_take_is_a_conflict_before_any_request() {
    let answer = seen(
        &[],
        &[wanted("s1", "", None), wanted("s2", &"ü".repeat(257), None)],
        &[],
    );
    for sight in answer.values() {
        assert!(matches!(sight, Sight::Blocked { conflict: true, reason } if reason.code == "name-length"));
    }
    let answer = seen(&[], &[wanted("s1", &"ü".repeat(256), None)], &[]);
    assert!(matches!(answer["s1"], Sight::Nothing { .. }));
}

#[test]
fn r20_a_look_up_that_fails_is_unknown_and_never_nothing() {
    let log = Log::default();
    let world = world(&log, |part| {
        Some(if part.url.contains("(uniqueName='groupcast-s1')") {
            error(500, "Service_InternalServerError", "")
        } else if part.url.starts_with("/groups?") {
            error(400, "", "Invalid filter clause")
        } else {
            missing()
        })
    });
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let sought = [wanted("s1", "Sales", None), wanted("s2", "Sales", None)];
    let answer = run(look_up(&graph, &sought, &BTreeSet::new(), OnAmbiguous::Create)).unwrap();
    assert!(matches!(answer["s1"], Sight::Unknown { .. }), "{answer:?}");
    assert!(matches!(answer["s2"], Sight::Unknown { .. }), "{answer:?}");
}

#[test]
fn r24_twins_on_a_second_page_count() {
    let log = Log::default();
    let world = world(&log, |part| {
        Some(if part.url.contains("skiptoken") {
            page(&[group("g2", "Sales")])
        } else if part.url.starts_with("/groups?") {
            let mut said = page(&[group("g1", "Sales")]);
            said.body["@odata.nextLink"] = json!(format!("{BASE}/v1.0/groups?$skiptoken=1"));
            said
        } else {
            missing()
        })
    });
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let answer = run(look_up(
        &graph,
        &[wanted("s1", "Sales", None)],
        &BTreeSet::new(),
        OnAmbiguous::Hold,
    ))
    .unwrap();
    assert!(
        matches!(&answer["s1"], Sight::Blocked { conflict: false, reason } if reason.code == "twin-names")
    );
}
