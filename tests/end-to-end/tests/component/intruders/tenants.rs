//! What another tenant has, and what a tenant's own component was granted.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn r48_another_tenants_ledger_and_state_are_not_seen() {
    let mut lab = lab().await;
    // Two tenants in one store: Google's ledger is full, and Entra's tenant asks for it.
    let id = lab.group("Secrets", Some("secrets@example.com"), &[0, 1, 2]);
    lab.plan_and_apply(Target::Google).await;
    for target in BOTH {
        let key = match target {
            Target::Google => "nothing-of-this-name",
            Target::Entra => "entra",
        };
        let intruder = Intruder::of(&lab, "spy", &[&id, key]).await;
        intruder.plan(target).await.unwrap();
        let said = intruder.said();
        let found = said.lines().next().unwrap().to_owned();
        match target {
            // The same look into its own ledger finds what is there.
            Target::Google => assert!(found.starts_with("found 2 3 0"), "{said}"),
            Target::Entra => assert_eq!(found, "found 0 0 0 0", "{said}"),
        }
        for secret in ["generated-jumpcloud-key", "generated-entra-secret", "PRIVATE KEY"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r52_a_tenants_own_component_may_ask_for_what_was_granted_to_it_and_no_more() {
    let lab = lab().await;
    let own = authority(&lab.simulators.addresses().google);
    let ask = ["GET", "https", own.as_str(), GROUP, ""];
    // What the built-in component may ask for, and what a manifest asks for, grants nothing.
    let nothing = Intruder::granted(&lab, "ask", &ask, Some(json!([]))).await;
    nothing.plan(Target::Google).await.expect_err("it is refused");
    assert_eq!(nothing.blamed().await, ["forbidden-request"]);
    assert_eq!(arrived(&lab), Vec::<String>::new());

    let rule =
        json!([{ "credential": "google", "method": "GET", "path": "/admin/directory/v1/groups/{group}" }]);
    let granted = Intruder::granted(&lab, "ask", &ask, Some(rule)).await;
    let _ended = granted.plan(Target::Google).await;
    assert_eq!(granted.blamed().await, Vec::<&str>::new());
    assert_eq!(arrived(&lab), [format!("GET {GROUP}")]);
    the_real_one_still_works(&lab, Target::Google).await;
}
