//! Who is exported at all.

use super::lab::*;
use crate::ledger::BindingState;
use crate::plan::part::{GroupState, Operation, TargetHow};

#[test]
fn r1_a_first_export_needs_all_four_conditions_and_the_plan_names_the_missing_one() {
    let whole = Lab::addressed(&["u1"]);
    assert_eq!(whole.part().state, GroupState::Pending);
    assert!(whole.part().has_writes());

    let mut unbound = whole.clone();
    unbound.source("g1").bound = false;
    let mut nameless = whole.clone();
    nameless.set_email(Some("   "));
    let mut unmanaged = whole.clone();
    unmanaged.settings.managed = false;
    let mut empty = whole.clone();
    empty.set_users("g1", &[]);
    for (lab, code) in [
        (unbound, "not-bound"),
        (nameless, "no-email"),
        (unmanaged, "not-managed"),
        (empty, "no-users"),
    ] {
        let part = lab.part();
        assert_eq!(codes(&part), [code]);
        assert!(part.operations.is_empty() && part.held.is_empty() && part.notes.is_empty());
    }
}

#[test]
fn r1_everything_that_is_missing_is_named() {
    let mut lab = Lab::addressed(&[]);
    lab.settings.managed = false;
    lab.source("g1").bound = false;
    lab.set_email(None);
    assert_eq!(
        codes(&lab.part()),
        ["not-managed", "not-bound", "no-email", "no-users"]
    );
}

#[test]
fn r2_a_directory_of_names_needs_no_email_but_a_selection() {
    let mut lab = Lab::named(&["u1"]);
    assert!(lab.part().has_writes());
    for selected in ["g1", "Sales", "*"] {
        lab.settings.selected = vec![selected.to_owned()];
        assert!(lab.part().has_writes(), "{selected}");
    }
    lab.settings.selected = vec!["sales".to_owned()];
    assert_eq!(codes(&lab.part()), ["not-selected"]);
    assert_eq!(lab.part().state, GroupState::NotExportable);
}

#[test]
fn r3_an_email_given_later_starts_the_export_at_the_next_run() {
    let mut lab = Lab::addressed(&["u1"]);
    lab.set_email(None);
    assert!(!lab.sync()[0].has_writes());
    lab.set_email(Some("sales@example.com"));
    assert_eq!(adds(&lab.part()), ["p1"]);
}

#[test]
fn r4_an_empty_group_that_was_never_exported_is_not_created() {
    for mut lab in [Lab::addressed(&[]), Lab::named(&[])] {
        assert_eq!(codes(&lab.part()), ["no-users"]);
        assert_eq!(lab.part().state, GroupState::NotExportable);
        lab.set_users_partly("g1", &[]);
        assert_eq!(codes(&lab.part()), ["read-incomplete"]);
        assert!(!lab.part().has_writes());
    }
}

#[test]
fn r5_a_user_who_does_not_resolve_waits_and_the_others_go_on() {
    use crate::plan::model::Resolution;
    let mut lab = Lab::addressed(&["u1", "u2", "u3", "u4", "u5"]);
    let resolutions = &mut lab.world.resolutions;
    resolutions.insert(
        "u2".to_owned(),
        Resolution::Unknown {
            sought: "user2@example.com".to_owned(),
        },
    );
    resolutions.insert(
        "u3".to_owned(),
        Resolution::Ambiguous {
            candidates: vec![principal("p30"), principal("p31")],
        },
    );
    resolutions.insert("u4".to_owned(), Resolution::NoAddress);
    resolutions.remove("u5");
    let part = lab.part();
    assert_eq!(adds(&part), ["p1"]);
    let waiting: Vec<(&str, &str)> = part
        .waiting
        .iter()
        .map(|waiting| (waiting.user.as_str(), waiting.reason.code.as_str()))
        .collect();
    assert_eq!(
        waiting,
        [
            ("u2", "awaiting-user"),
            ("u3", "ambiguous-user"),
            ("u4", "no-address"),
            ("u5", "users-unproven")
        ]
    );
}

#[test]
fn r12_an_override_takes_the_place_of_the_group_s_own_email() {
    let mut lab = Lab::addressed(&["u1"]);
    lab.settings
        .addresses
        .insert("Sales".to_owned(), "verkauf@example.com".to_owned());
    let part = lab.part();
    assert!(part.group.email_is_override);
    assert_eq!(part.target.as_ref().unwrap().key, "verkauf@example.com");
    lab.set_email(None);
    assert!(lab.part().has_writes());
}

#[test]
fn r18_malformed_addresses_and_foreign_domains_are_refused_before_any_write() {
    let mut lab = Lab::addressed(&["u1"]);
    lab.set_email(Some("sales team@example.com"));
    assert_eq!(codes(&lab.part()), ["bad-address"]);
    lab.set_email(Some("sales@example.com"));
    lab.settings.domains = vec!["other.example".to_owned()];
    assert_eq!(codes(&lab.part()), ["domain-not-allowed"]);
    lab.settings.domains.push("Example.com".to_owned());
    assert!(lab.part().has_writes());
}

#[test]
fn r29_a_takeover_waits_for_selection_and_management() {
    let mut lab = Lab::named(&["u1"]);
    lab.shelve("t1", "", "Sales", vec![member("p9")]);
    lab.settings.managed = false;
    assert_eq!(codes(&lab.part()), ["not-managed"]);
    lab.settings.managed = true;
    lab.settings.selected.clear();
    assert_eq!(codes(&lab.part()), ["not-selected"]);
    lab.settings.selected = vec!["Sales".to_owned()];
    let part = lab.part();
    assert_eq!(part.target.as_ref().unwrap().how, TargetHow::Takeover);
    assert_eq!(part.target.as_ref().unwrap().id.as_deref(), Some("t1"));
}

#[test]
fn r30_binding_a_group_exports_its_users() {
    let mut lab = Lab::addressed(&["u1", "u2"]);
    lab.source("g1").bound = false;
    assert!(!lab.part().has_writes());
    lab.settings.bound = Some(vec!["Sales".to_owned()]);
    lab.sync();
    let target = lab.target().to_owned();
    assert_eq!(lab.members(&target), ["p1", "p2"]);
}

#[test]
fn r32_unbinding_releases_and_binding_again_resumes_on_the_same_target() {
    for mut lab in [Lab::addressed(&["u1"]), Lab::named(&["u1"])] {
        lab.sync();
        let target = lab.target().to_owned();
        lab.source("g1").bound = false;
        lab.set_users("g1", &["u2"]);
        let part = lab.sync().remove(0);
        assert_eq!(
            (part.state, codes(&part)),
            (GroupState::Released, vec!["not-bound"])
        );
        assert!(!part.has_writes());
        assert_eq!(lab.state(), BindingState::Released);
        assert!(lab.part().notes.is_empty());
        lab.source("g1").bound = true;
        assert_eq!(
            lab.part().target.as_ref().unwrap().id.as_deref(),
            Some(target.as_str())
        );
        lab.sync();
        assert_eq!(lab.state(), BindingState::Managed);
        assert_eq!(lab.members(&target), ["p2"]);
    }
}

#[test]
fn r32_a_group_that_is_gone_is_orphaned_and_nothing_is_deleted() {
    let mut lab = Lab::addressed(&["u1"]);
    lab.sync();
    lab.source("g1").group = None;
    lab.set_users("g1", &[]);
    let part = lab.sync().remove(0);
    assert_eq!(part.state, GroupState::Orphaned);
    assert_eq!(part.group.name, "Sales");
    assert!(!part.has_writes() && part.held.is_empty());
    assert_eq!(lab.state(), BindingState::Orphaned);
    assert!(lab.part().notes.is_empty());
}

#[test]
fn r34_a_bound_group_without_an_email_is_at_risk_with_its_number_of_users() {
    let mut lab = Lab::addressed(&["u1", "u2"]);
    lab.set_email(None);
    let part = lab.part();
    assert_eq!((part.state, codes(&part)), (GroupState::AtRisk, vec!["no-email"]));
    assert!(part.warnings[0].message.contains("2 users"));

    let mut named = Lab::named(&["u1"]);
    assert_eq!(named.part().warnings[0].code, "at-risk");
    named.settings.acknowledge = true;
    assert!(named.part().warnings.is_empty());
}

#[test]
fn r36_r37_switched_off_nothing_is_planned_and_the_ledger_stays() {
    let mut lab = Lab::addressed(&["u1"]);
    lab.sync();
    lab.settings.managed = false;
    lab.set_email(None);
    let part = lab.part();
    assert!(part.operations.is_empty() && part.held.is_empty() && part.notes.is_empty());
    assert!(codes(&part).contains(&"not-managed"));
}

#[test]
fn descriptions_are_cut_to_what_the_target_holds() {
    let mut lab = Lab::addressed(&["u1"]);
    lab.group("g1").description = "ü".repeat(5000);
    let part = lab.sync().remove(0);
    let Operation::CreateGroup { description, .. } = &part.operations[0] else {
        panic!("no creation first");
    };
    assert_eq!(description.chars().count(), 4096);
    assert!(!lab.part().has_writes());
}
