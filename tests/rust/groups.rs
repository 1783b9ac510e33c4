//! Groups in Rust: threads are members of their own.

use slabcast::{Bus, Options, PublishError, RecvError, TopicError};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);

/// A bus of its own for each test.
fn options() -> Options {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    Options::new(format!("rust-groups-{}-{n}", std::process::id()))
}

fn next(bus: &mut Bus) -> (Option<String>, u32) {
    let message = bus.recv_timeout(LONG).expect("recv").expect("a message");
    (message.group().map(str::to_owned), message.decode().expect("a number"))
}

/// What there is, without waiting.
fn all(bus: &mut Bus) -> Vec<u32> {
    std::iter::from_fn(|| bus.try_recv().expect("recv")).map(|m| m.decode().expect("a number")).collect()
}

#[test]
fn each_message_is_received_by_one_member_of_each_group_and_by_all_outside() {
    let options = options();
    let mut publisher = Bus::open(options.clone()).expect("open");
    let [mut one, mut other, mut plain] = [(); 3].map(|()| Bus::open(options.clone()).expect("open"));
    for bus in [&mut one, &mut other] {
        bus.subscribe_group("t", "g").expect("joined");
        bus.subscribe_group("t", "g").expect("again: no effect");
    }
    one.subscribe_group("t", "h").expect("joined");
    other.subscribe("t").expect("subscribed");
    plain.subscribe("t").expect("subscribed");
    for n in 0..100u32 {
        publisher.publish("t", &n).expect("publish");
    }
    let numbers = || (0..100u32).collect::<BTreeSet<_>>();
    assert_eq!(all(&mut plain), numbers().into_iter().collect::<Vec<_>>());
    let of = |bus: &mut Bus, count: usize| (0..count).map(|_| next(bus)).collect::<Vec<_>>();
    // Of g one takes what the other leaves.
    let first = of(&mut one, 50);
    let second: Vec<_> = std::iter::from_fn(|| other.try_recv().expect("recv"))
        .map(|m| (m.group().map(str::to_owned), m.decode().expect("a number")))
        .collect();
    let rest: Vec<_> = std::iter::from_fn(|| one.try_recv().expect("recv"))
        .map(|m| (m.group().map(str::to_owned), m.decode::<u32>().expect("a number")))
        .collect();
    let got = [first, second, rest].concat();
    for group in [Some("g"), Some("h"), None] {
        let of_group: Vec<u32> =
            got.iter().filter(|(of, _)| of.as_deref() == group).map(|(_, n)| *n).collect();
        assert_eq!(of_group.len(), 100, "{group:?}");
        assert_eq!(of_group.into_iter().collect::<BTreeSet<_>>(), numbers(), "{group:?}");
    }
    let topics = publisher.topics();
    assert_eq!((topics.len(), topics[0].subscribers), (1, 3), "each member once");
}

#[test]
fn who_leaves_a_group_takes_nothing_more_and_the_last_one_ends_it() {
    let options = options();
    let mut publisher = Bus::open(options.clone()).expect("open");
    let [mut one, mut other] = [(); 2].map(|()| Bus::open(options.clone()).expect("open"));
    assert!(!one.unsubscribe_group("t", "g"));
    one.subscribe_group("t", "g").expect("joined");
    other.subscribe_group("t", "g").expect("joined");
    publisher.publish("t", &1u32).expect("publish");
    assert!(one.unsubscribe_group("t", "g"));
    assert!(!one.unsubscribe_group("t", "g"));
    assert!(one.try_recv().expect("recv").is_none());
    assert_eq!(next(&mut other), (Some("g".into()), 1));
    publisher.publish("t", &2u32).expect("publish");
    assert!(other.unsubscribe_group("t", "g"));
    assert_eq!(publisher.topics()[0].subscribers, 0);
    one.subscribe_group("t", "g").expect("joined");
    publisher.publish("t", &3u32).expect("publish");
    assert_eq!(next(&mut one), (Some("g".into()), 3), "what was left of the group before is nobody's");
}

#[test]
fn a_group_that_stands_still_is_cut_off_and_told_exactly_what_it_missed() {
    let timeout = Some(Duration::from_millis(50));
    let options = Options { size: 64 << 10, stall_timeout: timeout, ..options() };
    let mut publisher = Bus::open(options.clone()).expect("open");
    let [mut one, mut other] = [(); 2].map(|()| Bus::open(options.clone()).expect("open"));
    one.subscribe_group("t", "g").expect("joined");
    other.subscribe_group("t", "g").expect("joined");
    for n in 1..=3u32 {
        publisher.publish("t", &n).expect("publish");
    }
    assert_eq!([next(&mut one).1, next(&mut other).1], [1, 2]);
    // More than a slab: nobody takes.
    for n in 4..=2000u32 {
        publisher.publish("t", &n).expect("publish");
    }
    assert_eq!(publisher.stats().cut_offs, 1);
    let RecvError::Gap(gaps) = one.recv_timeout(LONG).expect_err("a gap") else { panic!("no gap") };
    assert_eq!(gaps.len(), 1);
    assert_eq!((gaps[0].topic.as_str(), gaps[0].group.as_deref()), ("t", Some("g")));
    assert_eq!((gaps[0].from, gaps[0].to, gaps[0].lost()), (3, 2000, 1998));
    publisher.publish("t", &2001u32).expect("publish");
    assert_eq!(next(&mut other), (Some("g".into()), 2001), "told once");
}

#[test]
fn a_publisher_that_is_the_only_member_takes_its_own_while_it_waits_for_room() {
    let options = Options { size: 64 << 10, stall_timeout: None, ..options() };
    let mut bus = Bus::open(options).expect("open");
    bus.subscribe_group("t", "g").expect("joined");
    for n in 0..3000u32 {
        bus.publish("t", &n).expect("room is made");
    }
    for n in 0..3000u32 {
        assert_eq!(next(&mut bus), (Some("g".into()), n));
    }
}

#[test]
fn a_full_slab_is_let_go_by_members_who_sleep_on_a_quiet_topic() {
    let options = Options { size: 64 << 10, stall_timeout: None, ..options() };
    let mut quiet = Bus::open(options.clone()).expect("open");
    quiet.subscribe_group("quiet", "g").expect("joined");
    let thread = std::thread::spawn(move || quiet.recv_timeout(LONG).expect("recv").is_some());
    let mut bus = Bus::open(options).expect("open");
    let start = Instant::now();
    for n in 0..5000u32 {
        while matches!(bus.try_publish("noise", &n), Err(PublishError::Full)) {
            assert!(start.elapsed() < LONG, "it sleeps on the slab");
            std::thread::yield_now();
        }
    }
    bus.publish("quiet", &()).expect("publish");
    assert!(thread.join().expect("a sleeper"));
}

#[test]
fn who_waits_for_an_answer_leaves_its_groups_to_the_others() {
    let options = options();
    let mut publisher = Bus::open(options.clone()).expect("open");
    let [mut asks, mut works, mut silent] = [(); 3].map(|()| Bus::open(options.clone()).expect("open"));
    silent.respond("question").expect("responds");
    asks.subscribe_group("t", "g").expect("joined");
    let thread = std::thread::spawn(move || {
        let answer = asks.request("question", &(), Duration::from_secs(2));
        assert!(answer.is_err(), "nobody answers");
        asks
    });
    works.subscribe_group("t", "g").expect("joined");
    for n in 0..1000u32 {
        publisher.publish("t", &n).expect("publish");
        assert_eq!(next(&mut works), (Some("g".into()), n));
    }
    let mut asks = thread.join().expect("who asks");
    publisher.publish("t", &1000u32).expect("publish");
    drop(works);
    assert_eq!(next(&mut asks).1, 1000);
}

#[test]
fn names_of_groups_are_checked() {
    let mut bus = Bus::open(options()).expect("open");
    for name in ["", "a\0b", &"x".repeat(256)] {
        let error = bus.subscribe_group("t", name).expect_err("refused");
        assert!(matches!(error, TopicError::InvalidGroup { len } if len == name.len()));
        assert_eq!(error.code(), "ERR_INVALID_ARG_VALUE");
    }
    for topic in ["", "$slabcast/ask/t"] {
        assert_eq!(bus.subscribe_group(topic, "g").expect_err("refused").code(), "ERR_INVALID_TOPIC");
    }
    bus.subscribe_group("t", &"x".repeat(255)).expect("the longest");
}
