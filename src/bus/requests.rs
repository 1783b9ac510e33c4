//! Request and respond of the Rust API. Who asks waits; who responds receives requests as messages, and replies to them.

use super::asking::{ask_topic, reply_topic};
use super::envelope::{COUNT, ERROR, VALUE, unwrapped, wrapped};
use super::inbox::Kind;
use super::message::Request;
use super::{Bus, LINGER, Message, users};
use crate::error::{HandlerError, PublishError, RequestError, TopicError};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is looked whether those who were asked still live.
const LOOK: Duration = Duration::from_millis(50);
/// How long the registry is waited for by who ceases to respond.
const LOCK_WAIT: Duration = Duration::from_millis(100);

/// What a bus keeps of what it asks and responds to.
#[derive(Debug, Default)]
pub(super) struct Requests {
    last_id: u32,
}

/// A request, and what has become of it.
#[derive(Debug)]
struct Asking {
    id: u32,
    topic: Arc<str>,
    /// By member: answers it owes.
    owed: HashMap<u32, u32>,
    results: Vec<Result<Message, RequestError>>,
}

impl Bus {
    /// Asks all other threads that respond to a topic, Node's too, and waits for the first answer: a message whose body is the
    /// answer's value. What comes meanwhile of the topics this bus is subscribed to is kept for [`recv`](Self::recv). Its own requests this bus does not
    /// answer: it waits.
    ///
    /// `RequestError::NoResponders` at once when there is nobody to answer, or when the last one who was asked died or left;
    /// `RequestError::Handler` when the answer is an error.
    pub fn request<T: Serialize + ?Sized>(
        &mut self,
        topic: &str,
        message: &T,
        timeout: Duration,
    ) -> Result<Message, RequestError> {
        let none = || RequestError::NoResponders { topic: topic.into() };
        let mut asking = self.ask(topic, message)?.ok_or_else(none)?;
        let in_time = self.await_answers(&mut asking, timeout, |asking| {
            asking.owed.is_empty() || asking.results.iter().any(|result| !is_lost(result))
        })?;
        let answer = asking.results.into_iter().find(|result| !is_lost(result));
        match answer {
            Some(answer) => answer,
            None if in_time => Err(none()),
            None => Err(RequestError::TimedOut { topic: topic.into(), timeout }),
        }
    }

    /// As [`request`](Self::request): what became of each who was asked, in the order in which it became known. Who died or left is
    /// `RequestError::NoResponders`, who has not answered in time `RequestError::TimedOut`. Nobody responds: none.
    pub fn request_many<T: Serialize + ?Sized>(
        &mut self,
        topic: &str,
        message: &T,
        timeout: Duration,
    ) -> Result<Vec<Result<Message, RequestError>>, RequestError> {
        let Some(mut asking) = self.ask(topic, message)? else { return Ok(Vec::new()) };
        self.await_answers(&mut asking, timeout, |asking| asking.owed.is_empty())?;
        let missing: u32 = asking.owed.values().sum();
        let late = (0..missing).map(|_| Err(RequestError::TimedOut { topic: topic.into(), timeout }));
        Ok(asking.results.into_iter().chain(late).collect())
    }

    /// Responds to a topic from now on: its requests are received as messages that [`is_request`](Message::is_request) tells, and wait
    /// for a [`reply`](Self::reply). Subscribers of the topic do not see them. Again: no effect.
    pub fn respond(&mut self, topic: &str) -> Result<(), TopicError> {
        let name = ask_topic(users(topic)?);
        self.subscribe_to(&name, topic, Kind::Requests(self.at.number()))
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
        self.unsubscribe_from(&name)
    }

    /// Answers to a request that was received. Of a message that is none: no effect. Waits as [`publish`](Self::publish) does.
    pub fn reply<T: Serialize + ?Sized>(&mut self, to: &Message, answer: &T) -> Result<(), PublishError> {
        let body = rmp_serde::to_vec_named(answer)?;
        to.request.map_or(Ok(()), |asked| self.say(asked, VALUE, &body))
    }

    /// As [`reply`](Self::reply), with an error.
    pub fn reply_error(&mut self, to: &Message, error: &HandlerError) -> Result<(), PublishError> {
        let body = rmp_serde::to_vec_named(error)?;
        to.request.map_or(Ok(()), |asked| self.say(asked, ERROR, &body))
    }

    fn say(&mut self, to: Request, kind: u32, body: &[u8]) -> Result<(), PublishError> {
        self.publish_waiting(&reply_topic(to.member), 0, &[&wrapped(to.id, kind, body)]).map(|_| ())
    }

    /// Publishes a request; None: there is nobody to be asked.
    fn ask<T: Serialize + ?Sized>(
        &mut self,
        topic: &str,
        message: &T,
    ) -> Result<Option<Asking>, RequestError> {
        let name = ask_topic(users(topic)?);
        let body = rmp_serde::to_vec_named(message).map_err(PublishError::from)?;
        let me = self.at.number();
        let before = self.at.subscribers_of(&name);
        if before.iter().all(|member| *member == me) {
            self.at.check_process()?;
            return Ok(None);
        }
        let reply_topic = reply_topic(me);
        self.subscribe_to(&reply_topic, &reply_topic, Kind::Answers)?;
        let id = self.requests.last_id.wrapping_add(1).max(1);
        self.requests.last_id = id;
        self.publish_waiting(&name, 0, &[&wrapped(me, id, &body)])?;
        let owed = before.into_iter().filter(|member| *member != me).map(|member| (member, 1)).collect();
        Ok(Some(Asking { id, topic: topic.into(), owed, results: Vec::new() }))
    }

    /// False: it is not done in time. Meanwhile this thread takes no messages of its groups: others do.
    fn await_answers(
        &mut self,
        asking: &mut Asking,
        timeout: Duration,
        is_done: impl Fn(&Asking) -> bool,
    ) -> Result<bool, RequestError> {
        self.at.rest(true);
        let answered = self.await_resting(asking, timeout, is_done);
        self.at.rest(false);
        answered
    }

    fn await_resting(
        &mut self,
        asking: &mut Asking,
        timeout: Duration,
        is_done: impl Fn(&Asking) -> bool,
    ) -> Result<bool, RequestError> {
        let start = Instant::now();
        let mut looked = start;
        let mut longest = LINGER;
        loop {
            self.take_answers(asking)?;
            if is_done(asking) {
                return Ok(true);
            }
            self.at.hand_on();
            let Some(left) = timeout.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) else {
                return Ok(false);
            };
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                self.look_for(asking)?;
                continue;
            }
            self.sleep(left.min(LOOK - looked.elapsed().min(LOOK)), &mut longest);
        }
    }

    /// Takes in what there is, answers apart.
    fn take_answers(&mut self, asking: &mut Asking) -> Result<(), RequestError> {
        if self.inbox.bytes() >= self.inbox_max {
            return Err(PublishError::InboxFull { bytes: self.inbox.bytes() }.into());
        }
        let taken = self.look_after().and_then(|()| self.take_in());
        taken.inspect_err(|_| self.at.leave())?;
        for message in self.inbox.take_answers() {
            asking.hear(message);
        }
        Ok(())
    }

    /// Looks who of those who were asked is gone. What they said before is in the bus, and is heard first.
    fn look_for(&mut self, asking: &mut Asking) -> Result<(), RequestError> {
        let asked: Vec<u32> = asking.owed.keys().copied().collect();
        let gone = self.at.gone(&asked);
        if gone.is_empty() {
            return Ok(());
        }
        let until = self.at.position();
        while self.at.cursor() < until {
            self.take_answers(asking)?;
        }
        for member in gone {
            asking.lose(member);
        }
        Ok(())
    }
}

impl Asking {
    fn hear(&mut self, message: Message) {
        let Some((id, kind, value)) = unwrapped(&message.body) else { return };
        // Another's: an answer that comes late.
        if id != self.id {
            return;
        }
        let member = message.head.member;
        match kind {
            COUNT => {
                let count: Option<u32> = rmp_serde::from_slice(value).ok();
                if let (Some(count), Some(owed)) = (count, self.owed.get_mut(&member)) {
                    *owed = count;
                }
            }
            VALUE => {
                let (topic, body) = (self.topic.clone(), value.to_vec());
                self.results.push(Ok(Message { topic, body, ..message }));
                self.pay(member);
            }
            ERROR => {
                let unknown = |_| HandlerError::new("the error of the handler cannot be read");
                let error = rmp_serde::from_slice(value).unwrap_or_else(unknown);
                self.results.push(Err(RequestError::Handler(error)));
                self.pay(member);
            }
            _ => {}
        }
        self.owed.retain(|_, owed| *owed > 0);
    }

    fn pay(&mut self, member: u32) {
        if let Some(owed) = self.owed.get_mut(&member) {
            *owed = owed.saturating_sub(1);
        }
    }

    /// A member died or left, and all it said was heard.
    fn lose(&mut self, member: u32) {
        let owed = self.owed.remove(&member).unwrap_or(0);
        let lost = || Err(RequestError::NoResponders { topic: self.topic.to_string() });
        self.results.extend((0..owed).map(|_| lost()));
    }
}

/// Whether that is no answer, but the loss of one.
fn is_lost(result: &Result<Message, RequestError>) -> bool {
    matches!(result, Err(RequestError::NoResponders { .. }))
}
