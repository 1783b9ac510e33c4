//! Who holds a full slab, and for how long: blame before a cut-off. Waiting time is counted only while somebody looks,
//! and each look counts at most twice its interval, so that a publisher that was itself stopped blames nobody for it.

use super::reader::cut_off;
use crate::layout::{Member, MemberState, Parts};
use crate::slab::Slab;
use crate::sync::Ordering::Acquire;
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub(crate) struct Stall {
    seen: Vec<Seen>,
    last_look: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    state: MemberState,
    cursor: u64,
    waited: Duration,
}

/// A member in the way of publishers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InTheWay {
    pub index: u32,
    pub state: MemberState,
    /// It was cut off just now.
    pub cut: bool,
}

impl Stall {
    /// One look while the slab has no room for `wanted` bytes of member `me`, taken about every `interval`. Says who is in the way, and cuts off
    /// the readers that have not moved for `timeout` (None: never).
    pub fn look(
        &mut self,
        parts: &Parts<'_>,
        me: u32,
        wanted: u64,
        now: Instant,
        interval: Duration,
        timeout: Option<Duration>,
    ) -> Vec<InTheWay> {
        let passed = self.last_look.map_or(Duration::ZERO, |last| now - last).min(interval * 2);
        self.last_look = Some(now);
        let slab = Slab::of(parts);
        let floor = slab.floor();
        // Whoever still needs bytes below this position is in the way; the others hold nobody back.
        let line = parts.alloc.load(Acquire).saturating_add(wanted).saturating_sub(slab.bytes());
        let mut in_the_way = Vec::new();
        self.seen
            .resize(parts.members.len(), Seen { state: MemberState(0), cursor: 0, waited: Duration::ZERO });
        for (index, member) in parts.members.iter().enumerate() {
            let seen = &mut self.seen[index];
            let state = MemberState(member.identity.state.load(Acquire));
            let cursor = member.reading.cursor.load(Acquire);
            let low = member.reading.low.load(Acquire);
            let gates = state.is_reading() && low < floor.position.min(line) && cursor < floor.tail;
            let writes = writes_below(member, line);
            if !(gates || writes) || index as u32 == me {
                *seen = Seen { state: MemberState(0), cursor: 0, waited: Duration::ZERO };
                continue;
            }
            if seen.state == state && seen.cursor == cursor {
                seen.waited += passed;
            } else {
                *seen = Seen { state, cursor, waited: Duration::ZERO };
            }
            // A writer in flight is never cut, only reaped when dead.
            let due = gates && timeout.is_some_and(|timeout| seen.waited >= timeout);
            let cut = due && cut_off(member, state);
            in_the_way.push(InTheWay { index: index as u32, state, cut });
        }
        in_the_way
    }

    /// The slab has room again.
    pub fn over(&mut self) {
        self.last_look = None;
        self.seen.clear();
    }
}

fn writes_below(member: &Member, line: u64) -> bool {
    let inflight = member.inflight.load(Acquire);
    inflight != 0 && inflight < line
}
