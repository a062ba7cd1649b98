//! The grammar of `secrets ...`. What may not enter: a secret's value, which is never an argument.

use chrono::NaiveDate;
use clap::{Args, Subcommand};

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
