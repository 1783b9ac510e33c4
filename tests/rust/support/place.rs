//! Where buses and their memory lie.

#![allow(dead_code)] // each target uses what it needs

use std::path::{Path, PathBuf};

/// The folder that `root` and memory lie in.
#[cfg(unix)]
fn parent() -> PathBuf {
    if cfg!(target_os = "linux") { "/dev/shm".into() } else { "/tmp".into() }
}
#[cfg(windows)]
fn parent() -> PathBuf {
    std::env::var_os("LOCALAPPDATA").expect("the user's local data").into()
}

/// The folder of all buses of this user.
fn root() -> PathBuf {
    #[cfg(unix)]
    return parent().join(format!("slabcast-{}", rustix::process::geteuid().as_raw()));
    #[cfg(windows)]
    return parent().join("slabcast");
}

/// The folder of a bus; of its name the file system takes every letter as it is.
pub fn folder_of(bus: &str) -> PathBuf {
    root().join(bus)
}

/// The memory of that id, as a file.
pub fn memory_of(id: &str) -> PathBuf {
    let folder = if cfg!(windows) { root() } else { parent() };
    folder.join(id.trim_start_matches('/'))
}

/// Every file and folder of slabcast's, whosever. On Windows those in the one folder that all lie in count for it.
pub fn left() -> Vec<PathBuf> {
    let names = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let ours =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("slabcast"));
    let found: Vec<PathBuf> = names(&parent()).into_iter().filter(ours).collect();
    if cfg!(unix) {
        return found;
    }
    // What the crate `shared_memory` makes for itself.
    let other = std::env::temp_dir().join("shared_memory-rs");
    let inside = found.iter().flat_map(|folder| names(folder));
    inside
        .chain(found.iter().filter(|folder| names(folder).is_empty()).cloned())
        .chain(other.exists().then_some(other))
        .collect()
}
