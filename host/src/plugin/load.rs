//! Loading a component file: nothing of it runs before its size, kind, imports and exports are known to be right.

use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use wasmparser::{Encoding, Parser, Payload};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};

use super::bindings::SyncPre;
use super::engine::PluginEngine;
use super::error::PluginError;
use super::state::{RunState, add_to_linker};

/// The component that the binary carries.
pub const EMBEDDED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/groupcast.wasm"));

/// Bytes that a plugin file may have: compiling is the one thing that wasmtime does not bound.
pub const LARGEST_PLUGIN: u64 = 32 << 20;

/// Everything that world `sync` lets a component import.
pub const ALLOWED_IMPORTS: &[&str] = &[
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:http/types",
    "wasi:http/outgoing-handler",
    "groupcast:sync/types",
    "groupcast:sync/plan-sink",
    "groupcast:sync/plan-source",
    "groupcast:sync/ledger",
    "groupcast:sync/state",
    "groupcast:sync/progress",
];

/// A component, compiled and linked, of which any number of fresh instances can be made.
pub struct Plugin {
    /// Lower-case hexadecimal SHA-256 of the component's bytes.
    pub digest: String,
    /// Where it came from, for a person.
    pub origin: String,
    pub(super) pre: SyncPre<RunState>,
    /// Its bytes, if it is somebody else's: it runs in a process of its own, which is handed them.
    pub(super) foreign: Option<Bytes>,
    /// Whether its last run computed little and broke no bounds: the next one may begin on quick threads.
    quick: AtomicBool,
}

impl Plugin {
    /// The embedded component.
    ///
    /// # Errors
    /// As for [`Plugin::from_bytes`].
    pub fn embedded(engine: &PluginEngine) -> Result<Self, PluginError> {
        Self::from_bytes(engine, EMBEDDED, "the built-in component")
    }

    /// A component file.
    ///
    /// # Errors
    /// [`PluginError`] says what is wrong with the file.
    pub fn from_file(engine: &PluginEngine, path: &Path) -> Result<Self, PluginError> {
        let bytes = read_file(path)?;
        Self::from_bytes(engine, &bytes, &path.display().to_string())
    }

    /// A component's bytes; `origin` names them in errors.
    ///
    /// # Errors
    /// [`PluginError`] says what is wrong with them.
    pub fn from_bytes(engine: &PluginEngine, bytes: &[u8], origin: &str) -> Result<Self, PluginError> {
        let path = origin.to_owned();
        require_sound(bytes, origin)?;
        let component = Component::new(engine.engine(), bytes).map_err(|error| PluginError::Invalid {
            path: path.clone(),
            reason: format!("{error:#}"),
        })?;
        let foreign: Vec<String> = imports(engine, &component)
            .into_iter()
            .filter(|name| !is_allowed(name))
            .collect();
        if !foreign.is_empty() {
            return Err(PluginError::ForeignImports {
                path,
                imports: foreign,
            });
        }
        let mut linker = Linker::new(engine.engine());
        add_to_linker(&mut linker).map_err(|error| PluginError::Engine(format!("{error:#}")))?;
        let pre = linker
            .instantiate_pre(&component)
            .map_err(|error| PluginError::Invalid {
                path: path.clone(),
                reason: format!("{error:#}"),
            })?;
        let pre = SyncPre::new(pre).map_err(|error| PluginError::MissingExport {
            path,
            reason: format!("{error:#}"),
        })?;
        Ok(Self {
            digest: hex::encode(Sha256::digest(bytes)),
            origin: origin.to_owned(),
            pre,
            foreign: (bytes != EMBEDDED).then(|| Bytes::copy_from_slice(bytes)),
            quick: AtomicBool::new(false),
        })
    }

    /// Whether it is the component that this program carries.
    pub fn is_built_in(&self) -> bool {
        static BUILT_IN: LazyLock<String> = LazyLock::new(|| hex::encode(Sha256::digest(EMBEDDED)));
        self.digest == *BUILT_IN
    }

    /// Whether a run may begin on quick threads. What one tenant's run of the built-in component came to is nothing that
    /// another's should wait for.
    pub(super) fn is_quick(&self) -> bool {
        self.quick.load(Ordering::Relaxed) || self.is_built_in()
    }

    pub(super) fn earned(&self, quick: bool) {
        self.quick.store(quick, Ordering::Relaxed);
    }
}

/// A component's outside, without running any of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// Lower-case hexadecimal SHA-256 of the bytes.
    pub digest: String,
    /// Bytes.
    pub size: u64,
    /// Names of its imports, each with whether world `sync` names it.
    pub imports: Vec<(String, bool)>,
    /// Names of its exports.
    pub exports: Vec<String>,
}

/// Looks at a component file from outside.
///
/// # Errors
/// [`PluginError`] if it is no component.
pub fn inspect(engine: &PluginEngine, bytes: &[u8], origin: &str) -> Result<Outside, PluginError> {
    require_sound(bytes, origin)?;
    let component = Component::new(engine.engine(), bytes).map_err(|error| PluginError::Invalid {
        path: origin.to_owned(),
        reason: format!("{error:#}"),
    })?;
    let imports = imports(engine, &component)
        .into_iter()
        .map(|name| {
            let allowed = is_allowed(&name);
            (name, allowed)
        })
        .collect();
    let exports = component
        .component_type()
        .exports(engine.engine())
        .map(|(name, _)| name.to_owned())
        .collect();
    Ok(Outside {
        digest: hex::encode(Sha256::digest(bytes)),
        size: bytes.len() as u64,
        imports,
        exports,
    })
}

/// Reads a plugin file within [`LARGEST_PLUGIN`].
///
/// # Errors
/// [`PluginError::Unreadable`] or [`PluginError::TooLarge`].
pub fn read_file(path: &Path) -> Result<Vec<u8>, PluginError> {
    let unreadable = |error: std::io::Error| PluginError::Unreadable {
        path: path.display().to_string(),
        reason: error.to_string(),
    };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > LARGEST_PLUGIN {
        return Err(PluginError::TooLarge {
            path: path.display().to_string(),
            size,
            limit: LARGEST_PLUGIN,
        });
    }
    std::fs::read(path).map_err(unreadable)
}

fn require_component(bytes: &[u8], origin: &str) -> Result<(), PluginError> {
    let path = origin.to_owned();
    if bytes.len() as u64 > LARGEST_PLUGIN {
        return Err(PluginError::TooLarge {
            path,
            size: bytes.len() as u64,
            limit: LARGEST_PLUGIN,
        });
    }
    match Parser::new(0).parse_all(bytes).next() {
        Some(Ok(Payload::Version {
            encoding: Encoding::Component,
            ..
        })) => Ok(()),
        Some(Ok(Payload::Version {
            encoding: Encoding::Module,
            ..
        })) => Err(PluginError::NotComponent { path }),
        Some(Err(error)) if bytes.starts_with(b"\0asm") => Err(PluginError::Invalid {
            path,
            reason: error.to_string(),
        }),
        _ => Err(PluginError::NotWasm { path }),
    }
}

/// What can be told from the bytes alone: that they are a component, and one that can be compiled in its time.
pub(super) fn require_sound(bytes: &[u8], origin: &str) -> Result<(), PluginError> {
    require_component(bytes, origin)?;
    super::cost::judge(bytes).map_err(|reason| PluginError::TooCostly {
        path: origin.to_owned(),
        reason,
    })
}

fn imports(engine: &PluginEngine, component: &Component) -> Vec<String> {
    component
        .component_type()
        .imports(engine.engine())
        .map(|(name, item)| match item.ty {
            ComponentItem::ComponentInstance(_) => name.to_owned(),
            _ => format!("{name} (not an interface)"),
        })
        .collect()
}

/// Versions are matched by the linker, as semver within 0.2 and 0.1; the name is matched here.
fn is_allowed(import: &str) -> bool {
    let name = import.split_once('@').map_or(import, |(name, _)| name);
    ALLOWED_IMPORTS.contains(&name)
}
