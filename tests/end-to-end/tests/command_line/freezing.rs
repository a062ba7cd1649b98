//! R48 between two real processes on one store and one directory. A host is frozen in the middle of its run until another
//! has taken over and ended, and then woken: none of its writes starts after its permit lapsed, and what was on the wire
//! when it froze is over before its successor begins. And a host that is asked to stop gives its directory back, but not
//! before its last request has ended.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use groupcast::run::Selection;
use groupcast::store::{DirectoryKey, LeaseAnswer, LeaseStore, SqliteStore, Store};
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_simulators::log::LoggedRequest;
use groupcast_tests::{BOTH, Lab, Target, people, user};

use crate::program::{Ended, call, groupcast, write};

/// How long a lease lives here, and how long a request may take: short, so that nobody waits long.
const LEASE_SECONDS: u64 = 3;
const REQUEST_SECONDS: u64 = 2;

/// When the first host is frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It holds the directory and has written nothing.
    LeaseTaken,
    /// Its intents are durable; their writes are about to be permitted, or just were.
    AboutToWrite,
    /// Somewhere after its second write.
    BetweenWrites,
    /// A write took effect, and its answer has not come.
    AnswerOnTheWay,
    /// A write has arrived, and takes effect only while the host is frozen.
    EffectOnTheWay,
}

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

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

/// Writes that a target got, in the order of effect.
pub fn writes(lab: &Lab, target: Target) -> Vec<LoggedRequest> {
    lab.simulators
        .requests()
        .into_iter()
        .filter(|request| request.vendor == target.vendor() && request.is_mutation())
        .collect()
}

/// A group that is exported, and a plan with so many creations, with additions and a removal.
async fn prepared(target: Target, creations: usize) -> (Lab, String) {
    prepared_in(Lab::new().await, target, creations).await
}

/// The same in a laboratory that is there already.
pub async fn prepared_in(mut lab: Lab, target: Target, creations: usize) -> (Lab, String) {
    let limits = lab.section("limits");
    limits.insert(
        "lease_seconds".to_owned(),
        i64::try_from(LEASE_SECONDS).unwrap().into(),
    );
    limits.insert(
        "request_seconds".to_owned(),
        i64::try_from(REQUEST_SECONDS).unwrap().into(),
    );
    let sales = lab.group("Sales", Some("sales@example.com"), &[0, 1, 2, 3]);
    lab.plan_and_apply(target).await;
    for number in 0..creations {
        let address = format!("team-{number}@example.com");
        lab.group(&format!("Team {number}"), Some(&address), &[number, 7]);
    }
    lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&sales, &user(4)));
    lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&sales, &user(0)));
    let plan = lab.plan(target).await;
    lab.simulators.clear_requests();
    (lab, plan.plan.hash)
}

/// How many groups the plan creates: a single write is sent by itself where the vendor's batches allow that.
pub fn creations(moment: Moment) -> usize {
    if moment == Moment::EffectOnTheWay { 1 } else { 6 }
}

/// What slows the vendor down so that the moment can be met.
pub async fn slow(lab: &Lab, target: Target, moment: Moment) {
    let (create, groups) = match target {
        Target::Google => ("POST", "/admin/directory/v1/groups"),
        Target::Entra => ("PATCH", "/v1.0/*"),
    };
    let (method, path, skip, fault) = match (moment, target) {
        // What the run begins with is as fast as ever; it must not be over before it is frozen.
        (Moment::AboutToWrite | Moment::BetweenWrites, _) => (create, groups, 2, Fault::Delay { ms: 500 }),
        (Moment::LeaseTaken, _) => ("GET", "/**", 0, Fault::Delay { ms: 500 }),
        (Moment::AnswerOnTheWay, _) => (create, groups, 0, Fault::Delay { ms: 1_000 }),
        (Moment::EffectOnTheWay, Target::Google) => (create, groups, 0, Fault::LateEffect { ms: 1_500 }),
        // Parts of a batch cannot part ways: the whole of it takes effect late.
        (Moment::EffectOnTheWay, Target::Entra) => {
            let skip = batches_before_the_first_write().await;
            ("POST", "/v1.0/$batch", skip, Fault::LateEffect { ms: 1_500 })
        }
    };
    let rule = Rule {
        vendor: target.vendor(),
        method: Some(method.to_owned()),
        path: Some(path.to_owned()),
        query: None,
        skip,
        times: Some(1),
        fault,
    };
    lab.simulators.faults(|faults| faults.add(rule));
}

/// A rehearsal: how many batches an apply in Entra reads with before it writes with one.
async fn batches_before_the_first_write() -> u32 {
    let (lab, hash) = prepared(Target::Entra, 1).await;
    lab.apply(Target::Entra, &hash, Selection::default())
        .await
        .unwrap();
    let batches = lab
        .simulators
        .requests()
        .iter()
        .take_while(|request| !request.is_mutation())
        .filter(|request| request.path.ends_with("/$batch"))
        .count();
    u32::try_from(batches)
        .unwrap()
        .checked_sub(1)
        .expect("writes are batched")
}

/// Whether the moment has come.
pub async fn has_come(lab: &Lab, store: &dyn Store, target: Target, moment: Moment) -> bool {
    match moment {
        Moment::LeaseTaken => lab
            .simulators
            .requests()
            .iter()
            .any(|request| request.vendor == target.vendor() && request.method == "GET"),
        Moment::AboutToWrite => !store.unsettled(&directory(target), 0).await.unwrap().is_empty(),
        Moment::BetweenWrites => writes(lab, target).len() >= 2,
        Moment::AnswerOnTheWay => !writes(lab, target).is_empty(),
        Moment::EffectOnTheWay => is_put_off(lab),
    }
}

/// Whether a request has arrived that takes effect later.
fn is_put_off(lab: &Lab) -> bool {
    let requests = lab.simulators.requests();
    requests
        .iter()
        .any(|request| request.disruption == Some("late-effect"))
}

/// Everybody is where JumpCloud has them, and there is nothing left to do.
pub async fn in_step(lab: &Lab, target: Target, creations: usize, what: &str) {
    for number in 0..creations {
        let (name, address) = (format!("Team {number}"), format!("team-{number}@example.com"));
        assert_eq!(
            lab.people(target, &name, &address),
            people(&[number, 7]),
            "{what}: {name}"
        );
    }
    assert_eq!(
        lab.people(target, "Sales", "sales@example.com"),
        people(&[1, 2, 3, 4]),
        "{what}"
    );
    lab.simulators.clear_requests();
    lab.sync(target).await;
    assert_eq!(lab.all_writes(), Vec::<String>::new(), "{what}: R46");
}

/// Tries until nobody is in the way.
pub async fn take_over(what: &str, attempt: impl Fn() -> Ended) -> Ended {
    let start = Instant::now();
    loop {
        let ended = attempt();
        let in_the_way = ended.code == Some(3) && ended.errors.contains("another run");
        if !in_the_way {
            return ended.code(0);
        }
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{what}: {}",
            ended.errors
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Freezes a host at the moment, lets a successor do the work, wakes it.
async fn frozen_and_woken(target: Target, moment: Moment, successor: impl Fn(&Lab, Target) -> Ended) {
    let what = format!("{target:?}, {moment:?}");
    let (lab, hash) = prepared(target, creations(moment)).await;
    let folder = lab.folder.path();
    let store = SqliteStore::open(&folder.join("groupcast.db")).await.unwrap();
    slow(&lab, target, moment).await;
    let mut first = groupcast(folder, &["apply", "--plan", &hash]).start();
    let start = Instant::now();
    while !has_come(&lab, &store, target, moment).await {
        assert!(
            first.is_running(),
            "{what}: it ended before\n{}{}",
            first.out(),
            first.errors()
        );
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{what}: it does not come"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    first.freeze();
    // Frozen in the middle of a commit, it keeps everybody from the store: safe, but nobody can take over.
    while first.holds_store(folder) {
        first.wake();
        tokio::time::sleep(Duration::from_millis(2)).await;
        first.freeze();
    }
    let frozen = now();
    let begun = writes(&lab, target);
    let asked = store
        .acquire_lease(
            &leased(&lab, target),
            "whoever comes next",
            chrono::Duration::seconds(1),
            chrono::Duration::zero(),
        )
        .await
        .unwrap();
    let LeaseAnswer::Held { free_at, .. } = asked else {
        panic!("{what}: nobody held the directory: {asked:?}");
    };
    let free_at = u64::try_from(free_at.timestamp_millis()).unwrap();
    let lapses = free_at - REQUEST_SECONDS * 1_000;
    assert!(
        lapses > frozen && lapses <= frozen + LEASE_SECONDS * 1_000,
        "{what}"
    );

    take_over(&what, || successor(&lab, target)).await;
    let taken = writes(&lab, target);
    let woken = now();
    first.wake();
    let ended = first.ended();

    // The one that was frozen says so, and calls it no success.
    assert!(matches!(ended.code, Some(3 | 4)), "{what}: {ended:?}");
    if moment == Moment::LeaseTaken {
        assert_eq!(
            (ended.code, begun.len()),
            (Some(3), 0),
            "{what}: nothing was done\n{ended:?}"
        );
    }
    if moment == Moment::BetweenWrites {
        assert_eq!(ended.code, Some(4), "{what}: {ended:?}");
    }
    ended.says(&["no longer holds its directory", "another run may be at work"]);

    // Its writes: none after it woke; none between freezing and the successor but what had arrived before.
    assert_eq!(
        writes(&lab, target)[taken.len()..],
        [],
        "{what}: a write after {woken}"
    );
    let (before, after): (Vec<_>, Vec<_>) = taken.iter().partition(|request| request.time_ms < free_at);
    assert!(!after.is_empty(), "{what}: the successor did the rest");
    let mine: Vec<&String> = before
        .iter()
        .filter_map(|request| request.authorization.as_ref())
        .collect();
    for request in &after {
        assert!(
            request
                .authorization
                .as_ref()
                .is_none_or(|token| !mine.contains(&token)),
            "{what}: a write of the first host after it was given up: {request:#?}"
        );
    }
    let late: Vec<_> = before
        .iter()
        .filter(|request| request.time_ms > frozen + 200)
        .collect();
    if moment == Moment::EffectOnTheWay {
        assert_eq!(
            begun.last().and_then(|request| request.disruption),
            Some("late-effect"),
            "{what}"
        );
        assert_eq!(late.len(), 1, "{what}: {taken:#?}");
    } else {
        assert!(late.is_empty(), "{what}: {late:#?}");
    }
    in_step(&lab, target, creations(moment), &what).await;
}

/// The same connection.
fn another_host(lab: &Lab, target: Target) -> Ended {
    call(lab.folder.path(), &["sync", "--connection", target.name()])
}

#[tokio::test(flavor = "multi_thread")]
async fn r48_frozen_with_the_lease_in_hand_it_writes_nothing_when_it_wakes() {
    for target in BOTH {
        frozen_and_woken(target, Moment::LeaseTaken, another_host).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r48_frozen_before_its_permit_it_writes_nothing_when_it_wakes() {
    for target in BOTH {
        frozen_and_woken(target, Moment::AboutToWrite, another_host).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r48_frozen_between_two_writes_it_leaves_the_rest_to_another_process() {
    for target in BOTH {
        frozen_and_woken(target, Moment::BetweenWrites, |lab, target| {
            groupcast(lab.folder.path(), &["sync", "--connection", target.name()]).run()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r48_frozen_before_an_answer_it_is_succeeded_by_another_connection_of_the_directory() {
    for target in BOTH {
        frozen_and_woken(target, Moment::AnswerOnTheWay, |lab, target| {
            let mut config = lab.config.clone();
            let section = config[target.name()].as_table_mut().unwrap();
            section.insert("name".to_owned(), "other-name".into());
            write(lab.folder.path(), "renamed.toml", config.to_string());
            let config = lab.folder.path().join("renamed.toml").display().to_string();
            let words = [
                "apply",
                "--yes",
                "--connection",
                "other-name",
                "--config",
                &config,
            ];
            call(lab.folder.path(), &words)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r48_frozen_with_a_write_on_the_wire_its_successor_waits_for_the_effect() {
    for target in BOTH {
        frozen_and_woken(target, Moment::EffectOnTheWay, another_host).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r48_an_apply_that_is_asked_to_stop_ends_before_its_next_write_and_gives_its_directory_back_after_the_last()
 {
    for target in BOTH {
        let (what, moment) = (format!("{target:?}"), Moment::EffectOnTheWay);
        let (lab, hash) = prepared(target, creations(moment)).await;
        let folder = lab.folder.path();
        slow(&lab, target, moment).await;
        let mut running = groupcast(folder, &["apply", "--plan", &hash]).start();
        running.until("it writes", Duration::from_secs(60), |_| {
            !writes(&lab, target).is_empty()
        });
        let asked = now();
        running.terminate();
        let ended = running.ended().code(4);
        let done = now();
        ended.says(&["stopped before its next write", "apply the same plan again"]);
        let late: Vec<_> = writes(&lab, target)
            .into_iter()
            .filter(|request| request.time_ms > asked + 300)
            .collect();
        assert_eq!(
            late.len(),
            1,
            "{what}: what was on the wire, and nothing new: {late:#?}"
        );
        assert!(
            late[0].time_ms <= done && done < asked + 1_000 * (REQUEST_SECONDS + 2),
            "{what}: it ended at {done}: {late:#?}"
        );
        // Given back: nobody waits for a lease to run out.
        call(folder, &["apply", "--plan", &hash]).code(0);
        in_step(&lab, target, creations(moment), &what).await;
    }
}
