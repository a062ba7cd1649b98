//! Components from a registry that others wrote: Debian's package `docker-registry`, the reference implementation of the
//! distribution specification, with a file of passwords, in a folder of the test's own.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use groupcast::plugin::EMBEDDED;
use groupcast_tests::Lab;
use serde_json::json;

use crate::plugins::{known, sha256};
use crate::program::{call, write};

/// The variable with which a missing registry is a failure; without it, the test says that it was skipped.
const REQUIRED: &str = "GROUPCAST_REQUIRE_REGISTRY";
const PROGRAM: &str = "/usr/bin/docker-registry";
const PASSWORD: &str = "password-of-the-registry";
/// `reader` and the password, as bcrypt has it.
const PASSWORDS: &str = "reader:$2y$05$GroupcastTestSaltGrouea3ahS49SQdfl81tWcPWz9Vb.dn.LwuO\n";

/// A registry that runs until it is dropped.
struct Registry {
    address: SocketAddr,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Registry {
    /// None, and says so, where the package is not installed.
    fn start() -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            assert!(
                std::env::var_os(REQUIRED).is_none(),
                "{REQUIRED} is set, and there is no {PROGRAM}: install the package `docker-registry`"
            );
            eprintln!("skipped: there is no OCI registry on this machine (package `docker-registry`)");
            return None;
        }
        // Somebody else may take the port before the registry does.
        (0..5)
            .find_map(|_| Self::start_at(SocketAddr::from(([127, 0, 0, 1], groupcast_tests::ports::free()))))
            .map_or_else(|| panic!("the registry does not start"), Some)
    }

    fn start_at(address: SocketAddr) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "passwords", PASSWORDS);
        let at = folder.path().display();
        let configuration = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {at}/held }} }}\n\
             http: {{ addr: \"{address}\" }}\nauth: {{ htpasswd: {{ realm: test, path: {at}/passwords }} }}\n"
        );
        write(folder.path(), "registry.yml", &configuration);
        let child = Command::new(PROGRAM)
            .arg("serve")
            .arg(folder.path().join("registry.yml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut registry = Self {
            address,
            child,
            _folder: folder,
        };
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            if registry.child.try_wait().unwrap().is_some() {
                return None;
            }
            if TcpStream::connect(address).is_ok() {
                return Some(registry);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    /// Sends a request as `reader`; requires the status, and gives the header fields of the answer.
    fn ask(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: &[u8],
        status: u16,
    ) -> BTreeMap<String, String> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let credential = STANDARD.encode(format!("reader:{PASSWORD}"));
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Basic {credential}\r\ncontent-type: {kind}\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let told = answer.split(' ').nth(1);
        assert_eq!(
            told,
            Some(status.to_string().as_str()),
            "{method} {path}: {answer}"
        );
        answer
            .lines()
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect()
    }

    fn push_blob(&self, bytes: &[u8]) {
        let begun = self.ask("POST", "/v2/acme/sync/blobs/uploads/", "text/plain", &[], 202);
        let place = begun["location"]
            .strip_prefix(&format!("http://{}", self.address))
            .unwrap_or(&begun["location"]);
        let path = format!("{place}&digest=sha256:{}", sha256(bytes));
        self.ask("PUT", &path, "application/octet-stream", bytes, 201);
    }

    /// Pushes a component, as `wkg` and `oras` do; the reference to it.
    fn push(&self, component: &[u8]) -> String {
        self.push_blob(b"{}");
        self.push_blob(component);
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": kind,
            "config": {
                "mediaType": "application/vnd.wasm.config.v0+json",
                "digest": format!("sha256:{}", sha256(b"{}")),
                "size": 2,
            },
            "layers": [{
                "mediaType": "application/wasm",
                "digest": format!("sha256:{}", sha256(component)),
                "size": component.len(),
            }],
        })
        .to_string();
        self.ask(
            "PUT",
            "/v2/acme/sync/manifests/1.0",
            kind,
            manifest.as_bytes(),
            201,
        );
        format!(
            "oci://{}/acme/sync@sha256:{}",
            self.address,
            sha256(manifest.as_bytes())
        )
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_pulled_from_a_registry_of_others_that_has_a_file_of_passwords() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let reference = registry.push(EMBEDDED);
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    let folder = lab.folder.path().to_path_buf();
    lab.config_file();
    let pull = |reference: &str| call(&folder, &["plugin", "pull", reference]);
    pull(&reference).code(3).says(&[
        "cannot be pulled",
        "it wants a name and a password",
        "[[plugins.registries]]",
    ]);
    known(&mut lab, &reference, "wrong-word");
    let refused = pull(&reference)
        .code(3)
        .says(&["cannot be pulled", "refuses name and password"]);
    assert!(!refused.errors.contains("wrong-word"), "{refused:?}");

    known(&mut lab, &reference, PASSWORD);
    let (repository, pin) = reference.split_once("@sha256:").unwrap();
    let missing = format!("{repository}@sha256:{}", sha256(b"nothing"));
    let elsewhere = format!("oci://{}/acme/other@sha256:{pin}", registry.address);
    for other in [&missing, &elsewhere] {
        pull(other).code(3).says(&["cannot be pulled", "404 Not Found"]);
    }
    pull(&format!("{repository}:1.0"))
        .code(3)
        .says(&["is not pinned"]);
    call(&folder, &["plugin", "list"])
        .code(0)
        .shows(&["No components"]);

    pull(&reference)
        .code(0)
        .shows(&["Kept", "Nothing was granted", &sha256(EMBEDDED)]);
    for name in [sha256(EMBEDDED), reference] {
        call(&folder, &["plan", "--connection", "google", "--plugin", &name])
            .code(2)
            .shows(&["Sales"]);
    }
}
