//! The public Rust API. A [`Bus`] is one member: one thread's place on the bus; other threads open their own.

mod ahead;
// JavaScript alone asks as yet.
#[cfg_attr(any(test, not(feature = "node")), allow(dead_code))]
mod asking;
mod attachment;
mod care;
mod census;
mod clock;
mod durable;
mod envelope;
mod failures;
mod fanout;
mod files;
mod following;
mod gathering;
mod glob;
mod group;
mod grouped;
mod held;
mod inbox;
mod inspection;
mod interest;
mod message;
// JavaScript alone has events.
#[cfg_attr(not(feature = "node"), allow(dead_code))]
mod news;
mod opening;
mod options;
mod patterns;
mod publisher;
mod publishing;
mod reader;
mod replay;
mod requests;
mod responding;
mod shared;
mod spin;
mod stall;
mod stats;
mod subscribing;
mod working;

pub use census::{MemberInfo, TopicInfo};
pub use held::{Held, HeldBy};
pub use message::{Message, MessageRef};
pub use options::Options;
pub use stats::{Stats, Traffic};
pub use subscribing::SubscribeOptions;

#[cfg(feature = "node")]
pub(crate) use asking::{ask_topic, reply_topic};
#[cfg(feature = "node")]
pub(crate) use attachment::{Attachment, Live, TICK, TopicRef};
#[cfg(not(feature = "node"))]
use attachment::{Attachment, Live, TICK, TopicRef};
#[cfg(feature = "node")]
pub(crate) use durable::{Durable, Mark};
#[cfg(feature = "node")]
pub(crate) use gathering::Gathering;
#[cfg(not(feature = "node"))]
use gathering::Gathering;
#[cfg(feature = "node")]
pub(crate) use glob::Glob;
#[cfg(feature = "node")]
pub(crate) use news::News;
#[cfg(feature = "node")]
pub(crate) use publisher::Refused;
#[cfg(not(feature = "node"))]
use publisher::Refused;
pub(crate) use reader::Drained;
#[cfg(any(feature = "node", fuzzing, test))]
pub(crate) use reader::{Head, Sink};
#[cfg(feature = "node")]
pub(crate) use replay::{History, Kept, Past};
#[cfg(feature = "node")]
pub(crate) use working::{GroupRef, Turn};
/// What models, property tests and fuzz targets run by hand.
#[cfg(any(test, fuzzing))]
pub(crate) mod inside {
    #[cfg(not(loom))]
    pub(crate) use super::asking::{ask_topic, reply_topic};
    #[cfg(not(loom))]
    pub(crate) use super::attachment::Attachment;
    pub(crate) use super::attachment::TopicRef;
    pub(crate) use super::clock::Ticks;
    #[cfg(not(loom))]
    pub(crate) use super::durable::Mark;
    pub(crate) use super::fanout::Fanout;
    pub(crate) use super::glob::Glob;
    #[cfg(loom)]
    pub(crate) use super::group::{Took, cut_off as cut_off_group, has_work, join as join_group, take};
    #[cfg(not(loom))]
    pub(crate) use super::inspection::{Inspection, is_possible};
    pub(crate) use super::interest::{Interest, Reason};
    #[cfg(loom)]
    pub(crate) use super::patterns::{Patterns, drain, meets};
    pub(crate) use super::publisher::{Publication, Publisher, Refused};
    pub(crate) use super::reader::{Reader, cut_off};
    #[cfg(loom)]
    pub(crate) use super::replay::history;
    pub(crate) use super::replay::{History, Past};
    #[cfg(loom)]
    pub(crate) use super::spin::Spin;
    #[cfg(not(loom))]
    pub(crate) use super::stall::Stall;
    #[cfg(not(loom))]
    pub(crate) use super::working::{GroupRef, Turn};
}

use self::subscribing::Durables;
use crate::error::{OpenError, PublishError, RecvError, TopicError};
use crate::layout::FLAG_RAW;
#[cfg(feature = "node")]
pub(crate) use crate::layout::Watches;
#[cfg(feature = "node")]
pub(crate) use crate::wake::{Orders, Vigil, Waitable};
use census::RESERVED;
use inbox::{Inbox, Kind, Label, Named, Names};
use requests::Requests;
use responding::Responding;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Positions one drain passes at the most.
const BATCH: u64 = 1024;

/// Who falls asleep looks once more so long after: a publisher may owe it the post of a burst's end.
const LINGER: Duration = if cfg!(test) { TICK } else { Duration::from_millis(3) };

/// What `await_message` has vouched for.
const AWAITED: &str = "a message was seen in the inbox";

/// How often a publisher that found the slab full looks again at once before it begins to sleep between looks.
const SPIN: u32 = 64;
const PAUSE_MIN: Duration = Duration::from_micros(50);
const PAUSE_MAX: Duration = Duration::from_millis(2);

/// A bus, as one thread holds it. Dropping it leaves the bus; the last to leave removes it.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-{}", std::process::id());
/// use slabcast::{Bus, Options};
///
/// let mut bus = Bus::open(Options::new(name))?;
/// bus.subscribe("room:100")?;
/// bus.publish("room:100", &("ann", "hi"))?;
/// let message = bus.recv()?;
/// assert_eq!(message.decode::<(String, String)>()?, ("ann".into(), "hi".into()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Bus {
    at: Attachment,
    subscribed: HashMap<Arc<str>, TopicRef>,
    names: Names,
    /// By text, and by what the attachment calls them.
    patterns: HashMap<Arc<str>, u32>,
    matching: HashMap<u32, (Arc<str>, u64)>,
    grouped: grouped::Grouped,
    /// The topic published to last.
    recent: (String, Option<TopicRef>),
    inbox: Inbox,
    inbox_max: usize,
    stall_timeout: Option<Duration>,
    ticked: Instant,
    gathering: Gathering,
    requests: Requests,
    responding: Responding,
    durables: Durables,
}

impl Bus {
    /// Opens the bus of that name, or makes it. Errors: see [`OpenError`].
    pub fn open(options: Options) -> Result<Bus, OpenError> {
        let at = Attachment::open(&options)?;
        Ok(Bus {
            at,
            subscribed: HashMap::new(),
            names: Names::new(),
            patterns: HashMap::new(),
            matching: HashMap::new(),
            grouped: grouped::Grouped::default(),
            recent: (String::new(), None),
            inbox: Inbox::default(),
            inbox_max: options.inbox,
            stall_timeout: options.stall_timeout,
            gathering: Gathering::default(),
            ticked: Instant::now(),
            requests: Requests::default(),
            responding: Responding::default(),
            durables: Durables::default(),
        })
    }

    /// This member's number, as others see it in [`Message::publisher`].
    pub fn member(&self) -> u32 {
        self.at.number()
    }

    /// Subscribes to a topic: everything published from now on, by anyone, nothing from before. Again: no effect.
    pub fn subscribe(&mut self, topic: &str) -> Result<(), TopicError> {
        self.subscribe_to(users(topic)?, topic, Kind::Messages)
    }

    /// Subscribes to a topic, and tells its messages under a name.
    fn subscribe_to(&mut self, topic: &str, told: &str, kind: Kind) -> Result<(), TopicError> {
        if !self.subscribed.contains_key(topic) {
            let live = self.at.subscribe(topic);
            let live = self.unless_corrupt(live)?;
            self.know(topic, told, kind, live);
        }
        Ok(())
    }

    /// Takes a topic that was subscribed to among those whose messages are received.
    fn know(&mut self, topic: &str, told: &str, kind: Kind, live: Live) -> Arc<str> {
        let Live { topic: topic_ref, from, .. } = live;
        let name: Arc<str> = told.into();
        let named = Named { topic: topic_ref, name: name.clone(), from, kind };
        self.names.insert(topic_ref.id.index, named);
        self.subscribed.insert(topic.into(), topic_ref);
        name
    }

    /// Subscribes to all topics that a pattern matches, those there are and those that appear: everything published from now on,
    /// by anyone. Again: no effect. Patterns are Redis' globs, compared byte by byte: `*` is any bytes, `?` one, `[ab]`,
    /// `[a-c]` and `[^a]` one of a class, `\` takes the next byte as it is; 1 to 1,024 bytes of UTF-8, no NUL. A message comes once for each
    /// pattern that matches its topic, with [`Message::pattern`], and once if its topic is subscribed to.
    pub fn psubscribe(&mut self, pattern: &str) -> Result<(), TopicError> {
        if !self.patterns.contains_key(pattern) {
            let live = self.at.psubscribe(pattern);
            let patterns::LivePattern { id, from } = self.unless_corrupt(live)?;
            let text: Arc<str> = pattern.into();
            self.matching.insert(id, (text.clone(), from));
            self.patterns.insert(text, id);
        }
        Ok(())
    }

    /// Ends the subscription by a pattern: no message comes by it any more. False: there was none.
    pub fn punsubscribe(&mut self, pattern: &str) -> bool {
        if self.at.is_forked() {
            return false;
        }
        let Some((text, id)) = self.patterns.remove_entry(pattern) else { return false };
        self.at.punsubscribe(id);
        self.matching.remove(&id);
        self.inbox.forget_pattern(&text);
        true
    }

    fn unless_corrupt<T>(&mut self, result: Result<T, TopicError>) -> Result<T, TopicError> {
        if matches!(result, Err(TopicError::Corrupt)) {
            self.at.leave();
        }
        result
    }

    /// Ends the subscription to a topic: no message of it is received any more. False: there was none.
    pub fn unsubscribe(&mut self, topic: &str) -> bool {
        users(topic).is_ok() && self.unsubscribe_from(topic)
    }

    fn unsubscribe_from(&mut self, topic: &str) -> bool {
        if self.at.is_forked() {
            return false;
        }
        let Some(topic_ref) = self.subscribed.remove(topic) else { return false };
        self.forget_durable(topic_ref.id);
        self.at.unsubscribe(topic_ref);
        self.names.remove(&topic_ref.id.index);
        self.inbox.forget(topic_ref.id);
        true
    }

    /// Publishes a value as MessagePack. Waits while the slab is full: at most `stall_timeout` for a stuck reader.
    /// Its own messages are taken in meanwhile, up to the option `inbox`. Returns the message's position.
    pub fn publish<T: Serialize + ?Sized>(&mut self, topic: &str, message: &T) -> Result<u64, PublishError> {
        let body = rmp_serde::to_vec_named(message)?;
        self.publish_waiting(users(topic)?, 0, &[&body])
    }

    /// Publishes values as MessagePack, all of them or none, with one wake-up, as [`publish`](Self::publish) would one after
    /// the other. Returns the last one's position, None if there are none. `PublishError::TooLarge`: one is, or they take
    /// more than half of the slab together.
    pub fn publish_many<T: Serialize>(
        &mut self,
        topic: &str,
        messages: impl IntoIterator<Item = T>,
    ) -> Result<Option<u64>, PublishError> {
        let encoded: Result<Vec<_>, _> =
            messages.into_iter().map(|one| rmp_serde::to_vec_named(&one)).collect();
        let encoded = encoded?;
        let bodies: Vec<&[u8]> = encoded.iter().map(Vec::as_slice).collect();
        self.publish_all(topic, 0, &bodies)
    }

    /// As [`publish`](Self::publish); `PublishError::Full` at once where that would wait.
    pub fn try_publish<T: Serialize + ?Sized>(
        &mut self,
        topic: &str,
        message: &T,
    ) -> Result<u64, PublishError> {
        let body = rmp_serde::to_vec_named(message)?;
        self.publish_once(users(topic)?, 0, &[&body])
    }

    /// Publishes bytes as they are. Waits as [`publish`](Self::publish) does.
    pub fn publish_raw(&mut self, topic: &str, bytes: &[u8]) -> Result<u64, PublishError> {
        self.publish_waiting(users(topic)?, FLAG_RAW, &[bytes])
    }

    /// Publishes many bytes as they are, as [`publish_many`](Self::publish_many) does.
    pub fn publish_raw_many(&mut self, topic: &str, bodies: &[&[u8]]) -> Result<Option<u64>, PublishError> {
        self.publish_all(topic, FLAG_RAW, bodies)
    }

    fn publish_all(
        &mut self,
        topic: &str,
        flags: u16,
        bodies: &[&[u8]],
    ) -> Result<Option<u64>, PublishError> {
        if bodies.is_empty() {
            return Ok(None);
        }
        self.publish_waiting(users(topic)?, flags, bodies).map(Some)
    }

    fn publish_once(&mut self, topic: &str, flags: u16, bodies: &[&[u8]]) -> Result<u64, PublishError> {
        let result = self.try_once(topic, flags, bodies);
        if matches!(result, Err(PublishError::Topic(TopicError::Corrupt))) {
            self.at.leave();
        }
        result
    }

    fn try_once(&mut self, topic: &str, flags: u16, bodies: &[&[u8]]) -> Result<u64, PublishError> {
        let longest = bodies.iter().map(|body| body.len()).max().unwrap_or(0) as u64;
        let all = Attachment::frames(bodies.iter().map(|body| body.len()));
        let limits = [(longest, self.at.max_message()), (all, self.at.max_at_once())];
        if let Some(&(needed, available)) = limits.iter().find(|(needed, available)| needed > available) {
            return Err(PublishError::TooLarge { needed, available });
        }
        loop {
            let known = self.known(topic)?;
            return match self.at.publish_all(known, flags, bodies.iter().copied()) {
                Ok(position) => Ok(position),
                Err(Refused::Full) => Err(PublishError::Full),
                Err(Refused::Corrupt) => Err(TopicError::Corrupt.into()),
                // Its entry went to another name: looked up again.
                Err(Refused::Moved) => {
                    self.recent.1 = None;
                    continue;
                }
            };
        }
    }

    /// The topic of that name; not looked up if it is the one published to last. Whether its entry is still its own is
    /// asked by the publish.
    fn known(&mut self, name: &str) -> Result<TopicRef, TopicError> {
        let (recent, topic) = &mut self.recent;
        if let Some(topic) = topic
            && recent == name
            && !self.at.is_forked()
        {
            return Ok(*topic);
        }
        let found = self.at.topic(name, shared::LOCK_WAIT)?;
        recent.clear();
        recent.push_str(name);
        *topic = Some(found);
        Ok(found)
    }

    fn publish_waiting(&mut self, topic: &str, flags: u16, bodies: &[&[u8]]) -> Result<u64, PublishError> {
        self.publish_after(topic, flags, bodies, |_| {})
    }

    /// As `publish_waiting`, with a look right `before` each try.
    fn publish_after(
        &mut self,
        topic: &str,
        flags: u16,
        bodies: &[&[u8]],
        mut before: impl FnMut(&Attachment),
    ) -> Result<u64, PublishError> {
        let len = bodies.iter().map(|body| body.len()).sum();
        let mut tries = 0u32;
        let mut pause = PAUSE_MIN;
        loop {
            before(&self.at);
            match self.publish_once(topic, flags, bodies) {
                Err(PublishError::Full) => {}
                result => {
                    if tries > 0 {
                        self.at.relieved();
                    }
                    return result;
                }
            }
            // What holds the slab may be this bus' own unread messages.
            if self.at.has_work() {
                if self.inbox.bytes() >= self.inbox_max {
                    return Err(PublishError::InboxFull { bytes: self.inbox.bytes() });
                }
                if self.take_in().and_then(|_| self.make_room_of_groups()).is_err() {
                    self.at.leave();
                    return Err(TopicError::Corrupt.into());
                }
            }
            tries += 1;
            if tries < SPIN {
                std::thread::yield_now();
                continue;
            }
            // However long it takes: others rely on this member's look.
            if self.look_after().is_err() {
                self.at.leave();
                return Err(TopicError::Corrupt.into());
            }
            match self.at.relieve(len, Instant::now(), pause, self.stall_timeout) {
                Ok(true) => {}
                Ok(false) => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                Err(corrupt) => {
                    self.at.leave();
                    return Err(TopicError::from(corrupt).into());
                }
            }
        }
    }

    /// The next message, waiting for it.
    pub fn recv(&mut self) -> Result<Message, RecvError> {
        self.await_message()?;
        Ok(self.inbox.pop().expect(AWAITED))
    }

    /// As [`recv`](Self::recv), on loan: nothing is allocated for it, and the next call may overwrite it.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-ref-{}", std::process::id());
    /// use slabcast::{Bus, Options};
    ///
    /// let mut bus = Bus::open(Options::new(name))?;
    /// bus.subscribe("room:100")?;
    /// bus.publish("room:100", "hi")?;
    /// let message = bus.recv_ref()?;
    /// // Decoded in place: the text lies in the message.
    /// assert_eq!(message.decode::<&str>()?, "hi");
    /// let kept = message.to_message();
    /// bus.publish("room:100", "there")?;
    /// assert_eq!(bus.recv_ref()?.sequence(), kept.sequence() + 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv_ref(&mut self) -> Result<MessageRef<'_>, RecvError> {
        self.await_message()?;
        Ok(self.inbox.lend().expect(AWAITED))
    }

    /// The next message, waiting for it at most `timeout`; None when there was none.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Message>, RecvError> {
        self.await_message_for(timeout)?;
        Ok(self.inbox.pop())
    }

    /// As [`recv_timeout`](Self::recv_timeout), on loan as of [`recv_ref`](Self::recv_ref).
    pub fn recv_timeout_ref(&mut self, timeout: Duration) -> Result<Option<MessageRef<'_>>, RecvError> {
        self.await_message_for(timeout)?;
        Ok(self.inbox.lend())
    }

    /// The next message, if there is one, to keep: for who stores messages, or hands them on to other threads. Each is an
    /// allocation and a copy of its own; both calls take many in at once, so that a burst costs one look at the bus.
    pub fn try_recv(&mut self) -> Result<Option<Message>, RecvError> {
        self.look()?;
        Ok(self.inbox.pop())
    }

    /// As [`try_recv`](Self::try_recv), on loan as of [`recv_ref`](Self::recv_ref): nothing is allocated
    /// and nothing copied once more. For who decodes a message, or looks at it, and is done with it: it costs less CPU, the longer
    /// the message the more.
    ///
    /// In a burst of more than a million messages in a second a look waits until some have gathered, for some us at the most: a reader
    /// that is as fast as the publisher takes the memory they share from it at every message.
    pub fn try_recv_ref(&mut self) -> Result<Option<MessageRef<'_>>, RecvError> {
        self.look()?;
        Ok(self.inbox.lend())
    }

    fn await_message(&mut self) -> Result<(), RecvError> {
        while !self.await_message_for(Duration::from_secs(3600))? {}
        Ok(())
    }

    /// Whether there is a message, waiting for one at most `timeout`.
    fn await_message_for(&mut self, timeout: Duration) -> Result<bool, RecvError> {
        if self.look()? {
            return Ok(true);
        }
        let start = Instant::now();
        let mut longest = LINGER;
        loop {
            let Some(left) = timeout.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) else {
                return Ok(false);
            };
            self.sleep(left, &mut longest);
            if self.look()? {
                return Ok(true);
            }
        }
    }

    /// Sleeps until there may be something, for at most `left`; the first time not for long.
    fn sleep(&mut self, left: Duration, longest: &mut Duration) {
        let most = left.min(TICK.saturating_sub(self.ticked.elapsed()));
        if !self.at.fall_asleep(most) {
            self.at.wait(most.min(*longest));
            self.at.rouse();
            *longest = TICK;
        }
    }

    /// Whether there is a message now: the inbox has it then.
    #[inline]
    fn look(&mut self) -> Result<bool, RecvError> {
        if self.at.is_forked() {
            return Err(RecvError::Forked);
        }
        self.handled();
        let mut next = self.inbox.position();
        if next.is_none() {
            let has_more = self.tick_and_take_in().inspect_err(|_| self.at.leave())?;
            self.gathering.found(self.inbox.len(), has_more);
            next = self.inbox.position();
        }
        if self.at.take_split() {
            return Err(RecvError::Split);
        }
        if let Some(reason) = self.at.take_unkept() {
            return Err(RecvError::Files(reason));
        }
        // What was missed is told before what came since, and after what was taken in before.
        if self.at.has_gaps() {
            let mut gaps = self.at.take_gaps(next.unwrap_or(u64::MAX));
            // Who asked learns of it by the time.
            gaps.retain(|(_, gap)| !gap.topic.starts_with(RESERVED));
            if !gaps.is_empty() {
                return Err(RecvError::Gap(gaps.into_iter().map(|(_, gap)| gap).collect()));
            }
        }
        self.begin_durable();
        self.begin_request();
        Ok(next.is_some())
    }

    fn tick_and_take_in(&mut self) -> Result<bool, RecvError> {
        self.at.consume();
        self.at.consume_taken();
        self.gathering.wait();
        self.look_after()?;
        // Those of nobody who waits: they come late.
        self.inbox.take_answers();
        // First, for it is handed out first: nobody else will.
        self.take_from_groups()?;
        self.take_in()
    }

    /// Looks after the bus, when it is time.
    fn look_after(&mut self) -> Result<(), RecvError> {
        if self.ticked.elapsed() >= TICK || self.at.suspects() {
            self.ticked = Instant::now();
            self.at.tick().map_err(|_| RecvError::Corrupt)?;
        }
        Ok(())
    }

    /// True: there is more than it had room for.
    fn take_in(&mut self) -> Result<bool, RecvError> {
        self.catch_up_durables().map_err(|_| RecvError::Corrupt)?;
        let at = &mut self.at;
        let drained = if at.has_patterns() {
            let drained = self.inbox.take_in_all(|taking| at.drain(BATCH, taking));
            self.hand_out();
            drained
        } else {
            self.inbox.take_in(&self.names, |taking| at.drain(BATCH, taking))
        };
        if drained == Drained::Corrupt {
            return Err(RecvError::Corrupt);
        }
        self.catch_up_durables().map_err(|_| RecvError::Corrupt)?;
        Ok(drained == Drained::More)
    }

    /// Of what was drained, a message for each subscription that it is for: by name, and by each pattern.
    fn hand_out(&mut self) {
        let Bus { at, inbox, names, matching, .. } = self;
        inbox.hand_out(|head| {
            let id = head.topic;
            let named = names.get(&id.index).filter(|named| named.is_for(head));
            let matched = at.matches(id.index).filter(|matched| matched.topic.id == id);
            let by_name =
                named.map(|named| Label { topic: named.name.clone(), pattern: None, kind: named.kind });
            let by = matched
                .into_iter()
                .flat_map(|matched| matched.by.iter().map(|by| (&matched.name, by.pattern)));
            let by_pattern = by.filter_map(|(name, id)| {
                let (text, from) = matching.get(&id)?;
                let (topic, pattern) = (name.clone(), Some(text.clone()));
                let label = Label { topic, pattern, kind: Kind::Messages };
                (head.position >= *from).then_some(label)
            });
            by_name.into_iter().chain(by_pattern).collect()
        });
    }

    /// For tests that look into the segment.
    #[cfg(feature = "kill-points")]
    pub(crate) fn shared(&self) -> &shared::Shared {
        self.at.shared()
    }

    /// Where the bus stands, who holds its slab, and what this member has done. Of a bus that is lost (`Corrupt`) only the
    /// latter: where it stood is zero.
    pub fn stats(&mut self) -> Stats {
        self.at.stats()
    }

    /// The topics there are, in no order; none once the bus is left. Looks at the whole table: some microseconds for a hundred.
    pub fn topics(&self) -> Vec<TopicInfo> {
        self.at.topics_now(None)
    }

    /// Those of them that a pattern matches, as by [`psubscribe`](Self::psubscribe).
    pub fn topics_matching(&self, pattern: &str) -> Result<Vec<TopicInfo>, TopicError> {
        Ok(self.at.topics_now(Some(&glob::Glob::new(pattern)?)))
    }

    /// The threads that are attached, this one among them, in the order in which they came; none once the bus is left.
    pub fn members(&self) -> Vec<MemberInfo> {
        self.at.members_now()
    }

    /// Leaves the bus, as dropping it does.
    pub fn close(mut self) {
        self.at.leave();
    }
}

/// The topic, if users may name it.
fn users(topic: &str) -> Result<&str, TopicError> {
    if topic.starts_with(RESERVED) { Err(TopicError::Reserved) } else { Ok(topic) }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// R9, in the real callers and without a tick: a wake-up that is lost is lost for good.
    #[test]
    fn a_sleeper_misses_no_wake_up() {
        exchange("wake", Duration::ZERO);
    }

    /// The spin is as short as a round takes: it ends with a find and in vain.
    #[test]
    fn a_sleeper_that_spins_before_misses_no_wake_up() {
        exchange("spin", Duration::from_micros(5));
    }

    fn exchange(name: &str, spin: Duration) {
        const ROUNDS: u32 = 30_000;
        const LONG: Duration = Duration::from_secs(60);
        let options = Options { spin, ..Options::new(format!("unit-{name}-{}", std::process::id())) };
        let mut echo = Bus::open(options.clone()).expect("open");
        echo.subscribe("ping").expect("subscribe");
        let thread = std::thread::spawn(move || {
            for round in 0..ROUNDS {
                let ping = echo.recv_timeout(LONG).expect("recv").expect("a ping before the watchdog");
                assert_eq!(ping.decode::<u32>().expect("decode"), round);
                echo.publish("pong", &round).expect("publish");
                // It falls asleep a little later each time: the next ping meets it at every point of that.
                (0..round % 512).for_each(|_| std::hint::spin_loop());
            }
        });
        let mut bus = Bus::open(options).expect("open");
        bus.subscribe("pong").expect("subscribe");
        for round in 0..ROUNDS {
            bus.publish("ping", &round).expect("publish");
            let pong = bus.recv_timeout(LONG).expect("recv").expect("a pong before the watchdog");
            assert_eq!(pong.decode::<u32>().expect("decode"), round);
        }
        thread.join().expect("echo");
    }

    /// As many of them as fit into the half of a slab at which it would be woken to pass them.
    #[test]
    fn who_wants_none_of_what_came_falls_asleep_after_one_look() {
        let options = Options::new(format!("unit-foreign-{}", std::process::id()));
        let mut quiet = Bus::open(options.clone()).expect("open");
        quiet.subscribe("quiet").expect("subscribe");
        let mut bus = Bus::open(options).expect("open");
        for n in 0..60_000u32 {
            bus.try_publish("noise", &n).expect("room");
        }
        assert!(!quiet.at.fall_asleep(Duration::ZERO), "there is nothing for it");
        bus.publish("quiet", &()).expect("publish");
        quiet.at.rouse();
        assert!(quiet.at.fall_asleep(Duration::ZERO), "now there is");
    }

    /// Without a tick, too: nothing else wakes it.
    #[test]
    fn a_sleeper_on_a_quiet_topic_is_woken_to_let_others_pass() {
        const LONG: Duration = Duration::from_secs(60);
        let name = format!("unit-nudge-{}", std::process::id());
        let options = Options { size: 64 << 10, stall_timeout: None, ..Options::new(name) };
        let mut quiet = Bus::open(options.clone()).expect("open");
        quiet.subscribe("quiet").expect("subscribe");
        let thread = std::thread::spawn(move || quiet.recv_timeout(LONG).expect("recv").is_some());
        let mut bus = Bus::open(options).expect("open");
        let start = Instant::now();
        // Ten slabs.
        for n in 0..5000u32 {
            while bus.try_publish("noise", &n).is_err() {
                assert!(start.elapsed() < LONG, "it sleeps on the slab");
                std::thread::yield_now();
            }
        }
        bus.publish("quiet", &()).expect("publish");
        assert!(thread.join().expect("a sleeper"));
    }
}
