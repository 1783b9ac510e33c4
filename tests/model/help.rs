//! Helpers that come late, and publishers that try again.

use super::bench::{
    Heap, check_chains, explore, publish, publisher, publisher_with_room, spawn, standing, topic,
};
use crate::death::dying_at;
use crate::layout::MemberState;
use crate::reap::reap;
use crate::ring::Ring;
use crate::sync::Ordering::Acquire;
use std::sync::Arc;

/// Both number their message before either commits: one of them tries again.
#[test]
fn a_retry_takes_the_next_number() {
    explore("retry", 2, || {
        let heap = Arc::new(Heap::new(16, 2, 1).with_topics());
        let parts = heap.parts();
        let mut publishers = [0, 1].map(|index| publisher_with_room(&parts, index));
        publish(&mut publishers[0], &parts, topic(0), 900, true).expect("there is room");
        let [mut mine, mut other] = publishers;
        let theirs = heap.clone();
        let thread = spawn(1, move || {
            publish(&mut other, &theirs.parts(), topic(0), 100, true).expect("there is room");
        });
        publish(&mut mine, &parts, topic(0), 0, true).expect("there is room");
        thread.join().expect("the other");
        let frames = standing(&parts, 0);
        assert_eq!(frames.iter().map(|frame| frame.sequence).collect::<Vec<_>>(), [1, 2, 3]);
        check_chains(&parts, &frames);
    });
}

/// A helper has found a slot at the tail and is preempted; what it goes on to read is another message's header by then,
/// one that never gets its place: its writer dies.
#[test]
fn a_late_helper_reads_reused_memory() {
    explore("late helper", 2, || {
        let heap = Arc::new(Heap::new(4, 2, 1).with_topics());
        let theirs = heap.clone();
        let helper = spawn(1, move || {
            let parts = theirs.parts();
            Ring::of(&parts).help_at_tail().expect("nothing is corrupt");
        });
        let parts = heap.parts();
        let mut dying = publisher(0);
        for id in 0..2 {
            publish(&mut dying, &parts, topic(0), id, false).expect("nobody reads");
        }
        let died = dying_at("publish: placed", 0, || publish(&mut dying, &parts, topic(0), 2, false));
        assert!(died.is_none());
        helper.join().expect("the helper");
        let seen = MemberState(parts.members[0].identity.state.load(Acquire));
        assert_eq!(reap(&parts, &heap.table(), 0, seen), Ok(true));
        let at = publish(&mut publisher(1), &parts, topic(0), 3, true).expect("nobody reads");
        let last = standing(&parts, at);
        assert_eq!((at, last[0].sequence), (2, 3), "a number was used by a message that never was");
        check_chains(&parts, &last);
    });
}
