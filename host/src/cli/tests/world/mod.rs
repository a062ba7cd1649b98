//! A fixed world: parts built by hand, a host that answers with them, and a call of the program over it.

mod fakes;
mod parts;
mod results;

use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeZone as _, Utc};
use clap::Parser as _;
use groupcast_guest::engine::Finding;
use groupcast_guest::plan::part::Part;
use tokio_util::sync::CancellationToken;

use self::fakes::FakeSurroundings;
pub use self::parts::*;
pub use self::results::*;
use crate::cli::arguments::CommandLine;
use crate::cli::exit::Exit;
use crate::cli::operations::{ApplyOutcome, RunFailure, RunRecord, Selection};
use crate::cli::progress::{Manner, Progress};

pub const HASH: &str = "90454829d4f080ed62dd49fafcd5f260f8e67cbb933667669634155819eaa83b";

pub fn at(minute: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 14, 9, minute, 0).unwrap()
}

/// What the host is to answer.
pub struct World {
    pub connections: Vec<&'static str>,
    pub plan: Result<Vec<Part>, RunFailure>,
    pub findings: Vec<Finding>,
    pub apply: ApplyOutcome,
    pub sync_applies: bool,
    pub answer: Option<bool>,
    pub secrets: Vec<String>,
    pub records: Vec<RunRecord>,
    /// What was applied: connection, hash, selection.
    pub applied: Arc<Mutex<Vec<(String, String, Selection)>>>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            connections: vec!["google"],
            plan: Ok(everything()),
            findings: findings(),
            apply: apply_outcome(),
            sync_applies: true,
            answer: None,
            secrets: vec!["google".to_owned()],
            records: records(),
            applied: Arc::default(),
        }
    }
}

/// What a call printed, and how it ended.
pub struct Called {
    pub exit: Exit,
    pub out: String,
    pub errors: String,
}

impl World {
    /// Calls the program.
    pub async fn call(self, words: &[&str]) -> Called {
        let words = ["groupcast"].into_iter().chain(words.iter().copied());
        let command_line = CommandLine::try_parse_from(words).unwrap();
        let progress = Arc::new(Progress::new(Manner::Silent, 0));
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let surroundings = FakeSurroundings(Arc::new(self));
        let exit = crate::cli::run(
            &command_line,
            &surroundings,
            CancellationToken::new(),
            progress,
            &mut out,
            &mut errors,
        )
        .await;
        let plain =
            |bytes: Vec<u8>| anstream::adapter::strip_str(&String::from_utf8(bytes).unwrap()).to_string();
        Called {
            exit,
            out: plain(out),
            errors: plain(errors),
        }
    }
}
