//! A named semaphore of the kernel, of at most one post: to one more it answers that it is full, and a wake-up is there
//! already. It has no file, so that none can be removed. Its name is made of the path that names the member elsewhere
//! and of a random number, which stands in shared memory that this user alone can read; its security descriptor lets
//! nobody else in.
//!
//! A wait takes the post; it is put back at once, for emptying is the reader's.
#![allow(unsafe_code)] // the system's calls

use super::Sleeper;
use crate::sync::step;
use crate::windows::{UserOnly, owned, wide};
use std::io;
#[cfg(any(feature = "node", test))]
use std::os::windows::io::RawHandle;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::path::Path;
use std::ptr::null_mut;
use std::time::Duration;
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_FILE_NOT_FOUND, ERROR_INVALID_HANDLE,
    ERROR_PATH_NOT_FOUND, ERROR_TOO_MANY_POSTS, GetLastError, SetLastError, WAIT_OBJECT_0, WAIT_TIMEOUT,
};
use windows_sys::Win32::System::Threading::{
    CreateSemaphoreW, INFINITE, OpenSemaphoreW, ReleaseSemaphore, SEMAPHORE_MODIFY_STATE, WaitForSingleObject,
};

/// Where the kernel looks names up: for all sessions of this machine, so that a service and its user's desktop meet; or, where
/// that is refused (a process in a container of applications), for this session.
const SPACES: [&str; 2] = ["Global", "Local"];
/// Random numbers that are tried: that one is taken is next to impossible.
const TRIES: u32 = 8;

/// The sleeper's end.
#[derive(Debug)]
pub(crate) struct Semaphore {
    handle: OwnedHandle,
    number: u32,
}

impl Semaphore {
    /// For this user alone, whatever the mode: there is no group to share it with.
    pub fn create(path: &Path, _mode: u32) -> io::Result<Semaphore> {
        let mut refused = io::Error::from(io::ErrorKind::AlreadyExists);
        for _ in 0..TRIES {
            let number = getrandom::u32()?;
            for space in SPACES {
                match make(&name(space, path, number)) {
                    Ok(Some(handle)) => {
                        step("semaphore: made");
                        return Ok(Semaphore { handle, number });
                    }
                    Ok(None) => break,
                    Err(error) if is(&error, &[ERROR_ACCESS_DENIED, ERROR_PATH_NOT_FOUND]) => refused = error,
                    Err(error) => return Err(error),
                }
            }
        }
        Err(refused)
    }

    /// Takes every post there is.
    pub fn empty(&self) {
        wait(&self.handle, 0);
    }

    /// Waits for a post; false when `timeout` went by without one.
    pub fn wait(&self, timeout: Duration) -> bool {
        // Not less than what was asked for: its unit is ms. As long as it can be told, if that is not enough.
        let ms = timeout.as_nanos().div_ceil(1_000_000);
        match wait(&self.handle, u32::try_from(ms).unwrap_or(INFINITE).min(INFINITE - 1)) {
            WAIT_TIMEOUT => return false,
            WAIT_OBJECT_0 => {
                post(self.handle.as_handle());
            }
            // A wait that failed counts as a wake-up: the caller looks, and sleeps again.
            _ => {}
        }
        true
    }

    /// What makes its name one that nobody guesses: others need it to come to it.
    pub fn descriptor(&self) -> u32 {
        self.number
    }

    /// Posts to oneself.
    #[cfg(feature = "node")]
    pub fn post(&self) {
        post(self.handle.as_handle());
    }

    /// What another thread waits for.
    #[cfg(any(feature = "node", test))]
    pub fn waitable(&self) -> Waitable {
        Waitable(self.handle.as_raw_handle())
    }
}

/// A semaphore, as its number in this process.
#[cfg(any(feature = "node", test))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waitable(RawHandle);

#[cfg(any(feature = "node", test))]
// SAFETY: it stands for something of the process, not of a thread.
unsafe impl Send for Waitable {}

#[cfg(any(feature = "node", test))]
impl Waitable {
    /// # Safety
    /// The semaphore is there for as long as what is returned.
    pub(super) unsafe fn borrow<'semaphore>(self) -> BorrowedHandle<'semaphore> {
        // SAFETY: passed on from this function's own contract.
        unsafe { BorrowedHandle::borrow_raw(self.0) }
    }
}

/// A poster's end. As long as it is open the semaphore is there, whether or not somebody sleeps on it.
#[derive(Debug)]
pub(crate) struct Poster {
    semaphore: OwnedHandle,
}

impl Poster {
    /// Who has one open does not learn that the sleeper is gone: the kernel keeps what anybody holds. Liveness tells.
    #[cfg(test)]
    pub const LEARNS_OF_THE_GONE: bool = false;

    /// None when there is no such semaphore, hence nobody sleeps on it; an error when that cannot be told now.
    pub fn open(path: &Path, sleeper: &Sleeper) -> io::Result<Option<Poster>> {
        let mut refused = None;
        for space in SPACES {
            let name = wide(&name(space, path, sleeper.descriptor));
            // SAFETY: the name ends with NUL.
            match owned(unsafe { OpenSemaphoreW(SEMAPHORE_MODIFY_STATE, 0, name.as_ptr()) }) {
                Ok(semaphore) => return Ok(Some(Poster { semaphore })),
                // The last one: something else has the name, and nothing is posted to that.
                Err(error)
                    if is(&error, &[ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND, ERROR_INVALID_HANDLE]) => {}
                Err(error) => refused = Some(error),
            }
        }
        refused.map_or(Ok(None), Err)
    }

    /// False when nobody is there to be woken, as far as that is known.
    pub fn post(&self) -> bool {
        post(self.semaphore.as_handle())
    }
}

fn name(space: &str, path: &Path, number: u32) -> String {
    let path = xxhash_rust::xxh3::xxh3_64(path.as_os_str().as_encoded_bytes());
    format!("{space}\\slabcast-{path:016x}-{number:08x}")
}

/// None: something of that name is there already, whosever it is.
fn make(name: &str) -> io::Result<Option<OwnedHandle>> {
    let (user_only, name) = (UserOnly::new()?, wide(name));
    // SAFETY: descriptor and name are there until the call returns. What there was of an error before does not count.
    let (handle, error) = unsafe {
        SetLastError(0);
        let handle = CreateSemaphoreW(&user_only.attributes(), 0, 1, name.as_ptr());
        (handle, GetLastError())
    };
    match owned(handle) {
        Ok(_) if error == ERROR_ALREADY_EXISTS => Ok(None),
        Ok(handle) => Ok(Some(handle)),
        Err(_) if error == ERROR_INVALID_HANDLE => Ok(None),
        Err(_) => Err(io::Error::from_raw_os_error(error as i32)),
    }
}

fn wait(semaphore: &OwnedHandle, ms: u32) -> u32 {
    // SAFETY: the handle is open.
    unsafe { WaitForSingleObject(semaphore.as_raw_handle(), ms) }
}

pub(super) fn post(semaphore: BorrowedHandle<'_>) -> bool {
    // SAFETY: the handle is open. Full: a wake-up is waiting to be taken.
    unsafe {
        ReleaseSemaphore(semaphore.as_raw_handle(), 1, null_mut()) != 0
            || GetLastError() == ERROR_TOO_MANY_POSTS
    }
}

fn is(error: &io::Error, codes: &[u32]) -> bool {
    error.raw_os_error().is_some_and(|code| codes.contains(&(code as u32)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_one_path_are_not_the_same() {
        let path = std::env::temp_dir().join(format!("slabcast-named-{}", std::process::id()));
        let [one, other] = [(); 2].map(|()| Semaphore::create(&path, 0o600).expect("create"));
        let poster = Poster::open(&path, &Sleeper::on(&one)).expect("open").expect("a sleeper");
        assert!(poster.post());
        assert!(one.wait(Duration::ZERO) && !other.wait(Duration::ZERO));
    }

    #[test]
    fn it_lets_in_this_user_alone() {
        let path = std::env::temp_dir().join(format!("slabcast-mine-{}", std::process::id()));
        let semaphore = Semaphore::create(&path, 0o600).expect("create");
        let me = crate::windows::user_sid().expect("a SID");
        assert_eq!(crate::windows::lets_in(&semaphore.handle), Some(vec![me.to_owned()]));
    }

    #[test]
    fn a_name_that_is_taken_is_not_shared() {
        let name = name("Local", Path::new("taken"), std::process::id());
        let _taken = make(&name).expect("made").expect("it is new");
        assert!(make(&name).expect("asked").is_none());
    }
}
