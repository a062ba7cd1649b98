//! A vendor's answers with U+0000 in them: PostgreSQL keeps no such text, SQLite does. On both a run goes on, and the
//! one group or answer that has it harms no other.

use groupcast::run::Selection;
use groupcast::store::PlanQuery;
use groupcast_simulators::Vendor;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_tests::faults::{heal, rule, strike};
use groupcast_tests::postgres::PostgresServer;
use groupcast_tests::{BOTH, Lab, Target, people};

use crate::postgres::{lab_on, store_of};

/// A refusal whose every word has it.
fn refusal(target: Target) -> Rule {
    let body = match target {
        Target::Google => {
            r#"{"error":{"code":400,"message":"In\u0000valid","errors":[{"domain":"global","reason":"in\u0000valid",
                "message":"In\u0000valid"}]}}"#
        }
        Target::Entra => r#"{"error":{"code":"Request\u0000_BadRequest","message":"In\u0000valid"}}"#,
    };
    let fault = Fault::Answer {
        status: 400,
        headers: Vec::new(),
        body: body.to_owned(),
        content_type: "application/json".to_owned(),
    };
    let (method, path) = match target {
        Target::Google => ("POST", "/admin/directory/v1/groups/*/members"),
        Target::Entra => ("PATCH", "/v1.0/groups/*"),
    };
    rule(target.vendor(), method, path, fault)
}

async fn goes_on(mut lab: Lab, target: Target) {
    lab.group("Plain", Some("plain@example.com"), &[0, 1]);
    lab.group("Sa\0les", Some("sales@example.com"), &[2, 3]);
    let plan = lab.plan(target).await;
    assert_eq!(plan.plan.parts.len(), 2);
    strike(&lab, refusal(target));
    // Nobody is let in for now, and the run ends as one that was refused, not as one that broke.
    let refused = lab.apply(target, &plan.plan.hash, Selection::default()).await;
    let refused = refused.unwrap_or_else(|failure| panic!("{target:?}: {failure}"));
    assert!(refused.report.failed > 0, "{target:?}: {:#?}", refused.outcomes);
    heal(&lab);
    lab.plan_and_apply(target).await;
    assert_eq!(
        lab.people(target, "Plain", "plain@example.com"),
        people(&[0, 1]),
        "{target:?}"
    );
    assert_eq!(
        lab.people(target, "Sa\0les", "sales@example.com"),
        people(&[2, 3]),
        "{target:?}: by its very name"
    );
    lab.simulators.clear_requests();
    lab.sync(target).await;
    assert_eq!(
        lab.writes(Vendor::Google),
        Vec::<String>::new(),
        "{target:?}: R46"
    );
    assert_eq!(lab.writes(Vendor::Entra), Vec::<String>::new(), "{target:?}: R46");
    let plans = store_of(&lab).await.plans(&PlanQuery::default()).await.unwrap();
    assert!(plans.len() >= 2, "{target:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r46_u0000_in_names_and_answers_ends_no_run_on_sqlite() {
    for target in BOTH {
        goes_on(Lab::new().await, target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r46_u0000_in_names_and_answers_ends_no_run_on_postgres() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    for target in BOTH {
        goes_on(lab_on(&server, target.name()).await, target).await;
    }
}
