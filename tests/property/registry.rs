//! The topic table: making, finding, subscribing, publishing, giving places away; deaths at any step of it, also under the
//! lock and while cleaning up after a death; against a map.

use super::heap::Heap;
use crate::bus::inside::{Interest, Publication, Publisher, Reader, Refused};
use crate::death::{ANY, dying_at};
use crate::layout::{Frame, Identity, MemberState, Parts, TopicState, Watches};
use crate::reap::reap;
use crate::registry::{MakeError, Newcomer, TopicId, attach, name_hash};
use crate::ring::{At, Ring};
use crate::sync::{BLOCK, Ordering::Acquire, Ordering::SeqCst};
use proptest::prelude::*;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::iter::once;

const CAPACITY: usize = 3;
const MEMBERS: u32 = 3;

#[derive(Clone, Debug)]
enum Op {
    /// Finds or makes, as a subscriber or first publisher does; may die at a step, and so may the next at cleaning up.
    Topic {
        name: u8,
        dies: Option<u32>,
        recovery_dies: Option<u32>,
    },
    Subscribe {
        name: u8,
        member: u32,
    },
    Unsubscribe {
        name: u8,
        member: u32,
    },
    Publish {
        name: u8,
        member: u32,
        dies: Option<u32>,
    },
    Reap {
        member: u32,
        dies: Option<u32>,
    },
    /// Begins to read, for patterns; or goes on, up to the tail.
    Read {
        member: u32,
    },
    /// Has no pattern any more.
    Stop {
        member: u32,
    },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let name = || 0u8..6;
    let member = || 0..MEMBERS;
    let dies = || prop_oneof![2 => Just(None), 1 => (0u32..12).prop_map(Some)];
    let op = prop_oneof![
        4 => (name(), dies(), dies())
            .prop_map(|(name, dies, recovery_dies)| Op::Topic { name, dies, recovery_dies }),
        2 => (name(), member()).prop_map(|(name, member)| Op::Subscribe { name, member }),
        2 => (name(), member()).prop_map(|(name, member)| Op::Unsubscribe { name, member }),
        4 => (name(), member(), dies()).prop_map(|(name, member, dies)| Op::Publish { name, member, dies }),
        2 => (member(), dies()).prop_map(|(member, dies)| Op::Reap { member, dies }),
        2 => member().prop_map(|member| Op::Read { member }),
        1 => member().prop_map(|member| Op::Stop { member }),
    ];
    proptest::collection::vec(op, 1..60)
}

/// What the table is to be.
struct Oracle {
    heap: Heap,
    /// The names that must be found, as which topic.
    topics: HashMap<u8, TopicId>,
    /// Subscribed members of those.
    subscribed: HashMap<u8, BTreeSet<u32>>,
    /// Ids ever given: never to another name.
    given: HashMap<TopicId, u8>,
    /// The last number of each topic that was published to.
    numbers: HashMap<TopicId, u64>,
    /// Every number an entry ever gave lies below this.
    reached: HashMap<u32, u64>,
    /// The last number of each name, also of one that was forgotten and made again.
    reached_by_name: HashMap<u8, u64>,
    publishers: Vec<Publisher>,
    /// Those with patterns, and how far they are through.
    matchers: HashMap<u32, Reader>,
    /// Where each topic's last message stands.
    last: HashMap<TopicId, u64>,
    dead: HashSet<u32>,
    messages: u64,
    /// What one who watches interest has seen, and believes.
    changes: u64,
    wanted: HashSet<TopicId>,
}

fn text(name: u8) -> [u8; 1] {
    [b'a' + name]
}

impl Oracle {
    fn new() -> Oracle {
        let publisher = |index| Publisher::new(index, index + 1, 1);
        let heap = Heap::new(64, MEMBERS as usize, CAPACITY);
        Oracle {
            heap,
            topics: HashMap::new(),
            subscribed: HashMap::new(),
            given: HashMap::new(),
            numbers: HashMap::new(),
            reached: HashMap::new(),
            reached_by_name: HashMap::new(),
            publishers: (0..MEMBERS).map(publisher).collect(),
            matchers: HashMap::new(),
            last: HashMap::new(),
            dead: HashSet::new(),
            messages: 0,
            changes: 0,
            wanted: HashSet::new(),
        }
    }

    fn subscribers(&self, name: u8) -> usize {
        self.subscribed.get(&name).map_or(0, BTreeSet::len)
    }

    fn find_or_make(&self, name: u8) -> Result<TopicId, MakeError> {
        let (table, name) = (self.heap.table(), text(name));
        let hash = name_hash(&name);
        table.recover();
        table.find_locked(&name, hash)?.map_or_else(|| table.make(&name, hash), Ok)
    }

    /// Takes note of the id `name` has by now; whose place it took is no more.
    fn took(&mut self, name: u8, id: TopicId) {
        if let Some(known) = self.topics.get(&name) {
            assert_eq!(*known, id, "a topic changed its id");
            return;
        }
        self.count();
        let owner = *self.given.entry(id).or_insert(name);
        assert_eq!(owner, name, "{id:?} was given twice");
        let loser = self.topics.iter().find(|(_, other)| other.index == id.index).map(|(name, _)| *name);
        if let Some(loser) = loser {
            assert_eq!(self.subscribers(loser), 0, "a topic with subscribers lost its place");
            // R12: whoever has its messages before them asks the entry for its name.
            let last = self.last.get(&self.topics[&loser]).copied();
            for (member, reader) in &self.matchers {
                let unread = last.filter(|last| *last >= reader.cursor());
                assert_eq!(unread, None, "a topic lost its name before {member} had read it");
            }
            self.topics.remove(&loser);
        }
        self.topics.insert(name, id);
        self.subscribed.insert(name, BTreeSet::new());
        let counter = self.heap.parts().topics.all[id.index as usize].sequence.load(Acquire);
        let reached = self.reached.get(&id.index).copied().unwrap_or(0);
        assert!(counter >= reached, "an entry's counter went back from {reached} to {counter}");
        let reached = self.reached_by_name.get(&name).copied().unwrap_or(0);
        assert!(counter >= reached, "the numbers of {name} went back from {reached} to {counter}");
        self.numbers.insert(id, counter);
    }

    fn topic(&mut self, name: u8, dies: Option<u32>, recovery_dies: Option<u32>) {
        if dies.is_some_and(|nth| dying_at(ANY, nth, || self.find_or_make(name)).is_none()) {
            if let Some(nth) = recovery_dies {
                dying_at(ANY, nth, || self.heap.table().recover());
            }
            self.after_death(name);
            return;
        }
        let all_subscribed =
            self.topics.len() == CAPACITY && self.topics.keys().all(|name| self.subscribers(*name) > 0);
        match self.find_or_make(name) {
            Ok(id) => self.took(name, id),
            Err(MakeError::TableFull { .. }) => {
                assert!(all_subscribed && !self.topics.contains_key(&name), "a place was lost");
            }
            Err(MakeError::Busy) => assert!(!self.dead.is_empty(), "nobody is in flight"),
            Err(MakeError::Unread) => {
                let tail = self.heap.parts().tail.load(Acquire);
                assert!(self.matchers.values().any(|reader| reader.cursor() < tail), "everybody is through");
                for member in self.matchers.keys().copied().collect::<Vec<_>>() {
                    self.read(member);
                }
                if self.matchers.keys().all(|member| !self.dead.contains(member)) {
                    let found = self.find_or_make(name).expect("everybody is through");
                    self.took(name, found);
                }
            }
            Err(MakeError::Corrupt) => panic!("corrupt"),
        }
    }

    /// Somebody died making `name`, which is there wholly or not at all; a topic nobody subscribed to may be gone.
    fn after_death(&mut self, made: u8) {
        self.heap.table().recover();
        let names: Vec<u8> = self.topics.keys().copied().collect();
        let there = |oracle: &Oracle, name: u8| {
            oracle.heap.table().find_locked(&text(name), name_hash(&text(name))).expect("whole")
        };
        for name in names {
            match there(self, name) {
                Some(id) => assert_eq!(id, self.topics[&name], "a death gave a topic another id"),
                None => {
                    assert_eq!(self.subscribers(name), 0, "a death took a topic with subscribers");
                    self.topics.remove(&name);
                }
            }
        }
        if let Some(id) = there(self, made) {
            self.took(made, id);
        }
    }

    fn publish(&mut self, name: u8, member: u32, dies: Option<u32>) {
        let Some(&id) = self.topics.get(&name) else { return };
        if self.dead.contains(&member) {
            return;
        }
        let parts = self.heap.parts();
        let what = Publication { topic: id, hash: 7, flags: 0, time_ms: self.messages };
        let publisher = &mut self.publishers[member as usize];
        let result = match dies {
            Some(nth) => dying_at(ANY, nth, || publisher.publish(&parts, what, once(&[][..]), |_| {})),
            None => Some(publisher.publish(&parts, what, once(&[][..]), |_| {})),
        };
        match result {
            Some(Ok(position)) => {
                self.settle();
                assert_eq!(position + 1, self.messages);
            }
            // Retired with others that made room: found again, it lives again.
            Some(Err(Refused::Moved)) => assert_ne!(self.state(id), TopicState::VALID),
            Some(Err(Refused::Full)) => {
                assert!(
                    !self.dead.is_empty() || !self.matchers.is_empty(),
                    "nobody reads, nobody writes: there is room"
                )
            }
            Some(Err(Refused::Corrupt)) => panic!("corrupt"),
            None => {
                self.dead.insert(member);
            }
        }
    }

    fn state(&self, id: TopicId) -> u64 {
        TopicState(self.heap.parts().topics.all[id.index as usize].state.load(Acquire)).phase()
    }

    /// Takes in what has been finalised since the last look: each the next number of its topic, all of an entry one chain.
    fn settle(&mut self) {
        let last = self.count();
        let parts = self.heap.parts();
        for (index, slab_position) in last {
            assert_eq!(parts.topics.all[index as usize].last.load(Acquire), slab_position);
        }
    }

    /// The same, where the dead may have left one that is chained and not finalised.
    fn count(&mut self) -> HashMap<u32, u64> {
        let parts = self.heap.parts();
        let ring = Ring::of(&parts);
        let mut last = HashMap::new();
        for position in self.messages..parts.tail.load(Acquire) {
            let At::Slot(slot) = ring.read(position) else { panic!("position {position} is lost") };
            let frame = Frame::at(parts.blocks, slot.unit());
            let (index, generation) = frame.topic();
            let number = self.numbers.get_mut(&TopicId { index, generation }).expect("a topic that was made");
            *number += 1;
            assert_eq!((frame.position(), frame.sequence()), (position, *number));
            let reached = self.reached.entry(index).or_default();
            *reached = (*reached).max(*number);
            self.reached_by_name.insert(self.given[&TopicId { index, generation }], *number);
            last.insert(index, slot.unit() as u64 * BLOCK as u64);
            self.last.insert(TopicId { index, generation }, position);
            self.messages = position + 1;
        }
        last
    }

    fn reap(&mut self, member: u32, dies: Option<u32>) {
        if !self.dead.contains(&member) {
            return;
        }
        let parts = self.heap.parts();
        let state = || MemberState(parts.members[member as usize].identity.state.load(Acquire));
        self.heap.table().recover();
        if let Some(nth) = dies {
            let seen = state();
            dying_at(ANY, nth, || reap(&parts, &self.heap.table(), member, seen));
        }
        self.heap.table().recover();
        let seen = state();
        assert!(reap(&parts, &self.heap.table(), member, seen).is_ok());
        assert!(!state().in_use());
        assert_eq!(parts.members[member as usize].inflight.load(Acquire), 0, "its space is held");
        self.dead.remove(&member);
        self.matchers.remove(&member);
        for members in self.subscribed.values_mut() {
            members.remove(&member);
        }
        let newcomer = Newcomer::choose(&self.heap.header, &parts).expect("a place");
        assert_eq!(newcomer.index, member);
        attach(&parts, newcomer, Identity { pid: 1, started: 1, namespace: 1 }, 0, 0);
        self.publishers[member as usize] = Publisher::new(member, newcomer.number, 1);
        self.settle();
    }

    fn read(&mut self, member: u32) {
        if self.dead.contains(&member) {
            return;
        }
        let parts = self.heap.parts();
        let reader = self.matchers.entry(member).or_insert_with(|| {
            let mut reader = Reader::new(&parts, member);
            reader.join(&parts);
            parts.members[member as usize].identity.watches.fetch_or(Watches::PATTERNS.0, SeqCst);
            reader
        });
        let tail = reader.tail(&parts);
        assert!(!reader.meets(&parts, &mut Interest::default(), tail));
        reader.consume(&parts);
        self.count();
    }

    fn stop(&mut self, member: u32) {
        if !self.dead.contains(&member)
            && let Some(mut reader) = self.matchers.remove(&member)
        {
            let parts = self.heap.parts();
            reader.stop(&parts);
            parts.members[member as usize].identity.watches.fetch_and(!Watches::PATTERNS.0, SeqCst);
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Topic { name, dies, recovery_dies } => self.topic(name, dies, recovery_dies),
            Op::Subscribe { name, member } => {
                self.topic(name, None, None);
                let Some(&id) = self.topics.get(&name) else { return };
                if !self.dead.contains(&member) {
                    self.heap.table().set_subscriber(id, member, true);
                    self.heap.table().set_named(id, member, true);
                    self.subscribed.entry(name).or_default().insert(member);
                }
            }
            Op::Unsubscribe { name, member } => {
                let Some(&id) = self.topics.get(&name) else { return };
                if !self.dead.contains(&member) {
                    self.heap.table().set_named(id, member, false);
                    self.heap.table().set_subscriber(id, member, false);
                    self.subscribed.entry(name).or_default().remove(&member);
                }
            }
            Op::Publish { name, member, dies } => self.publish(name, member, dies),
            Op::Reap { member, dies } => self.reap(member, dies),
            Op::Read { member } => self.read(member),
            Op::Stop { member } => self.stop(member),
        }
        self.watch();
        self.check(&self.heap.parts());
    }

    /// As who watches interest does: what the log names is looked at, or all of the table. The rest is as it was.
    fn watch(&mut self) {
        let table = self.heap.table();
        if self.heap.header.registry.dirty.load(Acquire) != 0 {
            // Somebody died in the middle of a change; whoever cleans up has all of the table looked at.
            return;
        }
        let seen = std::mem::replace(&mut self.changes, table.changes());
        let changed = table
            .changed_since(seen)
            .unwrap_or_else(|| table.live().chain(self.wanted.iter().copied()).collect());
        for id in changed {
            if table.is_wanted(id) {
                self.wanted.insert(id);
            } else {
                self.wanted.remove(&id);
            }
        }
        let wanted: HashSet<TopicId> = self
            .topics
            .iter()
            .filter(|(name, _)| !self.subscribed[name].is_empty())
            .map(|(_, id)| *id)
            .collect();
        assert_eq!(self.wanted, wanted, "what somebody is subscribed to");
    }

    fn check(&self, parts: &Parts<'_>) {
        for (name, id) in &self.topics {
            let found = self.heap.table().find(&text(*name), name_hash(&text(*name)));
            match self.state(*id) {
                TopicState::VALID => assert_eq!(found, Some(*id), "a live topic is not found"),
                _ => assert_eq!(found, None, "a topic that may go is found"),
            }
            for row in [parts.row(id.index), parts.named(id.index)] {
                let bits: BTreeSet<u32> =
                    (0..MEMBERS).filter(|member| row[0].load(Acquire) >> member & 1 == 1).collect();
                assert_eq!(bits, self.subscribed[name], "a bitmap of {name}");
            }
        }
        assert!(self.heap.header.registry.created.load(Acquire) >= self.given.len() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_table_is_what_a_map_says_whoever_dies_at_whatever_step(ops in ops()) {
        let mut oracle = Oracle::new();
        for op in &ops {
            oracle.apply(op);
        }
        for member in 0..MEMBERS {
            oracle.reap(member, None);
            oracle.stop(member);
        }
        // No place is lost for good.
        let names: Vec<u8> = oracle.topics.keys().copied().collect();
        for name in names {
            for member in 0..MEMBERS {
                oracle.apply(&Op::Unsubscribe { name, member });
            }
        }
        for name in 10..10 + CAPACITY as u8 {
            oracle.apply(&Op::Subscribe { name, member: 0 });
        }
        prop_assert_eq!(oracle.topics.len(), CAPACITY);
    }
}
