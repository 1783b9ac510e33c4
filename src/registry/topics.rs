//! The topic table: open hashing over names, xxh3 buckets chained through the entries. Lookups are lock-free and
//! may miss an entry that is being made or moved; the answer that counts is given under the registry lock.
//!
//! A change under the lock is bracketed by `dirty`: a holder killed in the middle leaves it set, and the next one
//! rebuilds buckets and chains from the entries whose state vouches for them. No step needs an undo of its own.
//!
//! Relaxed, where nothing else is said: the lock orders its holders (the kernel's locks are barriers), and a lookup without
//! it believes nothing before an acquire of the state, which is stored last, and again after it has read.

use super::TopicId;
use crate::layout::Header;
use crate::layout::{Corrupt, Frame, MemberState, NAME_MAX, Name, Parts, Topic, TopicState, Watches};
use crate::slab::Slab;
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence, load_words, step, store_words};
use Ordering::{Acquire, Relaxed, Release, SeqCst};

/// xxh3 of a topic's name: its low bits choose the bucket, the next 16 stand in the slots.
pub(crate) fn name_hash(name: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(name)
}

/// The bits of a hash that a slot carries.
pub(crate) fn hash_bits(hash: u64) -> u16 {
    (hash >> 48) as u16
}

/// Why a topic could not be made.
#[derive(Debug)]
pub(crate) enum MakeError {
    /// Every entry has a subscriber.
    TableFull {
        capacity: u32,
    },
    /// Entries are retired, but a publisher in flight may still use them: try again.
    Busy,
    /// As `Busy`; readers with patterns have not read all of them yet.
    Unread,
    Corrupt,
}

impl From<Corrupt> for MakeError {
    fn from(_: Corrupt) -> Self {
        MakeError::Corrupt
    }
}

/// The table in one segment.
#[derive(Clone, Copy)]
pub(crate) struct Topics<'a> {
    pub header: &'a Header,
    /// The ids of the topics made last, and of those whose interest changed last.
    pub logs: (&'a [AtomicU64], &'a [AtomicU64]),
    pub buckets: &'a [AtomicU32],
    pub names: &'a [Name],
    pub parts: Parts<'a>,
    pub capacity: u32,
}

impl<'a> Topics<'a> {
    fn bucket(&self, hash: u64) -> &'a AtomicU32 {
        &self.buckets[hash as usize & (self.buckets.len() - 1)]
    }

    /// Entry `link - 1` of a chain.
    fn entry(&self, link: u32) -> Option<(u32, &'a Topic)> {
        let index = link.checked_sub(1)?;
        Some((index, self.parts.topics.get(index)?))
    }

    fn name_is(&self, index: u32, topic: &Topic, name: &[u8]) -> bool {
        if topic.name_len() != name.len() {
            return false;
        }
        let mut bytes = [0; NAME_MAX];
        let bytes = &mut bytes[..name.len()];
        load_words(&self.names[index as usize].0, bytes);
        bytes == name
    }

    /// Finds a live topic without the lock. None: not there, or just being made or moved.
    pub fn find(&self, name: &[u8], hash: u64) -> Option<TopicId> {
        let mut link = self.bucket(hash).load(Acquire);
        // Bounded: a rebuild under way may show chains that lead anywhere, even in circles.
        for _ in 0..self.parts.topics.reserved().len() {
            let (index, topic) = self.entry(link)?;
            let state = TopicState(topic.state.load(Acquire));
            if state.phase() == TopicState::VALID
                && topic.hash.load(Relaxed) == hash
                && self.name_is(index, topic, name)
            {
                fence(Acquire);
                if topic.state.load(Relaxed) == state.0 {
                    return Some(TopicId { index, generation: state.generation() });
                }
            }
            link = topic.next.load(Acquire);
        }
        None
    }

    /// The name behind an id, if the entry still bears it.
    pub fn name_of(&self, id: TopicId) -> Option<Vec<u8>> {
        let topic = self.parts.topics.get(id.index)?;
        let state = topic.state.load(Acquire);
        if TopicState(state).generation() != id.generation || TopicState(state).phase() == TopicState::FREE {
            return None;
        }
        let mut bytes = vec![0; topic.name_len()];
        load_words(&self.names[id.index as usize].0, &mut bytes);
        fence(Acquire);
        (TopicState(topic.state.load(Relaxed)).generation() == id.generation).then_some(bytes)
    }

    /// Whether an id still stands for a topic one may publish to.
    pub fn is_live(&self, id: TopicId) -> bool {
        let state = TopicState::new(id.generation, TopicState::VALID).0;
        self.parts.topics.get(id.index).is_some_and(|topic| topic.state.load(Acquire) == state)
    }

    /// The live topics, as they are met.
    pub fn live(&self) -> impl Iterator<Item = TopicId> {
        (0u32..).zip(self.parts.topics.reserved()).filter_map(|(index, topic)| {
            let state = TopicState(topic.state.load(Acquire));
            (state.phase() == TopicState::VALID).then(|| TopicId { index, generation: state.generation() })
        })
    }

    /// Whether an id still stands for the topic it was given for, live or retired.
    pub fn is_same(&self, id: TopicId) -> bool {
        self.parts.topics.get(id.index).is_some_and(|topic| {
            let state = TopicState(topic.state.load(Acquire));
            state.generation() == id.generation && state.phase() != TopicState::FREE
        })
    }

    // What follows is called under the registry lock.

    /// Cleans up after a holder that died in the middle of a change.
    pub fn recover(&self) {
        if self.header.registry.dirty.load(Acquire) == 0 {
            return;
        }
        for bucket in self.buckets {
            bucket.store(0, Relaxed);
        }
        for slot in &self.header.registry.retired.0 {
            slot.store(0, Relaxed);
        }
        self.header.registry.quiet_at.store(0, Relaxed);
        step("recover: emptied");
        let mut retired = self.header.registry.retired.0.iter();
        let made =
            self.header.registry.topics_made.load(Relaxed).min(self.parts.topics.reserved().len() as u32);
        for index in 0..made {
            let topic = &self.parts.topics.all[index as usize];
            let state = TopicState(topic.state.load(Relaxed));
            if state.phase() == TopicState::FREE {
                // Half made. A topic without a name or subscribers: never found, and the first to give its place.
                topic.hash.store(0, Relaxed);
                topic.name.store(0, Relaxed);
                for word in self.parts.both(index) {
                    word.store(0, Relaxed);
                }
                topic.state.store(TopicState::new(state.generation(), TopicState::VALID).0, Release);
            }
            if state.phase() == TopicState::RETIRED {
                match retired.next() {
                    Some(slot) => {
                        topic.retired_at.store(0, Relaxed);
                        slot.store(index + 1, Relaxed);
                    }
                    // More retired than a round takes: a death in mid-round; they live again.
                    None => {
                        topic.state.store(TopicState::new(state.generation(), TopicState::VALID).0, Release)
                    }
                }
            }
            self.link(index, topic);
            step("recover: one");
        }
        self.recover_groups();
        // Who watches interest may have missed a change.
        self.skip_changes();
        fence(SeqCst);
        self.header.registry.dirty.store(0, Release);
    }

    pub(super) fn change<T>(&self, act: impl FnOnce() -> T) -> T {
        self.header.registry.dirty.store(1, SeqCst);
        step("change: begun");
        let result = act();
        self.header.registry.dirty.store(0, Release);
        result
    }

    fn link(&self, index: u32, topic: &Topic) {
        let bucket = self.bucket(topic.hash.load(Relaxed));
        topic.next.store(bucket.load(Relaxed), Relaxed);
        bucket.store(index + 1, Release);
    }

    fn unlink(&self, index: u32, topic: &Topic) -> Result<(), Corrupt> {
        let mut from = self.bucket(topic.hash.load(Relaxed));
        for _ in 0..=self.parts.topics.reserved().len() {
            let link = from.load(Relaxed);
            if link == index + 1 {
                from.store(topic.next.load(Relaxed), Release);
                return Ok(());
            }
            from = &self.entry(link).ok_or(Corrupt)?.1.next;
        }
        Err(Corrupt)
    }

    /// The topic of that name, also a retired one, which lives again.
    pub fn find_locked(&self, name: &[u8], hash: u64) -> Result<Option<TopicId>, Corrupt> {
        let bucket = self.bucket(hash);
        let mut link = bucket.load(Relaxed);
        // Whole under the lock: a chain ends, and holds only what belongs into its bucket.
        for _ in 0..=self.parts.topics.reserved().len() {
            if link == 0 {
                return Ok(None);
            }
            let (index, topic) = self.entry(link).ok_or(Corrupt)?;
            if !std::ptr::eq(self.bucket(topic.hash.load(Relaxed)), bucket) {
                return Err(Corrupt);
            }
            let state = TopicState(topic.state.load(Relaxed));
            if state.phase() != TopicState::FREE
                && topic.hash.load(Relaxed) == hash
                && self.name_is(index, topic, name)
            {
                if state.phase() == TopicState::RETIRED {
                    self.change(|| {
                        for slot in &self.header.registry.retired.0 {
                            if slot.load(Relaxed) == index + 1 {
                                slot.store(0, Relaxed);
                            }
                        }
                        step("revive: taken out");
                        topic.retired_at.store(0, Relaxed);
                        let valid = TopicState::new(state.generation(), TopicState::VALID);
                        topic.state.store(valid.0, Release);
                    });
                }
                return Ok(Some(TopicId { index, generation: state.generation() }));
            }
            link = topic.next.load(Relaxed);
        }
        Err(Corrupt)
    }

    /// Makes a topic that `find_locked` did not find. Memory first: see `wants_memory`.
    pub fn make(&self, name: &[u8], hash: u64) -> Result<TopicId, MakeError> {
        let registry = &self.header.registry;
        let made = registry.topics_made.load(Relaxed);
        let index =
            if (made as usize) < self.parts.topics.reserved().len() { made } else { self.take_over()? };
        let topic = &self.parts.topics.all[index as usize];
        self.change(|| {
            let old = TopicState(topic.state.load(Relaxed));
            if old.phase() != TopicState::FREE {
                self.unlink(index, topic)?;
                step("make: unlinked");
                for slot in &registry.retired.0 {
                    if slot.load(Relaxed) == index + 1 {
                        slot.store(0, Relaxed);
                    }
                }
            }
            let generation = if index == made && old.0 == 0 { 1 } else { old.generation().wrapping_add(1) };
            // Free while it changes: lookups see the generation move before any byte of the name does.
            topic.state.store(TopicState::new(generation, TopicState::FREE).0, Relaxed);
            fence(SeqCst);
            step("make: taken");
            if registry.evicted.load(Relaxed) != 0 {
                // R5: above every number the entry or the name ever had; `last` stays for the same reason.
                topic.sequence.store(self.parts.tail.load(Acquire), Relaxed);
            }
            topic.base.store(topic.sequence.load(Acquire), Relaxed);
            topic.time_ms.store(0, Relaxed);
            topic.retired_at.store(0, Relaxed);
            topic.hash.store(hash, Relaxed);
            topic.name.store(name.len() as u32, Relaxed);
            step("make: numbered");
            store_words(&self.names[index as usize].0, name);
            for word in self.parts.both(index) {
                word.store(0, Relaxed);
            }
            if index == made {
                registry.topics_made.store(made + 1, Relaxed);
            }
            step("make: named");
            self.link(index, topic);
            step("make: linked");
            // R11: counted and logged before the entry is valid.
            let created = registry.created.load(Relaxed);
            let id = TopicId { index, generation };
            self.logs.0[created as usize % self.logs.0.len()].store(id.word(), Relaxed);
            step("make: logged");
            registry.created.store(created.wrapping_add(1), Release);
            step("make: counted");
            topic.state.store(TopicState::new(generation, TopicState::VALID).0, Release);
            step("make: valid");
            Ok(id)
        })
    }

    /// Whether the numbers of entries can be: what is made was reserved, and no more than there is room for.
    pub fn is_sound(&self) -> bool {
        let registry = &self.header.registry;
        let (made, reserved) = (registry.topics_made.load(Relaxed), registry.topics_reserved.load(Acquire));
        made <= reserved && reserved <= self.capacity
    }

    /// Whether `make` needs memory for another entry first.
    pub fn wants_memory(&self) -> bool {
        let made = self.header.registry.topics_made.load(Relaxed);
        made as usize >= self.parts.topics.reserved().len() && made < self.capacity
    }

    /// R12: finds an entry that may bear another name: retired, and with no publisher in flight that saw its old one.
    fn take_over(&self) -> Result<u32, MakeError> {
        if let Some(index) = self.retired_and_quiet()? {
            return Ok(index);
        }
        let retired = &self.header.registry.retired.0;
        if retired.iter().all(|slot| slot.load(Relaxed) == 0) && !self.retire_some() {
            return Err(MakeError::TableFull { capacity: self.capacity });
        }
        let Some(index) = self.retired_and_quiet()? else {
            let is_quiet = self.header.registry.quiet_at.load(Relaxed) != 0;
            return Err(if is_quiet { MakeError::Unread } else { MakeError::Busy });
        };
        Ok(index)
    }

    fn retired_and_quiet(&self) -> Result<Option<u32>, Corrupt> {
        let registry = &self.header.registry;
        let floor = Slab::of(&self.parts).floor();
        let mut newest = 0;
        let mut quiet = Vec::new();
        for slot in &registry.retired.0 {
            let link = slot.load(Relaxed);
            if link == 0 {
                continue;
            }
            let (index, topic) = self.entry(link).ok_or(Corrupt)?;
            // One that lives would lose its name, one of the future would never be had.
            if TopicState(topic.state.load(Relaxed)).phase() != TopicState::RETIRED
                || topic.retired_at.load(Relaxed) > self.parts.alloc.load(Acquire)
            {
                return Err(Corrupt);
            }
            if topic.retired_at.load(Relaxed) == 0 {
                // Its retirer died before it noted when.
                registry.quiet_at.store(0, Relaxed);
                fence(SeqCst);
                topic.retired_at.store(self.parts.alloc.load(SeqCst), Relaxed);
            }
            newest = newest.max(topic.retired_at.load(Relaxed));
            if floor.position >= topic.retired_at.load(Relaxed) {
                quiet.push(index);
            }
        }
        if floor.position >= newest && registry.quiet_at.load(Relaxed) == 0 {
            registry.quiet_at.store(floor.tail.saturating_add(1), Relaxed);
        }
        // Partner: the fence of a joining reader. Who is not seen reading here begins behind all that was committed to them.
        fence(SeqCst);
        Ok(quiet.into_iter().find(|index| self.is_read(*index)))
    }

    /// Whether all readers with patterns are through with what was published to a topic that is quiet: they find the name of a
    /// message by its entry.
    fn is_read(&self, index: u32) -> bool {
        let quiet_at = self.header.registry.quiet_at.load(Relaxed);
        let mut matchers = self.parts.members.iter().filter(|member| {
            Watches(member.identity.watches.load(Relaxed)).contains(Watches::PATTERNS)
                && MemberState(member.identity.state.load(Acquire)).is_reading()
        });
        let mut end = None;
        matchers.all(|member| {
            let consumed = member.reading.consumed.load(Acquire);
            quiet_at != 0 && consumed >= quiet_at - 1
                || consumed >= *end.get_or_insert_with(|| self.end_of(index))
        })
    }

    /// Past the position of the last message published to a topic that is quiet; if its frame is overwritten, nobody knows.
    fn end_of(&self, index: u32) -> u64 {
        let topic = &self.parts.topics.all[index as usize];
        if topic.sequence.load(Acquire) == topic.base.load(Relaxed) {
            return 0;
        }
        let (slab, last) = (Slab::of(&self.parts), topic.last.load(Acquire));
        let frame = Frame::at(self.parts.blocks, slab.unit(last));
        let (position, of) = (frame.position(), frame.topic().0);
        // As R13: what was read stood there if nobody has reserved it since.
        fence(Acquire);
        let stands = self.parts.alloc.load(Acquire) <= last.saturating_add(slab.bytes());
        if stands && of == index { position.saturating_add(1) } else { u64::MAX }
    }

    /// Retires up to 64 topics nobody subscribes to, those without readable history first.
    fn retire_some(&self) -> bool {
        let registry = &self.header.registry;
        let topics = self.parts.topics.reserved();
        let count = topics.len() as u32;
        let start = registry.hand.load(Relaxed) % count.max(1);
        let overwritten = self.parts.alloc.load(Acquire).saturating_sub(Slab::of(&self.parts).bytes());
        let mut chosen: Vec<u32> = Vec::with_capacity(registry.retired.0.len());
        for with_history in [false, true] {
            for step in 0..count {
                let index = (start + step) % count;
                let topic = &topics[index as usize];
                let state = TopicState(topic.state.load(Relaxed));
                let last = topic.last.load(Acquire);
                let readable = last != 0 && last >= overwritten;
                if state.phase() == TopicState::VALID && readable == with_history && !self.is_wanted_at(index)
                {
                    chosen.push(index);
                    if chosen.len() == registry.retired.0.len() {
                        break;
                    }
                }
            }
            if !chosen.is_empty() {
                break;
            }
        }
        let Some(last) = chosen.last() else { return false };
        registry.hand.store((last + 1) % count, Relaxed);
        self.change(|| {
            registry.evicted.store(1, SeqCst);
            registry.quiet_at.store(0, SeqCst);
            for (slot, &index) in registry.retired.0.iter().zip(&chosen) {
                let topic = &topics[index as usize];
                let state = TopicState(topic.state.load(Relaxed));
                topic.state.store(TopicState::new(state.generation(), TopicState::RETIRED).0, SeqCst);
                step("retire: one");
                slot.store(index + 1, Relaxed);
            }
            step("retire: all");
            // R12: partner of the fence in publish(), between its reservation and its second look at the state.
            fence(SeqCst);
            let alloc = self.parts.alloc.load(SeqCst);
            for &index in &chosen {
                topics[index as usize].retired_at.store(alloc, Relaxed);
            }
        });
        true
    }
}
