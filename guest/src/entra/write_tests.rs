use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::entra::fake::{self, BASE, Part, Said, Tenant, already, error, world};
use crate::http::testing::run;
use crate::plan::part::RemovalReason;

type Log = Rc<RefCell<Vec<Part>>>;

fn add(group: &str, principal: &str) -> Write {
    Write {
        operation: Operation::AddMember {
            group: GroupRef::Id(group.into()),
            principal: principal.into(),
            user: format!("source-{principal}"),
            address: String::new(),
        },
        target: Some(group.into()),
    }
}

fn remove(group: &str, principal: &str) -> Write {
    Write {
        operation: Operation::RemoveMember {
            group: GroupRef::Id(group.into()),
            principal: principal.into(),
            user: None,
            address: String::new(),
            why: RemovalReason::LeftGroup,
        },
        target: Some(group.into()),
    }
}

fn create(key: &str, description: &str) -> Write {
    Write {
        operation: Operation::CreateGroup {
            key: key.into(),
            name: "Sales".into(),
            description: description.into(),
        },
        target: None,
    }
}

fn update(name: Option<&str>, description: Option<&str>) -> Write {
    Write {
        operation: Operation::UpdateGroup {
            group: GroupRef::Id("g1".into()),
            name: name.map(str::to_owned),
            description: description.map(str::to_owned),
            address: None,
        },
        target: Some("g1".into()),
    }
}

/// Writes against a tenant; answers results, what was sent and how long it took.
fn carried_out(
    tenant: &Rc<RefCell<Tenant>>,
    writes: &[Write],
    mut first: impl FnMut(&Part) -> Option<Option<Said>>,
) -> (Vec<WriteResult>, Vec<Part>, u64) {
    let log = Log::default();
    let inner = Rc::clone(tenant);
    let world = world(&log, move |part| match first(part) {
        Some(said) => said,
        None => Some(inner.borrow_mut().handle(part)),
    });
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let results = run(write(&graph, writes));
    let took = world.now_ms.get();
    drop(graph);
    let sent = log.borrow().clone();
    (results, sent, took)
}

fn plainly(tenant: &Rc<RefCell<Tenant>>, writes: &[Write]) -> (Vec<WriteResult>, Vec<Part>, u64) {
    carried_out(tenant, writes, |_| None)
}

fn tenant(members: &[&str], people: &[&str]) -> Rc<RefCell<Tenant>> {
    Rc::new(RefCell::new(Tenant::with("g1", members, people)))
}

fn settlements(results: &[WriteResult]) -> Vec<Settlement> {
    results.iter().map(|result| result.settlement).collect()
}

fn count(parts: &[Part], method: &str) -> usize {
    parts.iter().filter(|part| part.method == method).count()
}

#[test]
fn r22_a_group_is_created_as_a_plain_security_group_under_its_key() {
    let tenant = tenant(&[], &[]);
    let (results, sent, _) = plainly(&tenant, &[create("groupcast-s1", "All of sales")]);
    let created = results[0].created.clone().unwrap();
    assert_eq!(results[0].settlement, Settlement::Applied);
    assert_eq!(
        (created.id.as_str(), created.key.as_str()),
        ("new-1", "groupcast-s1")
    );
    assert_eq!(
        sent[0].body,
        serde_json::json!({"displayName": "Sales", "description": "All of sales", "mailEnabled": false,
            "mailNickname": "groupcast-s1", "securityEnabled": true})
    );
    let (_, sent, _) = plainly(&tenant, &[create("groupcast-s2", "")]);
    assert!(sent[0].body.get("description").is_none());
}

#[test]
fn r25_a_creation_repeated_gives_the_same_group_and_says_already() {
    let tenant = tenant(&[], &[]);
    let writes = [create("groupcast-s1", ""), create("groupcast-s1", "")];
    let (first, sent, _) = plainly(&tenant, &writes);
    assert_eq!(count(&sent, "PATCH"), 1, "one key, one creation");
    let (second, _, _) = plainly(&tenant, &writes[..1]);
    assert_eq!(second[0].settlement, Settlement::Already);
    assert_eq!(
        second[0].created.as_ref().unwrap().id,
        first[1].created.as_ref().unwrap().id
    );
    assert_eq!(tenant.borrow().groups.len(), 2);
}

#[test]
fn r47_a_creation_whose_answer_was_lost_is_found_again_and_not_made_twice() {
    let tenant = tenant(&[], &[]);
    let inner = Rc::clone(&tenant);
    let mut lost = false;
    let (results, _, _) = carried_out(&tenant, &[create("groupcast-s1", "")], move |part| {
        if lost {
            return None;
        }
        lost = true;
        inner.borrow_mut().handle(part);
        Some(None)
    });
    assert_eq!(results[0].settlement, Settlement::Already);
    assert_eq!(tenant.borrow().groups.len(), 2);
}

#[test]
fn a_group_created_in_the_same_call_gets_its_members() {
    let tenant = tenant(&[], &["u1"]);
    let mut member = add("", "u1");
    member.target = None;
    if let Operation::AddMember { group, .. } = &mut member.operation {
        *group = GroupRef::New("groupcast-s1".into());
    }
    let (results, _, _) = plainly(&tenant, &[member.clone(), create("groupcast-s1", "")]);
    assert_eq!(settlements(&results), [Settlement::Applied, Settlement::Applied]);
    assert_eq!(tenant.borrow().groups["new-1"].1, ["u1"]);
    let (results, sent, _) = plainly(&tenant, &[member]);
    assert_eq!(settlements(&results), [Settlement::Abandoned]);
    assert!(sent.is_empty());
}

#[test]
fn r20_members_of_a_new_group_wait_until_it_shows_and_it_is_never_created_again() {
    let tenant = tenant(&[], &["u1", "u2"]);
    tenant.borrow_mut().hidden.insert("g1".into(), 5);
    let (results, sent, took) = plainly(&tenant, &[add("g1", "u1"), add("g1", "u2")]);
    assert_eq!(settlements(&results), [Settlement::Applied; 2]);
    assert!(sent.iter().all(|part| !part.url.contains("(uniqueName=")));
    assert!((1_000..60_000).contains(&took), "{took}");
}

#[test]
fn r20_a_group_that_never_shows_is_refused_after_about_a_minute() {
    let tenant = tenant(&[], &["u1", "u2"]);
    let (results, _, took) = plainly(&tenant, &[add("gone", "u1"), add("gone", "u2"), add("g1", "u1")]);
    assert_eq!(
        settlements(&results),
        [Settlement::Refused, Settlement::Refused, Settlement::Applied]
    );
    assert!((60_000..90_000).contains(&took), "{took}");
}

#[test]
fn r40_adds_go_twenty_at_a_time() {
    let people: Vec<String> = (0..45).map(|number| format!("u{number}")).collect();
    let names: Vec<&str> = people.iter().map(String::as_str).collect();
    let tenant = tenant(&[], &names);
    let writes: Vec<Write> = names.iter().map(|name| add("g1", name)).collect();
    let (results, sent, took) = plainly(&tenant, &writes);
    assert!(
        results
            .iter()
            .all(|result| result.settlement == Settlement::Applied)
    );
    let sizes: Vec<usize> = sent.iter().map(|part| part.members().len()).collect();
    assert_eq!((sizes, took), (vec![20, 20, 5], 0));
}

#[test]
fn r40_one_member_already_there_never_fails_the_other_nineteen() {
    let people: Vec<String> = (0..20).map(|number| format!("u{number}")).collect();
    let names: Vec<&str> = people.iter().map(String::as_str).collect();
    for culprit in [0, 7, 19] {
        let tenant = tenant(&[names[culprit]], &names);
        let writes: Vec<Write> = names.iter().map(|name| add("g1", name)).collect();
        let (results, sent, _) = plainly(&tenant, &writes);
        for (index, result) in results.iter().enumerate() {
            let expected = if index == culprit {
                Settlement::Already
            } else {
                Settlement::Applied
            };
            assert_eq!(result.settlement, expected, "{index}");
        }
        assert_eq!(tenant.borrow().groups["g1"].1.len(), 20);
        assert!(
            count(&sent, "PATCH") <= 11,
            "halving takes few requests: {}",
            count(&sent, "PATCH")
        );
    }
}

#[test]
fn r40_an_unknown_person_is_refused_alone_after_waiting() {
    let tenant = tenant(&[], &["u1", "u3"]);
    let (results, _, took) = plainly(&tenant, &[add("g1", "u1"), add("g1", "ghost"), add("g1", "u3")]);
    assert_eq!(
        settlements(&results),
        [Settlement::Applied, Settlement::Refused, Settlement::Applied]
    );
    assert_eq!(results[1].answer.as_ref().unwrap().status, 404);
    assert!(
        results[1].message.contains("does not know"),
        "{}",
        results[1].message
    );
    assert!((60_000..90_000).contains(&took), "{took}");
}

#[test]
fn r40_already_a_member_counts_only_once_it_is_read_back() {
    let tenant = tenant(&["u1"], &["u1"]);
    tenant.borrow_mut().stale_lists = 2;
    let (results, _, took) = plainly(&tenant, &[add("g1", "u1")]);
    assert_eq!(settlements(&results), [Settlement::Already]);
    assert!(took >= 3_000, "the list was read until it agreed: {took}");
    let other = Rc::new(RefCell::new(Tenant::with("g1", &[], &["u1"])));
    let (results, _, _) = carried_out(&other, &[add("g1", "u1")], |part| {
        (part.method == "PATCH").then(|| Some(already()))
    });
    assert_eq!(
        settlements(&results),
        [Settlement::Refused],
        "Graph contradicts itself"
    );
}

#[test]
fn r40_the_same_person_twice_is_sent_once_and_both_get_the_result() {
    let tenant = tenant(&[], &["u1"]);
    let (results, sent, _) = plainly(&tenant, &[add("g1", "u1"), add("g1", "u1")]);
    assert_eq!(settlements(&results), [Settlement::Applied; 2]);
    assert_eq!(sent.len(), 1);
}

#[test]
fn r40_removing_who_is_not_there_is_already_after_reading_back() {
    let tenant = tenant(&["u1"], &[]);
    let (results, sent, _) = plainly(&tenant, &[remove("g1", "u1"), remove("g1", "u2")]);
    assert_eq!(settlements(&results), [Settlement::Applied, Settlement::Already]);
    let deletions: Vec<String> = sent
        .iter()
        .filter(|part| part.method == "DELETE")
        .map(Part::line)
        .collect();
    assert_eq!(
        deletions,
        [
            "DELETE /groups/g1/members/u1/$ref",
            "DELETE /groups/g1/members/u2/$ref"
        ]
    );
}

#[test]
fn r40_a_lost_answer_is_settled_by_looking() {
    let tenant = tenant(&["u9"], &["u1", "u2"]);
    let inner = Rc::clone(&tenant);
    let mut lost = 0;
    let writes = [add("g1", "u1"), add("g1", "u2"), remove("g1", "u9")];
    let (results, _, _) = carried_out(&tenant, &writes, move |part| {
        // The first batch takes effect, and its answer is lost.
        lost += 1;
        (lost <= 2).then(|| {
            inner.borrow_mut().handle(part);
            None
        })
    });
    assert_eq!(settlements(&results), [Settlement::Already; 3]);
    assert_eq!(tenant.borrow().groups["g1"].1, ["u1", "u2"]);
}

#[test]
fn r33_a_person_id_that_is_no_object_id_is_not_sent() {
    let tenant = tenant(&["u1"], &[]);
    for hostile in ["", "u1?x=", "../../users/u1", "u1/"] {
        let (results, sent, _) = plainly(&tenant, &[remove("g1", hostile)]);
        assert_eq!(settlements(&results), [Settlement::Refused], "{hostile:?}");
        assert!(sent.is_empty());
    }
}

#[test]
fn a_group_that_may_not_be_touched_is_refused_without_splitting() {
    let tenant = tenant(&[], &["u1", "u2"]);
    for refusal in [
        error(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        ),
        error(
            400,
            "Request_BadRequest",
            "Cannot Update a mail-enabled security groups and or distribution list.",
        ),
    ] {
        let (results, sent, _) = carried_out(&tenant, &[add("g1", "u1"), add("g1", "u2")], |_| {
            Some(Some(refusal.clone()))
        });
        assert_eq!(settlements(&results), [Settlement::Refused; 2]);
        assert_eq!(sent.len(), 1);
        assert!(!results[0].message.is_empty());
    }
}

#[test]
fn r11_an_update_sends_what_changes_and_clears_with_null() {
    for (write, body) in [
        (
            update(Some("New"), None),
            serde_json::json!({"displayName": "New"}),
        ),
        (
            update(None, Some("Text")),
            serde_json::json!({"description": "Text"}),
        ),
        (update(None, Some("")), serde_json::json!({"description": null})),
    ] {
        let tenant = tenant(&[], &[]);
        let (results, sent, _) = plainly(&tenant, &[write]);
        assert_eq!(settlements(&results), [Settlement::Applied]);
        assert_eq!(sent[0].body, body);
    }
    let (results, sent, _) = plainly(&tenant(&[], &[]), &[update(None, None)]);
    assert_eq!(
        (settlements(&results), sent.len()),
        (vec![Settlement::Refused], 0)
    );
}

#[test]
fn one_group_is_written_in_order_updates_then_adds_then_removals() {
    let tenant = tenant(&["u9"], &["u1"]);
    let (results, sent, _) = plainly(
        &tenant,
        &[remove("g1", "u9"), add("g1", "u1"), update(Some("N"), None)],
    );
    assert_eq!(settlements(&results), [Settlement::Applied; 3]);
    let lines: Vec<String> = sent.iter().map(Part::line).collect();
    assert_eq!(
        lines,
        [
            "PATCH /groups/g1",
            "PATCH /groups/g1 +u1",
            "DELETE /groups/g1/members/u9/$ref"
        ]
    );
}

#[test]
fn what_the_host_denies_is_abandoned_with_everything_after_it() {
    use crate::environment::TransportError;
    use crate::http::testing::TestWorld;
    let world = TestWorld::new(|_| Err(TransportError::Denied("the run was cancelled".into())));
    let graph = Graph::new(fake::environment(&world), BASE, 1);
    let mut writes = vec![create("groupcast-s1", ""), create("groupcast-s2", "")];
    writes.extend((0..500).map(|number| add("g1", &format!("u{number}"))));
    let results = run(write(&graph, &writes));
    assert!(
        results
            .iter()
            .all(|result| result.settlement == Settlement::Abandoned)
    );
    assert!(
        results[501].message.contains("cancelled"),
        "{}",
        results[501].message
    );
    assert_eq!(
        world.requests.borrow().len(),
        2,
        "one for creations, one for members"
    );
}

#[test]
fn a_throttled_write_that_never_passes_is_abandoned_and_not_called_refused() {
    let tenant = tenant(&[], &["u1"]);
    let (results, _, _) = carried_out(&tenant, &[add("g1", "u1")], |_| {
        Some(Some(error(429, "TooManyRequests", "")))
    });
    assert_eq!(settlements(&results), [Settlement::Abandoned]);
    assert_eq!(results[0].answer.as_ref().unwrap().status, 429);
}

#[test]
fn a_nickname_is_always_one_that_graph_takes() {
    assert_eq!(mail_nickname("groupcast-5f1b"), "groupcast-5f1b");
    for odd in ["groupcast-a b", "groupcast-ü", "", &"x".repeat(65), "a@b"] {
        let nickname = mail_nickname(odd);
        assert!(
            nickname.len() <= 64
                && nickname
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        );
    }
    assert_ne!(mail_nickname("a b"), mail_nickname("a c"));
}
