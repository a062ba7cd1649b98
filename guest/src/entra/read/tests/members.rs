//! How members and owners are read, and when that is not the whole.

use super::*;

fn member(id: &str, kind: &str) -> Value {
    json!({"@odata.type": format!("#microsoft.graph.{kind}"), "id": id, "displayName": format!("name of {id}"),
        "userPrincipalName": if kind == "user" { json!(format!("{id}@x.test")) } else { Value::Null }})
}

fn read_members(
    targets: &[&str],
    handle: impl FnMut(&Part) -> Option<Said>,
) -> BTreeMap<String, Reading<Vec<ObservedMember>>> {
    let log = Log::default();
    let world = world(&log, handle);
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let targets: Vec<String> = targets.iter().map(|id| (*id).to_owned()).collect();
    run(all_members(&graph, &targets))
}

async fn all_members(
    graph: &Graph<'_>,
    targets: &[String],
) -> BTreeMap<String, Reading<Vec<ObservedMember>>> {
    let mut readings = BTreeMap::new();
    members(graph, targets, &mut |target, reading| {
        let twice = readings.insert(target.to_owned(), reading);
        assert!(twice.is_none(), "{target} was handed over twice");
    })
    .await;
    readings
}

#[test]
fn r39_members_have_kinds_by_type_and_owners_are_owners() {
    let answer = read_members(&["g1"], |part| {
        Some(if part.url.contains("/owners") {
            page(&[member("u2", "user"), member("u9", "user")])
        } else {
            page(&[
                member("u1", "user"),
                member("u2", "user"),
                member("n1", "group"),
                member("s1", "servicePrincipal"),
                member("d1", "device"),
                member("c1", "orgContact"),
                json!({"id": "x1"}),
            ])
        })
    });
    let whole = answer["g1"].complete().unwrap().get();
    let seen: Vec<(&str, MemberKind, Role)> = whole
        .iter()
        .map(|member| (member.principal.id.as_str(), member.kind, member.role))
        .collect();
    assert_eq!(
        seen,
        [
            ("u1", MemberKind::User, Role::Member),
            ("u2", MemberKind::User, Role::Owner),
            ("n1", MemberKind::Group, Role::Member),
            ("s1", MemberKind::Other, Role::Member),
            ("d1", MemberKind::Other, Role::Member),
            ("c1", MemberKind::External, Role::Member),
            ("x1", MemberKind::Other, Role::Member),
        ]
    );
    assert_eq!(whole[0].principal.address, "u1@x.test");
    assert_eq!(whole[2].principal.address, "name of n1");
}

#[test]
fn r39_r42_without_the_owners_a_members_list_is_not_whole() {
    let answer = read_members(&["g1"], |part| {
        Some(if part.url.contains("/owners") {
            error(403, "Authorization_RequestDenied", "no")
        } else {
            page(&[member("u1", "user")])
        })
    });
    assert!(answer["g1"].complete().is_none());
    assert_eq!(answer["g1"].seen().len(), 1);
}

#[test]
fn r42_one_group_that_cannot_be_read_never_spoils_another() {
    let targets: Vec<String> = (0..25).map(|number| format!("g{number}")).collect();
    let mut names: Vec<&str> = targets.iter().map(String::as_str).collect();
    names.insert(3, "not an id");
    let answer = read_members(&names, |part| {
        Some(if part.url.starts_with("/groups/g7/") {
            missing()
        } else {
            let group = part.url.split('/').nth(2).unwrap().to_owned();
            page(&[member(&format!("u-{group}"), "user")])
        })
    });
    assert_eq!(answer.len(), 26);
    for (target, reading) in &answer {
        match reading {
            Reading::Complete(whole) => {
                assert_eq!(whole.get()[0].principal.id, format!("u-{target}"));
            }
            Reading::Partial { seen, reason } => {
                assert!(
                    matches!(target.as_str(), "g7" | "not an id"),
                    "{target}: {reason}"
                );
                assert!(seen.is_empty());
            }
        }
    }
    assert!(answer["g7"].complete().is_none() && answer["not an id"].complete().is_none());
}

#[test]
fn r42_members_are_partial_when_nothing_answers() {
    let world = TestWorld::new(|_| Err(TransportError::NotSent("no route".into())));
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let answer = run(all_members(&graph, &["g1".to_owned()]));
    assert!(matches!(&answer["g1"], Reading::Partial { reason, .. } if reason.contains("no route")));
}
