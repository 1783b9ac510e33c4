//! A named FIFO as a semaphore. The sleeper holds it open for reading and writing (so that it never sees an end of
//! file), posters for writing only, without blocking: with no sleeper left, opening fails, and a full pipe is a wake-up
//! that is already there.
#![allow(unsafe_code)] // a descriptor in another thread's hands

use super::{Sleeper, is_removed};
use crate::sync::step;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
#[cfg(any(feature = "node", test))]
use rustix::fd::RawFd;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The sleeper's end.
#[derive(Debug)]
pub(crate) struct Semaphore {
    fifo: OwnedFd,
}

impl Semaphore {
    pub fn create(path: &Path, mode: u32) -> io::Result<Semaphore> {
        let mode = Mode::from_raw_mode(mode as _);
        make(path, mode)?;
        step("semaphore: made");
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fifo = rustix::fs::open(path, flags, Mode::empty())?;
        // The umask may have taken from what the group was to get.
        rustix::fs::fchmod(&fifo, mode)?;
        Ok(Semaphore { fifo })
    }

    /// Takes every post there is.
    pub fn empty(&self) {
        let mut bytes = [0; 256];
        loop {
            match rustix::io::read(&self.fifo, &mut bytes) {
                Ok(n) if n == bytes.len() => continue,
                Err(Errno::INTR) => continue,
                _ => return,
            }
        }
    }

    /// Waits for a post; false when `timeout` went by without one.
    pub fn wait(&self, timeout: Duration) -> bool {
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos() as _ };
        let mut fds = [PollFd::new(&self.fifo, PollFlags::IN)];
        // An interrupted wait counts as a wake-up: the caller looks, and sleeps again.
        !matches!(poll(&mut fds, Some(&timeout)), Ok(0))
    }

    /// Its number in this process: the way to it for others when its file is gone.
    pub fn descriptor(&self) -> u32 {
        self.fifo.as_raw_fd() as u32
    }

    /// Posts to oneself.
    #[cfg(feature = "node")]
    pub fn post(&self) {
        post(self.fifo.as_fd());
    }

    /// What an event loop, or another thread, waits for.
    #[cfg(any(feature = "node", test))]
    pub fn waitable(&self) -> Waitable {
        Waitable(self.fifo.as_raw_fd())
    }
}

/// A semaphore, as its descriptor's number in this process: readable while there is a post.
#[cfg(any(feature = "node", test))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waitable(RawFd);

#[cfg(any(feature = "node", test))]
impl Waitable {
    /// For what polls by itself, as libuv does.
    #[cfg(feature = "node")]
    pub fn descriptor(self) -> RawFd {
        self.0
    }

    /// # Safety
    /// The semaphore is there for as long as what is returned.
    pub(super) unsafe fn borrow<'semaphore>(self) -> BorrowedFd<'semaphore> {
        // SAFETY: passed on from this function's own contract.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}

/// A poster's end.
#[derive(Debug)]
pub(crate) struct Poster {
    fifo: OwnedFd,
}

impl Poster {
    /// Whether who has one open learns at once that the sleeper is gone.
    #[cfg(test)]
    pub const LEARNS_OF_THE_GONE: bool = true;

    /// None when nobody sleeps on it any more; an error when that cannot be told now, for want of a descriptor. Where
    /// somebody removed the file, the way is by the sleeper's own descriptor.
    pub fn open(path: &Path, sleeper: &Sleeper) -> io::Result<Option<Poster>> {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fifo = match rustix::fs::open(path, flags | OFlags::NOFOLLOW, Mode::empty()) {
            Err(Errno::NOENT) => match sleeper.way_round(path) {
                // The number may have come to stand for something else between the look and the opening.
                Some(way) => match rustix::fs::open(way, flags, Mode::empty()) {
                    Ok(fifo) if !is_removed(&own(&fifo), path) => return Ok(None),
                    opened => opened,
                },
                None => return Ok(None),
            },
            opened => opened,
        };
        match fifo {
            // Nothing is written into what is no FIFO.
            Ok(fifo) => {
                let stat = rustix::fs::fstat(&fifo)?;
                Ok((FileType::from_raw_mode(stat.st_mode) == FileType::Fifo).then_some(Poster { fifo }))
            }
            Err(Errno::NXIO | Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// False when nobody is there to be woken.
    pub fn post(&self) -> bool {
        post(self.fifo.as_fd())
    }
}

fn own(descriptor: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
}

fn post(fifo: BorrowedFd<'_>) -> bool {
    loop {
        match rustix::io::write(fifo, &[1]) {
            Err(Errno::INTR) => continue,
            // Full: a wake-up is waiting to be taken.
            Ok(_) | Err(Errno::AGAIN) => return true,
            Err(_) => return false,
        }
    }
}

#[cfg(not(target_vendor = "apple"))]
fn make(path: &Path, mode: Mode) -> io::Result<()> {
    Ok(rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, mode, 0)?)
}

/// By a call of its own there, which rustix does not have.
#[cfg(target_vendor = "apple")]
fn make(path: &Path, mode: Mode) -> io::Result<()> {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: a string that ends in NUL.
    match unsafe { libc::mkfifo(path.as_ptr(), mode.as_raw_mode()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_whose_file_was_removed_is_found_by_its_descriptor_and_by_no_other() {
        let path = std::env::temp_dir().join(format!("slabcast-fifo-removed-{}", std::process::id()));
        let semaphore = Semaphore::create(&path, 0o600).expect("create");
        std::fs::remove_file(&path).expect("remove");
        let sleeper = |descriptor| Sleeper { pid: Some(std::process::id()), descriptor };
        let open = |sleeper| Poster::open(&path, &sleeper).expect("open");
        assert!(open(sleeper(semaphore.descriptor())).expect("a sleeper").post());
        assert!(semaphore.wait(Duration::from_secs(60)));
        // Another pipe of that process: nothing may be written into it.
        let (_reader, writer) = rustix::pipe::pipe().expect("a pipe");
        assert!(open(sleeper(writer.as_raw_fd() as u32)).is_none());
        assert!(open(Sleeper { pid: None, descriptor: 0 }).is_none());
    }
}
