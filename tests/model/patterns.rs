//! R11: a topic appears while its pattern's owner drains, or falls asleep. Nothing ticks here: a lost post is a deadlock, and a
//! first message that is passed is missing for good.

use super::bench::{Heap, Listener, explore, publisher_with_room, spawn, topic};
use crate::bus::Drained;
use crate::bus::inside::{
    Fanout, Glob, Interest, Patterns, Publication, Reader, Refused, Spin, Ticks, drain, meets,
};
use crate::layout::{Parts, Watches};
use crate::registry::{hash_bits, name_hash};
use crate::segment::Place;
use crate::sync::Ordering::SeqCst;
use crate::wake::Semaphore;
use loom::thread::JoinHandle;
use std::iter::once;
use std::sync::Arc;
use std::time::Duration;

const OWNER: u32 = 1;

fn place() -> Place {
    Place::new("model", 0o600)
}

/// A pattern's owner: it reads, and no topic is there yet.
fn owner(heap: &Heap, glob: &Glob) -> (Listener, Patterns) {
    let parts = heap.parts();
    let mut listener = Listener {
        reader: Reader::new(&parts, OWNER),
        interest: Interest::default(),
        got: Vec::new(),
        gaps: Vec::new(),
    };
    let mut patterns = Patterns::default();
    listener.reader.join(&parts);
    parts.members[OWNER as usize].identity.watches.fetch_or(Watches::PATTERNS.0, SeqCst);
    patterns.begin_with(&heap.table(), OWNER, &mut listener.interest, glob.clone());
    (listener, patterns)
}

/// As who publishes to a topic for the first time does: makes it, posts to those with patterns, publishes, posts.
fn make_and_publish(heap: &Arc<Heap>, names: &'static [&'static str]) -> JoinHandle<()> {
    let mut publisher = publisher_with_room(&heap.parts(), 0);
    let heap = heap.clone();
    spawn(1, move || {
        let (parts, table) = (heap.parts(), heap.table());
        let mut fanout = Fanout::default();
        for (id, name) in names.iter().enumerate() {
            let name = name.as_bytes();
            let topic = table.make(name, name_hash(name)).expect("there is room");
            fanout.post_watchers(&parts, &place(), Watches::PATTERNS);
            let what = Publication { topic, hash: hash_bits(name_hash(name)), flags: 0, time_ms: id as u64 };
            publisher.publish(&parts, what, once(&[][..]), |_| {}).expect("there is room");
            fanout.post_row(&parts, &place(), parts.row(topic.index), Ticks::default());
        }
    })
}

/// As `Attachment::drain`.
fn read(heap: &Heap, listener: &mut Listener, patterns: &mut Patterns) {
    let mut got = Vec::new();
    let table = heap.table();
    let drained = listener
        .take(&mut got, |reader, interest, batch| drain(patterns, &table, reader, interest, 100, batch));
    assert_eq!(drained, Drained::All);
    listener.got.append(&mut got);
}

fn check(parts: &Parts<'_>, listener: &Listener, messages: usize) {
    let positions: Vec<u64> = listener.got.iter().map(|got| got.position).collect();
    assert_eq!(positions, (0..messages as u64).collect::<Vec<_>>(), "a message of a new topic was passed");
    assert!(listener.got.iter().all(|got| got.sequence == 1));
    for got in &listener.got {
        let row = parts.row(got.topic.index)[0].load(SeqCst);
        assert_eq!(row, 1 << OWNER, "nobody would post for its next one");
    }
}

#[test]
fn a_topic_appears_while_its_patterns_owner_drains() {
    let glob = Glob::new("*").expect("a pattern");
    explore("pattern, drain", 3, move || {
        let heap = Arc::new(Heap::new(16, 2, 1));
        let (mut listener, mut patterns) = owner(&heap, &glob);
        let thread = make_and_publish(&heap, &["a"]);
        read(&heap, &mut listener, &mut patterns);
        thread.join().expect("the publisher");
        read(&heap, &mut listener, &mut patterns);
        check(&heap.parts(), &listener, 1);
    });
}

fn fall_asleep(what: &str, names: &'static [&'static str], spin: Duration, preemptions: usize) {
    let glob = Glob::new("?").expect("a pattern");
    explore(what, preemptions, move || {
        let heap = Arc::new(Heap::new(16, 2, names.len()));
        let semaphore = Semaphore::create(&place().member_semaphore(OWNER + 1), 0o600).expect("a semaphore");
        let (mut listener, mut patterns) = owner(&heap, &glob);
        let thread = make_and_publish(&heap, names);
        let (parts, table) = (heap.parts(), heap.table());
        let mut spin = Spin::new(spin);
        // As `Attachment::fall_asleep` and its callers do.
        while listener.got.len() < names.len() {
            let Listener { reader, interest, .. } = &mut listener;
            let look = |reader: &mut Reader| meets(&mut patterns, &table, reader, interest);
            if !spin.fall_asleep(&parts, reader, &semaphore, Duration::MAX, look) {
                semaphore.wait(Duration::MAX);
                reader.disarm(&parts);
            }
            read(&heap, &mut listener, &mut patterns);
        }
        thread.join().expect("the publisher");
        check(&parts, &listener, names.len());
    });
}

#[test]
fn a_topic_appears_while_its_patterns_owner_falls_asleep() {
    fall_asleep("pattern, sleep", &["a"], Duration::ZERO, 3);
}

#[test]
fn a_topic_appears_while_its_patterns_owner_spins() {
    fall_asleep("pattern, spin", &["a"], Duration::MAX, 2);
}

/// It publishes as soon as the topic is valid, which its maker has not told anybody of yet.
#[test]
fn another_publishes_first_to_a_topic_that_appears() {
    let glob = Glob::new("*").expect("a pattern");
    explore("pattern, found", 2, move || {
        let heap = Arc::new(Heap::new(16, 3, 1));
        let (mut listener, mut patterns) = owner(&heap, &glob);
        let mut publisher = publisher_with_room(&heap.parts(), 0);
        let (to_make, to_find) = (heap.clone(), heap.clone());
        let maker = spawn(1, move || {
            to_make.table().make(b"a", name_hash(b"a")).expect("there is room");
        });
        let finder = spawn(2, move || {
            let what =
                Publication { topic: topic(0), hash: hash_bits(name_hash(b"a")), flags: 0, time_ms: 0 };
            match publisher.publish(&to_find.parts(), what, once(&[][..]), |_| {}) {
                Ok(_) => 1,
                Err(Refused::Moved) => 0,
                Err(refused) => panic!("{refused:?}"),
            }
        });
        read(&heap, &mut listener, &mut patterns);
        maker.join().expect("the maker");
        let messages = finder.join().expect("the finder");
        read(&heap, &mut listener, &mut patterns);
        check(&heap.parts(), &listener, messages);
    });
}

/// More than the log holds that is read: it looks through the table.
#[test]
fn topics_appear_faster_than_their_patterns_owner_looks() {
    fall_asleep("pattern, overrun", &["a", "b"], Duration::ZERO, 1);
}
