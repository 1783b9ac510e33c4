//! macOS: objects are anonymous memory with a name, backed by swap. They lie in no file system: no folder shows them, no space of
//! one runs out, and the calls for files (fchmod, F_PREALLOCATE, F_PUNCHHOLE) refuse them. Their length is set once, and is
//! then whole pages.
#![allow(unsafe_code)] // touching pages

use crate::segment::mapping::{SegmentError, os_error};
use crate::sync::step;
use rustix::fs::Mode;
use rustix::shm::OFlags;
use shared_memory::{Shmem, ShmemConf};
use std::fs::File;
use std::os::unix::fs::MetadataExt;

/// Nothing lists them.
pub const LISTED: Option<&str> = None;

/// By our own call, for the mode: `shared_memory` has none to choose, and it cannot be changed later.
pub fn create(id: &str, bytes: usize, mode: u32) -> Result<(Shmem, File), SegmentError> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
    let memory = rustix::shm::open(id, flags, Mode::from_raw_mode(mode as _));
    let memory = File::from(memory.map_err(|error| os_error(id, error))?);
    step("create: made");
    let sized = memory.set_len(bytes as u64).and_then(|()| memory.metadata());
    let opened = sized.map_err(|error| os_error(id, error)).and_then(|meta| {
        if meta.mode() & mode != mode {
            let denied = format!("this process' umask keeps mode {mode:o} from it");
            return Err(SegmentError::Os { id: id.to_owned(), error: std::io::Error::other(denied) });
        }
        ShmemConf::new().os_id(id).open().map_err(|error| os_error(id, error))
    });
    match opened {
        Ok(mut shmem) => {
            shmem.set_owner(true);
            Ok((shmem, memory))
        }
        Err(error) => {
            let _ = rustix::shm::unlink(id);
            Err(error)
        }
    }
}

pub fn is_length(length: usize, bytes: usize) -> bool {
    length == bytes.next_multiple_of(rustix::param::page_size())
}

/// By a look at each page, the only way there is: a page that was looked at is there, zeros, until the memory goes.
pub fn reserve(shmem: &Shmem, _memory: &File, offset: usize, bytes: usize) -> Result<(), SegmentError> {
    let end = offset.saturating_add(bytes).min(shmem.len());
    let page = rustix::param::page_size();
    let mut at = offset;
    while at < end {
        // SAFETY: inside the mapping. What others may write there meanwhile is a byte as good as another: it is dropped.
        unsafe { shmem.as_ptr().add(at).read_volatile() };
        at = (at / page + 1) * page;
    }
    Ok(())
}

pub fn populate(_start: *const u8, _bytes: usize) -> bool {
    false
}

/// It stays until its owner sweeps: see `Place::note_owed`.
pub fn give_back(_memory: &File) {}
