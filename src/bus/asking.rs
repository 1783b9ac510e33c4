//! Whom a request is put to, and who of them is gone: what request and respond need of the registry. The topics they use are
//! named here, for both faces; what is written to them is in `docs/format.md`.

use super::attachment::{Attachment, TopicRef};
use super::census::{RESERVED, attached};
use super::fanout::members_of;
use crate::error::TopicError;
use crate::layout::{GroupCursor, Member, MemberState, NAME_MAX, Parts};
use crate::registry::{TopicId, name_hash};
use crate::segment::Round;
use crate::sync::Ordering::{Acquire, SeqCst};
use crate::sync::{AtomicU64, fence};
use std::time::Duration;

/// Whom a request is put to that is published now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Those who are subscribed by name: each has it before it.
    pub members: Vec<u32>,
    /// The rows of the groups: of each one member takes it.
    pub groups: Vec<u32>,
}

impl Asked {
    pub fn is_nobody(&self) -> bool {
        self.members.is_empty() && self.groups.is_empty()
    }
}

/// Where the requests of a topic go: another topic, so that its subscribers do not see them.
pub(crate) fn ask_topic(topic: &str) -> String {
    let named = format!("{RESERVED}ask/{topic}");
    if named.len() <= NAME_MAX {
        return named;
    }
    // A slash less: the name of no topic ends so.
    format!("{RESERVED}ask#{:032x}", xxhash_rust::xxh3::xxh3_128(topic.as_bytes()))
}

/// Where the answers to the requests of a member go.
pub(crate) fn reply_topic(member: u32) -> String {
    format!("{RESERVED}reply/{member}")
}

impl Attachment {
    /// Who is subscribed to a topic by its name, and its groups: they are given what is published right after this.
    pub fn asked(&self, name: &str) -> Asked {
        let Some(id) = self.found(name) else { return Asked::default() };
        let (topics, parts) = (self.shared.topics(), self.shared.parts());
        Asked { members: numbers(&parts, parts.named(id.index)), groups: topics.groups(id) }
    }

    /// As `asked`, but for this thread and for groups that nobody else is in.
    pub fn asked_but_me(&self, name: &str) -> Asked {
        let Asked { mut members, mut groups } = self.asked(name);
        let parts = self.shared.parts();
        members.retain(|member| *member != self.publisher.number);
        groups.retain(|row| members_of(parts.group_row(*row)).any(|index| index != self.publisher.index));
        Asked { members, groups }
    }

    /// The members that read a topic: also those that respond no more, until they have said so to all who found them before. Who is not
    /// among them reads nothing of what was published before this; what of that it has to answer to yet it has said.
    pub fn readers_of(&self, name: &str) -> Vec<u32> {
        let Some(id) = self.found(name) else { return Vec::new() };
        let parts = self.shared.parts();
        let readers = numbers(&parts, parts.row(id.index));
        // Partner: the release with which a bit is cleared. Who sees that sees the tail past what was said before.
        fence(Acquire);
        readers
    }

    fn found(&self, name: &str) -> Option<TopicId> {
        if self.is_forked() || self.must_be_attached().is_err() {
            return None;
        }
        self.shared.topics().find(name.as_bytes(), name_hash(name.as_bytes()))
    }

    /// Of messages of a topic, each with the row of a group that was asked, those that nobody of the group answers to: all have left it,
    /// or it was taken, and nobody lives who may have it. Whoever took one has said so before it ceases to hold it: what is
    /// in the bus after this is to be read first. This thread does not count while it rests. Indices.
    pub fn lost_in_groups(&mut self, name: &str, asked: &[(u32, u64)]) -> Vec<u32> {
        if self.is_forked() || self.must_be_attached().is_err() {
            return Vec::new();
        }
        let shared = self.shared.clone();
        let (topics, parts) = (shared.topics(), shared.parts());
        let mut rows: Vec<u32> = asked.iter().map(|(row, _)| *row).collect();
        rows.sort_unstable();
        rows.dedup();
        rows.retain(|row| (*row as usize) < parts.groups.made().len());
        let is_in = |index: u32| rows.iter().any(|row| members_of(parts.group_row(*row)).any(|m| m == index));
        let concerns = |index, member: &Member| member.reading.holds.load(Acquire) != 0 || is_in(index);
        self.bury_among(|index, member, _| concerns(index, member));
        let id = self.found(name);
        let me = self.groups.resting();
        let counts = |index: u32| Some(index) != me;
        let is_lost = |(row, position): (u32, u64)| {
            let group = parts.groups.get(row).filter(|_| id.is_some_and(|id| topics.is_row_of(row, id)));
            let others = || members_of(parts.group_row(row)).any(counts);
            let has_passed = group.filter(|_| others()).is_none_or(|group| {
                // The cursor first: who moved it had announced what it took.
                GroupCursor(group.gate.cursor.load(Acquire)).position(position) > position
            });
            let may_have = |member: &Member| {
                let (first, last) = (member.reading.holds.load(Acquire), member.reading.reach.load(Acquire));
                let in_use = MemberState(member.identity.state.load(Acquire)).in_use();
                in_use && first != 0 && (first..=last).contains(&(position + 1))
            };
            has_passed && !(0..).zip(parts.members).any(|(index, member)| counts(index) && may_have(member))
        };
        (0..).zip(asked).filter(|(_, one)| is_lost(**one)).map(|(index, _)| index).collect()
    }

    /// Says whether this thread is subscribed by name to a topic that it reads. Who answers to requests ceases to be before it ceases to
    /// read: whoever found it there has published before `position` as it is now, or does in the next moment.
    pub fn set_named(&mut self, topic: TopicRef, on: bool, wait: Duration) -> Result<(), TopicError> {
        self.check_process()?;
        self.must_be_attached()?;
        let guard = self.shared.lock_registry(wait)?;
        let topics = self.shared.topics();
        topics.recover();
        if topics.is_same(topic.id) {
            topics.set_named(topic.id, self.publisher.index, on);
        }
        drop(guard);
        // Before the tail is looked at: who does not see this published before, or is just about to.
        fence(SeqCst);
        Ok(())
    }

    /// Those of some members that have left or died. What they had published is in the bus by now.
    pub fn gone(&mut self, members: &[u32]) -> Vec<u32> {
        if self.is_forked() || self.must_be_attached().is_err() {
            return Vec::new();
        }
        self.bury_among(|_, _, state| members.contains(&state.number()));
        let parts = self.shared.parts();
        let present: Vec<u32> =
            parts.members.iter().filter_map(attached).map(|(number, ..)| number).collect();
        members.iter().copied().filter(|member| !present.contains(member)).collect()
    }

    /// Reaps the dead of some members. Not before it is buried is one gone: it may have committed what nobody has finalised yet.
    fn bury_among(&mut self, concerns: impl Fn(u32, &Member, MemberState) -> bool) {
        let shared = self.shared.clone();
        let mut round = Round::default();
        let dead: Vec<_> = (0..)
            .zip(shared.parts().members)
            .map(|(index, member)| (index, member, MemberState(member.identity.state.load(Acquire))))
            .filter(|(index, member, state)| {
                state.in_use() && concerns(*index, member, *state) && !shared.lives(member, &mut round)
            })
            .map(|(index, _, state)| (index, state))
            .collect();
        self.bury(&dead);
    }

    /// The position of what this thread has published last, and the next one.
    pub fn published_to(&self) -> u64 {
        self.published_to
    }

    /// The position of the next message of the bus.
    pub fn position(&self) -> u64 {
        if self.must_be_attached().is_err() { 0 } else { self.shared.parts().tail.load(Acquire) }
    }

    /// The position of the next message this thread reads.
    pub fn cursor(&self) -> u64 {
        self.reader.cursor()
    }
}

/// The numbers of the members in a bitmap.
fn numbers(parts: &Parts<'_>, row: &[AtomicU64]) -> Vec<u32> {
    let members = members_of(row).filter_map(|index| parts.members.get(index as usize));
    let states = members.map(|member| MemberState(member.identity.state.load(Acquire)));
    states.filter(|state| state.in_use()).map(MemberState::number).collect()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_topic_of_requests_is_a_topic_however_long_the_name_and_no_two_names_share_one() {
        assert_eq!(ask_topic("a/b"), "$slabcast/ask/a/b");
        let longest = "x".repeat(NAME_MAX - "$slabcast/ask/".len());
        assert_eq!(ask_topic(&longest), format!("$slabcast/ask/{longest}"));
        let (one, other) = ("x".repeat(NAME_MAX), format!("{}y", "x".repeat(NAME_MAX - 1)));
        for topic in [&one, &other] {
            let name = ask_topic(topic);
            assert!(name.len() <= NAME_MAX && name.starts_with("$slabcast/ask#"), "{name}");
        }
        assert_ne!(ask_topic(&one), ask_topic(&other));
        // As `docs/format.md` says.
        assert_eq!(ask_topic(&one), "$slabcast/ask#1aa97e65e6ae70b02be953982ac8bd9d");
    }
}
