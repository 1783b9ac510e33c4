//! The files of a living bus are where openers look for them: what somebody removed under its members is put back, as far
//! as it can be. Memory that has lost its name cannot; then the pointer says at least that the bus is there.

use super::shared::{Membership, Shared};
use crate::layout::Identity;
use crate::segment::{Guard, LockError, PlaceError, RegistryLock, Witness, read_text};
use crate::sync::step;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

/// How long the bookkeeping of once a second waits for the registry lock.
const BRIEFLY: Duration = Duration::from_millis(2);

/// Where the bus' pointer leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pointer {
    Here,
    Gone,
    /// To another bus of the same name, made when this one's files were gone.
    Elsewhere,
    /// It cannot be read now.
    Unknown,
}

impl Shared {
    pub(super) fn pointer(&self) -> Pointer {
        match read_text(&self.place.pointer()) {
            Ok(id) if id == self.segment.id() => Pointer::Here,
            Ok(_) => Pointer::Elsewhere,
            Err(error) if error.kind() == ErrorKind::NotFound => Pointer::Gone,
            Err(_) => Pointer::Unknown,
        }
    }

    /// Whether what lies in the folder is this bus'. Where that cannot be told, nothing of it is touched.
    pub(super) fn owns_files(&self) -> bool {
        matches!(self.pointer(), Pointer::Here | Pointer::Gone)
    }

    /// The right to change the registry. A member lives, so that a lock file that is gone was removed from outside, and is
    /// made anew.
    pub fn lock_registry(&self, wait: Duration) -> Result<Guard, LockError> {
        let start = Instant::now();
        let lock = self.lock();
        match lock.acquire(wait) {
            // Closed: another that saw everybody leave has removed the bus.
            Err(LockError::Stale) if self.segment.is_open() => {}
            result => return result,
        }
        loop {
            let left = wait.saturating_sub(start.elapsed());
            match self.renew_lock(left) {
                // It was removed once more.
                Err(LockError::Stale) if !left.is_zero() => std::thread::yield_now(),
                Err(LockError::Place(error)) if error.is_gone() && !left.is_zero() => {
                    std::thread::yield_now()
                }
                Err(LockError::Busy(_)) => return Err(LockError::Busy(wait)),
                result => return result,
            }
        }
    }

    fn renew_lock(&self, wait: Duration) -> Result<Guard, LockError> {
        self.place.ensure()?;
        let renewed = RegistryLock::open(&self.place)?;
        let guard = renewed.acquire(wait)?;
        if self.pointer() == Pointer::Elsewhere {
            // That lock is the other bus'.
            return Err(LockError::Split);
        }
        self.set_lock(renewed);
        Ok(guard)
    }

    /// Looks whether the files are there, and puts back what is not. An error: another bus bears the name by now.
    pub fn keep_files(&self, membership: &mut Membership) -> Result<(), LockError> {
        match self.pointer() {
            Pointer::Elsewhere => return Err(LockError::Split),
            Pointer::Gone => self.put_pointer_back()?,
            Pointer::Here | Pointer::Unknown => {}
        }
        if !self.lock().is_named() {
            drop(self.lock_registry(BRIEFLY)?);
        }
        let lock = self.place.member_lock(membership.number);
        if std::fs::symlink_metadata(&lock).is_err_and(|error| error.kind() == ErrorKind::NotFound)
            && let Ok(witness) = Witness::create(&lock, Identity::mine(), self.place.mode())
        {
            membership.witness = witness;
            step("files: witnessed");
        }
        Ok(())
    }

    fn put_pointer_back(&self) -> Result<(), LockError> {
        let _guard = self.lock_registry(BRIEFLY)?;
        // Another member may have been faster.
        if self.pointer() == Pointer::Gone {
            let told = self.place.note(self.segment.id()).and_then(|()| {
                step("files: noted");
                self.place.point()
            });
            step("files: named");
            told.map_err(|error| PlaceError::io(&self.place.pointer(), error))?;
        }
        Ok(())
    }
}
