//! The answering half of request and respond in the Rust API: who responds receives requests as messages, and replies to them.

use super::asking::{ask_topic, reply_topic};
use super::envelope::{COUNT, ERROR, HELD, VALUE, wrapped};
use super::inbox::Kind;
use super::message::Request;
use super::{Bus, Message, users};
use crate::error::{HandlerError, PublishError, TopicError};
use crate::registry::TopicId;
use serde::Serialize;
use std::collections::VecDeque;
use std::time::Duration;

/// How long the registry is waited for by who ceases to respond.
const LOCK_WAIT: Duration = Duration::from_millis(100);

/// Requests that were received and not replied to, so many of the last: who asked is told that they are in hand, should it see that
/// this bus responds no more. Who has long received more than these may not mean to reply at all.
const IN_HAND: usize = 1024;

/// What a bus keeps of what it responds to.
#[derive(Debug, Default)]
pub(super) struct Responding {
    /// It has responded to something.
    responds: bool,
    in_hand: VecDeque<(TopicId, Request)>,
}

impl Bus {
    /// Responds to a topic from now on: its requests are received as messages that [`is_request`](Message::is_request) tells, and wait
    /// for a [`reply`](Self::reply). Subscribers of the topic do not see them. Again: no effect.
    pub fn respond(&mut self, topic: &str) -> Result<(), TopicError> {
        let name = ask_topic(users(topic)?);
        let kind = self.responds();
        self.subscribe_to(&name, topic, kind)
    }

    /// What comes from now on are requests, too.
    pub(super) fn responds(&mut self) -> Kind {
        self.responding.responds = true;
        Kind::Requests(self.at.number())
    }

    /// Notes that the next message in the inbox is handed out, if it is a request, before it is.
    #[inline]
    pub(super) fn begin_request(&mut self) {
        if !self.responding.responds {
            return;
        }
        let Some((topic, asked)) = self.inbox.request() else { return };
        if let Some(row) = asked.row {
            // Where it cannot be said, the answer says it.
            let _ = self.hold(asked, Some(row));
            return;
        }
        let in_hand = &mut self.responding.in_hand;
        if in_hand.back() != Some(&(topic, asked)) {
            in_hand.push_back((topic, asked));
        }
        if in_hand.len() > IN_HAND {
            in_hand.pop_front();
        }
    }

    fn hold(&mut self, asked: Request, row: Option<u32>) -> Result<(), PublishError> {
        self.say(asked, HELD, &rmp_serde::to_vec(&row)?)
    }

    /// Responds to a topic no more: who has asked and was not handed out yet is told so. False: it did not.
    pub fn stop_responding(&mut self, topic: &str) -> bool {
        let name = ask_topic(topic);
        let Some(&topic_ref) = self.subscribed.get(name.as_str()).filter(|_| !self.at.is_forked()) else {
            return false;
        };
        // First found no more, then read up to what was published by who found it before: none of these waits in vain. Where the
        // registry is not to be had, those that come in this moment do, until their time is over.
        let _ = self.at.set_named(topic_ref, false, LOCK_WAIT);
        let until = self.at.position();
        while self.at.cursor() < until && self.take_in().is_ok() {}
        for asked in self.inbox.requests_of(topic_ref.id) {
            let _ = self.say(asked, COUNT, &[0]);
        }
        // Who asked and sees that nobody reads here any more is to know that it is in hand.
        let (its, others): (Vec<_>, Vec<_>) =
            self.responding.in_hand.drain(..).partition(|(topic, _)| *topic == topic_ref.id);
        self.responding.in_hand = others.into();
        for (_, asked) in its {
            let _ = self.hold(asked, None);
        }
        self.unsubscribe_from(&name)
    }

    /// Answers to a request that was received. Of a message that is none: no effect. Waits as [`publish`](Self::publish) does.
    pub fn reply<T: Serialize + ?Sized>(&mut self, to: &Message, answer: &T) -> Result<(), PublishError> {
        let body = rmp_serde::to_vec_named(answer)?;
        to.request.map_or(Ok(()), |asked| self.give(asked, VALUE, &body))
    }

    /// As [`reply`](Self::reply), with an error.
    pub fn reply_error(&mut self, to: &Message, error: &HandlerError) -> Result<(), PublishError> {
        let body = rmp_serde::to_vec_named(error)?;
        to.request.map_or(Ok(()), |asked| self.give(asked, ERROR, &body))
    }

    /// Says the last word to a request.
    fn give(&mut self, to: Request, kind: u32, body: &[u8]) -> Result<(), PublishError> {
        let said = self.say(to, kind, body);
        let in_hand = &mut self.responding.in_hand;
        if let Some(at) = in_hand.iter().rposition(|(_, asked)| *asked == to).filter(|_| said.is_ok()) {
            in_hand.remove(at);
        }
        said
    }

    fn say(&mut self, to: Request, kind: u32, body: &[u8]) -> Result<(), PublishError> {
        self.publish_waiting(&reply_topic(to.member), 0, &[&wrapped(to.id, kind, body)]).map(|_| ())
    }
}
