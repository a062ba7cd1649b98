//! Where compiled components are kept from one call of the program to the next: compiling takes seconds, and every
//! command that runs the component would wait for it. wasmtime's own cache does the work; it is keyed by the component's
//! bytes, the engine's settings and wasmtime's version.
//!
//! What lies in the cache is machine code that this process will run, so a folder that anybody else could write to is
//! never used: then the component is compiled each time, and that is all.

use std::path::{Path, PathBuf};

use wasmtime::{Cache, CacheConfig};

/// Bytes that the cache may grow to before the oldest entries go. One component has some ten million.
const LARGEST_CACHE: u64 = 256 << 20;

/// The cache; none where there is no folder of this user's own for it.
pub(super) fn cache() -> Option<Cache> {
    let folder = own_folder()?;
    match open(&folder) {
        Ok(cache) => Some(cache),
        Err(reason) => {
            tracing::debug!(folder = %folder.display(), %reason, "compiled components are not kept");
            None
        }
    }
}

/// Whether there is a folder for them.
pub(super) fn is_kept() -> bool {
    own_folder().is_some_and(|folder| open(&folder).is_ok())
}

/// The folder that they are in, if there is to be one.
pub(super) fn own_folder() -> Option<PathBuf> {
    folder(|name| std::env::var_os(name))
}

/// systemd's `CacheDirectory=`, else the user's own cache folder (XDG base directory specification).
fn folder(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    let path = |name: &str| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    path("CACHE_DIRECTORY")
        .or_else(|| Some(path("XDG_CACHE_HOME")?.join("groupcast")))
        .or_else(|| Some(path("HOME")?.join(".cache").join("groupcast")))
        .map(|folder| folder.join("compiled"))
}

fn open(folder: &Path) -> Result<Cache, String> {
    create_private(folder).map_err(|error| error.to_string())?;
    require_own(folder)?;
    let mut config = CacheConfig::new();
    config.with_directory(folder);
    config.with_files_total_size_soft_limit(LARGEST_CACHE);
    Cache::new(config).map_err(|error| format!("{error:#}"))
}

pub(super) fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(unix)]
pub(super) fn require_own(folder: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::symlink_metadata(folder).map_err(|error| error.to_string())?;
    if !found.is_dir() {
        return Err("it is no folder".to_owned());
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err("it belongs to another user".to_owned());
    }
    if found.mode() & 0o022 != 0 {
        return Err("others can write to it".to_owned());
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn require_own(_: &Path) -> Result<(), String> {
    Err("whose it is cannot be told on this system".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Option<PathBuf> {
        folder(|wanted| {
            let found = pairs.iter().find(|(name, _)| *name == wanted)?;
            Some(found.1.into())
        })
    }

    #[test]
    fn the_folder_is_the_services_own_or_the_users() {
        let all = [
            ("CACHE_DIRECTORY", "/var/cache/g"),
            ("XDG_CACHE_HOME", "/x"),
            ("HOME", "/h"),
        ];
        assert_eq!(of(&all), Some("/var/cache/g/compiled".into()));
        assert_eq!(of(&all[1..]), Some("/x/groupcast/compiled".into()));
        assert_eq!(of(&all[2..]), Some("/h/.cache/groupcast/compiled".into()));
        assert_eq!(of(&[("XDG_CACHE_HOME", "relative")]), None);
        assert_eq!(of(&[]), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_can_write_to_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("compiled");
        assert!(open(&folder).is_ok());
        assert_eq!(
            std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
            0o700
        );
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(open(&folder).unwrap_err(), "others can write to it");

        let link = place.path().join("link");
        std::os::unix::fs::symlink(place.path(), &link).unwrap();
        assert_eq!(open(&link).unwrap_err(), "it is no folder");
    }
}
