//! Every state and every reason of a group is told, with what to do; a new reason without a scene fails here.

use std::collections::BTreeSet;

use super::scenes::scenes;
use super::*;

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
