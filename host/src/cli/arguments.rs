//! The command line's grammar and its help. The help is the first documentation that a newcomer reads: each command
//! says what it does, whether it can change anything, and shows an example.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use chrono::NaiveDate;
use clap::{ArgAction, Args, Parser, Subcommand};

use super::store_arguments::StoreArguments;

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

/// `apply`.
#[derive(Debug, Clone, Args)]
pub struct ApplyArguments {
    /// The plan to apply: its hash, or a unique beginning of at least 8 digits
    #[arg(long, value_name = "HASH", value_parser = hash)]
    pub plan: Option<String>,
    /// Only this group, by name or ID; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<String>,
    /// Approve what is held as well, for the groups given by --group, or else for all
    #[arg(long)]
    pub release_held: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// What is accepted.
    #[command(flatten)]
    pub accepted: Accepted,
}

/// `sync`.
#[derive(Debug, Clone, Args)]
pub struct SyncArguments {
    /// Read everything, not only what changed since everything was read last
    #[arg(long)]
    pub full: bool,
    /// What is accepted.
    #[command(flatten)]
    pub accepted: Accepted,
}

/// What somebody accepts for this one call.
#[derive(Debug, Clone, Args)]
pub struct Accepted {
    /// Go on although bound groups without an email put their people at risk, or JumpCloud's own group management is
    /// still on; as `acknowledge = true` does for good
    #[arg(long)]
    pub acknowledge: bool,
}

/// `undo`.
#[derive(Debug, Clone, Args)]
pub struct UndoArguments {
    /// The run to undo, as `groupcast runs` lists it
    #[arg(value_name = "RUN")]
    pub run: String,
}

/// `why`.
#[derive(Debug, Clone, Args)]
pub struct WhyArguments {
    /// The person: address, user name or ID
    #[arg(value_name = "PERSON")]
    pub person: Option<String>,
    /// The group: name, address or ID
    #[arg(value_name = "GROUP", required = true)]
    pub group: String,
}

/// `runs`.
#[derive(Debug, Clone, Args)]
pub struct RunsArguments {
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
}

/// `replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArguments {
    /// The run, as `groupcast runs` lists it, or a recording's file
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Ask this component in place of the recorded one; the built-in one where no file is given
    #[arg(long, value_name = "FILE", num_args = 0..=1, conflicts_with = "redact")]
    pub against: Option<Option<PathBuf>>,
    /// Write a copy without people's names and addresses to this file, and replay the copy
    #[arg(long, value_name = "FILE")]
    pub redact: Option<PathBuf>,
}

/// `secrets`.
#[derive(Debug, Clone, Args)]
pub struct SecretsArguments {
    /// What to do.
    #[command(subcommand)]
    pub command: SecretsCommand,
}

/// `secrets ...`.
#[derive(Debug, Clone, Subcommand)]
pub enum SecretsCommand {
    /// Store a value: asked for, or read from standard input
    #[command(after_help = "\
One line break at the end of the input is left out. The value is never an argument: other users of the machine can
read arguments. What serves takes the new value up by itself, without a restart.

Example:
  groupcast secrets set jumpcloud
  groupcast secrets set google < key.json
  groupcast secrets set entra --tenant acme --expires 2027-03-31")]
    Set {
        /// The name that the configuration refers to
        #[arg(value_name = "NAME", value_parser = secret_name)]
        name: String,
        /// A tenant of the store, instead of the host
        #[arg(long, value_name = "TENANT", value_parser = tenant_name)]
        tenant: Option<String>,
        /// The day on which it expires at the vendor; `check` and the console warn in time
        #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
        expires: Option<NaiveDate>,
    },
    /// List the names; values are never printed
    #[command(after_help = "\
Example:
  groupcast secrets list
  groupcast secrets list --tenant acme")]
    List {
        /// A tenant of the store, instead of the host
        #[arg(long, value_name = "TENANT", value_parser = tenant_name)]
        tenant: Option<String>,
    },
    /// Remove a value
    #[command(after_help = "\
Example:
  groupcast secrets rm jumpcloud")]
    Rm {
        /// The name
        #[arg(value_name = "NAME", value_parser = secret_name)]
        name: String,
        /// A tenant of the store, instead of the host
        #[arg(long, value_name = "TENANT", value_parser = tenant_name)]
        tenant: Option<String>,
    },
    /// Seal everything by a new key of the host, while it serves
    #[command(after_help = "\
A key in a file or in the kernel's keyring is replaced by a new one. A key in a variable or a systemd credential: put the
new key there on the first line and the old one on the second, run this, then take the old one out. A key in Vault's
transit engine: rotate it there, then run this.

Example:
  groupcast secrets rotate-key")]
    RotateKey,
}

fn tenant_name(text: &str) -> Result<String, String> {
    let fits = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if fits {
        Ok(text.to_owned())
    } else {
        Err("a tenant's name has lower-case letters, digits and `-`, 64 at most".to_owned())
    }
}

fn day(text: &str) -> Result<NaiveDate, String> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| "write the day as 2027-03-31".to_owned())
}

/// `token`.
#[derive(Debug, Clone, Args)]
pub struct TokenArguments {
    /// What to do.
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// `token ...`.
#[derive(Debug, Clone, Subcommand)]
pub enum TokenCommand {
    /// Make a token. It is printed this once, and kept nowhere
    #[command(after_help = "\
Example:
  groupcast token create --name \"Alice's laptop\" --role admin
  groupcast token create --name backup --role viewer --tenant acme --days 90")]
    Create {
        /// What people call it
        #[arg(long, value_name = "NAME")]
        name: String,
        /// What it may do
        #[arg(long, value_name = "ROLE", value_enum)]
        role: RoleArgument,
        /// For this tenant only; else for the whole host
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
        /// For how many days it is good; else until it is revoked
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_650))]
        days: Option<u32>,
    },
    /// List tokens; never the tokens themselves
    #[command(after_help = "\
Example:
  groupcast token list
  groupcast token list --tenant acme --json")]
    List {
        /// Of this tenant only
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
    },
    /// Revoke a token, and end the sessions that began with it
    #[command(after_help = "\
Example:
  groupcast token revoke 5f1c8a2be90d4477")]
    Revoke {
        /// Its ID, as `groupcast token list` lists it
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RoleArgument {
    /// Sees everything but secrets and tokens
    Viewer,
    /// Besides: plans, approves, applies, undoes, pauses, and chooses groups
    Operator,
    /// Besides: connections, secrets, tokens, grants and plugins; of the whole host: tenants
    Admin,
}

/// `plugin`.
#[derive(Debug, Clone, Args)]
pub struct PluginArguments {
    /// What to do.
    #[command(subcommand)]
    pub command: PluginCommand,
}

/// `plugin ...`.
#[derive(Debug, Clone, Subcommand)]
pub enum PluginCommand {
    /// Show what a component imports, exports and says that it needs
    ///
    /// What it imports is all that it can do. It is described by itself only where it imports nothing foreign; then it
    /// runs in the sandbox, with no request allowed.
    #[command(after_help = "\
Ends with 3 where Groupcast would refuse to run the file.

Example:
  groupcast plugin inspect my-sync.wasm")]
    Inspect {
        /// The component file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Keep a component file, by its digest
    ///
    /// It is looked at like by `inspect` first; what Groupcast would refuse to run is not kept. Nothing is granted to it
    /// by that.
    #[command(after_help = "\
Example:
  groupcast plugin add my-sync.wasm")]
    Add {
        /// The component file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Fetch a component from an OCI registry, and keep it
    ///
    /// The reference is pinned by the manifest's digest. A registry that wants a name and a password stands in the
    /// configuration under [[plugins.registries]].
    #[command(after_help = "\
Example:
  groupcast plugin pull oci://ghcr.io/example/sync@sha256:…")]
    Pull {
        /// oci://registry/repository@sha256:…
        #[arg(value_name = "REFERENCE")]
        reference: String,
    },
    /// List the components that are kept
    #[command(after_help = "\
Example:
  groupcast plugin list")]
    List,
    /// Forget a component that is kept
    #[command(after_help = "\
Example:
  groupcast plugin remove 3f1c9a2b")]
    Remove {
        /// Its digest, or the beginning of it
        #[arg(value_name = "DIGEST")]
        digest: String,
    },
    /// Grant a kept component the requests that its manifest asks for, for one tenant or for all
    ///
    /// Only then can a tenant name it as its own. What is granted is shown; requests that are not granted are refused
    /// when they are made.
    #[command(after_help = "\
Example:
  groupcast plugin grant 3f1c9a2b --tenant acme")]
    Grant {
        /// Its digest, or the beginning of it
        #[arg(value_name = "DIGEST")]
        digest: String,
        /// The tenant; without it, every tenant of this host
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
        /// Grant only what reads
        #[arg(long)]
        reads: bool,
    },
    /// Take back what was granted to a component, of one tenant or of all
    ///
    /// Runs that use it begin no more, also of a host that serves; one that is under way goes on to its end.
    #[command(after_help = "\
Example:
  groupcast plugin revoke 3f1c9a2b --tenant acme")]
    Revoke {
        /// Its digest, or the beginning of it
        #[arg(value_name = "DIGEST")]
        digest: String,
        /// The tenant; without it, what was granted to every tenant of this host
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
    },
    /// Compile a component from standard input into this user's cache, within bounds
    #[command(hide = true)]
    Compile {
        /// Bytes of memory that runs may have
        #[arg(long, value_name = "N")]
        memory_bytes: usize,
    },
}

/// `sandbox`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct SandboxArguments {
    /// Check, plan and apply once, then end
    #[arg(long)]
    pub once: bool,
    /// How large the organisation is: `small`, `large`, or USERSxGROUPSxMEMBERSHIPS
    #[arg(long, value_name = "SIZE", default_value = "small")]
    pub size: OrganisationSize,
    /// Serve the console at once, without the story: both directories are connected, and off
    #[arg(long, conflicts_with = "once")]
    pub console: bool,
    /// With an empty store: the console's first visit
    #[arg(long, requires = "console")]
    pub empty: bool,
    /// With so many more tenants in the store: lists as a provider sees them
    #[arg(long, value_name = "NUMBER", requires = "console", conflicts_with = "empty", default_value_t = 0,
        value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub tenants: u32,
}

/// `simulators`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct SimulatorsArguments {
    /// The organisation, as JSON; a small sample without it
    #[arg(long, value_name = "FILE")]
    pub organisation: Option<PathBuf>,
    /// Faults in force from the start, as JSON
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// Where to listen; whoever can connect can change everything
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    pub listen: IpAddr,
    /// Ports for JumpCloud, Google and Entra ID; 0 for any free one
    #[arg(long, value_name = "PORT,PORT,PORT", value_parser = ports)]
    pub ports: Option<[u16; 3]>,
    /// Serve plain HTTP
    #[arg(long)]
    pub no_tls: bool,
}

/// How large a generated organisation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrganisationSize {
    /// The hand-written sample.
    Small,
    /// As large as most get.
    Large,
    /// Given in numbers.
    Exactly {
        /// People.
        users: usize,
        /// Groups.
        groups: usize,
        /// Memberships in all.
        memberships: usize,
    },
}

impl FromStr for OrganisationSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "give small, large, or three numbers such as 5000x300x40000".to_owned();
        match text {
            "small" => return Ok(Self::Small),
            "large" => return Ok(Self::Large),
            _ => {}
        }
        let numbers = text
            .split('x')
            .map(str::parse)
            .collect::<Result<Vec<usize>, _>>()
            .map_err(|_| wrong())?;
        match *numbers.as_slice() {
            [users, groups, memberships] if users > 0 && memberships >= groups => Ok(Self::Exactly {
                users,
                groups,
                memberships,
            }),
            [_, _, _] => Err("there must be people, and at least one membership a group".to_owned()),
            _ => Err(wrong()),
        }
    }
}

fn hash(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    if !(8..=64).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(
            "a plan's hash has 64 hexadecimal digits; give at least the first 8, as `plan` printed them"
                .to_owned(),
        );
    }
    Ok(text)
}

fn ports(text: &str) -> Result<[u16; 3], String> {
    text.split(',')
        .map(str::parse)
        .collect::<Result<Vec<u16>, _>>()
        .ok()
        .and_then(|ports| ports.try_into().ok())
        .ok_or_else(|| "give three numbers such as 8081,8082,8083: JumpCloud, Google, Entra ID".to_owned())
}

fn secret_name(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(fits) {
        return Err(
            "a name has 1 to 64 lower-case letters, digits, dots, dashes or underscores; the value itself is asked for"
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}
