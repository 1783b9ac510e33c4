//! The semaphore a member sleeps on, and who is asleep.
//!
//! The contract, the same over every body (`suite.rs` holds them to it): a post before or during a sleep ends it; posts add up
//! to at least one, which stays until the sleeper empties; emptying takes them all; whoever posts never blocks. To sleep, a reader empties its semaphore, arms (a new odd epoch), looks once
//! more and only then waits (rule R9). A publisher posts after its message is there, at most once per epoch.
//! Not who should be woken for what: that is the bus'.

// The bodies: one per system, and a model's.
#[cfg_attr(all(unix, not(loom)), path = "fifo.rs")]
#[cfg_attr(all(windows, not(loom)), path = "named.rs")]
#[cfg_attr(loom, path = "../../tests/model/semaphore.rs")]
mod body;
#[cfg(all(any(feature = "node", test), not(loom)))]
mod vigil;

#[cfg(all(any(feature = "node", test), not(loom)))]
pub(crate) use body::Waitable;
pub(crate) use body::{Poster, Semaphore};
#[cfg(all(feature = "node", not(loom)))]
pub(crate) use vigil::{Orders, Vigil};

use crate::layout::{Identity, Member};
use crate::sync::Ordering::Relaxed;
#[cfg(all(unix, not(loom)))]
use std::path::{Path, PathBuf};

/// Who sleeps on a semaphore, for those whom the path alone does not lead there.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(loom, expect(dead_code))] // to a modelled semaphore it does
pub(crate) struct Sleeper {
    /// None where the pid means nothing to us.
    #[cfg_attr(windows, allow(dead_code))] // a name leads there, whosever it is
    pid: Option<u32>,
    /// `Semaphore::descriptor`.
    descriptor: u32,
}

impl Sleeper {
    pub fn of(member: &Member, mine: Identity) -> Sleeper {
        let process = member.process();
        let known = process.namespace != 0 && process.namespace == mine.namespace && process.pid != 0;
        Sleeper { pid: known.then_some(process.pid), descriptor: member.identity.semaphore.load(Relaxed) }
    }

    #[cfg(test)]
    fn on(semaphore: &Semaphore) -> Sleeper {
        Sleeper { pid: None, descriptor: semaphore.descriptor() }
    }

    #[cfg(all(unix, not(loom)))]
    /// The way to the semaphore whose file at `path` was removed. The number may stand for something else by now, and nobody
    /// may write into that: its link says what it is.
    fn way_round(&self, path: &Path) -> Option<PathBuf> {
        let way = PathBuf::from(format!("/proc/{}/fd/{}", self.pid?, self.descriptor));
        is_removed(&way, path).then_some(way)
    }
}

/// Whether a descriptor, by its link in /proc, is of the file that was at `path` and is removed.
#[cfg(all(unix, not(loom)))]
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

#[cfg(test)]
mod suite;
