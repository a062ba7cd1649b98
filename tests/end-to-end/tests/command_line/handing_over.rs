//! An apply that a host's stop cut off goes on in the next process, between real processes: both parts together write
//! what one apply writes. After a crash it does not, and not once somebody does not want it any more.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use groupcast::run::Selection;
use groupcast::store::service::{AuditQuery, JobRecord, JobState, Trigger, Work};
use groupcast::store::{ConnectionId, RunResult, Store};
use groupcast_simulators::faults::{Fault, Faults, Rule};
use groupcast_simulators::log::LoggedRequest;
use groupcast_tests::postgres::PostgresServer;
use groupcast_tests::{BOTH, Lab, Target};

use crate::freezing::{in_step, prepared_in, writes};
use crate::postgres::{lab_on, store_of};
use crate::program::{Running, groupcast};

const CREATIONS: usize = 6;
/// A process that died is taken to live for a minute.
const PATIENCE: Duration = Duration::from_secs(200);
const ALICE: &str = "email:alice@example.com";

/// An apply that somebody asked a process for that is gone since, with a schedule that never comes.
async fn asked(lab: &mut Lab, target: Target, hash: &str) -> (JobRecord, std::sync::Arc<dyn Store>) {
    let schedule = toml::toml! { cron = "0 0 1 1 *" };
    lab.set(target, "schedule", schedule);
    lab.config_file();
    let job = JobRecord {
        id: "20260101T000000000-00000001".to_owned(),
        connection: ConnectionId::new("default", target.name()),
        work: Work::Apply {
            plan: hash.to_owned(),
            groups: None,
            release_held: false,
        },
        trigger: Trigger::Request { by: ALICE.to_owned() },
        state: JobState::Queued,
        queued_at: chrono::Utc::now(),
        began_at: None,
        ended_at: None,
        end: None,
        runs: Vec::new(),
        plan: None,
        handed_over: 0,
        host: "a process that is gone".to_owned(),
    };
    let store = store_of(lab).await;
    store.put_job(&job).await.unwrap();
    (job, store)
}

/// Each write from the third on is answered late: the apply is not over before it is stopped.
fn slow(lab: &Lab, target: Target) {
    let (method, path) = match target {
        Target::Google => ("POST", "/admin/**"),
        Target::Entra => ("PATCH", "/v1.0/*"),
    };
    lab.simulators.faults(|faults| {
        faults.add(Rule {
            vendor: target.vendor(),
            method: Some(method.to_owned()),
            path: Some(path.to_owned()),
            query: None,
            skip: 2,
            times: None,
            fault: Fault::Delay { ms: 1_500 },
        });
    });
}

/// Serves until it has written something, and not all of it.
fn serving(lab: &Lab, target: Target) -> Running {
    slow(lab, target);
    let mut running = groupcast(lab.folder.path(), &["serve"]).start();
    running.until("it writes", PATIENCE, |_| writes(lab, target).len() >= 3);
    running
}

/// The job, once it is so.
async fn job_that(store: &dyn Store, id: &str, what: &str, is_so: impl Fn(&JobRecord) -> bool) -> JobRecord {
    let began = Instant::now();
    loop {
        let job = store.job(id).await.unwrap().unwrap();
        if is_so(&job) {
            return job;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: {job:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn has_ended(job: &JobRecord) -> bool {
    job.state == JobState::Ended
}

/// How often what was written, where the vendor took it; a group's ID is the vendor's to choose, and nobody else's business.
fn counted(requests: &[LoggedRequest]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for request in requests.iter().filter(|request| request.status < 400) {
        let place = request.path.split('/').filter(|part| !part.is_empty()).count();
        *counted.entry(format!("{} {place}", request.method)).or_default() += 1;
    }
    counted
}

/// What one apply of the same plan writes, with nobody in the way.
async fn one_apply(target: Target) -> BTreeMap<String, usize> {
    let (lab, hash) = prepared_in(Lab::new().await, target, CREATIONS).await;
    lab.apply(target, &hash, Selection::default()).await.unwrap();
    counted(&writes(&lab, target))
}

/// One process is stopped in the middle of an apply, the next one ends it.
async fn goes_on(lab: Lab, target: Target) {
    let what = format!("{target:?}");
    let (mut lab, hash) = prepared_in(lab, target, CREATIONS).await;
    let (job, store) = asked(&mut lab, target, &hash).await;
    let first = serving(&lab, target);
    first.terminate();
    first.ended().code(0);
    let part = writes(&lab, target);
    let left = store.job(&job.id).await.unwrap().unwrap();
    assert_eq!(
        (left.state, left.handed_over),
        (JobState::Queued, 1),
        "{what}: {left:#?}"
    );
    let [run] = left.runs.as_slice() else {
        panic!("{what}: {left:#?}")
    };
    let cut_off = store.run(run).await.unwrap().unwrap().end.unwrap();
    assert_eq!(cut_off.result, RunResult::HandedOver, "{what}: {cut_off:?}");
    assert!(cut_off.message.contains(&job.id), "{what}: {cut_off:?}");

    lab.simulators.faults(Faults::clear);
    let second = groupcast(lab.folder.path(), &["serve"]).start();
    let ended = job_that(&*store, &job.id, &what, has_ended).await;
    second.terminate();
    second.ended().code(0);
    let end = ended.end.as_ref().unwrap();
    assert_eq!(end.result, RunResult::Done, "{what}: {ended:#?}");
    let [_, next] = ended.runs.as_slice() else {
        panic!("{what}: {ended:#?}")
    };
    let next = store.run(next).await.unwrap().unwrap().end.unwrap();
    assert!(next.message.contains(run), "{what}: {next:?}");
    assert_eq!((&ended.work, &ended.trigger), (&job.work, &job.trigger), "{what}");
    // R46: nothing twice.
    let all = writes(&lab, target);
    assert!(part.len() < all.len(), "{what}: the second part wrote too");
    assert_eq!(counted(&all), one_apply(target).await, "{what}: {all:#?}");
    let asked = AuditQuery {
        action_prefix: Some("work.handed-over".to_owned()),
        ..AuditQuery::default()
    };
    let twice: Vec<_> = all.iter().filter(|request| request.status == 409).collect();
    assert!(twice.is_empty(), "{what}: {twice:#?}");
    let told = store.audit(&asked).await.unwrap();
    assert_eq!(
        told.len(),
        2,
        "{what}: to the first, and to the second: {told:#?}"
    );
    for entry in told {
        assert_eq!(
            (entry.entry.actor.subject.as_str(), entry.entry.subject),
            (ALICE, job.id.clone())
        );
    }
    let shown = groupcast(lab.folder.path(), &["runs"]).run().code(0);
    shown.shows(&["handed over"]);
    in_step(&lab, target, CREATIONS, &what).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r46_an_apply_that_a_stop_cut_off_goes_on_in_the_next_process() {
    for target in BOTH {
        goes_on(Lab::new().await, target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r46_an_apply_that_a_stop_cut_off_goes_on_in_the_next_process_on_postgres() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    for target in BOTH {
        goes_on(lab_on(&server, target.name()).await, target).await;
    }
}

/// A process ends in the middle, something happens, and the next process says why it does not go on.
async fn does_not_go_on(
    target: Target,
    end: impl FnOnce(Running),
    between: impl AsyncFnOnce(&mut Lab, &dyn Store, &str),
    says: &str,
) {
    let (mut lab, hash) = prepared_in(Lab::new().await, target, CREATIONS).await;
    let (job, store) = asked(&mut lab, target, &hash).await;
    end(serving(&lab, target));
    between(&mut lab, &*store, &job.id).await;
    lab.simulators.faults(Faults::clear);
    lab.simulators.clear_requests();
    let second = groupcast(lab.folder.path(), &["serve"]).start();
    let ended = job_that(&*store, &job.id, says, has_ended).await;
    second.terminate();
    second.ended().code(0);
    let end = ended.end.unwrap();
    assert!(end.message.contains(says), "{says}: {end:?}");
    assert_ne!(end.result, RunResult::Done, "{end:?}");
    assert_eq!(writes(&lab, target), [], "{says}");
}

fn stopped(running: Running) {
    running.terminate();
    running.ended().code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_that_its_process_died_of_does_not_go_on() {
    let died = |running: Running| drop(running);
    let left = async |_: &mut Lab, store: &dyn Store, id: &str| {
        let left = store.job(id).await.unwrap().unwrap();
        assert_eq!((left.state, left.handed_over), (JobState::Running, 0));
    };
    does_not_go_on(Target::Google, died, left, "the same can be asked for again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r36_an_apply_that_was_handed_over_does_not_go_on_where_the_directory_was_switched_off() {
    for target in BOTH {
        does_not_go_on(
            target,
            stopped,
            async |lab: &mut Lab, _: &dyn Store, _: &str| {
                lab.set(target, "managed", false);
                lab.config_file();
            },
            "plan again",
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_that_was_handed_over_and_cancelled_does_not_go_on() {
    let cancelled = async |_: &mut Lab, store: &dyn Store, id: &str| {
        assert!(store.ask_to_cancel(id).await.unwrap());
    };
    does_not_go_on(Target::Google, stopped, cancelled, "cancelled").await;
}
