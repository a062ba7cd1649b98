//! Work that is asked for, and its progress as it happens.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{Stream, unfold};

use super::form::{Fields, text};
use super::{Answer, Host};
use crate::console::page::{Begin, page, see_other};
use crate::console::pages::runs::{Job, PhaseLine, Progress};
use crate::console::reader::{Reader, Tab, directory_href};
use crate::console::words::{Badge, Tone, count, ended, grouped, segment, shown};
use crate::service::{DirectoryView, EventKind, Service, ServiceError, Subscription, Watched};
use crate::store::ConnectionId;
use crate::store::service::{JobRecord, JobState, Role, Work};

/// How often progress is told at most: more than this nobody reads.
const TOLD: Duration = Duration::from_millis(250);
/// How often it is looked whether a job of another process has ended.
const LOOK: Duration = Duration::from_secs(2);

/// A job's page.
pub fn href(id: &ConnectionId, job: &str) -> String {
    format!("{}/jobs/{}", directory_href(id), segment(job))
}

/// What a reader may begin on a directory.
pub fn choices(reader: &Reader, view: &DirectoryView) -> Option<Begin> {
    let may = reader.who.may(Some(&view.id.tenant), Role::Operator) && view.unusable.is_none();
    if !may {
        return None;
    }
    let choices = if view.managed {
        vec![
            ("check", "Check", ""),
            ("plan", "Make a plan", ""),
            ("sync", "Sync now", "primary"),
        ]
    } else {
        vec![("check", "Check", "")]
    };
    Some(Begin {
        href: format!("{}/work", directory_href(&view.id)),
        choices,
    })
}

/// `POST …/work`.
pub async fn begin(
    State(service): Host,
    reader: Reader,
    Path((tenant, directory)): Path<(String, String)>,
    Form(form): Fields,
) -> Answer {
    let id = ConnectionId::new(tenant, directory);
    let work = match text(&form, "work").as_str() {
        "check" => Work::Check,
        "plan" => Work::Plan,
        "sync" => Work::Sync { full: false },
        "sync-full" => Work::Sync { full: true },
        _ => return Err(ServiceError::invalid("work", "there is no such work").into()),
    };
    start(&service, &reader, &id, work).await
}

/// Begins work and leads to its progress; where one is under way, to that one's.
///
/// # Errors
/// Not allowed; the host stops.
pub async fn start(service: &Service, reader: &Reader, id: &ConnectionId, work: Work) -> Answer {
    match service.start(&reader.who, id, work).await {
        Ok(job) => Ok(see_other(&href(id, &job.id))),
        Err(error) => Err(error.into()),
    }
}

/// `POST …/runs/{run}/undo`: plans the way back.
pub async fn undo(
    State(service): Host,
    reader: Reader,
    Path((tenant, directory, run)): Path<(String, String, String)>,
) -> Answer {
    let id = ConnectionId::new(tenant, directory);
    start(&service, &reader, &id, Work::Undo { run }).await
}

/// `POST …/jobs/{job}/cancel`.
pub async fn cancel(
    State(service): Host,
    reader: Reader,
    Path((tenant, directory, job)): Path<(String, String, String)>,
) -> Answer {
    let id = ConnectionId::new(tenant, directory);
    let record = of(&service, &reader, &id, &job).await?;
    service.cancel(&reader.who, &record.id).await?;
    Ok(see_other(&format!("{}?done=cancelled", href(&id, &job))))
}

async fn of(
    service: &Service,
    reader: &Reader,
    id: &ConnectionId,
    job: &str,
) -> Result<JobRecord, ServiceError> {
    let record = service.job(&reader.who, job).await?;
    if record.connection != *id {
        return Err(ServiceError::not_found("job", job));
    }
    Ok(record)
}

/// `GET …/jobs/{job}`.
pub async fn one(
    State(service): Host,
    reader: Reader,
    Path((tenant, directory, job)): Path<(String, String, String)>,
) -> Answer {
    let id = ConnectionId::new(tenant, directory);
    let record = of(&service, &reader, &id, &job).await?;
    let mut told = Told::of(&record);
    if record.state == JobState::Ended {
        // What this process saw of it is told once more.
        let mut watching = service
            .watch_events(&reader.who, Some(&id), Some(&job), Some(0))
            .await?;
        while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(20), watching.next()).await {
            told.take(event);
        }
    }
    let title = title(&record.work);
    let (mut shell, _) = reader
        .of_directory(&service, &id, title, tab(&record.work), true)
        .await?;
    let progress = told.progress(&record);
    shell.again_after = progress.running.then_some(3);
    let href = href(&id, &job);
    Ok(page(
        StatusCode::OK,
        &Job {
            running: progress.running,
            live: format!("{href}/events"),
            cancel: format!("{href}/cancel"),
            may_operate: reader.who.may(Some(&id.tenant), Role::Operator),
            state: progress.state,
            told: progress.told,
            share: progress.share,
            phases: progress.phases,
            message: progress.message,
            next: progress.next,
            shell,
        },
    ))
}

/// `GET …/jobs/{job}/events`: the live part of the page, again and again, until the job ends.
pub async fn events(
    State(service): Host,
    reader: Reader,
    Path((tenant, directory, job)): Path<(String, String, String)>,
) -> Answer {
    let id = ConnectionId::new(tenant, directory);
    let record = of(&service, &reader, &id, &job).await?;
    let watching = service
        .watch_events(&reader.who, Some(&id), Some(&job), Some(0))
        .await?;
    let live = Live {
        service,
        reader,
        told: Told::of(&record),
        watching,
        record,
        over: Over::No,
    };
    Ok(Sse::new(stream(live))
        .keep_alive(KeepAlive::default())
        .into_response())
}

struct Live {
    service: Arc<Service>,
    reader: Reader,
    record: JobRecord,
    told: Told,
    watching: Subscription,
    over: Over,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    No,
    /// The end is shown; what is left is to say that nothing follows.
    Shown,
    Said,
}

fn stream(live: Live) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold(live, |mut live| async move {
        match live.over {
            Over::Said => return None,
            Over::Shown => {
                live.over = Over::Said;
                return Some((Ok(Event::default().event("ended").data(" ")), live));
            }
            Over::No => {}
        }
        live.gather().await;
        let progress = live.told.progress(&live.record);
        if !progress.running {
            live.over = Over::Shown;
        }
        let html = progress.render().unwrap_or_default();
        Some((Ok(Event::default().event("progress").data(html)), live))
    })
}

impl Live {
    /// Waits until there is something new to show.
    async fn gather(&mut self) {
        let deadline = tokio::time::Instant::now() + LOOK;
        let mut until = deadline;
        while let Ok(Some(event)) = tokio::time::timeout_at(until, self.watching.next()).await {
            let ended = self.told.take(event);
            let now = tokio::time::Instant::now();
            // The job's own record is written right after the run's end.
            until = until.min(now + if ended { TOLD / 2 } else { TOLD });
        }
        if let Ok(record) = self.service.job(&self.reader.who, &self.record.id).await {
            self.record = record;
        }
    }
}

fn title(work: &Work) -> &'static str {
    match work {
        Work::Check => "Check",
        Work::Plan => "Making a plan",
        Work::Sync { full: false } => "Sync",
        Work::Sync { full: true } => "Sync, reading everything",
        Work::Apply { .. } => "Applying what was approved",
        Work::Undo { .. } => "Planning the way back",
    }
}

fn tab(work: &Work) -> Tab {
    match work {
        Work::Plan | Work::Apply { .. } | Work::Undo { .. } => Tab::Plan,
        Work::Check | Work::Sync { .. } => Tab::Runs,
    }
}

/// What is known of a job's progress.
struct Told {
    phases: Vec<(String, u64, Option<u64>, String)>,
    requests: Option<u64>,
    missed: u64,
}

impl Told {
    fn of(_: &JobRecord) -> Self {
        Self {
            phases: Vec::new(),
            requests: None,
            missed: 0,
        }
    }

    /// Takes in an event; whether it is a run's end.
    fn take(&mut self, watched: Watched) -> bool {
        let event = match watched {
            Watched::Event(event) => event,
            Watched::Missed(many) => {
                self.missed += many;
                return false;
            }
        };
        match event.kind {
            EventKind::Progress {
                phase,
                done,
                total,
                message,
            } => {
                match self.phases.iter_mut().find(|(known, ..)| *known == phase) {
                    Some(known) => *known = (phase, done, total, message),
                    None => self.phases.push((phase, done, total, message)),
                }
                false
            }
            EventKind::Ended { requests, .. } => {
                self.requests = Some(self.requests.unwrap_or(0) + requests.requests());
                true
            }
            _ => false,
        }
    }

    fn progress(&self, job: &JobRecord) -> Progress {
        let running = job.state != JobState::Ended;
        let last = self.phases.len();
        let phases = self
            .phases
            .iter()
            .enumerate()
            .map(|(place, (phase, done, total, message))| PhaseLine {
                title: phase_name(phase),
                about: match total {
                    Some(total) => format!("{} of {} {}", grouped(*done), grouped(*total), about(message)),
                    None if *done > 0 => format!("{} {}", grouped(*done), about(message)),
                    None => about(message),
                },
                done: !running || place + 1 < last,
            })
            .collect();
        let state = match (job.state, &job.end) {
            (JobState::Queued, _) => Badge::new(Tone::Busy, "Waits for its turn"),
            (JobState::Running, _) => Badge::new(Tone::Busy, "Running"),
            (JobState::Ended, Some(end)) => ended(end.result),
            (JobState::Ended, None) => Badge::new(Tone::Care, "Ended"),
        };
        let share = self.phases.last().and_then(|(_, done, total, _)| {
            total
                .filter(|total| *total > 0)
                .map(|total| ((*done).min(total), total))
        });
        Progress {
            state,
            told: self.requests.map_or_else(String::new, |requests| {
                count(requests, "request to the vendors", "requests to the vendors")
            }),
            running,
            share,
            phases,
            message: job.end.as_ref().map(|end| shown(&end.message)),
            next: if running { Vec::new() } else { next(job) },
        }
    }
}

/// Where somebody goes from a job that ended.
fn next(job: &JobRecord) -> Vec<(String, String)> {
    let home = directory_href(&job.connection);
    let mut next = Vec::new();
    if let Some(plan) = &job.plan {
        let words = match job.work {
            Work::Apply { .. } => "See the plan",
            Work::Undo { .. } => "See the plan of the way back",
            _ => "See the plan",
        };
        next.push((format!("{home}/plans/{}", segment(plan)), words.to_owned()));
    }
    if let Some(run) = job.runs.last() {
        next.push((format!("{home}/runs/{}", segment(run)), "See the run".to_owned()));
    }
    next
}

/// What is being worked on, unless it is an ID, which tells nobody anything.
fn about(message: &str) -> String {
    let is_id = message.len() >= 12
        && message
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_id && message.bytes().any(|byte| byte.is_ascii_digit()) {
        String::new()
    } else {
        shown(message)
    }
}

fn phase_name(phase: &str) -> &'static str {
    match phase {
        "reading-source" => "Reading JumpCloud",
        "source-members" => "Reading who is in JumpCloud's groups",
        "reading-target" => "Reading the directory",
        "target-users" => "Finding people in the directory",
        "target-members" => "Reading who is in the directory's groups",
        "planning" => "Planning",
        "write" | "writing" => "Writing",
        "verifying" => "Reading back what was written",
        _ => "At work",
    }
}
