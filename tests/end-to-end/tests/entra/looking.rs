//! What several themes set up and look at: groups as an administrator of Entra ID made them, and what the simulator
//! holds and was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use groupcast::run::SyncOutcome;
use groupcast_guest::plan::part::Part;
use groupcast_simulators::Vendor;
use groupcast_simulators::entra::{Group, Lag, Member, ObjectType};
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_simulators::log::LoggedRequest;
use groupcast_simulators::organisation::{Organisation, Size};
use groupcast_tests::{Lab, Target, faults, user};

pub use groupcast_tests::faults::{heal, strike};

/// Shorter here, since every test of this room is about it.
pub const ENTRA: Target = Target::Entra;

/// A lab as always, with people who exist everywhere and no group, where it is accepted that groups without an email are
/// bound (R34 is another room's; Entra needs no email).
pub async fn fresh() -> Lab {
    organised(8, |_| ()).await
}

/// The same with more people, and changed before the vendors start.
pub async fn organised(people: usize, change: impl FnOnce(&mut Organisation)) -> Lab {
    let mut lab = Lab::with(people_only(people), change).await;
    lab.set(ENTRA, "acknowledge", true);
    lab
}

/// That many people who exist everywhere, and no group.
fn people_only(users: usize) -> Size {
    Size {
        users,
        groups: 0,
        memberships: 0,
    }
}

/// Entra's ID of a user by number.
pub fn object(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// IDs of users by number.
pub fn objects(numbers: impl IntoIterator<Item = usize>) -> BTreeSet<String> {
    numbers.into_iter().map(object).collect()
}

/// The ID of a group that was there before Groupcast came.
pub fn existing_id(number: usize) -> String {
    format!("99999999-0000-4000-8000-{number:012}")
}

/// A plain security group that an administrator made.
pub fn existing(number: usize, name: &str) -> Group {
    Group {
        id: existing_id(number),
        display_name: name.to_owned(),
        description: None,
        mail_nickname: format!("hand-{number}"),
        mail: None,
        mail_enabled: false,
        security_enabled: true,
        group_types: Vec::new(),
        unique_name: None,
        on_premises_sync_enabled: None,
        is_assignable_to_role: None,
        is_management_restricted: None,
        assigned_licenses: Vec::new(),
        visibility: None,
        members: Vec::new(),
        owners: Vec::new(),
    }
}

/// Users as members, by number.
pub fn as_members(numbers: impl IntoIterator<Item = usize>) -> Vec<Member> {
    numbers
        .into_iter()
        .map(|number| Member {
            id: object(number),
            kind: ObjectType::User,
        })
        .collect()
}

/// All groups of the tenant by ID.
pub fn groups(lab: &Lab) -> BTreeMap<String, Group> {
    lab.entra(|entra| entra.tenant())
        .groups
        .into_iter()
        .map(|group| (group.id.clone(), group))
        .collect()
}

/// The one group of a name.
pub fn only(lab: &Lab, name: &str) -> Group {
    let mut found = lab.entra_groups(name);
    assert_eq!(found.len(), 1, "groups named {name:?}: {found:#?}");
    found.remove(0)
}

/// IDs of a group's members.
pub fn members(lab: &Lab, id: &str) -> BTreeSet<String> {
    let group = groups(lab).remove(id).unwrap_or_else(|| panic!("no group {id}"));
    group.members.into_iter().map(|member| member.id).collect()
}

/// Mutating requests to Entra in the order of their effect, refused ones too; parts of batches each counted.
pub fn mutations(lab: &Lab) -> Vec<LoggedRequest> {
    lab.simulators
        .requests()
        .into_iter()
        .filter(|request| request.vendor == Vendor::Entra && request.is_mutation())
        .collect()
}

/// The requests among them that create.
pub fn creations(lab: &Lab) -> Vec<LoggedRequest> {
    mutations(lab)
        .into_iter()
        .filter(|request| request.method == "POST" || request.path.starts_with("/v1.0/groups("))
        .collect()
}

/// Whom an addition binds: IDs, in the order sent; empty for any other request.
pub fn binds(request: &LoggedRequest) -> Vec<String> {
    request
        .body
        .as_ref()
        .and_then(|body| body.get("members@odata.bind"))
        .and_then(|list| list.as_array())
        .map(|list| {
            list.iter()
                .map(|url| {
                    let url = url.as_str().expect("a URL");
                    url.rsplit('/').next().expect("an ID").to_owned()
                })
                .collect()
        })
        .unwrap_or_default()
}

/// Memberships that were asked to be removed: (group ID, member ID). Any other deletion fails the test (R33).
pub fn removals(lab: &Lab) -> Vec<(String, String)> {
    mutations(lab)
        .iter()
        .filter(|request| request.method == "DELETE")
        .map(|request| {
            let (group, member) = request
                .path
                .strip_prefix("/v1.0/groups/")
                .and_then(|rest| rest.strip_suffix("/$ref"))
                .and_then(|rest| rest.split_once("/members/"))
                .unwrap_or_else(|| panic!("a deletion that is none of a membership: {request:?}"));
            (group.to_owned(), member.to_owned())
        })
        .collect()
}

/// R33, of all that was recorded: nobody's account was written, and nothing was deleted but links of members.
pub fn no_user_was_written(lab: &Lab) {
    assert_eq!(lab.entra(|entra| entra.user_mutation_attempts()), 0);
    let _ = removals(lab);
    for request in mutations(lab) {
        assert!(
            request.path.starts_with("/v1.0/groups/") || request.path.starts_with("/v1.0/groups("),
            "{request:?}"
        );
    }
    assert_eq!(lab.writes(Vendor::Jumpcloud), Vec::<String>::new());
}

/// R46: neither another plan nor a scheduled run finds anything to do, and nothing is written; R33 of what came before.
pub async fn settled(lab: &Lab) {
    no_user_was_written(lab);
    let before = lab.entra(|entra| entra.tenant());
    lab.simulators.clear_requests();
    let plan = lab.plan(ENTRA).await;
    assert!(
        !plan.plan.has_work(),
        "a second run has work: {:#?}",
        plan.plan.parts
    );
    lab.sync(ENTRA).await;
    assert_eq!(lab.all_writes(), Vec::<String>::new(), "a second run wrote");
    assert!(
        lab.simulators
            .requests()
            .iter()
            .any(|request| request.vendor == Vendor::Jumpcloud),
        "the second run did look"
    );
    assert_eq!(lab.entra(|entra| entra.tenant()), before);
}

/// Runs as a schedule does, and holds that changes were made and none of them failed.
pub async fn applied(lab: &Lab) -> groupcast::run::ApplyOutcome {
    match lab.sync(ENTRA).await {
        SyncOutcome::Applied { apply, plan } => {
            assert_eq!(
                (apply.report.failed, &apply.report.moved),
                (0, &Vec::new()),
                "{:#?} {:#?}",
                apply.outcomes,
                plan.plan.parts
            );
            apply
        }
        other => panic!("nothing was applied: {other:#?}"),
    }
}

/// A scheduled run that writes nothing.
pub async fn rests(lab: &Lab) {
    let before = lab.entra(|entra| entra.tenant());
    lab.simulators.clear_requests();
    lab.sync(ENTRA).await;
    assert_eq!(lab.all_writes(), Vec::<String>::new());
    assert_eq!(lab.entra(|entra| entra.tenant()), before);
}

/// Sales with these people, exported and at rest: JumpCloud's ID and Entra's.
pub async fn exported(lab: &mut Lab, users: &[usize]) -> (String, String) {
    let source = lab.group("Sales", Some("sales@example.com"), users);
    lab.plan_and_apply(ENTRA).await;
    let target = only(lab, "Sales").id;
    assert_eq!(members(lab, &target), objects(users.iter().copied()));
    lab.simulators.clear_requests();
    (source, target)
}

/// Somebody joins a JumpCloud group.
pub fn joins(lab: &Lab, group: &str, number: usize) {
    lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(group, &user(number)));
}

/// Somebody leaves a JumpCloud group.
pub fn leaves(lab: &Lab, group: &str, number: usize) {
    lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(group, &user(number)));
}

/// An administrator of Entra puts a user into a group.
pub fn put(lab: &Lab, group: &str, number: usize) {
    assert!(lab.entra(|entra| entra.add_member(group, &object(number), ObjectType::User)));
}

/// An administrator of Entra takes a user out of a group.
pub fn take(lab: &Lab, group: &str, number: usize) {
    assert!(lab.entra(|entra| entra.remove_member(group, &object(number))));
}

/// Reads show what was before this long ago; nothing, for no lag.
pub fn lag(lab: &Lab, create_ms: u64, read_ms: u64) {
    lab.entra(|entra| entra.set_lag(Lag { create_ms, read_ms }));
}

/// A rule for Graph.
pub fn rule(method: &str, path: &str, fault: Fault) -> Rule {
    faults::rule(Vendor::Entra, method, path, fault)
}

/// An answer of Graph without effect.
pub fn answer(status: u16, code: &str, headers: &[(&str, &str)]) -> Fault {
    Fault::Answer {
        status,
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: serde_json::json!({"error": {"code": code, "message": "Made by a test."}}).to_string(),
        content_type: "application/json".to_owned(),
    }
}

/// Waits for a request to Graph, then clicks; for what happens while a run is under way.
pub async fn once_asked(lab: &Lab, which: impl Fn(&LoggedRequest) -> bool, click: impl FnOnce(&Lab)) {
    for _ in 0..24_000 {
        let seen = lab
            .simulators
            .requests()
            .iter()
            .any(|request| request.vendor == Vendor::Entra && which(request));
        if seen {
            click(lab);
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the request never came");
}

/// The plan that a scheduled run made, whatever became of it.
pub fn plan_of(outcome: SyncOutcome) -> groupcast::run::PlanOutcome {
    match outcome {
        SyncOutcome::Nothing(plan)
        | SyncOutcome::Planned { plan, .. }
        | SyncOutcome::Applied { plan, .. } => plan,
    }
}

/// The sentence of a reason or a warning of a part.
pub fn sentence<'a>(part: &'a Part, code: &str) -> &'a str {
    part.reasons
        .iter()
        .chain(&part.warnings)
        .find(|reason| reason.code == code)
        .map_or_else(
            || panic!("the part does not say {code}: {part:#?}"),
            |reason| reason.message.as_str(),
        )
}
