//! Processes by pid, as /proc tells of them.

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::os::unix::fs::MetadataExt;

/// What can be learned of a pid.
#[derive(Debug)]
pub enum Fate {
    Runs {
        started: u64,
    },
    /// There is no such process, or only a zombie.
    Gone,
    /// It could not be asked: out of descriptors or memory, or /proc hides other users' processes. No one dies of that.
    Unknown,
}

/// A process may become another program, with its pid and start but nothing of what it had open.
pub const EXEC: bool = true;

/// In which pids mean what they mean here; 0: it cannot be told.
pub fn namespace() -> u64 {
    std::fs::metadata("/proc/self/ns/pid").map_or(0, |meta| meta.ino())
}

/// When this process started, if /proc shows its namespace: one that was entered alone still sees the /proc of the one
/// outside, where its pids are other processes'. In the kernel's ticks since boot.
pub fn my_start(pid: u32) -> Option<u64> {
    // By a detour: qemu, which emulates one process (so do containers of another processor), answers for the plain path itself,
    // by a clock of its own. What others see of this process is what counts.
    let stat = std::fs::read("/proc/./self/stat").ok()?;
    let is_mine = stat.split(|&b| b == b' ').next()? == pid.to_string().as_bytes();
    match parse_stat(&stat)? {
        Fate::Runs { started } if is_mine => Some(started),
        _ => None,
    }
}

pub fn fate(pid: u32) -> Fate {
    match std::fs::read(format!("/proc/{pid}/stat")) {
        Ok(stat) => parse_stat(&stat).unwrap_or(Fate::Unknown),
        // ENOENT also where /proc is mounted with hidepid: a signal finds what it hides.
        Err(error)
            if matches!(
                error.raw_os_error().map(Errno::from_raw_os_error),
                Some(Errno::NOENT | Errno::SRCH)
            ) =>
        {
            // None: a number no process has. Negative, it would mean a group.
            let found = i32::try_from(pid).ok().and_then(Pid::from_raw).map(test_kill_process);
            if matches!(found, None | Some(Err(Errno::SRCH))) { Fate::Gone } else { Fate::Unknown }
        }
        Err(_) => Fate::Unknown,
    }
}

fn parse_stat(stat: &[u8]) -> Option<Fate> {
    // pid (name) state ppid ... : the name may hold anything, also parentheses.
    let after_name = stat.iter().rposition(|&b| b == b')')? + 1;
    let mut fields = std::str::from_utf8(&stat[after_name..]).ok()?.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X" | "x") {
        return Some(Fate::Gone);
    }
    Some(Fate::Runs { started: fields.nth(18)?.parse().ok()? })
}

/// Whether a process has none of slabcast's memory mapped; false where it cannot be told.
pub fn maps_nothing(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/maps")).is_ok_and(|maps| !maps.contains("/slabcast."))
}
