//! The grammar of `plugin ...`. What may not enter: the judgement of a component.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
