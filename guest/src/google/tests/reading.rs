//! Finding people, looking groups up, reading members.

use super::*;

fn wanted(key: &str, bound: Option<&str>) -> Wanted {
    Wanted {
        group: format!("jc-{key}"),
        name: "Sales".to_owned(),
        key: key.to_owned(),
        bound: bound.map(str::to_owned),
    }
}

fn look_up_one(world: &TestWorld<'_>, domains: &[&str], want: Wanted, held: &[&str]) -> Sight {
    let held = held.iter().map(|id| (*id).to_owned()).collect();
    let group = want.group.clone();
    run(google(world, domains).look_up(&[want], &held))
        .unwrap()
        .remove(&group)
        .unwrap()
}

fn user(id: &str, email: Option<&str>) -> SourceUser {
    SourceUser {
        id: id.to_owned(),
        username: id.to_owned(),
        email: email.map(str::to_owned),
        suspended: false,
        target_id: None,
    }
}

#[test]
fn r31_people_are_found_by_primary_address_or_alias_to_the_immutable_id() {
    let world = serve(|_, _| {
        (
            200,
            value!({"users": [
                {"id": "1", "primaryEmail": "alice@example.com", "aliases": ["a@example.com"]},
                {"id": "2", "primaryEmail": "bob@example.com", "nonEditableAliases": ["bob@example.com.test"]},
                {"id": "3", "primaryEmail": "x@example.com", "aliases": ["shared@example.com"]},
                {"id": "4", "primaryEmail": "y@example.com", "aliases": ["shared@example.com"]},
            ]}),
        )
    });
    let users = [
        user("a", Some("Alice@Example.com ")),
        user("b", Some("a@example.com")),
        user("c", Some("bob@example.com.test")),
        user("d", Some("shared@example.com")),
        user("e", Some("nobody@example.com")),
        user("f", Some(" ")),
    ];
    let found = run(google(&world, &[]).resolve(&users)).unwrap();
    let id = |user: &str| match &found[user] {
        Resolution::Resolved(principal) => principal.id.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!([id("a"), id("b"), id("c")], ["1", "1", "2"]);
    assert!(matches!(&found["d"], Resolution::Ambiguous { candidates } if candidates.len() == 2));
    assert!(matches!(&found["e"], Resolution::Unknown { .. }));
    assert!(matches!(&found["f"], Resolution::NoAddress));
    let line = &world.lines()[0];
    assert!(
        line.contains("customer=my_customer&maxResults=500&orderBy=email"),
        "{line}"
    );
}

#[test]
fn r42_pages_of_users_end_by_their_token_even_when_exactly_full() {
    let pages = RefCell::new(0);
    let world = TestWorld::new(|request| {
        let number = pages.replace_with(|number| *number + 1);
        let query = request.uri().query().unwrap();
        assert_eq!(query.contains("pageToken=t%2B1"), number == 1, "{query}");
        let users: Value = (0..500)
            .map(|at| value!({"id": format!("{number}-{at}"), "primaryEmail": format!("{number}-{at}@example.com")}))
            .collect();
        let mut page = value!({"users": users});
        if number == 0 {
            page["nextPageToken"] = value!("t+1");
        }
        json(200, &page)
    });
    let found = run(google(&world, &[]).resolve(&[user("a", Some("1-499@example.com"))])).unwrap();
    assert!(matches!(&found["a"], Resolution::Resolved(_)));
    assert_eq!(*pages.borrow(), 2);
}

#[test]
fn r31_a_list_of_users_that_is_not_whole_proves_nobody_unknown() {
    // The page's token comes again: the list is not whole.
    let world = serve(|line, _| match line {
        "GET users" => (200, value!({"users": [], "nextPageToken": "t"})),
        "GET users/alice@example.com" => (200, value!({"id": "1", "primaryEmail": "alice@example.com"})),
        "GET users/bob@example.com" => not_found("userKey"),
        _ => refusal(403, "forbidden", "Not Authorized to access this resource/api"),
    });
    let users =
        ["alice@example.com", "bob@example.com", "c@elsewhere.example"].map(|email| user(email, Some(email)));
    let found = run(google(&world, &[]).resolve(&users)).unwrap();
    assert!(matches!(&found["alice@example.com"], Resolution::Resolved(_)));
    assert!(matches!(&found["bob@example.com"], Resolution::Unknown { .. }));
    assert!(matches!(
        &found["c@elsewhere.example"],
        Resolution::Unproven { .. }
    ));
}

#[test]
fn r07_users_that_may_not_be_read_end_the_run_with_the_fix() {
    let world = serve(|_, _| refusal(403, "forbidden", "Not Authorized to access this resource/api"));
    let failure = run(google(&world, &[]).resolve(&[user("a", Some("a@example.com"))])).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unauthorized);
    assert!(failure.message.contains("Groups Admin"));
}

#[test]
fn r20_a_bound_group_is_read_by_its_id_and_a_404_is_no_absence() {
    let world = serve(|line, _| match line {
        "GET groups/g1" => (200, value!({"id": "g1", "email": "new@example.com", "name": "N"})),
        _ => not_found("groupKey"),
    });
    let wants = [
        wanted("a@example.com", Some("g1")),
        wanted("b@example.com", Some("g2")),
    ];
    let sights = run(google(&world, &[]).look_up(&wants, &BTreeSet::new())).unwrap();
    assert!(matches!(&sights["jc-a@example.com"], Sight::Bound(group) if group.key == "new@example.com"));
    assert!(matches!(&sights["jc-b@example.com"], Sight::BoundMissing));
    assert_eq!(world.lines(), ["POST /batch"], "no list is asked");
}

#[test]
fn r18_an_alias_a_users_address_and_a_foreign_domain_are_refused_before_any_write() {
    let answer = |line: &str, _: &Value| match line {
        "GET groups/alias@example.com" => (200, value!({"id": "g9", "email": "other@example.com"})),
        "GET users/alice@example.com" => (200, value!({"id": "1", "primaryEmail": "alice@example.com"})),
        "GET users" => (
            200,
            value!({"users": [{"id": "1", "primaryEmail": "alice@example.com"}]}),
        ),
        line if line.contains("@elsewhere.example") => refusal(403, "forbidden", "Not Authorized"),
        line if line.starts_with("GET groups/") => not_found("groupKey"),
        _ => not_found("userKey"),
    };
    let code = |key: &str, domains: &[&str]| {
        let world = serve(answer);
        let sight = look_up_one(&world, domains, wanted(key, None), &[]);
        assert!(world.lines().iter().all(|line| line.starts_with("GET")));
        match sight {
            Sight::Blocked {
                conflict: true,
                reason,
            } => reason.code,
            Sight::Nothing { .. } => "nothing".to_owned(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code("alias@example.com", &[]), "alias");
    assert_eq!(code("alice@example.com", &[]), "address-of-user");
    assert_eq!(code("sales@elsewhere.example", &[]), "foreign-domain");
    assert_eq!(code("sales@example.com", &["other.example"]), "foreign-domain");
    assert_eq!(code("nonsense", &[]), "invalid-address");
    assert_eq!(code("sales@example.com", &[]), "nothing");
    assert_eq!(code("sales@example.com", &["Example.com"]), "nothing");
}

#[test]
fn r50_r51_an_existing_group_is_taken_over_unless_another_source_group_holds_it() {
    let answer = |_: &str, _: &Value| {
        let group = value!({"id": "g1", "email": "Sales@example.com", "name": "S", "description": "d"});
        (200, group)
    };
    let sight = look_up_one(&serve(answer), &[], wanted("sales@example.com", None), &[]);
    assert!(matches!(sight, Sight::Takeover(group) if group.id == "g1" && group.description == "d"));
    let sight = look_up_one(&serve(answer), &[], wanted("sales@example.com", None), &["g1"]);
    assert!(matches!(sight, Sight::Blocked { conflict: true, reason } if reason.code == "held-by-another"));
}

#[test]
fn a_page_that_is_not_googles_is_no_absence() {
    let world = TestWorld::new(|_| crate::http::testing::text(404, "text/html", "<html>404</html>"));
    let sight = look_up_one(&world, &["example.com"], wanted("sales@example.com", None), &[]);
    assert!(matches!(sight, Sight::Unknown { .. }));
}

#[test]
fn members_are_read_whole_with_kinds_and_roles() {
    let member = |at: usize| value!({"id": format!("{at}"), "email": "m@example.com", "role": "MEMBER", "type": "USER", "status": "ACTIVE"});
    let world = TestWorld::new(|request| {
        let query = request.uri().query().unwrap().to_owned();
        let path = request.uri().path();
        if path.contains("/empty/") {
            return json(200, &value!({}));
        }
        if path.contains("/loop/") {
            return json(200, &value!({"members": [], "nextPageToken": "t"}));
        }
        if path.contains("/gone/") {
            let (status, body) = not_found("groupKey");
            return json(status, &body);
        }
        if query.contains("pageToken") {
            return json(
                200,
                &value!({"members": [
                    {"id": "ext", "email": "x@elsewhere.example", "role": "MEMBER", "type": "USER"},
                    {"id": "grp", "email": "g@example.com", "role": "MANAGER", "type": "GROUP", "status": "ACTIVE"},
                    {"id": "all", "role": "OWNER", "type": "CUSTOMER"},
                ]}),
            );
        }
        json(
            200,
            &value!({"members": (0..200).map(member).collect::<Value>(), "nextPageToken": "t"}),
        )
    });
    let targets = ["g", "empty", "loop", "gone"].map(str::to_owned);
    let read = run(google(&world, &[]).few_members(&targets));
    let members = read["g"].complete().unwrap().get();
    assert_eq!(members.len(), 203);
    let kinds: Vec<_> = members[199..]
        .iter()
        .map(|member| (member.kind, member.role))
        .collect();
    assert_eq!(
        kinds,
        [
            (MemberKind::User, Role::Member),
            (MemberKind::External, Role::Member),
            (MemberKind::Group, Role::Manager),
            (MemberKind::Other, Role::Owner)
        ]
    );
    assert_eq!(read["empty"].complete().unwrap().get().len(), 0);
    assert!(read["loop"].complete().is_none(), "a token that comes again");
    assert!(
        read["gone"].complete().is_none(),
        "a 404 does not prove that a group is empty"
    );
}
