//! The groups of topics: which rows are whose, and who their members are. What a row's gate means is not known here; it is
//! only closed with the row. Under the registry lock, but for what is only read and for the bit a leaver clears.
//!
//! A topic's rows are chained from its entry. Who publishes goes along the chain without the lock: a row leaves its topic
//! before its link changes, so that whoever still finds the topic there after it has read the link has read the topic's.

use super::subscribers::bit_of;
use super::{TopicId, Topics};
use crate::layout::{Corrupt, GROUPS_MAX, Group, GroupState, NAME_MAX, Parts, Topic};
use crate::sync::{Ordering, fence, load_words, step, store_words};
use Ordering::{Acquire, Relaxed, Release, SeqCst};

/// Why there is no row for a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoGroup {
    Full { capacity: u32 },
    Corrupt,
}

/// Calls `act` with the rows of a topic's groups; with some of them twice if the chain is changed meanwhile.
#[inline]
pub(crate) fn groups_of(parts: &Parts<'_>, topic: TopicId, mut act: impl FnMut(u32)) {
    let first = parts.topics.get(topic.index).map_or(0, Topic::first_group);
    if first != 0 && !along_chain(parts, topic, first, &mut act) {
        let all = (0..).zip(parts.groups.made());
        all.filter(|(_, group)| is_of(group, topic)).for_each(|(row, _)| act(row));
    }
}

fn is_of(group: &Group, topic: TopicId) -> bool {
    group.identity.topic.load(Acquire) == topic.word()
}

/// False: it led away from the topic, and may have missed some.
fn along_chain(parts: &Parts<'_>, topic: TopicId, first: u32, act: &mut impl FnMut(u32)) -> bool {
    let mut link = first;
    for _ in 0..=GROUPS_MAX {
        let Some(row) = link.checked_sub(1) else { return true };
        let Some(group) = parts.groups.get(row) else { return false };
        link = group.identity.next.load(Relaxed);
        // Partner: the fence in make_group(). A link to another topic's row was stored after the row had left this one.
        fence(Acquire);
        if !is_of(group, topic) {
            return false;
        }
        act(row);
    }
    false
}

impl Topics<'_> {
    pub fn has_groups(&self, index: u32) -> bool {
        self.parts.topics.get(index).is_some_and(|topic| topic.first_group() != 0)
    }

    /// The rows of a topic's groups that have members and begin at or below what is published from now on.
    pub fn groups(&self, topic: TopicId) -> Vec<u32> {
        let mut rows = Vec::new();
        groups_of(&self.parts, topic, |row| {
            let reads = self.parts.groups.get(row).is_some_and(|group| {
                GroupState(group.gate.state.load(Acquire)).is_reading() && !self.is_group_empty(row)
            });
            // The chain may be changed meanwhile, and lead there twice.
            if reads && !rows.contains(&row) {
                rows.push(row);
            }
        });
        rows
    }

    pub fn is_group_empty(&self, row: u32) -> bool {
        self.parts.group_row(row).iter().all(|word| word.load(SeqCst) == 0)
    }

    /// Whether the numbers of rows can be.
    pub fn are_groups_sound(&self) -> bool {
        let made = self.header.registry.groups_made.load(Relaxed);
        let reserved = self.header.registry.groups_reserved.load(Acquire);
        made <= reserved && reserved <= GROUPS_MAX
    }

    /// Whether `make_group` needs memory for another row first.
    pub fn wants_group_memory(&self) -> bool {
        let registry = &self.header.registry;
        let made = registry.groups_made.load(Relaxed);
        let is_free = |group: &Group| group.identity.topic.load(Relaxed) == 0;
        made < GROUPS_MAX
            && made >= registry.groups_reserved.load(Relaxed)
            && !self.parts.groups.made().iter().any(is_free)
    }

    /// The row of a topic's group of that name.
    pub fn find_group(&self, topic: TopicId, name: &[u8]) -> Option<u32> {
        let mut found = None;
        groups_of(&self.parts, topic, |row| {
            let Some(group) = self.parts.groups.get(row) else { return };
            if group.identity.name_len.load(Relaxed) as usize == name.len() {
                let mut bytes = [0; NAME_MAX];
                let bytes = &mut bytes[..name.len()];
                load_words(&group.name.0, bytes);
                if bytes == name {
                    found = Some(row);
                }
            }
        });
        found
    }

    /// Gives a topic a group of that name, `member` being in it; its gate is as whoever had the row before left it, and
    /// holds nobody back. Memory first: see `wants_group_memory`. Returns the row, and whether it is the topic's first
    /// interest.
    pub fn make_group(&self, topic: TopicId, name: &[u8], member: u32) -> Result<(u32, bool), NoGroup> {
        let registry = &self.header.registry;
        let made = registry.groups_made.load(Relaxed);
        let free = self.parts.groups.made().iter().position(|group| group.identity.topic.load(Relaxed) == 0);
        let row = free.map_or(made, |row| row as u32);
        if row >= GROUPS_MAX {
            return Err(NoGroup::Full { capacity: GROUPS_MAX });
        }
        let group = self.parts.groups.get(row).ok_or(NoGroup::Corrupt)?;
        let entry = self.parts.topics.get(topic.index).ok_or(NoGroup::Corrupt)?;
        let began = !self.is_wanted_at(topic.index);
        self.change(|| {
            // Partner: the fence in groups_of(). Who sees the link that follows sees that the row has left its topic.
            fence(SeqCst);
            group.identity.next.store(entry.first_group(), Release);
            group.identity.name_len.store(name.len() as u32, Relaxed);
            store_words(&group.name.0, name);
            self.parts.group_row(row).iter().for_each(|word| word.store(0, Relaxed));
            self.enter_group(row, member);
            // Release: the rest is there.
            group.identity.topic.store(topic.word(), Release);
            step("group: named");
            if row == made {
                registry.groups_made.store(made + 1, Release);
            }
            link(entry, row + 1);
            step("group: linked");
            if began {
                self.log_change(topic);
            }
        });
        Ok((row, began))
    }

    pub fn enter_group(&self, row: u32, member: u32) {
        let (word, bit) = bit_of(member);
        self.parts.group_row(row)[word].fetch_or(bit, SeqCst);
        step("group: entered");
    }

    /// Takes a member out of a group. Without the lock: it may only be closed with it.
    pub fn leave_group(&self, row: u32, member: u32) {
        let (word, bit) = bit_of(member);
        self.parts.group_row(row)[word].fetch_and(!bit, SeqCst);
        step("group: left");
    }

    /// Whether a row is a topic's.
    pub fn is_row_of(&self, row: u32, topic: TopicId) -> bool {
        self.parts.groups.get(row).is_some_and(|group| is_of(group, topic))
    }

    /// Gives a row back that nobody is in any more. True: interest in its topic ended.
    pub fn close_group(&self, row: u32) -> Result<bool, Corrupt> {
        let group = self.parts.groups.get(row).ok_or(Corrupt)?;
        let topic = TopicId::of(group.identity.topic.load(Relaxed));
        if topic.word() == 0 || !self.is_group_empty(row) {
            return Ok(false);
        }
        self.change(|| {
            free_gate(group);
            step("group: ungated");
            self.unlink_group(topic, row)?;
            step("group: unlinked");
            group.identity.topic.store(0, Release);
            let ended = self.is_same(topic) && !self.is_wanted_at(topic.index);
            if ended {
                self.log_change(topic);
            }
            Ok(ended)
        })
    }

    /// Of any group.
    pub(super) fn forget_in_groups(&self, member: u32) -> bool {
        let (at, bit) = bit_of(member);
        let mut ended = false;
        for row in 0..self.parts.groups.made().len() as u32 {
            if self.parts.group_row(row)[at].load(Relaxed) & bit != 0 {
                self.leave_group(row, member);
            }
            // Also one whose last member died before it closed it.
            ended |= self.close_group(row).unwrap_or(false);
        }
        ended
    }

    fn unlink_group(&self, topic: TopicId, row: u32) -> Result<(), Corrupt> {
        let group = self.parts.groups.get(row).ok_or(Corrupt)?;
        let entry = self.parts.topics.get(topic.index).ok_or(Corrupt)?;
        let next = group.identity.next.load(Relaxed);
        if entry.first_group() == row + 1 {
            link(entry, next);
            return Ok(());
        }
        let mut at = entry.first_group();
        for _ in 0..GROUPS_MAX {
            let before = at.checked_sub(1).and_then(|at| self.parts.groups.get(at)).ok_or(Corrupt)?;
            at = before.identity.next.load(Relaxed);
            if at == row + 1 {
                before.identity.next.store(next, Release);
                return Ok(());
            }
        }
        Err(Corrupt)
    }

    /// After a death in the middle of a change: the chains are made anew of the rows that have members.
    pub(super) fn recover_groups(&self) {
        for topic in self.parts.topics.reserved() {
            if topic.first_group() != 0 {
                link(topic, 0);
            }
        }
        for (row, group) in (0..).zip(self.parts.groups.made()) {
            let topic = TopicId::of(group.identity.topic.load(Relaxed));
            let entry = self.parts.topics.get(topic.index).filter(|_| self.is_same(topic));
            match entry.filter(|_| topic.word() != 0 && !self.is_group_empty(row)) {
                Some(entry) => {
                    group.identity.next.store(entry.first_group(), Release);
                    link(entry, row + 1);
                }
                None => {
                    free_gate(group);
                    group.identity.topic.store(0, Release);
                }
            }
            step("recover: one group");
        }
    }
}

/// Leads from a topic's entry to its first group. Release: to what is there.
fn link(entry: &Topic, first: u32) {
    entry.name.store(first << 8 | entry.name_len() as u32, Release);
}

/// It holds nobody back, whoever cuts it off at this moment.
fn free_gate(group: &Group) {
    let state = GroupState(group.gate.state.load(Relaxed));
    group.gate.state.store(GroupState::new(state.epoch() + 1, GroupState::FREE).0, Release);
}
