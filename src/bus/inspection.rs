//! A look at the words that steer everybody and that no message checks: whether they can be what the protocol leaves
//! there. Once per tick and whenever the slab is full, so that nobody waits for ever for what cannot come. Each check holds
//! at any moment of a sound bus, whatever the others are doing.

use crate::layout::{Corrupt, GroupCursor, GroupState, Header, MemberState, Parts, SLAB_POSITION_MAX};
use crate::sync::{BLOCK, Ordering::Acquire};

/// What one member has seen.
#[derive(Debug, Default)]
pub(crate) struct Inspection {
    alloc: u64,
    tail: u64,
}

impl Inspection {
    /// One look; positions never go back between two.
    pub fn look(&mut self, header: &Header, parts: &Parts<'_>) -> Result<(), Corrupt> {
        // The tail first: what it has passed was reserved before.
        let tail = parts.tail.load(Acquire);
        let alloc = parts.alloc.load(Acquire);
        let slab_bytes = (parts.blocks.len() * BLOCK) as u64;
        let used = alloc.checked_sub(slab_bytes).ok_or(Corrupt)?;
        let sound = alloc < SLAB_POSITION_MAX
            && alloc.is_multiple_of(BLOCK as u64)
            && tail <= used / BLOCK as u64
            && alloc >= self.alloc
            && tail >= self.tail;
        if !sound {
            return Err(Corrupt);
        }
        *self = Inspection { alloc, tail };
        places(header, parts)?;
        rows(header, parts)
    }
}

/// The gates of groups: they hold the publishers back as members do, and whoever takes believes what stands there.
fn rows(header: &Header, parts: &Parts<'_>) -> Result<(), Corrupt> {
    let made = header.registry.groups_made.load(Acquire);
    if made > header.registry.groups_reserved.load(Acquire) {
        return Err(Corrupt);
    }
    for group in parts.groups.made() {
        let state = GroupState(group.gate.state.load(Acquire));
        if state.phase() > GroupState::CUT {
            return Err(Corrupt);
        }
        let low = group.gate.low.load(Acquire);
        let cursor = GroupCursor(group.gate.cursor.load(Acquire));
        // After them: both only grow. The state again: it may have been joined meanwhile.
        let (alloc, tail) = (parts.alloc.load(Acquire), parts.tail.load(Acquire));
        let is_ahead = low > alloc || cursor.position(tail) > tail;
        if is_ahead && state.is_reading() && group.gate.state.load(Acquire) == state.0 {
            return Err(Corrupt);
        }
    }
    Ok(())
}

fn places(header: &Header, parts: &Parts<'_>) -> Result<(), Corrupt> {
    let mut numbers = Vec::new();
    for member in parts.members {
        let state = MemberState(member.identity.state.load(Acquire));
        if !is_possible(header, state) {
            return Err(Corrupt);
        }
        if state.in_use() {
            numbers.push(state.number());
            continue;
        }
        // An announcement nobody will ever clear holds the slab. The state again: somebody may have attached meanwhile.
        if member.inflight.load(Acquire) != 0 && member.identity.state.load(Acquire) == state.0 {
            return Err(Corrupt);
        }
    }
    numbers.sort_unstable();
    if numbers.windows(2).any(|pair| pair[0] == pair[1]) { Err(Corrupt) } else { Ok(()) }
}

/// Whether a place can hold this: a number that was given, a phase there is.
pub(crate) fn is_possible(header: &Header, state: MemberState) -> bool {
    // Read after the state: counted before a newcomer shows.
    let attached = header.registry.attached.load(Acquire);
    state.phase() <= MemberState::LEAVING
        && state.number() as u64 <= attached
        && (state.number() != 0 || !state.in_use())
}
