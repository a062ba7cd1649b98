//! What a serving host tells those who watch it: metrics, health, a log of JSON lines, the dead man's switch, traces.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use groupcast_tests::{Lab, user};
use serde_json::Value;
use toml::Table;

use crate::program::{call, groupcast, write};

const PATIENCE: Duration = Duration::from_secs(120);

/// Status and body of a page; none where nobody answers.
fn look(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some((status, body.to_owned()))
}

/// Takes whatever comes, and answers that all is well, or refuses and repeats what came; what came is kept as bytes.
pub fn listener(repeats: bool) -> (String, Arc<Mutex<Vec<u8>>>) {
    let socket = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = socket.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in socket.incoming() {
            let mut stream = stream.unwrap();
            let kept = Arc::clone(&kept);
            std::thread::spawn(move || {
                let mut piece = [0; 65_536];
                stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
                let mut came = Vec::new();
                while let Ok(length) = stream.read(&mut piece) {
                    if length == 0 {
                        break;
                    }
                    came.extend_from_slice(&piece[..length]);
                    kept.lock().unwrap().extend_from_slice(&piece[..length]);
                }
                let (status, body) = if repeats {
                    ("401 Unauthorized", &came[..])
                } else {
                    ("200 OK", &[][..])
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(&[head.as_bytes(), body].concat());
            });
        }
    });
    (format!("http://{address}"), heard)
}

fn contains(heard: &Mutex<Vec<u8>>, words: &str) -> bool {
    let heard = heard.lock().unwrap();
    heard.windows(words.len()).any(|part| part == words.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serving_host_tells_metrics_health_log_traces_and_the_dead_mans_switch() {
    let mut lab = Lab::new().await;
    let sales = lab.group("Sales", Some("sales@example.com"), &[0]);
    let address = SocketAddr::from(([127, 0, 0, 1], groupcast_tests::ports::free()));
    let (collector, spans) = listener(false);
    let (switch, pings) = listener(false);
    let seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    for target in groupcast_tests::BOTH {
        let cron = toml::Value::from(format!("{} * * * * *", (seconds + 10) % 60));
        lab.set(target, "schedule", Table::from_iter([("cron".to_owned(), cron)]));
    }
    lab.config_file();
    let folder = lab.folder.path().to_path_buf();
    call(&folder, &["apply", "--yes"]).code(0);
    lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&sales, &user(5)));
    let mut config: Table = std::fs::read_to_string(folder.join("groupcast.toml"))
        .unwrap()
        .parse()
        .unwrap();
    write(&folder, "dead-man", format!("{switch}/ping-of-ours"));
    write(&folder, "collector-token", "Bearer of-the-collector");
    let telemetry: Table = format!(
        "listen = \"{address}\"\notlp_endpoint = \"{collector}\"\n\
         otlp_headers = {{ authorization = {{ file = \"collector-token\" }} }}\n\
         dead_man = {{ url = {{ file = \"dead-man\" }}, every_seconds = 10 }}"
    )
    .parse()
    .unwrap();
    config.insert("telemetry".to_owned(), telemetry.into());
    write(&folder, "groupcast.toml", config.to_string());
    call(&folder, &["health"]).code(4).says(&["no host answers"]);

    let mut serving = groupcast(&folder, &["serve"]).start();
    serving.until("both directories were synced and told of", PATIENCE, |_| {
        let applied = "groupcast_runs_total{kind=\"apply\",result=\"done\"} 2";
        look(address, "/metrics").is_some_and(|(_, text)| text.contains(applied))
    });
    let (status, text) = look(address, "/metrics").unwrap();
    assert_eq!(status, 200);
    for name in [
        "groupcast_changes_total{vendor=\"google\",operation=\"add-member\",result=\"applied\"} 1",
        "groupcast_changes_total{vendor=\"entra\",operation=\"add-member\",result=\"applied\"} 1",
        "groupcast_vendor_requests_total{vendor=\"jumpcloud\",status=\"2xx\"}",
        "groupcast_connection_last_success_age_seconds{tenant=\"default\",connection=\"google\"}",
        "groupcast_guest_memory_peak_bytes_count",
        "groupcast_store_duration_seconds_count{operation=\"settle\"}",
    ] {
        assert!(text.contains(name), "{name}\n{text}");
    }
    assert!(!text.contains("example.com"), "nobody is named:\n{text}");
    assert_eq!(look(address, "/livez").unwrap().0, 200);
    assert_eq!(look(address, "/readyz").unwrap().0, 200);
    call(&folder, &["health"]).code(0);
    serving.until("the switch was pinged", PATIENCE, |_| {
        contains(&pings, "POST /ping-of-ours HTTP")
    });
    serving.terminate();
    let ended = serving.ended().code(0);
    // Traces are flushed at the stop.
    for said in [
        "POST /v1/traces",
        "Bearer of-the-collector",
        "run apply",
        "phase reading-source",
    ] {
        assert!(contains(&spans, said), "{said}");
    }
    for person in [
        "sales@example.com",
        "user-000005@example.com",
        "user-000000@example.com",
    ] {
        assert!(!contains(&spans, person), "{person}");
        assert!(!ended.errors.contains(person), "{person}");
    }
    for secret in ["ping-of-ours", "of-the-collector"] {
        assert!(!ended.errors.contains(secret), "{secret}");
    }
    let lines: Vec<Value> = ended
        .errors
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let end = lines
        .iter()
        .find(|line| line["message"] == "a job ended" && line["connection"] == "google")
        .unwrap();
    assert_eq!(end["tenant"], "default");
    assert_eq!(end["level"], "info");
}
