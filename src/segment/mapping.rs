//! The mapping: created whole under a random name, opened only after its header was checked, handed out as
//! references to atomics and nothing else.
#![allow(unsafe_code)] // the one place where an offset becomes a pointer

use super::os::memory::{self, Memory};
use super::place::{Place, PlaceError};
use super::witness::Round;
use crate::layout::{
    BOOKMARK_BUCKETS, Bookmark, BookmarkKey, GROUPS_MAX, Geometry, Group, GroupTable, Header, LAYOUT_VERSION,
    LOG_LEN, MAGIC, Member, MemberState, Name, Parts, SEGMENT_CLOSED, SEGMENT_OPEN, Sizes, Topic, TopicTable,
};
use crate::sync::{AtomicU32, AtomicU64, BLOCK, Block, Ordering, step};
use Ordering::{Acquire, Relaxed, Release};
use shared_memory::ShmemError;

/// Topic entries whose memory is reserved at once.
const TOPICS_AT_ONCE: u32 = 512;
const BOOKMARKS_AT_ONCE: u32 = 64;
/// The same of groups.
const GROUPS_AT_ONCE: u32 = 64;

pub(crate) struct Segment {
    memory: Memory,
    geometry: Geometry,
    /// Topic entries, and rows of groups, whose memory this process knows to be there, whatever the header says.
    known: AtomicU32,
    /// The same of bookmarks.
    known_bookmarks: AtomicU32,
    known_groups: AtomicU32,
}

// SAFETY: the mapping is shared memory made of atomics; `Memory` is not Send only because it holds its pointer.
unsafe impl Send for Segment {}
// SAFETY: all access goes through `&` references to atomics.
unsafe impl Sync for Segment {}

/// The memory file system is full.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{needed} bytes of shared memory are needed, {available} are free")]
pub(crate) struct NoSpace {
    pub needed: u64,
    pub available: u64,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum SegmentError {
    #[error(transparent)]
    NoSpace(#[from] NoSpace),
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// No such memory: the pointer is older than a restart of the machine, or somebody removed it.
    #[error("the shared memory {0} is gone")]
    Gone(String),
    #[error("the segment has layout version {found}, this slabcast reads {expected}")]
    Version { found: u32, expected: u32 },
    #[error("the segment's header is not one of slabcast's: {0}")]
    Corrupt(&'static str),
    #[error("shared memory {id}: {error}")]
    Os { id: String, error: std::io::Error },
}

impl Segment {
    /// Makes a segment, complete, under a name nobody knows yet.
    pub fn create(id: &str, place: &Place, sizes: Sizes) -> Result<Segment, SegmentError> {
        let geometry = Geometry::new(sizes).ok_or(SegmentError::Corrupt("its sizes"))?;
        // An early return unlinks it, until it is complete.
        let mut memory = Memory::create(id, geometry.total, place.mode())?;
        memory.reserve(0, geometry.topics)?;
        step("create: reserved");
        memory.keep();
        let segment = Segment {
            memory,
            geometry,
            known: AtomicU32::new(0),
            known_bookmarks: AtomicU32::new(0),
            known_groups: AtomicU32::new(0),
        };
        let built = segment.build(place);
        if built.is_err() {
            Segment::unlink(id);
        }
        built?;
        Ok(segment)
    }

    fn build(&self, place: &Place) -> Result<(), SegmentError> {
        let sizes = self.geometry.sizes;
        self.reserve_topics()?;
        let header = self.header();
        header.alloc.store(sizes.slab_bytes, Relaxed);
        let identity = &header.identity;
        identity.slab_bytes.store(sizes.slab_bytes, Relaxed);
        identity.max_message.store(sizes.max_message, Relaxed);
        identity.topics.store(sizes.topics, Relaxed);
        identity.members.store(sizes.members, Relaxed);
        identity.place.store(place.mark(), Relaxed);
        identity.layout_version.store(LAYOUT_VERSION, Relaxed);
        identity.state.store(SEGMENT_OPEN, Relaxed);
        identity.magic.store(MAGIC, Release);
        Ok(())
    }

    /// Maps the segment of that name, after a look at whose it is and what it says it is.
    pub fn open(id: &str, place: &Place) -> Result<Segment, SegmentError> {
        let memory = Memory::open(id, place)?;
        if memory.len() < 4096 {
            return Err(SegmentError::Corrupt("its length"));
        }
        // The header fits the mapping; only it is touched until its sizes are known to fit too.
        // SAFETY: page-aligned, at least a page long, all bit patterns are valid.
        let header = unsafe { &*memory.as_ptr().cast::<Header>() };
        let identity = &header.identity;
        if identity.magic.load(Acquire) != MAGIC {
            return Err(SegmentError::Corrupt("its magic number"));
        }
        let found = identity.layout_version.load(Relaxed);
        if found != LAYOUT_VERSION {
            return Err(SegmentError::Version { found, expected: LAYOUT_VERSION });
        }
        let geometry = Geometry::new(Sizes {
            slab_bytes: identity.slab_bytes.load(Relaxed),
            max_message: identity.max_message.load(Relaxed),
            topics: identity.topics.load(Relaxed),
            members: identity.members.load(Relaxed),
        })
        .ok_or(SegmentError::Corrupt("its sizes"))?;
        if !memory.is_for(geometry.total) {
            return Err(SegmentError::Corrupt("its sizes"));
        }
        let segment = Segment {
            memory,
            geometry,
            known: AtomicU32::new(0),
            known_bookmarks: AtomicU32::new(0),
            known_groups: AtomicU32::new(0),
        };
        segment.ensure_topics()?;
        Ok(segment)
    }

    /// Removes the name of a segment; those who have it mapped keep it. False: that could not be done now, or not by this user.
    /// Only where nobody lives.
    pub fn unlink(id: &str) -> bool {
        memory::unlink(id)
    }

    /// Whether anybody is attached who lives.
    pub fn is_inhabited(&self, place: &Place) -> bool {
        let mut round = Round::default();
        self.is_open() && self.parts().members.iter().any(|member| is_alive(member, place, &mut round))
    }

    /// Reserves memory for the next topic entries. Under the registry lock.
    pub fn reserve_topics(&self) -> Result<(), SegmentError> {
        let g = &self.geometry;
        let reserved = &self.header().registry.topics_reserved;
        let from = reserved.load(Relaxed);
        if from >= g.sizes.topics {
            return Err(SegmentError::Corrupt("its number of topics"));
        }
        let to = from.saturating_add(TOPICS_AT_ONCE).min(g.sizes.topics);
        self.reserve_entries(from, to)?;
        // Release: an index below it is only met by those who see the memory reserved.
        reserved.store(to, Release);
        step("memory: told");
        Ok(())
    }

    /// Reserves memory for the next rows of groups. Under the registry lock.
    pub fn reserve_groups(&self) -> Result<(), SegmentError> {
        let reserved = &self.header().registry.groups_reserved;
        let from = reserved.load(Relaxed);
        if from >= GROUPS_MAX {
            return Err(SegmentError::Corrupt("its number of groups"));
        }
        let to = from.saturating_add(GROUPS_AT_ONCE).min(GROUPS_MAX);
        self.reserve_rows(from, to)?;
        // Release: as for topics.
        reserved.store(to, Release);
        step("memory: told of groups");
        Ok(())
    }

    /// Sees to it that the topic entries and groups the header calls reserved are: touched without memory they would end the process.
    pub fn ensure_topics(&self) -> Result<(), SegmentError> {
        // Acquire: who sees what another thread has seen to sees the number that thread saw, or a later one.
        let known = self.known.load(Acquire);
        let reserved = self.header().registry.topics_reserved.load(Acquire);
        if reserved > self.geometry.sizes.topics || reserved < known {
            return Err(SegmentError::Corrupt("its number of topics"));
        }
        if reserved > known {
            self.reserve_entries(known, reserved)?;
            self.known.store(reserved, Release);
        }
        self.ensure_groups()
    }

    fn ensure_groups(&self) -> Result<(), SegmentError> {
        // Acquire: as above.
        let known = self.known_groups.load(Acquire);
        let reserved = self.header().registry.groups_reserved.load(Acquire);
        if reserved > GROUPS_MAX || reserved < known {
            return Err(SegmentError::Corrupt("its number of groups"));
        }
        if reserved > known {
            self.reserve_rows(known, reserved)?;
            self.known_groups.store(reserved, Release);
        }
        Ok(())
    }

    fn reserve_entries(&self, from: u32, to: u32) -> Result<(), SegmentError> {
        let g = &self.geometry;
        for (section, each) in
            [(g.topics, size_of::<Topic>()), (g.rows, 2 * g.row_words() * 8), (g.names, size_of::<Name>())]
        {
            self.reserve_in(section, each, from, to)?;
        }
        Ok(())
    }

    fn reserve_in(&self, section: usize, each: usize, from: u32, to: u32) -> Result<(), SegmentError> {
        let start = section + from as usize * each;
        self.memory.reserve(start, (to - from) as usize * each)?;
        step("memory: reserved");
        Ok(())
    }

    fn reserve_rows(&self, from: u32, to: u32) -> Result<(), SegmentError> {
        let g = &self.geometry;
        self.reserve_in(g.groups, size_of::<Group>(), from, to)?;
        self.reserve_in(g.group_rows, g.row_words() * 8, from, to)
    }

    /// Reserves memory for the next bookmarks. Under the registry lock.
    pub fn reserve_bookmarks(&self) -> Result<(), SegmentError> {
        let reserved = &self.header().bookmarks.reserved;
        let from = reserved.load(Relaxed);
        let to = from.saturating_add(BOOKMARKS_AT_ONCE).min(self.geometry.sizes.topics);
        if from >= to {
            return Err(SegmentError::Corrupt("its number of bookmarks"));
        }
        self.reserve_bookmark_entries(from, to)?;
        reserved.store(to, Release);
        step("memory: told of bookmarks");
        Ok(())
    }

    /// As `ensure_topics`, of bookmarks.
    pub fn ensure_bookmarks(&self) -> Result<(), SegmentError> {
        let known = self.known_bookmarks.load(Acquire);
        let reserved = self.header().bookmarks.reserved.load(Acquire);
        if !(known..=self.geometry.sizes.topics).contains(&reserved) {
            return Err(SegmentError::Corrupt("its number of bookmarks"));
        }
        if reserved > known {
            self.reserve_bookmark_entries(known, reserved)?;
            self.known_bookmarks.store(reserved, Release);
        }
        Ok(())
    }

    fn reserve_bookmark_entries(&self, from: u32, to: u32) -> Result<(), SegmentError> {
        self.reserve_in(self.geometry.bookmarks, size_of::<Bookmark>(), from, to)?;
        self.reserve_in(self.geometry.keys, size_of::<BookmarkKey>(), from, to)
    }

    pub fn is_open(&self) -> bool {
        self.header().identity.state.load(Acquire) == SEGMENT_OPEN
    }
    /// Under the registry lock: nobody may attach any more.
    pub fn mark_closed(&self) {
        self.header().identity.state.store(SEGMENT_CLOSED, Release);
    }

    pub fn id(&self) -> &str {
        self.memory.id()
    }
    pub fn sizes(&self) -> Sizes {
        self.geometry.sizes
    }

    pub fn header(&self) -> &Header {
        &self.section::<Header>(0, 1)[0]
    }

    #[inline]
    pub fn parts(&self) -> Parts<'_> {
        let g = &self.geometry;
        let header = self.header();
        let topics = g.sizes.topics as usize;
        Parts {
            alloc: &header.alloc,
            tail: &header.tail,
            members: self.section(g.members, g.sizes.members as usize),
            slots: self.section(g.ring, g.sizes.slab_bytes as usize / BLOCK),
            blocks: self.section::<Block>(g.slab, g.sizes.slab_bytes as usize / BLOCK),
            max_message: g.sizes.max_message,
            topics: TopicTable {
                all: self.section(g.topics, topics),
                reserved: &header.registry.topics_reserved,
            },
            rows: self.section(g.rows, topics * 2 * g.row_words()),
            row_words: g.row_words(),
            groups: GroupTable {
                all: self.section(g.groups, GROUPS_MAX as usize),
                made: &header.registry.groups_made,
                reserved: &header.registry.groups_reserved,
            },
            group_rows: self.section(g.group_rows, GROUPS_MAX as usize * g.row_words()),
        }
    }

    /// Maps the pages of the slab from a position on, those of `bytes`, into this process. False: the system does not know how.
    pub fn map_ahead(&self, position: u64, bytes: u64) -> bool {
        let slab = self.geometry.sizes.slab_bytes;
        let from = position % slab;
        let to = from.saturating_add(bytes).min(slab);
        let start = self.geometry.slab + from as usize;
        // SAFETY: no bytes are looked at, only where they lie: inside the mapping, for sections are.
        memory::populate(unsafe { self.memory.as_ptr().add(start) }, (to - from) as usize)
    }

    /// The ids of the topics made last, then of those whose interest changed last.
    pub fn logs(&self) -> (&[AtomicU64], &[AtomicU64]) {
        self.section(self.geometry.log, 2 * LOG_LEN).split_at(LOG_LEN)
    }
    pub fn buckets(&self) -> &[AtomicU32] {
        self.section(self.geometry.buckets, self.geometry.sizes.topics.next_power_of_two() as usize)
    }
    /// As many as topics; those not reserved must not be touched.
    pub fn names(&self) -> &[Name] {
        self.section(self.geometry.names, self.geometry.sizes.topics as usize)
    }

    /// Heads of the chains of bookmarks.
    pub fn marks(&self) -> &[AtomicU32] {
        self.section(self.geometry.marks, BOOKMARK_BUCKETS)
    }
    /// As many as topics; those not reserved must not be touched.
    pub fn bookmarks(&self) -> (&[Bookmark], &[BookmarkKey]) {
        let count = self.geometry.sizes.topics as usize;
        (self.section(self.geometry.bookmarks, count), self.section(self.geometry.keys, count))
    }

    #[cfg(any(fuzzing, all(test, not(loom))))]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }
    /// All of it, for those who corrupt it.
    #[cfg(any(fuzzing, all(test, not(loom))))]
    pub fn words(&self) -> &[AtomicU64] {
        self.section(0, self.geometry.total / size_of::<AtomicU64>())
    }

    /// `count` values of T at `offset`; T is one of layout's, made of atomics, so that any bytes are valid.
    fn section<T>(&self, offset: usize, count: usize) -> &[T] {
        assert!(
            offset + count * size_of::<T>() <= self.memory.len() && offset.is_multiple_of(align_of::<T>())
        );
        // SAFETY: inside the mapping, aligned, alive as long as self; atomics may change under a shared reference.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().add(offset).cast::<T>(), count) }
    }
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segment").field("id", &self.id()).field("geometry", &self.geometry).finish()
    }
}

/// Whether a member is attached, not leaving, and lives.
pub(crate) fn is_alive(member: &Member, place: &Place, round: &mut Round) -> bool {
    let state = MemberState(member.identity.state.load(Acquire));
    state.in_use()
        && state.phase() != MemberState::LEAVING
        && round.lives(member.process(), place, state.number())
}

pub(super) fn os_error(id: &str, error: impl Into<OsError>) -> SegmentError {
    let OsError(error) = error.into();
    if error.kind() == std::io::ErrorKind::NotFound {
        return SegmentError::Gone(id.to_owned());
    }
    SegmentError::Os { id: id.to_owned(), error }
}

pub(super) struct OsError(std::io::Error);
#[cfg(unix)]
impl From<rustix::io::Errno> for OsError {
    fn from(error: rustix::io::Errno) -> Self {
        OsError(error.into())
    }
}
impl From<std::io::Error> for OsError {
    fn from(error: std::io::Error) -> Self {
        OsError(error)
    }
}
impl From<ShmemError> for OsError {
    fn from(error: ShmemError) -> Self {
        OsError(match error {
            ShmemError::MapOpenFailed(code)
            | ShmemError::MapCreateFailed(code)
            | ShmemError::UnknownOsError(code) => std::io::Error::from_raw_os_error(code as i32),
            other => std::io::Error::other(other),
        })
    }
}
