//! From nothing to members in place.

use groupcast_simulators::Vendor;
use groupcast_tests::{BOTH, Lab, Target, changes, part, people};

#[tokio::test(flavor = "multi_thread")]
async fn r30_binding_a_group_exports_its_users_and_r46_a_second_run_writes_nothing() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        lab.group("Sales", Some("sales@example.com"), &[0, 1, 2]);
        lab.group("Support", Some("support@example.com"), &[3]);
        let (plan, outcome) = lab.plan_and_apply(target).await;
        assert_eq!(changes(part(&plan, "Sales")), (3, 0), "{target:?}");
        assert_eq!(outcome.report.applied, 6, "two groups and four members");
        assert_eq!(
            lab.people(target, "Sales", "sales@example.com"),
            people(&[0, 1, 2]),
            "{target:?}"
        );
        assert_eq!(
            lab.people(target, "Support", "support@example.com"),
            people(&[3]),
            "{target:?}"
        );

        lab.simulators.clear_requests();
        let second = lab.plan(target).await;
        assert!(!second.plan.has_work(), "{target:?}: {:#?}", second.plan.parts);
        lab.sync(target).await;
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_jumpcloud_is_only_ever_read_and_r33_no_user_is_ever_written() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        lab.group("Sales", Some("sales@example.com"), &[0, 1]);
        lab.plan_and_apply(target).await;
        assert_eq!(lab.writes(Vendor::Jumpcloud), Vec::<String>::new());
        let mutations: Vec<_> = lab
            .simulators
            .requests()
            .into_iter()
            .filter(|request| request.is_mutation())
            .collect();
        assert!(
            mutations.len() >= 2,
            "a creation and an addition were recorded: {mutations:#?}"
        );
        for request in mutations {
            assert!(!request.path.contains("/users"), "{request:?}");
            assert!(
                request.method != "DELETE" || request.path.ends_with("/$ref") || target == Target::Google
            );
        }
        assert_eq!(lab.google(|google| google.user_mutation_attempts()), 0);
        assert_eq!(lab.entra(|entra| entra.user_mutation_attempts()), 0);
    }
}
