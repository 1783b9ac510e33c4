//! Who holds a full slab, and for how long: blame before a cut-off. Waiting time is counted only while somebody looks,
//! and each look counts at most twice its interval, so that a publisher that was itself stopped blames nobody for it.

use super::fanout::members_of;
use super::{group, reader};
use crate::layout::{GroupCursor, GroupState, Member, MemberState, Parts};
use crate::slab::{Reads, Slab};
use crate::sync::Ordering::Acquire;
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub(crate) struct Stall {
    seen: Vec<Seen>,
    groups: Vec<Seen>,
    last_look: Option<Instant>,
}

/// Where somebody stood, in what state, and for how long while the slab was full.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    state: u64,
    cursor: u64,
    waited: Duration,
}

impl Seen {
    /// Met there, `passed` after the look before. Returns how long it has stood there.
    fn stays(&mut self, state: u64, cursor: u64, passed: Duration) -> Duration {
        if (self.state, self.cursor) == (state, cursor) {
            self.waited += passed;
        } else {
            *self = Seen { state, cursor, waited: Duration::ZERO };
        }
        self.waited
    }
}

/// A member or a group in the way of publishers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InTheWay {
    pub who: Reads,
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
        self.seen.resize(parts.members.len(), Seen::default());
        for (index, member) in parts.members.iter().enumerate() {
            let seen = &mut self.seen[index];
            let state = MemberState(member.identity.state.load(Acquire));
            let cursor = member.reading.cursor.load(Acquire);
            let low = member.reading.low.load(Acquire);
            let gates = state.is_reading() && low < floor.position.min(line) && cursor < floor.tail;
            let writes = writes_below(member, line);
            if !(gates || writes) || index as u32 == me {
                *seen = Seen::default();
                continue;
            }
            let waited = seen.stays(state.0, cursor, passed);
            // A writer in flight is never cut, only reaped when dead.
            let due = gates && timeout.is_some_and(|timeout| waited >= timeout);
            let cut = due && reader::cut_off(member, state);
            in_the_way.push(InTheWay { who: Reads::Member(index as u32), cut });
        }
        self.groups.resize(parts.groups.made().len(), Seen::default());
        for ((row, group), seen) in (0..).zip(parts.groups.made()).zip(&mut self.groups) {
            let state = GroupState(group.gate.state.load(Acquire));
            let cursor = GroupCursor(group.gate.cursor.load(Acquire)).position(floor.tail);
            let low = group.gate.low.load(Acquire);
            // As in limit(): of one that joins its low alone.
            let gates = state.gates()
                && low < floor.position.min(line)
                && (!state.is_reading() || cursor < floor.tail);
            // Where I am one of them, I take what is there before I wait any longer.
            if !gates || members_of(parts.group_row(row)).any(|member| member == me) {
                *seen = Seen::default();
                continue;
            }
            let waited = seen.stays(state.0, cursor, passed);
            // Who joins it holds the registry lock, and is only reaped when dead.
            let due = state.is_reading() && timeout.is_some_and(|timeout| waited >= timeout);
            let cut = due && group::cut_off(group, state);
            in_the_way.push(InTheWay { who: Reads::Group(row), cut });
        }
        in_the_way
    }

    /// The slab has room again.
    pub fn over(&mut self) {
        self.last_look = None;
        self.seen.clear();
        self.groups.clear();
    }
}

fn writes_below(member: &Member, line: u64) -> bool {
    let inflight = member.inflight.load(Acquire);
    inflight != 0 && inflight < line
}
