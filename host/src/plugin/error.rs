//! Why a plugin does not load, and how a run of one can end badly: who is to blame is part of the error.

use std::time::Duration;

use groupcast_guest::failure::Failure;
use serde::{Deserialize, Serialize};

use super::violation::Violation;

/// Why a plugin file cannot be used. Nothing of it has run.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// wasmtime does not run here.
    #[error("the sandbox cannot be set up on this machine: {0}")]
    Engine(String),
    /// The file cannot be read.
    #[error("{path}: cannot be read ({reason}); give the path of a component file")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's reason.
        reason: String,
    },
    /// Larger than a plugin may be.
    #[error("{path}: {size} bytes are more than the {limit} that a plugin may have; is it a component?")]
    TooLarge {
        /// The file.
        path: String,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// Not WebAssembly at all.
    #[error("{path}: is no WebAssembly file; give a component such as groupcast.wasm")]
    NotWasm {
        /// The file.
        path: String,
    },
    /// A core module.
    #[error(
        "{path}: is a WebAssembly core module, not a component; make a component of it first (wasm-tools component new)"
    )]
    NotComponent {
        /// The file.
        path: String,
    },
    /// Damaged or of an unknown version.
    #[error("{path}: is no valid component: {reason}")]
    Invalid {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Imports that the world does not name.
    #[error(
        "{path}: imports {}, which Groupcast gives to no plugin; a sync component may import only what world \
         `groupcast:sync/sync@0.1.0` names (wit/world.wit)", imports.join(", ")
    )]
    ForeignImports {
        /// The file.
        path: String,
        /// What it asks for.
        imports: Vec<String>,
    },
    /// Compiling it would take, or took, more than a component's share.
    #[error("{path}: {reason}; nothing of it was run")]
    TooCostly {
        /// The file.
        path: String,
        /// What was too much.
        reason: String,
    },
    /// The folder of components cannot be used.
    #[error(
        "{path}: cannot keep components ({reason}); set plugins.folder to a folder that only this user can write to"
    )]
    Folder {
        /// The folder.
        path: String,
        /// Why.
        reason: String,
    },
    /// A text that is no digest.
    #[error("{0:?} is no component's digest; give the SHA-256 that `groupcast plugin list` shows")]
    NoDigest(String),
    /// A digest that no component has, or several.
    #[error(
        "no component, or more than one, has the digest {0}; `groupcast plugin list` shows those that are kept"
    )]
    Unknown(String),
    /// A file that is not what it is named for.
    #[error(
        "{path}: was changed since it was kept (its SHA-256 is {found}); remove it and add the component again"
    )]
    Tampered {
        /// The file.
        path: String,
        /// Its digest now.
        found: String,
    },
    /// A reference that could mean something else tomorrow.
    #[error("{0}: is not pinned; write oci://registry/repository@sha256:… with the manifest's digest")]
    NotPinned(String),
    /// A registry did not give the component.
    #[error("{reference}: cannot be pulled: {reason}")]
    Pull {
        /// The reference.
        reference: String,
        /// Why.
        reason: String,
    },
    /// Exports that are missing or of another version.
    #[error(
        "{path}: does not export groupcast:sync/directory-sync@0.1.0 ({reason}); it was built for another world"
    )]
    MissingExport {
        /// The file.
        path: String,
        /// What was found.
        reason: String,
    },
}

/// Whose fault a run's bad end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The plugin's.
    Guest,
    /// The host's or its surroundings'.
    Host,
}

/// How a run of a plugin ended badly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum RunError {
    /// The plugin reported a failure, as it should.
    #[error("{0}")]
    Failed(Failure),
    /// The plugin broke its bounds.
    #[error("{0}")]
    Violation(Violation),
    /// The run took too long, and not by the plugin's fault alone.
    #[error("the run took more than {0:?} and was stopped; raise limits.wall_seconds if the vendor is slow")]
    WallLimit(Duration),
    /// The run was cancelled.
    #[error("the run was cancelled before its next step")]
    Cancelled,
    /// The host could not start it.
    #[error("the host could not start the run: {0}")]
    Host(String),
}

impl RunError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Violation(_) => Blame::Guest,
            Self::Failed(_) | Self::WallLimit(_) | Self::Cancelled | Self::Host(_) => Blame::Host,
        }
    }
}
