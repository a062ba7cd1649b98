//! What `sandbox` and `simulators` take. What may not enter: how an organisation of a given size is made.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

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

fn ports(text: &str) -> Result<[u16; 3], String> {
    text.split(',')
        .map(str::parse)
        .collect::<Result<Vec<u16>, _>>()
        .ok()
        .and_then(|ports| ports.try_into().ok())
        .ok_or_else(|| "give three numbers such as 8081,8082,8083: JumpCloud, Google, Entra ID".to_owned())
}
