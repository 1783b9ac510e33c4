//! A log of topic ids: the last ones of a series, for those who look now and then. Written under the registry lock, an id first
//! and then the counter of the series; read without it.

use super::TopicId;
use crate::sync::{AtomicU64, Ordering, fence};
use Ordering::{Acquire, Relaxed};

/// The ids from number `seen` on, as many as `counter` counts. None: there were more than the log holds.
pub(super) fn since(log: &[AtomicU64], counter: &AtomicU64, seen: u64) -> Option<Vec<TopicId>> {
    let count = counter.load(Acquire);
    // Of a log as long as that, the one after the last may be being written over the first.
    let fits = |count: u64| count.wrapping_sub(seen) < log.len() as u64;
    if !fits(count) {
        return None;
    }
    let ids = (seen..count).map(|at| TopicId::of(log[at as usize % log.len()].load(Relaxed))).collect();
    fence(Acquire);
    // What was read may have been overwritten meanwhile, by those that came a whole log later.
    fits(counter.load(Acquire)).then_some(ids)
}
