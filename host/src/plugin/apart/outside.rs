//! The host's side: starts the process of a run, answers its calls, and takes its end for what it is. Nothing that it says
//! is believed further than a component's own calls would be.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt as _, StreamExt as _};
use groupcast_guest::failure::{Failure, FailureKind};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};
use tracing::Instrument as _;

use super::RunnerProcess;
use super::messages::{Answers, Begin, Says, codec, largest};
use crate::plugin::asked::Asked;
use crate::plugin::computing::{Body, Watch};
use crate::plugin::error::RunError;
use crate::plugin::http::deliver;
use crate::plugin::imports::{LOG_LINE, cut};
use crate::plugin::journal::{Answer, Blob, Call, Reply, Request};
use crate::plugin::limits::RunLimits;
use crate::plugin::run::Ran;
use crate::plugin::services::{Event, LogLevel, NoAnswer, RunServices};
use crate::plugin::tapped::fields;
use crate::plugin::violation::{Flood, Violation};

/// Bytes of its last words that are kept for the log.
const LAST_WORDS: u64 = 4 << 10;

/// A run in a process of its own. Dropping it ends the process.
pub(in crate::plugin) fn outside(
    process: RunnerProcess,
    component: Bytes,
    services: Arc<dyn RunServices>,
    watch: Arc<Watch>,
    engine: RunLimits,
    limits: RunLimits,
    asked: Asked,
) -> Body<Ran> {
    let run = async move {
        let begin = Begin {
            engine,
            journalled: services.journal().is_some(),
            limits: limits.clone(),
            asked,
        };
        let run = match Running::start(&process, &limits) {
            Ok(running) => running.serve(begin, component, services, &watch, &limits).await,
            Err(error) => Err(RunError::Host(format!(
                "no process could be started for the plugin ({error})"
            ))),
        };
        run.unwrap_or_else(Ran::failed)
    };
    Box::pin(run.in_current_span())
}

struct Running {
    child: Child,
    down: FramedWrite<ChildStdin, LengthDelimitedCodec>,
    up: FramedRead<ChildStdout, LengthDelimitedCodec>,
    errors: ChildStderr,
}

/// Says once whether processes of runs are shut off: it is so for all of them, or for none.
fn begun(exposed: Option<&str>) {
    static ONCE: std::sync::Once = std::sync::Once::new();
    match exposed {
        None => tracing::debug!("the process of a plugin's run is shut off from files and network"),
        Some(reason) => ONCE.call_once(|| {
            let reason = cut(reason, LOG_LINE);
            tracing::warn!(
                %reason,
                "processes of plugins' runs are not shut off from files and network, only by the component's sandbox"
            );
        }),
    }
}

impl Running {
    fn start(process: &RunnerProcess, limits: &RunLimits) -> std::io::Result<Self> {
        let mut child = Command::from(super::command(&process.program, &process.arguments))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let missing = || std::io::Error::other("a pipe to it is missing");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let errors = child.stderr.take().ok_or_else(missing)?;
        Ok(Self {
            child,
            // What the host sends is within its own limits.
            down: FramedWrite::new(input, codec(u32::MAX as usize)),
            up: FramedRead::new(output, codec(largest(limits))),
            errors,
        })
    }

    async fn serve(
        mut self,
        begin: Begin,
        component: Bytes,
        services: Arc<dyn RunServices>,
        watch: &Arc<Watch>,
        limits: &RunLimits,
    ) -> Result<Ran, RunError> {
        // A process that ended early says more by its end than by the pipe that it left.
        if self.say(&begin).await.is_err() || self.down.send(component).await.is_err() {
            return Err(self.ended_early(limits).await);
        }
        let mut told = Told::default();
        let mut under_way = FuturesUnordered::new();
        let mut is_gone = false;
        loop {
            let said = tokio::select! {
                Some(answers) = under_way.next() => {
                    // Whoever does not hear it has ended, and has said why before.
                    is_gone = is_gone || self.say(&answers).await.is_err();
                    continue;
                }
                // One call, and the requests that it need not wait for.
                said = self.up.next(), if under_way.len() <= limits.open_requests => said,
            };
            let message = match said {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Err(broken_off(&error.to_string())),
                None => return Err(self.ended_early(limits).await),
            };
            let said = serde_json::from_slice(&message).map_err(|error| broken_off(&error.to_string()))?;
            match said {
                Says::Begins { exposed } => begun(exposed.as_deref()),
                Says::Calls {
                    number,
                    computed,
                    call,
                } => {
                    if watch.is_spent(computed, limits.cpu) {
                        return Err(RunError::Violation(Violation::ComputedTooLong {
                            limit: limits.cpu,
                        }));
                    }
                    let (services, watch) = (Arc::clone(&services), Arc::clone(watch));
                    under_way.push(async move {
                        Answers {
                            number,
                            answer: answer(services, &watch, call).await,
                        }
                    });
                }
                Says::Tells(call) => match told.admit(call, limits)? {
                    Line::Log(level, line) => services.log(level, &line),
                    Line::Report(event) => services.report(event),
                },
                Says::Notes(call, answer) => {
                    if let Some(journal) = services.journal() {
                        journal.note(call, answer);
                    }
                }
                Says::Violated(violation) => told.blame(&violation, services.as_ref()),
                Says::Ended {
                    outcome,
                    memory_peak,
                    has_flooded,
                    computed,
                } => {
                    return Ok(Ran {
                        outcome,
                        memory_peak,
                        has_flooded,
                        elsewhere: computed,
                    });
                }
            }
        }
    }

    async fn say(&mut self, message: &impl serde::Serialize) -> std::io::Result<()> {
        let message = serde_json::to_vec(message).map_err(std::io::Error::other)?;
        self.down.send(Bytes::from(message)).await
    }

    /// The process is gone, and did not say why.
    async fn ended_early(mut self, limits: &RunLimits) -> RunError {
        drop(self.down);
        let mut words = Vec::new();
        let _readable = (&mut self.errors).take(LAST_WORDS).read_to_end(&mut words).await;
        let words = cut(String::from_utf8_lossy(&words).trim(), LOG_LINE);
        // It may have closed its pipe and stayed.
        let _gone = self.child.start_kill();
        match self.child.wait().await {
            Ok(status) => {
                tracing::warn!(%status, %words, "the process of a plugin's run ended early");
                early(status, &words, limits)
            }
            Err(error) => RunError::Host(format!("the process of the run is lost: {error}")),
        }
    }
}

/// Whose fault the end of a process is: it ran nothing but the plugin.
fn early(status: ExitStatus, words: &str, limits: &RunLimits) -> RunError {
    use rustix::process::Signal;
    use std::os::unix::process::ExitStatusExt as _;
    let Some(signal) = status.signal() else {
        return RunError::Host(format!("the process of the run ended early ({status}): {words}"));
    };
    let is = |one: Signal| signal == one.as_raw();
    if is(Signal::XCPU) {
        return RunError::Violation(Violation::ComputedTooLong { limit: limits.cpu });
    }
    let faults = [
        Signal::SEGV,
        Signal::BUS,
        Signal::ILL,
        Signal::FPE,
        Signal::TRAP,
        Signal::ABORT,
        Signal::SYS,
    ];
    if faults.into_iter().any(is) {
        return RunError::Violation(Violation::Crashed {
            how: format!("its process ended by {status}"),
        });
    }
    RunError::Host(format!(
        "the system ended the process of the run ({status}); is there memory enough?"
    ))
}

fn broken_off(why: &str) -> RunError {
    RunError::Violation(Violation::BrokenContract {
        how: format!("its process sent no message that can be read: {why}"),
    })
}

/// What a run told without being asked. The process keeps to the limits by itself; one that does not is no sandbox any
/// more.
#[derive(Default)]
struct Told {
    lines: u64,
    violations: u32,
}

/// What nobody answers.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Log(LogLevel, String),
    Report(Event),
}

/// Breaches of which a run goes on are as many as there are kinds of floods.
const MOST_VIOLATIONS: u32 = 16;

impl Told {
    /// A line as it may be passed on.
    fn admit(&mut self, call: Call, limits: &RunLimits) -> Result<Line, RunError> {
        let (bytes, line) = match call {
            Call::Log(level, line) => (line.len(), Line::Log(level, cut(&line, LOG_LINE))),
            Call::Report(event) => (
                event.phase.len().saturating_add(event.message.len()),
                Line::Report(Event {
                    phase: cut(&event.phase, 64),
                    message: cut(&event.message, LOG_LINE),
                    ..event
                }),
            ),
            _ => return Err(broken_off("a call that waits for no answer")),
        };
        self.lines = self.lines.saturating_add(bytes as u64);
        // As much again for what its own count leaves out.
        if self.lines > limits.log_bytes.saturating_mul(2).saturating_add(LOG_LINE as u64) {
            return Err(RunError::Violation(Violation::Flooded { of: Flood::Log }));
        }
        Ok(line)
    }

    fn blame(&mut self, violation: &Violation, services: &dyn RunServices) {
        self.violations = self.violations.saturating_add(1);
        if self.violations <= MOST_VIOLATIONS {
            services.violated(violation);
        }
    }
}

async fn answer(services: Arc<dyn RunServices>, watch: &Arc<Watch>, call: Call) -> Answer {
    if let Call::Send(request) = call {
        let _under_way = watch.call();
        return Answer::Reply(sent(services, watch, request).await);
    }
    let made = async move { made(services.as_ref(), call).await };
    watch.served(made).await.unwrap_or_else(Answer::Failed)
}

async fn made(services: &dyn RunServices, call: Call) -> Result<Answer, Failure> {
    Ok(match call {
        Call::PutPart(part) => {
            services.put_part(part.0.to_vec()).await?;
            Answer::Done
        }
        Call::NextPart => Answer::Part(services.next_part().await?.map(Blob::from)),
        Call::Bindings(after) => {
            let (items, next) = services.bindings(after.as_deref()).await?;
            Answer::Bindings(items, next)
        }
        Call::Memberships(group, after) => {
            let (items, next) = services.memberships(&group, after.as_deref()).await?;
            Answer::Memberships(items, next)
        }
        Call::Intend(intents) => Answer::Ids(services.intend(intents).await?),
        Call::Settle(outcomes) => {
            services.settle(outcomes).await?;
            Answer::Done
        }
        Call::Amend(effects) => {
            services.amend(effects).await?;
            Answer::Done
        }
        Call::Unsettled(after) => Answer::Open(services.unsettled(after).await?),
        Call::StateGet(key) => {
            let found = services.state_get(&key).await?;
            Answer::Value(found.map(|(value, version)| (value.into(), version)))
        }
        Call::StatePut(key, value, expected) => {
            Answer::Version(services.state_put(&key, value.0.to_vec(), expected).await?)
        }
        other => {
            return Err(Failure::new(
                FailureKind::Denied,
                "host",
                format!("{other:?} is no call that the host answers"),
            ));
        }
    })
}

async fn sent(services: Arc<dyn RunServices>, watch: &Watch, request: Request) -> Reply {
    let Some(request) = whole(request) else {
        return Reply::None(NoAnswer::Denied);
    };
    match deliver(services, watch, request).await {
        Ok(response) => Reply::Response {
            status: response.status().as_u16(),
            headers: fields(response.headers()),
            body: response.into_body().into(),
        },
        Err(no_answer) => Reply::None(no_answer),
    }
}

/// The request as the gate takes it; none where it is no HTTP.
fn whole(request: Request) -> Option<http::Request<Bytes>> {
    let mut builder = http::Request::builder()
        .method(request.method.as_str())
        .uri(request.url);
    for (name, value) in request.headers {
        builder = builder.header(name, http::HeaderValue::from_maybe_shared(value.0).ok()?);
    }
    builder.body(request.body.unwrap_or_default().0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::computing::{Pace, SlowLane};
    use crate::plugin::nothing::Nothing;

    /// Reads what a process is begun with, to its last byte: two messages, each with its length before it. Whoever closed
    /// its input before would be gone before the host had said all of it.
    const TAKES_BEGINNING: &str = "message() { set -- $(dd bs=1 count=4 2> /dev/null | od -An -tu1); \
         dd bs=1 count=$(($1 * 16777216 + $2 * 65536 + $3 * 256 + $4)) > /dev/null 2>&1; }; message; message; ";

    /// How a run comes out whose process is this script, which has read what it is told.
    async fn ran(script: &str) -> Ran {
        let process = RunnerProcess {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), format!("{TAKES_BEGINNING}{script}").into()],
        };
        let lane = SlowLane::new().unwrap();
        let watch = Watch::new(&lane, Pace::Unhindered);
        let limits = RunLimits {
            log_bytes: 10_000,
            ..RunLimits::default()
        };
        let component = Bytes::from_static(&[0; 100]);
        outside(
            process,
            component,
            Arc::new(Nothing),
            watch,
            limits.clone(),
            limits,
            Asked::Describe,
        )
        .await
    }

    /// A script that writes messages, each with its length before it.
    fn saying(messages: &[&str]) -> String {
        messages
            .iter()
            .map(|message| {
                let length = u32::try_from(message.len()).unwrap().to_be_bytes();
                let [a, b, c, d] = length;
                format!("printf '\\{a:03o}\\{b:03o}\\{c:03o}\\{d:03o}%s' '{message}'; ")
            })
            .collect()
    }

    fn blame(ran: Ran) -> &'static str {
        match ran.outcome {
            Err(RunError::Violation(violation)) => violation.code(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_process_that_crashes_is_the_plugins_fault() {
        assert_eq!(blame(ran("kill -SEGV $$").await), "crashed");
        assert_eq!(blame(ran("kill -ABRT $$").await), "crashed");
        assert_eq!(blame(ran("kill -XCPU $$").await), "computed-too-long");
    }

    #[tokio::test]
    async fn a_process_that_could_not_go_on_is_not_the_plugins_fault() {
        let killed = ran("kill -KILL $$").await.outcome.unwrap_err();
        assert!(killed.to_string().contains("is there memory enough?"), "{killed}");
        let ended = ran("echo no room >&2; exit 3").await.outcome.unwrap_err();
        assert!(
            matches!(&ended, RunError::Host(why) if why.contains("no room") && why.contains('3')),
            "{ended}"
        );
    }

    #[tokio::test]
    async fn what_cannot_be_started_is_said() {
        let process = RunnerProcess {
            program: "/nowhere/groupcast".into(),
            arguments: Vec::new(),
        };
        let lane = SlowLane::new().unwrap();
        let (watch, limits) = (Watch::new(&lane, Pace::Unhindered), RunLimits::default());
        let ran = outside(
            process,
            Bytes::new(),
            Arc::new(Nothing),
            watch,
            limits.clone(),
            limits,
            Asked::Describe,
        )
        .await;
        let error = ran.outcome.unwrap_err();
        assert!(
            matches!(&error, RunError::Host(why) if why.contains("could be started")),
            "{error}"
        );
    }

    #[tokio::test]
    async fn what_is_no_message_ends_the_run() {
        assert_eq!(
            blame(ran("printf '\\377\\377\\377\\377'; sleep 9").await),
            "broken-contract"
        );
        assert_eq!(blame(ran(&saying(&["rubbish"])).await), "broken-contract");
        assert_eq!(
            blame(ran(&saying(&[r#"{"tells":"next-part"}"#])).await),
            "broken-contract"
        );
    }

    #[tokio::test]
    async fn calls_are_answered_and_those_that_are_none_refused() {
        let ended = r#"{"ended":{"outcome":{"Err":"cancelled"},"memory_peak":5,"has_flooded":true,"computed":{"secs":1,"nanos":0}}}"#;
        let asks = r#"{"calls":{"number":1,"computed":{"secs":0,"nanos":0},"call":"next-part"}}"#;
        // The answer is there before it goes on: the shell waits for one byte of it.
        let script = format!("{}head -c 1 > /dev/null; {}", saying(&[asks]), saying(&[ended]));
        let ran = ran(&script).await;
        assert!(
            matches!(ran.outcome, Err(RunError::Cancelled)),
            "{:?}",
            ran.outcome
        );
        assert_eq!(
            (ran.memory_peak, ran.has_flooded, ran.elsewhere.as_secs()),
            (5, true, 1)
        );

        let clock = made(&Nothing, Call::WallNow).await.unwrap_err();
        assert_eq!(clock.kind, FailureKind::Denied);
    }

    /// A component that ends need not wait for what it asked for.
    #[tokio::test]
    async fn an_end_counts_though_an_answer_finds_nobody_any_more() {
        let ended = r#"{"ended":{"outcome":{"Err":"cancelled"},"memory_peak":5,"has_flooded":false,"computed":{"secs":0,"nanos":0}}}"#;
        let asks = r#"{"calls":{"number":1,"computed":{"secs":0,"nanos":0},"call":"next-part"}}"#;
        let many: String = (0..50).map(|_| saying(&[asks])).collect();
        for _ in 0..10 {
            let ran = ran(&format!("exec <&-; {many}{}", saying(&[ended]))).await;
            assert!(
                matches!(ran.outcome, Err(RunError::Cancelled)),
                "{:?}",
                ran.outcome
            );
        }
    }

    #[tokio::test]
    async fn time_that_a_process_used_counts_at_its_next_call() {
        let asks = r#"{"calls":{"number":1,"computed":{"secs":301,"nanos":0},"call":"next-part"}}"#;
        assert_eq!(
            blame(ran(&format!("{}sleep 9", saying(&[asks]))).await),
            "computed-too-long"
        );
    }

    #[tokio::test]
    async fn a_process_that_keeps_to_no_limit_is_stopped() {
        let line = format!(r#"{{"tells":{{"log":["info","{}"]}}}}"#, "x".repeat(1_000));
        let script = format!("while true; do {}done", saying(&[&line]));
        assert_eq!(blame(ran(&script).await), "flooded");
    }

    /// What the process says is cut here too, should it have forgotten.
    #[test]
    fn lines_are_cut() {
        let said = Call::Log(LogLevel::Info, "one\nERROR two".to_owned());
        let line = Told::default().admit(said, &RunLimits::default()).unwrap();
        assert_eq!(line, Line::Log(LogLevel::Info, "one\u{fffd}ERROR two".to_owned()));
    }
}
