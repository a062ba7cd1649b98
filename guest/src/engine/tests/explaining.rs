//! `why` for every state and every reason that there is. The codes are read from the sources: a new one without a scene
//! here fails a test.

use std::collections::BTreeSet;

use super::*;
use crate::plan::model::{MemberKind, Principal, Resolution, Role, Sight, TargetGroup};
use crate::plan::part::{GroupState, Reason};
use crate::settings::{DriftPolicy, Suspended};

/// A situation, the question, the code of the link that tells it, and words of what to do.
struct Scene {
    code: &'static str,
    person: Option<&'static str>,
    state: GroupState,
    says: &'static str,
    town: Town,
}

fn scene(
    code: &'static str,
    person: Option<&'static str>,
    state: GroupState,
    says: &'static str,
    town: Town,
) -> Scene {
    Scene {
        code,
        person,
        state,
        says,
        town,
    }
}

/// Sales with Anna and Bert, at `sales@example.com`; not synced.
fn fresh() -> Town {
    let mut town = Town::google();
    town.source
        .group("g1", "Sales", Some("sales@example.com"), &["anna", "bert"]);
    town
}

fn synced() -> Town {
    let town = fresh();
    town.sync();
    town
}

fn changed(mut town: Town, change: impl FnOnce(&mut Town)) -> Town {
    change(&mut town);
    town
}

fn named() -> Town {
    let mut town = Town::entra();
    town.source.group("g1", "Sales", None, &["anna", "bert"]);
    town
}

fn principal_of(user: &str) -> Principal {
    Principal {
        id: format!("p-{user}"),
        address: format!("{user}@example.com"),
    }
}

fn resolves(user: &str, resolution: Resolution) -> impl FnOnce(&mut Town) {
    let user = user.to_owned();
    move |town| {
        town.target.resolutions.insert(user, resolution);
    }
}

fn leaves(town: &mut Town, who: &str) {
    town.source.members.get_mut("g1").unwrap().remove(who);
}

/// The scenes of the planner's own reasons.
fn scenes() -> Vec<Scene> {
    use GroupState::*;
    let ambiguous = Resolution::Ambiguous {
        candidates: vec![principal_of("anna"), principal_of("anna.other")],
    };
    let unproven = Resolution::Unproven {
        reason: "the list of users broke off".to_owned(),
    };
    vec![
        // What keeps a group from being exported.
        scene(
            "not-managed",
            None,
            NotExportable,
            "switch it on",
            changed(fresh(), |town| town.settings.managed = false),
        ),
        scene(
            "not-bound",
            None,
            NotExportable,
            "associate",
            changed(fresh(), |town| town.source.bound.clear()),
        ),
        scene(
            "not-bound",
            None,
            Released,
            "associate",
            changed(synced(), |town| town.source.bound.clear()),
        ),
        scene(
            "not-selected",
            None,
            NotExportable,
            "`selected`",
            changed(named(), |town| town.settings.selected.clear()),
        ),
        scene(
            "no-email",
            None,
            AtRisk,
            "give it one",
            changed(fresh(), |town| {
                town.source.groups.get_mut("g1").unwrap().email = None;
            }),
        ),
        scene(
            "at-risk",
            None,
            AtRisk,
            "give it an email or unbind it",
            changed(fresh(), |town| {
                town.source.groups.get_mut("g1").unwrap().email = None;
            }),
        ),
        scene(
            "email-removed",
            None,
            Released,
            "give the same email back",
            changed(synced(), |town| {
                town.source.groups.get_mut("g1").unwrap().email = None;
            }),
        ),
        scene(
            "no-users",
            None,
            NotExportable,
            "an empty group is not created",
            changed(fresh(), |town| {
                town.source.members("g1", &[]);
            }),
        ),
        scene(
            "read-incomplete",
            None,
            Frozen,
            "next run reads again",
            changed(fresh(), |town| {
                town.source.members("g1", &[]);
                town.source.partial_members.insert("g1".to_owned());
            }),
        ),
        scene(
            "group-gone",
            None,
            Orphaned,
            "until somebody decides",
            changed(synced(), |town| {
                town.source.groups.clear();
                town.source.bound.clear();
            }),
        ),
        scene(
            "bad-address",
            None,
            NotExportable,
            "another email",
            changed(fresh(), |town| {
                town.source.groups.get_mut("g1").unwrap().email = Some("no address".to_owned());
            }),
        ),
        scene(
            "domain-not-allowed",
            None,
            NotExportable,
            "correct the settings",
            changed(fresh(), |town| {
                town.settings.domains = vec!["other.example".to_owned()];
            }),
        ),
        // Its target.
        scene(
            "target-missing",
            None,
            Provisioning,
            "undelete it",
            changed(synced(), |town| {
                town.target.groups.borrow_mut().clear();
            }),
        ),
        scene(
            "target-unread",
            None,
            Frozen,
            "answered 503",
            changed(synced(), |town| {
                town.target.sights.insert(
                    "g1".to_owned(),
                    Sight::Unknown {
                        reason: "the vendor answered 503".to_owned(),
                    },
                );
            }),
        ),
        scene(
            "target-differs",
            None,
            Frozen,
            "run again",
            changed(synced(), |town| {
                let other = TargetGroup {
                    id: "t-9".to_owned(),
                    key: "sales@example.com".to_owned(),
                    name: "Sales".to_owned(),
                    description: String::new(),
                    stake: None,
                };
                town.target.sights.insert("g1".to_owned(), Sight::Bound(other));
            }),
        ),
        scene(
            "address-drifted",
            None,
            Managed,
            "change it back",
            changed(synced(), |town| {
                town.target.groups.borrow_mut().get_mut("t-1").unwrap().key = "moved@example.com".to_owned();
            }),
        ),
        scene(
            "address-taken",
            None,
            Conflict,
            "give one of them another email",
            changed(fresh(), |town| {
                town.source
                    .group("g0", "Other", Some("Sales@Example.com"), &["carl"]);
            }),
        ),
        scene(
            "target-taken",
            None,
            Conflict,
            "rename one",
            changed(named(), |town| {
                town.source.group("g0", "Sales", None, &["carl"]);
                town.target.put("t-1", "", "Sales", &[]);
            }),
        ),
        // Changes, and what holds them.
        scene(
            "changes",
            None,
            Pending,
            "to be made",
            changed(synced(), |town| {
                town.source.members("g1", &["anna", "bert", "carl"]);
            }),
        ),
        scene("in-step", None, Managed, "in step", synced()),
        scene(
            "empty-source",
            None,
            Held,
            "approve",
            changed(synced(), |town| town.source.members("g1", &[])),
        ),
        scene(
            "takeover",
            None,
            Held,
            "approve the takeover",
            changed(fresh(), |town| {
                town.settings.policy = DriftPolicy::Authoritative;
                town.target
                    .put("t-1", "sales@example.com", "Sales", &[("zoe", Role::Member)]);
            }),
        ),
        scene(
            "limit",
            None,
            Held,
            "raise the limit",
            changed(fresh(), |town| {
                town.settings.limits.group_adds.count = Some(1);
            }),
        ),
        scene(
            "resolves-elsewhere",
            None,
            Held,
            "approve",
            changed(synced(), |town| {
                town.target
                    .resolutions
                    .insert("anna".to_owned(), Resolution::Resolved(principal_of("anna.new")));
            }),
        ),
        scene(
            "owner",
            None,
            Managed,
            "do it there",
            changed(synced(), |town| {
                town.target
                    .groups
                    .borrow_mut()
                    .get_mut("t-1")
                    .unwrap()
                    .members
                    .insert("p-anna".to_owned(), Role::Owner);
                leaves(town, "anna");
            }),
        ),
        // Frozen removals, each with the reader's reason.
        scene(
            "source-incomplete",
            None,
            Frozen,
            "told to fall short",
            changed(synced(), |town| {
                town.source.partial_members.insert("g1".to_owned());
            }),
        ),
        scene(
            "target-incomplete",
            None,
            Frozen,
            "told to fall short",
            changed(synced(), |town| {
                town.target.partial.insert("t-1".to_owned());
            }),
        ),
        scene(
            "users-unproven",
            None,
            Frozen,
            "broke off",
            changed(synced(), |town| {
                town.settings.policy = DriftPolicy::Authoritative;
                town.target
                    .groups
                    .borrow_mut()
                    .get_mut("t-1")
                    .unwrap()
                    .members
                    .insert("p-zoe".to_owned(), Role::Member);
                resolves("anna", unproven.clone())(town);
            }),
        ),
        scene(
            "reads-disagree",
            None,
            Frozen,
            "next run reads again",
            changed(synced(), |town| {
                town.source.flickers = Some(("g1".to_owned(), "anna".to_owned()));
                town.source.asked.borrow_mut().clear();
            }),
        ),
        scene(
            "second-read-missing",
            None,
            Frozen,
            "next run reads again",
            changed(synced(), |town| {
                leaves(town, "anna");
                town.source.second_falls_short = true;
                town.source.asked.borrow_mut().clear();
            }),
        ),
        scene(
            "old-target-incomplete",
            None,
            Frozen,
            "told to fall short",
            changed(synced(), |town| {
                town.source.groups.get_mut("g1").unwrap().email = Some("new@example.com".to_owned());
                town.target.partial.insert("t-1".to_owned());
            }),
        ),
        // People who wait.
        scene(
            "awaiting-user",
            Some("anna"),
            Pending,
            "Create the person there",
            changed(fresh(), |town| {
                town.target.without_account.insert("anna".to_owned());
            }),
        ),
        scene(
            "waiting",
            None,
            Pending,
            "awaiting-user",
            changed(fresh(), |town| {
                town.target.without_account.insert("anna".to_owned());
            }),
        ),
        scene(
            "ambiguous-user",
            Some("anna"),
            Pending,
            "Take the address",
            changed(fresh(), resolves("anna", ambiguous)),
        ),
        scene(
            "no-address",
            Some("anna"),
            Pending,
            "Give them one",
            changed(fresh(), resolves("anna", Resolution::NoAddress)),
        ),
        scene(
            "users-unproven",
            Some("anna"),
            Pending,
            "Run again",
            changed(fresh(), resolves("anna", unproven)),
        ),
        scene(
            "shared-address",
            None,
            Pending,
            "one and the same",
            changed(fresh(), |town| {
                resolves("bert", Resolution::Resolved(principal_of("anna")))(town);
            }),
        ),
    ]
}

/// Reasons that come from a vendor's room: the sight is the vendor's own, and the chain passes its words on.
const OF_VENDORS: [(&str, bool); 11] = [
    ("guarded-target", true),
    ("alias", true),
    ("address-of-user", true),
    ("foreign-domain", true),
    ("invalid-address", true),
    ("held-by-another", true),
    ("guarded-name", true),
    ("name-length", true),
    ("twin-names", false),
    ("other-kind", false),
    ("other-spelling", false),
];

/// Reasons that no question can meet, and why.
const ELSEWHERE: [(&str, &str); 4] = [
    (
        "undo",
        "of a plan that undoes a run; such a plan is shown by `undo`",
    ),
    ("created-stays", "of a plan that undoes a run"),
    ("unknown-before", "of a plan that undoes a run"),
    (
        "old-target-unread",
        "the engine always reads the earlier target, whole or partly",
    ),
];

fn state_word(state: GroupState) -> String {
    serde_json::to_value(state).unwrap().as_str().unwrap().to_owned()
}

#[test]
fn why_tells_every_reason_of_the_planner_with_what_to_do() {
    for scene in scenes() {
        let writes = scene.town.target.sent.get();
        let told = scene.town.explain(scene.person, "g1");
        let link = told
            .steps
            .iter()
            .find(|step| step.code == scene.code)
            .unwrap_or_else(|| panic!("{}: no such link in {told:#?}", scene.code));
        assert!(
            link.message.contains(scene.says) || told.conclusion.contains(scene.says),
            "{}: {:?} is not said: {told:#?}",
            scene.code,
            scene.says
        );
        assert_eq!(told.group.as_deref(), Some("g1"), "{}", scene.code);
        if scene.person.is_none() {
            let word = format!("is {}", state_word(scene.state));
            assert!(
                told.conclusion.contains(&word),
                "{}: {word}: {told:#?}",
                scene.code
            );
        }
        // Whatever keeps something from being done does not hold; what is only to be known does.
        let only_to_know = matches!(
            scene.code,
            "in-step" | "changes" | "address-drifted" | "shared-address"
        );
        assert_eq!(link.holds, only_to_know, "{}: {told:#?}", scene.code);
        if !only_to_know {
            assert!(told.steps.iter().any(|step| !step.holds), "{told:#?}");
        }
        assert_eq!(
            scene.town.target.sent.get(),
            writes,
            "{}: why never writes",
            scene.code
        );
    }
}

#[test]
fn why_passes_on_every_reason_of_the_vendors() {
    for (code, blocked) in OF_VENDORS {
        let words = format!("The vendor's room says {code}; do this about it.");
        let reason = Reason::new(code, words.clone());
        let sight = if blocked {
            Sight::Blocked {
                conflict: true,
                reason,
            }
        } else {
            Sight::Nothing {
                warnings: vec![reason],
            }
        };
        let mut town = fresh();
        town.target.sights.insert("g1".to_owned(), sight);
        let told = town.explain(None, "Sales");
        let link = told.steps.iter().find(|step| step.code == code);
        let link = link.unwrap_or_else(|| panic!("{code}: {told:#?}"));
        assert_eq!((link.holds, &link.message), (!blocked, &words), "{code}");
        // It is the cause for everybody in the group too.
        if blocked {
            let told = town.explain(Some("anna"), "Sales");
            assert!(told.conclusion.contains(&words), "{told:#?}");
        }
    }
}

#[test]
fn every_state_is_told_by_some_scene() {
    let told: BTreeSet<GroupState> = scenes()
        .into_iter()
        .filter(|scene| scene.person.is_none())
        .map(|scene| scene.state)
        .collect();
    for state in [
        GroupState::NotExportable,
        GroupState::Pending,
        GroupState::Provisioning,
        GroupState::Managed,
        GroupState::Held,
        GroupState::Conflict,
        GroupState::Released,
        GroupState::Orphaned,
        GroupState::Frozen,
        GroupState::AtRisk,
    ] {
        // Exhaustive: a state more, and this does not compile.
        match state {
            GroupState::NotExportable
            | GroupState::Pending
            | GroupState::Provisioning
            | GroupState::Managed
            | GroupState::Held
            | GroupState::Conflict
            | GroupState::Released
            | GroupState::Orphaned
            | GroupState::Frozen
            | GroupState::AtRisk => assert!(told.contains(&state), "{state:?}"),
        }
    }
}

/// Codes of reasons in the sources, tests left out.
fn codes_in_the_sources() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "tests" {
                    folders.push(path);
                }
                continue;
            }
            if !name.ends_with(".rs") || name.ends_with("tests.rs") || name == "fake.rs" {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            for maker in ["Reason::new(", ".freeze(", "blocked("] {
                for rest in text.split(maker).skip(1) {
                    if let Some(code) = rest
                        .trim_start()
                        .strip_prefix('"')
                        .and_then(|rest| rest.split('"').next())
                    {
                        codes.insert(code.to_owned());
                    }
                }
            }
        }
    }
    codes.insert(crate::plan::part::TAKEOVER.to_owned());
    codes
}

#[test]
fn every_reason_in_the_sources_has_a_scene() {
    let found = codes_in_the_sources();
    assert!(found.len() > 40, "{found:?}");
    let told: BTreeSet<String> = scenes()
        .iter()
        .map(|scene| scene.code)
        .chain(OF_VENDORS.iter().map(|(code, _)| *code))
        .chain(ELSEWHERE.iter().map(|(code, _)| *code))
        .map(str::to_owned)
        .collect();
    let missing: Vec<&String> = found.difference(&told).collect();
    assert!(missing.is_empty(), "no scene explains: {missing:?}");
    let idle: Vec<&String> = told
        .difference(&found)
        .filter(|code| *code != "waiting")
        .collect();
    assert!(idle.is_empty(), "scenes of reasons that there are not: {idle:?}");
}

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
