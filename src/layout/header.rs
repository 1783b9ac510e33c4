//! The segment's first lines: what it is, and the words all members share.

use super::BookmarkTable;
use crate::sync::{AtomicU32, AtomicU64, Line};

/// `Identity::state`: members may attach.
pub(crate) const SEGMENT_OPEN: u32 = 1;
/// `Identity::state`: the last member left or all had died; whoever finds it closed opens anew.
pub(crate) const SEGMENT_CLOSED: u32 = 2;

#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Header {
    /// Written by the creator before the segment is visible (`state`: under the registry lock). Read at attach.
    pub identity: Line<Identity>,
    /// Slab bytes ever reserved, a free-running position that starts at `slab_bytes` (0 means "none"
    /// wherever a slab position is kept). Any publisher, CAS.
    pub alloc: Line<AtomicU64>,
    /// Messages finalised, and so the next global position. Anyone, CAS t -> t + 1 (helping).
    pub tail: Line<AtomicU64>,
    /// Changed under the registry lock only.
    pub registry: Registry,
    /// Changed under the registry lock, but for a hint.
    pub bookmarks: Line<BookmarkTable>,
}

#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Identity {
    pub magic: AtomicU64,
    pub layout_version: AtomicU32,
    pub state: AtomicU32,
    /// xxh3 of the path of the bus' folder: tells whose memory this is though the file that points here is gone.
    pub place: AtomicU64,
    pub slab_bytes: AtomicU64,
    pub max_message: AtomicU64,
    pub topics: AtomicU32,
    pub members: AtomicU32,
}

/// The first 24 bytes of an identity, which stay what they are in every version: read from memory that is not mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    pub magic: u64,
    pub layout_version: u32,
    pub state: u32,
    pub place: u64,
}

impl Label {
    pub const BYTES: usize = 24;

    pub fn parse(bytes: &[u8; Self::BYTES]) -> Label {
        let (shorts, longs) = (bytes.as_chunks::<4>().0, bytes.as_chunks::<8>().0);
        Label {
            magic: u64::from_ne_bytes(longs[0]),
            layout_version: u32::from_ne_bytes(shorts[2]),
            state: u32::from_ne_bytes(shorts[3]),
            place: u64::from_ne_bytes(longs[2]),
        }
    }
}

#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Registry {
    /// 1 from before the first change under the lock until after the last: whoever takes the lock and finds it
    /// 1 knows that the holder before died, and rebuilds the index.
    pub dirty: AtomicU32,
    /// Topic entries whose memory is reserved; the others must not be touched.
    pub topics_reserved: AtomicU32,
    /// Topic entries in use or used before: the next new one is this one, while it is below the capacity.
    pub topics_made: AtomicU32,
    /// Not 0 once an entry was taken from one topic for another (rule R5).
    pub evicted: AtomicU32,
    /// Where the search for topics that may give their place goes on.
    pub hand: AtomicU32,
    /// How often a member came or went, modulo 2^32: who watches them looks when it moves. After the table was changed.
    pub moved: AtomicU32,
    /// Topics ever made; the log holds the ids of the last LOG_LEN of them. Release: read by `drain` (rule R11).
    pub created: AtomicU64,
    /// Members ever attached; gives each its number, unique in the life of the segment.
    pub attached: AtomicU64,
    /// Times a topic got its first subscriber by name or lost its last; the second half of the log holds the ids of the last
    /// LOG_LEN of them. Release: read by who watches interest.
    pub changed: AtomicU64,
    /// Of the topics that are retired: once no publisher is in flight that saw one of them, a tail read after that, + 1; 0 before.
    /// What was ever published to them stands below it (rule R12).
    pub quiet_at: AtomicU64,
    /// Rows of groups in use or used before, and those whose memory is reserved; the others must not be touched.
    pub groups_made: AtomicU32,
    pub groups_reserved: AtomicU32,
    /// Up to 64 topics that are retired but still bear their name: topic index + 1, or 0.
    pub retired: Retired,
}

#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Retired(pub [AtomicU32; 64]);

impl Default for Retired {
    fn default() -> Self {
        Retired(std::array::from_fn(|_| AtomicU32::new(0)))
    }
}
