//! Who subscribes to a topic: its two bitmaps of members, and the log of the topics that got their first subscriber by name
//! or lost their last. Under the registry lock, but for what is only read.

use super::{TopicId, Topics, groups_of, log};
use crate::layout::{LOG_LEN, TopicState};
use crate::sync::{AtomicU64, Ordering, step};
use Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// What a bitmap's bit of a member is, and in which of its words it stands.
pub(super) fn bit_of(member: u32) -> (usize, u64) {
    (member as usize / 64, 1 << (member % 64))
}

impl Topics<'_> {
    /// Sets or clears a member's bit in a topic's row: whether it is posted to.
    pub fn set_subscriber(&self, id: TopicId, member: u32, on: bool) {
        let (word, bit) = bit_of(member);
        let word = &self.parts.row(id.index)[word];
        if on {
            word.fetch_or(bit, SeqCst);
        } else {
            word.fetch_and(!bit, AcqRel);
        }
    }

    /// Says that a member is subscribed to a topic by its name, or is no more. On: last, once its subscription has begun.
    /// True: it is the first, or was the last; who watches interest is to be posted to.
    pub fn set_named(&self, id: TopicId, member: u32, on: bool) -> bool {
        let row = self.parts.named(id.index);
        let (at, bit) = bit_of(member);
        let others = || {
            self.has_groups(id.index)
                || row.iter().enumerate().any(|(i, w)| w.load(Relaxed) & if i == at { !bit } else { !0 } != 0)
        };
        let is_on = row[at].load(Relaxed) & bit != 0;
        if is_on == on {
            return false;
        }
        let set = || if on { row[at].fetch_or(bit, AcqRel) } else { row[at].fetch_and(!bit, AcqRel) };
        if others() {
            set();
            return false;
        }
        self.change(|| {
            set();
            step("interest: changed");
            self.log_change(id);
        });
        true
    }

    /// Clears a member's bits everywhere, and closes the groups that it was the last of. True: interest in some topic ended.
    pub fn forget_member(&self, member: u32) -> bool {
        let registry = &self.header.registry;
        let made = registry.topics_made.load(Relaxed).min(self.parts.topics.reserved().len() as u32);
        let (at, bit) = bit_of(member);
        let mut ended = false;
        for index in 0..made {
            let posted = &self.parts.row(index)[at];
            if posted.load(Relaxed) & bit != 0 {
                posted.fetch_and(!bit, AcqRel);
            }
            if self.parts.named(index)[at].load(Relaxed) & bit != 0 {
                let state = TopicState(self.parts.topics.all[index as usize].state.load(Relaxed));
                ended |= self.set_named(TopicId { index, generation: state.generation() }, member, false);
            }
        }
        ended | self.forget_in_groups(member)
    }

    /// Members that are posted to for a topic, in groups too; each once.
    pub fn subscribers(&self, index: u32) -> u32 {
        let words = |row: &[AtomicU64]| row.iter().map(|word| word.load(Relaxed)).collect::<Vec<_>>();
        let mut all = words(self.parts.row(index));
        if let Some(id) = self.id_at(index) {
            groups_of(&self.parts, id, |row| {
                all.iter_mut().zip(words(self.parts.group_row(row))).for_each(|(word, more)| *word |= more);
            });
        }
        all.into_iter().map(u64::count_ones).sum()
    }

    /// Whether anybody is subscribed to the topic in that entry by its name, or in a group.
    pub(super) fn is_wanted_at(&self, index: u32) -> bool {
        self.has_groups(index) || self.parts.named(index).iter().any(|word| word.load(Relaxed) != 0)
    }

    fn id_at(&self, index: u32) -> Option<TopicId> {
        let state = TopicState(self.parts.topics.get(index)?.state.load(Acquire));
        Some(TopicId { index, generation: state.generation() })
    }

    pub(super) fn log_change(&self, id: TopicId) {
        let (registry, log) = (&self.header.registry, self.logs.1);
        let changed = registry.changed.load(Relaxed);
        log[changed as usize % log.len()].store(id.word(), Relaxed);
        registry.changed.store(changed.wrapping_add(1), Release);
    }

    /// As if more topics had changed than the log holds.
    pub(super) fn skip_changes(&self) {
        let registry = &self.header.registry;
        let changed = registry.changed.load(Relaxed);
        registry.changed.store(changed.wrapping_add(LOG_LEN as u64 + 1), Release);
    }
}

/// For those who watch interest. Without the lock.
#[cfg_attr(not(feature = "node"), allow(dead_code))]
impl Topics<'_> {
    /// Whether anybody is subscribed to a topic by its name, or in a group.
    pub fn is_wanted(&self, id: TopicId) -> bool {
        self.is_same(id) && self.is_wanted_at(id.index)
    }

    /// Changes of interest so far.
    pub fn changes(&self) -> u64 {
        self.header.registry.changed.load(Acquire)
    }

    /// The topics whose interest changed since there had been `seen` changes, some of them twice. None: too many, any may
    /// have.
    pub fn changed_since(&self, seen: u64) -> Option<Vec<TopicId>> {
        log::since(self.logs.1, &self.header.registry.changed, seen)
    }
}
