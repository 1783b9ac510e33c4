//! The Rust API's part in groups: being a member, and handing out what was taken.

use super::inbox::{Kind, Named, Names};
use super::reader::Drained;
use super::working::{GroupRef, Turn};
use super::{Bus, users};
use crate::error::{RecvError, TopicError};
use std::sync::Arc;

/// The groups this bus is a member of.
#[derive(Debug, Default)]
pub(super) struct Grouped {
    joined: Vec<(Arc<str>, GroupRef)>,
    /// Their topics.
    names: Names,
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
        if self.grouped.place_of(topic, group).is_none() {
            let joined = self.at.join_group(users(topic)?, group).inspect_err(|error| {
                if matches!(error, TopicError::Corrupt) {
                    self.at.leave();
                }
            })?;
            let name: Arc<str> = topic.into();
            let named = Named { topic: joined.topic, name: name.clone(), from: 0, kind: Kind::Messages };
            self.grouped.names.insert(joined.topic.id.index, named);
            self.grouped.joined.push((name, joined));
        }
        Ok(())
    }

    /// Leaves a group: nothing more of it is taken. What was taken in while publishing is still received, for nobody else will.
    /// False: this bus was not in it.
    pub fn unsubscribe_group(&mut self, topic: &str, group: &str) -> bool {
        if self.at.is_forked() {
            return false;
        }
        let Some(place) = self.grouped.place_of(topic, group) else { return false };
        let (name, left) = self.grouped.joined.remove(place);
        self.at.leave_group(left.row);
        if !self.grouped.joined.iter().any(|(other, _)| *other == name) {
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
                let group = grouped.joined.iter().find(|(_, group)| group.row == one.row);
                taking.belongs_to(group.map(|(_, group)| group.name.clone()));
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
    fn place_of(&self, topic: &str, group: &str) -> Option<usize> {
        self.joined.iter().position(|(name, joined)| &**name == topic && &*joined.name == group)
    }
}
