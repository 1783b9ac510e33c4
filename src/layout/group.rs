//! One group of a topic: its gate, whose it is, its name. Who its members are stands in a bitmap of its own.

use super::{Name, Topic};
use crate::sync::{AtomicU32, AtomicU64, Line, Ordering::Relaxed};

/// Groups there may be at once, of all topics together.
pub(crate) const GROUPS_MAX: u32 = 4096;

#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Group {
    /// Where its members are, together, in ring and slab. Read by every publisher's `limit()`.
    pub gate: Line<Gate>,
    pub identity: Line<GroupIdentity>,
    pub name: Name,
}

#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Gate {
    /// A packed [`GroupState`]. Under the registry lock; CAS Reading -> Cut by a publisher it stalls.
    pub state: AtomicU64,
    /// All that nobody has taken lies at or above this slab position. Who takes, never back; who joins, under the lock.
    pub low: AtomicU64,
    /// A packed [`GroupCursor`]. Who takes, one CAS for each message; who joins, under the lock.
    pub cursor: AtomicU64,
    /// The sequence of a message taken lately, so that the cursor needs to bear only the low bits of the last one's. Who has
    /// taken, never back; who joins, under the lock.
    pub taken: AtomicU64,
}

#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct GroupIdentity {
    /// The topic's generation << 32 | its index; 0: nobody's row. Under the registry lock, as all that follows; after the
    /// rest, so that who goes along a chain and still finds its topic here has not left it.
    pub topic: AtomicU64,
    /// The topic's next group: row + 1, or 0.
    pub next: AtomicU32,
    pub name_len: AtomicU32,
}

impl Default for Group {
    fn default() -> Self {
        let name = Name(std::array::from_fn(|_| AtomicU64::new(0)));
        Group { gate: Line::default(), identity: Line::default(), name }
    }
}

#[cfg(not(loom))]
const _: () = {
    assert!(std::mem::size_of::<Group>() == 384);
    assert!(std::mem::offset_of!(Group, identity) == 64);
    assert!(std::mem::offset_of!(Group, name) == 128);
};

/// `Gate::state`.
///
/// ```text
/// bits 63..8   epoch   counts its joins
/// bits  7..0   phase
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupState(pub u64);

impl GroupState {
    /// Nobody's, or not joined yet: holds nobody back.
    pub const FREE: u64 = 0;
    /// Under the registry lock, from the bottom of the slab on: its low alone gates the publishers, nobody takes.
    pub const JOINING: u64 = 1;
    /// Its cursor and low gate the publishers.
    pub const READING: u64 = 2;
    /// Was reading until somebody it stalled cut it off; gates nobody; the member that notices joins it again.
    pub const CUT: u64 = 3;

    pub fn new(epoch: u64, phase: u64) -> Self {
        GroupState(epoch << 8 | phase)
    }
    pub fn epoch(self) -> u64 {
        self.0 >> 8
    }
    pub fn phase(self) -> u64 {
        self.0 & 0xff
    }
    pub fn with_phase(self, phase: u64) -> Self {
        GroupState(self.0 & !0xff | phase)
    }
    pub fn is_reading(self) -> bool {
        self.phase() == Self::READING
    }
    /// Whether it holds the publishers back.
    pub fn gates(self) -> bool {
        matches!(self.phase(), Self::READING | Self::JOINING)
    }
}

/// `Gate::cursor`: where the next message is looked for and the number of the last one taken, in one word, so that what was taken
/// and what was missed is decided by one CAS.
///
/// ```text
/// bit  63      closed     nobody takes: the row is being joined again
/// bits 62..47  sequence   of the last message taken, its low 16 bits
/// bits 46..0   position   its low 47 bits
/// ```
///
/// The whole position is the one with these bits that is nearest to the tail, the whole sequence the one nearest to `Gate::taken`: that
/// lags by as many messages as members are between their CAS and the store after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupCursor(pub u64);

impl GroupCursor {
    pub const CLOSED: u64 = 1 << 63;
    const POSITION_BITS: u32 = 47;
    const POSITION: u64 = (1 << Self::POSITION_BITS) - 1;

    pub fn new(position: u64, taken: u64) -> Self {
        GroupCursor((taken & 0xffff) << Self::POSITION_BITS | position & Self::POSITION)
    }
    pub fn closed(self) -> Self {
        GroupCursor(self.0 | Self::CLOSED)
    }
    pub fn is_closed(self) -> bool {
        self.0 & Self::CLOSED != 0
    }
    /// The position, given the tail or one near it.
    pub fn position(self, tail: u64) -> u64 {
        let unused = u64::BITS - Self::POSITION_BITS;
        let ahead = ((self.0.wrapping_sub(tail) << unused) as i64) >> unused;
        tail.wrapping_add_signed(ahead)
    }
    /// The sequence of the last message taken, given a recent one.
    pub fn taken(self, recent: u64) -> u64 {
        let ahead = ((self.0 >> Self::POSITION_BITS) as u16).wrapping_sub(recent as u16) as i16;
        recent.wrapping_add_signed(ahead.into())
    }
}

impl Topic {
    /// The length of its name.
    pub fn name_len(&self) -> usize {
        (self.name.load(Relaxed) & 0xff) as usize
    }
    /// The link to its first group: row + 1, or 0.
    #[inline]
    pub fn first_group(&self) -> u32 {
        self.name.load(Relaxed) >> 8
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_gives_back_position_and_sequence_near_those_it_is_asked_by() {
        for position in [0u64, 1, 4096, (1 << 47) - 1, 1 << 47, (1 << 47) + 5, 3 << 60] {
            for taken in [0u64, 1, 0xffff, 0x10000, 0x1ffff, u64::MAX >> 1] {
                let cursor = GroupCursor::new(position, taken);
                for off in [0u64, 1, 63, 1 << 30] {
                    assert_eq!(cursor.position(position + off), position);
                    assert_eq!(cursor.position(position.wrapping_sub(off)), position, "ahead of an old tail");
                }
                for off in [0u64, 1, 4096] {
                    assert_eq!(cursor.taken(taken.wrapping_sub(off)), taken);
                    assert_eq!(cursor.taken(taken + off), taken, "a newer one was stored since");
                }
                let closed = cursor.closed();
                assert!(closed.is_closed() && !cursor.is_closed());
                assert_eq!((closed.position(position), closed.taken(taken)), (position, taken));
            }
        }
    }
}
