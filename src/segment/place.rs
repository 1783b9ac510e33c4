//! Where a bus lives in the file system: one folder per user, in it one folder per bus with the registry lock, the
//! pointer to the segment, and for each member a lock and a semaphore.
//!
//! ```text
//! /dev/shm/slabcast-<uid>/            0700   (a shared bus, mode 0660: slabcast-g<gid>, 02770)
//!     <bus name>/
//!         registry.lock               locked to change the registry, to open and to leave
//!         segment                     the name of the shared memory object; appears when that is complete
//!         segment.new                 the same, while it is being built
//!         <member number>.lock        locked while that member lives
//!         <member number>.fifo        what that member sleeps on
//!         <memory object>.owed        of a shared bus: memory that its owner alone can remove
//! ```
//!
//! On Windows the folder of a user's buses is `%LOCALAPPDATA%\slabcast`, and holds the memory objects, too; a lock that has no
//! file needs none, nor has a semaphore one.
//!
//! Nothing here is found by a name another user could have taken first: the folders' owner and permissions are
//! checked, and the memory object's name is random.

use super::os::files;
use crate::sync::step;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Another user's file or folder stands where ours should be, or ours is open to more people than asked for.
#[derive(Debug, thiserror::Error)]
#[error("{found}")]
pub(crate) struct Stranger {
    /// What stands there, whose it is, and what was expected.
    pub found: String,
    pub owner: files::Owner,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error(transparent)]
    Stranger(#[from] Stranger),
    #[error("{path}: {error}")]
    Io { path: String, error: io::Error },
}

impl PlaceError {
    pub fn io(path: &Path, error: io::Error) -> PlaceError {
        PlaceError::Io { path: path.display().to_string(), error }
    }
    pub fn is_gone(&self) -> bool {
        matches!(self, PlaceError::Io { error, .. } if error.kind() == ErrorKind::NotFound)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Place {
    root: PathBuf,
    folder: PathBuf,
    /// Of the segment, semaphores and locks: 0600, or 0660 to share with the group.
    mode: u32,
}

/// More than our text files hold.
const SHORT: u64 = 256;

/// The text of one of the small files below, whatever stands there: waits for no writer of a FIFO, follows no link, and
/// reads no more than such a file holds.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    read_short(&files::open(path)?)
}

/// As `read_text`, of an open file. What is no UTF-8 is none of our texts either way.
pub(crate) fn read_short(file: &File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(SHORT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Place {
    /// The bus of that name. The name was checked: it cannot leave the folder.
    pub fn new(name: &str, mode: u32) -> Place {
        debug_assert!(!name.contains('/') && name != "." && name != "..");
        let root = files::root(mode & 0o070 != 0);
        Place { folder: root.join(files::folder_name(name)), root, mode }
    }

    #[cfg(all(test, not(loom)))]
    pub fn in_folder(folder: &Path) -> Place {
        Place { root: folder.to_owned(), folder: folder.to_owned(), mode: 0o600 }
    }

    /// Tells this place from others where no path is at hand: in the segment itself.
    pub fn mark(&self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(self.folder.as_os_str().as_encoded_bytes())
    }
    pub fn mode(&self) -> u32 {
        self.mode
    }
    pub fn folder(&self) -> &Path {
        &self.folder
    }
    pub fn root(&self) -> &Path {
        &self.root
    }
    pub fn lock(&self) -> PathBuf {
        self.folder.join("registry.lock")
    }
    pub fn pointer(&self) -> PathBuf {
        self.folder.join("segment")
    }
    pub fn pointer_in_making(&self) -> PathBuf {
        self.folder.join("segment.new")
    }
    pub fn member_lock(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{number}.lock"))
    }
    pub fn member_semaphore(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{number}.fifo"))
    }

    /// Notes the id of a memory object that is about to be made, so that a death on the way leaves nothing unknown.
    pub fn note(&self, id: &str) -> io::Result<()> {
        let making = self.pointer_in_making();
        let _ = files::remove(&making);
        let mut file = files::create(&making, self.mode)?;
        step("create: noting");
        files::permit(&file, self.mode)?;
        file.write_all(id.as_bytes())
    }
    /// Lets the pointer name what was noted.
    pub fn point(&self) -> io::Result<()> {
        files::rename(&self.pointer_in_making(), &self.pointer())
    }

    /// The note that this memory object, by its name, is to be removed.
    fn owed(&self, memory: &str) -> PathBuf {
        self.folder.join(format!("{memory}.owed"))
    }
    pub fn note_owed(&self, memory: &str) -> io::Result<()> {
        let note = files::create_or_empty(&self.owed(memory), self.mode)?;
        files::permit(&note, self.mode)
    }
    /// All such notes: the ids they name, and their paths.
    pub fn all_owed(&self) -> Vec<(String, PathBuf)> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let named = entries.filter_map(|entry| {
            let name = entry.file_name();
            Some((format!("/{}", name.to_str()?.strip_suffix(".owed")?), entry.path()))
        });
        named.collect()
    }

    /// Another bus of the same user.
    pub fn sibling(&self, folder: PathBuf) -> Place {
        Place { root: self.root.clone(), folder, mode: self.mode }
    }

    /// Makes both folders if they are missing and checks whose they are.
    pub fn ensure(&self) -> Result<(), PlaceError> {
        for folder in [&self.root, &self.folder] {
            files::make_folder(folder, self.is_shared()).map_err(|e| PlaceError::io(folder, e))?;
            step("open: folder made");
            self.check(folder, true)?;
        }
        Ok(())
    }

    pub fn is_shared(&self) -> bool {
        self.mode & 0o070 != 0
    }

    /// Refuses what is not ours: another owner (in a shared bus: another group), links, wider permissions.
    pub fn check(&self, path: &Path, folder: bool) -> Result<(), PlaceError> {
        files::check(path, folder, self.is_shared())
    }

    /// The files of members, by number, that lie in the folder. An error says nothing about who is there.
    pub fn member_files(&self) -> io::Result<Vec<(u32, PathBuf)>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let name = name.strip_suffix(".new").unwrap_or(name);
            let Some(number) = name.strip_suffix(".lock").or(name.strip_suffix(".fifo")) else { continue };
            if let Ok(number) = number.parse() {
                files.push((number, entry.path()));
            }
        }
        Ok(files)
    }

    /// The same user's folder of the other kind: of the buses shared with the group, or of those that are not.
    pub fn other_root(&self) -> Place {
        let mode = if self.is_shared() { 0o600 } else { 0o660 };
        Place { folder: PathBuf::new(), ..Place::new("", mode) }
    }

    /// Removes the folders, if nothing is left in them.
    pub fn remove_folders(&self) {
        let _ = std::fs::remove_dir(&self.folder);
        step("remove: folder gone");
        let _ = std::fs::remove_dir(&self.root);
    }
}
