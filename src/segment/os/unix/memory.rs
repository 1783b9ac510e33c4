//! A POSIX shared memory object: pages of a memory file system under a name, which can go while the pages are in use.

use super::files::{PARENT, Whose, careful};
use crate::layout::SEGMENT_OPEN;
use crate::segment::lost::{Holder, label_of};
use crate::segment::mapping::{NoSpace, SegmentError, os_error};
use crate::segment::place::Place;
use crate::segment::sweep::is_ours;
use rustix::fd::OwnedFd;
use rustix::fs::{FallocateFlags, Mode};
use rustix::io::Errno;
use shared_memory::{Shmem, ShmemConf};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub struct Memory {
    shmem: Shmem,
    /// For reserving more of the same memory later, also when its name is gone.
    memory: OwnedFd,
}

impl Memory {
    /// Makes an object, which goes again with what is returned unless that is kept.
    pub fn create(id: &str, bytes: usize) -> Result<Memory, SegmentError> {
        let shmem = ShmemConf::new().os_id(id).size(bytes).create().map_err(|error| os_error(id, error))?;
        let memory = open(id)?;
        Ok(Memory { shmem, memory })
    }

    /// Lets in whom the mode lets in.
    pub fn permit(&self, mode: u32) -> Result<(), SegmentError> {
        rustix::fs::fchmod(&self.memory, Mode::from_raw_mode(mode))
            .map_err(|error| os_error(self.id(), error))
    }

    /// From here on it stays until it is unlinked.
    pub fn keep(&mut self) {
        self.shmem.set_owner(false);
    }

    /// Maps the object of that name, after a look at whose it is.
    pub fn open(id: &str, place: &Place) -> Result<Memory, SegmentError> {
        let memory = open(id)?;
        let stat = rustix::fs::fstat(&memory).map_err(|error| os_error(id, error))?;
        // A name that was removed under living members leaves no link: still theirs.
        Whose { owner: stat.st_uid, group: stat.st_gid, mode: stat.st_mode as u32 }.trust(
            id,
            place.is_shared(),
            stat.st_nlink <= 1,
        )?;
        let shmem = ShmemConf::new().os_id(id).open().map_err(|error| os_error(id, error))?;
        if shmem.len() as u64 != stat.st_size as u64 {
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

    /// Takes the memory now, so that a full file system is an error here and not a SIGBUS at the first touch.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn reserve(&self, offset: usize, bytes: usize) -> Result<(), SegmentError> {
        loop {
            match rustix::fs::fallocate(&self.memory, FallocateFlags::empty(), offset as u64, bytes as u64) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(Errno::NOSPC) => return Err(self.no_space(bytes as u64).into()),
                Err(error) => return Err(os_error(self.id(), error)),
            }
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn no_space(&self, needed: u64) -> NoSpace {
        let available = rustix::fs::fstatvfs(&self.memory).map_or(0, |fs| fs.f_bavail * fs.f_frsize);
        NoSpace { needed, available }
    }

    /// Elsewhere shared memory objects are swap-backed and never short of a file system's space.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub fn reserve(&self, _offset: usize, _bytes: usize) -> Result<(), SegmentError> {
        Ok(())
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

/// Asks for the pages some bytes lie in, for reading: whoever then writes finds them mapped for that too, shared as they are, and
/// to ask for writing takes four times as long. False: the system does not know how.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[allow(unsafe_code)]
pub fn populate(start: *const u8, bytes: usize) -> bool {
    use rustix::mm::{Advice, madvise};
    const PAGE: usize = 4096;
    let before = start as usize % PAGE;
    // SAFETY: the pages of a mapping of ours; what is in them stays.
    let asked = unsafe {
        madvise(start.byte_sub(before).cast_mut().cast(), before + bytes, Advice::LinuxPopulateRead)
    };
    asked.is_ok()
}
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn populate(_start: *const u8, _bytes: usize) -> bool {
    false
}

/// The names of all objects of slabcast's, whosever they are.
pub fn ids() -> Vec<String> {
    let entries = std::fs::read_dir(PARENT).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some(format!("/{}", entry.file_name().to_str()?)))
        .filter(|id| is_ours(id))
        .collect()
}

/// An object as a file to read; None where it is not to be read.
pub fn look_into(id: &str) -> Option<File> {
    OpenOptions::new().read(true).custom_flags(careful()).open(Path::new(PARENT).join(&id[1..])).ok()
}

/// Whether it is this user's.
pub fn is_mine(memory: &File) -> bool {
    memory.metadata().is_ok_and(|meta| meta.uid() == rustix::process::geteuid().as_raw())
}

/// Who holds memory of a place that has lost its name. As far as /proc reaches: not into other PID namespaces, nor to other
/// users.
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
    target.strip_prefix(PARENT).and_then(|id| id.strip_suffix(" (deleted)")).is_some_and(is_ours)
}

fn open(id: &str) -> Result<OwnedFd, SegmentError> {
    rustix::shm::open(id, rustix::shm::OFlags::RDWR, Mode::empty()).map_err(|error| os_error(id, error))
}

/// Never by its length: a page that is gone ends who touches it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn give_back(memory: &OwnedFd) {
    const HEADER_PAGE: u64 = 4096;
    let bytes = rustix::fs::fstat(memory).map_or(0, |stat| stat.st_size as u64);
    if bytes > HEADER_PAGE {
        let holes = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let _ = rustix::fs::fallocate(memory, holes, HEADER_PAGE, bytes - HEADER_PAGE);
    }
}
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn give_back(_memory: &OwnedFd) {}
