//! Who lives, though every file of theirs was removed: each member holds a lock on one byte of the folder that holds all
//! buses, the byte its bus' name is hashed to. The kernel drops it however the member ends; nobody can remove it; and it
//! is seen from every PID namespace that shares the folder. It says that somebody is there, not who.
//!
//! Only Linux locks parts of a folder. Elsewhere nobody is ever present.
#![allow(unsafe_code)] // the C library's lock call

use super::place::PARENT;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::io;

/// Held by a member from before it is attached until it leaves.
#[derive(Debug)]
pub(crate) struct Presence {
    _folder: OwnedFd,
}

impl Presence {
    pub fn declare(mark: u64) -> io::Result<Presence> {
        let folder = open()?;
        lock(&folder, libc::F_OFD_SETLK, libc::F_RDLCK, mark)?;
        Ok(Presence { _folder: folder })
    }
}

/// Whether any member lives of the bus with this mark (`Place::mark`).
pub(crate) fn is_anyone_present(mark: u64) -> io::Result<bool> {
    let in_the_way = lock(&open()?, libc::F_OFD_GETLK, libc::F_WRLCK, mark)?;
    Ok(in_the_way != libc::F_UNLCK)
}

fn open() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(PARENT, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Returns the kind of lock that was asked for, or of the one that stands in the way of a look.
fn lock(folder: &OwnedFd, call: i32, kind: i32, mark: u64) -> io::Result<i32> {
    // SAFETY: all bytes 0 are a valid flock.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as _;
    lock.l_whence = libc::SEEK_SET as _;
    // An offset is not negative, and the byte after it must exist.
    lock.l_start = (mark >> 2) as _;
    lock.l_len = 1;
    // SAFETY: the descriptor is open, `lock` is a flock of ours.
    match unsafe { libc::fcntl(folder.as_raw_fd(), call, &mut lock) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(lock.l_type as i32),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_present_until_the_last_one_is_gone_and_only_there() {
        let (here, there) = ((std::process::id() as u64) << 32, (std::process::id() as u64) << 32 | 4);
        let present = |mark| is_anyone_present(mark).expect("a look");
        assert!(!present(here));
        let one = Presence::declare(here).expect("declared");
        let other = Presence::declare(here).expect("declared");
        assert!(present(here) && !present(there));
        drop(one);
        assert!(present(here));
        drop(other);
        assert!(!present(here));
    }
}
