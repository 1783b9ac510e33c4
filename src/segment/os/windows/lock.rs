//! A mutex of the kernel, by a name made of the bus' place: there is one, as long as anybody has it open, so that nobody can
//! hold a removed one. A thread that dies leaves it to the next, who is not told so. It is the acquiring thread's, who must
//! give it back.
#![allow(unsafe_code)] // calls of the system

use crate::segment::place::{Place, PlaceError};
use crate::windows::wide;
use named_lock::{Error, NamedLock, NamedLockGuard};
use std::io;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_DIRECTORY, GetFileAttributesW, INVALID_FILE_ATTRIBUTES,
};

#[derive(Debug)]
pub(crate) struct Lock {
    lock: NamedLock,
    /// As the system takes it.
    folder: Vec<u16>,
}

impl Lock {
    pub fn open(place: &Place) -> Result<Lock, PlaceError> {
        let lock = NamedLock::create(&format!("slabcast-{:016x}-registry", place.mark()))
            .map_err(|error| PlaceError::io(place.folder(), plain(error)))?;
        Ok(Lock { lock, folder: wide(&place.folder().to_string_lossy()) })
    }

    pub fn try_lock(&self) -> named_lock::Result<NamedLockGuard> {
        self.lock.try_lock()
    }

    /// Whether it is the lock that others find who open the bus now. It always is; but the folder it stands for may have been
    /// removed before it was taken.
    pub fn is_named(&self) -> bool {
        // SAFETY: the path ends with NUL. One call, where std opens what is there: this is asked with every lock.
        let found = unsafe { GetFileAttributesW(self.folder.as_ptr()) };
        found != INVALID_FILE_ATTRIBUTES && found & FILE_ATTRIBUTE_DIRECTORY != 0
    }
}

/// The system's error: it arrives as an HRESULT, which std does not know.
fn plain(error: Error) -> io::Error {
    const OF_WINDOWS: u32 = 0x8007_0000;
    match error {
        Error::CreateFailed(error) => match error.raw_os_error().map(|code| code as u32) {
            Some(code) if code & 0xFFFF_0000 == OF_WINDOWS => {
                io::Error::from_raw_os_error((code & 0xFFFF) as i32)
            }
            _ => error,
        },
        error => io::Error::other(error),
    }
}
