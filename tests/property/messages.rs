//! Messages through slab and ring: publishing, joining, draining, leaving, being cut off, reaping, with deaths at any step
//! of it; against a vector of all messages there are.

use super::heap::{Heap, topic};
use crate::bus::Drained;
use crate::bus::inside::{Interest, Publication, Publisher, Reader, Reason, Refused, cut_off};
use crate::bus::{Head, Sink};
use crate::death::{ANY, dying_at};
use crate::layout::{Identity, MemberState, Parts};
use crate::reap::reap;
use crate::registry::{Newcomer, TopicId, attach};
use crate::ring::{At, Ring};
use crate::slab::Slab;
use crate::sync::{BLOCK, Ordering::Acquire};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A slab of sixteen blocks: most operations meet its end, its fullness, or both.
const BLOCKS: usize = 16;
const MEMBERS: u32 = 3;
const TOPICS: u32 = 2;
const LARGEST: usize = (BLOCKS / 2 - 1) * BLOCK;

#[derive(Clone, Debug)]
enum Op {
    Publish { member: u32, topic: u32, lens: Vec<usize>, dies: Option<u32> },
    Subscribe { member: u32, topic: u32, dies: Option<u32> },
    Unsubscribe { member: u32, topic: u32 },
    Drain { member: u32, budget: u64, dies: Option<u32> },
    CutOff { member: u32 },
    Help,
    Reap { member: u32, dies: Option<u32> },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let member = || 0..MEMBERS;
    let topic = || 0..TOPICS;
    let small = || 0..BLOCK * 2;
    let lens = prop_oneof![
        3 => small().prop_map(|len| vec![len]),
        1 => (0..=LARGEST).prop_map(|len| vec![len]),
        1 => proptest::collection::vec(small(), 2..4),
    ];
    let dies = || prop_oneof![5 => Just(None), 1 => (0u32..18).prop_map(Some)];
    let op = prop_oneof![
        8 => (member(), topic(), lens, dies())
            .prop_map(|(member, topic, lens, dies)| Op::Publish { member, topic, lens, dies }),
        2 => (member(), topic(), dies()).prop_map(|(member, topic, dies)| Op::Subscribe { member, topic, dies }),
        1 => (member(), topic()).prop_map(|(member, topic)| Op::Unsubscribe { member, topic }),
        5 => (member(), 1..20u64, dies()).prop_map(|(member, budget, dies)| Op::Drain { member, budget, dies }),
        1 => member().prop_map(|member| Op::CutOff { member }),
        1 => Just(Op::Help),
        2 => (member(), dies()).prop_map(|(member, dies)| Op::Reap { member, dies }),
    ];
    proptest::collection::vec(op, 1..120)
}

/// A message as it is to arrive.
#[derive(Clone, Debug)]
struct Told {
    topic: TopicId,
    sequence: u64,
    member: u32,
    body: Vec<u8>,
}

/// A living member with its halves, and what it has read.
struct Living {
    publisher: Publisher,
    reader: Reader,
    interest: Interest,
    /// By topic, the position from which on messages are its.
    from: BTreeMap<u32, u64>,
    /// The next position it has not been given.
    next: u64,
}

impl Living {
    fn new(parts: &Parts<'_>, index: u32, number: u32) -> Living {
        Living {
            publisher: Publisher::new(index, number, 1),
            reader: Reader::new(parts, index),
            interest: Interest::default(),
            from: BTreeMap::new(),
            next: 0,
        }
    }
}

#[derive(Default)]
struct Taken(Vec<(Head, Vec<u8>)>);

impl Sink for Taken {
    fn fits(&mut self, _len: usize) -> bool {
        true
    }
    fn take(&mut self, head: &Head, copy: impl FnOnce(&mut [u8])) {
        let mut body = vec![0; head.len];
        copy(&mut body);
        self.0.push((*head, body));
    }
    fn discard(&mut self) {
        self.0.clear();
    }
}

struct Oracle {
    heap: Heap,
    /// Every message there is, by position: committed, whoever finalises it.
    told: Vec<Told>,
    /// None: dead and not yet reaped.
    living: Vec<Option<Living>>,
    tries: u8,
}

impl Oracle {
    fn new() -> Oracle {
        let heap = Heap::new(BLOCKS, MEMBERS as usize, TOPICS as usize).with_topics();
        let living = (0..MEMBERS).map(|index| Some(Living::new(&heap.parts(), index, index + 1))).collect();
        Oracle { heap, told: Vec::new(), living, tries: 0 }
    }

    fn is_committed(&self, position: u64) -> bool {
        matches!(Ring::of(&self.heap.parts()).read(position), At::Slot(_))
    }

    fn publish(&mut self, member: u32, topic_index: u32, lens: &[usize], dies: Option<u32>) {
        let parts = self.heap.parts();
        let Some(living) = &mut self.living[member as usize] else { return };
        self.tries = self.tries.wrapping_add(1);
        let body = |(nth, len): (usize, &usize)| {
            (0..*len).map(|at| (at as u8).wrapping_mul(7) ^ self.tries ^ (nth as u8) << 6).collect()
        };
        let mut bodies: Vec<Vec<u8>> = lens.iter().enumerate().map(body).collect();
        let what = Publication {
            topic: topic(topic_index),
            hash: topic_index as u16,
            flags: 0,
            time_ms: self.tries as u64,
        };
        let number = living.publisher.number;
        let mut act = || living.publisher.publish(&parts, what, bodies.iter().map(Vec::as_slice), |_| {});
        let outcome = match dies {
            Some(nth) => dying_at(ANY, nth, act),
            None => Some(act()),
        };
        let next = self.told.len() as u64;
        match outcome {
            Some(Err(refused)) => {
                assert_eq!(refused, Refused::Full);
                assert_eq!(
                    parts.members[member as usize].inflight.load(Acquire),
                    0,
                    "announced, and refused"
                );
                return;
            }
            Some(Ok(position)) => {
                assert_eq!(position, next + lens.len() as u64 - 1);
                assert!(parts.tail.load(Acquire) > position, "true, and not finalised");
            }
            None => {
                self.living[member as usize] = None;
                // Each all or nothing, in order: what has a slot is a message, whoever finalises it.
                let committed = (next..).take_while(|position| self.is_committed(*position)).count();
                assert!(committed <= bodies.len());
                bodies.truncate(committed);
            }
        }
        for body in bodies {
            let sequence = 1 + self.told.iter().filter(|told| told.topic == what.topic).count() as u64;
            self.told.push(Told { topic: what.topic, sequence, member: number, body });
        }
    }

    fn subscribe(&mut self, member: u32, topic_index: u32, dies: Option<u32>) {
        self.drain(member, u64::MAX, None);
        let parts = self.heap.parts();
        let Some(living) = &mut self.living[member as usize] else { return };
        if living.from.contains_key(&topic_index) {
            return;
        }
        let table = self.heap.table();
        let mut act = || {
            if !living.reader.is_reading() {
                living.reader.join(&parts);
            }
            living.interest.add(topic(topic_index), topic_index as u16, Reason::Name);
            table.set_subscriber(topic(topic_index), member, true);
            living.reader.begin(&parts, &mut living.interest, topic(topic_index)).0
        };
        let Some(from) = (match dies {
            Some(nth) => dying_at(ANY, nth, act),
            None => Some(act()),
        }) else {
            self.living[member as usize] = None;
            return;
        };
        // One that a dead publisher left at the tail may be before it or after: begin() helps only after it has read the tail.
        let tail = self.told.len() as u64;
        assert!(from == tail || from + 1 == tail, "from {from}, tail {tail}");
        if living.from.is_empty() {
            living.next = from;
        }
        living.from.insert(topic_index, from);
    }

    fn unsubscribe(&mut self, member: u32, topic_index: u32) {
        self.drain(member, u64::MAX, None);
        let parts = self.heap.parts();
        let Some(living) = &mut self.living[member as usize] else { return };
        if living.from.remove(&topic_index).is_none() {
            return;
        }
        living.interest.remove(topic(topic_index), topic_index as u16, Reason::Name);
        if living.interest.is_empty() && living.reader.is_reading() {
            living.reader.stop(&parts);
        }
        self.heap.table().set_subscriber(topic(topic_index), member, false);
    }

    /// The messages in a range of positions that are a member's.
    fn its(&self, living: &Living, range: std::ops::Range<u64>) -> Vec<(u64, Told)> {
        let told = range.map(|position| (position, self.told[position as usize].clone()));
        told.filter(|(position, told)| {
            living.from.get(&told.topic.index).is_some_and(|from| position >= from)
        })
        .collect()
    }

    fn drain(&mut self, member: u32, budget: u64, dies: Option<u32>) {
        let Some(mut living) = self.living[member as usize].take() else { return };
        let parts = self.heap.parts();
        let mut taken = Taken::default();
        let mut act = || {
            let tail = living.reader.tail(&parts);
            living.reader.drain(&parts, &mut living.interest, tail, budget, &mut taken)
        };
        let Some(drained) = (match dies {
            Some(nth) => dying_at(ANY, nth, act),
            None => Some(act()),
        }) else {
            return;
        };
        match drained {
            Drained::Cut => {
                assert!(taken.0.is_empty());
                living.reader.join(&parts);
                let gaps = living.reader.missed(&parts, &mut living.interest);
                let cursor = living.reader.cursor();
                let missed = self.its(&living, living.next..cursor);
                let mut expected: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
                for (_, told) in missed {
                    expected.entry(told.topic.index).or_insert((told.sequence, 0)).1 = told.sequence;
                }
                let gaps: BTreeMap<_, _> =
                    gaps.into_iter().map(|(id, from, to)| (id.index, (from, to))).collect();
                assert_eq!(gaps, expected, "what was missed");
                living.next = cursor;
            }
            Drained::All | Drained::More if living.reader.is_reading() => {
                let cursor = living.reader.cursor();
                let expected = self.its(&living, living.next..cursor);
                assert_eq!(taken.0.len(), expected.len(), "lost or doubled");
                for ((head, body), (position, told)) in taken.0.iter().zip(expected) {
                    let got = (head.position, head.topic, head.sequence, head.member);
                    assert_eq!(got, (position, told.topic, told.sequence, told.member));
                    assert!(*body == told.body, "torn");
                }
                living.next = cursor;
                if drained == Drained::All {
                    assert_eq!(cursor, parts.tail.load(Acquire));
                }
            }
            Drained::All => assert!(taken.0.is_empty(), "not reading, and given something"),
            other => panic!("{other:?}"),
        }
        self.living[member as usize] = Some(living);
    }

    fn reap(&mut self, member: u32, dies: Option<u32>) {
        if self.living[member as usize].is_some() {
            return;
        }
        let parts = self.heap.parts();
        let state = || MemberState(parts.members[member as usize].identity.state.load(Acquire));
        if let Some(nth) = dies {
            let seen = state();
            dying_at(ANY, nth, || reap(&parts, &self.heap.table(), member, seen));
        }
        if state().in_use() {
            assert_eq!(reap(&parts, &self.heap.table(), member, state()), Ok(true));
        }
        assert_eq!(parts.members[member as usize].inflight.load(Acquire), 0, "its room is held");
        let newcomer = Newcomer::choose(&self.heap.header, &parts).expect("a place");
        assert_eq!(newcomer.index, member);
        attach(&parts, newcomer, Identity { pid: 1, started: 1, namespace: 1 }, 0, 0);
        self.living[member as usize] = Some(Living::new(&parts, member, newcomer.number));
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Publish { member, topic, ref lens, dies } => self.publish(member, topic, lens, dies),
            Op::Subscribe { member, topic, dies } => self.subscribe(member, topic, dies),
            Op::Unsubscribe { member, topic } => self.unsubscribe(member, topic),
            Op::Drain { member, budget, dies } => self.drain(member, budget, dies),
            Op::CutOff { member } => {
                let state = &self.heap.members[member as usize].identity.state;
                let seen = MemberState(state.load(Acquire));
                if seen.is_reading() {
                    assert!(cut_off(&self.heap.members[member as usize], seen));
                }
            }
            Op::Help => Ring::of(&self.heap.parts()).help_at_tail().expect("sound"),
            Op::Reap { member, dies } => self.reap(member, dies),
        }
        let tail = self.heap.parts().tail.load(Acquire);
        let told = self.told.len() as u64;
        assert!(
            tail == told || tail + 1 == told,
            "tail {tail} of {told}: at most the last one is not finalised"
        );
    }

    /// In the end the dead are reaped and the living have read: everything is everybody's, and all room is there.
    fn end(mut self) {
        for member in 0..MEMBERS {
            self.reap(member, None);
        }
        Ring::of(&self.heap.parts()).help_at_tail().expect("sound");
        for round in 0..4 {
            for member in 0..MEMBERS {
                // One that was cut off joins again first.
                self.drain(member, u64::MAX, None);
                self.drain(member, u64::MAX, None);
            }
            let before = self.told.len();
            self.publish(round % MEMBERS, 0, &[LARGEST], None);
            assert_eq!(self.told.len(), before + 1, "room was lost");
        }
        let parts = self.heap.parts();
        assert_eq!(Slab::of(&parts).floor().position, parts.alloc.load(Acquire), "a reservation was left");
        for (index, living) in (0..).zip(&self.living) {
            let living = living.as_ref().expect("all were reaped");
            for topic in 0..TOPICS {
                let bit = parts.row(topic)[0].load(Acquire) >> index & 1 == 1;
                assert_eq!(bit, living.from.contains_key(&topic), "the bit of member {index}, topic {topic}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everybody_reads_what_a_vector_holds_whoever_dies_at_whatever_step(ops in ops()) {
        let mut oracle = Oracle::new();
        for op in &ops {
            oracle.apply(op);
        }
        oracle.end();
    }
}
