//! A PostgreSQL server of a test's own: the system's package, in a temporary folder, gone with the test.
//!
//! Standard library and `tempfile` alone, since the store's own tests use this file too.

use std::hash::{BuildHasher as _, RandomState};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The variable with which a missing server is a failure; without it, tests say that they were skipped.
const REQUIRED: &str = "GROUPCAST_REQUIRE_POSTGRES";
/// The superuser of the server.
pub const USER: &str = "groupcast";
/// Its password, with characters that a URL must have in another form.
pub const PASSWORD: &str = "p@ss:w/rd?";
const PASSWORD_IN_URL: &str = "p%40ss%3Aw%2Frd%3F";

/// A server that runs until it is dropped, or its process ends.
pub struct PostgresServer {
    binaries: PathBuf,
    folder: tempfile::TempDir,
    user: Option<(u32, u32)>,
    port: u16,
    child: Child,
}

impl PostgresServer {
    /// Starts one; none, and says so, where there is no PostgreSQL on this machine.
    pub fn start() -> Option<Self> {
        let Some(binaries) = binaries() else {
            assert!(
                std::env::var_os(REQUIRED).is_none(),
                "{REQUIRED} is set, and there is no PostgreSQL: install the package `postgresql`"
            );
            eprintln!("skipped: there is no PostgreSQL on this machine (package `postgresql`)");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("gc-pg-").tempdir().unwrap();
        let user = unprivileged();
        let password = folder.path().join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        if let Some((uid, gid)) = user {
            for path in [folder.path(), &password] {
                std::os::unix::fs::chown(path, Some(uid), Some(gid)).unwrap();
            }
        }
        succeeded(
            command(&binaries.join("initdb"), user)
                .arg("-D")
                .arg(folder.path().join("data"))
                .args(locale(&binaries))
                .args(["--username", USER, "--encoding=UTF8", "--no-sync"])
                .args(["--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile"])
                .arg(password)
                .output()
                .unwrap(),
        );
        let port = free_port();
        let child = serve(&binaries, folder.path(), port, user);
        let server = Self {
            binaries,
            folder,
            user,
            port,
            child,
        };
        server.wait();
        Some(server)
    }

    /// Makes a database of this name, and answers its URL.
    pub fn database(&self, name: &str) -> String {
        self.psql("postgres", &format!("CREATE DATABASE \"{name}\""));
        self.url(name)
    }

    /// The URL of a database, whether there is one or not.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgresql://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// Runs statements in a database, and answers what `psql` printed.
    pub fn psql(&self, database: &str, statements: &str) -> String {
        let output = succeeded(
            command(&self.binaries.join("psql"), None)
                .arg("--host")
                .arg(self.folder.path())
                .args([
                    "--port",
                    &self.port.to_string(),
                    "--username",
                    USER,
                    "--dbname",
                    database,
                ])
                .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
                .args(["--set=ON_ERROR_STOP=1", "--command", statements])
                .output()
                .unwrap(),
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Ends the server at once, as a power cut would (but for what the disk has), and starts it again.
    pub fn crash_and_restart(&mut self) {
        signal(&self.child, "QUIT");
        self.child.wait().unwrap();
        self.child = serve(&self.binaries, self.folder.path(), self.port, self.user);
        self.wait();
    }

    fn wait(&self) {
        let begun = Instant::now();
        while !command(&self.binaries.join("pg_isready"), None)
            .arg("--host")
            .arg(self.folder.path())
            .args(["--port", &self.port.to_string(), "--quiet"])
            .status()
            .unwrap()
            .success()
        {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "PostgreSQL did not start: {}",
                std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        signal(&self.child, "QUIT");
        let _ = self.child.wait();
    }
}

/// Where the package's programs are: Debian keeps them out of the path, by version.
fn binaries() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .collect();
    found.sort();
    let on_path = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .unwrap_or_default();
    found
        .into_iter()
        .rev()
        .map(|(_, folder)| folder)
        .chain(on_path)
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

/// The server refuses to run as root: then it runs as the package's own user, or as nobody.
fn unprivileged() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    if id(&["-u"])? != 0 {
        return None;
    }
    ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)))
}

/// Another order of texts than by code point, where the version knows one: what leaves the order to the database shows.
fn locale(binaries: &Path) -> &'static [&'static str] {
    let help = Command::new(binaries.join("initdb"))
        .arg("--help")
        .output()
        .unwrap();
    if String::from_utf8_lossy(&help.stdout).contains("--icu-locale") {
        &["--locale-provider=icu", "--icu-locale=de", "--locale=C.UTF-8"]
    } else {
        &["--locale=C.UTF-8"]
    }
}

fn command(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").stdin(Stdio::null());
    // Nothing of whoever runs the tests leads to another server.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
        command.env_remove(name);
    }
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

fn serve(binaries: &Path, folder: &Path, port: u16, user: Option<(u32, u32)>) -> Child {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .unwrap();
    // Ends with its parent, even where that is killed.
    command(Path::new("setpriv"), user)
        .args(["--pdeathsig", "QUIT"])
        .arg(binaries.join("postgres"))
        .arg("-D")
        .arg(folder.join("data"))
        .arg("-k")
        .arg(folder)
        .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
        // Nobody cuts the power of a test.
        .args([
            "-c",
            "fsync=off",
            "-c",
            "full_page_writes=off",
            "-c",
            "max_connections=200",
        ])
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// As in `ports`, which the host's own tests do not have.
fn free_port() -> u16 {
    loop {
        let random = RandomState::new().hash_one(0) % 12_000;
        let port = 20_000 + u16::try_from(random).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn signal(child: &Child, name: &str) {
    let _ = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status();
}

fn succeeded(output: Output) -> Output {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
