//! A frame: one block of header, then the body's bytes, in whole blocks of 64.
//!
//! ```text
//! word 0  position    global; the publisher, before its commit
//! word 1  sequence    in the topic; the same
//! word 2  previous    slab position of the topic's frame before, 0 = none; the same
//! word 3  floor       every frame at this or a later position lies at or above this slab position
//! word 4  topic       generation << 32 | index
//! word 5  member      number << 32 | index
//! word 6  pid << 32 | length of the body in bytes
//! word 7  time in ms since 1970 << 16 | flags
//! ```
//!
//! All of it is private to the publisher until its commit (a CAS that releases), and unchanged from then until the
//! space is reserved anew. Readers may look at memory that is being reused: they copy, fence, validate, believe.

use crate::sync::{AtomicU64, BLOCK, Block, Ordering::Relaxed};

/// The body is the user's bytes, not MessagePack.
pub(crate) const FLAG_RAW: u16 = 1;

/// Bytes a frame with a body of `len` bytes takes of the slab.
pub(crate) fn frame_bytes(len: usize) -> u64 {
    (BLOCK + len.next_multiple_of(BLOCK)) as u64
}

/// A frame's header in place.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a>(&'a [AtomicU64; 8]);

/// What a publisher knows of a frame before its commit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FrameFields {
    pub floor: u64,
    pub topic_index: u32,
    pub topic_generation: u32,
    pub member_index: u32,
    pub member_number: u32,
    pub pid: u32,
    pub len: u32,
    pub time_ms: u64,
    pub flags: u16,
}

impl<'a> Frame<'a> {
    pub fn at(blocks: &'a [Block], unit: u32) -> Self {
        // The slab is a power of two of blocks, at most 2^31: the low bits of the unit are the index.
        Frame(&blocks[unit as usize & (blocks.len() - 1)].0)
    }

    pub fn write(self, f: &FrameFields) {
        let pair = |high: u32, low: u32| (high as u64) << 32 | low as u64;
        self.0[3].store(f.floor, Relaxed);
        self.0[4].store(pair(f.topic_generation, f.topic_index), Relaxed);
        self.0[5].store(pair(f.member_number, f.member_index), Relaxed);
        self.0[6].store(pair(f.pid, f.len), Relaxed);
        self.0[7].store(f.time_ms << 16 | f.flags as u64, Relaxed);
    }

    pub fn write_place(self, position: u64, sequence: u64, previous: u64) {
        self.0[0].store(position, Relaxed);
        self.0[1].store(sequence, Relaxed);
        self.0[2].store(previous, Relaxed);
    }

    pub fn position(self) -> u64 {
        self.0[0].load(Relaxed)
    }
    pub fn sequence(self) -> u64 {
        self.0[1].load(Relaxed)
    }
    pub fn previous(self) -> u64 {
        self.0[2].load(Relaxed)
    }
    pub fn floor(self) -> u64 {
        self.0[3].load(Relaxed)
    }
    /// (index, generation)
    pub fn topic(self) -> (u32, u32) {
        let word = self.0[4].load(Relaxed);
        (word as u32, (word >> 32) as u32)
    }
    /// (index, number)
    pub fn member(self) -> (u32, u32) {
        let word = self.0[5].load(Relaxed);
        (word as u32, (word >> 32) as u32)
    }
    pub fn pid(self) -> u32 {
        (self.0[6].load(Relaxed) >> 32) as u32
    }
    pub fn len(self) -> usize {
        self.0[6].load(Relaxed) as u32 as usize
    }
    pub fn time_ms(self) -> u64 {
        self.0[7].load(Relaxed) >> 16
    }
    pub fn flags(self) -> u16 {
        self.0[7].load(Relaxed) as u16
    }
}
