//! R47: a sync is killed at every call of the host in turn, before and after the call takes effect, and runs again; and
//! the run that mends it is killed as well.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use groupcast_guest::settings::Settings;
use groupcast_simulation::cloud::{Cloud, PUBLIC_KEY};
use groupcast_simulation::host::{Cut, Ended, Host};
use groupcast_simulation::story::settings;
use groupcast_simulation::truth::{Target, differences, user};
use groupcast_simulators::organisation::{Size, generated};
use groupcast_simulators::{entra, google, jumpcloud};

const SIZE: Size = Size {
    users: 16,
    groups: 0,
    memberships: 0,
};
const PAUSE_MS: u64 = 15 * 60 * 1_000;
/// How many places are tried for the second crash, after each place of the first.
const SECOND_CRASHES: u64 = 2;

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

/// A new world: eight groups in JumpCloud, one of which holds another and one of which exists in Google already, and
/// vendors that show what is new a little late.
fn world() -> Cloud {
    let mut organisation = generated(SIZE, 1, PUBLIC_KEY);
    let mut nested = group(8, &[9]);
    nested.groups = vec![group(7, &[]).id];
    organisation.jumpcloud.groups = vec![
        group(1, &[0, 1, 2]),
        group(2, &[2, 3]),
        group(3, &[4, 5]),
        group(4, &[0, 6, 7]),
        group(5, &[8, 9, 10, 11]),
        group(6, &[12, 13]),
        group(7, &[3, 14]),
        nested,
    ];
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

/// All at once: members join and leave, groups move (in Google: R15; R16 where addresses are renamed), are renamed and
/// described, are new, lose what they held, and somebody is deleted.
fn clicks(cloud: &Cloud) {
    let mut jumpcloud = cloud.jumpcloud.borrow_mut();
    jumpcloud.advance_to(cloud.time.now_ms());
    let id = |number: usize| group(number, &[]).id;
    jumpcloud.add_user_to_group(&id(1), &user(3)).unwrap();
    jumpcloud.remove_user_from_group(&id(1), &user(0)).unwrap();
    for (number, address) in [(2, "moved@example.com"), (5, "moved-too@example.com")] {
        jumpcloud.set_group_email(&id(number), Some(address)).unwrap();
    }
    jumpcloud.remove_user_from_group(&id(5), &user(8)).unwrap();
    jumpcloud.add_user_to_group(&id(5), &user(15)).unwrap();
    jumpcloud.rename_group(&id(3), "Renamed").unwrap();
    jumpcloud.rename_group(&id(4), "Renamed too").unwrap();
    jumpcloud
        .set_group_description(&id(6), Some("Described"))
        .unwrap();
    jumpcloud.un_nest(&id(8), &id(7)).unwrap();
    jumpcloud.create_group(group(9, &[0, 6])).unwrap();
    jumpcloud.create_group(group(10, &[1, 2, 3, 15])).unwrap();
    jumpcloud.delete_user(&user(13)).unwrap();
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

/// How a sync that is killed begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing is exported yet.
    Nothing,
    /// All is exported, and then much is clicked.
    Clicks,
}

fn prepared(cloud: &Cloud, target: Target, before: Before, settings: Settings) -> Host<'_> {
    let host = Host::new(cloud, target, settings);
    if before == Before::Clicks {
        assert_eq!(rest(&host), Vec::<String>::new());
        clicks(host.cloud);
    }
    host
}

/// Kills the sync of a prepared world at every call, and for some places the run after it too; answers at how many
/// places it died.
fn kill_everywhere(target: Target, before: Before, settings: &Settings) -> u64 {
    let calls = {
        let cloud = world();
        let host = prepared(&cloud, target, before, settings.clone());
        assert!(
            matches!(host.sync(None), Ended::Applied(_)),
            "there is something to do"
        );
        let calls = host.calls();
        assert_eq!(rest(&host), Vec::<String>::new(), "uncut, {target:?}");
        calls
    };
    let (next, died) = (AtomicU64::new(1), AtomicU64::new(0));
    let failed: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let call = next.fetch_add(1, Ordering::Relaxed);
                    if call > calls || failed.lock().unwrap().len() >= 5 {
                        break;
                    }
                    for (first, second) in cuts(call) {
                        let wrongs = killed_at(target, before, settings, first, second, &died);
                        if !wrongs.is_empty() {
                            let told =
                                format!("{target:?}, {before:?}, {first:?}, then {second:?}: {wrongs:#?}");
                            failed.lock().unwrap().push(told);
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let died = died.into_inner();
    println!("{target:?}, {before:?}: {calls} calls, {died} deaths");
    died
}

/// The crashes tried with the first at this call.
fn cuts(call: u64) -> Vec<(Cut, Option<Cut>)> {
    let cut = |call, after_effect| Cut { call, after_effect };
    let mut cuts = vec![(cut(call, false), None), (cut(call, true), None)];
    for number in 0..SECOND_CRASHES {
        // Spread over the mending run, the same each time; short runs may be over by then.
        let second = 1 + (call * 7 + number * 23) % 97;
        cuts.push((
            cut(call, number % 2 == 0),
            Some(cut(second, (call + number).is_multiple_of(2))),
        ));
    }
    cuts
}

fn killed_at(
    target: Target,
    before: Before,
    settings: &Settings,
    first: Cut,
    second: Option<Cut>,
    died: &AtomicU64,
) -> Vec<String> {
    let cloud = world();
    let host = prepared(&cloud, target, before, settings.clone());
    if host.sync(Some(first)) != Ended::Killed {
        return vec!["it was not killed".to_owned()];
    }
    died.fetch_add(1, Ordering::Relaxed);
    if let Some(second) = second {
        host.cloud.time.pass(1_000);
        if host.sync(Some(second)) == Ended::Killed {
            died.fetch_add(1, Ordering::Relaxed);
        }
    }
    rest(&host)
}

/// Fewer would mean that the worlds have become too small to prove anything.
const LEAST_DEATHS: u64 = 300;

#[test]
fn r47_r25_a_first_sync_to_google_killed_at_any_call_converges() {
    assert!(kill_everywhere(Target::Google, Before::Nothing, &settings()) > LEAST_DEATHS);
}

#[test]
fn r47_r25_a_first_sync_to_entra_killed_at_any_call_converges() {
    assert!(kill_everywhere(Target::Entra, Before::Nothing, &settings()) > LEAST_DEATHS);
}

#[test]
fn r47_r15_creates_moves_adds_and_removals_in_google_killed_at_any_call_converge() {
    assert!(kill_everywhere(Target::Google, Before::Clicks, &settings()) > LEAST_DEATHS);
}

#[test]
fn r47_r16_creates_renames_adds_and_removals_in_google_killed_at_any_call_converge() {
    let settings = Settings {
        on_email_change: groupcast_guest::settings::OnEmailChange::Rename,
        ..settings()
    };
    assert!(kill_everywhere(Target::Google, Before::Clicks, &settings) > LEAST_DEATHS);
}

#[test]
fn r47_r11_creates_renames_adds_and_removals_in_entra_killed_at_any_call_converge() {
    assert!(kill_everywhere(Target::Entra, Before::Clicks, &settings()) > LEAST_DEATHS);
}
