//! The slab: reserving room for a frame, and the two numbers that say how far one may go, `floor()` and `limit()`.
//! Not the order of messages (that is the ring's), nor what a frame says.
//!
//! `alloc` runs freely; a position is masked only where a block is touched. Who reserves announces first, so that a
//! position below which nothing is being written can always be computed, whoever dies.

use crate::layout::{GroupCursor, GroupState, GroupTable, Member, MemberState, Parts, SLAB_POSITION_MAX};
use crate::sync::{AtomicU64, BLOCK, Block, Ordering, fence, step, store_blocks};
use Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

#[derive(Clone, Copy)]
pub(crate) struct Slab<'a> {
    pub alloc: &'a AtomicU64,
    pub blocks: &'a [Block],
    /// The ring's tail: only read here.
    pub tail: &'a AtomicU64,
    pub members: &'a [Member],
    pub groups: GroupTable<'a>,
}

/// Who may hold publishers back: a member, or the members of a group together, by its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    Member(u32),
    Group(u32),
}

/// Every frame at position `tail` or later lies at slab position `position` or above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Floor {
    pub position: u64,
    pub tail: u64,
}

/// A publisher's cached view of how far it may reserve. Recomputed when it is hit or old.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limit {
    /// Reservations end at or below this slab position.
    pub position: u64,
    /// The floor it was computed from, the one a frame's header carries.
    pub floor: u64,
}

/// Why nothing was reserved; nothing is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// Until somebody reads on, or a writer finishes.
    Full,
    /// `alloc` is what no publisher leaves there.
    Corrupt,
}

impl<'a> Slab<'a> {
    pub fn of(parts: &Parts<'a>) -> Slab<'a> {
        Slab {
            alloc: parts.alloc,
            blocks: parts.blocks,
            tail: parts.tail,
            members: parts.members,
            groups: parts.groups,
        }
    }

    pub fn bytes(&self) -> u64 {
        (self.blocks.len() * BLOCK) as u64
    }

    /// Rule R6: `alloc`, then every `inflight`, then `tail`, each an acquire. A reservation not in `alloc` yet will
    /// lie above it; one that is was announced before (R1); one that is no longer announced was finalised before
    /// (R3), and so its position is below the `tail` read last.
    pub fn floor(&self) -> Floor {
        let mut position = self.alloc.load(Acquire);
        for member in self.members {
            let inflight = member.inflight.load(Acquire);
            if inflight != 0 && inflight < position {
                position = inflight;
            }
        }
        Floor { position, tail: self.tail.load(Acquire) }
    }

    /// How far reservations may go: one slab above all that anyone still reads or writes. Calls `laggard` with every
    /// reading member and group more than half a slab behind: asleep, it holds the slab without knowing.
    pub fn limit(&self, mut laggard: impl FnMut(Reads)) -> Limit {
        let floor = self.floor();
        // R8, with the fence of a joining reader: its state is seen here, or its second floor() sees all that
        // this limit allows.
        fence(SeqCst);
        let alloc = self.alloc.load(Relaxed);
        let mut lowest = floor.position;
        for (index, member) in self.members.iter().enumerate() {
            // Acquire: a cut-off seen here is ordered before the bytes written over what its reader held.
            if !MemberState(member.identity.state.load(Acquire)).is_reading() {
                continue;
            }
            let low = member.reading.low.load(Acquire);
            if alloc.saturating_sub(low) > self.bytes() / 2 {
                laggard(Reads::Member(index as u32));
            }
            // A cursor at or past floor.tail has only frames at or above the floor left to read.
            if member.reading.cursor.load(Acquire) < floor.tail {
                lowest = lowest.min(low);
            }
        }
        for (row, group) in (0..).zip(self.groups.made()) {
            // As for members. One that joins has no cursor yet.
            let state = GroupState(group.gate.state.load(Acquire));
            if !state.gates() {
                continue;
            }
            let low = group.gate.low.load(Acquire);
            if alloc.saturating_sub(low) > self.bytes() / 2 {
                laggard(Reads::Group(row));
            }
            let cursor = GroupCursor(group.gate.cursor.load(Acquire)).position(floor.tail);
            if !state.is_reading() || cursor < floor.tail {
                lowest = lowest.min(low);
            }
        }
        Limit { position: lowest.saturating_add(self.bytes()), floor: floor.position }
    }

    /// Announces and takes `bytes` of whole frames; the caller writes, commits and then clears `me.inflight`.
    pub fn reserve(
        &self,
        me: &Member,
        bytes: u64,
        cached: &mut Limit,
        mut laggard: impl FnMut(Reads),
    ) -> Result<u64, NoRoom> {
        let mut announced = false;
        let mut at = self.alloc.load(Relaxed);
        loop {
            // It never goes back, nor to where no frame begins.
            let plausible = at.is_multiple_of(BLOCK as u64) && at >= cached.floor && at < SLAB_POSITION_MAX;
            // A header's floor may not be too old, or readers would hold the slab without need.
            let stale = at.saturating_sub(cached.floor) > self.bytes() / 16;
            if plausible && (at + bytes > cached.position || stale) {
                *cached = self.limit(&mut laggard);
            }
            if !plausible || at + bytes > cached.position {
                if announced {
                    me.inflight.store(0, Release);
                }
                return Err(if plausible { NoRoom::Full } else { NoRoom::Corrupt });
            }
            // R1: announced before reserved; the CAS releases it to whoever sees the new `alloc`. Release: it takes the
            // place of the 0 with which my message before was finalised (R3), and must show as much.
            me.inflight.store(at, Release);
            announced = true;
            step("publish: announced");
            match self.alloc.compare_exchange(at, at + bytes, AcqRel, Relaxed) {
                Ok(_) => return Ok(at),
                Err(now) => at = now,
            }
        }
    }

    /// Writes a body into a reservation.
    pub fn write_body(&self, position: u64, body: &[u8]) {
        store_blocks(self.blocks, self.unit(position) as usize + 1, body);
    }

    /// The block a slab position falls in, still free-running (modulo 2^32).
    pub fn unit(&self, position: u64) -> u32 {
        (position / BLOCK as u64) as u32
    }
}
