//! What several themes share: faults, the ledger held against the target, and groups at the two targets alike.

use std::collections::BTreeSet;

use groupcast::config::Config;
use groupcast::ledger::{Binding, Membership};
use groupcast::store::{DirectoryKey, LedgerStore, SqliteStore};
use groupcast_guest::plan::part::Part;
use groupcast_simulators::Vendor;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_tests::{Lab, Target, codes};

pub use groupcast_tests::faults::{heal, rule, strike};

/// Reads of one JumpCloud group's members.
pub fn members_of(group: &str, fault: Fault) -> Rule {
    rule(
        Vendor::Jumpcloud,
        "GET",
        &format!("/api/v2/usergroups/{group}/membership"),
        fault,
    )
}

/// An answer without effect.
pub fn answer(status: u16, headers: &[(&str, &str)], content_type: &str, body: &str) -> Fault {
    Fault::Answer {
        status,
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: body.to_owned(),
        content_type: content_type.to_owned(),
    }
}

/// The same as JSON.
pub fn json(status: u16, body: &str) -> Fault {
    answer(status, &[], "application/json", body)
}

/// How a target's writes look: method and path of creations, additions and removals.
pub fn writes_of(target: Target) -> [(&'static str, &'static str); 3] {
    match target {
        Target::Google => [
            ("POST", "/admin/directory/v1/groups"),
            ("POST", "/admin/directory/v1/groups/*/members"),
            ("DELETE", "/admin/directory/v1/groups/*/members/*"),
        ],
        Target::Entra => [
            // `groups(uniqueName='…')` is one segment.
            ("PATCH", "/v1.0/*"),
            ("PATCH", "/v1.0/groups/*"),
            ("DELETE", "/v1.0/groups/*/members/*/$ref"),
        ],
    }
}

/// How the target itself says that somebody is to be removed.
pub fn removals(lab: &Lab, target: Target) -> usize {
    lab.writes(target.vendor())
        .iter()
        .filter(|write| write.starts_with("DELETE "))
        .count()
}

/// The state of one vendor, for comparing before and after.
pub fn state(lab: &Lab, vendor: &str) -> serde_json::Value {
    lab.simulators.state()[vendor].clone()
}

/// The directory's identity in the store.
pub fn directory(target: Target) -> DirectoryKey {
    match target {
        Target::Google => DirectoryKey::new("default", "google", "example.com"),
        Target::Entra => DirectoryKey::new("default", "entra", "aaaaaaaa-0000-4000-8000-000000000000"),
    }
}

/// The same as it is leased: by what the vendor itself calls it.
pub fn leased(lab: &Lab, target: Target) -> DirectoryKey {
    match target {
        Target::Google => {
            directory(target).leased_as("google", &lab.google(|google| google.tenant().customer_id))
        }
        Target::Entra => directory(target),
    }
}

/// The store as another process would open it.
pub async fn store(lab: &Lab) -> SqliteStore {
    let config = Config::load(&lab.config_file()).unwrap_or_else(|error| panic!("{error}"));
    SqliteStore::open(&config.store_path)
        .await
        .expect("the store opens")
}

/// What the ledger holds: every group's binding with its memberships.
pub async fn ledger(lab: &Lab, target: Target) -> Vec<(Binding, Vec<Membership>)> {
    let (store, key) = (store(lab).await, directory(target));
    let mut found = Vec::new();
    for binding in store.bindings(&key, None).await.unwrap().items {
        let memberships = store.memberships(&key, &binding.group, None).await.unwrap().items;
        found.push((binding, memberships));
    }
    store.close().await;
    found
}

/// Holds the ledger against the target's own state: every tie leads to a group there, no group has two ties, and every
/// membership that is recorded is there.
pub async fn ledger_agrees(lab: &Lab, target: Target) {
    let ledger = ledger(lab, target).await;
    let mut targets = BTreeSet::new();
    for (binding, memberships) in ledger {
        let id = binding
            .target
            .clone()
            .unwrap_or_else(|| panic!("no target: {binding:?}"));
        assert!(targets.insert(id.clone()), "two ties to {id}");
        let present = members_by_id(lab, target, &id).unwrap_or_else(|| panic!("no group {id}: {binding:?}"));
        let recorded: BTreeSet<String> = memberships
            .iter()
            .filter(|membership| membership.target == id)
            .map(|membership| membership.principal.clone())
            .collect();
        assert_eq!(
            recorded, present,
            "{target:?}: ledger (left) and target of {binding:?}"
        );
    }
    let open = store(lab).await.unsettled(&directory(target), 0).await.unwrap();
    assert!(open.is_empty(), "open intents: {open:#?}");
}

/// IDs of the members of a target group.
pub fn members_by_id(lab: &Lab, target: Target, id: &str) -> Option<BTreeSet<String>> {
    match target {
        Target::Google => lab.google(|google| {
            let group = google.tenant().groups.into_iter().find(|group| group.id == id)?;
            Some(group.members.into_iter().map(|member| member.id).collect())
        }),
        Target::Entra => lab.entra(|entra| {
            let group = entra.tenant().groups.into_iter().find(|group| group.id == id)?;
            Some(group.members.into_iter().map(|member| member.id).collect())
        }),
    }
}

/// How many groups the target has.
pub fn groups(lab: &Lab, target: Target) -> usize {
    match target {
        Target::Google => lab.google(|google| google.tenant().groups.len()),
        Target::Entra => lab.entra(|entra| entra.tenant().groups.len()),
    }
}

/// The ID in the target of the person of a number.
pub fn principal(lab: &Lab, target: Target, number: usize) -> String {
    let address = groupcast_tests::address(number);
    match target {
        Target::Google => lab.google(|google| {
            let users = google.tenant().users;
            users
                .into_iter()
                .find(|user| user.primary_email == address)
                .unwrap()
                .id
        }),
        Target::Entra => lab.entra(|entra| {
            let users = entra.tenant().users;
            users
                .into_iter()
                .find(|user| user.user_principal_name == address)
                .unwrap()
                .id
        }),
    }
}

/// Somebody is put into a target group by hand.
pub fn put_by_hand(lab: &Lab, target: Target, name: &str, address: &str, number: usize) {
    let person = principal(lab, target, number);
    let done = match target {
        Target::Google => lab.google(|google| {
            google.add_member(
                address,
                &person,
                groupcast_simulators::google::tenant::Role::Member,
            )
        }),
        Target::Entra => {
            let group = lab.entra_groups(name)[0].id.clone();
            lab.entra(|entra| {
                entra.add_member(&group, &person, groupcast_simulators::entra::ObjectType::User)
            })
        }
    };
    assert!(done, "the click works");
}

/// Somebody is taken out of a target group by hand.
pub fn take_by_hand(lab: &Lab, target: Target, name: &str, address: &str, number: usize) {
    let person = principal(lab, target, number);
    let done = match target {
        Target::Google => lab.google(|google| google.remove_member(address, &person)),
        Target::Entra => {
            let group = lab.entra_groups(name)[0].id.clone();
            lab.entra(|entra| entra.remove_member(&group, &person))
        }
    };
    assert!(done, "the click works");
}

/// Whether a part says a code, among its reasons, its warnings or why things are held.
pub fn says(part: &Part, code: &str) -> bool {
    codes(part).contains(&code) || part.held.iter().any(|held| held.reason.code == code)
}

/// A lab with one group of the people 0 to 3 that is exported and active.
pub async fn exported(target: Target) -> (Lab, String) {
    let mut lab = Lab::new().await;
    let sales = lab.group("Sales", Some("sales@example.com"), &[0, 1, 2, 3]);
    lab.plan_and_apply(target).await;
    lab.simulators.clear_requests();
    (lab, sales)
}

/// The people in the target group of `Sales`.
pub fn sales(lab: &Lab, target: Target) -> Option<BTreeSet<usize>> {
    lab.people(target, "Sales", "sales@example.com")
}
