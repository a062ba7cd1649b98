//! `why` end to end: the path through nested groups, and what only the host keeps: that the connection writes nothing yet,
//! what the last plan holds back, and how the last write ended.

use groupcast::run::Selection;
use groupcast_guest::engine::{Explanation, Step};
use groupcast_simulators::Vendor;
use groupcast_tests::{BOTH, ENTRA_DIRECTORY, GOOGLE_DIRECTORY, Lab, Target, address, user};
use tokio_util::sync::CancellationToken;

use super::support::{json, rule, strike};

async fn why(lab: &Lab, target: Target, person: Option<&str>, group: &str) -> Explanation {
    lab.groupcast()
        .await
        .why(&target.connection(), person, group, &CancellationToken::new())
        .await
        .unwrap_or_else(|failure| panic!("{failure}"))
}

fn link<'a>(told: &'a Explanation, code: &str) -> &'a Step {
    told.steps
        .iter()
        .find(|step| step.code == code)
        .unwrap_or_else(|| panic!("no {code} in {told:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_why_names_the_people_and_the_path_and_a_connection_that_only_plans() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        let inner = lab.group("EMEA", Some("emea@example.com"), &[3]);
        let sales = lab.group("Sales", Some("sales@example.com"), &[0, 1]);
        lab.jumpcloud(|jumpcloud| {
            jumpcloud.unbind_group(&inner, GOOGLE_DIRECTORY)?;
            jumpcloud.unbind_group(&inner, ENTRA_DIRECTORY)?;
            jumpcloud.nest(&sales, &inner)
        });
        let told = why(&lab, target, Some(&address(3)), "Sales").await;
        assert!(
            link(&told, "membership").message.contains("Sales > EMEA > "),
            "{target:?}: {told:#?}"
        );
        assert_eq!(told.group, Some(sales), "{told:#?}");
        assert!(told.people.contains(&user(3)), "{told:#?}");
        assert!(
            link(&told, "plan-only").message.contains("groupcast apply"),
            "{told:#?}"
        );
        // Once all is done there is nothing to add.
        lab.plan_and_apply(target).await;
        let told = why(&lab, target, Some(&address(3)), "Sales").await;
        assert!(told.steps.iter().all(|step| step.holds), "{target:?}: {told:#?}");
        assert_eq!(lab.all_writes().len(), lab.writes(target.vendor()).len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r40_why_shows_how_the_last_write_ended_with_the_vendors_request_id() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0]);
    lab.plan_and_apply(Target::Entra).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group("c00000000000000000000001", &user(1)));
    let refusal = r#"{"error": {"code": "Request_BadRequest", "message": "Not this one.",
        "innerError": {"date": "2026-01-01T00:00:00", "request-id": "req-of-the-refusal"}}}"#;
    strike(
        &lab,
        rule(Vendor::Entra, "PATCH", "/v1.0/groups/*", json(400, refusal)),
    );
    strike(
        &lab,
        rule(
            Vendor::Entra,
            "POST",
            "/v1.0/groups/*/members/$ref",
            json(400, refusal),
        ),
    );
    let plan = lab.plan(Target::Entra).await;
    let applied = lab
        .apply(Target::Entra, &plan.plan.hash, Selection::default())
        .await
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(applied.report.failed, 1, "{applied:#?}");
    let told = why(&lab, Target::Entra, Some(&address(1)), "Sales").await;
    let message = &link(&told, "last-write").message;
    for word in ["was refused", "status 400", "req-of-the-refusal", &applied.run] {
        assert!(message.contains(word), "{word}: {told:#?}");
    }
    // Nobody else's.
    let told = why(&lab, Target::Entra, Some(&address(0)), "Sales").await;
    assert!(
        told.steps.iter().all(|step| step.code != "last-write"),
        "{told:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r43_why_shows_what_a_limit_of_the_whole_run_holds_back() {
    let mut lab = Lab::new().await;
    lab.group("First", Some("first@example.com"), &[0, 1]);
    lab.group("Second", Some("second@example.com"), &[2, 3]);
    let limits: toml::Table = "run_adds = { count = 3 }".parse().unwrap();
    lab.section("google").insert("limits".to_owned(), limits.into());
    lab.plan(Target::Google).await;
    let told = why(&lab, Target::Google, Some(&address(2)), "Second").await;
    let message = &link(&told, "last-plan").message;
    for word in ["(limit)", "in this run are over its limit of 3", "--release-held"] {
        assert!(message.contains(word), "{word}: {told:#?}");
    }
    let told = why(&lab, Target::Google, Some(&address(0)), "First").await;
    assert!(
        told.steps.iter().all(|step| step.code != "last-plan"),
        "{told:#?}"
    );
}
