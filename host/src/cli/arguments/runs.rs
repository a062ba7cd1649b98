//! What the commands take that look at a sync, do it, undo it, explain it or replay it. What may not enter: what a command
//! does; the grammar of commands that have commands of their own, which is in a room each.

use std::path::PathBuf;

use clap::Args;

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
