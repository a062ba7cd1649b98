//! The exports `check` and `explain`: they tell, and never write.

use super::*;
use crate::engine::answers::Severity;
use crate::engine::source::Directory;
use crate::plan::model::Role;
use crate::settings::DriftPolicy;

fn found<'a>(findings: &'a [Finding], code: &str) -> &'a Finding {
    findings
        .iter()
        .find(|finding| finding.code == code)
        .unwrap_or_else(|| panic!("no {code} in {findings:?}"))
}

#[test]
fn r34_groups_without_an_email_are_found_with_the_number_of_their_users() {
    for mut town in [Town::google(), Town::entra()] {
        town.settings.managed = false;
        town.source.group("g1", "Sales", None, &["anna", "bert"]);
        town.source.group("g2", "Ops", Some("ops@example.com"), &["bert"]);
        let findings = town.check();
        let finding = found(&findings, "group-at-risk");
        assert_eq!(
            (finding.severity, finding.place.as_str()),
            (Severity::Problem, "Sales")
        );
        assert!(finding.message.contains("(2)"), "{}", finding.message);
        town.settings.acknowledge = true;
        assert_eq!(found(&town.check(), "group-at-risk").severity, Severity::Warning);
        assert_eq!((town.target.sent.get(), town.host.intents.borrow().len()), (0, 0));
    }
}

#[test]
fn r35_a_second_engine_and_a_shared_domain_are_found() {
    let mut town = Town::google();
    let directory = town.source.directory.as_mut().unwrap();
    directory.groups_enabled = Some(true);
    directory.default_domain = Some("example.com".to_owned());
    let other = Directory {
        id: "d2".to_owned(),
        default_domain: Some("Example.com".to_owned()),
        ..directory.clone()
    };
    town.source.others.push(other);
    let findings = town.check();
    assert_eq!(
        found(&findings, "group-management-on").severity,
        Severity::Problem
    );
    assert_eq!(found(&findings, "shared-domain").severity, Severity::Warning);
}

#[test]
fn a_missing_directory_is_found_and_the_target_is_asked_all_the_same() {
    let mut town = Town::google();
    town.source.directory = None;
    let findings = town.check();
    assert_eq!(
        found(&findings, "directory-not-found").severity,
        Severity::Problem
    );
    assert_eq!(town.target.reads.get(), 1);
}

#[test]
fn ambiguous_names_and_unresolved_people_are_found() {
    let mut town = Town::entra();
    town.target.put("a", "", "Sales", &[]);
    town.target.put("b", "", "Sales", &[]);
    town.target.without_account.insert("bert".to_owned());
    town.source
        .group("g1", "Sales", Some("sales@example.com"), &["anna", "bert"]);
    let findings = town.check();
    assert_eq!(found(&findings, "twin-names").place, "Sales");
    assert!(found(&findings, "users-unresolved").message.starts_with("1 "));
    assert!(
        findings
            .iter()
            .all(|finding| finding.severity != Severity::Problem),
        "{findings:?}"
    );
}

/// The first link that does not hold.
fn cause(explanation: &Explanation) -> &str {
    explanation
        .steps
        .iter()
        .find(|step| !step.holds)
        .map_or("", |step| step.code.as_str())
}

fn sales() -> Town {
    let mut town = Town::google();
    town.source
        .group("g1", "Sales", Some("sales@example.com"), &["anna"]);
    town.source.members("elsewhere", &["bert"]);
    town.sync();
    town
}

#[test]
fn somebody_in_the_group_is_explained_by_links_that_all_hold() {
    let town = sales();
    for (person, group) in [
        ("anna", "g1"),
        ("anna.name", "Sales"),
        ("ANNA@example.com", "Sales@Example.com"),
        ("p-anna", "t-1"),
    ] {
        let explanation = town.explain(Some(person), group);
        assert_eq!(cause(&explanation), "", "{person} {group}: {explanation:?}");
        assert!(
            explanation.conclusion.contains("is in the target group"),
            "{explanation:?}"
        );
    }
    assert_eq!(cause(&town.explain(None, "Sales")), "");
}

#[test]
fn each_missing_link_is_the_cause() {
    type Spoil = fn(&mut Town);
    let cases: [(&str, &str, Spoil); 9] = [
        ("anna", "group", |town| {
            town.source.groups.clear();
            town.host.bindings.borrow_mut().clear();
        }),
        ("nobody", "person", |_| {}),
        ("bert", "membership", |_| {}),
        ("anna", "binding", |town| {
            town.source.bound.clear();
        }),
        ("anna", "email", |town| {
            town.source.groups.get_mut("g1").unwrap().email = None;
        }),
        ("anna", "managed", |town| town.settings.managed = false),
        ("carl", "awaiting-user", |town| {
            town.source.members("g1", &["anna", "carl"]);
            town.target.without_account.insert("carl".to_owned());
        }),
        ("carl", "plan", |town| {
            town.source.members("g1", &["anna", "carl"])
        }),
        ("anna", "active", |town| {
            town.settings.suspended = crate::settings::Suspended::Remove;
            town.source.users.get_mut("anna").unwrap().suspended = true;
        }),
    ];
    for (person, code, spoil) in cases {
        let mut town = sales();
        spoil(&mut town);
        let writes = town.target.sent.get();
        let explanation = town.explain(Some(person), "Sales");
        // What the group lacks comes after what the person lacks.
        let causes: Vec<&str> = explanation
            .steps
            .iter()
            .filter(|step| !step.holds)
            .map(|step| step.code.as_str())
            .collect();
        assert!(causes.contains(&code), "{person} {code}: {explanation:?}");
        if !matches!(code, "binding" | "email") {
            assert_eq!(causes[0], code, "{person}: {explanation:?}");
        }
        assert_eq!(town.target.sent.get(), writes);
    }
}

#[test]
fn a_stranger_in_the_target_group_is_explained_as_such() {
    let mut town = Town::google();
    town.settings.policy = DriftPolicy::Managed;
    town.target
        .put("t-1", "sales@example.com", "Sales", &[("zoe", Role::Member)]);
    town.source
        .group("g1", "Sales", Some("sales@example.com"), &["anna"]);
    town.source.members("elsewhere", &["zoe"]);
    town.sync();
    let explanation = town.explain(Some("zoe"), "Sales");
    assert_eq!(cause(&explanation), "membership");
    assert!(
        explanation
            .conclusion
            .contains("although the source does not want it"),
        "{explanation:?}"
    );
    assert!(explanation.conclusion.contains("never wanted"), "{explanation:?}");
}
