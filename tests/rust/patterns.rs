//! Patterns in the Rust API: threads are members of their own. What a pattern means is held to Redis in tests/node/globs.test.js.

use slabcast::{Bus, Options, RecvError, TopicError};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// A bus of its own for each test.
fn options() -> Options {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    Options::new(format!("rust-patterns-{}-{n}", std::process::id()))
}

/// Topic, pattern and number of the next message.
fn next(bus: &mut Bus) -> (String, Option<String>, u32) {
    let message = bus.recv_timeout(LONG).expect("recv").expect("a message");
    let pattern = message.pattern().map(str::to_owned);
    (message.topic().to_owned(), pattern, message.decode().expect("a number"))
}

fn by(topic: &str, pattern: Option<&str>, n: u32) -> (String, Option<String>, u32) {
    (topic.to_owned(), pattern.map(str::to_owned), n)
}

#[test]
fn a_message_comes_once_by_its_name_and_once_by_each_pattern() {
    let options = options();
    let mut publisher = Bus::open(options.clone()).expect("open");
    let mut bus = Bus::open(options).expect("open");
    publisher.publish("room:1", &0).expect("publish");
    bus.psubscribe("room:*").expect("psubscribe");
    bus.psubscribe("room:*").expect("again: no effect");
    bus.psubscribe("*:1").expect("psubscribe");
    publisher.publish("room:1", &1).expect("publish");
    bus.subscribe("room:1").expect("subscribe");
    publisher.publish("room:1", &2).expect("publish");
    publisher.publish("room:2", &3).expect("publish");
    publisher.publish("hall", &4).expect("publish");
    publisher.publish("hall:1", &5).expect("publish");
    let expected = [
        // Before it was subscribed to by its name.
        by("room:1", Some("room:*"), 1),
        by("room:1", Some("*:1"), 1),
        by("room:1", None, 2),
        by("room:1", Some("room:*"), 2),
        by("room:1", Some("*:1"), 2),
        by("room:2", Some("room:*"), 3),
        by("hall:1", Some("*:1"), 5),
    ];
    for message in expected {
        assert_eq!(next(&mut bus), message);
    }
    assert!(bus.try_recv().expect("recv").is_none());
}

#[test]
fn ending_one_leaves_the_others() {
    let options = options();
    let mut publisher = Bus::open(options.clone()).expect("open");
    let mut bus = Bus::open(options).expect("open");
    bus.psubscribe("a*").expect("psubscribe");
    bus.psubscribe("*").expect("psubscribe");
    bus.subscribe("ab").expect("subscribe");
    publisher.publish("ab", &1).expect("publish");
    // Taken in, and not handed out yet.
    assert_eq!(next(&mut bus), by("ab", None, 1));
    assert!(bus.punsubscribe("a*") && !bus.punsubscribe("a*"));
    assert_eq!(next(&mut bus), by("ab", Some("*"), 1));
    publisher.publish("ab", &2).expect("publish");
    assert!(bus.unsubscribe("ab"));
    assert_eq!(next(&mut bus), by("ab", Some("*"), 2));
    publisher.publish("ab", &3).expect("publish");
    bus.subscribe("ab").expect("subscribe");
    assert!(bus.punsubscribe("*"));
    publisher.publish("ab", &4).expect("publish");
    assert_eq!(next(&mut bus), by("ab", None, 4), "what came before it was the pattern's");
    assert!(bus.unsubscribe("ab"));
    let topics = bus.topics();
    assert!(topics.iter().all(|info| info.subscribers == 0), "{topics:?}");
}

#[test]
fn replies_and_faces_are_passed_by() {
    let options = options();
    let mut bus = Bus::open(options.clone()).expect("open");
    // Requests and answers are what goes there.
    let mut before = Bus::open(options.clone()).expect("open");
    before.respond("before").expect("respond");
    bus.psubscribe("*").expect("psubscribe");
    bus.psubscribe("$slabcast/*").expect("psubscribe");
    let mut after = Bus::open(options).expect("open");
    after.respond("after").expect("respond");
    for topic in ["before", "after"] {
        before.request_many(topic, &1, Duration::ZERO).expect("asked");
        after.request_many(topic, &1, Duration::ZERO).expect("asked");
    }
    for topic in ["$slabcast", "a"] {
        bus.publish(topic, &1).expect("publish");
    }
    assert_eq!(next(&mut bus), by("$slabcast", Some("*"), 1));
    assert_eq!(next(&mut bus), by("a", Some("*"), 1));
    assert!(bus.try_recv().expect("recv").is_none());
    let names: Vec<String> =
        bus.topics_matching("$*").expect("a pattern").into_iter().map(|info| info.topic).collect();
    assert_eq!(names, ["$slabcast"]);
}

#[test]
fn what_is_no_pattern_is_refused() {
    let mut bus = Bus::open(options()).expect("open");
    for pattern in ["", "a\0", &"x".repeat(1025)] {
        let error = bus.psubscribe(pattern).expect_err("no pattern");
        assert!(matches!(error, TopicError::InvalidPattern { len } if len == pattern.len()), "{error}");
        assert_eq!(error.code(), "ERR_INVALID_ARG_VALUE");
        assert!(bus.topics_matching(pattern).is_err());
    }
    bus.psubscribe(&"x".repeat(1024)).expect("as long as may be");
}

#[test]
fn what_appeared_and_was_not_looked_at_is_the_earlier_patterns_alone() {
    let options = options();
    let mut publisher = Bus::open(options.clone()).expect("open");
    let mut bus = Bus::open(options).expect("open");
    bus.psubscribe("*").expect("psubscribe");
    publisher.publish("t1", &1).expect("publish");
    publisher.publish("t2", &1).expect("publish");
    bus.subscribe("t1").expect("subscribe");
    publisher.publish("t3", &1).expect("publish");
    bus.psubscribe("t*").expect("psubscribe");
    publisher.publish("t2", &2).expect("publish");
    assert_eq!(next(&mut bus), by("t1", Some("*"), 1));
    assert_eq!(next(&mut bus), by("t2", Some("*"), 1));
    assert_eq!(next(&mut bus), by("t3", Some("*"), 1));
    assert_eq!(next(&mut bus), by("t2", Some("*"), 2));
    assert_eq!(next(&mut bus), by("t2", Some("t*"), 2));
    assert!(bus.try_recv().expect("recv").is_none());
}

#[test]
fn a_pattern_that_matches_nothing_yet_goes_on_reading_when_all_else_has_ended() {
    let options = options();
    let mut publisher = Bus::open(options.clone()).expect("open");
    let mut bus = Bus::open(options).expect("open");
    bus.psubscribe("later:*").expect("psubscribe");
    bus.subscribe("now").expect("subscribe");
    assert!(bus.unsubscribe("now"));
    publisher.publish("later:1", &1).expect("publish");
    assert_eq!(next(&mut bus), by("later:1", Some("later:*"), 1));
}

#[test]
fn a_new_pattern_hears_a_topic_whose_place_was_about_to_go() {
    let options = Options { topics: 4, ..options() };
    let mut publisher = Bus::open(options.clone()).expect("open");
    let mut bus = Bus::open(options).expect("open");
    for n in 0..4 {
        publisher.publish(&format!("t{n}"), &0).expect("publish");
    }
    // All four are to give their places, one of them has.
    publisher.publish("new", &0).expect("publish");
    bus.psubscribe("t*").expect("psubscribe");
    // The last ones first: none of these needs another's place, each lives again where it was.
    for n in [3, 2, 1] {
        publisher.publish(&format!("t{n}"), &n).expect("publish");
        assert_eq!(next(&mut bus), by(&format!("t{n}"), Some("t*"), n));
    }
}

#[test]
fn a_stuck_reader_is_told_what_it_missed_of_topics_it_never_saw() {
    let acts: [fn(&mut Bus); 3] = [
        |_| {},
        |bus| bus.subscribe("another").expect("subscribe"),
        |bus| bus.psubscribe("another:*").expect("psubscribe"),
    ];
    for act in acts {
        let options = Options { size: 64 << 10, stall_timeout: Some(Duration::from_millis(20)), ..options() };
        let mut publisher = Bus::open(options.clone()).expect("open");
        let mut bus = Bus::open(options).expect("open");
        bus.psubscribe("room:*").expect("psubscribe");
        let count = 64;
        for n in 0..count {
            publisher.publish_raw("room:1", &[n; 2000]).expect("publish");
            publisher.publish_raw("hall", &[n; 200]).expect("publish");
        }
        // It may notice by something else than by receiving.
        act(&mut bus);
        let gaps = match bus.recv_timeout(LONG) {
            Err(RecvError::Gap(gaps)) => gaps,
            other => panic!("{other:?}"),
        };
        let told: Vec<_> = gaps.iter().map(|gap| (&*gap.topic, gap.from, gap.to)).collect();
        assert_eq!(told, [("room:1", 1, count as u64)]);
        publisher.publish_raw("room:1", b"live").expect("publish");
        let message = bus.recv_timeout(LONG).expect("recv").expect("a message");
        assert_eq!((message.bytes(), message.sequence()), (&b"live"[..], count as u64 + 1));
    }
}
