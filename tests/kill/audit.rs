//! What stands in a segment, for tests that look for what the dead left: with the feature `kill-points` only.

use crate::bus::Bus;
use crate::layout::{GroupState, MemberState, TopicState};
use crate::sync::Ordering::SeqCst;

/// The shared words a death could leave behind, read once, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// The numbers of the members whose places are taken, in order of the table.
    pub members: Vec<u32>,
    /// The numbers of those that are reading, and so gate the publishers.
    pub reading: Vec<u32>,
    /// The numbers of those that are asleep.
    pub asleep: Vec<u32>,
    /// Places, free or not, whose announcement is not cleared: (index, slab position).
    pub inflight: Vec<(u32, u64)>,
    /// Subscriber bits of places that are free: (topic index, member index).
    pub stray_bits: Vec<(u32, u32)>,
    /// Subscriber bits of taken places: (topic name, member number).
    pub subscribers: Vec<(String, u32)>,
    /// Topics that bear a name, live or retired; sorted.
    pub topics: Vec<String>,
    /// Rows of groups that are somebody's, hold publishers back, or have members.
    pub groups: Vec<u32>,
    /// A change of the registry was begun and not ended.
    pub dirty: bool,
    /// Slab bytes ever reserved.
    pub alloc: u64,
    /// Messages finalised.
    pub tail: u64,
}

/// Reads the segment `bus` is attached to.
pub fn audit(bus: &Bus) -> Audit {
    let shared = bus.shared();
    let parts = shared.parts();
    let table = shared.topics();
    let mut audit =
        Audit { alloc: parts.alloc.load(SeqCst), tail: parts.tail.load(SeqCst), ..Audit::default() };
    let mut numbers = Vec::new();
    for (index, member) in parts.members.iter().enumerate() {
        let state = MemberState(member.identity.state.load(SeqCst));
        numbers.push(state.in_use().then_some(state.number()));
        if state.in_use() {
            audit.members.push(state.number());
        }
        if state.is_reading() {
            audit.reading.push(state.number());
        }
        if state.in_use() && crate::wake::asleep(member).is_some() {
            audit.asleep.push(state.number());
        }
        let inflight = member.inflight.load(SeqCst);
        if inflight != 0 {
            audit.inflight.push((index as u32, inflight));
        }
    }
    for (index, topic) in (0u32..).zip(parts.topics.reserved()) {
        let state = TopicState(topic.state.load(SeqCst));
        if state.phase() == TopicState::FREE {
            continue;
        }
        let id = crate::registry::TopicId { index, generation: state.generation() };
        let name = String::from_utf8_lossy(&table.name_of(id).unwrap_or_default()).into_owned();
        for (at, word) in parts.row(index).iter().enumerate() {
            let bits = word.load(SeqCst);
            for bit in (0..64).filter(|bit| bits >> bit & 1 == 1) {
                let member = at as u32 * 64 + bit;
                match numbers.get(member as usize).copied().flatten() {
                    Some(number) => audit.subscribers.push((name.clone(), number)),
                    None => audit.stray_bits.push((index, member)),
                }
            }
        }
        if !name.is_empty() {
            audit.topics.push(name);
        }
    }
    audit.topics.sort();
    for (row, group) in (0u32..).zip(parts.groups.made()) {
        let is_free = group.identity.topic.load(SeqCst) == 0
            && !GroupState(group.gate.state.load(SeqCst)).gates()
            && table.is_group_empty(row);
        audit.groups.extend((!is_free).then_some(row));
    }
    audit.dirty = shared.segment.header().registry.dirty.load(SeqCst) != 0;
    audit
}
