//! Sharing work: the groups this thread is a member of, and how it takes its turn in them.
//!
//! Who publishes wakes one sleeping member of each group. Whoever takes a message and sees that there is more wakes another one,
//! before its own listener runs: so as many are awake as there is work for, and each post is for one. A member that leaves
//! hands on what it may have been woken for. What is left to the look of every second is a member stopped between its post and its take.

use super::attachment::{Attachment, TopicRef, check_topic};
use super::clock::Ticks;
use super::fanout::members_of;
use super::group::{self, Took};
use super::reader::{Drained, PASSED_AT_ONCE, Sink};
use super::shared::LOCK_WAIT;
use super::stats::Traffic;
use crate::error::TopicError;
use crate::layout::{GroupCursor, GroupState, Member, NAME_MAX, Parts, Watches};
use crate::registry::{TopicId, hash_bits, name_hash};
use crate::sync::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::sync::{fence, fence_after_rmw, step};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A group as its member holds it.
#[derive(Clone, Debug)]
pub(crate) struct GroupRef {
    pub row: u32,
    pub topic: TopicRef,
    pub name: Arc<str>,
}

/// What a member knows of its groups.
#[derive(Debug)]
pub(crate) struct Groups {
    /// The member's place.
    me: u32,
    mine: Vec<GroupRef>,
    /// Whose turn it is.
    turn: usize,
    /// The tail up to which there is nothing in any of them.
    quiet_at: Option<u64>,
    /// One could not be joined again while another held the registry lock: not before the next tick.
    waits: bool,
    /// This thread waits for something else, and takes nothing.
    rests: bool,
    /// Rows that may be left without a member, and are closed under the registry lock.
    owed: Vec<(u32, TopicId)>,
    taken: Traffic,
}

/// One message of a group.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub row: u32,
    /// There was more, and another member was woken for it.
    #[cfg_attr(not(feature = "node"), allow(dead_code))] // Rust's is handed out at once all the same
    pub woke: bool,
}

/// How a look for a message of a group ended.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    /// It is in the sink, and nobody else has it.
    Taken(Taken),
    /// As a drain that brought nothing.
    Ended(Drained),
}

impl Groups {
    pub fn new(me: u32) -> Groups {
        Groups {
            me,
            mine: Vec::new(),
            turn: 0,
            quiet_at: None,
            waits: false,
            rests: false,
            owed: Vec::new(),
            taken: Traffic::default(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.mine.is_empty()
    }
    /// This thread's place among the members, while it takes nothing.
    pub fn resting(&self) -> Option<u32> {
        self.rests.then_some(self.me)
    }
    /// Messages taken so far.
    pub fn taken(&self) -> Traffic {
        self.taken
    }
    fn me<'a>(&self, parts: &Parts<'a>) -> &'a Member {
        &parts.members[self.me as usize]
    }

    /// The listeners of all that was taken have returned. Relaxed: my own word.
    pub fn consume(&self, parts: &Parts<'_>) {
        let holds = &self.me(parts).reading.holds;
        if holds.load(Relaxed) != 0 {
            // Release: whoever sees it sees what the listeners did.
            holds.store(0, Release);
        }
    }

    /// Whether there is a message in one of them, or something to be told. Passes what is not.
    pub fn have_work(&mut self, parts: &Parts<'_>) -> bool {
        if self.mine.is_empty() || self.rests {
            return false;
        }
        // First: what comes later moves it.
        let tail = parts.tail.load(Acquire);
        if self.quiet_at == Some(tail) {
            return false;
        }
        let me = self.me(parts);
        let has = |group: &GroupRef| match group::has_work(parts, group.row, group.topic, me) {
            Took::Nothing => false,
            Took::Cut => !self.waits,
            _ => true,
        };
        let found = self.mine.iter().any(has);
        self.quiet_at = (!found).then_some(tail);
        found
    }
}

impl Attachment {
    /// Makes this thread a member of a topic's group, which it is not yet. With the first one the group begins: what is
    /// published from then on is taken by one of them each.
    pub fn join_group(&mut self, topic: &str, group: &str) -> Result<GroupRef, TopicError> {
        self.check_process()?;
        check_topic(topic.as_bytes())?;
        if !(1..=NAME_MAX).contains(&group.len()) || group.contains('\0') {
            return Err(TopicError::InvalidGroup { len: group.len() });
        }
        let start = Instant::now();
        loop {
            match self.try_join_group(topic, group, LOCK_WAIT.saturating_sub(start.elapsed())) {
                Err(TopicError::Busy(_)) if self.may_try_again(start, LOCK_WAIT) => {}
                result => return result,
            }
        }
    }

    fn try_join_group(&mut self, name: &str, group: &str, wait: Duration) -> Result<GroupRef, TopicError> {
        let shared = self.shared.clone();
        let parts = shared.parts();
        self.inspect()?;
        let guard = shared.lock_registry(wait)?;
        let hash = name_hash(name.as_bytes());
        let (id, made) = self.find_or_make(name.as_bytes(), hash, true)?;
        let topic = TopicRef { id, hash: hash_bits(hash) };
        let (topics, me) = (shared.topics(), self.publisher.index);
        if !topics.are_groups_sound() {
            return Err(TopicError::Corrupt);
        }
        let (row, is_new, began) = match topics.find_group(topic.id, group.as_bytes()) {
            Some(row) => {
                // Of one that nobody has closed yet nothing is taken over.
                let is_new = topics.is_group_empty(row);
                topics.enter_group(row, me);
                (row, is_new, false)
            }
            None => {
                if topics.wants_group_memory() {
                    shared.segment.reserve_groups()?;
                }
                let (row, began) = topics.make_group(topic.id, group.as_bytes(), me)?;
                (row, true, began)
            }
        };
        let joined = GroupRef { row, topic, name: group.into() };
        self.groups.owed.retain(|(owed, _)| *owed != row);
        if is_new {
            group::join(&parts, row, topic.id);
        } else {
            self.join_again_locked(&joined);
        }
        // Partner: the fence in post_row(). A publisher that does not see the bit has moved the tail before, and is looked at.
        fence(SeqCst);
        self.groups.mine.push(joined.clone());
        self.groups.quiet_at = None;
        drop(guard);
        if made {
            self.fanout.post_watchers(&parts, &shared.place, Watches::PATTERNS);
        }
        if began {
            self.fanout.post_watchers(&parts, &shared.place, Watches::INTEREST);
        }
        Ok(joined)
    }

    /// Ends this thread's membership in a group: it takes nothing of it any more. What it has noticed that the group missed it
    /// still tells: to the others it is as if taken.
    pub fn leave_group(&mut self, row: u32) -> Option<GroupRef> {
        self.membership.as_ref()?;
        let left = self.step_out(row)?;
        // As with a topic's bits.
        self.close_owed(Duration::from_millis(2));
        Some(left)
    }

    /// Of all groups, before this thread leaves the bus: its row's last member is forgotten with it.
    pub(super) fn leave_groups(&mut self) {
        if self.membership.is_some() {
            for row in self.groups.mine.iter().map(|group| group.row).collect::<Vec<_>>() {
                self.step_out(row);
            }
        }
    }

    fn step_out(&mut self, row: u32) -> Option<GroupRef> {
        let at = self.groups.mine.iter().position(|group| group.row == row)?;
        let group = self.groups.mine.remove(at);
        let shared = self.shared.clone();
        let (parts, topics) = (shared.parts(), shared.topics());
        topics.leave_group(row, self.publisher.index);
        // Who saw my bit and posts to me has committed before: it is seen here, and another is woken for it. And of two who
        // leave at the same time one sees that nobody is left.
        fence(SeqCst);
        if topics.is_group_empty(row) {
            self.groups.owed.push((row, group.topic.id));
        } else if !matches!(group::has_work(&parts, row, group.topic, self.groups.me(&parts)), Took::Nothing)
        {
            self.wake_another(row);
        }
        Some(group)
    }

    fn wake_another(&mut self, row: u32) -> bool {
        let (parts, place) = (self.shared.parts(), &self.shared.place);
        let turn = u64::from(self.publisher.index) + 1;
        self.fanout.post_one(&parts, place, parts.group_row(row), turn, Ticks::now())
    }

    fn close_owed(&mut self, wait: Duration) {
        if self.groups.owed.is_empty() {
            return;
        }
        let shared = self.shared.clone();
        let Ok(guard) = shared.lock_registry(wait) else { return };
        let topics = shared.topics();
        topics.recover();
        let mut ended = false;
        for (row, topic) in self.groups.owed.drain(..) {
            // Another may have closed it, and somebody have it by now.
            if topics.is_row_of(row, topic) {
                ended |= topics.close_group(row).unwrap_or(false);
            }
        }
        drop(guard);
        if ended {
            self.fanout.post_watchers(&shared.parts(), &shared.place, Watches::INTEREST);
        }
    }

    /// From now on, or not any more, this thread waits for something else than messages: it takes none, and sleeps though there are
    /// some. `hand_on` follows whenever it was woken.
    pub fn rest(&mut self, rests: bool) {
        (self.groups.rests, self.groups.quiet_at) = (rests, None);
    }

    /// Wakes others for what this thread may have been woken for.
    pub fn hand_on(&mut self) {
        if self.groups.mine.is_empty() || self.must_be_attached().is_err() {
            return;
        }
        let shared = self.shared.clone();
        let parts = shared.parts();
        let has = |group: &GroupRef| {
            let found = group::has_work(&parts, group.row, group.topic, self.groups.me(&parts));
            (!matches!(found, Took::Nothing)).then_some(group.row)
        };
        let rows: Vec<u32> = self.groups.mine.iter().filter_map(has).collect();
        for row in rows {
            self.wake_another(row);
        }
    }

    /// What the tick does for groups.
    pub(super) fn look_after_groups(&mut self) {
        self.close_owed(Duration::ZERO);
        (self.groups.waits, self.groups.quiet_at) = (false, None);
    }

    /// Whether there is something to drain or to take.
    pub fn has_work(&mut self) -> bool {
        self.is_behind() || self.membership.is_some() && self.groups.have_work(&self.shared.parts())
    }

    /// Whether nobody else is in any of this thread's groups.
    pub fn is_alone_in_groups(&self) -> bool {
        let parts = self.shared.parts();
        let is_alone = |group: &GroupRef| members_of(parts.group_row(group.row)).count() == 1;
        self.membership.is_some() && self.groups.mine.iter().all(is_alone)
    }

    /// Takes one message of the groups, by turns. The sink takes one and no more.
    pub fn take(&mut self, sink: &mut impl Sink) -> Turn {
        if self.groups.is_empty() {
            return Turn::Ended(Drained::All);
        }
        if self.must_be_attached().is_err() {
            return Turn::Ended(Drained::Corrupt);
        }
        let shared = self.shared.clone();
        let parts = shared.parts();
        let me = self.groups.me(&parts);
        for _ in 0..self.groups.mine.len() {
            let at = self.groups.turn % self.groups.mine.len();
            let GroupRef { row, topic, .. } = self.groups.mine[at];
            let took = group::take(&parts, row, topic, me, PASSED_AT_ONCE, sink);
            if !matches!(took, Took::More | Took::Full) {
                self.groups.turn = at + 1;
            }
            match took {
                Took::Nothing => {}
                Took::Message(head) => {
                    self.groups.taken.add(head.len);
                    // Dekker's, with the fence in post_row(): who published after I was awake has seen it, and posts to another;
                    // or what it published is seen here.
                    fence_after_rmw();
                    let counter = parts.topics.get(topic.id.index).map_or(0, |t| t.sequence.load(Acquire));
                    step("take: looking for more");
                    let woke = counter > head.sequence && self.wake_another(row);
                    return Turn::Taken(Taken { row, woke });
                }
                Took::More | Took::Full => return Turn::Ended(Drained::More),
                Took::Cut => {
                    self.join_again(at);
                    if self.has_gaps() {
                        return Turn::Ended(Drained::More);
                    }
                }
                Took::Corrupt => return Turn::Ended(Drained::Corrupt),
            }
        }
        Turn::Ended(Drained::All)
    }

    /// A group was cut off, or who joined it again died: whoever notices joins it.
    fn join_again(&mut self, at: usize) {
        let shared = self.shared.clone();
        let Ok(_guard) = shared.lock_registry(Duration::from_millis(2)) else {
            self.groups.waits = true;
            return;
        };
        shared.topics().recover();
        let group = self.groups.mine[at].clone();
        self.join_again_locked(&group);
    }

    /// Under the registry lock: nothing if another has done so.
    fn join_again_locked(&mut self, group: &GroupRef) {
        let shared = self.shared.clone();
        let parts = shared.parts();
        let Some(gate) = parts.groups.get(group.row).map(|row| &row.gate) else { return };
        if GroupState(gate.state.load(Acquire)).is_reading() {
            return;
        }
        let missed = group::join(&parts, group.row, group.topic.id);
        self.groups.quiet_at = None;
        if let Some(missed) = missed {
            let position = GroupCursor(gate.cursor.load(Acquire)).position(parts.tail.load(Acquire));
            self.note_gap(group.topic.id, Some(group.name.clone()), missed, position);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::reader::Head;
    use super::*;
    use crate::bus::{Bus, Options};
    use crate::error::RecvError;
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(60);

    fn options(what: &str) -> Options {
        Options::new(format!("unit-groups-{what}-{}", std::process::id()))
    }

    fn open(options: &Options) -> Attachment {
        Attachment::open(options).expect("open")
    }

    #[derive(Default)]
    struct One(Vec<u64>);
    impl Sink for One {
        fn fits(&mut self, _len: usize) -> bool {
            true
        }
        fn take(&mut self, head: &Head, _copy: impl FnOnce(&mut [u8])) {
            self.0.push(head.sequence);
        }
        fn discard(&mut self) {
            self.0.pop();
        }
    }

    fn publish(bus: &mut Attachment, topic: TopicRef) {
        bus.publish_all(topic, 0, std::iter::once(&b"x"[..])).expect("room");
    }

    fn is_woken(bus: &Attachment) -> bool {
        bus.membership.as_ref().expect("attached").semaphore.wait(Duration::ZERO)
    }

    /// R9 for members of a group, in the real callers and without a tick: three who sleep and wake, and a message that nobody wakes
    /// for is one that never comes.
    #[test]
    fn members_who_fall_asleep_miss_no_wake_up() {
        const MESSAGES: u32 = 20_000;
        let options = options("wake");
        let (tell, told) = mpsc::channel();
        let mut bus = Bus::open(options.clone()).expect("open");
        let threads: Vec<_> = (0..3u32)
            .map(|member| {
                let (tell, options) = (tell.clone(), options.clone());
                let (ready, is_ready) = mpsc::channel();
                let thread = std::thread::spawn(move || {
                    let mut worker = Bus::open(options).expect("open");
                    worker.subscribe_group("t", "g").expect("joined");
                    ready.send(()).expect("heard");
                    loop {
                        let message = worker.recv_timeout(LONG).expect("recv").expect("a message in time");
                        let n: u32 = message.decode().expect("a number");
                        if n >= MESSAGES {
                            return;
                        }
                        tell.send(n).expect("heard");
                        (0..(n + member) % 512).for_each(|_| std::hint::spin_loop());
                    }
                });
                is_ready.recv().expect("joined");
                thread
            })
            .collect();
        for n in 0..MESSAGES {
            bus.publish("t", &n).expect("publish");
            // One, two and three under way at once.
            if n % 3 != 0 {
                assert!(told.recv_timeout(LONG).is_ok(), "{n} woke nobody");
            }
        }
        while told.recv_timeout(Duration::from_millis(200)).is_ok() {}
        for end in 0..3 {
            bus.publish("t", &(MESSAGES + end)).expect("publish");
        }
        threads.into_iter().for_each(|thread| thread.join().expect("a worker"));
    }

    #[test]
    fn each_message_wakes_one_and_who_takes_one_of_two_wakes_another() {
        let options = options("one");
        let mut publisher = open(&options);
        let mut all: Vec<Attachment> = (0..3).map(|_| open(&options)).collect();
        let joined: Vec<GroupRef> =
            all.iter_mut().map(|one| one.join_group("t", "g").expect("joined")).collect();
        let topic = joined[0].topic;
        assert!(all.iter_mut().all(|one| !one.fall_asleep(Duration::ZERO)));
        publish(&mut publisher, topic);
        let woken: Vec<usize> = (0..3).filter(|at| is_woken(&all[*at])).collect();
        assert_eq!((woken.len(), publisher.stats().posts), (1, 1));
        // A second one wakes a second, also where it is the first one's turn again.
        let other = publisher.topic("other", LONG).expect("a topic");
        (0..2).for_each(|_| publish(&mut publisher, other));
        publish(&mut publisher, topic);
        assert_eq!(publisher.stats().posts, 2);
        let first = &mut all[woken[0]];
        first.rouse();
        let mut got = One::default();
        assert!(matches!(first.take(&mut got), Turn::Taken(Taken { woke: true, .. })), "another is woken");
        assert_eq!(got.0, [1]);
        assert!(matches!(first.take(&mut got), Turn::Taken(Taken { woke: false, .. })), "no more is there");
        assert_eq!(got.0, [1, 2]);
        assert!(matches!(first.take(&mut got), Turn::Ended(Drained::All)));
    }

    #[test]
    fn who_leaves_hands_on_what_it_was_woken_for() {
        let options = options("leave");
        let mut publisher = open(&options);
        let mut all: Vec<Attachment> = (0..2).map(|_| open(&options)).collect();
        let joined: Vec<GroupRef> =
            all.iter_mut().map(|one| one.join_group("t", "g").expect("joined")).collect();
        assert!(all.iter_mut().all(|one| !one.fall_asleep(Duration::ZERO)));
        publish(&mut publisher, joined[0].topic);
        let woken = (0..2).find(|at| is_woken(&all[*at])).expect("one is");
        // One in order, and one by leaving the bus.
        all[woken].leave_group(joined[woken].row);
        assert!(is_woken(&all[1 - woken]), "nobody is there for it");
        all[1 - woken].rouse();
        let mut rejoins = open(&options);
        rejoins.join_group("t", "g").expect("joined");
        assert!(rejoins.fall_asleep(Duration::ZERO), "it is its own, too");
        assert!(matches!(all[1 - woken].take(&mut One::default()), Turn::Taken(_)));
        assert!(!rejoins.fall_asleep(Duration::ZERO));
        assert!(!all[1 - woken].fall_asleep(Duration::ZERO));
        publish(&mut publisher, joined[0].topic);
        let (mut leaver, stays) = if is_woken(&rejoins) {
            (rejoins, &all[1 - woken])
        } else {
            let other = std::mem::replace(&mut all[1 - woken], open(&options));
            (other, &rejoins)
        };
        leaver.leave();
        assert!(is_woken(stays));
    }

    #[test]
    fn what_is_taken_and_not_consumed_is_not_settled() {
        let options = options("settled");
        let mut publisher = open(&options);
        let mut member = open(&options);
        let topic = member.join_group("t", "g").expect("joined").topic;
        publish(&mut publisher, topic);
        let consumed = |publisher: &Attachment| {
            let parts = publisher.shared.parts();
            let gate = &parts.groups.all[0].gate;
            let cursor = GroupCursor(gate.cursor.load(Acquire)).position(1);
            let holds = parts.members.iter().any(|member| member.reading.holds.load(Acquire) != 0);
            cursor == 1 && !holds
        };
        assert!(!consumed(&publisher));
        assert!(matches!(member.take(&mut One::default()), Turn::Taken(_)));
        assert!(!consumed(&publisher), "its listener runs");
        member.consume_taken();
        assert!(consumed(&publisher));
    }

    #[test]
    fn of_several_groups_the_first_and_the_last_in_the_bus_that_is_not_consumed_are_said() {
        let options = options("several");
        let mut publisher = open(&options);
        let mut member = open(&options);
        let [later, first] =
            ["later", "first"].map(|topic| member.join_group(topic, "g").expect("joined").topic);
        publish(&mut publisher, first);
        publish(&mut publisher, later);
        let shared = publisher.shared.clone();
        let at = member.publisher.index as usize;
        let said = || {
            let reading = &shared.parts().members[at].reading;
            (reading.holds.load(Acquire), reading.reach.load(Acquire))
        };
        for expected in [(2, 2), (1, 2)] {
            assert!(matches!(member.take(&mut One::default()), Turn::Taken(_)));
            assert_eq!(said(), expected);
        }
        publish(&mut publisher, later);
        assert!(matches!(member.take(&mut One::default()), Turn::Taken(_)));
        assert_eq!(said(), (1, 3));
        member.consume_taken();
        assert_eq!(said(), (0, 3));
    }

    #[test]
    fn what_was_left_of_a_group_is_not_for_who_comes_before_it_is_closed() {
        let options = options("unclosed");
        let mut publisher = open(&options);
        let [mut leaver, mut comes] = [(); 2].map(|()| open(&options));
        let left = leaver.join_group("t", "g").expect("joined");
        publish(&mut publisher, left.topic);
        // As if another held the registry lock.
        assert!(leaver.step_out(left.row).is_some());
        assert_eq!(comes.join_group("t", "g").expect("joined").row, left.row);
        assert!(matches!(comes.take(&mut One::default()), Turn::Ended(Drained::All)));
        assert!(!comes.has_gaps());
        // Who owes the end of what is somebody's again ends nothing.
        leaver.look_after_groups();
        publish(&mut publisher, left.topic);
        let mut got = One::default();
        assert!(matches!(comes.take(&mut got), Turn::Taken(_)));
        assert_eq!(got.0, [2]);
    }

    #[test]
    fn what_a_group_missed_outlives_a_subscription_of_its_topic_by_a_pattern() {
        let options = options("pattern");
        let (mut publisher, mut member) = (open(&options), open(&options));
        let group = member.join_group("t", "g").expect("joined");
        let pattern = member.psubscribe("t*").expect("subscribed");
        publish(&mut publisher, group.topic);
        let shared = publisher.shared.clone();
        let row = shared.parts().groups.get(group.row).expect("a row");
        assert!(group::cut_off(row, GroupState(row.gate.state.load(Acquire))));
        assert!(matches!(member.take(&mut One::default()), Turn::Ended(Drained::More)), "it is noticed");
        member.punsubscribe(pattern.id);
        let gaps = member.take_gaps(u64::MAX);
        assert_eq!(gaps.len(), 1);
        let (_, gap) = &gaps[0];
        assert_eq!((gap.group.as_deref(), gap.from, gap.to), (Some("g"), 1, 1));
    }

    #[test]
    fn garbage_in_a_gate_is_told() {
        for garble in [
            |parts: &Parts<'_>| parts.groups.all[0].gate.state.store(GroupState::new(1, 77).0, Release),
            |parts: &Parts<'_>| parts.groups.all[0].gate.low.store(1 << 60, Release),
            |parts: &Parts<'_>| parts.groups.all[0].gate.cursor.store(GroupCursor::new(99, 0).0, Release),
            |parts: &Parts<'_>| {
                parts.groups.made.store(65, Release);
            },
        ] {
            let options = options("garbage");
            let mut member = Bus::open(options.clone()).expect("open");
            let mut publisher = open(&options);
            member.subscribe_group("t", "g").expect("joined");
            garble(&publisher.shared.parts());
            assert!(publisher.tick().is_err());
            assert!(matches!(member.try_recv(), Ok(None) | Err(RecvError::Corrupt)));
        }
    }
}
