//! The Rust API's part in groups: being a member, and handing out what was taken.

use super::asking::ask_topic;
use super::inbox::{Kind, Named, Names};
use super::reader::Drained;
use super::working::{GroupRef, Turn};
use super::{Bus, users};
use crate::error::{RecvError, TopicError};
use std::sync::Arc;

/// The groups this bus is a member of.
#[derive(Debug, Default)]
pub(super) struct Grouped {
    joined: Vec<Joined>,
    /// Their topics.
    names: Names,
}

#[derive(Debug)]
struct Joined {
    /// As its messages are told.
    topic: Arc<str>,
    kind: Kind,
    group: GroupRef,
}

impl Bus {
    /// Becomes a member of a topic's group: each message published from now on is received by exactly one of its members, an
    /// idle one first; subscribers outside it receive all. What its other members have not taken yet is this one's, too. A bus may
    /// be in several groups of a topic, and subscribed to it besides. Again: no effect.
    ///
    /// A member that dies loses what it has received; what it has not, the others take. While this bus waits in
    /// [`publish`](Self::publish) for room, it takes messages of its groups in as well. Errors: `InvalidGroup` where the
    /// name is not 1 to 255 bytes without NUL, `TooManyGroups` beyond 4,096 of all topics.
    pub fn subscribe_group(&mut self, topic: &str, group: &str) -> Result<(), TopicError> {
        self.join(users(topic)?, topic, group, Kind::Messages)
    }

    /// Leaves a group: nothing more of it is taken. What was taken in while publishing is still received, for nobody else will.
    /// False: this bus was not in it.
    pub fn unsubscribe_group(&mut self, topic: &str, group: &str) -> bool {
        self.quit(topic, group, Kind::Messages)
    }

    /// Responds to a topic as a member of a group: each request is received by exactly one of the group's members, an idle one first,
    /// whatever process it is in; who asks waits for one answer of each group. Else as [`respond`](Self::respond) and
    /// [`subscribe_group`](Self::subscribe_group), with their errors.
    ///
    /// Who asked is told whose its request is when it is received here, which may wait for room as [`publish`](Self::publish) does: if this
    /// process dies after that, it learns of it. Of one that dies before it took a request, another takes it.
    pub fn respond_group(&mut self, topic: &str, group: &str) -> Result<(), TopicError> {
        let kind = self.responds();
        self.join(&ask_topic(users(topic)?), topic, group, kind)
    }

    /// Responds in a group no more. What was taken in while publishing is still received. False: it did not.
    pub fn stop_responding_group(&mut self, topic: &str, group: &str) -> bool {
        let kind = Kind::Requests(self.at.number());
        self.quit(topic, group, kind)
    }

    fn join(&mut self, name: &str, told: &str, group: &str, kind: Kind) -> Result<(), TopicError> {
        if self.grouped.place_of(told, group, kind).is_none() {
            let joined = self.at.join_group(name, group);
            let joined = self.unless_corrupt(joined)?;
            let topic: Arc<str> = told.into();
            let named = Named { topic: joined.topic, name: topic.clone(), from: 0, kind };
            self.grouped.names.insert(joined.topic.id.index, named);
            self.grouped.joined.push(Joined { topic, kind, group: joined });
        }
        Ok(())
    }

    fn quit(&mut self, told: &str, group: &str, kind: Kind) -> bool {
        if self.at.is_forked() {
            return false;
        }
        let Some(place) = self.grouped.place_of(told, group, kind) else { return false };
        let left = self.grouped.joined.remove(place).group;
        self.at.leave_group(left.row);
        if !self.grouped.joined.iter().any(|other| other.group.topic == left.topic) {
            self.grouped.names.remove(&left.topic.id.index);
        }
        true
    }

    /// Takes one message of the groups in. Whether there was one.
    pub(super) fn take_from_groups(&mut self) -> Result<bool, RecvError> {
        if self.grouped.joined.is_empty() {
            return Ok(false);
        }
        let (at, grouped) = (&mut self.at, &self.grouped);
        let mut taken = None;
        let ended = self.inbox.take_in(&grouped.names, |taking| match at.take(taking) {
            Turn::Taken(one) => {
                if let Some(joined) = grouped.joined.iter().find(|joined| joined.group.row == one.row) {
                    taking.belongs_to(joined.group.name.clone(), one.row);
                }
                taken = Some(one);
                Drained::All
            }
            Turn::Ended(ended) => ended,
        });
        if ended == Drained::Corrupt { Err(RecvError::Corrupt) } else { Ok(taken.is_some()) }
    }

    /// What its groups hold of a full slab. Where others are in them, one message at a time: they are there to take theirs.
    pub(super) fn make_room_of_groups(&mut self) -> Result<(), RecvError> {
        while self.take_from_groups()? && self.at.is_alone_in_groups() && self.inbox.bytes() < self.inbox_max
        {
        }
        Ok(())
    }
}

impl Grouped {
    fn place_of(&self, topic: &str, group: &str, kind: Kind) -> Option<usize> {
        let is_it =
            |joined: &Joined| (&*joined.topic, &*joined.group.name, joined.kind) == (topic, group, kind);
        self.joined.iter().position(is_it)
    }
}
