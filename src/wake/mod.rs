//! The semaphore a member sleeps on, and who is asleep.
//!
//! The contract, the same over every body: a post before or during a sleep ends it; posts add up to at least one; emptying
//! takes them all; whoever posts never blocks. To sleep, a reader empties its semaphore, arms (a new odd epoch), looks once
//! more and only then waits (rule R9). A publisher posts after its message is there, at most once per epoch.
//! Not who should be woken for what: that is the bus'.

#[cfg(all(unix, not(loom)))]
mod fifo;
#[cfg(all(unix, not(loom)))]
pub(crate) use fifo::{Poster, Semaphore};
#[cfg(loom)]
#[path = "../../tests/model/semaphore.rs"]
mod modelled;
#[cfg(loom)]
pub(crate) use modelled::{Poster, Semaphore};

use crate::layout::{Identity, Member};
use crate::sync::Ordering::Relaxed;
#[cfg(not(loom))]
use std::path::{Path, PathBuf};

/// Who sleeps on a semaphore, for those who do not find its file.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(loom, expect(dead_code))] // a modelled semaphore never loses its file
pub(crate) struct Sleeper {
    /// None where the pid means nothing to us.
    pid: Option<u32>,
    descriptor: u32,
}

impl Sleeper {
    pub fn of(member: &Member, mine: Identity) -> Sleeper {
        let process = member.process();
        let known = process.namespace != 0 && process.namespace == mine.namespace && process.pid != 0;
        Sleeper { pid: known.then_some(process.pid), descriptor: member.identity.semaphore.load(Relaxed) }
    }

    #[cfg(all(test, not(loom)))]
    pub fn nowhere() -> Sleeper {
        Sleeper { pid: None, descriptor: 0 }
    }

    #[cfg(not(loom))]
    /// The way to the semaphore whose file at `path` was removed. The number may stand for something else by now, and nobody
    /// may write into that: its link says what it is.
    fn way_round(&self, path: &Path) -> Option<PathBuf> {
        let way = PathBuf::from(format!("/proc/{}/fd/{}", self.pid?, self.descriptor));
        is_removed(&way, path).then_some(way)
    }
}

/// Whether a descriptor, by its link in /proc, is of the file that was at `path` and is removed.
#[cfg(not(loom))]
fn is_removed(descriptor: &Path, path: &Path) -> bool {
    let removed = format!("{} (deleted)", path.display());
    std::fs::read_link(descriptor).is_ok_and(|link| link.as_os_str() == removed.as_str())
}

/// The epoch in which a member sleeps, if it does. Call after a SeqCst fence that follows what it should see: the other
/// half of Dekker's with `Reader::arm`.
pub(crate) fn asleep(member: &Member) -> Option<u64> {
    let epoch = member.sleeping.load(Relaxed);
    (epoch & 1 == 1).then_some(epoch)
}
