//! The dead man's switch against somebody who listens.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use secrecy::SecretString;

use super::{DeadMan, DeadManError, Telemetry, Watched, client};
use crate::store::{ConnectionId, SqliteStore, Store};

/// Paths and bodies that came, and what the next answers are.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<(Vec<String>, Vec<u16>)>>);

impl Heard {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().0)
    }
}

async fn listener() -> (String, Heard) {
    let heard = Heard::default();
    let take = async |State(heard): State<Heard>, Path(path): Path<String>, body: String| {
        let mut kept = heard.0.lock().unwrap();
        kept.0.push(format!("{path} {body}"));
        let status = kept.1.pop().unwrap_or(200);
        StatusCode::from_u16(status).unwrap()
    };
    let routes = axum::Router::new()
        .route("/{*path}", axum::routing::post(take))
        .with_state(heard.clone());
    let socket = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(socket, routes).await.unwrap() });
    (format!("http://{address}/secret-check"), heard)
}

fn dead_man(url: &str, failure: Option<&str>) -> Result<DeadMan, DeadManError> {
    let secret = |text: &str| SecretString::from(text.to_owned());
    DeadMan::new(
        client(None).unwrap(),
        secret(url),
        failure.map(secret),
        Duration::from_secs(60),
    )
    .map(DeadMan::without_pauses)
}

/// A host that is well, and the moment that it believes in.
async fn well(now: &'static Mutex<i64>) -> (tempfile::TempDir, Telemetry) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
    let telemetry = Telemetry::new(Arc::new(move || {
        chrono::DateTime::from_timestamp(*now.lock().unwrap(), 0).unwrap()
    }));
    telemetry.opened(Arc::new(store) as Arc<dyn Store>);
    telemetry.compiled();
    telemetry.beat();
    let watched = Watched {
        schedule: None,
        max_age: Some(Duration::from_secs(100)),
    };
    telemetry.watch(&ConnectionId::new("acme", "google"), watched);
    (folder, telemetry)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_pings_while_all_is_well_and_tells_who_is_late() {
    static NOW: Mutex<i64> = Mutex::new(1_700_000_000);
    let (url, heard) = listener().await;
    let (_folder, telemetry) = well(&NOW).await;
    let dead_man = dead_man(&url, None).unwrap();
    dead_man.look(&telemetry).await.unwrap();
    assert_eq!(heard.take(), ["secret-check "]);
    *NOW.lock().unwrap() += 101;
    dead_man.look(&telemetry).await.unwrap();
    assert_eq!(
        heard.take(),
        ["secret-check/fail acme/google: succeeded never, and should have again by 2023-11-14 22:15 UTC\n"]
    );
    telemetry.succeeded(
        &ConnectionId::new("acme", "google"),
        chrono::DateTime::from_timestamp(1_700_000_101, 0).unwrap(),
    );
    dead_man.look(&telemetry).await.unwrap();
    assert_eq!(heard.take(), ["secret-check "]);
    telemetry.stopping();
    dead_man.look(&telemetry).await.unwrap();
    assert_eq!(
        heard.take(),
        ["secret-check/fail process: the host is stopping and takes no more work\n"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tries_three_times_and_never_names_its_url() {
    static NOW: Mutex<i64> = Mutex::new(1_700_000_000);
    let (url, heard) = listener().await;
    let (_folder, telemetry) = well(&NOW).await;
    let told = dead_man(&url, Some(&format!("{url}/other"))).unwrap();
    heard.0.lock().unwrap().1 = vec![200, 503, 500];
    told.look(&telemetry).await.unwrap();
    assert_eq!(heard.take().len(), 3);
    heard.0.lock().unwrap().1 = vec![404, 404, 404, 404];
    assert_eq!(told.look(&telemetry).await, Err(DeadManError::Answered(404)));
    assert_eq!(heard.take().len(), 3);
    let nobody = dead_man("http://127.0.0.1:1/secret-check", None).unwrap();
    let error = nobody.look(&telemetry).await.unwrap_err();
    assert!(matches!(error, DeadManError::Unreached(_)), "{error}");
    for said in [
        error.to_string(),
        format!("{nobody:?}"),
        dead_man("secret-check", None).unwrap_err().to_string(),
    ] {
        assert!(!said.contains("secret-check"), "{said}");
    }
}
