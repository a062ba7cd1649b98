//! The command line's grammar and its help. The help is the first documentation that a newcomer reads: each command
//! says what it does, whether it can change anything, and shows an example. What may not enter: what a command does; the
//! arguments of a command, which are in a room by theme.

mod plugin;
mod runs;
mod sandbox;
mod secrets;
mod store;
mod token;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

pub use self::plugin::{PluginArguments, PluginCommand};
pub use self::runs::{
    Accepted, ApplyArguments, ReplayArguments, RunsArguments, SyncArguments, UndoArguments, WhyArguments,
};
pub use self::sandbox::{OrganisationSize, SandboxArguments, SimulatorsArguments};
pub use self::secrets::{SecretsArguments, SecretsCommand};
pub use self::store::{StoreArguments, StoreCommand};
pub use self::token::{RoleArgument, TokenArguments, TokenCommand};

const SHARED: &str = "Options of every command";

const EXIT_CODES: &str = "\
Exit codes:
  0  done, and nothing waits
  2  changes are pending, or held for approval
  3  refused before anything was done: the command line, the configuration,
     a credential, the egress gate, a plan that no longer fits
  4  something failed on the way

First steps:
  groupcast sandbox                   # simulated vendors: see it work, no account needed
  groupcast check                     # can everything be reached and read?
  groupcast plan                      # what would change? changes nothing
  groupcast apply --plan HASH         # do exactly that";

/// Exports JumpCloud user groups, one way, to Google Workspace groups and Entra ID security groups
///
/// JumpCloud is only ever read, and no user is ever changed. `check` finds what is in the way, `plan` shows what would
/// change, and `apply` does exactly what was shown.
#[derive(Debug, Clone, Parser)]
#[command(name = "groupcast", version, after_help = EXIT_CODES, max_term_width = 100, disable_help_subcommand = true)]
pub struct CommandLine {
    /// What every command takes.
    #[command(flatten)]
    pub shared: Shared,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Shared {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", default_value = "groupcast.toml", env = "GROUPCAST_CONFIG", hide_env_values = true, help_heading = SHARED)]
    pub config: PathBuf,
    /// Print one JSON document instead of text; its fields are stable
    #[arg(long, global = true, help_heading = SHARED)]
    pub json: bool,
    /// Only this connection, by name: `google`, or `tenant/google` where several tenants have one
    #[arg(long, global = true, value_name = "NAME", help_heading = SHARED)]
    pub connection: Option<String>,
    /// Run this component instead of the built-in one: a file, the digest of one that is kept, or oci://…@sha256:…
    #[arg(long, global = true, value_name = "COMPONENT", help_heading = SHARED)]
    pub plugin: Option<PathBuf>,
    /// Record the runs of this command, for `groupcast replay`: all that they saw and said, without secrets
    #[arg(long, global = true, help_heading = SHARED)]
    pub record: bool,
    /// Show no progress, and folded lists stay folded
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = SHARED)]
    pub quiet: bool,
    /// Show more: whole lists, and the log; twice for debugging
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = SHARED)]
    pub verbose: u8,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Start simulated vendors with a sample organisation: the first thing to try
    #[command(after_help = "\
Example:
  groupcast sandbox
  groupcast sandbox --console                 # the console at once, to click through
  groupcast sandbox --once                    # check, plan and apply once, then end
  groupcast sandbox --size 5000x300x40000     # users x groups x memberships")]
    Sandbox(SandboxArguments),
    /// Look whether a sync can work: reach, rights, groups at risk. Never writes
    #[command(after_help = "\
Ends with 3 while there is a problem to mend, with 0 where there are only warnings.

Example:
  groupcast check
  groupcast check --connection google --json")]
    Check,
    /// Show what would change. Never writes to a directory
    ///
    /// The plan is stored under its hash, so that `apply --plan HASH` does exactly what was shown.
    #[command(after_help = "\
Ends with 0 where everything is in step, with 2 where changes are pending or held,
with 4 where something could not be read.

Example:
  groupcast plan
  groupcast plan --connection google --verbose      # long lists in full")]
    Plan,
    /// Apply a plan: exactly the operations that were shown
    ///
    /// A group that moved since the plan was made is refused, and says what moved; plan again. Without --plan, a plan is
    /// made and shown first, and you are asked.
    #[command(after_help = "\
Example:
  groupcast apply --plan 90454829d4f0                   # a unique beginning is enough
  groupcast apply --plan 90454829d4f0 --group Sales     # this group only
  groupcast apply --plan 90454829d4f0 --group Sales --release-held    # with what is held")]
    Apply(ApplyArguments),
    /// Plan and apply within the limits, as the schedule does
    ///
    /// What is over a limit is held. A connection in plan-only mode, as each new one is, only plans. Between two
    /// readings of everything it reads what changed, as far as JumpCloud's events and Entra's change feed name it.
    #[command(after_help = "\
Ends with 2 where something is left to approve, with 4 where something could not be
read or written.

Example:
  groupcast sync
  groupcast sync --connection google
  groupcast sync --full                 # read everything, not only what changed")]
    Sync(SyncArguments),
    /// Plan how to undo a run
    ///
    /// The plan is shown and stored; apply it to undo. The connection becomes plan-only, so that no scheduled run does
    /// again what was undone.
    #[command(after_help = "\
Example:
  groupcast runs                        # find the run
  groupcast undo 01J9ZK3V7Q
  groupcast apply --plan HASH           # the hash that undo printed")]
    Undo(UndoArguments),
    /// Explain why somebody is, or is not, in a group; or why a group is in its state
    #[command(
        allow_missing_positional = true,
        after_help = "\
Example:
  groupcast why alice@example.com sales@example.com
  groupcast why Sales                               # the group alone"
    )]
    Why(WhyArguments),
    /// List the latest runs
    #[command(after_help = "\
Example:
  groupcast runs
  groupcast runs --limit 100 --json")]
    Runs(RunsArguments),
    /// Replay a recorded run: what happened in it, and would another component have done the same?
    ///
    /// Nothing is sent and nothing is stored: every answer comes from the recording. The same component does the same
    /// again, bit for bit, or the first difference is shown. With --against, another component is asked in its place, and
    /// what it does otherwise is shown: plan, writes, requests.
    #[command(after_help = "\
Ends with 0 where the run was reproduced, or the other component does the same; with 4
where something differs; with 3 where it cannot be replayed (no recording, another
component).

Example:
  groupcast plan --record                                # prints the run's ID
  groupcast replay 20260114T070000123-1f2e3d4c
  groupcast replay 20260114T070000123-1f2e3d4c --against newer.wasm
  groupcast replay 20260114T070000123-1f2e3d4c --redact for-support.gz")]
    Replay(ReplayArguments),
    /// Serve: run every connection on its schedule until stopped
    #[command(after_help = "\
Ends on Ctrl-C or SIGTERM, before its next write; a second Ctrl-C ends it at once.

Example:
  groupcast serve --config /etc/groupcast.toml")]
    Serve,
    /// Ask a serving host whether it is well: for containers and service managers
    #[command(after_help = "\
Asks the address of `[telemetry] listen`, unless --url names another. Ends with 0 where
the host can do its work, with 4 where it cannot or does not answer.

Example:
  groupcast health --config /etc/groupcast.toml
  groupcast health --url http://127.0.0.1:9464/livez")]
    Health(HealthArguments),
    /// Keep credentials encrypted beside the store
    ///
    /// The configuration refers to them by name: `api_key = { stored = \"jumpcloud\" }`. Values are never printed.
    #[command(after_help = "\
Example:
  groupcast secrets set jumpcloud               # asks for the value, without showing it
  groupcast secrets set google < key.json
  groupcast secrets list
  groupcast secrets rm jumpcloud")]
    Secrets(SecretsArguments),
    /// Make, list and revoke API tokens, on the store itself
    ///
    /// This is how the first administrator comes in: there is no default password and no sign-up. A token signs in to
    /// the console, and goes into the API's `Authorization: Bearer` header.
    #[command(after_help = "\
Example:
  groupcast token create --name \"Alice's laptop\" --role admin
  groupcast token create --name backup --role viewer --tenant acme --days 90
  groupcast token list
  groupcast token revoke 5f1c8a2be90d4477")]
    Token(TokenArguments),
    /// Look at the store, back it up, move it, tidy it
    #[command(after_help = "\
Example:
  groupcast store status
  groupcast store backup groupcast-2026-03-14.backup
  groupcast store restore groupcast-2026-03-14.backup
  groupcast store prune --older-than 90d")]
    Store(StoreArguments),
    /// Look at components of others, keep and fetch them
    Plugin(PluginArguments),
    /// Print the JSON Schema of the configuration file
    #[command(after_help = "\
Example:
  groupcast schema > groupcast.schema.json      # for completion and checks in an editor")]
    Schema,
    /// Print the API's OpenAPI document
    #[command(after_help = "\
Example:
  groupcast openapi > openapi.json              # for a client of your own")]
    Openapi,
    /// Serve simulated JumpCloud, Google and Entra ID, for tests of your own
    #[command(after_help = "\
Example:
  groupcast simulators --no-tls --ports 8081,8082,8083
  groupcast simulators --organisation organisation.json --faults faults.json")]
    Simulators(SimulatorsArguments),
}

/// `health`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct HealthArguments {
    /// Where to ask, instead of the configuration's address
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
}
