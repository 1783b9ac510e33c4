//! macOS: what libproc tells of any pid. All processes see the same pids.
#![allow(unsafe_code)] // the C library's call

use libc::{PROC_PIDTBSDINFO, SZOMB, c_int, proc_bsdinfo, proc_pidinfo};
use std::io;

/// What can be learned of a pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Runs {
        started: u64,
    },
    /// There is no such process, or only a zombie.
    Gone,
    /// It could not be asked: it is another user's, or there is no memory for it. No one dies of that.
    Unknown,
}

/// A process may become another program, with its pid and start: but that is not told from one whose lock a stray close() dropped,
/// see `maps_nothing`. It keeps its places until it ends; nobody waits for it longer than for any reader that stands still.
pub const EXEC: bool = false;

/// There is only the one.
pub fn namespace() -> u64 {
    1
}

pub fn my_start(pid: u32) -> Option<u64> {
    match fate(pid) {
        Fate::Runs { started } => Some(started),
        Fate::Gone | Fate::Unknown => None,
    }
}

pub fn fate(pid: u32) -> Fate {
    let Some(pid) = c_int::try_from(pid).ok().filter(|pid| *pid > 0) else { return Fate::Gone };
    match look(pid) {
        Ok(info) if info.pbi_status == SZOMB => Fate::Gone,
        // By the clock, in microseconds: never 0, and the same for as long as the process lives.
        Ok(info) => {
            let started = info.pbi_start_tvsec.wrapping_mul(1_000_000).wrapping_add(info.pbi_start_tvusec);
            if started == 0 { Fate::Unknown } else { Fate::Runs { started } }
        }
        // Of a zombie too.
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Fate::Gone,
        Err(_) => Fate::Unknown,
    }
}

fn look(pid: c_int) -> io::Result<proc_bsdinfo> {
    const BYTES: c_int = size_of::<proc_bsdinfo>() as c_int;
    // SAFETY: plain numbers and arrays of them: all bytes 0 are valid.
    let mut info: proc_bsdinfo = unsafe { std::mem::zeroed() };
    // SAFETY: `info` is ours and as long as it is said to be.
    let filled = unsafe { proc_pidinfo(pid, PROC_PIDTBSDINFO, 0, (&raw mut info).cast(), BYTES) };
    match filled {
        BYTES => Ok(info),
        0 => Err(io::Error::last_os_error()),
        _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
    }
}

/// Shared memory has no path to be found by among what a process has mapped.
pub fn maps_nothing(_pid: u32) -> bool {
    false
}
