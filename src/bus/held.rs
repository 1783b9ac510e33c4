//! Who keeps the slab from being reused, and since when: what `stats()` tells. It acts on nobody; blame and cut-off are
//! `stall.rs`.
//!
//! Nothing of it is on the way of a message. Each look, by `stats()` and by the tick of every second, notes who stands
//! where; whoever is met again at the same place has stood there since.

use super::fanout::members_of;
use crate::layout::{Group, GroupCursor, GroupState, Member, MemberState, Parts};
use crate::slab::Slab;
use crate::sync::Ordering::{Acquire, Relaxed};

/// What a member does with the slab it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeldBy {
    /// It has not read on. `stall_timeout` bounds how long it may while others need the room.
    Reader,
    /// It is in the middle of publishing. For more than an instant: its process is stopped there, and the bus goes on when
    /// it is continued or killed.
    Writer,
}

/// What keeps the slab from being reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// The member that holds it, a number unique in the life of the bus; where a group does, one of its members.
    pub member: u32,
    /// The process it is of.
    pub pid: u32,
    /// The thread it is: 0 is the main thread, else what it gave as [`Options::thread`](crate::Options::thread).
    pub thread: u32,
    /// What it does with it.
    pub by: HeldBy,
    /// Bytes of the slab that cannot be reused before it goes on.
    pub bytes: u64,
    /// When this bus handle first saw it at this place, in ms since 1970: it looks once a second while it receives, and
    /// whenever it is asked.
    pub since: u64,
}

/// Where the members were last seen in the way.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    seen: Vec<Seen>,
    groups: Vec<Place>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    writing: Place,
    reading: Place,
}

/// A member at a place that holds the slab: another member, or another place, is another stay.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    state: u64,
    at: u64,
    since: u64,
}

impl Place {
    /// Seen there at `now`. Returns since when.
    fn stay(&mut self, state: u64, at: u64, now: u64) -> u64 {
        if (self.state, self.at) != (state, at) {
            *self = Place { state, at, since: now };
        }
        self.since
    }
}

impl Watch {
    /// One look at time `now`: who holds the slab, if anybody does.
    pub fn look(&mut self, parts: &Parts<'_>, now: u64) -> Option<Held> {
        // First: what is found later lies at or above what held the slab then, so the bytes are never too many.
        let alloc = parts.alloc.load(Acquire);
        let tail = Slab::of(parts).floor().tail;
        self.seen.resize(parts.members.len(), Seen::default());
        let mut lowest: Option<(u64, Held)> = None;
        for (member, seen) in parts.members.iter().zip(&mut self.seen) {
            let state = MemberState(member.identity.state.load(Acquire));
            let mut holds = |low: u64, by: HeldBy, since: u64| {
                // Of a writer and the readers that stand at its message the writer is the cause.
                let is_lower = lowest.is_none_or(|(other, held)| {
                    low < other || low == other && by == HeldBy::Writer && held.by == HeldBy::Reader
                });
                if is_lower && low < alloc {
                    lowest = Some((low, held(member, state.number(), by, alloc - low, since)));
                }
            };
            let inflight = member.inflight.load(Acquire);
            if state.in_use() && inflight != 0 {
                let since = seen.writing.stay(state.number() as u64, inflight, now);
                holds(inflight, HeldBy::Writer, since);
            } else {
                seen.writing = Place::default();
            }
            let cursor = member.reading.cursor.load(Acquire);
            if state.is_reading() && cursor < tail {
                let since = seen.reading.stay(state.0, cursor, now);
                holds(member.reading.low.load(Acquire), HeldBy::Reader, since);
            } else {
                seen.reading = Place::default();
            }
        }
        self.groups.resize(parts.groups.made().len(), Place::default());
        for ((row, group), seen) in (0..).zip(parts.groups.made()).zip(&mut self.groups) {
            let (low, cursor) = place_of(group, tail);
            let state = GroupState(group.gate.state.load(Acquire));
            let one = members_of(parts.group_row(row)).next();
            let Some(member) = one.and_then(|index| parts.members.get(index as usize)) else { continue };
            if !state.gates() || cursor >= tail {
                *seen = Place::default();
                continue;
            }
            let since = seen.stay(state.0, cursor, now);
            if low < alloc && lowest.is_none_or(|(other, _)| low < other) {
                let number = MemberState(member.identity.state.load(Acquire)).number();
                lowest = Some((low, held(member, number, HeldBy::Reader, alloc - low, since)));
            }
        }
        lowest.map(|(_, held)| held)
    }
}

/// A group's low and cursor, near the tail.
fn place_of(group: &Group, tail: u64) -> (u64, u64) {
    (group.gate.low.load(Acquire), GroupCursor(group.gate.cursor.load(Acquire)).position(tail))
}

fn held(member: &Member, number: u32, by: HeldBy, bytes: u64, since: u64) -> Held {
    Held {
        member: number,
        // Relaxed: written before the state, which was acquired.
        pid: member.identity.pid.load(Relaxed),
        thread: member.identity.thread.load(Relaxed),
        by,
        bytes,
        since,
    }
}
