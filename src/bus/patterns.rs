//! What this thread wants by patterns. They are matched here, by their owner: when one is new, against the topics there are, and
//! against each topic that appears when this thread looks next (rule R11). Publishers know nothing of them: they find a bit
//! in the topic's row like any other.

use super::attachment::{Attachment, TopicRef};
use super::census::RESERVED;
use super::glob::Glob;
use super::interest::{Interest, Reason};
use super::reader::{Drained, Reader, Sink};
use super::shared::LOCK_WAIT;
use crate::error::TopicError;
use crate::layout::{MemberState, Watches};
use crate::registry::{TopicId, Topics, hash_bits, name_hash};
use crate::slab::Reads;
use crate::sync::{Ordering, fence, step};
use Ordering::{Acquire, Relaxed, SeqCst};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The patterns of one thread and the topics they match.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    all: Vec<(u32, Glob)>,
    /// By the index of the topic's entry.
    matched: HashMap<u32, Matched>,
    /// Topics ever made, as far as they were looked at.
    seen: u64,
    given: u32,
    /// An entry went from a topic that was matched to another.
    #[cfg_attr(not(feature = "node"), allow(dead_code))] // the Rust face asks for each message
    reused: bool,
}

/// A topic that patterns match, and which of them, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Matched {
    pub topic: TopicRef,
    pub name: Arc<str>,
    pub by: Vec<Match>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Match {
    /// As `psubscribe` gave it.
    pub pattern: u32,
    /// The topic's last number before the pattern's subscription.
    #[cfg_attr(not(feature = "node"), allow(dead_code))] // the Rust face tells gaps by topic
    pub before: u64,
}

/// A live subscription of this thread to whatever topics a pattern matches: messages from `from` on are its.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LivePattern {
    pub id: u32,
    pub from: u64,
}

impl Patterns {
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether topics have appeared that were not looked at.
    pub fn are_due(&self, topics: &Topics<'_>) -> bool {
        !self.all.is_empty() && topics.created() != self.seen
    }

    /// R11: looks at the topics that appeared since it looked last. After the tail was read up to which is drained: what was
    /// published to them before that is seen. True: one is wanted, and so there may be more behind that tail for which nobody posts,
    /// for its publisher may have looked at the row before.
    pub fn notice(&mut self, topics: &Topics<'_>, me: u32, interest: &mut Interest) -> bool {
        if !self.are_due(topics) {
            return false;
        }
        let (ids, count) = topics.appeared_since(self.seen).unwrap_or_else(|| topics.all_now());
        self.seen = count;
        // Each of them, whatever the others are.
        ids.into_iter().fold(false, |found, id| self.meet(topics, me, interest, id) | found)
    }

    /// A topic that was not there before.
    fn meet(&mut self, topics: &Topics<'_>, me: u32, interest: &mut Interest, id: TopicId) -> bool {
        match self.matched.get(&id.index) {
            Some(known) if known.topic.id == id => return false,
            // Its entry was given away, and with that its row emptied.
            Some(_) => self.forget(id.index, interest),
            None => {}
        }
        let Some((name, base)) = topics.beginning_of(id) else { return false };
        let Some(name) = public(name) else { return false };
        let matching = self.all.iter().filter(|(_, glob)| glob.matches(name.as_bytes()));
        let by: Vec<Match> = matching.map(|(pattern, _)| Match { pattern: *pattern, before: base }).collect();
        if by.is_empty() {
            return false;
        }
        topics.set_subscriber(id, me, true);
        step("notice: subscribed");
        if !topics.is_of(id) {
            // Given away a moment ago: the bit would be in another's row.
            topics.set_subscriber(id, me, false);
            return false;
        }
        let topic = topic_ref(id, &name);
        interest.add(id, topic.hash, Reason::Pattern);
        // All that was ever published to it came after the patterns.
        interest.begin(id, 0, base);
        self.matched.insert(id.index, Matched { topic, name: name.into(), by });
        true
    }

    fn forget(&mut self, index: u32, interest: &mut Interest) {
        if let Some(Matched { topic, .. }) = self.matched.remove(&index) {
            interest.remove(topic.id, topic.hash, Reason::Pattern);
            self.reused = true;
        }
    }

    /// Which patterns match the topic of that entry. It is the one whose messages this thread has not consumed yet (R12).
    pub fn matches(&self, index: u32) -> Option<&Matched> {
        self.matched.get(&index)
    }

    /// Whether the topic of some entry is another since it was last asked.
    #[cfg(feature = "node")]
    pub fn take_reused(&mut self) -> bool {
        std::mem::take(&mut self.reused)
    }

    /// A new pattern, with no topic there.
    #[cfg(all(test, loom))]
    pub fn begin_with(&mut self, topics: &Topics<'_>, me: u32, interest: &mut Interest, glob: Glob) {
        let (_, matching) = self.add(topics, me, interest, glob);
        assert!(matching.is_empty());
    }

    /// A new pattern, under the registry lock: which topics it matches. Their bits are set, retired ones' too: a publisher in flight
    /// may still commit to one.
    fn add(
        &mut self,
        topics: &Topics<'_>,
        me: u32,
        interest: &mut Interest,
        glob: Glob,
    ) -> (u32, Vec<TopicId>) {
        let pattern = self.given;
        self.given = pattern.wrapping_add(1);
        let (ids, count) = topics.all_now();
        self.seen = count;
        let mut matching = Vec::new();
        for id in ids {
            let name = topics.beginning_of(id).and_then(|(name, _)| public(name));
            let Some(name) = name.filter(|name| glob.matches(name.as_bytes())) else { continue };
            let topic = topic_ref(id, &name);
            let new = || Matched { topic, name: name.into(), by: Vec::new() };
            let matched = self.matched.entry(id.index).or_insert_with(new);
            if matched.by.last().is_some_and(|by| by.pattern == pattern) {
                continue;
            }
            interest.add(id, topic.hash, Reason::Pattern);
            topics.set_subscriber(id, me, true);
            matched.by.push(Match { pattern, before: 0 });
            matching.push(id);
        }
        self.all.push((pattern, glob));
        (pattern, matching)
    }

    /// It has begun: the numbers its topics had before.
    fn begin(&mut self, interest: &mut Interest, from: u64, numbers: impl Iterator<Item = (TopicId, u64)>) {
        for (id, before) in numbers {
            interest.begin(id, from, before);
            let last = self.matched.get_mut(&id.index).and_then(|matched| matched.by.last_mut());
            if let Some(by) = last {
                by.before = before;
            }
        }
    }

    /// Ends a pattern; returns the topics nothing wants any more.
    fn remove(&mut self, pattern: u32, interest: &mut Interest) -> Vec<TopicId> {
        self.all.retain(|(id, _)| *id != pattern);
        let mut ended = Vec::new();
        self.matched.retain(|_, Matched { topic, by, .. }| {
            by.retain(|by| by.pattern != pattern);
            if by.is_empty() && interest.remove(topic.id, topic.hash, Reason::Pattern) {
                ended.push(topic.id);
            }
            !by.is_empty()
        });
        ended
    }
}

/// What users may know of a name.
fn public(name: Vec<u8>) -> Option<String> {
    // Half an entry whose maker died has none.
    String::from_utf8(name).ok().filter(|name| !name.is_empty() && !name.starts_with(RESERVED))
}

fn topic_ref(id: TopicId, name: &str) -> TopicRef {
    TopicRef { id, hash: hash_bits(name_hash(name.as_bytes())) }
}

/// As `Reader::drain`, new topics looked for (R11).
pub(crate) fn drain(
    patterns: &mut Patterns,
    topics: &Topics<'_>,
    reader: &mut Reader,
    interest: &mut Interest,
    budget: u64,
    sink: &mut impl Sink,
) -> Drained {
    let tail = reader.tail(&topics.parts);
    patterns.notice(topics, reader.index(), interest);
    reader.drain(&topics.parts, interest, tail, budget, sink)
}

/// Whether there is something to drain, as `Reader::meets`, or a topic to be looked for behind the tail (R11).
pub(crate) fn meets(
    patterns: &mut Patterns,
    topics: &Topics<'_>,
    reader: &mut Reader,
    interest: &mut Interest,
) -> bool {
    let tail = reader.tail(&topics.parts);
    patterns.notice(topics, reader.index(), interest) || reader.meets(&topics.parts, interest, tail)
}

impl Attachment {
    /// Subscribes this thread to the topics a pattern matches: those there are, from the returned position on, and those that
    /// appear, from their first message on. Each call is a subscription of its own.
    pub fn psubscribe(&mut self, pattern: &str) -> Result<LivePattern, TopicError> {
        self.check_process()?;
        let glob = Glob::new(pattern)?;
        self.inspect()?;
        let shared = self.shared.clone();
        let (parts, topics, me) = (shared.parts(), shared.topics(), self.publisher.index);
        let _guard = shared.lock_registry(LOCK_WAIT)?;
        self.settle_table()?;
        self.read();
        // For those before it: to them, what has appeared is new.
        self.notice();
        // From when the lock is free on, whoever makes a topic posts.
        parts.members[me as usize].identity.watches.fetch_or(Watches::PATTERNS.0, SeqCst);
        step("psubscribe: watching");
        let (id, matching) = self.patterns.add(&topics, me, &mut self.interest, glob);
        step("psubscribe: subscribed");
        // Partner: the fence in post_row(), as in Reader::begin().
        fence(SeqCst);
        let from = parts.tail.load(SeqCst);
        let numbers = self.reader.numbers_before(&parts, from, &matching);
        self.patterns.begin(&mut self.interest, from, matching.into_iter().zip(numbers));
        Ok(LivePattern { id, from })
    }

    /// Ends a subscription by a pattern.
    pub fn punsubscribe(&mut self, pattern: u32) {
        if self.membership.is_none() {
            return;
        }
        let ended = self.patterns.remove(pattern, &mut self.interest);
        // What a group missed is told by whoever noticed it.
        self.gaps.retain(|missed| missed.group.is_some() || !ended.contains(&missed.topic));
        self.owed.extend(ended);
        if self.patterns.is_empty() {
            let shared = self.shared.clone();
            let watches = &shared.parts().members[self.publisher.index as usize].identity.watches;
            watches.fetch_and(!Watches::PATTERNS.0, SeqCst);
        }
        self.stop_if_idle();
        step("punsubscribe: stopped");
        self.pay_owed(Duration::from_millis(2));
    }

    pub fn has_patterns(&self) -> bool {
        !self.patterns.is_empty()
    }
    pub fn matches(&self, index: u32) -> Option<&Matched> {
        self.patterns.matches(index)
    }
    #[cfg(feature = "node")]
    pub fn take_reused(&mut self) -> bool {
        self.patterns.take_reused()
    }

    /// R11.
    pub(super) fn notice(&mut self) -> bool {
        let topics = self.shared.topics();
        self.patterns.notice(&topics, self.publisher.index, &mut self.interest)
    }

    /// No entry is to be had before those with patterns have read on: whoever of them sleeps is woken.
    pub(super) fn wake_matchers(&mut self) {
        let shared = self.shared.clone();
        let parts = shared.parts();
        let tail = parts.tail.load(Acquire);
        for (index, member) in (0..).zip(parts.members) {
            if Watches(member.identity.watches.load(Relaxed)).contains(Watches::PATTERNS)
                && MemberState(member.identity.state.load(Acquire)).is_reading()
                && member.reading.consumed.load(Acquire) < tail
            {
                self.fanout.nudge(&parts, &shared.place, Reads::Member(index));
            }
        }
    }

    /// Whether this thread itself is one of those: it cannot wait for them.
    pub(super) fn is_unread(&self) -> bool {
        let parts = self.shared.parts();
        let consumed = parts.members[self.publisher.index as usize].reading.consumed.load(Relaxed);
        self.has_patterns() && consumed < parts.tail.load(Acquire)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::bus::{Bus, Options};
    use crate::layout::{MemberState, Watches};
    use crate::sync::Ordering::SeqCst;
    use std::time::{Duration, Instant};

    // Unit tests are without a tick: whoever is not woken sleeps on.
    const LONG: Duration = Duration::from_secs(60);

    fn options(what: &str) -> Options {
        Options::new(format!("unit-patterns-{what}-{}", std::process::id()))
    }

    #[test]
    fn a_sleeper_with_patterns_alone_is_woken_by_each_new_topic() {
        const ROUNDS: u32 = 5000;
        let mut publisher = Bus::open(options("wake")).expect("open");
        let mut sleeper = Bus::open(options("wake")).expect("open");
        sleeper.psubscribe("topic:*").expect("psubscribe");
        let thread = std::thread::spawn(move || {
            for n in 0..ROUNDS {
                let start = Instant::now();
                let message = sleeper.recv_timeout(LONG).expect("recv").expect("one before the watchdog");
                // It looks once more at the end of its time.
                assert!(start.elapsed() < LONG / 2, "nobody woke it");
                assert_eq!((message.topic(), message.sequence()), (&*format!("topic:{n}"), 1));
                // It falls asleep a little later each time.
                (0..n % 512).for_each(|_| std::hint::spin_loop());
            }
        });
        for n in 0..ROUNDS {
            publisher.publish(&format!("topic:{n}"), &n).expect("publish");
            (0..n % 384).for_each(|_| std::hint::spin_loop());
        }
        thread.join().expect("the sleeper");
    }

    #[test]
    fn a_sleeper_whose_patterns_match_nothing_is_woken_where_a_place_is_needed() {
        let mut sleeper = Bus::open(Options { topics: 4, ..options("place") }).expect("open");
        let mut publisher = Bus::open(options("place")).expect("open");
        sleeper.psubscribe("nothing:*").expect("psubscribe");
        sleeper.subscribe("end").expect("subscribe");
        let thread = std::thread::spawn(move || sleeper.recv_timeout(LONG).expect("recv").expect("the end"));
        for n in 0..200 {
            publisher.publish(&format!("t{n}"), &n).expect("a place");
        }
        publisher.publish("end", &()).expect("publish");
        thread.join().expect("the sleeper");
    }

    #[test]
    fn with_the_last_pattern_go_its_watch_and_its_bits() {
        let mut bus = Bus::open(options("last")).expect("open");
        bus.publish("a", &1).expect("publish");
        bus.psubscribe("*").expect("psubscribe");
        bus.psubscribe("b*").expect("psubscribe");
        bus.publish("b", &1).expect("publish");
        let told = |bus: &Bus| {
            let parts = bus.at.shared.parts();
            let member = &parts.members[0].identity;
            let bits = [0, 1].map(|topic| parts.row(topic)[0].load(SeqCst));
            let reads = MemberState(member.state.load(SeqCst)).is_reading();
            (Watches(member.watches.load(SeqCst)).contains(Watches::PATTERNS), bits, reads)
        };
        assert_eq!(bus.recv_timeout(LONG).expect("recv").map(|message| message.position()), Some(1));
        assert_eq!(told(&bus), (true, [1, 1], true));
        assert!(bus.punsubscribe("*"));
        assert_eq!(told(&bus), (true, [0, 1], true));
        assert!(bus.punsubscribe("b*"));
        assert_eq!(told(&bus), (false, [0, 0], false));
    }
}
