//! One topic of the registry table: a line of words every publish reads, and its name.

use crate::sync::{AtomicU32, AtomicU64};

/// The longest topic name, in bytes of UTF-8.
pub(crate) const NAME_MAX: usize = 255;

#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Topic {
    /// A packed [`TopicState`]. Under the registry lock; stored last, so that what it vouches for is there.
    pub state: AtomicU64,
    /// The sequence of the last message. Helpers, CAS s - 1 -> s. Never goes back (rule R5).
    pub sequence: AtomicU64,
    /// Slab position of the last frame, the head of the replay chain. Helpers, CAS. Never goes back (rule R5).
    pub last: AtomicU64,
    /// xxh3 of the name. Under the registry lock, as all that follows.
    pub hash: AtomicU64,
    /// The next topic of the same bucket: index + 1, or 0.
    pub next: AtomicU32,
    /// ```text
    /// bits 31..8  its first group: row + 1, or 0; who publishes goes along from there
    /// bits  7..0  the length of its name in bytes
    /// ```
    pub name: AtomicU32,
    /// `alloc` when the topic was retired; 0 while it is not, or not yet fully (rule R12).
    pub retired_at: AtomicU64,
    /// `sequence` when the entry was made: numbers up to it were never this topic's, or are forgotten.
    pub base: AtomicU64,
    /// When it was last published to, in ms since 1970, or 0. Publishers, without order: about.
    pub time_ms: AtomicU64,
}

#[cfg(not(loom))]
const _: () = assert!(std::mem::size_of::<Topic>() == 64);

/// A topic's name, or a group's, in whole words: so many bytes of UTF-8, the rest of the last word 0.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Name(pub [AtomicU64; (NAME_MAX + 1) / 8]);

/// `Topic::state`.
///
/// ```text
/// bits 63..32  generation   of the entry: with its index the topic's id
/// bits 31..0   phase
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicState(pub u64);

impl TopicState {
    /// Nothing here, or half an entry whose maker died.
    pub const FREE: u64 = 0;
    pub const VALID: u64 = 1;
    /// About to give its place to another name; its own name still revives it as it was.
    pub const RETIRED: u64 = 2;

    pub fn new(generation: u32, phase: u64) -> Self {
        TopicState((generation as u64) << 32 | phase)
    }
    pub fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
    pub fn phase(self) -> u64 {
        self.0 & 0xffff_ffff
    }
}
