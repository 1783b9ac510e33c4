//! A file that is mapped: Windows keeps its pages in memory, and writes them to the disk only when it needs the room. It lies
//! in the folder of the user's buses. Its whole size is taken from the disk when it is made, for a page that finds no room
//! later would be lost.
//!
//! `shared_memory` keeps such files in the folder for temporary files, which is one for each environment, not for each user;
//! and anybody may clear it. A full path as an id leads elsewhere. It is also the name of the mapping in this session: so it
//! has slashes, for a backslash would name a folder of the kernel's.

use super::files;
use crate::segment::lost::Holder;
use crate::segment::mapping::{NoSpace, SegmentError, os_error};
use crate::segment::place::Place;
use crate::segment::sweep::{is_ours, memory_id};
use crate::sync::step;
use shared_memory::{Shmem, ShmemConf, ShmemError};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::windows::fs::OpenOptionsExt;
use std::path::PathBuf;
use windows_sys::Win32::Foundation::{ERROR_DISK_FULL, ERROR_HANDLE_DISK_FULL};
use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_FLAG_DELETE_ON_CLOSE, FILE_FLAG_OPEN_REPARSE_POINT,
};

/// The folder is there for longer than it takes to make a file in it, or it is somebody's who removes it all the time.
const TRIES: u32 = 32;

pub struct Memory {
    // Unmapped before the rest is dropped.
    shmem: Shmem,
    file: Remains,
}

impl Memory {
    /// Makes a file, which goes again with what is returned unless that is kept. There is nobody else to let in.
    pub fn create(id: &str, bytes: usize, _mode: u32) -> Result<Memory, SegmentError> {
        let path = path_of(id).map_err(|error| os_error(id, error))?;
        let file = Remains { id: id.to_owned(), kept: false };
        let mut tries = 1..TRIES;
        let mut shmem = loop {
            files::make_folder(&files::root(false), false).map_err(|error| os_error(id, error))?;
            let error = match ShmemConf::new().os_id(&path).size(bytes).create() {
                Ok(shmem) => break shmem,
                Err(ShmemError::MapCreateFailed(ERROR_DISK_FULL | ERROR_HANDLE_DISK_FULL)) => {
                    return Err(NoSpace { needed: bytes as u64, available: files::free_bytes() }.into());
                }
                Err(error) => os_error(id, error),
            };
            // Whose memory was the last in it has removed the folder since.
            if !matches!(error, SegmentError::Gone(_)) || tries.next().is_none() {
                return Err(error);
            }
        };
        // It would remove it in a way of its own.
        shmem.set_owner(false);
        step("create: made");
        Ok(Memory { shmem, file })
    }

    /// From here on it stays until it is unlinked.
    pub fn keep(&mut self) {
        self.file.kept = true;
    }

    /// Maps the file of that name, after a look at whose it is.
    pub fn open(id: &str, place: &Place) -> Result<Memory, SegmentError> {
        let path = path_of(id).map_err(|error| os_error(id, error))?;
        match files::check(path.as_ref(), false, place.is_shared()) {
            Err(error) if error.is_gone() => return Err(SegmentError::Gone(id.to_owned())),
            checked => checked?,
        }
        let bytes = std::fs::metadata(&path).map_err(|error| os_error(id, error))?.len();
        let shmem = ShmemConf::new().os_id(path).open().map_err(|error| os_error(id, error))?;
        if shmem.len() as u64 != bytes {
            return Err(SegmentError::Corrupt("its length"));
        }
        Ok(Memory { shmem, file: Remains { id: id.to_owned(), kept: true } })
    }

    pub fn id(&self) -> &str {
        &self.file.id
    }
    pub fn len(&self) -> usize {
        self.shmem.len()
    }
    /// Whether it was made for so many bytes.
    pub fn is_for(&self, bytes: usize) -> bool {
        self.len() == bytes
    }
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut u8 {
        self.shmem.as_ptr()
    }

    /// It was reserved when it was made.
    pub fn reserve(&self, _offset: usize, _bytes: usize) -> Result<(), SegmentError> {
        Ok(())
    }
}

/// The file on the disk, once it is not mapped any more.
struct Remains {
    id: String,
    kept: bool,
}

impl Drop for Remains {
    fn drop(&mut self) {
        if !self.kept {
            unlink(&self.id);
        }
        // A file that was unlinked while it was mapped has gone only now, and who then removed its folder could not. Nothing
        // happens to one that is not empty.
        let _ = std::fs::remove_dir(files::root(false));
        // What `shared_memory` makes, though nothing lies there.
        let _ = std::fs::remove_dir(std::env::temp_dir().join("shared_memory-rs"));
    }
}

/// Removes a name; those who have the file mapped keep it, and it goes with the last of them. False: somebody has it open in a
/// way that does not allow that, or it is another user's.
pub fn unlink(id: &str) -> bool {
    let Ok(path) = path_of(id) else { return true };
    // Its name stays until the last one closes it: so it first gets one that nobody knows. It is a name as memory has it, by
    // which a sweep finds what is there though all who had it are gone: after a crash of the machine. In this order, for Wine
    // removes what has the name that it was opened by.
    let other = getrandom::u64().ok().and_then(|random| path_of(&memory_id(random)).ok());
    let nameless = other.filter(|other| std::fs::rename(&path, other).is_ok());
    let closing = OpenOptions::new()
        .access_mode(DELETE)
        .custom_flags(FILE_FLAG_DELETE_ON_CLOSE | FILE_FLAG_OPEN_REPARSE_POINT)
        .open(nameless.as_ref().unwrap_or(&path));
    match closing {
        Ok(_closed_at_once) => true,
        Err(error) => nameless.is_some() || error.kind() == ErrorKind::NotFound,
    }
}

/// To ask for pages ahead brings them into memory, where these are from the start, and not into the process.
pub fn populate(_start: *const u8, _bytes: usize) -> bool {
    false
}

/// The names of all files of slabcast's memory.
pub fn ids() -> Vec<String> {
    let entries = std::fs::read_dir(files::root(false)).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some(format!("/{}", entry.file_name().to_str()?)))
        .filter(|id| is_ours(id))
        .collect()
}

/// Memory as a file to read; None where it is not to be read.
pub fn look_into(id: &str) -> Option<File> {
    OpenOptions::new().read(true).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(path_of(id).ok()?).ok()
}

/// Whether it is this user's.
pub fn is_mine(memory: &File) -> bool {
    files::is_mine(memory)
}

/// Who holds memory of a place that has lost its name: it does not, as long as somebody holds it.
pub fn holder(_place: &Place) -> Holder {
    Holder::Nobody
}

fn path_of(id: &str) -> io::Result<String> {
    let path: PathBuf = files::root(false).join(&id[1..]);
    match path.to_str() {
        Some(path) => Ok(path.replace('\\', "/")),
        None => Err(io::Error::new(ErrorKind::InvalidInput, format!("{} is not Unicode", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_can_be_made_while_the_folder_goes_with_that_of_others() {
        let make = || {
            for _ in 0..50 {
                let id = memory_id(getrandom::u64().expect("a number"));
                drop(Memory::create(&id, 4096, 0o600).map_err(|error| error.to_string()).expect("made"));
            }
        };
        let threads = [(); 4].map(|()| std::thread::spawn(make));
        for thread in threads {
            thread.join().expect("no panic");
        }
    }
}
