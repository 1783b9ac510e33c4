//! Joining, being cut off, coming back, and the numbers one goes by.

use super::bench::{Heap, Listener, explore, publish, publisher, publisher_with_room, spawn, topic};
use crate::bus::Drained;
use crate::bus::inside::{Reader, Refused, cut_off};
use crate::layout::{Frame, FrameFields, MemberState, frame_bytes};
use crate::ring::Ring;
use crate::slab::Slab;
use crate::sync::Ordering::{Acquire, Release, SeqCst};
use std::sync::Arc;

/// A publisher computes its limit, and overwrites as far as it goes, while the bus' first reader joins.
#[test]
fn a_reader_joins_while_a_publisher_is_about_to_overwrite() {
    explore("join", 1, || {
        let heap = Arc::new(Heap::new(4, 2, 1).with_topics());
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
        let mut listener = Listener::join(&parts, 1);
        let from = listener.reader.cursor();
        // What it has not read is more than half a slab: the other's next message reaches it if it was overlooked.
        for id in 100..102 {
            let _ = publish(&mut own, &parts, topic(0), id, id == 101);
        }
        thread.join().expect("the publisher");
        listener.finish(&parts, from);
        assert!(listener.gaps.is_empty());
    });
}

/// What moves the floor is a third one's, who was about to commit: the publisher learns nothing of the reader from it.
#[test]
fn a_reader_joins_while_one_commits_and_another_overwrites() {
    explore("join, two publishers", 1, || {
        let heap = Arc::new(Heap::new(4, 3, 1).with_topics());
        let parts = heap.parts();
        let slab = Slab::of(&parts);
        let mut limit = slab.limit(|_| {});
        let at = slab.reserve(&parts.members[0], frame_bytes(8), &mut limit, |_| {}).expect("there is room");
        let unit = slab.unit(at);
        let fields =
            FrameFields { floor: limit.floor, topic_generation: 1, time_ms: 7, len: 8, ..Default::default() };
        Frame::at(parts.blocks, unit).write(&fields);
        slab.write_body(at, &7u64.to_ne_bytes());
        publish(&mut publisher(1), &parts, topic(0), 100, true).expect("there is room");
        let (theirs, others) = (heap.clone(), heap.clone());
        let commits = spawn(1, move || {
            let parts = theirs.parts();
            Ring::of(&parts).commit(unit, 0, 7).expect("nothing is corrupt");
            parts.members[0].inflight.store(0, Release);
        });
        let overwrites = spawn(2, move || {
            let _ = publish(&mut publisher(1), &others.parts(), topic(0), 101, false);
        });
        let mut listener = Listener::join(&parts, 2);
        let from = listener.reader.cursor();
        commits.join().expect("a publisher");
        overwrites.join().expect("a publisher");
        listener.finish(&parts, from);
    });
}

/// The slab is full; a publisher takes room the moment the reader has given it.
#[test]
fn a_publisher_follows_close_behind_a_reader() {
    explore("close behind", 2, || {
        let heap = Arc::new(Heap::new(2, 2, 1).with_topics());
        let parts = heap.parts();
        let mut listener = Listener::join(&parts, 1);
        let mut publisher = publisher(0);
        for id in 0..2 {
            publish(&mut publisher, &parts, topic(0), id, true).expect("there is room");
        }
        let theirs = heap.clone();
        let thread = spawn(1, move || {
            let _ = publish(&mut publisher, &theirs.parts(), topic(0), 2, true);
        });
        listener.drain(&parts);
        thread.join().expect("the publisher");
        listener.finish(&parts, 0);
        assert!(listener.gaps.is_empty());
    });
}

/// Who cuts off and who overwrites are two: what is read is disbelieved all the same.
#[test]
fn a_reader_is_cut_off_by_another_than_who_overwrites() {
    explore("cut off by another", 2, || {
        let heap = Arc::new(Heap::new(2, 2, 1).with_topics());
        let parts = heap.parts();
        let mut listener = Listener::join(&parts, 1);
        let mut publisher = publisher(0);
        for id in 0..2 {
            publish(&mut publisher, &parts, topic(0), id, true).expect("there is room");
        }
        let (theirs, others) = (heap.clone(), heap.clone());
        let cuts = spawn(1, move || {
            let member = &theirs.members[1];
            cut_off(member, MemberState(member.identity.state.load(Acquire)));
        });
        let overwrites = spawn(2, move || {
            let _ = publish(&mut publisher, &others.parts(), topic(0), 2, true);
        });
        // Either all of it as it was, or nothing.
        let mut got = Vec::new();
        let drained = listener.drain_once(&parts, &mut got);
        cuts.join().expect("who cuts off");
        overwrites.join().expect("the publisher");
        let ids: Vec<u64> = got.iter().map(|got| got.id).collect();
        match drained {
            Drained::All => assert!(ids == [0, 1] || ids == [0, 1, 2], "believed {ids:?}"),
            Drained::Cut => assert!(ids.is_empty(), "believed {ids:?}"),
            Drained::More | Drained::Corrupt => panic!("a drain ended with {drained:?}"),
        }
    });
}

/// What it reads is overwritten the moment it is cut off; what it lost is told to the message.
#[test]
fn a_reader_is_cut_off_while_it_drains() {
    explore("cut off", 2, || {
        // The least there is: what may be read old or new multiplies.
        let heap = Arc::new(Heap::new(2, 2, 1).with_topics());
        let parts = heap.parts();
        let mut listener = Listener::join(&parts, 1);
        let mut publisher = publisher(0);
        for id in 0..2 {
            publish(&mut publisher, &parts, topic(0), id, true).expect("there is room");
        }
        let theirs = heap.clone();
        let thread = spawn(1, move || {
            let parts = theirs.parts();
            let state = MemberState(parts.members[1].identity.state.load(Acquire));
            cut_off(&parts.members[1], state);
            // Full: it came back already, and reads from where it came.
            let _ = publish(&mut publisher, &parts, topic(0), 2, true);
        });
        listener.drain(&parts);
        thread.join().expect("the publisher");
        listener.drain(&parts);
        listener.drain(&parts);
        // Delivered and missed together are everything, once.
        let mut numbers: Vec<u64> = listener.got.iter().map(|got| got.sequence).collect();
        for &(_, first, last) in &listener.gaps {
            numbers.extend(first..=last);
        }
        numbers.sort_unstable();
        let all: Vec<u64> = (1..=parts.topics.all[0].sequence.load(Acquire)).collect();
        assert_eq!(numbers, all, "got {:?}, missed {:?}", listener.got, listener.gaps);
    });
}

fn check_number_before(publishers: usize, preemptions: usize) {
    explore(&format!("numbers before, {publishers} publishing"), preemptions, move || {
        let heap = Arc::new(Heap::new(16, 3, 1).with_topics());
        let parts = heap.parts();
        let mut reader = Reader::new(&parts, 2);
        reader.join(&parts);
        let threads: Vec<_> = (0..publishers)
            .map(|index| {
                let heap = heap.clone();
                let mut publisher = publisher_with_room(&parts, index as u32);
                spawn(1 + index, move || {
                    for id in 0..3 - publishers as u64 {
                        publish(&mut publisher, &heap.parts(), topic(0), id, true).expect("there is room");
                    }
                })
            })
            .collect();
        let from = parts.tail.load(SeqCst);
        let before = reader.numbers_before(&parts, from, &[topic(0)])[0];
        for thread in threads {
            thread.join().expect("a publisher");
        }
        // One topic, nothing lost: the message at position p has the number p + 1.
        assert_eq!(before, from, "the first message here has the number {}", from + 1);
    });
}

/// Helpers move a topic's counter before the tail: the number of the last message before a subscription is neither the
/// one nor the other.
#[test]
fn a_subscriber_learns_its_first_number_while_one_publishes() {
    check_number_before(1, 3);
}

#[test]
fn a_subscriber_learns_its_first_number_while_two_publish() {
    check_number_before(2, 1);
}
