//! Falling asleep while others publish. Nothing ticks here: a lost post is a deadlock.

use super::bench::{Heap, Listener, explore, publish_and_post, publisher_with_room, spawn, topic};
use crate::bus::inside::{Fanout, Reader, Spin};
use crate::segment::Place;
use crate::sync::Ordering::{Acquire, SeqCst};
use crate::wake::Semaphore;
use loom::thread::JoinHandle;
use std::sync::Arc;
use std::time::Duration;

fn place() -> Place {
    Place::new("model", 0o600)
}

/// The semaphore of member `index`.
fn semaphore(index: u32) -> Semaphore {
    Semaphore::create(&place().member_semaphore(index + 1), 0o600).expect("a model's semaphore")
}

fn publish_in_a_thread(heap: &Arc<Heap>, index: u32, messages: u64) -> JoinHandle<()> {
    let mut publisher = publisher_with_room(&heap.parts(), index);
    let heap = heap.clone();
    spawn(1 + index as usize, move || {
        let parts = heap.parts();
        let mut fanout = Fanout::default();
        for n in 0..messages {
            let id = index as u64 * 100 + n;
            publish_and_post(&mut publisher, &mut fanout, &parts, &place(), topic(0), id);
        }
    })
}

/// As the callers of `Spin::fall_asleep` do.
fn sleep_until_all_came(
    heap: &Heap,
    listener: &mut Listener,
    semaphore: &Semaphore,
    spin: Duration,
    messages: usize,
) {
    let parts = heap.parts();
    let mut spin = Spin::new(spin);
    while listener.got.len() < messages {
        let Listener { reader, interest, .. } = &mut *listener;
        let look = |reader: &mut Reader| {
            let tail = reader.tail(&parts);
            reader.meets(&parts, interest, tail)
        };
        if !spin.fall_asleep(&parts, reader, semaphore, Duration::MAX, look) {
            semaphore.wait(Duration::MAX);
            reader.disarm(&parts);
        }
        listener.drain(&parts);
    }
    listener.finish(&parts, 0);
}

#[test]
fn a_reader_falls_asleep_while_one_publishes_twice() {
    explore("sleep, one publisher", 3, || {
        let heap = Arc::new(Heap::new(16, 2, 1).with_topics());
        let semaphore = semaphore(1);
        let mut listener = Listener::join(&heap.parts(), 1);
        heap.table().set_subscriber(topic(0), 1, true);
        let thread = publish_in_a_thread(&heap, 0, 2);
        sleep_until_all_came(&heap, &mut listener, &semaphore, Duration::ZERO, 2);
        thread.join().expect("the publisher");
    });
}

#[test]
fn a_reader_falls_asleep_while_two_publish() {
    explore("sleep, two publishers", 2, || {
        let heap = Arc::new(Heap::new(16, 3, 1).with_topics());
        let semaphore = semaphore(2);
        let mut listener = Listener::join(&heap.parts(), 2);
        heap.table().set_subscriber(topic(0), 2, true);
        let threads = [0, 1].map(|index| publish_in_a_thread(&heap, index, 1));
        sleep_until_all_came(&heap, &mut listener, &semaphore, Duration::ZERO, 2);
        for thread in threads {
            thread.join().expect("a publisher");
        }
    });
}

/// Not armed, it looks, and then is on its way to sleep; nobody posted meanwhile.
#[test]
fn a_reader_spins_and_falls_asleep_while_one_publishes() {
    explore("spin, one publisher", 3, || {
        let heap = Arc::new(Heap::new(16, 2, 1).with_topics());
        let semaphore = semaphore(1);
        let mut listener = Listener::join(&heap.parts(), 1);
        heap.table().set_subscriber(topic(0), 1, true);
        let thread = publish_in_a_thread(&heap, 0, 1);
        sleep_until_all_came(&heap, &mut listener, &semaphore, Duration::MAX, 1);
        thread.join().expect("the publisher");
    });
}

/// Asleep, it is brought to look by something else, as an event loop is by a timer: it spins, and sleeps anew.
#[test]
fn a_sleeper_spins_anew_while_one_publishes_twice() {
    explore("spin asleep", 2, || {
        let heap = Arc::new(Heap::new(16, 2, 1).with_topics());
        let parts = heap.parts();
        let semaphore = semaphore(1);
        let mut listener = Listener::join(&parts, 1);
        heap.table().set_subscriber(topic(0), 1, true);
        listener.reader.arm(&parts);
        let thread = publish_in_a_thread(&heap, 0, 2);
        sleep_until_all_came(&heap, &mut listener, &semaphore, Duration::MAX, 2);
        thread.join().expect("the publisher");
    });
}

/// It sleeps already, for another topic, when it subscribes to one more: a message at its first position or later posts.
#[test]
fn a_sleeper_subscribes_to_one_more_topic() {
    explore("subscribe asleep", 3, || {
        let heap = Arc::new(Heap::new(16, 2, 1).with_topics());
        let parts = heap.parts();
        let semaphore = semaphore(1);
        let mut listener = Listener::join(&parts, 1);
        listener.reader.arm(&parts);
        let thread = publish_in_a_thread(&heap, 0, 1);
        heap.table().set_subscriber(topic(0), 1, true);
        let (from, _) = listener.reader.begin(&parts, &mut listener.interest, topic(0));
        thread.join().expect("the publisher");
        assert!(from == parts.tail.load(SeqCst) || semaphore.is_posted(), "a message to it did not wake it");
        assert_eq!(parts.tail.load(Acquire), 1);
    });
}
