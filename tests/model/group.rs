//! Members of a group who take messages, while others publish, cut them off, overwrite what they look at, or leave.

use super::bench::{
    Batch, Got, Heap, explore, publish, publish_and_post, publisher, publisher_with_room, spawn, topic,
};
use crate::bus::inside::{
    Fanout, Reader, Refused, Spin, Ticks, Took, TopicRef, cut_off_group as cut_off, has_work,
    join_group as join, take,
};
use crate::death::dying_at;
use crate::layout::GroupState;
use crate::layout::Parts;
use crate::segment::Place;
use crate::slab::Slab;
use crate::sync::Ordering::{Acquire, SeqCst};
use crate::sync::{fence, fence_after_rmw};
use crate::wake::Semaphore;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const TOPIC: TopicRef = TopicRef { id: topic(0), hash: 7 };
const ROW: u32 = 0;

fn place() -> Place {
    Place::new("model", 0o600)
}

/// A bus with one group of topic 0, of these members.
fn grouped(blocks: usize, members: usize, topics: usize, of: &[u32]) -> Arc<Heap> {
    let heap = Heap::new(blocks, members, topics).with_topics().with_groups(1);
    let table = heap.table();
    table.make_group(topic(0), b"g", of[0]).expect("a row");
    of[1..].iter().for_each(|&member| table.enter_group(ROW, member));
    join(&heap.parts(), ROW, topic(0));
    Arc::new(heap)
}

/// One attempt. The message, if it got one.
fn take_one(parts: &Parts<'_>, member: u32) -> (Took, Option<Got>) {
    let mut batch = Batch::default();
    let took = take(parts, ROW, TOPIC, &parts.members[member as usize], 100, &mut batch);
    let got = batch.0.pop();
    assert_eq!(matches!(took, Took::Message(_)), got.is_some(), "{took:?} {got:?}");
    if let Some(got) = got {
        assert_ne!(got.id, u64::MAX, "a torn message was believed: {got:?}");
    }
    (took, got)
}

/// Whatever there is, until there is nothing.
fn take_all(parts: &Parts<'_>, member: u32, got: &mut Vec<u64>) {
    loop {
        match take_one(parts, member) {
            (_, Some(message)) => got.push(message.sequence),
            (Took::Nothing, _) => return,
            (Took::More, _) => {}
            (took, _) => panic!("{took:?}"),
        }
    }
}

fn taker(heap: &Arc<Heap>, thread: usize, member: u32) -> loom::thread::JoinHandle<Vec<u64>> {
    let heap = heap.clone();
    spawn(thread, move || {
        let mut got = Vec::new();
        take_all(&heap.parts(), member, &mut got);
        got
    })
}

/// Each number once.
fn assert_each_once(mut got: Vec<u64>, numbers: impl Iterator<Item = u64>) {
    got.sort_unstable();
    assert_eq!(got, numbers.collect::<Vec<_>>());
}

/// The whole slab is free again.
fn assert_nothing_held(parts: &Parts<'_>) {
    let slab = Slab::of(parts);
    assert_eq!(slab.limit(|_| {}).position, parts.alloc.load(Acquire) + slab.bytes(), "slab space is held");
}

#[test]
fn one_publishes_over_what_another_takes() {
    explore("one takes, one overwrites", 2, || {
        let heap = grouped(2, 2, 1, &[0]);
        let parts = heap.parts();
        let mut writer = publisher(1);
        for id in 0..2 {
            publish(&mut writer, &parts, topic(0), id, true).expect("there is room");
        }
        let theirs = heap.clone();
        let publishes = spawn(1, move || {
            let parts = theirs.parts();
            (2..4).filter(|id| publish(&mut writer, &parts, topic(0), *id, true).is_ok()).count() as u64
        });
        let mut got = Vec::new();
        take_all(&parts, 0, &mut got);
        let published = publishes.join().expect("a publisher");
        take_all(&parts, 0, &mut got);
        assert_each_once(got, 1..=2 + published);
        assert_nothing_held(&parts);
    });
}

/// What one copies the other has taken, and a third overwrites.
#[test]
fn two_take_and_one_publishes_over_it() {
    explore("two take, one overwrites", 1, || {
        let heap = grouped(2, 3, 1, &[0, 1]);
        let parts = heap.parts();
        let mut writer = publisher(2);
        publish(&mut writer, &parts, topic(0), 1, false).expect("there is room");
        let (theirs, others) = (heap.clone(), heap.clone());
        let publishes = spawn(1, move || publish(&mut writer, &theirs.parts(), topic(0), 2, false).is_ok());
        let takes = spawn(2, move || take_one(&others.parts(), 1).1);
        let first = take_one(&parts, 0).1;
        let second = takes.join().expect("a taker");
        let published = publishes.join().expect("a publisher");
        let mut got: Vec<u64> = [first, second].into_iter().flatten().map(|got| got.sequence).collect();
        take_all(&parts, 0, &mut got);
        assert_each_once(got, 1..=1 + u64::from(published));
    });
}

#[test]
fn two_take_among_messages_of_another_topic() {
    explore("two take, another topic", 1, || {
        let heap = grouped(4, 3, 2, &[0, 1]);
        let parts = heap.parts();
        let mut writer = publisher(2);
        for (of, id) in [(1, 0), (0, 1), (1, 2)] {
            publish(&mut writer, &parts, topic(of), id, true).expect("there is room");
        }
        let theirs = heap.clone();
        let publishes = spawn(1, move || {
            publish(&mut writer, &theirs.parts(), topic(0), 3, true).expect("there is room")
        });
        let takes = taker(&heap, 2, 1);
        let mut got = Vec::new();
        take_all(&parts, 0, &mut got);
        publishes.join().expect("a publisher");
        got.extend(takes.join().expect("a taker"));
        take_all(&parts, 0, &mut got);
        assert_each_once(got, 1..=2);
        assert_nothing_held(&parts);
    });
}

/// What is missed is exactly what nobody took, however late a taker is.
#[test]
fn a_group_is_cut_off_and_joined_again_while_one_takes() {
    explore("cut off and joined, one takes", 3, || {
        let heap = grouped(4, 2, 1, &[0]);
        let parts = heap.parts();
        let mut writer = publisher(1);
        for id in 0..2 {
            publish(&mut writer, &parts, topic(0), id, true).expect("there is room");
        }
        let theirs = heap.clone();
        let cuts = spawn(1, move || {
            let group = &theirs.groups[0];
            cut_off(group, GroupState(group.gate.state.load(Acquire)));
            join(&theirs.parts(), ROW, topic(0))
        });
        let mut all = Vec::new();
        all.extend(take_one(&parts, 0).1.map(|got| got.sequence));
        all.extend(cuts.join().expect("who cuts").into_iter().flat_map(|(from, to)| from..=to));
        publish(&mut writer, &parts, topic(0), 2, true).expect("there is room");
        take_all(&parts, 0, &mut all);
        assert_each_once(all, 1..=3);
        assert_nothing_held(&parts);
    });
}

/// R10: who cuts it off overwrites what its member copies.
#[test]
fn a_group_is_cut_off_and_overwritten_while_one_takes() {
    explore("cut off and overwritten, one takes", 2, || {
        let heap = grouped(2, 2, 1, &[0]);
        let parts = heap.parts();
        let mut writer = publisher(1);
        publish(&mut writer, &parts, topic(0), 1, false).expect("there is room");
        let theirs = heap.clone();
        let cuts = spawn(1, move || {
            let group = &theirs.groups[0];
            cut_off(group, GroupState(group.gate.state.load(Acquire)));
            publish(&mut writer, &theirs.parts(), topic(0), 2, false).expect("there is room");
        });
        let taken = take_one(&parts, 0).1;
        cuts.join().expect("who cuts");
        let missed = join(&parts, ROW, topic(0));
        let mut all: Vec<u64> = taken.into_iter().map(|got| got.sequence).collect();
        all.extend(missed.into_iter().flat_map(|(from, to)| from..=to));
        assert_each_once(all, 1..=2);
    });
}

/// Who joins it again dies at a step; the next one joins it, and tells no more than was missed.
#[test]
fn who_joins_a_group_again_dies() {
    for step in ["group: gate set", "group: joining", "group: placed", "group: joined"] {
        explore("rejoin, a death", 1, move || {
            let heap = grouped(4, 3, 1, &[0]);
            let parts = heap.parts();
            let mut writer = publisher(2);
            for id in 0..2 {
                publish(&mut writer, &parts, topic(0), id, true).expect("there is room");
            }
            let mut got = Vec::new();
            got.extend(take_one(&parts, 0).1.map(|got| got.sequence));
            let group = &heap.groups[0];
            assert!(cut_off(group, GroupState(group.gate.state.load(Acquire))));
            let theirs = heap.clone();
            let publishes =
                spawn(1, move || publish(&mut writer, &theirs.parts(), topic(0), 2, true).is_ok());
            assert!(dying_at(step, 0, || join(&parts, ROW, topic(0))).is_none());
            let published = publishes.join().expect("a publisher");
            let state = || GroupState(group.gate.state.load(Acquire));
            if !state().is_reading() {
                let missed = join(&parts, ROW, topic(0));
                assert!(missed.is_none_or(|(from, to)| from >= 2 && to <= 2 + u64::from(published)));
                got.extend(missed.into_iter().flat_map(|(from, to)| from..=to));
            } else {
                // It had told nobody.
                got.push(2);
            }
            take_all(&parts, 0, &mut got);
            // A death after its place was stored takes what it would have told with it.
            let told = got.len() as u64;
            let all = 2 + u64::from(published);
            assert!(told == all || matches!(step, "group: placed" | "group: joined"), "{got:?} of {all}");
            got.windows(2).for_each(|pair| assert!(pair[0] < pair[1], "twice: {got:?}"));
            assert_nothing_held(&parts);
        });
    }
}

/// R8, of a row: a publisher that does not see it has reserved below what its second floor says.
#[test]
fn a_group_begins_while_a_publisher_is_about_to_overwrite() {
    explore("a group begins", 1, || {
        let heap = Arc::new(Heap::new(4, 2, 1).with_topics().with_groups(1));
        let parts = heap.parts();
        let mut own = publisher_with_room(&parts, 1);
        let theirs = heap.clone();
        let thread = spawn(1, move || {
            let mut publisher = publisher(0);
            for id in 1..4 {
                if publish(&mut publisher, &theirs.parts(), topic(0), id, false) == Err(Refused::Full) {
                    return;
                }
            }
        });
        heap.table().make_group(topic(0), b"g", 1).expect("a row");
        join(&parts, ROW, topic(0));
        let before = parts.groups.all[0].gate.taken.load(Acquire);
        for id in 100..102 {
            let _ = publish(&mut own, &parts, topic(0), id, id == 101);
        }
        thread.join().expect("the publisher");
        let mut got = Vec::new();
        take_all(&parts, 1, &mut got);
        assert_each_once(got, before + 1..=parts.topics.all[0].sequence.load(Acquire));
    });
}

/// A member as `Attachment` is one: takes, hands on, sleeps.
struct Worker {
    reader: Reader,
    member: u32,
    fanout: Fanout,
    semaphore: Semaphore,
    spin: Spin,
}

impl Worker {
    fn new(parts: &Parts<'_>, member: u32) -> Worker {
        let semaphore = Semaphore::create(&place().member_semaphore(member + 1), 0o600).expect("a semaphore");
        let (reader, fanout, spin) =
            (Reader::new(parts, member), Fanout::default(), Spin::new(Duration::ZERO));
        Worker { reader, member, fanout, semaphore, spin }
    }

    /// One message, and another is woken if there are more.
    fn take(&mut self, parts: &Parts<'_>) -> Option<u64> {
        loop {
            let (took, got) = take_one(parts, self.member);
            if let Some(got) = got {
                fence_after_rmw();
                if parts.topics.all[0].sequence.load(Acquire) > got.sequence {
                    self.fanout.post_one(parts, &place(), parts.group_row(ROW), 1, Ticks::default());
                }
                return Some(got.sequence);
            }
            if !matches!(took, Took::More) {
                return None;
            }
        }
    }

    /// True: asleep; false: there is something.
    fn falls_asleep(&mut self, parts: &Parts<'_>) -> bool {
        let me = &parts.members[self.member as usize];
        let look = |_: &mut Reader| !matches!(has_work(parts, ROW, TOPIC, me), Took::Nothing);
        !self.spin.fall_asleep(parts, &mut self.reader, &self.semaphore, Duration::MAX, look)
    }
}

/// Of two who sleep, one is posted to for each message, or the first hands on: while the first one's listener runs for ever, the
/// second has taken the other message, or was woken for it.
#[test]
fn a_busy_member_leaves_nothing_to_a_sleeper() {
    explore("baton", 2, || {
        let heap = grouped(16, 3, 1, &[0, 1]);
        let parts = heap.parts();
        let mut other = Worker::new(&parts, 1);
        assert!(other.falls_asleep(&parts));
        let mut worker = Worker::new(&parts, 0);
        assert!(worker.falls_asleep(&parts));
        let mut writer = publisher_with_room(&parts, 2);
        let theirs = heap.clone();
        let publishes = spawn(1, move || {
            let mut fanout = Fanout::default();
            for id in 0..2 {
                publish_and_post(&mut writer, &mut fanout, &theirs.parts(), &place(), topic(0), id);
            }
        });
        // Woken by whatever: it takes one, and its listener does not return.
        worker.reader.disarm(&parts);
        let taken = worker.take(&parts);
        if taken.is_none() {
            assert!(worker.falls_asleep(&parts) || worker.take(&parts).is_some());
        }
        publishes.join().expect("a publisher");
        let left = 2 - parts.groups.all[0].gate.taken.load(SeqCst);
        let woken = u64::from(other.semaphore.is_posted())
            + u64::from(worker.reader.is_armed() && worker.semaphore.is_posted());
        assert!(left == 0 || woken > 0, "{left} are left, and nobody is woken");
    });
}

/// Two publish one message each, both to a member that is just falling asleep: nothing is left when it sleeps unposted.
#[test]
fn a_member_falls_asleep_while_one_publishes_twice() {
    explore("a member sleeps", 2, || {
        let heap = grouped(16, 3, 1, &[0]);
        let parts = heap.parts();
        let mut worker = Worker::new(&parts, 0);
        let mut writer = publisher_with_room(&parts, 2);
        let theirs = heap.clone();
        let publishes = spawn(1, move || {
            let mut fanout = Fanout::default();
            for id in 0..2 {
                publish_and_post(&mut writer, &mut fanout, &theirs.parts(), &place(), topic(0), id);
            }
        });
        let mut got = 0;
        while got < 2 {
            if worker.falls_asleep(&parts) {
                worker.semaphore.wait(Duration::MAX);
                worker.reader.disarm(&parts);
            }
            got += u64::from(worker.take(&parts).is_some());
        }
        publishes.join().expect("a publisher");
    });
}

/// One leaves that was chosen to be woken: what it was woken for, another is.
#[test]
fn a_member_leaves_while_one_publishes() {
    explore("a member leaves", 3, || {
        let heap = grouped(16, 3, 1, &[0, 1]);
        let parts = heap.parts();
        let mut other = Worker::new(&parts, 1);
        assert!(other.falls_asleep(&parts));
        let mut leaver = Worker::new(&parts, 0);
        assert!(leaver.falls_asleep(&parts));
        let mut writer = publisher_with_room(&parts, 2);
        let theirs = heap.clone();
        let publishes = spawn(1, move || {
            let mut fanout = Fanout::default();
            publish_and_post(&mut writer, &mut fanout, &theirs.parts(), &place(), topic(0), 0);
        });
        // As `step_out` does.
        heap.table().leave_group(ROW, 0);
        fence(SeqCst);
        if !matches!(has_work(&parts, ROW, TOPIC, &parts.members[0]), Took::Nothing) {
            leaver.fanout.post_one(&parts, &place(), parts.group_row(ROW), 1, Ticks::default());
        }
        publishes.join().expect("a publisher");
        assert!(other.semaphore.is_posted(), "nobody is woken for it");
    });
}

/// What was taken and not consumed is seen in one of two places by who waits for that.
#[test]
fn who_waits_until_all_is_consumed_misses_no_message_under_way() {
    explore("settled", 3, || {
        let heap = grouped(4, 2, 1, &[0]);
        let parts = heap.parts();
        publish(&mut publisher(1), &parts, topic(0), 0, true).expect("there is room");
        let consumed = Arc::new(Mutex::new(BTreeMap::new()));
        let (theirs, done) = (heap.clone(), consumed.clone());
        let takes = spawn(1, move || {
            let parts = theirs.parts();
            assert!(take_one(&parts, 0).1.is_some());
            done.lock().expect("unpoisoned").insert(0, ());
            parts.members[0].reading.holds.store(0, crate::sync::Ordering::Release);
        });
        let gate = &parts.groups.all[0].gate;
        let cursor = crate::layout::GroupCursor(gate.cursor.load(Acquire)).position(1);
        if cursor >= 1 && parts.members[0].reading.holds.load(Acquire) == 0 {
            assert!(!consumed.lock().expect("unpoisoned").is_empty(), "settled while its listener runs");
        }
        takes.join().expect("a taker");
    });
}
