//! The asking half of request and respond in the Rust API: who asks waits.

use super::asking::{Asked, ask_topic, reply_topic};
use super::attachment::Attachment;
use super::envelope::{COUNT, COUNT_MAX, ERROR, HELD, VALUE, unwrapped, wrapped};
use super::inbox::Kind;
use super::replay::{Kept, Past};
use super::{Bus, LINGER, Message, users};
use crate::error::{HandlerError, PublishError, RequestError};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is looked whether those who were asked still live, and read.
const LOOK: Duration = Duration::from_millis(50);

/// What a bus keeps of what it asks.
#[derive(Debug, Default)]
pub(super) struct Requests {
    last_id: u32,
}

/// A request, and what has become of it.
#[derive(Debug)]
struct Asking {
    id: u32,
    topic: Arc<str>,
    /// Of requests, where it stands.
    name: String,
    position: u64,
    /// By member: answers it owes.
    owed: HashMap<u32, u32>,
    /// Those who have said that they have it.
    said: HashSet<u32>,
    /// Those who have said how many answers are to come: that is said once.
    counted: HashSet<u32>,
    /// The rows of the groups that were asked, of which nobody has said that it took it.
    groups: HashSet<u32>,
    results: Vec<Result<Message, RequestError>>,
}

impl Bus {
    /// Asks all other threads that respond to a topic, Node's too, and one of each group that does, and waits for the first answer: a message
    /// whose body is the answer's value. What comes meanwhile of the topics this bus is subscribed to is kept for
    /// [`recv`](Self::recv). Its own requests this bus does not answer: it waits.
    ///
    /// `RequestError::NoResponders` at once when there is nobody to answer, or when the last one who was asked died or left;
    /// `RequestError::Handler` when the answer is an error; `RequestError::Lost` where this thread was cut off and the answer may have
    /// been overwritten before it was read.
    pub fn request<T: Serialize + ?Sized>(
        &mut self,
        topic: &str,
        message: &T,
        timeout: Duration,
    ) -> Result<Message, RequestError> {
        let none = || RequestError::NoResponders { topic: topic.into() };
        let mut asking = self.ask(topic, message)?.ok_or_else(none)?;
        let in_time = self.await_answers(&mut asking, timeout, |asking| {
            asking.is_done() || asking.results.iter().any(|result| !is_lost(result))
        })?;
        let answer = asking.results.into_iter().find(|result| !is_lost(result));
        match answer {
            Some(answer) => answer,
            None if in_time => Err(none()),
            None => Err(RequestError::TimedOut { topic: topic.into(), timeout }),
        }
    }

    /// As [`request`](Self::request): what became of each who was asked, a group being one, in the order in which it became known. Who died or left is
    /// `RequestError::NoResponders`, who has not answered in time `RequestError::TimedOut`. Nobody responds: none.
    pub fn request_many<T: Serialize + ?Sized>(
        &mut self,
        topic: &str,
        message: &T,
        timeout: Duration,
    ) -> Result<Vec<Result<Message, RequestError>>, RequestError> {
        let Some(mut asking) = self.ask(topic, message)? else { return Ok(Vec::new()) };
        self.await_answers(&mut asking, timeout, Asking::is_done)?;
        asking.miss_all(|| RequestError::TimedOut { topic: topic.into(), timeout });
        Ok(asking.results)
    }

    /// Publishes a request; None: there is nobody to be asked.
    fn ask<T: Serialize + ?Sized>(
        &mut self,
        topic: &str,
        message: &T,
    ) -> Result<Option<Asking>, RequestError> {
        let name = ask_topic(users(topic)?);
        let body = rmp_serde::to_vec_named(message).map_err(PublishError::from)?;
        if self.at.asked_but_me(&name).is_nobody() {
            self.at.check_process()?;
            return Ok(None);
        }
        let me = self.at.number();
        let reply_topic = reply_topic(me);
        self.subscribe_to(&reply_topic, &reply_topic, Kind::Answers)?;
        // What was missed of answers to what was asked before, nobody waits for.
        if let Some(replies) = self.subscribed.get(reply_topic.as_str()) {
            self.at.take_gaps_of(replies.id);
        }
        let id = self.requests.last_id.wrapping_add(1).max(1);
        self.requests.last_id = id;
        // Those who are there right before it is in the bus: it may have to wait for long.
        let mut asked = Asked::default();
        let look = |at: &Attachment| asked = at.asked_but_me(&name);
        let position = self.publish_after(&name, 0, &[&wrapped(me, id, &body)], look)?;
        let (owed, groups) = (asked.members.into_iter().map(|member| (member, 1)), asked.groups);
        Ok(Some(Asking {
            id,
            topic: topic.into(),
            position,
            owed: owed.collect(),
            said: HashSet::new(),
            counted: HashSet::new(),
            groups: groups.into_iter().collect(),
            results: Vec::new(),
            name,
        }))
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
        let (kept, lost) = self.look_back()?;
        let is_kept = |message: &Message| kept.iter().any(|kept| kept.position() == message.position());
        let came: Vec<Message> = self.inbox.take_answers().into_iter().filter(|one| !is_kept(one)).collect();
        for message in came.into_iter().chain(kept) {
            asking.hear(message);
        }
        if lost > 0 {
            let topic = asking.topic.to_string();
            asking.miss_all(|| RequestError::Lost { topic: topic.clone(), lost });
        }
        Ok(())
    }

    /// Where this thread was cut off: the answers it missed that are still there, and how many are not.
    fn look_back(&mut self) -> Result<(Vec<Message>, u64), RequestError> {
        let nothing = (Vec::new(), 0);
        if !self.at.has_gaps() {
            return Ok(nothing);
        }
        let name = reply_topic(self.at.number());
        let Some(&replies) = self.subscribed.get(name.as_str()) else { return Ok(nothing) };
        let Some(&(first, _)) = self.at.take_gaps_of(replies.id).first() else { return Ok(nothing) };
        let (live, found) = self.at.catch_up(replies, Past::After(first - 1))?;
        if let Some(named) = self.names.get_mut(&replies.id.index) {
            // Up to there they were found.
            named.from = live.from;
        }
        let topic: Arc<str> = name.into();
        let kept = found.kept.into_iter().map(|Kept { head, body }| {
            let (topic, body) = (topic.clone(), body.into_vec());
            Message { head, topic, pattern: None, group: None, body, request: None }
        });
        Ok((kept.collect(), found.lost.iter().map(|(from, to, _)| to - from + 1).sum()))
    }

    /// Looks who of those who were asked will not answer. What they said before is in the bus, and is heard first.
    fn look_for(&mut self, asking: &mut Asking) -> Result<(), RequestError> {
        let asked: Vec<u32> = asking.owed.keys().copied().collect();
        let gone = self.at.gone(&asked);
        let readers = self.at.readers_of(&asking.name);
        let ceased: Vec<u32> = asked.into_iter().filter(|member| !readers.contains(member)).collect();
        let rows: Vec<u32> = asking.groups.iter().copied().collect();
        let of_groups: Vec<(u32, u64)> = rows.iter().map(|row| (*row, asking.position)).collect();
        let lost =
            if rows.is_empty() { Vec::new() } else { self.at.lost_in_groups(&asking.name, &of_groups) };
        if gone.is_empty() && ceased.is_empty() && lost.is_empty() {
            return Ok(());
        }
        let until = self.at.position();
        while self.at.cursor() < until {
            self.take_answers(asking)?;
        }
        for member in gone {
            asking.lose(member);
        }
        for member in ceased.into_iter().filter(|member| !asking.said.contains(member)).collect::<Vec<_>>() {
            asking.lose(member);
        }
        for at in lost {
            asking.lose_in(rows[at as usize]);
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
                let count: Option<u32> =
                    rmp_serde::from_slice(value).ok().filter(|count| *count <= COUNT_MAX);
                if let (Some(count), Some(owed)) = (count, self.owed.get_mut(&member))
                    && self.counted.insert(member)
                {
                    *owed = owed.saturating_sub(1).saturating_add(count);
                    self.said.insert(member);
                }
            }
            HELD => {
                self.said.insert(member);
                let row: Option<u32> = rmp_serde::from_slice(value).unwrap_or(None);
                if row.is_some_and(|row| self.groups.remove(&row)) {
                    *self.owed.entry(member).or_default() += 1;
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

    /// Nobody owes anything any more.
    fn is_done(&self) -> bool {
        self.owed.is_empty() && self.groups.is_empty()
    }

    /// A member died or left, or ceased to respond before it had it, and all it said was heard.
    fn lose(&mut self, member: u32) {
        let owed = self.owed.remove(&member).unwrap_or(0);
        let topic = self.topic.to_string();
        self.miss(owed, || RequestError::NoResponders { topic: topic.clone() });
    }

    /// Nobody of a group has it, and all that was said was heard.
    fn lose_in(&mut self, row: u32) {
        if self.groups.remove(&row) {
            self.results.push(Err(RequestError::NoResponders { topic: self.topic.to_string() }));
        }
    }

    /// What has not come by now is not waited for.
    fn miss_all(&mut self, why: impl Fn() -> RequestError) {
        let missing = self.owed.values().sum::<u32>() + self.groups.len() as u32;
        self.owed.clear();
        self.groups.clear();
        self.miss(missing, why);
    }

    fn miss(&mut self, count: u32, why: impl Fn() -> RequestError) {
        self.results.extend((0..count).map(|_| Err(why())));
    }
}

/// Whether that is no answer, but the loss of one.
fn is_lost(result: &Result<Message, RequestError>) -> bool {
    matches!(result, Err(RequestError::NoResponders { .. }))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::bus::Options;
    use crate::bus::inside::cut_off;
    use crate::layout::MemberState;
    use crate::sync::Ordering::Acquire;

    fn options(what: &str) -> Options {
        Options { size: 64 << 10, ..Options::new(format!("unit-requests-{what}-{}", std::process::id())) }
    }

    fn open(options: &Options) -> Bus {
        Bus::open(options.clone()).expect("open")
    }

    fn code(result: &Result<Message, RequestError>) -> Option<&str> {
        result.as_ref().err().and_then(RequestError::code)
    }

    #[test]
    fn who_reads_no_more_and_has_said_nothing_will_not_answer() {
        let options = options("ceased");
        let [mut bus, mut other] = [(); 2].map(|()| open(&options));
        other.respond("t").expect("respond");
        let mut asking = bus.ask("t", &1).expect("asked").expect("somebody");
        let request = other.recv().expect("a request");
        other.stop_responding("t");
        // It has said that it has this in hand.
        bus.look_for(&mut asking).expect("looked");
        assert!(!asking.is_done());
        // As if this thread had stood still between its look and its publish.
        let mut late = Asking {
            topic: asking.topic.clone(),
            name: asking.name.clone(),
            owed: asking.owed.clone(),
            said: HashSet::new(),
            counted: HashSet::new(),
            groups: HashSet::new(),
            results: Vec::new(),
            id: asking.id,
            position: asking.position,
        };
        bus.look_for(&mut late).expect("looked");
        assert!(late.is_done());
        assert_eq!(code(&late.results[0]), Some("ERR_NO_RESPONDERS"));
        other.reply(&request, "yes").expect("reply");
        bus.take_answers(&mut asking).expect("heard");
        assert!(asking.is_done() && asking.results[0].is_ok());
    }

    #[test]
    fn what_one_of_a_group_took_is_lost_when_nobody_lives_who_may_have_it_and_not_before() {
        let options = options("taken");
        let [mut bus, mut takes, mut other] = [(); 3].map(|()| open(&options));
        for member in [&mut takes, &mut other] {
            member.respond_group("t", "g").expect("joined");
        }
        let mut asking = bus.ask("t", &0).expect("asked").expect("somebody");
        let request = takes.try_recv().expect("recv").expect("a request");
        assert!(takes.try_recv().expect("recv").is_none());
        bus.look_for(&mut asking).expect("looked");
        assert!(!asking.is_done(), "it is in hand");
        takes.reply(&request, "yes").expect("reply");
        bus.take_answers(&mut asking).expect("heard");
        assert!(asking.is_done() && asking.results[0].is_ok());
        let mut asking = bus.ask("t", &1).expect("asked").expect("somebody");
        bus.look_for(&mut asking).expect("looked");
        assert!(!asking.is_done(), "nobody has taken it");
        assert!(takes.take_from_groups().expect("sound"));
        bus.look_for(&mut asking).expect("looked");
        assert!(!asking.is_done(), "it may say so yet");
        // As if it had died just then.
        takes.close();
        bus.look_for(&mut asking).expect("looked");
        assert_eq!(asking.results.iter().map(code).collect::<Vec<_>>(), [Some("ERR_NO_RESPONDERS")]);
        let mut asking = bus.ask("t", &2).expect("asked").expect("the other");
        assert!(other.stop_responding_group("t", "g"));
        bus.look_for(&mut asking).expect("looked");
        assert!(asking.is_done(), "the group is gone");
    }

    #[test]
    fn who_was_cut_off_hears_what_is_still_there_and_is_told_what_is_not() {
        let options = options("cut");
        let [mut bus, mut other] = [(); 2].map(|()| open(&options));
        other.respond("t").expect("respond");
        for (noise, answers) in [(0, true), (1000, false)] {
            let mut asking = bus.ask("t", &1).expect("asked").expect("somebody");
            let request = other.recv().expect("a request");
            other.reply(&request, "yes").expect("reply");
            let shared = bus.at.shared.clone();
            let member = &shared.parts().members[bus.at.publisher.index as usize];
            assert!(cut_off(member, MemberState(member.identity.state.load(Acquire))));
            for _ in 0..noise {
                other.publish("noise", &[1u64; 100][..]).expect("room");
                assert!(other.try_recv().expect("recv").is_none());
            }
            while !asking.is_done() {
                bus.take_answers(&mut asking).expect("heard");
            }
            assert_eq!(asking.results.len(), 1, "once");
            assert_eq!(asking.results[0].is_ok(), answers);
            assert!(answers || matches!(asking.results[0], Err(RequestError::Lost { lost: 1, .. })));
            assert!(answers || code(&asking.results[0]) == Some("ERR_TIMEOUT"));
            bus.take_answers(&mut asking).expect("heard");
            assert_eq!(asking.results.len(), 1, "not again");
        }
    }
}
