//! The program, in two ways. As a process: started with words, a folder and nothing of this process's environment that
//! it would heed; its streams are pipes, so it sees no terminal. And as a call of the same entry in this process, over
//! the real host with a component that is compiled once for all tests: compiling it is most of what a process does, so
//! only what needs a process (streams, signals, the log) is one.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::Parser as _;
use groupcast::cli::arguments::CommandLine;
use groupcast::cli::host::Host;
use groupcast::cli::progress::{Manner, Progress};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// No call in these tests may take longer: one that does has hung.
const LONGEST: Duration = Duration::from_secs(180);

/// A call of the program, not yet started.
pub struct Program {
    command: Command,
    input: Vec<u8>,
}

/// How a call ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub errors: String,
}

/// A program at work.
pub struct Running {
    child: Child,
    out: Stream,
    errors: Stream,
    started: Instant,
}

struct Stream {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

/// Calls the program's entry in this process with these words, on the configuration of a folder.
pub fn call(folder: &Path, words: &[&str]) -> Ended {
    let folder = folder.to_path_buf();
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    std::thread::spawn(move || called(&folder, &words, CancellationToken::new()))
        .join()
        .unwrap()
}

/// A call in this process that goes on until it is told to stop.
pub struct Calling {
    stop: CancellationToken,
    thread: Mutex<Option<JoinHandle<Ended>>>,
}

/// Begins a call in this process.
pub fn begin(folder: &Path, words: &[&str]) -> Calling {
    let folder = folder.to_path_buf();
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let stop = CancellationToken::new();
    let told = stop.clone();
    let thread = std::thread::spawn(move || called(&folder, &words, told));
    Calling {
        stop,
        thread: Mutex::new(Some(thread)),
    }
}

impl Calling {
    /// Waits until something is so.
    pub fn until(&self, what: &str, patience: Duration, holds: impl Fn() -> bool) {
        let start = Instant::now();
        while !holds() {
            if self.thread.lock().unwrap().as_ref().unwrap().is_finished() {
                panic!("it ended before: {what}\n{:?}", self.joined());
            }
            assert!(start.elapsed() < patience, "waited in vain: {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn joined(&self) -> Ended {
        self.thread.lock().unwrap().take().unwrap().join().unwrap()
    }

    /// Waits for its end.
    pub fn end(self) -> Ended {
        self.joined()
    }

    /// Asks it to stop, and waits for its end.
    pub fn stop(self) -> Ended {
        self.stop.cancel();
        self.joined()
    }
}

fn called(folder: &Path, words: &[String], stop: CancellationToken) -> Ended {
    let config = folder.join("groupcast.toml").display().to_string();
    let mut all = vec!["groupcast".to_owned()];
    all.extend_from_slice(words);
    if !words.iter().any(|word| word == "--config") {
        all.extend(["--config".to_owned(), config]);
    }
    let command_line = CommandLine::try_parse_from(all).unwrap();
    let (engine, plugin) = groupcast_tests::component();
    let host = Host::with_component(engine, plugin);
    let progress = Arc::new(Progress::new(Manner::Silent, 0));
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let exit = runtime.block_on(groupcast::cli::run(
        &command_line,
        &host,
        stop,
        progress,
        &mut out,
        &mut errors,
    ));
    runtime.shutdown_background();
    Ended {
        code: Some(i32::from(exit.code())),
        out: plain(&out),
        errors: plain(&errors),
    }
}

/// The text without colours, as a pipe gets it.
fn plain(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).expect("the output is UTF-8");
    let mut pieces = text.split("\u{1b}[");
    let first = pieces.next().unwrap().to_owned();
    pieces.fold(first, |mut all, piece| {
        all.push_str(piece.split_once('m').expect("a colour ends").1);
        all
    })
}

/// The program as a process with these words, in a folder.
pub fn groupcast(folder: &Path, words: &[&str]) -> Program {
    program_at(Path::new(PROGRAM), folder, words)
}

/// The program's file.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_groupcast-under-test");

/// The same, from a copy of its file.
pub fn program_at(file: &Path, folder: &Path, words: &[&str]) -> Program {
    let mut command = Command::new(file);
    command.args(words).current_dir(folder);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GROUPCAST_") {
            command.env_remove(name);
        }
    }
    Program {
        command,
        input: Vec::new(),
    }
}

impl Program {
    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// What it reads from standard input.
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Starts it.
    pub fn start(mut self) -> Running {
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let started = Instant::now();
        // A program that does not read closes the pipe; that is its good right.
        let _ = child.stdin.take().expect("piped").write_all(&self.input);
        let out = Stream::of(child.stdout.take().expect("piped"));
        let errors = Stream::of(child.stderr.take().expect("piped"));
        Running {
            child,
            out,
            errors,
            started,
        }
    }

    /// Runs it to its end.
    pub fn run(self) -> Ended {
        self.start().ended()
    }
}

impl Stream {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = pipe.read(&mut chunk) {
                kept.lock().unwrap().extend_from_slice(&chunk[..read]);
            }
        });
        Self {
            text,
            reader: Some(reader),
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.text.lock().unwrap().clone()).expect("the output is UTF-8")
    }

    fn whole(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.text()
    }
}

impl Running {
    /// What it has said on standard error so far.
    pub fn errors(&self) -> String {
        self.errors.text()
    }

    /// What it has said on standard output so far.
    pub fn out(&self) -> String {
        self.out.text()
    }

    /// Its number among the system's processes.
    pub fn number(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still there.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until something is so.
    pub fn until(&mut self, what: &str, patience: Duration, holds: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(
                self.is_running(),
                "it ended before: {what}\n{}{}",
                self.out(),
                self.errors()
            );
            assert!(
                start.elapsed() < patience,
                "waited in vain: {what}\n{}{}",
                self.out(),
                self.errors()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks it to end, as a service manager does.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Freezes it with all of its threads, as a machine that sleeps or a container that is paused; answers once it
    /// stands still.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        // One thread may stand still while another one takes a lock yet.
        let stands = |thread: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(thread.path().join("stat"));
            stat.is_ok_and(|stat| stat.contains(") T "))
        };
        let threads = format!("/proc/{}/task", self.child.id());
        let start = Instant::now();
        while !std::fs::read_dir(&threads)
            .unwrap()
            .all(|thread| thread.is_ok_and(stands))
        {
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "it does not stand still"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Wakes it.
    pub fn wake(&self) {
        self.signal(Signal::CONT);
    }

    /// Whether it has the store's write lock at this moment: SQLite's lock of the write-ahead log is byte 120 of the
    /// `-shm` file.
    pub fn holds_store(&self, folder: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let inode = std::fs::metadata(folder.join("groupcast.db-shm")).unwrap().ino();
        let (process, place) = (format!(" WRITE {} ", self.child.id()), format!(":{inode} 120 "));
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        locks
            .lines()
            .any(|lock| lock.contains(&process) && lock.contains(&place))
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub fn ended(mut self) -> Ended {
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                self.started.elapsed() < LONGEST,
                "it hangs\n{}{}",
                self.out(),
                self.errors()
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        Ended {
            code: status.code(),
            out: self.out.whole(),
            errors: self.errors.whole(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone, where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Asserts the exit code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "\n--- out\n{}\n--- errors\n{}",
            self.out,
            self.errors
        );
        self
    }

    /// Asserts that standard error says all of these.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        // Lines are wrapped where they fall; what is said counts.
        let said = flat(&self.errors);
        for word in words {
            assert!(
                said.contains(&flat(word)),
                "{word:?} is not said:\n{}",
                self.errors
            );
        }
        self
    }

    /// Asserts that standard output shows all of these.
    #[track_caller]
    pub fn shows(self, words: &[&str]) -> Self {
        let shown = flat(&self.out);
        for word in words {
            assert!(
                shown.contains(&flat(word)),
                "{word:?} is not shown:\n{}",
                self.out
            );
        }
        self
    }

    /// Asserts that standard output is one JSON document of this format with this exit code, and gives it.
    #[track_caller]
    pub fn document(&self, format: &str) -> Value {
        let document: Value = serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("no JSON: {error}\n{}\n{}", self.out, self.errors));
        assert_eq!(document["format"], format, "{}", self.out);
        if let Some(exit) = document.get("exit") {
            assert_eq!(exit.as_i64(), self.code.map(i64::from), "{}", self.out);
        }
        document
    }

    /// Both streams.
    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.errors)
    }
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Writes a file into a folder.
pub fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}
