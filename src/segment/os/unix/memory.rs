//! A POSIX shared memory object: pages under a name, which can go while the pages are in use. What the systems do each in their
//! own way stands in `memory/`:
//!
//! - `create`: an object of that length, mapped, that those may open whom `mode` lets in, whatever the umask. Dropped, it goes.
//! - `is_length`: whether an object of that length is one made for so many bytes.
//! - `reserve`: the memory of these bytes is taken now, as far as the system can: a full one is an error here, not a death at the
//!   first touch.
//! - `populate`: maps the pages these bytes lie in. False: the system does not know how, and faults do.
//! - `give_back`: frees all but the header of memory whose name another user alone can remove, where that can be done. Never by
//!   its length: a page that is gone ends who touches it.
//! - `LISTED`: the folder in which the system shows the objects, if it does.

use super::files::{Whose, careful};
use crate::layout::SEGMENT_OPEN;
use crate::segment::lost::{Holder, label_of};
use crate::segment::mapping::{SegmentError, os_error};
use crate::segment::place::Place;
use crate::segment::sweep::is_ours;
use rustix::fs::Mode;
use rustix::io::Errno;
use shared_memory::{Shmem, ShmemConf};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

#[cfg_attr(any(target_os = "linux", target_os = "android"), path = "memory/linux.rs")]
#[cfg_attr(target_vendor = "apple", path = "memory/apple.rs")]
mod system;
pub use system::populate;
use system::{LISTED, give_back};

pub struct Memory {
    shmem: Shmem,
    /// For reserving more of the same memory later, also when its name is gone.
    memory: File,
}

impl Memory {
    /// Makes an object for those whom the mode lets in, which goes again with what is returned unless that is kept.
    pub fn create(id: &str, bytes: usize, mode: u32) -> Result<Memory, SegmentError> {
        let (shmem, memory) = system::create(id, bytes, mode)?;
        Ok(Memory { shmem, memory })
    }

    /// From here on it stays until it is unlinked.
    pub fn keep(&mut self) {
        self.shmem.set_owner(false);
    }

    /// Maps the object of that name, after a look at whose it is.
    pub fn open(id: &str, place: &Place) -> Result<Memory, SegmentError> {
        let memory = open(id)?;
        let meta = memory.metadata().map_err(|error| os_error(id, error))?;
        let whose = Whose { owner: meta.uid(), group: meta.gid(), mode: meta.mode() };
        // A name that was removed under living members leaves no link: still theirs.
        whose.trust(id, place.is_shared(), meta.nlink() <= 1)?;
        let shmem = ShmemConf::new().os_id(id).open().map_err(|error| os_error(id, error))?;
        if shmem.len() as u64 != meta.len() {
            return Err(SegmentError::Corrupt("its length"));
        }
        Ok(Memory { shmem, memory })
    }

    pub fn id(&self) -> &str {
        self.shmem.get_os_id()
    }
    pub fn len(&self) -> usize {
        self.shmem.len()
    }
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut u8 {
        self.shmem.as_ptr()
    }

    /// Whether it was made for so many bytes.
    pub fn is_for(&self, bytes: usize) -> bool {
        system::is_length(self.len(), bytes)
    }

    /// Takes the memory now, so that a full system is an error here and not a death at the first touch.
    pub fn reserve(&self, offset: usize, bytes: usize) -> Result<(), SegmentError> {
        system::reserve(&self.shmem, &self.memory, offset, bytes)
    }
}

/// Removes a name; those who have the object mapped keep it. False: it belongs to another user (of a shared bus), who alone may;
/// then at least its memory is given back, but for the header: who is still on the way out reads zeros, and finds nothing
/// of its own. Only where nobody lives.
pub fn unlink(id: &str) -> bool {
    if !matches!(rustix::shm::unlink(id), Err(Errno::PERM | Errno::ACCESS)) {
        return true;
    }
    if let Ok(memory) = open(id) {
        give_back(&memory);
    }
    false
}

/// The names of all objects of slabcast's, whosever they are. None where the system lists them nowhere (macOS): a bus whose files
/// are gone is then not found by its memory, only by its members' presence, until they have put them back.
pub fn ids() -> Vec<String> {
    let entries = LISTED.map(std::fs::read_dir).into_iter().flatten().flatten().flatten();
    entries
        .filter_map(|entry| Some(format!("/{}", entry.file_name().to_str()?)))
        .filter(|id| is_ours(id))
        .collect()
}

/// An object as a file to read; None where it is not to be read.
pub fn look_into(id: &str) -> Option<File> {
    OpenOptions::new().read(true).custom_flags(careful()).open(Path::new(LISTED?).join(&id[1..])).ok()
}

/// Whether it is this user's.
pub fn is_mine(memory: &File) -> bool {
    memory.metadata().is_ok_and(|meta| meta.uid() == rustix::process::geteuid().as_raw())
}

/// Who holds memory of a place that has lost its name. As far as /proc reaches: not into other PID namespaces, nor to other
/// users; where there is none (macOS), nobody is found.
pub fn holder(place: &Place) -> Holder {
    let mut holder = Holder::Nobody;
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        match held_by(pid, place) {
            Some(SEGMENT_OPEN) => return Holder::Member(pid),
            Some(_) => holder = Holder::Left,
            None => {}
        }
    }
    holder
}

/// The state of the memory of that place a process holds; open, if it holds several.
fn held_by(pid: u32, place: &Place) -> Option<u32> {
    // Of other users' processes nothing is listed.
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let paths = descriptors.map(|entry| entry.path());
    let memory = paths.filter(|path| std::fs::read_link(path).is_ok_and(is_nameless));
    let labels = memory.filter_map(|path| label_of(&File::open(path).ok()?));
    let states = labels.filter(|label| label.place == place.mark()).map(|label| label.state);
    states.min_by_key(|state| *state != SEGMENT_OPEN)
}

fn is_nameless(target: PathBuf) -> bool {
    let target = target.to_string_lossy();
    let id = LISTED.and_then(|folder| target.strip_prefix(folder)?.strip_suffix(" (deleted)"));
    id.is_some_and(is_ours)
}

fn open(id: &str) -> Result<File, SegmentError> {
    let opened = rustix::shm::open(id, rustix::shm::OFlags::RDWR, Mode::empty());
    opened.map(File::from).map_err(|error| os_error(id, error))
}

#[cfg(all(test, not(loom)))]
#[allow(unsafe_code)] // a look at the bytes
mod tests {
    use super::*;

    const BYTES: usize = 3 * 4096;

    fn id(number: u32) -> String {
        crate::segment::memory_id(u64::from(std::process::id()) << 32 | u64::from(number))
    }

    #[test]
    fn an_object_has_its_length_its_mode_and_bytes_of_0_and_goes_when_it_is_dropped() {
        for (number, mode) in [(1, 0o600), (2, 0o660)] {
            let id = id(number);
            let memory = Memory::create(&id, BYTES, mode).expect("created");
            assert!(memory.is_for(BYTES) && !memory.is_for(BYTES / 3) && !memory.is_for(9 * BYTES));
            memory.reserve(4096, 2 * 4096).expect("reserved");
            let meta = open(&id).expect("opened").metadata().expect("a look");
            assert_eq!((meta.len(), meta.mode() & 0o777), (memory.len() as u64, mode));
            // SAFETY: the mapping is as long as asserted, and nobody else knows its name.
            let bytes = unsafe { std::slice::from_raw_parts(memory.as_ptr(), BYTES) };
            assert!(bytes.iter().all(|byte| *byte == 0));
            drop(memory);
            assert!(matches!(open(&id), Err(SegmentError::Gone(_))));
        }
    }

    #[test]
    fn there_are_no_two_objects_of_one_name_and_who_failed_leaves_the_first_alone() {
        let id = id(3);
        let _one = Memory::create(&id, BYTES, 0o600).expect("created");
        assert!(Memory::create(&id, BYTES, 0o600).is_err());
        assert!(open(&id).is_ok());
    }
}
