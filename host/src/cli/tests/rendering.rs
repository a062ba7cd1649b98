//! What a person reads, without colours: a change here is a change of the interface.

use groupcast_guest::plan::part::{GroupRef, GroupState, Note, Operation, Part};

use super::world;
use crate::cli::operations::ConnectionName;
use crate::cli::render;
use crate::cli::render::plan::{Approval, Detail, Totals};

fn google() -> ConnectionName {
    ConnectionName::new("default", "google")
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn shown(parts: Vec<Part>, detail: Detail) -> String {
    let approval = Approval {
        hash: world::HASH.to_owned(),
        connection: None,
        config: None,
    };
    plain(&render::plan::plan(
        &google(),
        &world::stored(parts),
        &approval,
        detail,
    ))
}

#[test]
fn a_plan_with_one_of_each_kind_of_group() {
    insta::assert_snapshot!(shown(world::everything(), Detail::GLANCE));
}

#[test]
fn a_plan_in_full_lists_every_person_and_every_group() {
    let text = shown(
        vec![world::adds_and_removals(), world::in_step("g12", "Finance")],
        Detail::ALL,
    );
    assert!(text.contains("+ person29@example.com"), "{text}");
    assert!(text.contains("in step, nothing to do: Finance"), "{text}");
}

#[test]
fn r50_a_takeover_shows_who_is_foreign_one_by_one() {
    insta::assert_snapshot!(shown(vec![world::takeover()], Detail::GLANCE));
}

#[test]
fn r6_r43_held_work_says_why_and_how_to_release_it() {
    insta::assert_snapshot!(shown(
        vec![world::held_by_limit(), world::held_empty_source()],
        Detail::GLANCE
    ));
}

#[test]
fn r14_a_move_names_the_address_that_people_leave() {
    let text = shown(vec![world::email_moved()], Detail::GLANCE);
    assert!(text.contains("+ gina@example.com\n"), "{text}");
    assert!(
        text.contains("- gina@example.com from media@example.com  (moved to the new address)"),
        "{text}"
    );
}

#[test]
fn r16_a_rename_shows_the_address_before_and_after() {
    let mut part = world::part("g1", "Sales", GroupState::Pending);
    part.operations = vec![Operation::UpdateGroup {
        group: GroupRef::Id("t-g1".to_owned()),
        name: None,
        description: Some(String::new()),
        address: Some("vendite@example.com".to_owned()),
    }];
    let text = shown(vec![part], Detail::GLANCE);
    assert!(
        text.contains("~ address: sales@example.com → vendite@example.com"),
        "{text}"
    );
    assert!(text.contains("~ description is emptied"), "{text}");
}

#[test]
fn r46_a_plan_without_changes_is_one_line_and_asks_for_nothing() {
    insta::assert_snapshot!(shown(
        vec![world::in_step("g12", "Finance"), world::in_step("g13", "Legal")],
        Detail::GLANCE
    ));
}

#[test]
fn a_plan_that_changes_our_own_records_alone_is_still_to_be_applied() {
    let mut released = world::part("g1", "Sales", GroupState::Released);
    released.notes = vec![Note::Forget {
        target: "t-g1".to_owned(),
        principal: "p1".to_owned(),
    }];
    assert!(Totals::of(std::slice::from_ref(&released)).is_pending());
    let text = shown(vec![released], Detail::GLANCE);
    assert!(text.contains("our own records are brought up to date"), "{text}");
    assert!(text.contains("groupcast apply --plan 90454829d4f0\n"), "{text}");
}

#[test]
fn what_no_approval_releases_does_not_wait_for_one() {
    let mut part = world::held_by_limit();
    part.held.retain(|held| !held.approvable);
    assert!(!Totals::of(std::slice::from_ref(&part)).is_pending());
    assert!(!shown(vec![part], Detail::GLANCE).contains("groupcast apply"));
}

#[test]
fn the_command_to_approve_names_what_this_call_named() {
    let approval = Approval {
        hash: world::HASH.to_owned(),
        connection: Some("default/google".to_owned()),
        config: Some("my groups.toml".to_owned()),
    };
    assert_eq!(
        approval.command(Some("R&D"), true),
        "groupcast apply --config 'my groups.toml' --connection default/google --plan 90454829d4f0 --group 'R&D' \
         --release-held"
    );
}

#[test]
fn nothing_that_others_wrote_reaches_the_terminal_raw() {
    let evil = "x\u{1b}]0;owned\u{7}\u{202e}\r\n";
    let mut part = world::takeover();
    let json = serde_json::to_string(&part).unwrap();
    // Every text of a part is somebody else's, except the words that the format itself knows.
    for word in [
        "Sales",
        "sales@example.com",
        "Everybody who sells",
        "alice@example.com",
        "boss@example.com",
        "owner",
        "group",
    ] {
        let quoted = serde_json::to_string(word).unwrap();
        let replaced = json.replace(
            &format!(":{quoted}"),
            &format!(":{}", serde_json::to_string(evil).unwrap()),
        );
        part = serde_json::from_str(&replaced).unwrap();
        let text = shown(vec![part], Detail::ALL);
        assert!(
            text.chars()
                .all(|one| one == '\n' || !one.is_control() && one != '\u{202e}'),
            "{word}: {text:?}"
        );
    }
}

#[test]
fn check_findings() {
    insta::assert_snapshot!(plain(&render::check::check(&google(), &world::findings())));
}

#[test]
fn a_chain_marks_the_first_link_that_does_not_hold() {
    insta::assert_snapshot!(plain(&render::why::why(&google(), &world::explanation())));
}

#[test]
fn runs_are_a_table() {
    insta::assert_snapshot!(plain(&render::runs::runs(&world::records())));
    assert_eq!(
        render::runs::runs(&[]),
        "No run yet. Begin with: groupcast check\n"
    );
}

#[test]
fn an_outcome_shows_what_did_not_go_well() {
    insta::assert_snapshot!(plain(&render::outcome::outcome(
        &google(),
        &world::apply_outcome(),
        &world::everything(),
        Detail::GLANCE
    )));
}

#[test]
fn colours_mark_additions_and_removals() {
    let text = render::plan::plan(
        &google(),
        &world::stored(vec![world::adds_and_removals()]),
        &Approval::default(),
        Detail::GLANCE,
    );
    assert!(
        text.contains("\u{1b}[32m+\u{1b}[0m person00@example.com"),
        "{text:?}"
    );
    assert!(text.contains("\u{1b}[31m-\u{1b}[0m erin@example.com"), "{text:?}");
}
