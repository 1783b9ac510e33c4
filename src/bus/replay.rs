//! A topic's past: the frames of it that still stand in the slab, newest to oldest along the chain of `previous`, copied at
//! once. Nobody is held back for it: what is overwritten meanwhile ends the walk.
//!
//! Past is what lies before a position `from`, live is what lies at or after it: the two meet there, with nothing between
//! and nothing twice.

use super::reader::{Head, head};
use crate::error::GapReason;
use crate::layout::{Corrupt, Frame, Parts};
use crate::registry::TopicId;
use crate::sync::{BLOCK, Ordering, fence, load_blocks, step};
use Ordering::{Acquire, Relaxed};
use std::collections::VecDeque;

/// What of a topic's past is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Past {
    /// So many of the last ones, or as many as there are.
    Last(u64),
    /// Every one with a number above. What of them is not there any more is lost, and told.
    After(u64),
}

/// A message of the past.
#[derive(Debug)]
pub(crate) struct Kept {
    pub head: Head,
    pub body: Box<[u8]>,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Oldest first, without holes, up to number `before`.
    pub kept: VecDeque<Kept>,
    /// The topic's last number before `from`.
    pub before: u64,
    /// Of those asked for, the numbers that are not kept: first, last, why.
    pub lost: Vec<(u64, u64, GapReason)>,
}

/// Copies the past of `topic` before position `from`, a tail that was read before this is called; `number` is the topic's
/// last number before it. Copies at most a slab.
pub(crate) fn history(
    parts: &Parts<'_>,
    topic: TopicId,
    from: u64,
    number: u64,
    past: Past,
) -> Result<History, Corrupt> {
    let entry = parts.topics.get(topic.index).ok_or(Corrupt)?;
    let mut found = History { before: number, ..History::default() };
    // Acquire: all that was finalised before the tail stood at `from` is in the chain.
    let mut at = entry.last.load(Acquire);
    step("replay: begun");
    let mut above: Option<Link> = None;
    // At most as many frames as the slab has blocks: a chain in a circle cannot pass the looks of `follows` either.
    for _ in 0..parts.blocks.len() {
        let Some(link) = read_link(parts, at)? else { break };
        if link.head.topic != topic {
            // The entry's topic before this one.
            break;
        }
        if above.is_some_and(|above| !link.follows(above)) {
            return Err(Corrupt);
        }
        if link.head.position < from {
            if found.kept.is_empty() {
                // As found: where the reader was cut off meanwhile, `number` may lie above it.
                found.before = link.head.sequence;
            }
            if link.head.sequence < past.first(found.before) {
                break;
            }
            let Some(body) = read_body(parts, at, link.head.len) else { break };
            found.kept.push_front(Kept { head: link.head, body });
            step("replay: copied");
            if link.head.sequence == past.first(found.before) {
                break;
            }
        }
        at = link.previous;
        above = Some(link);
    }
    if let Past::After(after) = past {
        let first = found.kept.front().map_or(found.before.saturating_add(1), |kept| kept.head.sequence);
        found.lost = lost(after, first, entry.base.load(Relaxed));
    }
    Ok(found)
}

impl Past {
    /// The lowest number asked for, where the last one is `before`.
    fn first(self, before: u64) -> u64 {
        match self {
            Past::Last(count) => before.saturating_sub(count).saturating_add(1),
            Past::After(after) => after.saturating_add(1),
        }
    }
}

/// The numbers above `after` and below `first`: those up to `base` were others' or are forgotten, the rest is overwritten.
fn lost(after: u64, first: u64, base: u64) -> Vec<(u64, u64, GapReason)> {
    let last = first.saturating_sub(1);
    let parts = [
        (after.saturating_add(1), last.min(base), GapReason::Forgotten),
        (after.max(base).saturating_add(1), last, GapReason::Overwritten),
    ];
    parts.into_iter().filter(|(from, to, _)| from <= to).collect()
}

/// A frame's header, as believed.
#[derive(Clone, Copy)]
struct Link {
    head: Head,
    previous: u64,
}

impl Link {
    /// Whether it may stand right before another in a topic's chain.
    fn follows(&self, above: Link) -> bool {
        self.head.sequence.checked_add(1) == Some(above.head.sequence)
            && self.head.position < above.head.position
    }
}

/// The header at a slab position. None: there is none, or it is overwritten.
fn read_link(parts: &Parts<'_>, at: u64) -> Result<Option<Link>, Corrupt> {
    let alloc = parts.alloc.load(Acquire);
    if at == 0 || !still_stands(parts, at) {
        return Ok(None);
    }
    // Whoever sees a frame in the chain sees its reservation, and frames begin at blocks.
    if at >= alloc || !at.is_multiple_of(BLOCK as u64) {
        return Err(Corrupt);
    }
    let frame = Frame::at(parts.blocks, unit(at));
    let (index, generation) = frame.topic();
    let link = Link { head: head(frame, TopicId { index, generation }), previous: frame.previous() };
    if !stood(parts, at) {
        return Ok(None);
    }
    // Believed by now; still no length from shared memory is used unchecked.
    if link.head.len as u64 > parts.max_message { Err(Corrupt) } else { Ok(Some(link)) }
}

/// The body of the frame at a slab position. None: it is overwritten.
fn read_body(parts: &Parts<'_>, at: u64, len: usize) -> Option<Box<[u8]>> {
    let mut body = vec![0; len].into_boxed_slice();
    load_blocks(parts.blocks, unit(at) as usize + 1, &mut body);
    stood(parts, at).then_some(body)
}

/// R13: what was read at a slab position is whole if after it nobody had reserved what lies a slab above. Partner: the fence
/// in publish(), between the reservation and the first byte.
fn stood(parts: &Parts<'_>, at: u64) -> bool {
    fence(Acquire);
    still_stands(parts, at)
}

fn still_stands(parts: &Parts<'_>, at: u64) -> bool {
    let slab = (parts.blocks.len() * BLOCK) as u64;
    parts.alloc.load(Acquire) <= at.saturating_add(slab)
}

fn unit(at: u64) -> u32 {
    (at / BLOCK as u64) as u32
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use GapReason::{Forgotten, Overwritten};

    #[test]
    fn what_is_lost_is_forgotten_up_to_the_base_and_overwritten_above_it() {
        assert_eq!(lost(5, 6, 0), []);
        assert_eq!(lost(5, 9, 0), [(6, 8, Overwritten)]);
        assert_eq!(lost(5, 9, 8), [(6, 8, Forgotten)]);
        assert_eq!(lost(5, 9, 6), [(6, 6, Forgotten), (7, 8, Overwritten)]);
        assert_eq!(lost(5, 9, 100), [(6, 8, Forgotten)]);
        // A number of an earlier life of the bus.
        assert_eq!(lost(1000, 6, 0), []);
        assert_eq!(lost(u64::MAX, 6, 0), []);
        assert_eq!(lost(0, u64::MAX, u64::MAX), [(1, u64::MAX - 1, Forgotten)]);
    }

    #[test]
    fn the_first_asked_for_is_counted_from_the_last() {
        assert_eq!(Past::Last(3).first(10), 8);
        assert_eq!(Past::Last(30).first(10), 1);
        assert_eq!(Past::Last(0).first(10), 11);
        assert_eq!(Past::After(7).first(10), 8);
        assert_eq!(Past::After(u64::MAX).first(10), u64::MAX);
    }
}
