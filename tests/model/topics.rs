//! A full table gives the place of one topic to another while publishers and helpers of the old one are in flight.

use super::bench::{
    Heap, Standing, check_chains, explore, publish, publisher, publisher_with_room, spawn, standing,
};
use crate::bus::inside::Refused;
use crate::death::dying_at;
use crate::layout::{MemberState, Parts};
use crate::reap::reap;
use crate::registry::{MakeError, TopicId, name_hash};
use crate::ring::Ring;
use crate::sync::Ordering::Acquire;
use std::sync::Arc;

fn make(heap: &Heap, name: &str) -> Option<TopicId> {
    let (table, name) = (heap.table(), name.as_bytes());
    let hash = name_hash(name);
    assert_eq!(table.find_locked(name, hash), Ok(None));
    match table.make(name, hash) {
        Ok(id) => Some(id),
        Err(MakeError::Busy) => None,
        Err(MakeError::TableFull { .. }) => panic!("nobody subscribes: there is a place"),
        Err(MakeError::Unread) => panic!("nobody has patterns"),
        Err(MakeError::Corrupt) => panic!("corrupt"),
    }
}

/// The numbers of one topic follow on `base`, and all of the entry is one chain.
fn check(parts: &Parts<'_>, frames: &[Standing], topic: TopicId, base: u64) {
    let sequences: Vec<u64> =
        frames.iter().filter(|frame| frame.topic == topic).map(|f| f.sequence).collect();
    let expected: Vec<u64> = (base + 1..).take(sequences.len()).collect();
    assert_eq!(sequences, expected, "{topic:?} began after {base}");
    check_chains(parts, frames);
}

/// It has looked the name up; its entry is retired and given away before, while or after it reserves.
#[test]
fn a_topic_is_retired_while_a_publisher_is_in_flight() {
    explore("retire, publisher in flight", 2, || {
        let heap = Arc::new(Heap::new(16, 2, 1));
        let old = make(&heap, "old").expect("an empty table");
        let mut slow = publisher_with_room(&heap.parts(), 0);
        let theirs = heap.clone();
        let thread = spawn(1, move || match publish(&mut slow, &theirs.parts(), old, 0, true) {
            Ok(_) => true,
            Err(Refused::Moved) => false,
            Err(refused) => panic!("{refused:?}"),
        });
        let parts = heap.parts();
        let mut other = publisher_with_room(&parts, 1);
        // Busy: the publisher in flight may still commit.
        let new = make(&heap, "new").or_else(|| make(&heap, "new")).map(|new| {
            let base = parts.topics.all[0].sequence.load(Acquire);
            publish(&mut other, &parts, new, 100, true).expect("there is room");
            (new, base)
        });
        let sent = thread.join().expect("the publisher");
        let frames = standing(&parts, 0);
        check(&parts, &frames, old, 0);
        assert_eq!(frames.iter().filter(|frame| frame.topic == old).count(), sent as usize);
        if let Some((new, base)) = new {
            check(&parts, &frames, new, base);
            assert_eq!(parts.topics.all[0].sequence.load(Acquire), base + 1);
        }
        assert_eq!(parts.members[0].inflight.load(Acquire), 0);
    });
}

/// It stands between its look at the tail and its CAS while the entry changes hands: they must not fit the new topic.
#[test]
fn a_helper_is_late_for_a_topic_whose_entry_was_reused() {
    explore("retire, late helper", 2, || {
        let heap = Arc::new(Heap::new(16, 2, 1));
        let parts = heap.parts();
        let old = make(&heap, "old").expect("an empty table");
        let mut dying = publisher(0);
        dying_at("publish: committed", 0, || publish(&mut dying, &parts, old, 0, true));
        let theirs = heap.clone();
        let helper = spawn(1, move || {
            let parts = theirs.parts();
            Ring::of(&parts).help_at_tail().expect("nothing is corrupt");
        });
        let seen = MemberState(parts.members[0].identity.state.load(Acquire));
        assert_eq!(reap(&parts, &heap.table(), 0, seen), Ok(true));
        let new = make(&heap, "new").expect("nobody is in flight");
        let base = parts.topics.all[0].sequence.load(Acquire);
        let mut other = publisher_with_room(&parts, 1);
        for id in 100..102 {
            publish(&mut other, &parts, new, id, true).expect("there is room");
        }
        helper.join().expect("the helper");
        let frames = standing(&parts, 0);
        assert_eq!(frames.len(), 3);
        check(&parts, &frames, old, 0);
        check(&parts, &frames, new, base);
        assert_eq!(parts.topics.all[0].sequence.load(Acquire), base + 2);
    });
}
