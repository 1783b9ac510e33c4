//! Posting: which members sleep, and the posters' ends of their semaphores, opened when first needed.
//!
//! In a burst of messages a fast reader is asleep again before the burst is over. To wake it for each of them costs both sides
//! more than the messages do, so that it is posted to at once for the first, and for what follows within some 100 us when the
//! burst is over. A publisher that is stopped or busy before that holds nothing up for long: whoever was woken looks once
//! more, about a millisecond after it fell asleep again.

use super::clock::Ticks;
use crate::layout::{Identity, MemberState, Parts, Watches};
use crate::registry::{TopicId, groups_of};
use crate::segment::Place;
use crate::slab::Reads;
use crate::sync::{AtomicU64, Ordering, fence, fence_after_rmw, step};
use crate::wake::{Poster, Sleeper, asleep};
use Ordering::{Acquire, Relaxed, SeqCst};

#[derive(Debug, Default)]
pub(crate) struct Fanout {
    bells: Vec<Bell>,
    /// A member could not be posted to: it is probably dead.
    pub suspect: bool,
    /// Posts made, each a system call.
    pub posts: u64,
    /// Ticks after a post in which another to the same member waits for `end_burst`; 0: who publishes never says when a
    /// burst is over.
    pub burst: u64,
    /// Who is to be posted to then.
    due: Vec<u32>,
    due_since: Ticks,
}

/// What one publisher holds of one member.
#[derive(Debug, Default)]
struct Bell {
    number: u32,
    poster: Option<Poster>,
    /// The epoch last posted for, or in which nobody was there to be posted to: once is enough.
    posted: u64,
    /// When that was.
    posted_at: Ticks,
    /// Among `due`.
    is_due: bool,
}

impl Fanout {
    /// Posts to the sleeping members of a subscriber bitmap. After the commit of the message.
    pub fn post_row(&mut self, parts: &Parts<'_>, place: &Place, row: &[AtomicU64], now: Ticks) {
        // Partner: Reader::arm. The message's tail is seen by a reader that this does not see asleep; the same for
        // the bitmap and a reader that is just subscribing. The commit moved the tail, or saw that another had.
        fence_after_rmw();
        for index in members_of(row) {
            self.post_in_time(parts, place, index, now);
        }
        // A long burst: those who were passed over have waited as long as it takes to be posted to anew.
        if !self.due.is_empty() && now.since(self.due_since) >= self.burst {
            self.post_due(parts, place, now);
        }
    }

    /// Posts to one sleeping member of each of a topic's groups; `turn` chooses whom first. After `post_row` for the same
    /// message, whose fence serves here too: a member that is not seen asleep, or not seen yet, looks after the message was committed.
    #[inline]
    pub fn post_groups(&mut self, parts: &Parts<'_>, place: &Place, topic: TopicId, turn: u64, now: Ticks) {
        groups_of(parts, topic, |row| {
            self.post_one(parts, place, parts.group_row(row), turn, now);
        });
    }

    /// Posts to one of some members that sleeps and is not on its way yet, `turn` says where to begin. In a burst one that was
    /// posted to a moment ago is left for its end if no other sleeps. After a SeqCst fence. True: somebody was posted to.
    pub fn post_one(
        &mut self,
        parts: &Parts<'_>,
        place: &Place,
        row: &[AtomicU64],
        turn: u64,
        now: Ticks,
    ) -> bool {
        let from = turn as usize % members_of(row).count().max(1);
        let mut later = None;
        for index in members_of(row).skip(from).chain(members_of(row).take(from)) {
            let Some(epoch) = parts.members.get(index as usize).and_then(asleep) else { continue };
            let burst = self.burst;
            let bell = self.bell(index);
            if bell.posted == epoch || bell.is_due {
                continue;
            }
            if burst > 0 && bell.poster.is_some() && now.since(bell.posted_at) < burst {
                later = later.or(Some(index));
                continue;
            }
            self.post_if_asleep(parts, place, index, now);
            // Else it is gone, or cannot be reached now: the next one.
            if self.bell(index).posted == epoch && self.bell(index).poster.is_some() {
                return true;
            }
        }
        if let Some(index) = later {
            self.post_in_time(parts, place, index, now);
        }
        false
    }

    #[cfg(any(feature = "node", all(test, not(loom))))]
    pub fn owes_posts(&self) -> bool {
        !self.due.is_empty()
    }

    /// The burst is over: whoever still sleeps is posted to.
    pub fn end_burst(&mut self, parts: &Parts<'_>, place: &Place, now: Ticks) {
        if !self.due.is_empty() {
            // As in post_row(): between the last commit and here there may be anything.
            fence(SeqCst);
            self.post_due(parts, place, now);
        }
    }

    fn post_due(&mut self, parts: &Parts<'_>, place: &Place, now: Ticks) {
        let mut due = std::mem::take(&mut self.due);
        for index in due.drain(..) {
            self.bell(index).is_due = false;
            self.post_if_asleep(parts, place, index, now);
        }
        self.due = due;
    }

    /// Posts to one member if it sleeps: at once, or, where it was posted to a moment ago, when the burst is over.
    fn post_in_time(&mut self, parts: &Parts<'_>, place: &Place, index: u32, now: Ticks) {
        let burst = self.burst;
        if burst > 0 && parts.members.get(index as usize).and_then(asleep).is_some() {
            let bell = self.bell(index);
            if bell.is_due {
                return;
            }
            if bell.poster.is_some() && now.since(bell.posted_at) < burst {
                bell.is_due = true;
                if self.due.is_empty() {
                    self.due_since = now;
                }
                self.due.push(index);
                return;
            }
        }
        self.post_if_asleep(parts, place, index, now);
    }

    /// Posts to every member, asleep or not: somebody died and may have owed a post.
    pub fn post_all(&mut self, parts: &Parts<'_>, place: &Place) {
        for index in 0..parts.members.len() as u32 {
            let state = MemberState(parts.members[index as usize].identity.state.load(Acquire));
            if state.in_use() {
                self.post(parts, place, index, state.number());
            }
        }
    }

    /// Posts to the sleeping members that watch something of `what`, which was changed just now.
    pub fn post_watchers(&mut self, parts: &Parts<'_>, place: &Place, what: Watches) {
        // Partner: Reader::arm. The change is seen by a watcher that this does not see asleep.
        fence(SeqCst);
        let now = Ticks::now();
        for (index, member) in (0..).zip(parts.members) {
            if Watches(member.identity.watches.load(Relaxed)).meets(what) {
                self.post_if_asleep(parts, place, index, now);
            }
        }
    }

    /// Wakes who may sleep while it holds the slab: a member, or one of a group.
    pub fn nudge(&mut self, parts: &Parts<'_>, place: &Place, who: Reads) {
        fence(SeqCst);
        let now = Ticks::now();
        match who {
            Reads::Member(index) => self.post_if_asleep(parts, place, index, now),
            Reads::Group(row) => {
                self.post_one(parts, place, parts.group_row(row), self.posts, now);
            }
        }
    }

    /// Posts to one member if it sleeps, once per epoch. After a SeqCst fence.
    fn post_if_asleep(&mut self, parts: &Parts<'_>, place: &Place, index: u32, now: Ticks) {
        let Some(member) = parts.members.get(index as usize) else { return };
        let Some(epoch) = asleep(member) else { return };
        if self.bell(index).posted == epoch {
            return;
        }
        let state = MemberState(member.identity.state.load(Acquire));
        if state.in_use() && self.post(parts, place, index, state.number()) {
            let bell = self.bell(index);
            (bell.posted, bell.posted_at) = (epoch, now);
        }
    }

    /// Posts through a handle of the member that holds the place now: a reused place is another semaphore. False: it is to
    /// be tried again.
    fn post(&mut self, parts: &Parts<'_>, place: &Place, index: u32, number: u32) -> bool {
        let open = || {
            let sleeper = Sleeper::of(&parts.members[index as usize], Identity::mine());
            Poster::open(&place.member_semaphore(number), &sleeper)
        };
        let bell = self.bell(index);
        let mut is_told = true;
        if bell.number != number || bell.poster.is_none() {
            let opened = open();
            is_told = opened.is_ok();
            *bell = Bell { number, poster: opened.ok().flatten(), is_due: bell.is_due, ..Bell::default() };
        }
        step("post: due");
        let posted = bell.poster.as_ref().is_some_and(Poster::post);
        step("post: posted");
        if !posted && is_told {
            bell.poster = None;
            // Gone, unless it was just leaving.
            let state = MemberState(parts.members[index as usize].identity.state.load(Acquire));
            self.suspect |= state.in_use() && state.number() == number;
        }
        self.posts += 1;
        is_told
    }

    fn bell(&mut self, index: u32) -> &mut Bell {
        let index = index as usize;
        if self.bells.len() <= index {
            self.bells.resize_with(index + 1, Bell::default);
        }
        &mut self.bells[index]
    }
}

/// The members of a bitmap.
pub(super) fn members_of(row: &[AtomicU64]) -> impl Iterator<Item = u32> {
    (0..).zip(row).flat_map(|(at, word)| {
        let mut bits = word.load(Relaxed);
        std::iter::from_fn(move || {
            let bit = (bits != 0).then(|| bits.trailing_zeros())?;
            bits &= bits - 1;
            Some(at * 64 + bit)
        })
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::bus::{Attachment, Drained, Head, Options, Sink, TopicRef};
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(60);

    /// Takes whatever comes.
    #[derive(Default)]
    struct All(usize);
    impl Sink for All {
        fn fits(&mut self, _len: usize) -> bool {
            true
        }
        fn take(&mut self, _head: &Head, copy: impl FnOnce(&mut [u8])) {
            copy(&mut [0]);
            self.0 += 1;
        }
        fn discard(&mut self) {
            self.0 = 0;
        }
    }

    struct Pair {
        publisher: Attachment,
        topic: TopicRef,
        reader: Attachment,
    }

    /// A publisher in whose bursts whoever was just posted to is not posted to again for `burst` ticks, and a sleeper.
    fn pair(what: &str, burst: u64) -> Pair {
        let options = Options::new(format!("unit-burst-{what}-{}", std::process::id()));
        let mut publisher = Attachment::open(&options).expect("open");
        let mut reader = Attachment::open(&options).expect("open");
        let topic = reader.subscribe("t").expect("subscribe").topic;
        publisher.fanout.burst = burst;
        assert!(!reader.fall_asleep(Duration::ZERO));
        Pair { publisher, topic, reader }
    }

    impl Pair {
        /// Publishes one; returns how many posts that took.
        fn publish(&mut self) -> u64 {
            let before = self.publisher.stats().posts;
            self.publisher.publish_all(self.topic, 0, std::iter::once(&b"x"[..])).expect("room");
            self.publisher.stats().posts - before
        }

        /// What the reader was woken for, and then it is asleep again.
        fn read(&mut self) -> usize {
            self.reader.rouse();
            let mut all = All::default();
            assert_eq!(self.reader.drain(u64::MAX, &mut all), Drained::All);
            assert!(!self.reader.fall_asleep(Duration::ZERO));
            all.0
        }

        fn is_woken(&self, within: Duration) -> bool {
            self.reader.membership.as_ref().expect("attached").semaphore.wait(within)
        }
    }

    #[test]
    fn in_a_burst_a_sleeper_is_posted_to_for_the_first_message_and_at_the_end() {
        let mut pair = pair("end", u64::MAX);
        assert_eq!(pair.publish(), 1);
        for _ in 0..3 {
            assert_eq!(pair.read(), 1);
            assert_eq!(pair.publish(), 0, "asleep again in the middle of it");
            assert!(pair.publisher.fanout.owes_posts() && !pair.is_woken(Duration::ZERO));
        }
        pair.publisher.end_burst();
        assert!(!pair.publisher.fanout.owes_posts() && pair.is_woken(LONG));
        assert_eq!(pair.read(), 1);
        // It is over: nothing is owed.
        let posts = pair.publisher.stats().posts;
        pair.publisher.end_burst();
        assert_eq!(pair.publisher.stats().posts, posts);
        // The next one ends as well.
        assert_eq!(pair.publish(), 0);
        pair.publisher.end_burst();
        assert!(pair.is_woken(LONG));
    }

    #[test]
    fn whoever_leaves_in_the_middle_of_a_burst_owes_nothing() {
        let mut pair = pair("leave", u64::MAX);
        assert_eq!(pair.publish(), 1);
        pair.read();
        assert_eq!(pair.publish(), 0);
        pair.publisher.leave();
        assert!(pair.is_woken(LONG));
        assert_eq!(pair.read(), 1);
    }

    #[test]
    fn a_sleeper_of_long_ago_is_posted_to_at_once_and_a_long_burst_posts_in_the_middle() {
        let mut pair = pair("long", 1);
        for _ in 0..3 {
            assert_eq!(pair.publish(), 1);
            assert_eq!(pair.read(), 1);
        }
        // Owed since long ago: paid with the next message, whatever that is of.
        pair.publisher.fanout.burst = u64::MAX;
        assert_eq!(pair.publish(), 0);
        pair.publisher.fanout.burst = 1;
        let other = pair.publisher.topic("other", LONG).expect("a topic");
        pair.publisher.publish_all(other, 0, std::iter::once(&b"x"[..])).expect("room");
        assert!(pair.is_woken(LONG));
        assert!(!pair.publisher.fanout.owes_posts());
    }

    #[test]
    fn who_never_says_that_a_burst_is_over_posts_at_once() {
        let mut pair = pair("none", 0);
        for _ in 0..3 {
            assert_eq!(pair.publish(), 1);
            assert_eq!(pair.read(), 1);
        }
    }
}
