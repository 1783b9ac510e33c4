//! One thread's place on a bus, whole: the thin place that introduces slab, ring, registry, wake and reap to each other.
//! Both faces, Rust's and Node's, stand on it.

use super::Options;
use super::ahead::Ahead;
use super::care::Care;
use super::clock::{Clock, now_ms};
use super::fanout::Fanout;
use super::held::Watch;
use super::interest::{Interest, Reason};
use super::news::Watching;
use super::patterns::{Patterns, drain, meets};
use super::publisher::Publisher;
use super::reader::{Drained, Reader, Sink};
use super::shared::{LOCK_WAIT, Membership, Shared};
use super::spin::Spin;
use super::stats::{Counters, Stats};
#[cfg(feature = "node")]
use super::working::GroupRef;
use super::working::Groups;
use crate::error::{Gap, GapReason, OpenError, TopicError};
use crate::layout::{Corrupt, MemberState, NAME_MAX, Watches};
use crate::registry::{MakeError, TopicId, hash_bits, name_hash};
use crate::segment::{Generation, Place};
use crate::sync::Ordering::Acquire;
use crate::sync::step;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often an attached thread looks after the bus though nobody woke it.
pub(crate) const TICK: Duration = Duration::from_secs(if cfg!(test) { NEVER } else { 1 });
/// Unit tests are without it: a lost wake-up must not be mended by the next tick.
const NEVER: u64 = 1 << 32;

#[derive(Debug)]
pub(crate) struct Attachment {
    pub(super) shared: Arc<Shared>,
    /// None once left.
    pub(super) membership: Option<Membership>,
    pub(super) publisher: Publisher,
    pub(super) reader: Reader,
    pub(super) interest: Interest,
    pub(super) patterns: Patterns,
    pub(super) groups: Groups,
    spin: Spin,
    pub(super) fanout: Fanout,
    pub(super) clock: Clock,
    pub(super) ahead: Ahead,
    pub(super) watch: Watch,
    pub(super) counters: Counters,
    pub(super) care: Care,
    pub(super) watching: Watching,
    /// Past what this thread has published.
    pub(super) published_to: u64,
    thread: u32,
    /// Topics left while the registry lock was held by another: bits of theirs that nothing wants may still stand in the table.
    pub(super) owed: Vec<TopicId>,
    /// What is to be told as missed, of topics subscribed to.
    pub(super) gaps: Vec<Missed>,
    process: Generation,
}

/// A topic as a publisher or subscriber holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicRef {
    pub id: TopicId,
    pub hash: u16,
}

/// Messages of a topic that were missed: their first and last sequence, and the position from which it is read again.
#[derive(Clone, Debug)]
pub(super) struct Missed {
    pub topic: TopicId,
    /// The group that missed them, None: the member's own subscription.
    pub group: Option<Arc<str>>,
    pub from: u64,
    pub to: u64,
    pub position: u64,
    pub reason: GapReason,
    /// A subscription has looked for what the slab still holds of them; it is told for others.
    pub is_sought: bool,
}

/// A live subscription of this thread to a topic: messages from `from` on are its.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live {
    pub topic: TopicRef,
    pub from: u64,
    /// The topic's last number before it.
    pub before: u64,
}

impl Attachment {
    pub fn open(options: &Options) -> Result<Attachment, OpenError> {
        let sizes = options.check()?;
        let place = Place::new(&options.name, options.mode);
        let (shared, membership) = Shared::open(place, sizes, options.thread)?;
        let (index, number) = (membership.index, membership.number);
        let reader = Reader::new(&shared.parts(), index);
        let mut fanout = Fanout::default();
        fanout.post_watchers(&shared.parts(), &shared.place, Watches::MEMBERS);
        Ok(Attachment {
            membership: Some(membership),
            publisher: Publisher::new(index, number, std::process::id()),
            reader,
            interest: Interest::default(),
            patterns: Patterns::default(),
            groups: Groups::new(index),
            spin: Spin::new(options.spin),
            fanout,
            clock: Clock::default(),
            ahead: Ahead::default(),
            watch: Watch::default(),
            counters: Counters::default(),
            care: Care::default(),
            watching: Watching::default(),
            published_to: 0,
            thread: options.thread,
            owed: Vec::new(),
            gaps: Vec::new(),
            process: Generation::mine(),
            shared,
        })
    }

    #[cfg(feature = "kill-points")]
    pub fn shared(&self) -> &Shared {
        &self.shared
    }
    #[cfg(any(fuzzing, all(test, not(loom))))]
    pub fn segment(&self) -> &crate::segment::Segment {
        &self.shared.segment
    }

    /// Whether this is a copy in a forked process: the place on the bus is the parent's.
    #[inline]
    pub fn is_forked(&self) -> bool {
        self.process.is_past()
    }
    pub(super) fn check_process(&self) -> Result<(), TopicError> {
        if self.is_forked() { Err(TopicError::Forked) } else { Ok(()) }
    }

    pub fn number(&self) -> u32 {
        self.publisher.number
    }
    pub fn max_message(&self) -> u64 {
        self.shared.segment.sizes().max_message
    }
    /// How many topics the table has room for.
    #[cfg(feature = "node")]
    pub fn topics(&self) -> u32 {
        self.shared.segment.sizes().topics
    }
    /// What an event loop waits for to learn of a wake-up: there until this thread leaves.
    #[cfg(feature = "node")]
    pub fn waitable(&self) -> Option<crate::wake::Waitable> {
        self.membership.as_ref().map(|membership| membership.semaphore.waitable())
    }

    // Topics

    /// The topic of that name, made if need be. Waits for the registry lock at most `wait`, and only if the topic is not
    /// known yet.
    pub fn topic(&mut self, name: &str, wait: Duration) -> Result<TopicRef, TopicError> {
        self.check_process()?;
        let bytes = name.as_bytes();
        check_topic(bytes)?;
        self.must_be_attached()?;
        let hash = name_hash(bytes);
        let found = |id| Ok(TopicRef { id, hash: hash_bits(hash) });
        let topics = self.shared.topics();
        if let Some(id) = self.shared.names.get(bytes).map(|id| *id).filter(|id| topics.is_live(*id)) {
            return found(id);
        }
        if let Some(id) = topics.find(bytes, hash) {
            self.remember(bytes, id);
            return found(id);
        }
        let start = Instant::now();
        loop {
            match self.make_topic(bytes, hash, wait.saturating_sub(start.elapsed())) {
                Err(TopicError::Busy(_)) if self.may_try_again(start, wait) => {}
                Err(error) => return Err(error),
                Ok(id) => return found(id),
            }
        }
    }

    fn make_topic(&mut self, name: &[u8], hash: u64, wait: Duration) -> Result<TopicId, TopicError> {
        let shared = self.shared.clone();
        let guard = shared.lock_registry(wait)?;
        let (id, made) = self.find_or_make(name, hash, !wait.is_zero())?;
        drop(guard);
        if made {
            self.fanout.post_watchers(&shared.parts(), &shared.place, Watches::PATTERNS);
        }
        Ok(id)
    }

    /// Under the registry lock: the table is whole and can be what it is.
    pub(super) fn settle_table(&self) -> Result<(), TopicError> {
        let topics = self.shared.topics();
        self.shared.is_whole()?;
        topics.recover();
        if topics.is_sound() { Ok(()) } else { Err(TopicError::Corrupt) }
    }

    /// Under the registry lock. True: it was not there before. Who `waits` must not wait for itself.
    pub(super) fn find_or_make(
        &mut self,
        name: &[u8],
        hash: u64,
        waits: bool,
    ) -> Result<(TopicId, bool), TopicError> {
        self.settle_table()?;
        let topics = self.shared.topics();
        let known = topics.find_locked(name, hash)?;
        let id = match known {
            Some(id) => id,
            None => {
                if topics.wants_memory() {
                    self.shared.segment.reserve_topics()?;
                }
                match topics.make(name, hash) {
                    Err(MakeError::Unread) if waits && self.is_unread() => {
                        return Err(TopicError::TooMany { capacity: topics.capacity });
                    }
                    made => made?,
                }
            }
        };
        self.remember(name, id);
        Ok((id, known.is_none()))
    }

    fn remember(&self, name: &[u8], id: TopicId) {
        let names = &self.shared.names;
        // Names the table has long given to others must not pile up here.
        if names.len() > 2 * self.shared.segment.sizes().topics as usize {
            names.clear();
        }
        names.insert(name.into(), id);
    }

    pub fn topic_name(&self, id: TopicId) -> Option<String> {
        String::from_utf8(self.shared.topics().name_of(id)?).ok()
    }

    // Reading

    /// Subscribes this thread to a topic it is not subscribed to. Live from the returned position on.
    pub fn subscribe(&mut self, name: &str) -> Result<Live, TopicError> {
        self.check_process()?;
        let bytes = name.as_bytes();
        check_topic(bytes)?;
        let hash = name_hash(bytes);
        let start = Instant::now();
        loop {
            match self.try_subscribe(bytes, hash, LOCK_WAIT.saturating_sub(start.elapsed())) {
                Err(TopicError::Busy(_)) if self.may_try_again(start, LOCK_WAIT) => {}
                result => return result,
            }
        }
    }

    /// The registry, or an entry of the table, is not to be had at this moment. A publisher in flight that still looks at an
    /// entry needs nanoseconds, unless it was stopped; those with patterns that have not read on are woken.
    pub(super) fn may_try_again(&mut self, start: Instant, wait: Duration) -> bool {
        self.wake_matchers();
        let again = start.elapsed() < wait;
        if again {
            std::thread::yield_now();
        }
        again
    }

    fn try_subscribe(&mut self, name: &[u8], hash: u64, wait: Duration) -> Result<Live, TopicError> {
        let shared = self.shared.clone();
        self.inspect()?;
        let guard = shared.lock_registry(wait)?;
        let (id, made) = self.find_or_make(name, hash, true)?;
        step("subscribe: topic there");
        let (live, is_news) = self.begin_reading(TopicRef { id, hash: hash_bits(hash) });
        drop(guard);
        self.tell_watchers(made, is_news);
        Ok(live)
    }

    /// Who watches what appears, and who watches interest.
    pub(super) fn tell_watchers(&mut self, made: bool, is_news: bool) {
        let shared = self.shared.clone();
        if made {
            self.fanout.post_watchers(&shared.parts(), &shared.place, Watches::PATTERNS);
        }
        if is_news {
            self.fanout.post_watchers(&shared.parts(), &shared.place, Watches::INTEREST);
        }
    }

    /// Under the registry lock: begins to read a topic. True: who watches interest is to be posted to.
    pub(super) fn begin_reading(&mut self, topic: TopicRef) -> (Live, bool) {
        self.read();
        // To patterns it may be new, and theirs from its first message on.
        self.notice();
        let shared = self.shared.clone();
        let parts = shared.parts();
        let id = topic.id;
        let (topics, me) = (shared.topics(), self.publisher.index);
        self.owed.retain(|owed| *owed != id);
        // It may still stand there from a subscription before: this one is named once it has begun.
        let ended = topics.set_named(id, me, false);
        self.interest.add(id, topic.hash, Reason::Name);
        topics.set_subscriber(id, me, true);
        step("subscribe: subscribed");
        let (from, before) = self.reader.begin(&parts, &mut self.interest, id);
        step("subscribe: begun");
        let began = topics.set_named(id, me, true);
        (Live { topic, from, before }, began || ended)
    }

    /// Begins to read, if it does not yet, or not any more.
    pub(super) fn read(&mut self) {
        let shared = self.shared.clone();
        let parts = shared.parts();
        if !self.reader.is_reading() {
            self.reader.join(&parts);
        } else if self.reader.was_cut_off(&parts) {
            // What was missed so far is of the topics so far: told before another one begins.
            self.rejoin();
        }
    }

    /// Where a further subscription of this thread to a topic it reads begins, and the topic's last number before that.
    pub fn subscribe_again(&self, topic: TopicRef) -> (u64, u64) {
        let parts = self.shared.parts();
        let from = parts.tail.load(Acquire);
        (from, self.reader.numbers_before(&parts, from, &[topic.id])[0])
    }

    /// Ends this thread's subscription to a topic. What is read from now on is not of it.
    pub fn unsubscribe(&mut self, topic: TopicRef) {
        if self.membership.is_none() {
            return;
        }
        // Who had many topics once keeps no names of them.
        if let Some(name) = self.shared.topics().name_of(topic.id) {
            self.shared.names.remove(name.as_slice());
        }
        if self.interest.remove(topic.id, topic.hash, Reason::Name) {
            // Not told any more: the next subscription to the topic is another, and missed nothing of this.
            self.gaps.retain(|missed| missed.topic != topic.id || missed.group.is_some());
        }
        self.owed.push(topic.id);
        self.stop_if_idle();
        step("unsubscribe: stopped");
        // Not worth waiting for a stopped holder: the bit costs a publisher a needless post until the tick clears it.
        self.pay_owed(Duration::from_millis(2));
    }

    /// Nothing is wanted any more, and nothing may appear that is: nobody is held back.
    pub(super) fn stop_if_idle(&mut self) {
        if self.interest.is_empty() && self.patterns.is_empty() && self.reader.is_reading() {
            self.reader.stop(&self.shared.parts());
        }
    }

    pub(super) fn pay_owed(&mut self, wait: Duration) {
        if self.owed.is_empty() {
            return;
        }
        let shared = self.shared.clone();
        let Ok(guard) = shared.lock_registry(wait) else { return };
        let (topics, me) = (shared.topics(), self.publisher.index);
        topics.recover();
        let mut ended = false;
        for id in self.owed.drain(..) {
            if topics.is_same(id) {
                if !self.interest.has_for(id, Reason::Name) {
                    ended |= topics.set_named(id, me, false);
                }
                if !self.interest.has(id) {
                    topics.set_subscriber(id, me, false);
                }
                step("unsubscribe: forgotten");
            }
        }
        drop(guard);
        if ended {
            self.fanout.post_watchers(&shared.parts(), &shared.place, Watches::INTEREST);
        }
    }

    /// Copies messages of interest into `sink`. After a cut-off: joins again, notes the gaps, goes on.
    pub fn drain(&mut self, budget: u64, sink: &mut impl Sink) -> Drained {
        if self.must_be_attached().is_err() {
            return Drained::Corrupt;
        }
        let shared = self.shared.clone();
        let Attachment { reader, interest, patterns, .. } = self;
        match drain(patterns, &shared.topics(), reader, interest, budget, sink) {
            Drained::Cut => {
                self.rejoin();
                Drained::More
            }
            drained => drained,
        }
    }

    pub(super) fn rejoin(&mut self) {
        let shared = self.shared.clone();
        let parts = shared.parts();
        self.reader.join(&parts);
        // What appeared meanwhile was missed from its first message on; what lost its place is not known any more.
        self.notice();
        let gaps = self.reader.missed(&parts, &mut self.interest);
        let position = self.reader.cursor();
        for (topic, from, to) in gaps {
            self.note_gap(topic, None, (from, to), position);
        }
    }

    /// What was missed, to be told before what is read from `position` on.
    pub(super) fn note_gap(
        &mut self,
        topic: TopicId,
        group: Option<Arc<str>>,
        (from, to): (u64, u64),
        position: u64,
    ) {
        self.counters.gaps += 1;
        self.counters.lost = self.counters.lost.saturating_add(to - from + 1);
        let reason = GapReason::Stalled;
        self.gaps.push(Missed { topic, group, from, to, position, reason, is_sought: false });
    }

    /// What a group missed and this thread noticed: told by nobody else, though this one has left it.
    #[cfg(feature = "node")]
    pub fn take_gaps_of_group(&mut self, left: &GroupRef) -> Vec<(TopicId, Gap)> {
        let is_its =
            |missed: &Missed| missed.topic == left.topic.id && missed.group.as_deref() == Some(&*left.name);
        let (its, others) = std::mem::take(&mut self.gaps).into_iter().partition(is_its);
        self.gaps = others;
        self.told(its)
    }

    /// What was missed, in the order in which it was noticed; to be told before what was drained since.
    /// Only those that come before position `next`, the first that is still to be handed out.
    pub fn take_gaps(&mut self, next: u64) -> Vec<(TopicId, Gap)> {
        let (gaps, later) = std::mem::take(&mut self.gaps).into_iter().partition(|gap| gap.position <= next);
        self.gaps = later;
        self.told(gaps)
    }

    /// Under the names users know.
    fn told(&self, gaps: Vec<Missed>) -> Vec<(TopicId, Gap)> {
        let matched =
            |topic: TopicId| self.patterns.matches(topic.index).filter(|matched| matched.topic.id == topic);
        let name = |topic| match matched(topic) {
            Some(matched) => matched.name.to_string(),
            None => self.topic_name(topic).unwrap_or_default(),
        };
        Vec::into_iter(gaps)
            .map(|Missed { topic, group, from, to, reason, .. }| {
                let group = group.map(|group| group.to_string());
                (topic, Gap { topic: name(topic), group, from, to, reason })
            })
            .collect()
    }

    /// Of a topic that this thread is subscribed to, what was missed: it is told by whoever asks.
    pub fn take_gaps_of(&mut self, topic: TopicId) -> Vec<(u64, u64)> {
        let is_its = |missed: &Missed| missed.topic == topic && missed.group.is_none();
        let (its, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.gaps).into_iter().partition(is_its);
        self.gaps = others;
        its.into_iter().map(|missed| (missed.from, missed.to)).collect()
    }

    pub fn has_gaps(&self) -> bool {
        !self.gaps.is_empty()
    }

    pub fn is_behind(&self) -> bool {
        self.reader.is_reading()
            && (self.reader.behind(&self.shared.parts()) || self.patterns.are_due(&self.shared.topics()))
    }

    /// The way to sleep, with a spin of at most `most`. True: there is something to drain first, and nobody needs to post.
    /// False: armed (R9), so that who waits now is woken. Left: there is nobody to be woken.
    pub fn fall_asleep(&mut self, most: Duration) -> bool {
        let Some(membership) = &self.membership else { return false };
        let Attachment { shared, reader, interest, patterns, groups, spin, watching, .. } = self;
        let (parts, topics) = (shared.parts(), shared.topics());
        let header = shared.segment.header();
        // Who reads nothing has nothing to look for.
        let most = if reader.is_reading() || !groups.is_empty() { most } else { Duration::ZERO };
        spin.fall_asleep(&parts, reader, &membership.semaphore, most, |reader| {
            meets(patterns, &topics, reader, interest) || watching.is_due(header) || groups.have_work(&parts)
        })
    }
    /// How long it looks before it sleeps.
    #[cfg(feature = "node")]
    pub fn set_spin(&mut self, budget: Duration) {
        self.spin.budget = budget;
    }
    #[cfg(feature = "node")]
    pub fn spins(&self) -> bool {
        !self.spin.budget.is_zero()
    }
    /// Takes every post there is. Only awake: a post that is taken must not be what a sleeper waits for.
    #[cfg(feature = "node")]
    pub fn take_posts(&mut self) {
        self.disarm();
        if let Some(membership) = &self.membership {
            membership.semaphore.empty();
        }
    }
    pub fn disarm(&mut self) {
        if self.membership.is_some() {
            self.reader.disarm(&self.shared.parts());
        }
    }
    /// As `disarm`, of one that slept.
    pub fn rouse(&mut self) {
        self.counters.wakes += self.reader.is_armed() as u64;
        self.disarm();
    }
    pub fn wait(&self, timeout: Duration) {
        if let Some(membership) = &self.membership {
            membership.semaphore.wait(timeout);
        }
    }
    /// Wakes this thread's own event loop.
    #[cfg(feature = "node")]
    pub fn post_self(&self) {
        if let Some(membership) = &self.membership {
            membership.semaphore.post();
        }
    }

    /// Who left, on its own or because the segment is corrupt, touches it no more.
    pub(super) fn must_be_attached(&self) -> Result<(), Corrupt> {
        if self.membership.is_some() { Ok(()) } else { Err(Corrupt) }
    }

    /// Where the bus stands, and what this thread has done. Once left the former is not known any more, and zero: the memory
    /// may have been lost because it is not to be touched.
    pub fn stats(&mut self) -> Stats {
        let (sizes, counters) = (self.shared.segment.sizes(), &self.counters);
        let mut delivered = self.reader.delivered();
        delivered.add_all(self.groups.taken());
        let own = Stats {
            member: self.publisher.number,
            pid: self.publisher.pid,
            thread: self.thread,
            members_attached: 0,
            members_reading: 0,
            members_capacity: sizes.members,
            topics_made: 0,
            topics_capacity: sizes.topics,
            position: 0,
            slab_bytes: sizes.slab_bytes,
            slab_used: 0,
            held: None,
            published: counters.published,
            delivered,
            posts: self.fanout.posts,
            wakes: counters.wakes,
            gaps: counters.gaps,
            lost: counters.lost,
            cut_offs: counters.cut_offs,
            reaped: counters.reaped,
        };
        if self.membership.is_none() {
            return own;
        }
        let parts = self.shared.parts();
        let held = self.watch.look(&parts, now_ms());
        let states = || parts.members.iter().map(|member| MemberState(member.identity.state.load(Acquire)));
        Stats {
            members_attached: states().filter(|state| state.in_use()).count() as u32,
            members_reading: states().filter(|state| state.is_reading()).count() as u32,
            topics_made: self.shared.segment.header().registry.topics_made.load(Acquire),
            position: parts.tail.load(Acquire),
            slab_used: held.map_or(0, |held| held.bytes),
            held,
            ..own
        }
    }

    /// Leaves the bus; the last one removes it. Idempotent.
    pub fn leave(&mut self) {
        if !self.is_forked() {
            self.end_burst();
            self.leave_groups();
        }
        // A fork without exec has a copy of this, but the place is its parent's.
        if let Some(membership) = self.membership.take().filter(|_| !self.is_forked()) {
            self.shared.leave(membership);
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.leave();
    }
}

pub(super) fn check_topic(name: &[u8]) -> Result<(), TopicError> {
    if (1..=NAME_MAX).contains(&name.len()) && !name.contains(&0) {
        return Ok(());
    }
    Err(TopicError::Invalid { len: name.len() })
}
