//! A file lock. The last member to leave removes the lock's file too, and an opener may hold the removed one: two locks of
//! one name. So after locking it is checked that the path still names the locked file. `named_lock` opens by path and keeps
//! one lock per path in the process; opened through our own descriptor (which keeps the inode from being reused), what
//! it locks is what we check.

use super::files;
use crate::segment::place::{Place, PlaceError};
use crate::sync::step;
use named_lock::{NamedLock, NamedLockGuard};
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

#[derive(Debug)]
pub(crate) struct Lock {
    lock: NamedLock,
    /// Kept open for as long as `lock` lives: see above.
    anchor: File,
    place: Place,
}

impl Lock {
    pub fn open(place: &Place) -> Result<Lock, PlaceError> {
        let path = place.lock();
        let anchor = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(place.mode())
            .custom_flags(files::careful())
            .open(&path)
            .map_err(|error| PlaceError::io(&path, error))?;
        step("open: lock made");
        if anchor.metadata().is_ok_and(|meta| meta.uid() == rustix::process::geteuid().as_raw()) {
            let _ = files::permit(&anchor, place.mode());
        }
        files::check(&path, false, place.is_shared())?;
        let through = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
        let lock = NamedLock::with_path(format!("{through}/{}", anchor.as_raw_fd()))
            .map_err(|error| PlaceError::io(&path, std::io::Error::other(error)))?;
        Ok(Lock { lock, anchor, place: place.clone() })
    }

    pub fn try_lock(&self) -> named_lock::Result<NamedLockGuard> {
        self.lock.try_lock()
    }

    /// Whether it is the lock that others find who open the bus now: whether the path still names the file.
    pub fn is_named(&self) -> bool {
        match (std::fs::symlink_metadata(self.place.lock()), self.anchor.metadata()) {
            (Ok(there), Ok(mine)) => (there.dev(), there.ino()) == (mine.dev(), mine.ino()),
            _ => false,
        }
    }
}
