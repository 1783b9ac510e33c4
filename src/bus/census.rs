//! Who and what is on a bus, as it stands: the members, the topics, and whether everybody has read.

use super::attachment::Attachment;
use super::glob::Glob;
#[cfg(feature = "node")]
use crate::layout::{GroupCursor, GroupState};
use crate::layout::{Member, MemberState};
#[cfg(feature = "node")]
use crate::slab::Reads;
use crate::sync::Ordering::{Acquire, Relaxed};
use crate::sync::fence;

/// Topics of replies and faces begin so: nobody is told of them.
pub(super) const RESERVED: &str = "$slabcast/";

/// A topic, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicInfo {
    /// Its name.
    pub topic: String,
    /// The number of its last message; 0: there was none.
    pub sequence: u64,
    /// Members that are posted to for it, those of its groups too.
    pub subscribers: u32,
    /// When it was last published to, in ms since 1970; about, where several publish at once. `None`: never.
    pub last_publish: Option<u64>,
}

/// An attached thread, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberInfo {
    /// Its number, unique in the life of the bus.
    pub member: u32,
    /// Its process.
    pub pid: u32,
    /// Its thread: 0 is the main thread, else what it gave as [`Options::thread`](crate::Options::thread).
    pub thread: u32,
    /// Messages of the bus, of whatever topic, that it has not gone past with all its listeners. 0 where it is subscribed to nothing.
    pub lag: u64,
}

impl Attachment {
    /// The topics there are, or those a pattern matches, but those of replies and faces, in no order.
    pub fn topics_now(&self, pattern: Option<&Glob>) -> Vec<TopicInfo> {
        if self.must_be_attached().is_err() {
            return Vec::new();
        }
        let topics = self.shared.topics();
        let all = topics.live().filter_map(|id| {
            let entry = topics.parts.topics.get(id.index)?;
            let (sequence, time_ms) = (entry.sequence.load(Acquire), entry.time_ms.load(Relaxed));
            let (subscribers, base) = (topics.subscribers(id.index), entry.base.load(Relaxed));
            // Last: it vouches for the entry's still being the same.
            let topic = self.topic_name(id).filter(|name| !name.starts_with(RESERVED))?;
            if pattern.is_some_and(|pattern| !pattern.matches(topic.as_bytes())) {
                return None;
            }
            let last_publish = (sequence > base && time_ms != 0).then_some(time_ms);
            let sequence = if sequence > base { sequence } else { 0 };
            Some(TopicInfo { topic, sequence, subscribers, last_publish })
        });
        all.collect()
    }

    /// The members there are, in the order in which they came.
    pub fn members_now(&self) -> Vec<MemberInfo> {
        if self.must_be_attached().is_err() {
            return Vec::new();
        }
        let parts = self.shared.parts();
        let tail = parts.tail.load(Acquire);
        let mut all: Vec<MemberInfo> = parts
            .members
            .iter()
            .filter_map(|member| {
                let (state, (number, pid, thread)) = (state_of(member), attached(member)?);
                let consumed = member.reading.consumed.load(Acquire);
                let lag = if state.is_reading() { tail.saturating_sub(consumed) } else { 0 };
                Some(MemberInfo { member: number, pid, thread, lag })
            })
            .collect();
        all.sort_by_key(|info| info.member);
        all
    }

    /// The listeners of all that was drained have returned.
    pub fn consume(&mut self) {
        if self.membership.is_some() {
            let parts = self.shared.parts();
            self.reader.consume(&parts);
        }
    }

    /// The same of what was taken from groups.
    pub fn consume_taken(&mut self) {
        if self.membership.is_some() {
            self.groups.consume(&self.shared.parts());
        }
    }

    /// Whether everybody who reads has gone past what this thread has published, with their listeners. Those who sleep though they
    /// have not are posted to.
    #[cfg(feature = "node")]
    pub fn is_settled(&mut self) -> bool {
        if self.must_be_attached().is_err() {
            return true;
        }
        let shared = self.shared.clone();
        let parts = shared.parts();
        let mut settled = true;
        for (index, member) in (0..).zip(parts.members) {
            if state_of(member).is_reading() && member.reading.consumed.load(Acquire) < self.published_to {
                settled = false;
                self.fanout.nudge(&parts, &shared.place, Reads::Member(index));
            }
        }
        // Before those who hold what they took: a message is always in one of the two places.
        for (row, group) in (0..).zip(parts.groups.made()) {
            let (state, cursor) = (group.gate.state.load(Acquire), group.gate.cursor.load(Acquire));
            let cursor = GroupCursor(cursor).position(self.published_to);
            if GroupState(state).gates() && cursor < self.published_to {
                settled = false;
                self.fanout.nudge(&parts, &shared.place, Reads::Group(row));
            }
        }
        let holds = |member: &Member| (1..=self.published_to).contains(&member.reading.holds.load(Acquire));
        settled && !parts.members.iter().any(|member| state_of(member).in_use() && holds(member))
    }
}

fn state_of(member: &Member) -> MemberState {
    MemberState(member.identity.state.load(Acquire))
}

/// A member's number, process and thread; None where the place is free.
pub(super) fn attached(member: &Member) -> Option<(u32, u32, u32)> {
    let state = state_of(member);
    let (pid, thread) = (member.identity.pid.load(Relaxed), member.identity.thread.load(Relaxed));
    fence(Acquire);
    let same = state_of(member).number() == state.number();
    (state.in_use() && same).then_some((state.number(), pid, thread))
}
