//! Builds a crate of this workspace for wasm32 and makes a component of it. Build scripts take it in by its path: the
//! host's, which embeds the guest, and those of tests that bring components of their own.
//!
//! rustup's own wasm32 standard library is used where it is installed. Where it is not (a toolchain from a
//! distribution, or no network), Debian's compiler with the standard library's sources builds the library
//! too. `make guest-toolchain` installs whichever of the two can be had.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "guest";
/// The first release whose standard library the guest's dependencies build against.
const OLDEST_COMPILER: (u32, u32) = (1, 91);

/// The component that a package of the workspace at `root` makes; `out` is the build script's own folder.
pub fn component(root: &Path, out: &Path, package: &str) -> Result<Vec<u8>> {
    println!("cargo::rerun-if-env-changed=GROUPCAST_GUEST_RUSTC");
    let module = build(root, out, package)?;
    let bytes = std::fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .context("the guest module carries no component type")?
        .encode()
        .context("the guest module does not make a component")
}

/// A compiler that can build the guest, and what it must be told.
struct Toolchain {
    cargo: OsString,
    rustc: OsString,
    build_std: bool,
}

fn build(root: &Path, out: &Path, package: &str) -> Result<PathBuf> {
    let toolchain = choose_toolchain()?;
    // A target folder of its own, since cargo holds a lock on the outer one while this script runs; beside the
    // outer profiles, so that all of them share it.
    let target_dir = out
        .ancestors()
        .nth(4)
        .context("OUT_DIR lies in a target folder")?
        .join("guest");
    let mut cargo = Command::new(&toolchain.cargo);
    cargo
        .current_dir(root)
        .args(["build", "--locked", "--package", package, "--lib"]);
    cargo
        .args(["--profile", PROFILE, "--target", TARGET])
        .arg("--target-dir")
        .arg(&target_dir);
    // What cargo set for this script's own build must not leak into the guest's.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_")
            && text != "CARGO_HOME"
            && !text.starts_with("CARGO_REGISTRIES")
            && !text.starts_with("CARGO_NET")
            && !text.starts_with("CARGO_HTTP")
            && !text.starts_with("CARGO_SOURCE")
            || [
                "RUSTFLAGS",
                "RUSTC_WRAPPER",
                "RUSTC_WORKSPACE_WRAPPER",
                "RUSTDOC",
                "RUSTUP_TOOLCHAIN",
            ]
            .contains(&&*text)
        {
            cargo.env_remove(&name);
        }
    }
    cargo.env("RUSTC", &toolchain.rustc);
    if toolchain.build_std {
        cargo
            .env("RUSTC_BOOTSTRAP", "1")
            .arg("-Zbuild-std=std,panic_abort");
        // Debian's compiler brings no linker for wasm; the toolchain that runs this script does.
        let tools = sysroot(&env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))?
            .join("lib/rustlib")
            .join(env::var("HOST").context("cargo sets HOST")?)
            .join("bin");
        let mut path = vec![tools];
        path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        cargo.env(
            "PATH",
            env::join_paths(path).context("PATH holds a folder with a colon in its name")?,
        );
    }
    let status = cargo
        .status()
        .with_context(|| format!("cannot run {}", Path::new(&toolchain.cargo).display()))?;
    if !status.success() {
        bail!("the guest did not build; its errors stand above");
    }
    Ok(target_dir
        .join(TARGET)
        .join(PROFILE)
        .join(format!("{}.wasm", package.replace('-', "_"))))
}

fn choose_toolchain() -> Result<Toolchain> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    if sysroot(&rustc)?
        .join("lib/rustlib")
        .join(TARGET)
        .join("lib")
        .is_dir()
    {
        return Ok(Toolchain {
            cargo: env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
            rustc,
            build_std: false,
        });
    }
    let rustc: OsString = env::var_os("GROUPCAST_GUEST_RUSTC").unwrap_or_else(|| "/usr/bin/rustc".into());
    let cargo = Path::new(&rustc).with_file_name("cargo");
    let has_sources = sysroot(&rustc)
        .map(|root| root.join("lib/rustlib/src/rust/library/std/Cargo.toml").is_file())
        .unwrap_or(false);
    if has_sources && cargo.is_file() && version(&rustc).is_some_and(|version| version >= OLDEST_COMPILER) {
        return Ok(Toolchain {
            cargo: cargo.into_os_string(),
            rustc,
            build_std: true,
        });
    }
    bail!(
        "the Rust standard library for {TARGET} is not installed: run `make guest-toolchain`, then build again"
    )
}

fn sysroot(rustc: &OsString) -> Result<PathBuf> {
    let output = Command::new(rustc)
        .args(["--print", "sysroot"])
        .env_remove("RUSTUP_TOOLCHAIN")
        .output()
        .with_context(|| format!("cannot run {}", Path::new(rustc).display()))?;
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

fn version(rustc: &OsString) -> Option<(u32, u32)> {
    let output = Command::new(rustc).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.split_whitespace().nth(1)?.split('.').map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
