//! Talking to a serving host's API as any program does: one request a connection, JSON both ways.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Somebody with a token.
pub struct Api {
    pub address: SocketAddr,
    pub token: String,
}

/// An answer: status, `ETag`, body.
#[derive(Debug)]
pub struct Told {
    pub status: u16,
    pub version: String,
    pub body: Value,
}

impl Told {
    /// Requires the status.
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

impl Api {
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>, version: Option<&str>) -> Told {
        self.tried(method, path, body, version)
            .unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    pub fn get(&self, path: &str) -> Told {
        self.ask("GET", path, None, None)
    }

    /// Sends a component's bytes.
    pub fn upload(&self, path: &str, component: &[u8]) -> Told {
        self.sent("PUT", path, component, "application/octet-stream", None)
            .unwrap_or_else(|| panic!("no answer to {path}"))
    }

    /// None: nobody answers.
    pub fn tried(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        version: Option<&str>,
    ) -> Option<Told> {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.sent(method, path, body.as_bytes(), "application/json", version)
    }

    fn sent(&self, method: &str, path: &str, body: &[u8], kind: &str, version: Option<&str>) -> Option<Told> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(120))).ok()?;
        let (address, token, length) = (self.address, &self.token, body.len());
        let condition = version
            .map(|version| format!("if-match: {version}\r\n"))
            .unwrap_or_default();
        write!(
            stream,
            "{method} /api/v1{path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
             content-type: {kind}\r\ncontent-length: {length}\r\n{condition}connection: close\r\n\r\n"
        )
        .ok()?;
        stream.write_all(body).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let header = |name: &str| {
            head.lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map_or(String::new(), |(_, value)| value.to_owned())
        };
        Some(Told {
            status: head.split(' ').nth(1)?.parse().ok()?,
            version: header("etag"),
            body: serde_json::from_str(body).unwrap_or_default(),
        })
    }

    /// Begins work on a directory, and waits for its end; answers the job.
    pub fn work(&self, directory: &str, work: &Value) -> Value {
        let begun = self
            .ask("POST", &format!("{directory}/jobs"), Some(work), None)
            .is(202);
        let path = format!("/jobs/{}", begun.body["id"].as_str().unwrap());
        let start = Instant::now();
        loop {
            let job = self.get(&path).is(200).body;
            if job["state"] == "ended" {
                return job;
            }
            assert!(
                start.elapsed() < Duration::from_secs(120),
                "it does not end: {job}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
