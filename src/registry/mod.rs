//! Who and what is on a bus: the table of topics and the table of members. Everything here that changes shared memory
//! does so under the registry lock; lookups are lock-free.

mod appeared;
mod bookmarks;
mod groups;
mod log;
mod members;
mod subscribers;
mod topics;

pub(crate) use bookmarks::{Bookmarks, NoBookmark, bookmark_key};
pub(crate) use groups::{NoGroup, groups_of};
pub(crate) use members::{AttachError, Newcomer, attach, detach, in_use, moved};
pub(crate) use topics::{MakeError, Topics, hash_bits, name_hash};

/// A topic's entry and the generation of it: never the id of another name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct TopicId {
    pub index: u32,
    pub generation: u32,
}

impl TopicId {
    /// As it stands in the logs.
    fn word(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }
    fn of(word: u64) -> TopicId {
        TopicId { index: word as u32, generation: (word >> 32) as u32 }
    }
}
