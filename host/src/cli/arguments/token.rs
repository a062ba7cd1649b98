//! The grammar of `token ...`. What may not enter: what a role may do, which the service says.

use clap::{Args, Subcommand};

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
