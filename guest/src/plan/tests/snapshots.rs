//! Representative parts as a person would read them in review: a change of the format shows here.

use super::lab::*;
use crate::plan::model::{MemberKind, Resolution, Role};

#[test]
fn a_creation() {
    let mut lab = Lab::addressed(&["u1", "u2"]);
    lab.world.resolutions.insert(
        "u2".to_owned(),
        Resolution::Unknown {
            sought: "user2@example.com".to_owned(),
        },
    );
    insta::assert_json_snapshot!(lab.part());
}

#[test]
fn a_takeover_with_foreign_members() {
    let mut lab = Lab::named(&["u1", "u2"]);
    lab.settings.acknowledge = true;
    lab.shelve(
        "t1",
        "",
        "Sales",
        vec![
            with_role("p1", Role::Owner),
            member("p20"),
            with_kind("p21", MemberKind::Group),
        ],
    );
    insta::assert_json_snapshot!(lab.part());
}

#[test]
fn a_move_with_a_leaver_and_a_deleted_person() {
    let mut lab = Lab::addressed(&["u1", "u2", "u3"]);
    lab.sync();
    lab.set_users("g1", &["u1"]);
    lab.source("g1").deleted_users = ids(&["u3"]);
    lab.set_email(Some("team@example.com"));
    insta::assert_json_snapshot!(lab.part());
}
