//! Whom a request is put to, and who of them is gone: what request and respond need of the registry. The topics they use are
//! named here, for both faces; what is written to them is in `docs/format.md`.

use super::attachment::{Attachment, TopicRef};
use super::census::{RESERVED, attached};
use crate::error::TopicError;
use crate::layout::{MemberState, NAME_MAX};
use crate::registry::name_hash;
use crate::segment::Round;
use crate::sync::Ordering::{Acquire, Relaxed, SeqCst};
use crate::sync::fence;
use std::time::Duration;

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
    /// The members that are subscribed to a topic by its name: they are given what is published right after this.
    pub fn subscribers_of(&self, name: &str) -> Vec<u32> {
        if self.is_forked() || self.must_be_attached().is_err() {
            return Vec::new();
        }
        let (topics, parts) = (self.shared.topics(), self.shared.parts());
        let Some(id) = topics.find(name.as_bytes(), name_hash(name.as_bytes())) else { return Vec::new() };
        let named =
            |index: u32| parts.named(id.index)[index as usize / 64].load(Relaxed) >> (index % 64) & 1 == 1;
        let all = (0..).zip(parts.members).filter(|(index, _)| named(*index));
        let states = all.map(|(_, member)| MemberState(member.identity.state.load(Acquire)));
        states.filter(|state| state.in_use()).map(MemberState::number).collect()
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
        let shared = self.shared.clone();
        let parts = shared.parts();
        let mut round = Round::default();
        let asked = |state: MemberState| state.in_use() && members.contains(&state.number());
        let dead: Vec<_> = (0..)
            .zip(parts.members)
            .map(|(index, member)| (index, member, MemberState(member.identity.state.load(Acquire))))
            .filter(|(_, member, state)| asked(*state) && !shared.lives(member, &mut round))
            .map(|(index, _, state)| (index, state))
            .collect();
        // Not before it is buried: it may have committed what nobody has finalised yet.
        self.bury(&dead);
        let present: Vec<u32> =
            parts.members.iter().filter_map(attached).map(|(number, ..)| number).collect();
        members.iter().copied().filter(|member| !present.contains(member)).collect()
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
