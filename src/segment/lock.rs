//! The registry lock of a bus: a named lock the system releases when its holder dies. Half an entry may stand in the registry
//! then: every step of a change is one that the next holder can begin again, or find undone.

use super::os::lock::Lock;
use super::place::{Place, PlaceError};
use named_lock::NamedLockGuard;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct RegistryLock {
    lock: Lock,
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

/// The right to change the registry of one bus: of the thread that took it, which gives it back.
#[derive(Debug)]
pub(crate) struct Guard {
    _guard: NamedLockGuard,
    /// What was locked is kept open.
    _lock: Arc<RegistryLock>,
}

impl RegistryLock {
    pub fn open(place: &Place) -> Result<Arc<RegistryLock>, PlaceError> {
        Ok(Arc::new(RegistryLock { lock: Lock::open(place)?, path: place.lock() }))
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

    /// Whether it is the lock that others find who open the bus now.
    pub fn is_named(&self) -> bool {
        self.lock.is_named()
    }
}
