//! Asking a serving host as a program or a browser does, and keeping every answer: all of them are looked through.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

/// What came out of a host: where, and what.
pub type Heard = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// Whoever asks.
#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    /// Headers of each request: who asks.
    pub headers: Vec<(&'static str, String)>,
    pub heard: Heard,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// A header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers(name).next().unwrap_or_default()
    }

    /// A cookie that is set.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let begin = format!("{name}=");
        self.headers("set-cookie")
            .find_map(|set| set.strip_prefix(&begin)?.split(';').next().map(str::to_owned))
    }

    fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

impl Client {
    /// The same as somebody else.
    pub fn with(&self, headers: Vec<(&'static str, String)>) -> Self {
        Self {
            headers,
            ..self.clone()
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.keep(&format!("GET {path}"), self.send("GET", path, "", ""))
    }

    /// Sends a body of a kind.
    pub fn ask(&self, method: &str, path: &str, kind: &str, body: &str) -> Answer {
        self.keep(
            &format!("{method} {path} {body}"),
            self.send(method, path, kind, body),
        )
    }

    /// The same where the answer shows a secret to whom it is for; it is not kept.
    pub fn told(&self, method: &str, path: &str, kind: &str, body: &str) -> Answer {
        self.send(method, path, kind, body)
    }

    fn keep(&self, asked: &str, answer: Answer) -> Answer {
        // A page's forms hold the session's own token, which is where it belongs.
        let mut body = String::new();
        for piece in answer.body.split_inclusive("name=\"csrf\" value=\"") {
            let rest = if body.is_empty() {
                piece
            } else {
                &piece[piece.find('"').unwrap_or(0)..]
            };
            body.push_str(rest);
        }
        let place = format!("the answer to {asked}");
        self.heard
            .lock()
            .unwrap()
            .push((place, format!("{}\r\n\r\n{body}", answer.head).into_bytes()));
        answer
    }

    fn send(&self, method: &str, path: &str, kind: &str, body: &str) -> Answer {
        let mut answer = Vec::new();
        self.stream(method, path, kind, body)
            .read_to_end(&mut answer)
            .unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        Answer {
            status: head
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok())
                .unwrap_or(0),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// An answer as it comes. By HTTP/1.0: a body in chunks could cut a secret in two.
    fn stream(&self, method: &str, path: &str, kind: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(130))).unwrap();
        let mut head = format!("{method} {path} HTTP/1.0\r\nhost: {}\r\n", self.address);
        if method != "GET" {
            head.push_str(&format!(
                "content-type: {kind}\r\ncontent-length: {}\r\n",
                body.len()
            ));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        stream
    }

    /// Listens to a stream of events until the host ends it; everything is kept.
    pub fn listen(&self, path: &str) -> std::thread::JoinHandle<()> {
        let mut stream = self.stream("GET", path, "", "");
        let (heard, place) = (Arc::clone(&self.heard), format!("the events of {path}"));
        std::thread::spawn(move || {
            let mut events = Vec::new();
            // It ends with the host.
            let _ = stream.read_to_end(&mut events);
            heard.lock().unwrap().push((place, events));
        })
    }
}
