//! Folders of one's own for a user's local data and for temporary files.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

static MADE: AtomicU32 = AtomicU32::new(0);

/// The folder of both.
pub struct Own(PathBuf);

pub fn may_isolate() -> bool {
    true
}

pub fn command(program: &Path) -> (Command, Own) {
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("slabcast-own-{}-{number}", std::process::id()));
    let (local, temp) = (folder.join("local"), folder.join("temp"));
    for folder in [&local, &temp] {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    let mut command = Command::new(program);
    command.env("LOCALAPPDATA", local).env("TEMP", &temp).env("TMP", temp);
    (command, Own(folder))
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
