//! Builds the guest for wasm32 and makes a component of it, which the binary embeds.
//!
//! `GROUPCAST_COMPONENT=FILE` takes a component that was built before.
//!
//! The component also lies beside the program, as `target/<profile>/groupcast.wasm`, for other hosts to load.

#[path = "build/component.rs"]
mod component;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

fn main() {
    if let Err(error) = build() {
        // One line that cargo shows as an error, not a backtrace.
        println!("cargo::error={}", format!("{error:#}").replace('\n', " "));
        std::process::exit(1);
    }
}

fn build() -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR")?)
        .parent()
        .context("the host crate lies in the workspace")?
        .to_path_buf();
    println!("cargo::rerun-if-changed=build/component.rs");
    for watched in ["guest/src", "guest/Cargo.toml", "wit", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    println!("cargo::rerun-if-env-changed=GROUPCAST_COMPONENT");

    let component = out.join("groupcast.wasm");
    // Never written in place: a target folder can be a copy by hard links, and then this would change everybody's.
    match std::fs::remove_file(&component) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot replace {}", component.display()));
        }
        _ => {}
    }
    if let Some(ready) = env::var_os("GROUPCAST_COMPONENT") {
        std::fs::copy(&ready, &component).with_context(|| {
            format!(
                "GROUPCAST_COMPONENT names {}, which cannot be read",
                Path::new(&ready).display()
            )
        })?;
        return lay_out(&out, &component);
    }
    let encoded = component::component(&root, &out, "groupcast-guest")?;
    std::fs::write(&component, encoded).with_context(|| format!("cannot write {}", component.display()))?;
    lay_out(&out, &component)
}

/// Puts the component where people find it: beside the program. Written under another name and renamed, since builds of
/// several profiles or features may do it at once, and a reader must never see half of it.
fn lay_out(out: &Path, component: &Path) -> Result<()> {
    let folder = out
        .ancestors()
        .nth(3)
        .context("OUT_DIR lies in a target folder")?;
    let half = folder.join(format!(".groupcast.wasm.{}", std::process::id()));
    let whole = folder.join("groupcast.wasm");
    std::fs::copy(component, &half)
        .and_then(|_| std::fs::rename(&half, &whole))
        .with_context(|| format!("cannot write {}", whole.display()))
}
