//! Plans and reports that are none: out of shape, over limits, not approved, not done.

use groupcast::run::SyncOutcome;
use groupcast::store::LedgerStore as _;
use groupcast_guest::engine::Extent;
use groupcast_guest::plan::part::Part;

use super::*;

/// A part of a plan, as JSON.
fn part(group: &str, operations: serde_json::Value) -> String {
    let part = json!({
        "version": 1,
        "group": { "id": group, "name": "Sales", "email": "sales@example.com", "users": 2 },
        "state": "pending",
        "reasons": [],
        "target": null,
        "fingerprint": "00",
        "operations": operations,
        "held": [],
        "notes": [],
        "waiting": [],
        "foreign": [],
        "warnings": [],
    });
    let part: Part = serde_json::from_value(part).unwrap();
    String::from_utf8(part.to_bytes()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn r44_a_plan_that_is_none_is_refused() {
    let lab = lab().await;
    let (a, b) = (part("a", json!([])), part("b", json!([])));
    for (name, parts) in [
        ("out of order", vec![b.as_str(), a.as_str()]),
        ("twice", vec![a.as_str(), a.as_str()]),
        ("no JSON", vec!["{"]),
        ("of another shape", vec![r#"{"version":1}"#]),
    ] {
        let intruder = Intruder::of(&lab, "parts", &parts).await;
        intruder.plan(Target::Google).await.expect_err(name);
        assert_eq!(intruder.blamed().await, ["unusable-plan"], "{name}");
        let runs = intruder.host.runs(1).await.unwrap();
        assert!(runs[0].end.is_some(), "{name}: the run has an end");
    }
    the_real_one_still_works(&lab, Target::Google).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r43_a_plan_that_removes_everyone_or_names_strangers_is_not_applied_by_itself() {
    for target in BOTH {
        let mut lab = lab().await;
        let id = lab.group("Everyone", Some("everyone@example.com"), &[0, 1, 2, 3, 4, 5]);
        lab.plan_and_apply(target).await;
        let store = SqliteStore::open(&Config::load(&lab.config_file()).unwrap().store_path)
            .await
            .unwrap();
        let setups = groupcast::run::connections(&Config::load(&lab.config_file()).unwrap())
            .await
            .unwrap();
        let setup = setups
            .iter()
            .find(|setup| setup.id == target.connection())
            .unwrap();
        let members = store
            .memberships(&setup.directory_key, &id, None)
            .await
            .unwrap()
            .items;
        let removals: Vec<_> = members
            .iter()
            .map(|member| {
                json!({ "do": "remove-member", "group": { "id": member.target }, "principal": member.principal,
                        "user": member.user, "address": member.address, "why": "not-in-source" })
            })
            .collect();
        let stranger = json!([{ "do": "remove-member", "group": { "id": "g-of-somebody-else" }, "principal": "p",
                                "address": "boss@example.com", "why": "not-in-source" }]);
        for (name, parts, code) in [
            ("everyone", part(&id, json!(removals)), "plan-over-limits"),
            (
                "a stranger's group",
                part("c0000000000000000000ffff", stranger),
                "plan-over-limits",
            ),
        ] {
            lab.simulators.clear_requests();
            let intruder = Intruder::of(&lab, "parts", &[&parts]).await;
            let ended = intruder
                .host
                .sync(&target.connection(), Extent::Whole, &CancellationToken::new())
                .await
                .unwrap_or_else(|failure| panic!("{name}: {failure}"));
            let SyncOutcome::Planned { why, .. } = ended else {
                panic!("{name}: {ended:?}");
            };
            assert_eq!(intruder.blamed().await, [code], "{name}: {why}");
            assert_eq!(lab.all_writes(), Vec::<String>::new(), "{name}");
        }
        assert_eq!(
            lab.people(target, "Everyone", "everyone@example.com"),
            people(&[0, 1, 2, 3, 4, 5])
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r44_who_does_what_was_not_approved_or_reports_what_was_not_done_is_blamed() {
    let lab = lab().await;
    let target = Target::Google;
    let approved = lab.plan(target).await;
    let cancel = CancellationToken::new();
    for (name, misdeed, arguments, code) in [
        (
            "an intent of its own",
            "apply/intend",
            vec![
                "g",
                r#"{"do":"create-group","key":"x","name":"x","description":""}"#,
            ],
            "not-approved",
        ),
        (
            "a report of nothing",
            "apply/false-report",
            vec![],
            "false-report",
        ),
        ("nothing at all", "apply/spy", vec!["g", "k"], "false-report"),
    ] {
        let intruder = Intruder::of(&lab, misdeed, &arguments).await;
        let connection = target.connection();
        let applying = intruder
            .host
            .apply(&connection, &approved.plan.hash, Selection::default(), &cancel);
        applying.await.expect_err(name);
        assert_eq!(intruder.blamed().await, [code], "{name}");
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{name}");
    }
    for (name, misdeed, arguments) in [
        ("an intent while planning", "intend", vec!["g", "{}"]),
        ("an amendment while planning", "amend", vec!["g"]),
        ("taking parts while planning", "false-report", vec![]),
    ] {
        let intruder = Intruder::of(&lab, misdeed, &arguments).await;
        intruder.plan(target).await.expect_err(name);
        assert_eq!(intruder.blamed().await, ["forbidden-call"], "{name}");
    }
    the_real_one_still_works(&lab, target).await;
}
