//! The sections of a bus as references: cut from a segment, or built on the heap by a model. The protocol's code
//! takes these and cannot tell the difference.

use super::{Group, Member, Topic};
use crate::sync::{AtomicU32, AtomicU64, Block, Ordering};

/// The topic entries of a bus. Those beyond `reserved` have no memory yet and are never touched.
#[derive(Clone, Copy)]
pub(crate) struct TopicTable<'a> {
    pub all: &'a [Topic],
    pub reserved: &'a AtomicU32,
}

impl<'a> TopicTable<'a> {
    /// An entry, if its memory is reserved. The number is read anew each time: an id taken from a frame may be of a
    /// topic that appeared a moment ago.
    pub fn get(&self, index: u32) -> Option<&'a Topic> {
        // Acquire: whoever got an id got it after its memory was reserved and the number stored.
        (index < self.reserved.load(Ordering::Acquire)).then(|| self.all.get(index as usize))?
    }

    /// The entries reserved by now.
    pub fn reserved(&self) -> &'a [Topic] {
        &self.all[..(self.reserved.load(Ordering::Acquire) as usize).min(self.all.len())]
    }
}

/// The rows of groups, with the same rule.
#[derive(Clone, Copy)]
pub(crate) struct GroupTable<'a> {
    pub all: &'a [Group],
    pub made: &'a AtomicU32,
    pub reserved: &'a AtomicU32,
}

impl<'a> GroupTable<'a> {
    pub fn get(&self, row: u32) -> Option<&'a Group> {
        // Acquire: as for topics.
        (row < self.reserved.load(Ordering::Acquire)).then(|| self.all.get(row as usize))?
    }

    /// The rows that are or were somebody's.
    #[inline]
    pub fn made(&self) -> &'a [Group] {
        // Acquire: a row that is counted has its memory.
        let made = self.made.load(Ordering::Acquire);
        if made == 0 {
            return &[];
        }
        let reserved = self.reserved.load(Ordering::Acquire);
        &self.all[..(made.min(reserved) as usize).min(self.all.len())]
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub alloc: &'a AtomicU64,
    pub tail: &'a AtomicU64,
    pub members: &'a [Member],
    pub slots: &'a [AtomicU64],
    pub blocks: &'a [Block],
    /// The longest body; at most half a slab.
    pub max_message: u64,
    pub topics: TopicTable<'a>,
    /// For each topic twice `row_words` words of bitmap: of those who are posted to, and of those subscribed by name.
    pub rows: &'a [AtomicU64],
    pub row_words: usize,
    pub groups: GroupTable<'a>,
    /// For each group `row_words` words: its members.
    pub group_rows: &'a [AtomicU64],
}

impl<'a> Parts<'a> {
    /// The members that are posted to when the topic is published to.
    pub fn row(&self, topic: u32) -> &'a [AtomicU64] {
        &self.rows[topic as usize * 2 * self.row_words..][..self.row_words]
    }
    /// Of those, the members subscribed by its name. Such a bit is set last: whoever has one is asked by all that is published
    /// since.
    pub fn named(&self, topic: u32) -> &'a [AtomicU64] {
        &self.rows[(topic as usize * 2 + 1) * self.row_words..][..self.row_words]
    }
    /// The members of a group.
    pub fn group_row(&self, row: u32) -> &'a [AtomicU64] {
        &self.group_rows[row as usize * self.row_words..][..self.row_words]
    }
    /// Both.
    pub fn both(&self, topic: u32) -> &'a [AtomicU64] {
        &self.rows[topic as usize * 2 * self.row_words..][..2 * self.row_words]
    }
}
