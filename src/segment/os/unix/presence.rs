//! A lock on one byte of the folder that holds all buses, the byte its bus' place is hashed to: nobody can remove that folder,
//! and the lock is seen from every PID namespace that shares it. Any user can lock it.
#![allow(unsafe_code)] // the C library's lock call

use super::files::PARENT;
use crate::segment::presence::Present;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::io;

#[derive(Debug)]
pub struct Presence {
    _folder: OwnedFd,
}

impl Presence {
    /// Without effect where parts of a folder cannot be locked.
    pub fn declare(mark: u64) -> io::Result<Presence> {
        let folder = open_folder()?;
        match lock(&folder, libc::F_OFD_SETLK, libc::F_RDLCK as _, mark) {
            Err(error) if is_unsupported(&error) => {}
            locked => drop(locked?),
        }
        Ok(Presence { _folder: folder })
    }
}

/// Somebody: a lock as a member holds it, of this one byte. Unknown: one no member holds is in the way, or parts of a folder
/// cannot be locked.
pub fn at(mark: u64) -> Present {
    let found = open_folder().and_then(|folder| lock(&folder, libc::F_OFD_GETLK, libc::F_WRLCK as _, mark));
    match found {
        Ok(found) if found.l_type == libc::F_UNLCK as _ => Present::Nobody,
        Ok(found) if (found.l_start, found.l_len) == (byte_of(mark), 1) => Present::Somebody,
        Ok(_) | Err(_) => Present::Unknown,
    }
}

fn open_folder() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(PARENT, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// An offset is not negative, and the byte after it must exist.
fn byte_of(mark: u64) -> libc::off_t {
    (mark >> 2) as libc::off_t
}

/// Returns the lock that was asked for, or the one in the way of a look.
fn lock(folder: &OwnedFd, call: i32, kind: i32, mark: u64) -> io::Result<libc::flock> {
    // SAFETY: all bytes 0 are a valid flock.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as _;
    lock.l_whence = libc::SEEK_SET as _;
    lock.l_start = byte_of(mark);
    lock.l_len = 1;
    // SAFETY: the descriptor is open, `lock` is a flock of ours.
    match unsafe { libc::fcntl(folder.as_raw_fd(), call, &mut lock) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(lock),
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP | libc::ENOLCK))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_no_member_holds_tells_of_nobody_in_particular() {
        let mark = (std::process::id() as u64) << 32 | 16;
        // Of two bytes: its own and the next, the one before and its own.
        for before in [0, 1] {
            let folder = open_folder().expect("opened");
            // SAFETY: all bytes 0 are a valid flock.
            let mut more: libc::flock = unsafe { std::mem::zeroed() };
            more.l_type = libc::F_RDLCK as _;
            more.l_whence = libc::SEEK_SET as _;
            more.l_start = byte_of(mark) - before;
            more.l_len = 2;
            // SAFETY: the descriptor is open, `more` is a flock of ours.
            let locked = unsafe { libc::fcntl(folder.as_raw_fd(), libc::F_OFD_SETLK, &more) };
            assert_eq!(locked, 0, "locked");
            assert_eq!(at(mark), Present::Unknown, "from {before} before");
            drop(folder);
            assert_eq!(at(mark), Present::Nobody);
        }
    }
}
