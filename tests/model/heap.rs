//! A bus built on the heap: the sections of a segment without the segment, so small that laps and reuse come soon. The
//! protocol's code takes references and cannot tell the difference.

use crate::layout::{
    Gate, Group, GroupTable, Header, LOG_LEN, Member, MemberIdentity, MemberState, Name, Parts, Reading,
    Topic, TopicState, TopicTable,
};
use crate::registry::{TopicId, Topics};
use crate::sync::{AtomicU32, AtomicU64, BLOCK, Block, Line, Ordering::Relaxed};

pub(crate) struct Heap {
    pub header: Header,
    log: Box<[AtomicU64]>,
    changes: Box<[AtomicU64]>,
    pub members: Box<[Member]>,
    buckets: Box<[AtomicU32]>,
    slots: Box<[AtomicU64]>,
    blocks: Box<[Block]>,
    topics: Box<[Topic]>,
    rows: Box<[AtomicU64]>,
    names: Box<[Name]>,
    pub groups: Box<[Group]>,
    group_rows: Box<[AtomicU64]>,
}

fn some<T>(count: usize, make: impl Fn() -> T) -> Box<[T]> {
    (0..count).map(|_| make()).collect()
}

/// A word the protocol's races are about; a model looks at it more closely.
fn watched() -> AtomicU64 {
    #[cfg(loom)]
    return AtomicU64::watched();
    #[cfg(not(loom))]
    AtomicU64::default()
}

fn member() -> Member {
    Member {
        inflight: Line(watched()),
        reading: Line(Reading { low: watched(), cursor: watched(), ..Reading::default() }),
        sleeping: Line(watched()),
        identity: Line(MemberIdentity { state: watched(), ..MemberIdentity::default() }),
    }
}

fn entry() -> Topic {
    Topic { state: watched(), sequence: watched(), last: watched(), ..Topic::default() }
}

fn group() -> Group {
    let gate = Gate { state: watched(), low: watched(), cursor: watched(), taken: watched() };
    Group { gate: Line(gate), ..Group::default() }
}

impl Heap {
    /// A slab of `blocks` blocks and a ring of as many slots, members that are attached and read nothing, and a table of
    /// `topics` entries, all free.
    pub fn new(blocks: usize, members: usize, topics: usize) -> Heap {
        // Under loom each word costs: the shortest log there can be, of one id that is read and one that is written.
        let log = if cfg!(loom) { 2 } else { LOG_LEN };
        let mut header = Header { alloc: Line(watched()), tail: Line(watched()), ..Header::default() };
        header.registry.created = watched();
        let heap = Heap {
            header,
            log: some(log, AtomicU64::default),
            changes: some(log, AtomicU64::default),
            members: some(members, member),
            buckets: some(topics.next_power_of_two(), AtomicU32::default),
            slots: some(blocks, watched),
            blocks: some(blocks, Block::default),
            topics: some(topics, entry),
            rows: some(2 * topics, AtomicU64::default),
            names: some(topics, || Name(std::array::from_fn(|_| AtomicU64::new(0)))),
            groups: some(0, group),
            group_rows: some(0, AtomicU64::default),
        };
        heap.header.alloc.store((blocks * BLOCK) as u64, Relaxed);
        heap.header.registry.topics_reserved.store(topics as u32, Relaxed);
        heap.header.registry.attached.store(members as u64, Relaxed);
        for (number, member) in (1..).zip(&heap.members) {
            let state = MemberState::new(number, 0, MemberState::ATTACHED);
            member.identity.state.store(state.0, Relaxed);
        }
        heap
    }

    /// Makes every entry a live topic without a name, where no name is looked up.
    pub fn with_topics(self) -> Heap {
        for topic in &self.topics {
            topic.state.store(TopicState::new(1, TopicState::VALID).0, Relaxed);
        }
        self.header.registry.topics_made.store(self.topics.len() as u32, Relaxed);
        self
    }

    /// With room for so many groups.
    #[cfg(loom)]
    pub fn with_groups(mut self, groups: usize) -> Heap {
        self.groups = some(groups, group);
        self.group_rows = some(groups, AtomicU64::default);
        self.header.registry.groups_reserved.store(groups as u32, Relaxed);
        self
    }

    pub fn parts(&self) -> Parts<'_> {
        let registry = &self.header.registry;
        let reserved = &registry.topics_reserved;
        Parts {
            alloc: &self.header.alloc,
            tail: &self.header.tail,
            members: &self.members,
            slots: &self.slots,
            blocks: &self.blocks,
            max_message: (self.blocks.len() * BLOCK / 2) as u64,
            topics: TopicTable { all: &self.topics, reserved },
            rows: &self.rows,
            row_words: 1,
            groups: GroupTable {
                all: &self.groups,
                made: &registry.groups_made,
                reserved: &registry.groups_reserved,
            },
            group_rows: &self.group_rows,
        }
    }

    pub fn table(&self) -> Topics<'_> {
        Topics {
            header: &self.header,
            logs: (&self.log, &self.changes),
            buckets: &self.buckets,
            names: &self.names,
            parts: self.parts(),
            capacity: self.topics.len() as u32,
        }
    }
}

/// The id of an entry `with_topics` made.
pub(crate) const fn topic(index: u32) -> TopicId {
    TopicId { index, generation: 1 }
}
