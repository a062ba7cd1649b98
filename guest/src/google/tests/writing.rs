//! Writes and what becomes of them.

use super::*;

fn add(group: &str, principal: &str) -> Write {
    Write {
        operation: Operation::AddMember {
            group: GroupRef::Id(group.to_owned()),
            principal: principal.to_owned(),
            user: "u".to_owned(),
            address: format!("{principal}@example.com"),
        },
        target: Some(group.to_owned()),
    }
}

fn remove(group: &str, principal: &str) -> Write {
    Write {
        operation: Operation::RemoveMember {
            group: GroupRef::Id(group.to_owned()),
            principal: principal.to_owned(),
            user: None,
            address: String::new(),
            why: RemovalReason::LeftGroup,
        },
        target: Some(group.to_owned()),
    }
}

fn create(key: &str) -> Write {
    Write {
        operation: Operation::CreateGroup {
            key: key.to_owned(),
            name: "Sales".to_owned(),
            description: String::new(),
        },
        target: None,
    }
}

fn settlements(results: &[WriteResult]) -> Vec<Settlement> {
    results.iter().map(|result| result.settlement).collect()
}

#[test]
fn r40_one_bad_entry_never_fails_the_others_in_batches_of_at_most_100() {
    let world = serve(|line, body| {
        assert_eq!(line, "POST groups/g/members");
        assert_eq!(body["role"], "MEMBER");
        assert_eq!(body.as_object().unwrap().len(), 2, "nothing but ID and role");
        match body["id"].as_str().unwrap() {
            "7" => refusal(400, "invalid", "Invalid Input: memberKey"),
            _ => (200, body.clone()),
        }
    });
    let writes: Vec<Write> = (0..250).map(|at| add("g", &at.to_string())).collect();
    let results = run(google(&world, &[]).write(&writes));
    assert_eq!(world.lines(), ["POST /batch"; 3]);
    assert_eq!(results.len(), 250);
    for (at, result) in results.iter().enumerate() {
        let expected = if at == 7 {
            Settlement::Refused
        } else {
            Settlement::Applied
        };
        assert_eq!(result.settlement, expected, "{at}");
    }
    assert!(results[7].message.contains("Invalid Input"));
}

#[test]
fn r40_a_batch_that_the_host_refuses_is_split_down_to_the_part_to_blame() {
    let world = TestWorld::new(|request| {
        let text = String::from_utf8_lossy(request.body()).into_owned();
        if text.contains("\"id\":\"5\"") {
            return Err(TransportError::Denied("not approved".to_owned()));
        }
        if request.uri().path() == "/batch" {
            return batch_answer(request, |_, body| Some((200, body.clone())));
        }
        json(200, &value!({"id": "x"}))
    });
    let writes: Vec<Write> = (0..8).map(|at| add("g", &at.to_string())).collect();
    let results = run(google(&world, &[]).write(&writes));
    let refused: Vec<usize> = (0..8)
        .filter(|at| results[*at].settlement != Settlement::Applied)
        .collect();
    assert_eq!(refused, [5]);
    assert_eq!(results[5].settlement, Settlement::Abandoned);
    assert!(results[5].message.contains("not approved"));
}

#[test]
fn throttled_and_missing_parts_are_sent_again_alone() {
    let rounds = RefCell::new(Vec::new());
    let world = TestWorld::new(|request| {
        let mut seen = Vec::new();
        let round = rounds.borrow().len();
        let id = |body: &Value| body["id"].as_str().unwrap().to_owned();
        let answer = if request.uri().path() == "/batch" {
            batch_answer(request, |_, body| {
                seen.push(id(body));
                match (round, id(body).as_str()) {
                    (0, "1") => Some(refusal(403, "userRateLimitExceeded", "slow")),
                    (0, "2") => None,
                    _ => Some((200, body.clone())),
                }
            })
        } else {
            panic!("{}", request.uri());
        };
        rounds.borrow_mut().push(seen);
        answer
    });
    let writes: Vec<Write> = (0..4).map(|at| add("g", &at.to_string())).collect();
    let results = run(google(&world, &[]).write(&writes));
    assert_eq!(settlements(&results), [Settlement::Applied; 4]);
    assert_eq!(*rounds.borrow(), [vec!["0", "1", "2", "3"], vec!["1", "2"]]);
    assert!(world.now_ms.get() >= 1_000);
}

#[test]
fn r40_duplicates_are_already_after_read_back_and_pending_ones_are_told_apart() {
    let world = serve(|line, body| match (line, body["id"].as_str()) {
        ("POST groups/g/members", _) => refusal(409, "duplicate", "Member already exists."),
        ("GET groups/g/members/1", _) => (200, value!({"id": "1", "role": "OWNER"})),
        _ => not_found("memberKey"),
    });
    let results = run(google(&world, &[]).write(&[add("g", "1"), add("g", "2")]));
    assert_eq!(settlements(&results), [Settlement::Already, Settlement::Refused]);
    let reason = |at: usize| results[at].answer.clone().unwrap().reason;
    assert_eq!([reason(0), reason(1)], ["duplicate", "pending-invitation"]);
}

#[test]
fn r40_a_member_that_is_gone_is_already_removed_and_one_that_shows_is_not() {
    let world = serve(|line, _| match line {
        "DELETE groups/g/members/ok" => (204, Value::Null),
        "GET groups/g/members/odd" => (200, value!({"id": "odd"})),
        _ => not_found("memberKey"),
    });
    let results =
        run(google(&world, &[]).write(&[remove("g", "ok"), remove("g", "gone"), remove("g", "odd")]));
    assert_eq!(
        settlements(&results),
        [Settlement::Applied, Settlement::Already, Settlement::Refused]
    );
    let world = serve(|_, _| not_found("groupKey"));
    let results = run(google(&world, &[]).write(&[remove("g", "x")]));
    assert_eq!(
        settlements(&results),
        [Settlement::Refused],
        "a missing group proves nothing of its members"
    );
}

#[test]
fn a_conflict_counts_as_applied_once_it_shows() {
    let looks = RefCell::new(0);
    let world = serve(|line, _| {
        if line.starts_with("POST") {
            return refusal(409, "conflict", "");
        }
        let look = looks.replace_with(|looks| *looks + 1);
        if look == 0 {
            not_found("memberKey")
        } else {
            (200, value!({"id": "1"}))
        }
    });
    let results = run(google(&world, &[]).write(&[add("g", "1")]));
    assert_eq!(settlements(&results), [Settlement::Applied]);
    assert_eq!(*looks.borrow(), 2);
}

#[test]
fn r20_a_group_just_created_is_waited_for_and_never_created_again() {
    let tries = RefCell::new(0);
    let world = serve(|line, body| match line {
        "POST groups" => (
            200,
            value!({"id": "g1", "email": body["email"], "name": body["name"]}),
        ),
        _ => {
            let tried = tries.replace_with(|tries| *tries + 1);
            if tried < 5 {
                not_found("groupKey")
            } else {
                (200, value!({"id": "1"}))
            }
        }
    });
    let google = google(&world, &[]);
    let created = run(google.write(&[create("sales@example.com")]));
    let group = created[0].created.clone().unwrap();
    assert_eq!(
        (created[0].settlement, group.id.as_str()),
        (Settlement::Applied, "g1")
    );
    let mut write = add("g1", "1");
    if let Operation::AddMember { group, .. } = &mut write.operation {
        *group = GroupRef::New("sales@example.com".to_owned());
    }
    let results = run(google.write(&[write]));
    assert_eq!(settlements(&results), [Settlement::Applied]);
    let creations = world
        .lines()
        .iter()
        .filter(|line| line.ends_with("/groups"))
        .count();
    assert_eq!(creations, 1);
    assert!(
        (30_000..90_000).contains(&world.now_ms.get()),
        "{}",
        world.now_ms.get()
    );
}

#[test]
fn r47_creating_a_group_that_exists_is_already_by_its_own_address_alone() {
    let duplicate = |key: &str, email: &'static str| {
        let world = serve(move |line, _| {
            if line.starts_with("POST") {
                refusal(409, "duplicate", "Entity already exists.")
            } else {
                (200, value!({"id": "g1", "email": email}))
            }
        });
        run(google(&world, &[]).write(&[create(key)])).remove(0)
    };
    let already = duplicate("sales@example.com", "sales@example.com");
    assert_eq!(already.settlement, Settlement::Already);
    assert_eq!(already.created.unwrap().id, "g1");
    let alias = duplicate("sales@example.com", "other@example.com");
    assert_eq!((alias.settlement, alias.created), (Settlement::Refused, None));
}

#[test]
fn r16_an_update_sends_only_what_changes() {
    let world = serve(|line, body| {
        assert_eq!(line, "PATCH groups/g");
        assert_eq!(body, &value!({"name": "New"}));
        (200, value!({"id": "g", "email": "a@example.com"}))
    });
    let update = Write {
        operation: Operation::UpdateGroup {
            group: GroupRef::Id("g".to_owned()),
            name: Some("New".to_owned()),
            description: None,
            address: None,
        },
        target: Some("g".to_owned()),
    };
    assert_eq!(
        settlements(&run(google(&world, &[]).write(&[update]))),
        [Settlement::Applied]
    );
}

#[test]
fn writes_keep_their_order_and_stop_when_the_credential_is_refused() {
    let world = serve(|line, _| match line {
        "POST groups/g/members" => (200, value!({"id": "1"})),
        _ => refusal(
            403,
            "insufficientPermissions",
            "Request had insufficient authentication scopes.",
        ),
    });
    let results = run(google(&world, &[]).write(&[add("g", "1"), remove("g", "2"), add("g", "3")]));
    assert_eq!(
        settlements(&results),
        [Settlement::Applied, Settlement::Refused, Settlement::Abandoned]
    );
    let lines = world.lines();
    assert!(
        lines[0].starts_with("POST") && lines[1].starts_with("DELETE") && lines.len() == 2,
        "{lines:?}"
    );
}

#[test]
fn a_member_of_a_group_that_was_not_created_is_abandoned_unsent() {
    let world = TestWorld::scripted(vec![]);
    let mut write = add("g", "1");
    write.target = None;
    if let Operation::AddMember { group, .. } = &mut write.operation {
        *group = GroupRef::New("sales@example.com".to_owned());
    }
    assert_eq!(
        settlements(&run(google(&world, &[]).write(&[write]))),
        [Settlement::Abandoned]
    );
}
