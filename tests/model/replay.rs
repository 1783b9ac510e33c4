//! Where the past ends and what is live begins, while publishers go on and overwrite.

use super::bench::{Heap, Listener, explore, publish, publisher_with_room, spawn, topic};
use crate::bus::inside::{History, Interest, Past, Reader, Reason, cut_off, history};
use crate::layout::{MemberState, Parts};
use crate::sync::Ordering::Acquire;
use std::sync::Arc;

/// Subscribes to topic 0 as an attachment does, with all of its past.
fn subscribe_from_the_first(parts: &Parts<'_>, index: u32) -> (Listener, History) {
    let mut reader = Reader::new(parts, index);
    let mut interest = Interest::default();
    reader.join(parts);
    interest.add(topic(0), 7, Reason::Name);
    let (from, before) = reader.begin(parts, &mut interest, topic(0));
    let found = history(parts, topic(0), from, before, Past::After(0)).expect("sound");
    interest.correct(topic(0), from, found.before);
    (Listener { reader, interest, got: Vec::new(), gaps: Vec::new() }, found)
}

/// The numbers of the past, those lost of it, those that came live and those told as missed: every one, once. `began` messages
/// had been published when it subscribed, so that what is live begins no sooner.
fn check(parts: &Parts<'_>, listener: &Listener, found: &History, began: u64) {
    for kept in &found.kept {
        let whole = kept.body.is_empty() || kept.body[..] == kept.head.time_ms.to_ne_bytes();
        assert!(whole, "a torn message was believed: {kept:?}");
    }
    assert!(found.before >= began, "it began before it was called");
    let kept: Vec<u64> = found.kept.iter().map(|kept| kept.head.sequence).collect();
    let live: Vec<u64> = listener.got.iter().map(|got| got.sequence).collect();
    assert!(live.iter().all(|number| *number > found.before), "live before {}: {live:?}", found.before);
    let mut all = [kept.clone(), live.clone()].concat();
    for &(first, last, _) in &found.lost {
        all.extend(first..=last);
    }
    for &(_, first, last) in &listener.gaps {
        all.extend(first..=last);
    }
    all.sort_unstable();
    let expected: Vec<u64> = (1..=parts.topics.all[0].sequence.load(Acquire)).collect();
    assert_eq!(
        all, expected,
        "kept {kept:?}, lost {:?}, live {live:?}, missed {:?}",
        found.lost, listener.gaps
    );
}

/// The slab is full of the past; what is published then lies over it.
#[test]
fn one_subscribes_from_the_past_while_another_publishes_over_it() {
    check_overwritten("replay, overwritten", false);
}

/// Only the header of the oldest is gone.
#[test]
fn one_subscribes_from_the_past_while_another_publishes_over_its_first_block() {
    check_overwritten("replay, a block overwritten", true);
}

fn check_overwritten(what: &str, bare: bool) {
    explore(what, 2, move || {
        let heap = Arc::new(Heap::new(4, 2, 1).with_topics());
        let parts = heap.parts();
        let mut publisher = publisher_with_room(&parts, 0);
        for id in 1..3 {
            publish(&mut publisher, &parts, topic(0), id, false).expect("there is room");
        }
        let theirs = heap.clone();
        let thread = spawn(1, move || {
            let _ = publish(&mut publisher, &theirs.parts(), topic(0), 3, bare);
        });
        let (mut listener, found) = subscribe_from_the_first(&parts, 1);
        thread.join().expect("the publisher");
        listener.drain(&parts);
        check(&parts, &listener, &found, 2);
        assert!(listener.gaps.is_empty());
    });
}

/// Its own number is not known for sure any more when the walk begins.
#[test]
fn one_is_cut_off_while_it_subscribes_from_the_past() {
    explore("replay, cut off", 2, || {
        let heap = Arc::new(Heap::new(4, 2, 1).with_topics());
        let parts = heap.parts();
        let mut publisher = publisher_with_room(&parts, 0);
        publish(&mut publisher, &parts, topic(0), 1, true).expect("there is room");
        let theirs = heap.clone();
        let thread = spawn(1, move || {
            let parts = theirs.parts();
            publish(&mut publisher, &parts, topic(0), 2, true).expect("there is room");
            let member = &parts.members[1];
            let seen = MemberState(member.identity.state.load(Acquire));
            if seen.is_reading() {
                cut_off(member, seen);
            }
            let _ = publish(&mut publisher, &parts, topic(0), 3, true);
        });
        let (mut listener, found) = subscribe_from_the_first(&parts, 1);
        thread.join().expect("the publisher");
        listener.drain(&parts);
        listener.drain(&parts);
        check(&parts, &listener, &found, 1);
    });
}
