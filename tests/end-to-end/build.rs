//! Builds the components that mean harm, which the tests of the sandbox load.

#[path = "../../host/build/component.rs"]
mod component;

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result};

fn main() {
    if let Err(error) = build() {
        println!("cargo::error={}", format!("{error:#}").replace('\n', " "));
        std::process::exit(1);
    }
}

fn build() -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR")?)
        .ancestors()
        .nth(2)
        .context("the tests lie in the workspace")?
        .to_path_buf();
    for watched in ["tests/hostile", "wit", "host/build/component.rs", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    let encoded = component::component(&root, &out, "groupcast-hostile")?;
    let component = out.join("hostile.wasm");
    // Never written in place: a target folder can be a copy by hard links, and then this would change everybody's.
    match std::fs::remove_file(&component) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot replace {}", component.display()));
        }
        _ => {}
    }
    std::fs::write(&component, encoded).with_context(|| format!("cannot write {}", component.display()))
}
