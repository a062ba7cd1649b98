//! R47: a sync is killed at every call of the host in turn, before and after the call takes effect, and runs again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeSet;

use groupcast_simulation::cloud::{Cloud, PUBLIC_KEY};
use groupcast_simulation::host::{Cut, Ended, Host};
use groupcast_simulation::story::settings;
use groupcast_simulation::truth::{Target, differences, user};
use groupcast_simulators::organisation::{Size, generated};
use groupcast_simulators::{entra, google, jumpcloud};

const SIZE: Size = Size {
    users: 8,
    groups: 0,
    memberships: 0,
};
const PAUSE_MS: u64 = 15 * 60 * 1_000;

fn group(number: usize, users: &[usize]) -> jumpcloud::Group {
    jumpcloud::Group {
        id: format!("c{number:023x}"),
        name: format!("Group {number}"),
        email: Some(format!("group-{number}@example.com")),
        description: None,
        users: users.iter().map(|number| user(*number)).collect(),
        groups: Vec::new(),
        directories: [Target::Google, Target::Entra]
            .map(|target| target.directory().to_owned())
            .to_vec(),
    }
}

/// A new world: three groups in JumpCloud, one of which exists in both targets already, and vendors that show what is
/// new a little late.
fn world() -> Cloud {
    let mut organisation = generated(SIZE, 1, PUBLIC_KEY);
    organisation.jumpcloud.groups = vec![group(1, &[0, 1, 2]), group(2, &[2, 3]), group(3, &[4, 5])];
    let member = |id: String| google::tenant::Member {
        id,
        email: None,
        role: google::tenant::Role::Member,
        kind: google::tenant::MemberType::User,
        status: None,
        delivery_settings: None,
    };
    organisation.google.groups.push(google::tenant::Group {
        id: "03taken0over".to_owned(),
        email: "group-3@example.com".to_owned(),
        name: "Group 3".to_owned(),
        description: String::new(),
        aliases: Vec::new(),
        external_ids: Vec::new(),
        members: vec![member(Target::Google.principal(4))],
        refuses_external_members: false,
    });
    organisation.google.lag = google::tenant::Lag {
        create_ms: 1_500,
        list_ms: 5_000,
        member_ms: 1_500,
    };
    organisation.entra.lag = entra::Lag {
        create_ms: 1_500,
        read_ms: 1_500,
    };
    Cloud::new(organisation, 1)
}

/// Members join and leave, a group moves and another is renamed, one is new, and somebody is deleted.
fn clicks(cloud: &Cloud) {
    let mut jumpcloud = cloud.jumpcloud.borrow_mut();
    jumpcloud.advance_to(cloud.time.now_ms());
    let id = |number: usize| group(number, &[]).id;
    jumpcloud.add_user_to_group(&id(1), &user(3)).unwrap();
    jumpcloud.remove_user_from_group(&id(1), &user(0)).unwrap();
    jumpcloud
        .set_group_email(&id(2), Some("moved@example.com"))
        .unwrap();
    jumpcloud.rename_group(&id(3), "Renamed").unwrap();
    jumpcloud.create_group(group(4, &[0, 6])).unwrap();
    jumpcloud.delete_user(&user(5)).unwrap();
}

/// Runs until nothing is to do, and says what is not as it should be.
fn rest(host: &Host<'_>) -> Vec<String> {
    let mut wrongs = Vec::new();
    let mut rested = false;
    for _ in 0..6 {
        host.cloud.time.pass(PAUSE_MS);
        if host.sync(None) == Ended::Nothing {
            rested = true;
            break;
        }
    }
    if !rested {
        wrongs.push("it does not come to rest".to_owned());
    }
    wrongs.extend(host.wrongs.borrow().iter().cloned());
    wrongs.extend(differences(host, &BTreeSet::new()));
    if host.open_intents() > 0 {
        wrongs.push(format!("{} intents are still open", host.open_intents()));
    }
    wrongs
}

/// Kills the sync of a prepared world at every call; answers how many points there were.
fn kill_everywhere(target: Target, prepare: impl Fn(&Host<'_>)) -> u64 {
    let calls = {
        let cloud = world();
        let host = Host::new(&cloud, target, settings());
        prepare(&host);
        assert!(
            matches!(host.sync(None), Ended::Applied(_)),
            "there is something to do"
        );
        let calls = host.calls();
        assert_eq!(rest(&host), Vec::<String>::new(), "uncut, {target:?}");
        calls
    };
    for call in 1..=calls {
        for after_effect in [false, true] {
            let cloud = world();
            let host = Host::new(&cloud, target, settings());
            prepare(&host);
            let cut = Cut { call, after_effect };
            assert_eq!(host.sync(Some(cut)), Ended::Killed, "{target:?}, {cut:?}");
            assert_eq!(rest(&host), Vec::<String>::new(), "{target:?}, {cut:?}");
        }
    }
    2 * calls
}

fn first(_: &Host<'_>) {}

fn later(host: &Host<'_>) {
    assert_eq!(rest(host), Vec::<String>::new());
    clicks(host.cloud);
}

#[test]
fn r47_r25_a_first_sync_to_google_killed_at_any_call_converges() {
    println!("{} points", kill_everywhere(Target::Google, first));
}

#[test]
fn r47_r25_a_first_sync_to_entra_killed_at_any_call_converges() {
    println!("{} points", kill_everywhere(Target::Entra, first));
}

#[test]
fn r47_r15_creates_moves_adds_and_removals_in_google_killed_at_any_call_converge() {
    println!("{} points", kill_everywhere(Target::Google, later));
}

#[test]
fn r47_r15_creates_moves_adds_and_removals_in_entra_killed_at_any_call_converge() {
    println!("{} points", kill_everywhere(Target::Entra, later));
}
