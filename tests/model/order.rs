//! Publishers and a reader at once, over a slab and a ring that go round: every message exactly once, whole, in one
//! order, with positions and sequences without holes; also when a publisher dies.

use super::bench::{
    Heap, Listener, PUBLISH_STEPS, check_space, explore, publish, publish_two, publisher,
    publisher_with_room, spawn, topic,
};
use crate::bus::inside::{Publication, Refused};
use crate::death::dying_at;
use crate::layout::{MemberState, Parts};
use crate::reap::reap;
use crate::sync::{BLOCK, Ordering::Acquire};
use std::sync::Arc;

/// Messages nobody reads, to fill the slab: they pass by.
fn fill(parts: &Parts<'_>, blocks: usize) {
    let what = Publication { topic: topic(1), hash: 1, flags: 0, time_ms: 0 };
    let body = vec![0; (blocks - 1) * BLOCK];
    publisher(0).publish(parts, what, std::iter::once(&body[..]), |_| {}).expect("there is room");
}

/// The slab has gone round; there is room for one message before the reader reads on, and for both after.
#[test]
fn two_publishers_and_a_reader_go_round() {
    explore("two publishers and a reader", 1, || {
        let heap = Arc::new(Heap::new(16, 3, 2).with_topics());
        let parts = heap.parts();
        let mut listener = Listener::join(&parts, 2);
        fill(&parts, 7);
        fill(&parts, 7);
        listener.drain(&parts);
        fill(&parts, 8);
        let threads = [0, 1].map(|index| {
            let mut publisher = publisher_with_room(&parts, index);
            let heap = heap.clone();
            spawn(1 + index as usize, move || {
                // Full: the reader has not read on yet.
                match publish(&mut publisher, &heap.parts(), topic(0), index as u64 * 100, true) {
                    Ok(_) => true,
                    Err(refused) => {
                        assert_eq!(refused, Refused::Full);
                        false
                    }
                }
            })
        });
        listener.drain(&parts);
        let sent = threads.map(|thread| thread.join().expect("a publisher"));
        listener.finish(&parts, 3);
        for (index, sent) in sent.into_iter().enumerate() {
            let expected = if sent { vec![index as u64 * 100] } else { vec![] };
            assert_eq!(listener.ids_of(index as u64), expected);
        }
        assert!(sent[0] || sent[1], "there was room for one");
        listener.reader.stop(&parts);
        check_space(&parts);
    });
}

/// Two at once are announced as one: who computes a floor meanwhile must not take the room of the second.
#[test]
fn one_publishes_two_at_once_beside_another_that_goes_round() {
    explore("two at once, another and a reader", 1, || {
        let heap = Arc::new(Heap::new(4, 3, 1).with_topics());
        let parts = heap.parts();
        let mut listener = Listener::join(&parts, 2);
        let theirs = heap.clone();
        let many = spawn(1, move || {
            // Full: the other took the room first.
            publish_two(&mut publisher(0), &theirs.parts(), topic(0), 0)
        });
        let theirs = heap.clone();
        let other = spawn(2, move || {
            let mut own = publisher(1);
            // With the two they are more than the slab holds: the room of what the reader has passed.
            (100..102)
                .filter(|id| publish(&mut own, &theirs.parts(), topic(0), *id, false).is_ok())
                .collect::<Vec<_>>()
        });
        listener.drain(&parts);
        let two = many.join().expect("who publishes two");
        let sent = other.join().expect("the other");
        listener.finish(&parts, 0);
        assert_eq!(listener.ids_of(0), if two.is_ok() { vec![0, 0] } else { vec![] });
        assert_eq!(listener.ids_of(1), sent);
        assert!(two.is_ok_and(|last| last < parts.tail.load(Acquire)) || two == Err(Refused::Full));
        listener.reader.stop(&parts);
        check_space(&parts);
    });
}

#[test]
fn two_at_once_fill_the_slab_beside_another_that_goes_round() {
    explore("two at once, all of the slab", 1, || {
        let heap = Arc::new(Heap::new(2, 3, 1).with_topics());
        let parts = heap.parts();
        let mut listener = Listener::join(&parts, 2);
        let theirs = heap.clone();
        let many = spawn(1, move || {
            // Full: the other took the room first.
            publish_two(&mut publisher(0), &theirs.parts(), topic(0), 0)
        });
        let theirs = heap.clone();
        let other = spawn(2, move || {
            let parts = theirs.parts();
            let mut own = publisher(1);
            // With the two they are more than the slab holds: the room of what has been read, and not of what is still written.
            let sent = (100..102).filter(|id| {
                listener.drain(&parts);
                publish(&mut own, &parts, topic(0), *id, false).is_ok()
            });
            let sent: Vec<_> = sent.collect();
            (sent, listener)
        });
        let two = many.join().expect("who publishes two");
        let (sent, mut listener) = other.join().expect("the other");
        listener.finish(&parts, 0);
        assert_eq!(listener.ids_of(0), if two.is_ok() { vec![0, 0] } else { vec![] });
        assert_eq!(listener.ids_of(1), sent);
        assert!(two.is_ok_and(|last| last < parts.tail.load(Acquire)) || two == Err(Refused::Full));
        listener.reader.stop(&parts);
        check_space(&parts);
    });
}

#[test]
fn the_survivors_go_on_when_a_publisher_dies_after_any_step() {
    for step in PUBLISH_STEPS {
        explore(&format!("order, death after {step}"), 1, move || {
            let heap = Arc::new(Heap::new(4, 3, 1).with_topics());
            let mut listener = Listener::join(&heap.parts(), 2);
            {
                let parts = heap.parts();
                // The ring and the slab go round in what follows.
                let mut before = publisher(0);
                for id in 900..903 {
                    publish(&mut before, &parts, topic(0), id, true).expect("there is room");
                    listener.drain(&parts);
                }
            }
            let theirs = heap.clone();
            let dying = spawn(1, move || {
                let parts = theirs.parts();
                let mut publisher = publisher(0);
                let died = dying_at(step, 0, || publish(&mut publisher, &parts, topic(0), 0, true));
                died.is_none()
            });
            // At once, with no timer: nothing waits for the dead.
            let parts = heap.parts();
            let mut survivor = publisher(1);
            publish(&mut survivor, &parts, topic(0), 100, true).expect("there is room");
            listener.drain(&parts);
            let died = dying.join().expect("the dying");
            publish(&mut survivor, &parts, topic(0), 101, true).expect("there is room");
            listener.drain(&parts);
            let seen = MemberState(parts.members[0].identity.state.load(Acquire));
            assert_eq!(reap(&parts, &heap.table(), 0, seen), Ok(true));
            for id in 102..106 {
                publish(&mut survivor, &parts, topic(0), id, true).expect("the space came back");
                listener.drain(&parts);
            }
            listener.finish(&parts, 0);
            assert_eq!(listener.ids_of(1), (100..106).collect::<Vec<_>>());
            // From the commit on it is there, before it is not. Helping, it may have died over the other's message; and
            // the other may have left nothing to help with.
            let there = listener.ids_of(0);
            match (step, died) {
                ("publish: committed", _) => assert_eq!(there, [0]),
                (step, false) if step.starts_with("help") => assert_eq!(there, [0]),
                (step, true) if step.starts_with("help") => assert!(there.len() <= 1),
                _ => assert!(died && there.is_empty()),
            }
            listener.reader.stop(&parts);
            check_space(&parts);
        });
    }
}
