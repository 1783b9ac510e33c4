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

use crate::layout::Member;
use crate::sync::Ordering::Relaxed;

/// The epoch in which a member sleeps, if it does. Call after a SeqCst fence that follows what it should see: the other
/// half of Dekker's with `Reader::arm`.
pub(crate) fn asleep(member: &Member) -> Option<u64> {
    let epoch = member.sleeping.load(Relaxed);
    (epoch & 1 == 1).then_some(epoch)
}
