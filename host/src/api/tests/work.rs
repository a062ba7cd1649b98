//! What is told of work: runs page by page, and why a directory does not run by itself.

use super::*;
use crate::store::service::{JobState, Quarantine, RunState, Trigger, Work};
use crate::store::{ConnectionId, NewRun, RunKind};

impl Rig {
    async fn runs(&self, tenant: &str, count: usize) {
        for number in 0..count {
            let run = NewRun {
                id: format!("{tenant}-{number:04}"),
                connection: ConnectionId::new(tenant, "google"),
                kind: RunKind::Plan,
                plan: None,
            };
            self.store.start_run(&run).await.unwrap();
            if number % 2 == 0 {
                let end = RunEnd::new(RunResult::Done, "");
                self.store.end_run(&run.id, &end, &json!({})).await.unwrap();
            }
        }
    }

    /// Follows the links from page to page; IDs of runs, and how many pages there were.
    async fn walk(&self, token: &str, path: &str) -> (Vec<String>, usize) {
        let (mut ids, mut pages, mut next) = (Vec::new(), 0, Some(path.to_owned()));
        while let Some(path) = next {
            let answer = self.get(token, &path).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
            pages += 1;
            let body = answer.json();
            let items = body["items"].as_array().unwrap();
            ids.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            let link = answer.header("link");
            assert_eq!(link.is_empty(), body["next"].is_null());
            next = link
                .strip_prefix('<')
                .and_then(|link| link.split('>').next())
                .map(str::to_owned);
        }
        (ids, pages)
    }
}

#[tokio::test]
async fn runs_past_the_first_two_hundred_are_on_further_pages() {
    let rig = Rig::with("requests_per_minute = 100000", None).await;
    rig.tenant("acme").await;
    rig.tenant("other").await;
    rig.runs("acme", 230).await;
    rig.runs("other", 20).await;
    let host = rig.token(None, Role::Viewer).await;
    let (all, pages) = rig.walk(&host, "/api/v1/runs?limit=200").await;
    assert_eq!((all.len(), pages), (250, 2));
    let mut distinct = all.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 250, "none twice");
    // Newest first, and the filter stays on each page.
    let newest_first: Vec<String> = (0..230).rev().map(|number| format!("acme-{number:04}")).collect();
    let acme = rig.walk(&host, "/api/v1/runs?tenant=acme&limit=100").await;
    assert_eq!(acme, (newest_first.clone(), 3));
    let (unfinished, _) = rig
        .walk(
            &host,
            "/api/v1/runs?tenant=acme&directory=google&unfinished=true&limit=10",
        )
        .await;
    let odd: Vec<String> = newest_first
        .iter()
        .filter(|id| id.ends_with(['1', '3', '5', '7', '9']))
        .cloned()
        .collect();
    assert_eq!(unfinished, odd);
    // Exactly full is the last.
    assert_eq!(rig.walk(&host, "/api/v1/runs?tenant=other&limit=20").await.1, 1);
    // Who sees one tenant walks through that one's, without saying which.
    let own = rig.token(Some("other"), Role::Viewer).await;
    let (theirs, pages) = rig.walk(&own, "/api/v1/runs?limit=7").await;
    assert_eq!((theirs.len(), pages), (20, 3));
    assert!(theirs.iter().all(|id| id.starts_with("other-")));
    for wrong in ["x", "MTp4", "MToxLw"] {
        let refused = rig.get(&host, &format!("/api/v1/runs?cursor={wrong}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
}

#[tokio::test]
async fn a_directory_says_who_paused_it_and_why_it_is_in_quarantine_with_the_way_out() {
    let rig = Rig::new().await;
    rig.tenant("acme").await;
    let operator = rig.token(Some("acme"), Role::Operator).await;
    let place = "/api/v1/tenants/acme/directories/google";
    let quiet = rig.get(&operator, place).await.json();
    assert_eq!(
        (&quiet["paused"], &quiet["quarantine"], &quiet["failures"]),
        (&Value::Null, &Value::Null, &json!(0))
    );
    let pause = async |reason: &str| {
        let place = format!("{place}/pause");
        rig.post(&operator, &place, &json!({ "reason": reason })).await
    };
    let too_long = pause(&"ö".repeat(501)).await;
    assert_eq!(too_long.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(rig.get(&operator, place).await.json()["paused"], Value::Null);
    assert_eq!(pause(&"ö".repeat(500)).await.status, StatusCode::NO_CONTENT);
    let paused = pause("a move of offices").await;
    assert_eq!(paused.status, StatusCode::NO_CONTENT);
    let told = rig.get(&operator, place).await.json();
    assert_eq!(told["paused"]["reason"], "a move of offices");
    assert!(told["paused"]["by"].as_str().unwrap().starts_with("token:"));
    assert!(told["waiting"].is_string(), "{told}");
    rig.ask(&operator, Method::POST, &format!("{place}/resume"), None, &[])
        .await;

    let state = RunState {
        failures: 5,
        quarantine: Some(Quarantine {
            at: chrono::Utc::now(),
            reason: "Google refused the key".to_owned(),
            way_out: "set the secret anew, then release the directory".to_owned(),
        }),
        ..RunState::default()
    };
    let id = ConnectionId::new("acme", "google");
    rig.store
        .change_run_state(&id, &|kept| *kept = state.clone(), None)
        .await
        .unwrap();
    // The list tells the same as the object.
    let list = rig
        .get(&operator, "/api/v1/tenants/acme/directories")
        .await
        .json();
    let told = rig.get(&operator, place).await.json();
    assert_eq!(list["items"][0], told);
    assert_eq!(told["paused"], Value::Null);
    assert_eq!(told["failures"], 5);
    assert_eq!(told["quarantine"]["reason"], "Google refused the key");
    assert_eq!(
        told["quarantine"]["way_out"],
        "set the secret anew, then release the directory"
    );
    rig.ask(&operator, Method::POST, &format!("{place}/release"), None, &[])
        .await;
    let released = rig.get(&operator, place).await.json();
    assert_eq!(
        (&released["quarantine"], &released["failures"]),
        (&Value::Null, &json!(0))
    );
}

#[tokio::test]
async fn a_job_that_another_process_has_is_asked_to_end_through_the_store() {
    let rig = Rig::new().await;
    rig.tenant("acme").await;
    let operator = rig.token(Some("acme"), Role::Operator).await;
    let mut job = JobRecord {
        id: "20260101T000000000-00000001".to_owned(),
        connection: ConnectionId::new("acme", "google"),
        work: Work::Plan,
        trigger: Trigger::Schedule,
        state: JobState::Running,
        queued_at: chrono::Utc::now(),
        began_at: Some(chrono::Utc::now()),
        ended_at: None,
        end: None,
        runs: Vec::new(),
        plan: None,
        handed_over: 0,
        host: "another process".to_owned(),
    };
    rig.store.put_job(&job).await.unwrap();
    let cancel = format!("/api/v1/jobs/{}/cancel", job.id);
    let viewer = rig.token(Some("acme"), Role::Viewer).await;
    let refused = rig.ask(&viewer, Method::POST, &cancel, None, &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(rig.store.asked_to_cancel().await.unwrap(), Vec::<String>::new());
    let asked = rig.ask(&operator, Method::POST, &cancel, None, &[]).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
    assert_eq!(rig.store.asked_to_cancel().await.unwrap(), [job.id.clone()]);
    job.state = JobState::Ended;
    job.ended_at = Some(chrono::Utc::now());
    rig.store.put_job(&job).await.unwrap();
    let late = rig.ask(&operator, Method::POST, &cancel, None, &[]).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
}
