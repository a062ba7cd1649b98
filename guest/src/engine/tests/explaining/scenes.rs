//! A scene for each of the planner's own reasons.

use super::*;

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

/// The scenes of the planner's own reasons.
pub fn scenes() -> Vec<Scene> {
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
