//! A store in one file: what `groupcast store backup` writes and `restore` reads, of either database into either.
//!
//! The file is compressed (gzip) and has one JSON document a line: a header, for each table its name and columns and
//! then its rows, and an end with the number of rows and the SHA-256 of every line before it. What has no end, or does
//! not fit it, is not restored. It holds what the store holds: names and addresses of people, hashes of tokens, sealed
//! secrets, and no secret in the clear; its file can be read by its owner alone.
//!
//! Sessions, answers to repeated requests, and what unfinished runs staged are left out: nothing of them outlives a day.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

mod file;
mod tables;

pub(super) use file::{Reading, Writing};
#[cfg(test)]
pub(super) use tables::LEFT_OUT;
pub(super) use tables::{Cell, Kind, TABLES, Table};

/// The name of the format, as it stands in the header.
pub(super) const FORMAT: &str = "groupcast-store";
/// Its version.
pub(super) const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub format: String,
    pub version: u32,
    /// The schema of the store that it was made from.
    pub schema: i64,
    /// Which database that was.
    pub from: String,
    pub made_at: DateTime<Utc>,
}

/// Before a table's rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableHeader {
    pub table: String,
    pub columns: Vec<String>,
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    pub rows: u64,
    pub sha256: String,
}

/// What was written or read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupSummary {
    /// When the backup was made.
    pub made_at: DateTime<Utc>,
    /// Which database it was made from: `sqlite` or `postgresql`.
    pub from: String,
    /// The schema's version.
    pub schema: i64,
    /// Rows in it.
    pub rows: u64,
    /// SHA-256 over its lines, lower-case hexadecimal.
    pub sha256: String,
}
