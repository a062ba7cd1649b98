//! Runs at work: a bar a connection on a terminal, a line now and then elsewhere. All of it goes to standard error,
//! so that results can be piped.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::operations::{ConnectionName, Observer, RunRef};
use super::render::text::{grouped, shown};
use crate::plugin::{Event, LogLevel};

/// A line is due again after this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Not at all; warnings of runs still show.
    Silent,
    /// Bars, redrawn in place.
    Bars,
    /// Plain lines.
    Lines,
}

impl Manner {
    /// What fits the options and the stream.
    pub fn fitting(quiet: bool, serving: bool) -> Self {
        if quiet {
            Self::Silent
        } else if !serving && std::io::stderr().is_terminal() {
            Self::Bars
        } else {
            Self::Lines
        }
    }
}

/// Shows runs at work.
pub struct Progress {
    manner: Manner,
    least: LogLevel,
    bars: MultiProgress,
    state: Mutex<BTreeMap<ConnectionName, Shown>>,
}

struct Shown {
    bar: Option<ProgressBar>,
    pace: Pace,
}

impl Progress {
    /// A display; runs' log lines show from `verbose` on: 0 warnings, 1 information, 2 all.
    pub fn new(manner: Manner, verbose: u8) -> Self {
        Self {
            manner,
            least: match verbose {
                0 => LogLevel::Warn,
                1 => LogLevel::Info,
                _ => LogLevel::Debug,
            },
            bars: MultiProgress::with_draw_target(match manner {
                Manner::Bars => ProgressDrawTarget::stderr(),
                Manner::Silent | Manner::Lines => ProgressDrawTarget::hidden(),
            }),
            state: Mutex::new(BTreeMap::new()),
        }
    }

    /// Takes the bars away, before something is printed.
    pub fn clear(&self) {
        for (_, shown) in std::mem::take(&mut *self.lock()) {
            if let Some(bar) = shown.bar {
                bar.finish_and_clear();
            }
        }
    }

    /// Writes to standard error without tearing a bar.
    pub fn print(&self, text: &str) {
        self.bars.suspend(|| {
            // Nobody can be told that nobody can be told.
            let _ = anstream::stderr().write_all(text.as_bytes());
        });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ConnectionName, Shown>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Progress {
    fn event(&self, run: &RunRef, event: &Event) {
        let connection = &run.connection;
        let line = {
            let mut state = self.lock();
            let shown = state.entry(connection.clone()).or_insert_with(|| Shown {
                bar: (self.manner == Manner::Bars).then(|| self.bars.add(ProgressBar::no_length())),
                pace: Pace::default(),
            });
            match &shown.bar {
                Some(bar) => {
                    draw(bar, connection, event);
                    None
                }
                None => (self.manner == Manner::Lines && shown.pace.is_due(event, Instant::now()))
                    .then(|| line(connection, event)),
            }
        };
        if let Some(line) = line {
            self.print(&format!("{line}\n"));
        }
    }

    fn log(&self, run: &RunRef, level: LogLevel, message: &str) {
        if importance(level) >= importance(self.least) {
            let word = match level {
                LogLevel::Debug => "debug",
                LogLevel::Info => "info",
                LogLevel::Warn => "warning",
                LogLevel::Error => "error",
            };
            self.print(&format!(
                "{}: {word}: {}\n",
                shown(&run.connection.to_string()),
                shown(message)
            ));
        }
    }

    fn recorded(&self, run: &RunRef, _: &Path) {
        if self.manner != Manner::Silent {
            self.print(&format!(
                "Recorded; see it again with: groupcast replay {}\n",
                run.run
            ));
        }
    }
}

fn importance(level: LogLevel) -> u8 {
    match level {
        LogLevel::Debug => 0,
        LogLevel::Info => 1,
        LogLevel::Warn => 2,
        LogLevel::Error => 3,
    }
}

/// A phase in words.
fn phase(name: &str) -> String {
    match name {
        "reading-source" => "reading JumpCloud".to_owned(),
        "source-members" => "reading members in JumpCloud, group".to_owned(),
        "reading-target" => "reading the directory".to_owned(),
        "target-members" => "reading members in the directory, group".to_owned(),
        "target-users" => "reading people in the directory".to_owned(),
        other => shown(other),
    }
}

fn draw(bar: &ProgressBar, connection: &ConnectionName, event: &Event) {
    let template = if event.total.is_some() {
        "{prefix} {bar:24} {pos}/{len} {msg}"
    } else {
        "{prefix} {spinner} {pos} {msg}"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    match event.total {
        Some(total) => bar.set_length(total),
        None => bar.unset_length(),
    }
    bar.set_prefix(shown(&connection.to_string()));
    bar.set_position(event.done);
    bar.set_message(format!("{}  {}", phase(&event.phase), shown(&event.message)));
    bar.tick();
}

/// Whether a message is a vendor's ID and nothing else, which tells a person nothing.
fn is_id(message: &str) -> bool {
    message.len() >= 16 && message.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A step as a plain line.
fn line(connection: &ConnectionName, event: &Event) -> String {
    let mut text = format!("{}: {}", shown(&connection.to_string()), phase(&event.phase));
    match event.total {
        Some(total) => text.push_str(&format!(" {} of {}", grouped(event.done), grouped(total))),
        None if event.done > 0 => text.push_str(&format!(" {}", grouped(event.done))),
        None => {}
    }
    if !event.message.is_empty() && !is_id(&event.message) {
        text.push_str(&format!(" ({})", shown(&event.message)));
    }
    text
}

/// Decides which steps become lines: the first of a phase, then one for every tenth of the way or ten seconds.
#[derive(Debug, Default)]
struct Pace {
    last: Option<(String, u64, Instant)>,
}

impl Pace {
    fn is_due(&mut self, event: &Event, now: Instant) -> bool {
        let tenth = event
            .total
            .filter(|total| *total > 0)
            .map_or(0, |total| event.done.saturating_mul(10) / total);
        let due = match &self.last {
            Some((phase, said, at)) => {
                *phase != event.phase || tenth > *said || now.saturating_duration_since(*at) >= PATIENCE
            }
            None => true,
        };
        if due {
            self.last = Some((event.phase.clone(), tenth, now));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(phase: &str, done: u64, total: Option<u64>) -> Event {
        Event {
            phase: phase.to_owned(),
            done,
            total,
            message: String::new(),
        }
    }

    #[test]
    fn a_phase_of_known_length_says_at_most_eleven_lines() {
        let mut pace = Pace::default();
        let now = Instant::now();
        let lines = (0..=50_000)
            .filter(|done| pace.is_due(&event("writing", *done, Some(50_000)), now))
            .count();
        assert_eq!(lines, 11);
    }

    #[test]
    fn a_phase_of_unknown_length_says_a_line_every_ten_seconds() {
        let mut pace = Pace::default();
        let start = Instant::now();
        let due: Vec<u64> = (0..25)
            .filter(|second| {
                let now = start + Duration::from_secs(*second);
                pace.is_due(&event("reading-source", *second, None), now)
            })
            .collect();
        assert_eq!(due, [0, 10, 20]);
        assert!(pace.is_due(&event("planning", 0, None), start));
    }

    #[test]
    fn a_line_names_the_connection_the_phase_and_how_far_it_is() {
        let google = ConnectionName::new("default", "google");
        let mut step = event("reading-source", 1_200, Some(48_000));
        step.message = "members\u{1b}[2J".to_owned();
        assert_eq!(
            line(&google, &step),
            "default/google: reading JumpCloud 1,200 of 48,000 (members\\u{1b}[2J)"
        );
        step.phase = "source-members".to_owned();
        step.message = "0aed0b8b31d1ef7271c9cdc8".to_owned();
        assert_eq!(
            line(&google, &step),
            "default/google: reading members in JumpCloud, group 1,200 of 48,000"
        );
        assert_eq!(
            line(&google, &event("planning", 0, None)),
            "default/google: planning"
        );
    }
}
