//! The Rust API, within one process: threads are members of their own.

#[path = "support/place.rs"]
mod place;

use serde::{Deserialize, Serialize};
use slabcast::{Bus, HeldBy, Options, PublishError, RecvError, TopicError};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A bus of its own for each test.
fn options() -> Options {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    Options::new(format!("rust-{}-{n}", std::process::id()))
}

const LONG: Duration = Duration::from_secs(60);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Chat {
    from: String,
    text: String,
    at: u64,
}

#[test]
fn a_value_arrives_as_it_was_with_where_it_stands() {
    let options = options();
    let mut publisher = Bus::open(options.clone()).expect("open");
    let mut subscriber = Bus::open(options).expect("open");
    subscriber.subscribe("room:100").expect("subscribe");
    let chat = Chat { from: "ann".into(), text: "hi".into(), at: 1_682_302_513_688 };
    publisher.publish("room:7", &chat).expect("publish");
    publisher.publish("room:100", &chat).expect("publish");
    let message = subscriber.recv_timeout(LONG).expect("recv").expect("a message");
    assert_eq!(message.decode::<Chat>().expect("decode"), chat);
    assert_eq!((message.topic(), message.sequence(), message.position()), ("room:100", 1, 1));
    assert_eq!((message.publisher(), message.publisher_pid()), (publisher.member(), std::process::id()));
    assert!(subscriber.try_recv().expect("recv").is_none());
}

#[test]
fn nothing_from_before_the_subscription_and_nothing_after_its_end() {
    let mut bus = Bus::open(options()).expect("open");
    bus.publish("t", &1).expect("publish");
    bus.subscribe("t").expect("subscribe");
    bus.publish("t", &2).expect("publish");
    bus.publish("t", &3).expect("publish");
    let first = bus.recv_timeout(LONG).expect("recv").expect("a message");
    assert_eq!((first.decode::<u32>().expect("decode"), first.sequence()), (2, 2));
    assert!(bus.unsubscribe("t"));
    assert!(!bus.unsubscribe("t"));
    assert!(bus.try_recv().expect("recv").is_none());
}

#[test]
fn bodies_from_nothing_to_the_largest_arrive_intact() {
    let options = Options { size: 1 << 20, ..options() };
    let mut publisher = Bus::open(options.clone()).expect("open");
    let mut subscriber = Bus::open(options).expect("open");
    subscriber.subscribe("t").expect("subscribe");
    for len in [0, 1, 7, 8, 63, 64, 65, 1000, 65_536, (1 << 19) - 1, 1 << 19] {
        let bytes: Vec<u8> = (0..len).map(|i: usize| (i * 31 + len) as u8).collect();
        publisher.publish_raw("t", &bytes).expect("publish");
        let message = subscriber.recv_timeout(LONG).expect("recv").expect("a message");
        assert!(message.is_raw());
        assert_eq!(message.bytes(), bytes, "length {len}");
    }
    let error = publisher.publish_raw("t", &vec![0; (1 << 19) + 1]).expect_err("too large");
    assert!(matches!(error, PublishError::TooLarge { needed: 524_289, available: 524_288 }));
}

#[test]
fn messages_on_loan_are_those_that_are_kept_and_end_with_the_next_call() {
    let mut bus = Bus::open(options()).expect("open");
    for topic in ["a", "b"] {
        bus.subscribe(topic).expect("subscribe");
    }
    // More than one batch, kept and lent by turns; the topics in runs of three.
    for n in 0..3000u32 {
        bus.publish(if n % 6 < 3 { "a" } else { "b" }, &(n, "text")).expect("publish");
    }
    for n in 0..3000u32 {
        let expected = if n % 6 < 3 { "a" } else { "b" };
        let message =
            if n % 2 == 0 { bus.recv_ref().expect("recv").to_message() } else { bus.recv().expect("recv") };
        assert_eq!((message.topic(), message.position()), (expected, n as u64));
        assert_eq!(message.decode::<(u32, String)>().expect("decode"), (n, "text".into()));
    }
    assert!(bus.try_recv_ref().expect("recv").is_none());
    assert!(bus.recv_timeout_ref(Duration::from_millis(1)).expect("recv").is_none());
    bus.publish("a", "one").expect("publish");
    bus.publish("b", "two").expect("publish");
    let lent = bus.recv_timeout_ref(LONG).expect("recv").expect("a message");
    assert_eq!((lent.topic(), lent.decode::<&str>().expect("decode")), ("a", "one"));
    // What waits of a topic goes with its subscription, also when its batch is handed out in part.
    assert!(bus.unsubscribe("b"));
    assert!(bus.try_recv_ref().expect("recv").is_none());
}

#[test]
fn a_waiting_receiver_is_woken_by_each_message() {
    let options = options();
    let mut echo = Bus::open(options.clone()).expect("open");
    echo.subscribe("ping").expect("subscribe");
    let thread = std::thread::spawn(move || {
        for _ in 0..2000 {
            let message = echo.recv().expect("recv");
            echo.publish("pong", &message.decode::<u32>().expect("decode")).expect("publish");
        }
    });
    let mut bus = Bus::open(options).expect("open");
    bus.subscribe("pong").expect("subscribe");
    for i in 0..2000u32 {
        bus.publish("ping", &i).expect("publish");
        let answer = bus.recv_timeout(LONG).expect("recv").expect("an answer");
        assert_eq!(answer.decode::<u32>().expect("decode"), i);
    }
    thread.join().expect("echo");
}

#[test]
fn four_publishers_one_order_and_sequences_without_holes() {
    const EACH: u32 = 20_000;
    // Small: the slab goes round many times and publishers wait for readers; for as long as it takes, for a busy machine may
    // keep a reader from running longer than a stuck one is waited for.
    let options = Options { size: 256 << 10, stall_timeout: None, ..options() };
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let mut bus = Bus::open(options.clone()).expect("open");
            for topic in ["a", "b", "c"] {
                bus.subscribe(topic).expect("subscribe");
            }
            std::thread::spawn(move || {
                let mut order = Vec::new();
                let mut sequences = [0u64; 3];
                let mut of_publisher = [0u32; 4];
                while order.len() < 4 * EACH as usize {
                    let message = bus.recv_timeout(LONG).expect("recv").expect("a message");
                    let topic = message.topic().as_bytes()[0] as usize - b'a' as usize;
                    sequences[topic] += 1;
                    assert_eq!(message.sequence(), sequences[topic]);
                    let (who, n, filler): (usize, u32, Vec<u8>) = message.decode().expect("decode");
                    assert_eq!(of_publisher[who], n);
                    assert!(filler.iter().all(|byte| *byte == n as u8));
                    of_publisher[who] += 1;
                    order.push((message.position(), who, n));
                }
                order
            })
        })
        .collect();
    let publishers: Vec<_> = (0..4usize)
        .map(|who| {
            let mut bus = Bus::open(options.clone()).expect("open");
            std::thread::spawn(move || {
                for n in 0..EACH {
                    let topic = ["a", "b", "c"][(n as usize + who) % 3];
                    bus.publish(topic, &(who, n, vec![n as u8; n as usize % 200])).expect("publish");
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.join().expect("publisher");
    }
    let mut orders: Vec<_> = readers.into_iter().map(|reader| reader.join().expect("reader")).collect();
    let first = orders.remove(0);
    assert!(first.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!(first, orders[0]);
}

#[test]
fn a_full_slab_refuses_a_try_and_takes_it_once_the_reader_read_on() {
    let options = Options { size: 64 << 10, ..options() };
    let mut publisher = Bus::open(options.clone()).expect("open");
    let mut subscriber = Bus::open(options).expect("open");
    subscriber.subscribe("t").expect("subscribe");
    let mut sent = 0u32;
    loop {
        match publisher.try_publish("t", &sent) {
            Ok(_) => sent += 1,
            Err(PublishError::Full) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(sent, (64 << 10) / 128);
    for n in 0..sent {
        let message = subscriber.recv_timeout(LONG).expect("recv").expect("a message");
        assert_eq!(message.decode::<u32>().expect("decode"), n);
    }
    publisher.try_publish("t", &sent).expect("room again");
}

#[test]
fn a_stuck_reader_is_cut_off_and_told_exactly_what_it_missed() {
    let options = Options { size: 64 << 10, stall_timeout: Some(Duration::from_millis(20)), ..options() };
    let mut publisher = Bus::open(options.clone()).expect("open");
    let mut stuck = Bus::open(options).expect("open");
    stuck.subscribe("a").expect("subscribe");
    stuck.subscribe("b").expect("subscribe");
    publisher.publish("a", &0u32).expect("publish");
    let first = stuck.recv_timeout(LONG).expect("recv").expect("a message");
    assert_eq!(first.sequence(), 1);
    for n in 1..=1000u32 {
        publisher.publish(if n % 4 == 0 { "b" } else { "a" }, &n).expect("publish");
    }
    let gaps = match stuck.recv_timeout(LONG) {
        Err(RecvError::Gap(gaps)) => gaps,
        other => panic!("expected a gap, got {other:?}"),
    };
    let of = |topic: &str| gaps.iter().find(|gap| gap.topic == topic).expect("a gap");
    assert_eq!((of("a").from, of("b").from), (2, 1));
    // What was not missed is delivered: the gap's end and the next message meet.
    let (mut next_a, mut next_b) = (of("a").to + 1, of("b").to + 1);
    publisher.publish("a", &1001u32).expect("publish");
    publisher.publish("b", &1002u32).expect("publish");
    while (next_a, next_b) != (753, 252) {
        let message = stuck.recv_timeout(LONG).expect("recv").expect("a message");
        let next = if message.topic() == "a" { &mut next_a } else { &mut next_b };
        assert_eq!(message.sequence(), *next);
        *next += 1;
    }
}

#[test]
fn of_two_that_stand_still_only_the_one_in_the_way_is_cut_off() {
    let options = Options { size: 64 << 10, stall_timeout: Some(Duration::from_millis(20)), ..options() };
    let mut publisher = Bus::open(options.clone()).expect("open");
    let mut in_the_way = Bus::open(options.clone()).expect("open");
    let mut later = Bus::open(options).expect("open");
    in_the_way.subscribe("t").expect("subscribe");
    // Half a slab that only the first has not read, then more than the other half: each message takes 128 bytes.
    for n in 0..256u32 {
        publisher.publish("t", &n).expect("publish");
    }
    later.subscribe("t").expect("subscribe");
    for n in 256..550u32 {
        publisher.publish("t", &n).expect("publish");
    }
    assert_eq!(publisher.stats().cut_offs, 1);
    assert!(matches!(in_the_way.recv_timeout(LONG), Err(RecvError::Gap(_))));
    for n in 256..550u32 {
        let message = later.recv_timeout(LONG).expect("no gap").expect("a message");
        assert_eq!(message.decode::<u32>().expect("decode"), n);
    }
}

#[test]
fn what_was_missed_before_an_unsubscribe_is_not_told_to_the_next_subscription() {
    let options = Options { size: 64 << 10, stall_timeout: Some(Duration::ZERO), ..options() };
    let mut publisher = Bus::open(options.clone()).expect("open");
    let mut stuck = Bus::open(options).expect("open");
    for topic in ["left", "kept"] {
        stuck.subscribe(topic).expect("subscribe");
    }
    for _ in 0..500 {
        for topic in ["left", "kept"] {
            publisher.publish_raw(topic, &[7; 100]).expect("publish");
        }
    }
    // Here it notices that it was cut off.
    stuck.subscribe("new").expect("subscribe");
    assert!(stuck.unsubscribe("left"));
    stuck.subscribe("left").expect("subscribe");
    match stuck.recv_timeout(LONG) {
        Err(RecvError::Gap(gaps)) => {
            assert_eq!(gaps.iter().map(|gap| gap.topic.as_str()).collect::<Vec<_>>(), ["kept"]);
        }
        other => panic!("expected a gap, got {other:?}"),
    }
    publisher.publish("left", "on").expect("publish");
    assert_eq!(stuck.recv_timeout(LONG).expect("recv").expect("a message").sequence(), 501);
}

#[test]
fn what_was_taken_in_before_a_gap_is_received_before_it() {
    let options = Options { size: 64 << 10, stall_timeout: Some(Duration::ZERO), ..options() };
    let mut publisher = Bus::open(options.clone()).expect("open");
    let mut stuck = Bus::open(options).expect("open");
    stuck.subscribe("t").expect("subscribe");
    for n in 1..=3u64 {
        publisher.publish("t", &n).expect("publish");
    }
    // Takes all three in, and hands one out.
    assert_eq!(stuck.try_recv().expect("recv").expect("a message").sequence(), 1);
    for n in 4..=2000u64 {
        publisher.publish("t", &n).expect("publish");
    }
    // Here it notices that it was cut off.
    stuck.subscribe("new").expect("subscribe");
    for sequence in [2, 3] {
        assert_eq!(stuck.try_recv().expect("recv").expect("a message").sequence(), sequence);
    }
    let from_and_to = match stuck.try_recv() {
        Err(RecvError::Gap(gaps)) => gaps.iter().map(|gap| (gap.from, gap.to)).collect::<Vec<_>>(),
        other => panic!("expected a gap, got {other:?}"),
    };
    assert_eq!(from_and_to, [(4, 2000)]);
    publisher.publish("t", "on").expect("publish");
    assert_eq!(stuck.recv_timeout(LONG).expect("recv").expect("a message").sequence(), 2001);
}

#[test]
fn publishing_to_oneself_without_receiving_ends_in_an_error_not_in_a_hang() {
    let options = Options { size: 64 << 10, inbox: 4096, ..options() };
    let mut bus = Bus::open(options).expect("open");
    bus.subscribe("t").expect("subscribe");
    let mut sent = 0u32;
    let error = loop {
        match bus.publish("t", &vec![7u8; 100]) {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, PublishError::InboxFull { .. }), "{error}");
    for _ in 0..sent {
        bus.recv_timeout(LONG).expect("recv").expect("everything accepted arrives");
    }
    assert!(bus.try_recv().expect("recv").is_none());
}

#[test]
fn invalid_topics_and_options_are_refused() {
    let mut bus = Bus::open(options()).expect("open");
    for topic in ["", "a\0b", &"x".repeat(256)] {
        assert!(matches!(bus.subscribe(topic), Err(TopicError::Invalid { .. })), "{topic:?}");
        assert!(matches!(bus.publish(topic, &1), Err(PublishError::Topic(TopicError::Invalid { .. }))));
    }
    bus.subscribe(&"x".repeat(255)).expect("255 bytes are allowed");
    for name in ["", "..", "a/b", &"x".repeat(65), "ä"] {
        assert_eq!(
            Bus::open(Options::new(name)).expect_err("a bad name").code(),
            "ERR_OUT_OF_RANGE",
            "{name:?}"
        );
    }
}

#[test]
fn a_full_table_gives_the_places_of_topics_nobody_subscribes_to() {
    let mut bus = Bus::open(Options { topics: 100, ..options() }).expect("open");
    for n in 0..50 {
        bus.subscribe(&format!("kept:{n}")).expect("subscribe");
    }
    for n in 0..1000 {
        bus.publish(&format!("passing:{n}"), &n).expect("publish");
    }
    for n in 0..50 {
        bus.publish(&format!("kept:{n}"), &n).expect("publish");
        let message = bus.recv_timeout(LONG).expect("recv").expect("a message");
        assert_eq!((message.topic(), message.sequence()), (&*format!("kept:{n}"), 1));
    }
    for n in 50..100 {
        bus.subscribe(&format!("kept:{n}")).expect("subscribe");
    }
    let error = bus.subscribe("one more").expect_err("the table is full");
    assert!(matches!(error, TopicError::TooMany { capacity: 100 }), "{error}");
    assert!(bus.unsubscribe("kept:7"));
    bus.subscribe("one more").expect("a place came back");
}

#[test]
fn a_topic_whose_place_went_to_another_is_published_to_under_its_own_name() {
    let options = Options { topics: 4, ..options() };
    let (mut bus, mut other) = (Bus::open(options.clone()).expect("open"), Bus::open(options).expect("open"));
    for round in 0..100u32 {
        // The last one this member published to, each time with all other places taken since by another.
        bus.publish("mine", &round).expect("publish");
        for n in 0..8 {
            other.publish(&format!("passing:{n}"), &n).expect("publish");
        }
        bus.publish("mine", &round).expect("publish");
        other.subscribe("mine").expect("subscribe");
        bus.publish("mine", &round).expect("publish");
        let message = other.recv_timeout(LONG).expect("recv").expect("a message");
        assert_eq!((message.topic(), message.decode::<u32>().expect("a number")), ("mine", round));
        assert!(other.unsubscribe("mine"));
    }
}

#[test]
fn a_hundred_thousand_topics_live_at_once() {
    let options = options();
    let mut bus = Bus::open(options.clone()).expect("open");
    let mut other = Bus::open(options).expect("open");
    for n in 0..100_000 {
        bus.subscribe(&format!("topic:{n}")).expect("subscribe");
    }
    for n in (0..100_000).step_by(997) {
        other.publish(&format!("topic:{n}"), &n).expect("publish");
        let message = bus.recv_timeout(LONG).expect("recv").expect("a message");
        assert_eq!(message.topic(), format!("topic:{n}"));
    }
}

#[test]
fn more_threads_than_members_are_refused_and_a_place_comes_back() {
    let options = Options { members: 3, ..options() };
    let mut open: Vec<_> = (0..3).map(|_| Bus::open(options.clone()).expect("open")).collect();
    let error = Bus::open(options.clone()).expect_err("full");
    assert_eq!(error.code(), "ERR_TOO_MANY_MEMBERS");
    open.pop();
    Bus::open(options).expect("a place came back");
}

#[test]
fn the_last_to_leave_removes_everything() {
    let options = options();
    let folder = place::folder_of(&options.name);
    let bus = Bus::open(options.clone()).expect("open");
    let id = std::fs::read_to_string(folder.join("segment")).expect("the pointer");
    let memory = place::memory_of(&id);
    let second = Bus::open(options).expect("open");
    assert!(memory.exists());
    drop(bus);
    assert!(memory.exists() && folder.exists());
    second.close();
    assert!(!memory.exists() && !folder.exists());
}

#[test]
fn stats_tell_the_bus_and_count_what_this_member_did() {
    let options = Options { size: 64 << 10, members: 4, topics: 8, thread: 7, ..options() };
    let mut publisher = Bus::open(options.clone()).expect("open");
    let mut reader = Bus::open(options).expect("open");
    reader.subscribe("t").expect("subscribe");
    for len in [0, 10, 100] {
        publisher.publish_raw("t", &vec![0; len]).expect("publish");
        publisher.publish_raw("other", &[0]).expect("publish");
    }
    let stats = publisher.stats();
    assert_eq!((stats.member, stats.pid, stats.thread), (publisher.member(), std::process::id(), 7));
    assert_eq!((stats.members_attached, stats.members_reading, stats.members_capacity), (2, 1, 4));
    assert_eq!((stats.topics_made, stats.topics_capacity, stats.position), (2, 8, 6));
    assert_eq!((stats.published.messages, stats.published.bytes), (6, 113));
    assert_eq!((stats.delivered.messages, stats.delivered.bytes), (0, 0));
    // A header and whole blocks of body each.
    assert_eq!((stats.slab_bytes, stats.slab_used), (64 << 10, 64 * (1 + 2 + 3 + 3 * 2)));
    let held = stats.held.expect("the reader has not read");
    assert_eq!((held.member, held.pid, held.thread), (reader.member(), std::process::id(), 7));
    assert_eq!((held.by, held.bytes), (HeldBy::Reader, stats.slab_used));

    for _ in 0..3 {
        reader.recv_timeout(LONG).expect("recv").expect("a message");
    }
    let stats = reader.stats();
    assert_eq!((stats.delivered.messages, stats.delivered.bytes), (3, 110));
    assert_eq!((stats.published.messages, stats.held, stats.slab_used), (0, None, 0));
    // Nothing comes: it sleeps, and is woken by nobody but the clock.
    assert!(reader.recv_timeout(Duration::from_millis(1)).expect("recv").is_none());
    assert_eq!((publisher.stats().posts, reader.stats().wakes), (0, 1));
}

#[test]
fn stats_count_cut_offs_and_what_was_missed() {
    let options = Options { size: 64 << 10, stall_timeout: Some(Duration::ZERO), ..options() };
    let mut publisher = Bus::open(options.clone()).expect("open");
    let mut reader = Bus::open(options).expect("open");
    for topic in ["a", "b", "quiet"] {
        reader.subscribe(topic).expect("subscribe");
    }
    // Two slabs, a frame of two blocks each: the reader is in the way once.
    for n in 0..1024 {
        publisher.publish(["a", "b"][n % 2], &n).expect("publish");
    }
    let stats = publisher.stats();
    assert_eq!((stats.cut_offs, stats.members_reading, stats.held), (1, 0, None));
    let Err(RecvError::Gap(gaps)) = reader.try_recv() else { panic!("it missed messages") };
    let lost = gaps.iter().map(|gap| gap.to - gap.from + 1).sum::<u64>();
    let stats = reader.stats();
    assert_eq!((stats.gaps, stats.lost, lost), (2, 1024, 1024));
    assert_eq!((stats.delivered.messages, stats.cut_offs, stats.members_reading), (0, 0, 1));
}

#[test]
fn stats_of_a_lost_bus_touch_its_memory_no_more() {
    use std::io::{Seek, SeekFrom, Write};
    let options = Options { topics: 1024, members: 16, thread: 7, ..options() };
    let pointer = place::folder_of(&options.name).join("segment");
    let mut bus = Bus::open(options).expect("open");
    bus.publish_raw("t", &[0; 10]).expect("publish");
    let id = std::fs::read_to_string(pointer).expect("the pointer");
    let path = place::memory_of(&id);
    let mut memory = std::fs::File::options().read(true).write(true).open(path).expect("open");
    // Header, log, members and buckets of a page each come before its ring.
    memory.seek(SeekFrom::Start(4 * 4096)).expect("seek");
    memory.write_all(&[0xa5; 128 << 10]).expect("write");
    let error = bus.publish_raw("t", &[0; 10]).expect_err("corrupt");
    assert_eq!(error.code(), "ERR_CORRUPT");
    // From here on a touch is a SIGBUS. Windows lets nobody shrink what is mapped.
    if cfg!(unix) {
        memory.set_len(0).expect("shrink");
    }
    let stats = bus.stats();
    assert_eq!((stats.member, stats.thread, stats.members_capacity), (bus.member(), 7, 16));
    assert_eq!((stats.published.messages, stats.published.bytes), (1, 10));
    assert_eq!((stats.members_attached, stats.position, stats.held), (0, 0, None));
}
