//! R34, R35: what enabling would put at risk is said before it happens, and refused until somebody accepts it.

use groupcast::run::{CheckReport, RunFailureKind, Selection};
use groupcast_guest::engine::Severity;
use groupcast_guest::plan::part::GroupState;
use groupcast_tests::{BOTH, ENTRA_DIRECTORY, GOOGLE_DIRECTORY, Lab, Target, codes, part, people};
use tokio_util::sync::CancellationToken;

async fn check(lab: &Lab, target: Target) -> CheckReport {
    lab.groupcast()
        .await
        .check(&target.connection(), &CancellationToken::new())
        .await
        .unwrap_or_else(|failure| panic!("{failure}"))
}

fn finding<'a>(report: &'a CheckReport, code: &str, place: &str) -> Option<(Severity, &'a str)> {
    report
        .findings
        .iter()
        .find(|finding| finding.code == code && finding.place == place)
        .map(|finding| (finding.severity, finding.message.as_str()))
}

fn jumpcloud_directory(target: Target) -> &'static str {
    match target {
        Target::Google => GOOGLE_DIRECTORY,
        Target::Entra => ENTRA_DIRECTORY,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r34_check_lists_bound_groups_without_an_email_with_their_people_before_enabling() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        lab.set(target, "managed", false);
        lab.group("Sales", Some("sales@example.com"), &[0]);
        lab.group("Bare", None, &[1, 2, 3]);
        lab.group("Blank", Some("  "), &[4]);
        let report = check(&lab, target).await;
        for (group, count) in [("Bare", "3"), ("Blank", "1")] {
            let (severity, message) =
                finding(&report, "group-at-risk", group).unwrap_or_else(|| panic!("{target:?}: {report:#?}"));
            assert_eq!(severity, Severity::Problem, "{target:?}: {report:#?}");
            assert!(message.contains(count), "{target:?}: {message}");
        }
        assert_eq!(finding(&report, "group-at-risk", "Sales"), None);
        lab.set(target, "acknowledge", true);
        let report = check(&lab, target).await;
        assert_eq!(
            finding(&report, "group-at-risk", "Bare").unwrap().0,
            Severity::Warning,
            "{target:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r34_enabling_with_bound_groups_without_an_email_is_refused_until_acknowledged() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        lab.group("Sales", Some("sales@example.com"), &[0]);
        let bare = lab.group("Bare", None, &[1, 2, 3]);
        let plan = lab.plan(target).await;
        for groups in [None, Some(vec!["Sales".to_owned()])] {
            let chosen = Selection {
                groups,
                release_held: false,
            };
            let refused = lab
                .apply(target, &plan.plan.hash, chosen)
                .await
                .expect_err("refused");
            assert_eq!(refused.kind, RunFailureKind::Refused, "{target:?}: {refused}");
            for word in ["Bare", "3", "acknowledge"] {
                assert!(refused.message.contains(word), "{target:?}: {refused}");
            }
            assert!(!refused.message.contains("Sales"), "{target:?}: {refused}");
        }
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");

        lab.set(target, "acknowledge", true);
        let (plan, _) = lab.plan_and_apply(target).await;
        assert_eq!(
            lab.people(target, "Sales", "sales@example.com"),
            people(&[0]),
            "{target:?}"
        );
        if target == Target::Google {
            assert_eq!(part(&plan, "Bare").state, GroupState::AtRisk);
            assert_eq!(lab.google(|google| google.tenant().groups.len()), 1);
            // At risk until it is fixed.
            assert_eq!(part(&lab.plan(target).await, "Bare").state, GroupState::AtRisk);
            lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&bare, Some("bare@example.com")));
            lab.sync(target).await;
            assert_eq!(part(&lab.plan(target).await, "Bare").state, GroupState::Managed);
            assert_eq!(lab.people(target, "Bare", "bare@example.com"), people(&[1, 2, 3]));
        } else {
            // An Entra export needs no email (R2): accepted, it is exported.
            assert_eq!(lab.people(target, "Bare", ""), people(&[1, 2, 3]));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r34_a_group_that_comes_without_an_email_later_is_at_risk_and_stops_no_other() {
    let mut lab = Lab::new().await;
    let id = lab.group("Sales", Some("sales@example.com"), &[0]);
    lab.plan_and_apply(Target::Google).await;
    lab.group("Bare", None, &[1, 2]);
    lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &groupcast_tests::user(5)));
    lab.sync(Target::Google).await;
    assert_eq!(
        lab.people(Target::Google, "Sales", "sales@example.com"),
        people(&[0, 5])
    );
    let plan = lab.plan(Target::Google).await;
    let bare = part(&plan, "Bare");
    assert_eq!(bare.state, GroupState::AtRisk);
    assert!(codes(bare).contains(&"at-risk"), "{bare:#?}");
    assert!(
        bare.warnings.iter().any(|reason| reason.message.contains('2')),
        "{bare:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r35_jumpcloud_s_own_group_management_is_refused_unless_acknowledged() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        lab.group("Sales", Some("sales@example.com"), &[0]);
        let earlier = lab.plan(target).await;
        lab.jumpcloud(|jumpcloud| jumpcloud.set_groups_enabled(jumpcloud_directory(target), true));
        let refused = lab.try_plan(target).await.expect_err("refused");
        assert_eq!(refused.kind, RunFailureKind::Refused, "{target:?}: {refused}");
        assert!(refused.message.contains("acknowledge"), "{refused}");
        let report = check(&lab, target).await;
        assert!(
            report
                .findings
                .iter()
                .any(|finding| finding.code == "group-management-on" && finding.severity == Severity::Problem),
            "{target:?}: {report:#?}"
        );
        // A plan made before it was switched on does not go past it.
        let late = lab.apply(target, &earlier.plan.hash, Selection::default()).await;
        assert!(late.is_err(), "{target:?}: {late:#?}");
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");

        lab.set(target, "acknowledge", true);
        lab.plan_and_apply(target).await;
        assert_eq!(lab.people(target, "Sales", "sales@example.com"), people(&[0]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r35_two_directories_that_share_a_domain_are_warned_of() {
    for target in BOTH {
        let lab = Lab::new().await;
        let report = check(&lab, target).await;
        let (severity, message) =
            finding(&report, "shared-domain", "example.com").unwrap_or_else(|| panic!("{report:#?}"));
        assert_eq!(severity, Severity::Warning);
        assert!(
            message.contains("Google Workspace") && message.contains("Entra ID"),
            "{message}"
        );
    }
    let lab = Lab::with(
        groupcast_simulators::organisation::Size {
            users: 1,
            groups: 0,
            memberships: 0,
        },
        |organisation| {
            organisation.jumpcloud.directories[1].default_domain = Some("other.example".to_owned());
        },
    )
    .await;
    let report = check(&lab, Target::Google).await;
    assert!(
        report
            .findings
            .iter()
            .all(|finding| finding.code != "shared-domain"),
        "{report:#?}"
    );
}
