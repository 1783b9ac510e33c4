//! One slot of the ring: where the frame of a position lies, and enough of its topic to pass it by.

/// ```text
/// bits 63..48  lap    of the ring, from 1 (a slot never written bears 0), modulo 2^16
/// bits 47..32  hash   the low bits of the topic's hash: a reader's interest map has one bit for each
/// bits 31..0   unit   the frame's slab position / 64, modulo 2^32
/// ```
///
/// 16 bits of lap are enough because a publisher in flight stops the slab: while it looks at a slot the tail
/// moves less than two laps past it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(pub u64);

impl Slot {
    pub fn new(lap: u16, hash: u16, unit: u32) -> Self {
        Slot((lap as u64) << 48 | (hash as u64) << 32 | unit as u64)
    }
    pub fn lap(self) -> u16 {
        (self.0 >> 48) as u16
    }
    pub fn hash(self) -> u16 {
        (self.0 >> 32) as u16
    }
    pub fn unit(self) -> u32 {
        self.0 as u32
    }
    /// The lap in which `position` falls in a ring of 2^`ring_bits` slots.
    pub fn lap_of(position: u64, ring_bits: u32) -> u16 {
        (position >> ring_bits).wrapping_add(1) as u16
    }
}
