//! Which group, of those that have a source group's name, may be taken over (R21 to R28, R51). Pure.

use std::collections::BTreeSet;

use super::types::Group;
use crate::plan::model::Sight;
use crate::plan::part::Reason;
use crate::settings::OnAmbiguous;
use crate::target::Wanted;

/// What groups that we create have as `uniqueName`: this and the source group's ID.
pub const KEY_PREFIX: &str = "groupcast-";

/// What a group is, as far as taking it over goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A plain security group.
    Plain,
    /// Not ours to copy or to change: the words say why.
    Guarded(&'static str),
    /// A kind that we leave alone and create a security group beside: the words name it.
    Other(&'static str),
}

fn kind(group: &Group) -> Kind {
    let is_type = |name: &str| {
        group
            .group_types
            .iter()
            .flatten()
            .any(|kind| kind.eq_ignore_ascii_case(name))
    };
    // The guarded kinds come first: a Microsoft 365 group can be dynamic or role-assignable as well.
    if group.is_assignable_to_role == Some(true) {
        return Kind::Guarded("directory roles can be given to it");
    }
    if group.on_premises_sync_enabled == Some(true) {
        return Kind::Guarded("it is mastered in an on-premises directory");
    }
    if group.is_management_restricted == Some(true) {
        return Kind::Guarded("it is in a restricted management unit");
    }
    if is_type("DynamicMembership")
        || group
            .membership_rule
            .as_deref()
            .is_some_and(|rule| !rule.is_empty())
    {
        return Kind::Guarded("a rule decides who is in it (dynamic membership)");
    }
    if is_type("Unified") {
        return Kind::Other("Microsoft 365 group");
    }
    match (group.security_enabled, group.mail_enabled) {
        (Some(true), Some(false)) if group.group_types.as_ref().is_none_or(Vec::is_empty) => Kind::Plain,
        (Some(true), Some(true)) => Kind::Other("mail-enabled security group"),
        (Some(false), Some(true)) => Kind::Other("distribution group"),
        // A property that Graph left out, or a type to come: not known to be plain, so not ours to take.
        _ => Kind::Other("group of another kind"),
    }
}

/// Judges the group that has the very `uniqueName` that we would create under: created by us before, and the
/// answer lost or not settled. It is taken up again, so that there is never a fourth group (R25).
pub fn judge_own(wanted: &Wanted, group: &Group, held: &BTreeSet<String>) -> Sight {
    if held.contains(&group.id) {
        return Sight::Blocked {
            conflict: true,
            reason: Reason::new(
                "target-taken",
                format!(
                    "The Entra group {} with the key {} is tied to another source group. Release that tie, \
                     or change the key of the Entra group.",
                    group.id, wanted.key
                ),
            ),
        };
    }
    match kind(group) {
        Kind::Plain => Sight::Takeover(group.to_target()),
        Kind::Guarded(why) => Sight::Blocked {
            conflict: false,
            reason: guarded(&wanted.name, &group.id, why),
        },
        Kind::Other(what) => Sight::Blocked {
            conflict: true,
            reason: Reason::new(
                "other-kind",
                format!(
                    "The Entra group {} has the key {} but is a {what}. Take the uniqueName away from it, then \
                     run again.",
                    group.id, wanted.key
                ),
            ),
        },
    }
}

/// Judges the group that a source group is bound to. Somebody can make another kind of it at any time; then it is not
/// ours to change any more, and nothing is written until it is a plain security group again or is released (R27). A
/// property that an answer leaves out says nothing here.
pub fn judge_bound(group: &Group) -> Sight {
    let why = match kind(group) {
        Kind::Guarded(why) => why,
        Kind::Other(_) if group.mail_enabled == Some(true) => "it receives mail (mail-enabled)",
        Kind::Other(_) if group.security_enabled == Some(false) => "it is no security group",
        Kind::Plain | Kind::Other(_) => return Sight::Bound(group.to_target()),
    };
    Sight::Blocked {
        conflict: false,
        reason: Reason::new(
            "guarded-target",
            format!(
                "The Entra group \"{}\" ({}) has been changed into one that is never written: {why}. It stays as it \
                 is. Make it a plain security group again, or release the source group.",
                group.name(),
                group.id
            ),
        ),
    }
}

/// Judges all groups that the server lists for a name. The server does not compare case, so the exact comparison, by
/// code points, is made here (R24).
pub fn judge(wanted: &Wanted, listed: &[Group], held: &BTreeSet<String>, on_ambiguous: OnAmbiguous) -> Sight {
    let (exact, other): (Vec<&Group>, Vec<&Group>) =
        listed.iter().partition(|group| group.name() == wanted.name);
    let (taken, free): (Vec<&Group>, Vec<&Group>) = exact
        .into_iter()
        .partition(|group| held.contains(&group.id) || is_of_another(group, wanted));
    let mut eligible = Vec::new();
    let mut other_kind = Vec::new();
    for group in free {
        match kind(group) {
            Kind::Plain => eligible.push(group),
            Kind::Guarded(why) => {
                return Sight::Blocked {
                    conflict: false,
                    reason: guarded(&wanted.name, &group.id, why),
                };
            }
            Kind::Other(what) => other_kind.push(format!("{} ({what})", group.id)),
        }
    }
    if let [only] = eligible.as_slice() {
        return Sight::Takeover(only.to_target());
    }
    let twins: Vec<&str> = eligible.iter().map(|group| group.id.as_str()).collect();
    if !twins.is_empty() && on_ambiguous == OnAmbiguous::Hold {
        return Sight::Blocked {
            conflict: false,
            reason: Reason::new(
                "twin-names",
                format!(
                    "{} Entra groups are named \"{}\": {}. Rename or delete all but one to have it taken over, or \
                     set on_ambiguous = \"create\" to have a new one created.",
                    twins.len(),
                    wanted.name,
                    twins.join(", ")
                ),
            ),
        };
    }
    let mut warnings = Vec::new();
    if !twins.is_empty() {
        warnings.push(Reason::new(
            "twin-names",
            format!(
                "{} Entra groups are named \"{}\" ({}), so that none of them is taken over and a new one is created.",
                twins.len(),
                wanted.name,
                twins.join(", ")
            ),
        ));
    }
    if !taken.is_empty() {
        warnings.push(Reason::new(
            "twin-names",
            format!(
                "The name \"{}\" is in use by Entra groups of other source groups ({}); a new one is created.",
                wanted.name,
                ids(&taken)
            ),
        ));
    }
    if !other_kind.is_empty() {
        warnings.push(Reason::new(
            "other-kind",
            format!(
                "\"{}\" exists in Entra as another kind of group: {}. It is left untouched and a security group \
                 is created.",
                wanted.name,
                other_kind.join(", ")
            ),
        ));
    }
    if !other.is_empty() {
        let names: Vec<String> = other
            .iter()
            .map(|group| format!("\"{}\" ({})", group.name(), group.id))
            .collect();
        warnings.push(Reason::new(
            "other-spelling",
            format!(
                "Entra has the name in another spelling: {}. It is left untouched and \"{}\" is created.",
                names.join(", "),
                wanted.name
            ),
        ));
    }
    Sight::Nothing { warnings }
}

/// Whether a group was created by us for another source group.
fn is_of_another(group: &Group, wanted: &Wanted) -> bool {
    group
        .unique_name
        .as_deref()
        .is_some_and(|key| key.starts_with(KEY_PREFIX) && key != wanted.key)
}

fn ids(groups: &[&Group]) -> String {
    groups
        .iter()
        .map(|group| group.id.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

fn guarded(name: &str, id: &str, why: &str) -> Reason {
    Reason::new(
        "guarded-name",
        format!(
            "The Entra group \"{name}\" ({id}) is never taken over, and no look-alike is created: {why}. Rename \
             one of the two, or tie the source group to another group."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str) -> Wanted {
        Wanted {
            group: "s1".into(),
            name: name.into(),
            key: "groupcast-s1".into(),
            bound: None,
        }
    }

    fn plain(id: &str, name: &str) -> Group {
        Group {
            id: id.into(),
            display_name: Some(name.into()),
            mail_enabled: Some(false),
            security_enabled: Some(true),
            group_types: Some(Vec::new()),
            ..Group::default()
        }
    }

    fn see(name: &str, listed: &[Group]) -> Sight {
        judge(&wanted(name), listed, &BTreeSet::new(), OnAmbiguous::Create)
    }

    fn codes(sight: &Sight) -> Vec<&str> {
        match sight {
            Sight::Nothing { warnings } => warnings.iter().map(|reason| reason.code.as_str()).collect(),
            other => panic!("expected nothing, got {other:?}"),
        }
    }

    fn taken_over(sight: Sight) -> String {
        match sight {
            Sight::Takeover(group) => group.id,
            other => panic!("expected a takeover, got {other:?}"),
        }
    }

    #[test]
    fn r21_exactly_one_eligible_security_group_is_taken_over() {
        assert_eq!(taken_over(see("Sales", &[plain("g1", "Sales")])), "g1");
    }

    #[test]
    fn r22_no_group_of_the_name_means_nothing_and_no_warning() {
        assert!(codes(&see("Sales", &[])).is_empty());
    }

    #[test]
    fn r23_twins_lead_to_a_third_group_and_a_warning() {
        let sight = see("Sales", &[plain("g1", "Sales"), plain("g2", "Sales")]);
        assert_eq!(codes(&sight), ["twin-names"]);
    }

    #[test]
    fn r23_another_spelling_is_left_alone_and_warned_of() {
        assert_eq!(codes(&see("Sales", &[plain("g1", "sales")])), ["other-spelling"]);
    }

    #[test]
    fn r24_names_match_by_code_point() {
        for different in ["sales", "Sales ", " Sales", "Sa\u{301}les", "\u{405}ales"] {
            assert_eq!(
                codes(&see("Sales", &[plain("g1", different)])),
                ["other-spelling"],
                "{different:?}"
            );
        }
        assert_eq!(
            taken_over(see("Sales", &[plain("g1", "sales"), plain("g2", "Sales")])),
            "g2"
        );
        // The composed and the decomposed form look the same and are two names.
        assert_eq!(
            codes(&see("Caf\u{e9}", &[plain("g1", "Cafe\u{301}")])),
            ["other-spelling"]
        );
    }

    #[test]
    fn r26_r27_mail_kinds_are_left_untouched_and_a_security_group_is_created() {
        let distribution = Group {
            mail_enabled: Some(true),
            security_enabled: Some(false),
            ..plain("g1", "Sales")
        };
        let mail_security = Group {
            mail_enabled: Some(true),
            ..plain("g1", "Sales")
        };
        let unified = Group {
            group_types: Some(vec!["Unified".into()]),
            mail_enabled: Some(true),
            security_enabled: Some(false),
            ..plain("g1", "Sales")
        };
        let secure_unified = Group {
            group_types: Some(vec!["Unified".into()]),
            ..plain("g1", "Sales")
        };
        for group in [distribution, mail_security, unified, secure_unified] {
            assert_eq!(
                codes(&see("Sales", std::slice::from_ref(&group))),
                ["other-kind"],
                "{group:?}"
            );
            // Beside a plain one it does not stand in the way.
            assert_eq!(taken_over(see("Sales", &[group, plain("g2", "Sales")])), "g2");
        }
    }

    #[test]
    fn r27_guarded_groups_of_the_name_are_held_even_beside_an_eligible_one() {
        let base = plain("g1", "Sales");
        let guarded = [
            Group {
                is_assignable_to_role: Some(true),
                ..base.clone()
            },
            Group {
                on_premises_sync_enabled: Some(true),
                ..base.clone()
            },
            Group {
                is_management_restricted: Some(true),
                ..base.clone()
            },
            Group {
                group_types: Some(vec!["DynamicMembership".into()]),
                ..base.clone()
            },
            Group {
                membership_rule: Some("user.department -eq \"Sales\"".into()),
                ..base.clone()
            },
            Group {
                group_types: Some(vec!["Unified".into(), "DynamicMembership".into()]),
                mail_enabled: Some(true),
                ..base.clone()
            },
        ];
        for group in guarded {
            for listed in [vec![group.clone()], vec![plain("g0", "Sales"), group.clone()]] {
                assert!(
                    matches!(see("Sales", &listed), Sight::Blocked { conflict: false, .. }),
                    "{listed:?}"
                );
            }
            // In another spelling it is another group's name.
            let elsewhere = Group {
                display_name: Some("SALES".into()),
                ..group
            };
            assert_eq!(codes(&see("Sales", &[elsewhere])), ["other-spelling"]);
        }
    }

    #[test]
    fn r28_with_hold_twins_are_listed_and_nothing_is_done() {
        let twins = [plain("g1", "Sales"), plain("g2", "Sales")];
        match judge(&wanted("Sales"), &twins, &BTreeSet::new(), OnAmbiguous::Hold) {
            Sight::Blocked {
                conflict: false,
                reason,
            } => {
                assert_eq!(reason.code, "twin-names");
                assert!(reason.message.contains("g1, g2"), "{}", reason.message);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn r51_a_group_of_another_source_group_is_no_candidate() {
        let held = BTreeSet::from(["g1".to_owned()]);
        let listed = [plain("g1", "Sales")];
        let sight = judge(&wanted("Sales"), &listed, &held, OnAmbiguous::Create);
        assert_eq!(codes(&sight), ["twin-names"]);
        // Nor does it make the one that is left ambiguous.
        let listed = [plain("g1", "Sales"), plain("g2", "Sales")];
        assert_eq!(
            taken_over(judge(&wanted("Sales"), &listed, &held, OnAmbiguous::Create)),
            "g2"
        );
    }

    #[test]
    fn r51_a_group_created_for_another_source_group_is_no_candidate_before_the_ledger_knows() {
        let other = Group {
            unique_name: Some("groupcast-s2".into()),
            ..plain("g1", "Sales")
        };
        assert_eq!(codes(&see("Sales", &[other])), ["twin-names"]);
        let somebody = Group {
            unique_name: Some("terraform-7".into()),
            ..plain("g1", "Sales")
        };
        assert_eq!(taken_over(see("Sales", &[somebody])), "g1");
    }

    #[test]
    fn r21_a_group_whose_kind_graph_did_not_say_is_not_taken_over() {
        let silent = Group {
            security_enabled: None,
            ..plain("g1", "Sales")
        };
        assert_eq!(codes(&see("Sales", &[silent])), ["other-kind"]);
    }

    #[test]
    fn r25_our_own_group_is_taken_up_again_unless_it_is_held_or_guarded() {
        let own = Group {
            unique_name: Some("groupcast-s1".into()),
            ..plain("g1", "Old name")
        };
        let none = BTreeSet::new();
        assert_eq!(taken_over(judge_own(&wanted("Sales"), &own, &none)), "g1");
        let held = BTreeSet::from(["g1".to_owned()]);
        assert!(matches!(
            judge_own(&wanted("Sales"), &own, &held),
            Sight::Blocked { conflict: true, .. }
        ));
        let dynamic = Group {
            group_types: Some(vec!["DynamicMembership".into()]),
            ..own
        };
        assert!(matches!(
            judge_own(&wanted("Sales"), &dynamic, &none),
            Sight::Blocked { conflict: false, .. }
        ));
    }
}
