//! The suite's tests of jobs and of answers to repeated requests.

use super::*;
use crate::store::service::*;

/// A job that was asked for at some moment.
pub(super) fn a_job(id: &str, work: Work) -> JobRecord {
    JobRecord {
        id: id.to_owned(),
        connection: ConnectionId::new("acme", "entra"),
        work,
        trigger: Trigger::Request {
            by: "email:alice@example.com".to_owned(),
        },
        state: JobState::Queued,
        queued_at: DateTime::from_timestamp_millis(1_790_000_000_123).unwrap(),
        began_at: None,
        ended_at: None,
        end: None,
        runs: Vec::new(),
        plan: None,
        handed_over: 0,
        host: "host-1".to_owned(),
    }
}

fn job(id: &str, hands: &Hands, work: Work) -> JobRecord {
    JobRecord {
        queued_at: hands.now(),
        ..a_job(id, work)
    }
}

pub(super) async fn a_job_that_is_to_end_is_known_to_everybody_until_it_has(
    store: Arc<dyn Store>,
    hands: Hands,
) {
    let mut first = job("j1", &hands, Work::Check);
    let second = job("j2", &hands, Work::Plan);
    for job in [&first, &second] {
        store.put_job(job).await.unwrap();
    }
    assert_eq!(store.asked_to_cancel().await.unwrap(), Vec::<String>::new());
    assert!(!store.ask_to_cancel("j9").await.unwrap());
    for _ in 0..2 {
        assert!(store.ask_to_cancel("j1").await.unwrap());
    }
    assert_eq!(store.asked_to_cancel().await.unwrap(), ["j1"]);
    // Whoever has it writes down how far it is, without knowing of the request yet.
    first.state = JobState::Running;
    first.began_at = Some(hands.now());
    store.put_job(&first).await.unwrap();
    assert_eq!(store.asked_to_cancel().await.unwrap(), ["j1"]);
    first.state = JobState::Ended;
    first.ended_at = Some(hands.now());
    store.put_job(&first).await.unwrap();
    assert_eq!(store.asked_to_cancel().await.unwrap(), Vec::<String>::new());
    assert!(!store.ask_to_cancel("j1").await.unwrap(), "it has ended");
}

pub(super) async fn a_job_is_unfinished_until_it_has_ended(store: Arc<dyn Store>, hands: Hands) {
    let apply = Work::Apply {
        plan: "abc".to_owned(),
        groups: Some(vec!["g1".to_owned()]),
        release_held: true,
    };
    let mut first = job("j1", &hands, apply);
    store.put_job(&first).await.unwrap();
    hands.forward(Duration::seconds(1));
    let second = job("j2", &hands, Work::Sync { full: true });
    store.put_job(&second).await.unwrap();
    let mut elsewhere = job("j3", &hands, Work::Check);
    elsewhere.connection = ConnectionId::new("beta", "entra");
    elsewhere.trigger = Trigger::Schedule;
    store.put_job(&elsewhere).await.unwrap();
    assert_eq!(
        store.unfinished_jobs().await.unwrap(),
        [first.clone(), second.clone(), elsewhere.clone()]
    );
    first.state = JobState::Running;
    first.began_at = Some(hands.now());
    first.handed_over = 2;
    store.put_job(&first).await.unwrap();
    assert_eq!(store.job("j1").await.unwrap(), Some(first.clone()));
    first.state = JobState::Ended;
    first.ended_at = Some(hands.now());
    first.end = Some(RunEnd::new(RunResult::Done, "3 changes"));
    first.runs = vec!["run-1".to_owned(), "run-2".to_owned()];
    first.plan = Some("abc".to_owned());
    store.put_job(&first).await.unwrap();
    assert_eq!(store.job("j1").await.unwrap(), Some(first.clone()));
    assert_eq!(store.job("none").await.unwrap(), None);
    assert_eq!(
        store.unfinished_jobs().await.unwrap(),
        [second.clone(), elsewhere]
    );
    assert_eq!(
        store.jobs(&first.connection, 10).await.unwrap(),
        [second.clone(), first.clone()]
    );
    assert_eq!(store.jobs(&first.connection, 1).await.unwrap(), [second]);
    // Each field has its own name in JSON, and comes back.
    let json = serde_json::to_string(&first).unwrap();
    assert_eq!(serde_json::from_str::<JobRecord>(&json).unwrap(), first);
}

pub(super) async fn a_repeated_request_gets_the_first_ones_answer(store: Arc<dyn Store>, hands: Hands) {
    let callers = (0..16).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.claim_answer("key", "print").await.unwrap() })
    });
    let answers = futures_util::future::join_all(callers).await;
    let first = answers
        .iter()
        .filter(|answer| *answer.as_ref().unwrap() == Repeated::First);
    assert_eq!(first.count(), 1);
    let ask = async |print: &str| store.claim_answer("key", print).await.unwrap();
    assert_eq!(ask("print").await, Repeated::UnderWay);
    assert_eq!(ask("another").await, Repeated::Other);
    store.drop_answer("key").await.unwrap();
    assert_eq!(ask("another").await, Repeated::First);
    let done = Repeated::Done {
        status: 202,
        headers: "{\"location\":\"/jobs/1\"}".to_owned(),
        body: vec![0, 159, 146, 150],
    };
    store
        .keep_answer("key", 202, "{\"location\":\"/jobs/1\"}", &[0, 159, 146, 150])
        .await
        .unwrap();
    assert_eq!(ask("another").await, done);
    assert_eq!(ask("print").await, Repeated::Other);
    // An answer that was given is not taken back.
    store.drop_answer("key").await.unwrap();
    hands.forward(Duration::hours(24) - Duration::milliseconds(1));
    assert_eq!(ask("another").await, done);
    hands.forward(Duration::milliseconds(1));
    assert_eq!(ask("print").await, Repeated::First);
    // Whoever claimed it died.
    hands.forward(Duration::minutes(10) - Duration::milliseconds(1));
    assert_eq!(ask("print").await, Repeated::UnderWay);
    hands.forward(Duration::milliseconds(1));
    assert_eq!(ask("print").await, Repeated::First);
}
