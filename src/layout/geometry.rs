//! Where the sections of a segment lie, computed from its four sizes and checked.

use super::{
    BOOKMARK_BUCKETS, Bookmark, BookmarkKey, GROUPS_MAX, Group, Header, LOG_LEN, MEMBERS_MAX, Member, Name,
    Topic,
};
use crate::sync::BLOCK;
use std::mem::size_of;

/// The smallest and the largest slab. A unit (64 bytes) must fit 32 bits with room for a lap.
pub(crate) const SLAB_MIN: u64 = 64 << 10;
pub(crate) const SLAB_MAX: u64 = 64 << 30;
pub(crate) const TOPICS_MAX: u32 = 1 << 24;

/// Slab positions stay below: at 100 GB/s a bus would get there in three years. So sums of positions cannot overflow.
pub(crate) const SLAB_POSITION_MAX: u64 = 1 << 63;

/// What the creator of a bus chose; in the header, for those who come later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub slab_bytes: u64,
    pub max_message: u64,
    pub topics: u32,
    pub members: u32,
}

/// Offsets in bytes from the segment's first byte; each section begins on a page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub sizes: Sizes,
    pub log: usize,
    pub members: usize,
    pub buckets: usize,
    pub ring: usize,
    pub slab: usize,
    pub marks: usize,
    pub topics: usize,
    pub rows: usize,
    pub names: usize,
    pub bookmarks: usize,
    pub keys: usize,
    pub groups: usize,
    pub group_rows: usize,
    pub total: usize,
}

/// The largest page any supported system has (16 KiB on Apple silicon) would waste nothing worth counting, but
/// the sparse sections only need that reserving one does not touch another: 4 KiB steps are enough.
const PAGE: usize = 4096;

impl Geometry {
    /// None where a size is outside its limits: nothing read from a segment is believed before this said yes.
    pub fn new(sizes: Sizes) -> Option<Geometry> {
        let Sizes { slab_bytes, max_message, topics, members } = sizes;
        if !(SLAB_MIN..=SLAB_MAX).contains(&slab_bytes)
            || !slab_bytes.is_power_of_two()
            || !(1..=slab_bytes / 2).contains(&max_message)
            || max_message > u32::MAX as u64
            || !(1..=TOPICS_MAX).contains(&topics)
            || !(1..=MEMBERS_MAX).contains(&members)
        {
            return None;
        }
        let mut at = 0usize;
        let mut section = |bytes: usize| {
            let start = at;
            at = start.checked_add(bytes)?.checked_next_multiple_of(PAGE)?;
            Some(start)
        };
        let each = |count: u64, size: usize| usize::try_from(count).ok()?.checked_mul(size);
        section(size_of::<Header>())?;
        Some(Geometry {
            sizes,
            log: section(2 * LOG_LEN * 8)?,
            members: section(each(members as u64, size_of::<Member>())?)?,
            buckets: section(each(topics.next_power_of_two() as u64, 4)?)?,
            ring: section(each(slab_bytes / BLOCK as u64, 8)?)?,
            slab: section(each(slab_bytes, 1)?)?,
            marks: section(BOOKMARK_BUCKETS * 4)?,
            topics: section(each(topics as u64, size_of::<Topic>())?)?,
            rows: section(each(topics as u64, 2 * row_words(members) * 8)?)?,
            names: section(each(topics as u64, size_of::<Name>())?)?,
            bookmarks: section(each(topics as u64, size_of::<Bookmark>())?)?,
            keys: section(each(topics as u64, size_of::<BookmarkKey>())?)?,
            groups: section(each(GROUPS_MAX as u64, size_of::<Group>())?)?,
            group_rows: section(each(GROUPS_MAX as u64, row_words(members) * 8)?)?,
            total: at,
        })
    }

    /// Words of one of a topic's two bitmaps of members.
    pub fn row_words(&self) -> usize {
        row_words(self.sizes.members)
    }
}

fn row_words(members: u32) -> usize {
    (members as usize).div_ceil(64)
}
