//! The grammar of `store ...`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `store`.
#[derive(Debug, Clone, Args)]
pub struct StoreArguments {
    /// What to do.
    #[command(subcommand)]
    pub command: StoreCommand,
}

/// `store ...`.
#[derive(Debug, Clone, Subcommand)]
pub enum StoreCommand {
    /// Show where the store is and what is in it. Changes nothing
    #[command(after_help = "\
Ends with 2 where the store waits for `groupcast store migrate`, with 4 where its audit log does not fit together.

Example:
  groupcast store status
  groupcast store status --json")]
    Status,
    /// Bring the store to this version's schema, as every other command does by itself
    #[command(after_help = "\
For a database whose everyday user may not make tables: run this with one who may.

Example:
  groupcast store migrate")]
    Migrate,
    /// Write all of it into a new file, while hosts go on working
    ///
    /// The file holds people's names and addresses, and sealed secrets; only its owner can read it. It opens nothing
    /// without the host's key: keep that elsewhere.
    #[command(after_help = "\
Example:
  groupcast store backup groupcast-2026-03-14.backup")]
    Backup {
        /// The file; it must not be there yet
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Fill the store from a backup, of either kind of database
    ///
    /// With `[store] url` set to a new PostgreSQL database, this is the way to move there. Stop every host first.
    /// Connections only plan afterwards until a plan of each was approved, since things went on since the backup.
    #[command(after_help = "\
Example:
  groupcast store restore groupcast-2026-03-14.backup
  groupcast store restore groupcast-2026-03-14.backup --keep-modes    # a move, with every host stopped")]
    Restore {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Throw away what is in the store
        #[arg(long)]
        replace: bool,
        /// Let connections write at once that could when the backup was made
        #[arg(long)]
        keep_modes: bool,
    },
    /// Forget old runs, plans and jobs, as a host that serves does every day
    ///
    /// Who is in which group, what was begun and never settled, and the audit log are never forgotten.
    #[command(after_help = "\
Example:
  groupcast store prune                       # as `keep_runs_days` says
  groupcast store prune --older-than 90d")]
    Prune {
        /// Forget what is older than so many days, instead of what the configuration says
        #[arg(long, value_name = "DAYS", value_parser = days)]
        older_than: Option<u32>,
    },
}

/// `90d`, or `90`.
fn days(text: &str) -> Result<u32, String> {
    text.strip_suffix('d')
        .unwrap_or(text)
        .parse()
        .ok()
        .filter(|days| (1..=36_500).contains(days))
        .ok_or_else(|| "give a number of days from 1 to 36500, such as 90d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::days;

    #[test]
    fn days_are_given_with_or_without_their_letter() {
        assert_eq!(days("90d"), Ok(90));
        assert_eq!(days("1"), Ok(1));
        for wrong in ["0", "0d", "-1", "90h", "d", "", "99999999999"] {
            assert!(days(wrong).is_err(), "{wrong}");
        }
    }
}
