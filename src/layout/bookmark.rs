//! Where a durable subscription goes on: one bookmark for each topic and name.

use super::NAME_MAX;
use crate::sync::{AtomicU32, AtomicU64};

/// The longest key: a topic, NUL, a name.
pub(crate) const KEY_MAX: usize = 2 * NAME_MAX + 1;
/// Heads of the chains by the keys' hash.
pub(crate) const BOOKMARK_BUCKETS: usize = 4096;

#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Bookmark {
    /// FREE, KEPT or GONE. Under the registry lock, stored last; KEPT -> GONE by its holder.
    pub state: AtomicU64,
    /// The number of the last message whose listener has returned. Its holder, as `begun`.
    pub handled: AtomicU64,
    /// The number of the last message a listener was called for; stored before the call.
    pub begun: AtomicU64,
    /// xxh3 of the key. Under the registry lock, as `next` and `key_len`.
    pub hash: AtomicU64,
    /// The number of the member that reads on from here, 0 = none. Under the registry lock; -> 0 by that member. Numbers are
    /// unique: one that nobody living bears is as good as 0, so that a death needs no repair.
    pub holder: AtomicU32,
    /// The next bookmark of the same bucket: index + 1, or 0.
    pub next: AtomicU32,
    pub key_len: AtomicU32,
}

impl Bookmark {
    /// Nothing here, or half an entry whose maker died.
    pub const FREE: u64 = 0;
    pub const KEPT: u64 = 1;
    /// Forgotten: may become another.
    pub const GONE: u64 = 2;
}

/// A bookmark's key in whole words: `key_len` bytes, the rest of the last word 0.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct BookmarkKey(pub [AtomicU64; KEY_MAX.div_ceil(8)]);

/// What all of them share, in the header. Under the registry lock.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct BookmarkTable {
    /// 1 from before the first change under the lock until after the last, as the registry's.
    pub dirty: AtomicU32,
    /// Bookmarks whose memory is reserved; the others must not be touched.
    pub reserved: AtomicU32,
    /// Bookmarks kept, or gone: the next new one is this one, while it is below the number of topics.
    pub made: AtomicU32,
    /// How many are gone, about: their holders add, without the lock.
    pub gone: AtomicU32,
}

#[cfg(not(loom))]
const _: () = {
    assert!(std::mem::size_of::<Bookmark>() == 64);
    assert!(std::mem::size_of::<BookmarkKey>() == 512);
};
