//! Holds the house in order: the arrows between rooms, the one seam to atomics, and where unsafe may be.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// (room, path, text) of every source file; its tests are cut off.
fn rooms() -> Vec<(String, String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&src, &mut paths);
    let rooms = paths.into_iter().map(|path| {
        let relative = path.strip_prefix(&src).expect("inside").to_string_lossy().replace('\\', "/");
        let room = relative.split(['/', '.']).next().expect("a name").to_owned();
        let text = fs::read_to_string(&path).expect("text");
        let text = text.split("mod tests {").next().expect("a part").to_owned();
        (room, relative, text)
    });
    rooms.collect()
}

/// What each room may name of the crate.
fn allowed(room: &str) -> &'static [&'static str] {
    match room {
        "error" | "windows" => &[],
        // In tests alone: the steps at which a thread of a model, or a process, may die.
        "sync" => &["death", "kill_points"],
        "layout" => &["sync"],
        "segment" | "wake" => &["layout", "sync", "windows"],
        "slab" | "ring" => &["layout", "sync"],
        // Its entries are made, retired and counted against the slab's floor.
        "registry" => &["layout", "sync", "slab"],
        "reap" => &["layout", "sync", "ring", "registry"],
        "bus" => &["layout", "sync", "slab", "ring", "registry", "segment", "wake", "reap", "error"],
        "node" => &["bus", "registry", "error", "windows"],
        "lib" => &["bus", "error"],
        other => panic!("a room ARCHITECTURE.md does not know: {other}"),
    }
}

#[test]
fn the_arrows_between_rooms_point_one_way() {
    let mut wrong = Vec::new();
    for (room, path, text) in rooms() {
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for named in line.split("crate::").skip(1) {
                let target: String =
                    named.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                if target != room && !allowed(&room).contains(&target.as_str()) {
                    wrong.push(format!("{path} -> {target}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "arrows the house does not have:\n{}", wrong.join("\n"));
}

#[test]
fn atomics_come_through_sync_alone() {
    for (room, path, text) in rooms() {
        assert!(room == "sync" || !text.contains("std::sync::atomic"), "{path} names std's atomics");
    }
}

#[test]
fn unsafe_stands_only_where_it_is_allowed_by_name() {
    for (_, path, text) in rooms() {
        let code: Vec<_> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .filter(|l| l.contains("unsafe "))
            .collect();
        let may = path.starts_with("segment/mapping")
            || path.starts_with("segment/os/")
            || path == "sync/copy.rs"
            || path.starts_with("bus/clock")
            || path == "windows.rs"
            || path.starts_with("wake/")
            || path.starts_with("node/");
        assert!(may || code.is_empty(), "{path}: {code:?}");
    }
}

/// Clippy says so of the code it sees: that of this system.
#[test]
fn nothing_is_left_open_in_the_body_of_any_system() {
    for (_, path, text) in rooms() {
        for open in [".unwrap()", "todo!(", "unimplemented!("] {
            assert!(!text.contains(open), "{path}: {open}");
        }
    }
}
