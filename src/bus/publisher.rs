//! Publishing: check, reserve, write, commit, post. One per member; one thread at a time (`inflight` has one writer).

use crate::layout::{Frame, FrameFields, Parts, TopicState, frame_bytes};
use crate::registry::TopicId;
use crate::ring::Ring;
use crate::slab::{Limit, NoRoom, Reads, Slab};
use crate::sync::{Ordering, fence_after_rmw, step};
use Ordering::{Acquire, Release};

/// Why a message was not published now. Nothing of it is in the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No room before somebody reads on.
    Full,
    /// The topic's entry serves another name by now, or is about to: look the name up again.
    Moved,
    /// The segment holds what no publisher wrote.
    Corrupt,
}

/// The writing half of a member.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub index: u32,
    pub number: u32,
    pub pid: u32,
    pub limit: Limit,
    /// Slab position behind the last frame.
    pub end: u64,
}

/// What is published, beside its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publication {
    pub topic: TopicId,
    pub hash: u16,
    pub flags: u16,
    pub time_ms: u64,
}

impl Publisher {
    pub fn new(index: u32, number: u32, pid: u32) -> Publisher {
        Publisher { index, number, pid, limit: Limit::default(), end: 0 }
    }

    /// Publishes bodies, all of them or none; the caller posts to the sleepers afterwards. `laggard` is called as by
    /// `Slab::limit`. Returns the last one's position.
    #[inline]
    pub fn publish<'b>(
        &mut self,
        parts: &Parts<'_>,
        what: Publication,
        bodies: impl Iterator<Item = &'b [u8]> + Clone,
        laggard: impl FnMut(Reads),
    ) -> Result<u64, Refused> {
        let me = &parts.members[self.index as usize];
        let topic = parts.topics.get(what.topic.index).ok_or(Refused::Moved)?;
        let expected = TopicState::new(what.topic.generation, TopicState::VALID).0;
        if topic.state.load(Acquire) != expected {
            return Err(Refused::Moved);
        }
        let slab = Slab::of(parts);
        let bytes = bodies.clone().map(|body| frame_bytes(body.len())).sum();
        let mut at = slab.reserve(me, bytes, &mut self.limit, laggard).map_err(|no_room| match no_room {
            NoRoom::Full => Refused::Full,
            NoRoom::Corrupt => Refused::Corrupt,
        })?;
        step("publish: reserved");
        // Two partners. R12: the fence of a retirement; either it sees this reservation, or the state is seen changed
        // here. And the release that a reader's acquire fence meets: who reads a byte written from here on knows of
        // the reservation, and so that what it held before is gone.
        fence_after_rmw();
        if topic.state.load(Acquire) != expected {
            me.inflight.store(0, Release);
            return Err(Refused::Moved);
        }
        let mut committed = Ok(0);
        for body in bodies {
            let unit = slab.unit(at);
            Frame::at(parts.blocks, unit).write(&FrameFields {
                floor: self.limit.floor,
                topic_index: what.topic.index,
                topic_generation: what.topic.generation,
                member_index: self.index,
                member_number: self.number,
                pid: self.pid,
                len: body.len() as u32,
                time_ms: what.time_ms,
                flags: what.flags,
            });
            step("publish: header written");
            slab.write_body(at, body);
            step("publish: written");
            committed = Ring::of(parts).commit(unit, what.topic.index, what.hash);
            if committed.is_err() {
                break;
            }
            at += frame_bytes(body.len());
        }
        if committed.is_ok() {
            topic.time_ms.store(what.time_ms, Ordering::Relaxed);
        }
        // R3: only now that the tail is past the last. Release: whoever sees it cleared sees that tail.
        me.inflight.store(0, Release);
        step("publish: cleared");
        self.end = at;
        committed.map_err(|_| Refused::Corrupt)
    }
}
