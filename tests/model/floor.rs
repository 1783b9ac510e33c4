//! `floor()` against publishers at every step: whatever it returns, every frame at its tail or later lies at or above its
//! position. All of reuse rests on this.

use super::bench::{Heap, PUBLISH_STEPS, explore, publish, publisher_with_room, spawn, standing, topic};
use crate::death::dying_at;
use crate::layout::{Identity, MemberState, Parts};
use crate::reap::reap;
use crate::registry::{Newcomer, attach};
use crate::ring::Ring;
use crate::slab::{Floor, Slab};
use crate::sync::Ordering::Acquire;
use std::sync::Arc;

fn check(parts: &Parts<'_>, floors: &[Floor]) {
    // What a dead publisher committed counts, whoever finalises it.
    Ring::of(parts).help_at_tail().expect("nothing is corrupt");
    for floor in floors {
        for frame in standing(parts, floor.tail) {
            assert!(
                frame.slab_position >= floor.position,
                "position {} lies at {}, below {floor:?}",
                frame.position,
                frame.slab_position
            );
        }
    }
}

#[test]
fn a_floor_while_one_publishes_twice() {
    explore("floor, one publisher", 3, || {
        let heap = Arc::new(Heap::new(16, 1, 1).with_topics());
        let theirs = heap.clone();
        let thread = spawn(1, move || {
            let parts = theirs.parts();
            let mut publisher = publisher_with_room(&parts, 0);
            for id in 0..2 {
                publish(&mut publisher, &parts, topic(0), id, true).expect("there is room");
            }
        });
        let floor = Slab::of(&heap.parts()).floor();
        thread.join().expect("the publisher");
        check(&heap.parts(), &[floor]);
    });
}

#[test]
fn a_floor_while_two_publish() {
    explore("floor, two publishers", 1, || {
        let heap = Arc::new(Heap::new(16, 2, 1).with_topics());
        let threads = [0, 1].map(|index| {
            let mut publisher = publisher_with_room(&heap.parts(), index);
            let heap = heap.clone();
            spawn(1 + index as usize, move || {
                let parts = heap.parts();
                publish(&mut publisher, &parts, topic(0), index as u64, true).expect("there is room");
            })
        });
        let floor = Slab::of(&heap.parts()).floor();
        for thread in threads {
            thread.join().expect("a publisher");
        }
        check(&heap.parts(), &[floor]);
    });
}

/// The dead publisher's place is reaped and given to the next while another computes the floor.
#[test]
fn a_floor_while_the_dead_is_reaped_and_replaced() {
    for step in PUBLISH_STEPS {
        explore(&format!("floor, reaper, death after {step}"), 2, move || {
            let heap = Arc::new(Heap::new(16, 1, 1).with_topics());
            let theirs = heap.clone();
            let thread = spawn(1, move || {
                let parts = theirs.parts();
                let mut publisher = publisher_with_room(&parts, 0);
                let died = dying_at(step, 0, || publish(&mut publisher, &parts, topic(0), 0, true));
                assert!(died.is_none(), "{step} was not reached");
                let seen = MemberState(parts.members[0].identity.state.load(Acquire));
                assert_eq!(reap(&parts, &theirs.table(), 0, seen), Ok(true));
                let newcomer = Newcomer::choose(&theirs.header, &parts).expect("a free place");
                let identity = Identity { pid: 2, started: 2, namespace: 2 };
                attach(&parts, newcomer, identity, 0, 0);
            });
            let floor = Slab::of(&heap.parts()).floor();
            thread.join().expect("the reaper");
            check(&heap.parts(), &[floor]);
            assert_eq!(heap.members[0].inflight.load(Acquire), 0);
        });
    }
}

/// A reaper that dies is repeated, and takes nothing away from the living meanwhile.
#[test]
fn a_floor_while_a_reaper_dies() {
    for step in
        ["reap: helped", "help: chained", "help: counted", "reap: space given back", "reap: forgotten"]
    {
        explore(&format!("floor, death of the reaper after {step}"), 2, move || {
            let heap = Arc::new(Heap::new(16, 1, 1).with_topics());
            let theirs = heap.clone();
            let thread = spawn(1, move || {
                let parts = theirs.parts();
                let mut publisher = publisher_with_room(&parts, 0);
                dying_at("publish: committed", 0, || publish(&mut publisher, &parts, topic(0), 0, true));
                let seen = MemberState(parts.members[0].identity.state.load(Acquire));
                let died = dying_at(step, 0, || reap(&parts, &theirs.table(), 0, seen));
                assert!(died.is_none(), "{step} was not reached");
                assert_eq!(reap(&parts, &theirs.table(), 0, seen), Ok(true));
                assert_eq!(reap(&parts, &theirs.table(), 0, seen), Ok(false));
            });
            let floor = Slab::of(&heap.parts()).floor();
            thread.join().expect("the reapers");
            check(&heap.parts(), &[floor]);
            assert_eq!(standing(&heap.parts(), 0).len(), 1);
        });
    }
}
