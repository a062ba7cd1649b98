//! Why a person is, or is not, in a group.

use super::*;

/// Somebody, the situation, words of the conclusion, and the code of a link that must be there.
#[test]
fn why_tells_every_skip_of_a_person_with_what_to_do() {
    type Case = (&'static str, Town, &'static str, &'static str);
    let strangers = |role: Role, policy: DriftPolicy| {
        changed(fresh(), |town| {
            town.settings.policy = policy;
            town.target
                .put("t-1", "sales@example.com", "Sales", &[("zoe", role)]);
            town.source.members("elsewhere", &["zoe"]);
            town.settings.policy = DriftPolicy::Managed;
            town.sync();
            town.settings.policy = policy;
        })
    };
    let of_kind = |kind| {
        changed(strangers(Role::Member, DriftPolicy::Managed), |town| {
            town.target.kinds.insert("p-zoe".to_owned(), kind);
        })
    };
    let cases: Vec<Case> = vec![
        // Wanted, and there.
        ("anna", synced(), "as the source wants it", "membership"),
        (
            "anna",
            changed(synced(), |town| {
                town.source.paths.insert(
                    ("g1".to_owned(), "anna".to_owned()),
                    vec!["EMEA".to_owned(), "Kraków".to_owned()],
                );
            }),
            "as the source wants it",
            "membership",
        ),
        // Wanted, and not there.
        (
            "carl",
            changed(synced(), |town| {
                town.source.members("g1", &["anna", "bert", "carl"])
            }),
            "groupcast apply",
            "plan",
        ),
        (
            "anna",
            changed(synced(), |town| {
                town.target
                    .groups
                    .borrow_mut()
                    .get_mut("t-1")
                    .unwrap()
                    .members
                    .remove("p-anna");
            }),
            "groupcast apply",
            "plan",
        ),
        (
            "carl",
            changed(synced(), |town| {
                town.source.members("g1", &["anna", "bert", "carl"]);
                town.settings.limits.group_adds.count = Some(0);
            }),
            "raise the limit",
            "held",
        ),
        (
            "anna",
            changed(fresh(), |town| {
                town.source
                    .group("g0", "Other", Some("sales@example.com"), &["carl"]);
            }),
            "another email",
            "address-taken",
        ),
        (
            "anna",
            changed(fresh(), |town| town.settings.managed = false),
            "managed = true",
            "managed",
        ),
        (
            "anna",
            changed(synced(), |town| {
                town.settings.suspended = Suspended::Remove;
                town.source.users.get_mut("anna").unwrap().suspended = true;
            }),
            "removes them",
            "active",
        ),
        (
            "anna",
            changed(synced(), |town| {
                town.source.users.get_mut("anna").unwrap().suspended = true
            }),
            "wants it",
            "active",
        ),
        // Not wanted, and there.
        (
            "anna",
            changed(synced(), |town| leaves(town, "anna")),
            "removes them; it waits to be applied",
            "plan",
        ),
        (
            "anna",
            changed(synced(), |town| {
                leaves(town, "anna");
                town.settings.limits.group_removals.count = Some(0);
            }),
            "raise the limit",
            "held",
        ),
        (
            "anna",
            changed(synced(), |town| {
                leaves(town, "anna");
                town.source.second_falls_short = true;
                town.source.asked.borrow_mut().clear();
            }),
            "second-read-missing",
            "frozen",
        ),
        (
            "anna",
            changed(synced(), |town| {
                leaves(town, "anna");
                town.source.partial_members.insert("g1".to_owned());
            }),
            "told to fall short",
            "frozen",
        ),
        (
            "anna@example.com",
            changed(synced(), |town| {
                leaves(town, "anna");
                town.source.users.remove("anna");
            }),
            "removes them",
            "person",
        ),
        (
            "anna",
            changed(synced(), |town| {
                leaves(town, "anna");
                town.target
                    .groups
                    .borrow_mut()
                    .get_mut("t-1")
                    .unwrap()
                    .members
                    .insert("p-anna".to_owned(), Role::Owner);
            }),
            "do it there",
            "held",
        ),
        (
            "anna",
            changed(synced(), |town| {
                leaves(town, "anna");
                town.settings.policy = DriftPolicy::Additive;
            }),
            "`additive`",
            "policy",
        ),
        (
            "zoe",
            strangers(Role::Member, DriftPolicy::Managed),
            "`authoritative`",
            "policy",
        ),
        (
            "zoe",
            strangers(Role::Manager, DriftPolicy::Managed),
            "own or manage",
            "policy",
        ),
        (
            "zoe",
            of_kind(MemberKind::External),
            "outside the directory",
            "policy",
        ),
        ("zoe", of_kind(MemberKind::Group), "Groups within", "policy"),
        // Neither.
        (
            "carl",
            changed(synced(), |town| town.source.members("elsewhere", &["carl"])),
            "Add them there",
            "membership",
        ),
        ("nobody", synced(), "create them there", "person"),
    ];
    for (number, (person, town, says, code)) in cases.into_iter().enumerate() {
        let told = town.explain(Some(person), "Sales");
        assert!(
            told.conclusion.contains(says),
            "{number}, {person}, {says:?}: {told:#?}"
        );
        assert!(
            told.steps.iter().any(|step| step.code == code),
            "{number}, {code}: {told:#?}"
        );
        if person != "nobody" {
            assert!(!told.people.is_empty(), "{number}: {told:#?}");
        }
    }
}

#[test]
fn why_shows_the_path_through_nested_groups_and_the_earlier_address_of_a_move() {
    let mut town = synced();
    town.source.paths.insert(
        ("g1".to_owned(), "anna".to_owned()),
        vec!["EMEA".to_owned(), "Kraków".to_owned()],
    );
    let told = town.explain(Some("anna"), "Sales");
    let link = told.steps.iter().find(|step| step.code == "membership").unwrap();
    assert!(
        link.message.contains("Sales > EMEA > Kraków > anna.name"),
        "{}",
        link.message
    );
    // A move: the people are in the old group until they are in the new one.
    town.source.groups.get_mut("g1").unwrap().email = Some("new@example.com".to_owned());
    let told = town.explain(Some("anna"), "Sales");
    let link = told.steps.iter().find(|step| step.code == "earlier-address");
    let link = link.unwrap_or_else(|| panic!("{told:#?}"));
    assert!(link.message.contains("sales@example.com"), "{}", link.message);
    assert!(
        told.conclusion.contains("created at the first apply"),
        "{told:#?}"
    );
}
