//! What several themes set up and look at: groups and members as an administrator of Google Workspace made them, and
//! what the simulator holds and was asked.

use std::collections::{BTreeMap, BTreeSet};

use groupcast::run::PlanOutcome;
use groupcast_guest::plan::part::{GroupState, Part, RemovalReason};
use groupcast_simulators::Vendor;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_simulators::google::tenant::{Group, Member, MemberType, Role};
use groupcast_simulators::log::LoggedRequest;
use groupcast_tests::{Lab, Target, address, faults, part, user};

pub use groupcast_tests::faults::{heal, strike};

/// Google's ID of a user by number.
pub fn google_id(number: usize) -> String {
    format!("1{number:020}")
}

/// A user of the directory as a member.
pub fn member(number: usize, role: Role) -> Member {
    Member {
        id: google_id(number),
        email: Some(address(number)),
        role,
        kind: MemberType::User,
        status: None,
        delivery_settings: None,
    }
}

/// Plain members.
pub fn plain(numbers: &[usize]) -> Vec<Member> {
    numbers
        .iter()
        .map(|number| member(*number, Role::Member))
        .collect()
}

/// A group that an administrator made in Google Workspace before Groupcast came.
pub fn existing(id: &str, email: &str, members: Vec<Member>) -> Group {
    Group {
        id: id.to_owned(),
        email: email.to_owned(),
        name: format!("Made by hand: {id}"),
        description: "Somebody's own words".to_owned(),
        aliases: Vec::new(),
        external_ids: Vec::new(),
        members,
        refuses_external_members: false,
    }
}

/// All Google groups by ID.
pub fn groups(lab: &Lab) -> BTreeMap<String, Group> {
    lab.google(|google| google.tenant())
        .groups
        .into_iter()
        .map(|group| (group.id.clone(), group))
        .collect()
}

/// The Google group at an address; there must be exactly one.
pub fn group_at(lab: &Lab, address: &str) -> Group {
    let mut found: Vec<Group> = groups(lab)
        .into_values()
        .filter(|group| group.email == address)
        .collect();
    assert_eq!(found.len(), 1, "groups at {address}: {found:#?}");
    found.remove(0)
}

/// Members of a group: address (or ID) with role.
pub fn members(lab: &Lab, address: &str) -> BTreeMap<String, Role> {
    group_at(lab, address)
        .members
        .into_iter()
        .map(|member| (member.email.unwrap_or(member.id), member.role))
        .collect()
}

/// Addresses of users by number, all plain members: what [`members`] gives of them.
pub fn as_members(numbers: &[usize]) -> BTreeMap<String, Role> {
    numbers
        .iter()
        .map(|number| (address(*number), Role::Member))
        .collect()
}

/// Mutating requests to Google in the order of their effect; parts of batches each counted.
pub fn mutations(lab: &Lab) -> Vec<LoggedRequest> {
    lab.simulators
        .requests()
        .into_iter()
        .filter(|request| request.vendor == Vendor::Google && request.is_mutation())
        .collect()
}

/// Creations of groups that were sent, whatever was answered.
pub fn creations(lab: &Lab) -> usize {
    mutations(lab)
        .iter()
        .filter(|request| request.method == "POST" && request.path == "/admin/directory/v1/groups")
        .count()
}

/// Removals that were sent: (group ID, member ID) as the path names them.
pub fn removals(lab: &Lab) -> Vec<(String, String)> {
    mutations(lab)
        .iter()
        .filter(|request| request.method == "DELETE")
        .map(|request| {
            let rest = request
                .path
                .strip_prefix("/admin/directory/v1/groups/")
                .unwrap_or_else(|| panic!("deletes something else than a membership: {request:?}"));
            let (group, member) = rest
                .split_once("/members/")
                .unwrap_or_else(|| panic!("deletes a group: {request:?}"));
            (group.to_owned(), member.to_owned())
        })
        .collect()
}

/// R46: neither another plan nor a scheduled run finds anything to do, and nobody is written to.
pub async fn nothing_left_to_do(lab: &Lab) {
    lab.simulators.clear_requests();
    let plan = lab.plan(Target::Google).await;
    assert!(
        !plan.plan.has_work(),
        "a second run has work: {:#?}",
        plan.plan.parts
    );
    lab.sync(Target::Google).await;
    assert_eq!(lab.all_writes(), Vec::<String>::new(), "a second run wrote");
}

/// The same through several runs, with nothing looked at in between.
pub async fn stays_so(lab: &Lab) {
    let before = groups(lab);
    for _ in 0..3 {
        nothing_left_to_do(lab).await;
    }
    assert_eq!(groups(lab), before);
}

/// A part's state, after a check that nothing of the part is written.
pub fn resting_state(part: &Part) -> GroupState {
    assert!(!part.has_writes(), "the part writes: {part:#?}");
    part.state
}

/// Addresses in a part's list of foreign members.
pub fn foreign(part: &Part) -> BTreeSet<&str> {
    part.foreign.iter().map(|member| member.label.as_str()).collect()
}

/// Why each held operation waits: (address, code, whether an approval releases it).
pub fn held(part: &Part) -> BTreeSet<(String, String, bool)> {
    use groupcast_guest::plan::part::Operation;
    part.held
        .iter()
        .map(|held| {
            let address = match &held.operation {
                Operation::AddMember { address, .. } | Operation::RemoveMember { address, .. } => {
                    address.clone()
                }
                other => other.to_json(),
            };
            (address, held.reason.code.clone(), held.approvable)
        })
        .collect()
}

/// Planned removals of a part: (target group ID, address, why).
pub fn planned_removals(part: &Part) -> BTreeSet<(String, String, RemovalReason)> {
    use groupcast_guest::plan::part::{GroupRef, Operation};
    part.operations
        .iter()
        .filter_map(|operation| match operation {
            Operation::RemoveMember {
                group: GroupRef::Id(group),
                address,
                why,
                ..
            } => Some((group.clone(), address.clone(), *why)),
            _ => None,
        })
        .collect()
}

/// Sales at `sales@example.com` with these people, exported and at rest; answers JumpCloud's ID of it.
pub async fn exported(lab: &mut Lab, users: &[usize]) -> String {
    let id = lab.group("Sales", Some("sales@example.com"), users);
    lab.plan_and_apply(Target::Google).await;
    assert_eq!(members(lab, "sales@example.com"), as_members(users));
    lab.simulators.clear_requests();
    id
}

/// Takes somebody out of a JumpCloud group.
pub fn leaves(lab: &Lab, group: &str, number: usize) {
    lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(group, &user(number)));
}

/// Puts somebody into a JumpCloud group.
pub fn joins(lab: &Lab, group: &str, number: usize) {
    lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(group, &user(number)));
}

/// Plans, and shows the part of Sales.
pub async fn plan_of_sales(lab: &Lab) -> (PlanOutcome, Part) {
    let plan = lab.plan(Target::Google).await;
    let sales = part(&plan, "Sales").clone();
    (plan, sales)
}

/// A fault of Google's, until [`heal`].
pub fn fault(lab: &Lab, method: &str, path: &str, fault: Fault) {
    strike(lab, rule(method, path, fault));
}

/// A rule for Google that strikes without end.
pub fn rule(method: &str, path: &str, fault: Fault) -> Rule {
    faults::rule(Vendor::Google, method, path, fault)
}

/// The path of the list of a group's members.
pub fn members_path(group: &str) -> String {
    format!("/admin/directory/v1/groups/{group}/members")
}

/// Google's own shape of an error.
pub fn refusal(status: u16, reason: &str, message: &str) -> String {
    serde_json::json!({"error": {"code": status, "message": message,
        "errors": [{"domain": "global", "reason": reason, "message": message}]}})
    .to_string()
}

/// This is answered in place of the request's effect.
pub fn answers(status: u16, reason: &str, message: &str) -> Fault {
    Fault::Answer {
        status,
        headers: Vec::new(),
        body: refusal(status, reason, message),
        content_type: "application/json".to_owned(),
    }
}
