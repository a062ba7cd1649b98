//! Another component over a recorded run: what it would have done otherwise.

use std::sync::Arc;

use groupcast::plugin::{EMBEDDED, Plugin};
use groupcast::recording::{Against, Outcome, Recording};
use groupcast_simulators::faults::Faults;
use groupcast_tests::{BOTH, Lab, Target, component};
use tokio_util::sync::CancellationToken;

use crate::recorded::{apply, plan, read, trouble};

/// The built-in component with a text replaced by another of the same length: another digest, and another behaviour
/// where the text matters. Without a text, only the digest is another.
fn changed(text: Option<(&str, &str)>) -> Arc<Plugin> {
    let mut bytes = EMBEDDED.to_vec();
    if let Some((from, to)) = text {
        assert_eq!(from.len(), to.len());
        let places: Vec<usize> = (0..bytes.len() - from.len())
            .filter(|at| bytes[*at..].starts_with(from.as_bytes()))
            .collect();
        assert!(!places.is_empty(), "{from} is not in the component");
        for at in places {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
    }
    // A custom section that nobody reads.
    bytes.extend([0, 3, 1, b'x', 0]);
    let (engine, _) = component();
    Arc::new(Plugin::from_bytes(&engine, &bytes, "newer.wasm").unwrap_or_else(|error| panic!("{error}")))
}

async fn against(recording: &Recording, plugin: &Plugin) -> Against {
    let (engine, _) = component();
    groupcast::recording::against(&engine, plugin, recording, &CancellationToken::new()).await
}

/// A recorded plan and a recorded apply, with trouble on the way.
async fn runs(target: Target) -> (Lab, Recording, Recording) {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1, 2]);
    lab.group("Finance", Some("finance@example.com"), &[3, 4]);
    lab.group("Without", None, &[5]);
    lab.set(target, "acknowledge", true);
    trouble(&lab, target);
    let planned = plan(&lab, target).await;
    trouble(&lab, target);
    let applied = apply(&lab, target, &planned.plan.hash).await;
    lab.simulators.faults(Faults::clear);
    let recordings = (read(&lab, &planned.run), read(&lab, &applied.run));
    (lab, recordings.0, recordings.1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_does_the_same_is_found_to_do_the_same() {
    let same = changed(None);
    for target in BOTH {
        let (_lab, planned, applied) = runs(target).await;
        for recording in [&planned, &applied] {
            let found = against(recording, &same).await;
            let kind = recording.head.kind;
            assert!(found.same, "{target:?} {kind}: {found:#?}");
            assert_eq!(found.requests.unknown, Vec::<String>::new(), "{target:?} {kind}");
            assert_eq!(against(recording, &same).await, found, "the same each time");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_plans_otherwise_shows_the_groups_that_differ() {
    let (_lab, planned, _) = runs(Target::Google).await;
    let other = changed(Some(("give it one to export it.", "give it one to export it!")));
    let found = against(&planned, &other).await;
    assert!(!found.same);
    let plan = found.plan.expect("a plan");
    assert_ne!(plan.recorded, plan.now);
    assert_eq!((plan.same, plan.parts.len()), (2, 1), "{:#?}", plan.parts);
    let difference = &plan.parts[0];
    let (then, now) = (
        difference.recorded.as_ref().unwrap(),
        difference.now.as_ref().unwrap(),
    );
    assert_eq!(
        (then.group.name.as_str(), now.group.name.as_str()),
        ("Without", "Without")
    );
    assert!(then.reasons[0].message.ends_with("export it."), "{then:?}");
    assert!(now.reasons[0].message.ends_with("export it!"), "{now:?}");
    assert_eq!(found.requests.unknown, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_were_not_made_then_are_named_and_have_no_answer() {
    let (_lab, planned, applied) = runs(Target::Google).await;
    let other = changed(Some(("nonEditableAliases", "nonEditableAliazes")));
    for recording in [&planned, &applied] {
        let found = against(recording, &other).await;
        assert!(!found.same);
        let unknown = &found.requests.unknown;
        assert!(
            unknown
                .iter()
                .any(|request| request.contains("nonEditableAliazes")),
            "{unknown:#?}"
        );
        assert!(
            found
                .requests
                .unmade
                .iter()
                .any(|request| request.contains("nonEditableAliases")),
            "{:#?}",
            found.requests.unmade
        );
        if let Some(writes) = &found.writes {
            // Without people nothing can be written: all that was sent then would not be.
            assert!(writes.now.is_empty(), "{writes:#?}");
            assert!(!writes.recorded.is_empty(), "{writes:#?}");
        }
        assert!(!matches!(found.now, Outcome::Stopped(_)), "{:?}", found.now);
    }
}
