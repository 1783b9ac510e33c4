//! The registry lock of a bus: a named lock the kernel releases when its holder dies.
//!
//! The last member to leave removes the lock's file too, and an opener may hold the removed one: two locks of one
//! name. So after locking it is checked that the path still names the locked file. `named_lock` opens by path and keeps
//! one lock per path in the process; opened through our own descriptor (which keeps the inode from being reused), what
//! it locks is what we check.

use super::place::{Place, PlaceError};
use crate::sync::step;
use named_lock::{NamedLock, NamedLockGuard};
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct RegistryLock {
    lock: NamedLock,
    /// Kept open for as long as `lock` lives: see above.
    anchor: File,
    path: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error("the registry lock was held by another process for all of {0:?}")]
    Busy(Duration),
    #[error("the bus was removed by its last member")]
    Stale,
    /// Its files were removed under living members, and then somebody made another bus of the name.
    #[error("another bus of the same name was made after the files of this one had been removed")]
    Split,
    #[error(transparent)]
    Place(#[from] PlaceError),
}

/// The right to change the registry of one bus.
#[derive(Debug)]
pub(crate) struct Guard {
    _guard: NamedLockGuard,
    /// The anchor outlives what was locked through it.
    _lock: Arc<RegistryLock>,
}

impl RegistryLock {
    pub fn open(place: &Place) -> Result<Arc<RegistryLock>, PlaceError> {
        let path = place.lock();
        let anchor = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(place.mode())
            .custom_flags((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32)
            .open(&path)
            .map_err(|error| PlaceError::io(&path, error))?;
        step("open: lock made");
        if anchor.metadata().is_ok_and(|meta| meta.uid() == rustix::process::geteuid().as_raw()) {
            let _ = anchor.set_permissions(std::fs::Permissions::from_mode(place.mode()));
        }
        place.check(&path, false)?;
        let through = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
        let lock = NamedLock::with_path(format!("{through}/{}", anchor.as_raw_fd()))
            .map_err(|error| PlaceError::io(&path, std::io::Error::other(error)))?;
        Ok(Arc::new(RegistryLock { lock, anchor, path }))
    }

    /// Takes the lock if it is free.
    pub fn try_acquire(self: &Arc<Self>) -> Result<Guard, LockError> {
        match self.lock.try_lock() {
            Ok(guard) if self.is_named() => Ok(Guard { _guard: guard, _lock: self.clone() }),
            Ok(_) => Err(LockError::Stale),
            Err(named_lock::Error::WouldBlock) => Err(LockError::Busy(Duration::ZERO)),
            Err(error) => Err(PlaceError::io(&self.path, std::io::Error::other(error)).into()),
        }
    }

    /// Takes the lock, waiting for at most `within`: a holder needs microseconds, unless it was stopped.
    pub fn acquire(self: &Arc<Self>, within: Duration) -> Result<Guard, LockError> {
        let start = Instant::now();
        let mut pause = Duration::ZERO;
        loop {
            match self.try_acquire() {
                Err(LockError::Busy(_)) if start.elapsed() < within => {
                    if pause.is_zero() {
                        std::thread::yield_now();
                    } else {
                        std::thread::sleep(pause);
                    }
                    pause = (pause * 2).clamp(Duration::from_micros(20), Duration::from_millis(1));
                }
                Err(LockError::Busy(_)) => return Err(LockError::Busy(within)),
                result => return result,
            }
        }
    }

    /// Whether the path still names the file that is locked.
    pub fn is_named(&self) -> bool {
        match (std::fs::symlink_metadata(&self.path), self.anchor.metadata()) {
            (Ok(there), Ok(mine)) => (there.dev(), there.ino()) == (mine.dev(), mine.ino()),
            _ => false,
        }
    }
}
