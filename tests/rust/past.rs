//! The Rust API, of a topic's past: `Bus::subscribe_with`.

use slabcast::{Bus, GapReason, Options, RecvError, SubscribeError, SubscribeOptions};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// A bus of its own for each test: one who publishes, one who subscribes.
fn two(size: u64) -> (Bus, Bus) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("past-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let options = Options { size, ..Options::new(name) };
    (Bus::open(options.clone()).expect("open"), Bus::open(options).expect("open"))
}

fn replay(count: u64) -> SubscribeOptions {
    SubscribeOptions { replay: Some(count), ..Default::default() }
}
fn after(sequence: u64) -> SubscribeOptions {
    SubscribeOptions { after: Some(sequence), ..Default::default() }
}

fn next(bus: &mut Bus) -> u64 {
    bus.recv_timeout(LONG).expect("recv").expect("a message").decode().expect("a number")
}

#[test]
fn replay_gives_the_last_ones_and_after_all_above_a_number_then_what_is_live() {
    let (mut publisher, mut bus) = two(1 << 20);
    for n in 1..=10u64 {
        publisher.publish("a", &n).expect("publish");
        publisher.publish("b", &(100 + n)).expect("publish");
    }
    bus.subscribe_with("a", replay(2)).expect("subscribe");
    bus.subscribe_with("b", after(9)).expect("subscribe");
    publisher.publish("a", &11u64).expect("publish");
    publisher.publish("b", &111u64).expect("publish");
    let got: Vec<u64> = (0..5).map(|_| next(&mut bus)).collect();
    assert_eq!(got, [9, 10, 110, 11, 111]);
    assert!(bus.try_recv().expect("recv").is_none());
    assert_eq!(bus.stats().gaps, 0);
}

#[test]
fn what_is_overwritten_is_a_gap_before_the_first() {
    let (mut publisher, mut bus) = two(64 << 10);
    for n in 1..=1000u64 {
        publisher.publish("t", &(n, vec![0u8; 200])).expect("publish");
    }
    bus.subscribe_with("t", after(10)).expect("subscribe");
    publisher.publish("t", &(1001u64, Vec::<u8>::new())).expect("publish");
    let Err(RecvError::Gap(gaps)) = bus.recv_timeout(LONG) else { panic!("a gap is told first") };
    let [gap] = &gaps[..] else { panic!("{gaps:?}") };
    assert_eq!((gap.topic.as_str(), gap.from, gap.reason), ("t", 11, GapReason::Overwritten));
    assert!(gap.to > 500 && gap.to < 990, "{gap:?}");
    for expected in gap.to + 1..=1001 {
        let message = bus.recv_timeout(LONG).expect("recv").expect("a message");
        assert_eq!(message.sequence(), expected);
        assert_eq!(message.decode::<(u64, Vec<u8>)>().expect("decode").0, expected);
    }
    let stats = bus.stats();
    assert_eq!((stats.gaps, stats.lost), (1, gap.lost()));
}

#[test]
fn unsubscribing_drops_what_was_copied_and_a_number_not_reached_yet_is_live() {
    let (mut publisher, mut bus) = two(1 << 20);
    for n in 1..=10u64 {
        publisher.publish("t", &n).expect("publish");
    }
    bus.subscribe_with("t", after(0)).expect("subscribe");
    assert_eq!(next(&mut bus), 1);
    assert!(bus.unsubscribe("t"));
    bus.subscribe_with("t", after(500)).expect("subscribe");
    publisher.publish("t", &11u64).expect("publish");
    assert_eq!(next(&mut bus), 11);
}

#[test]
fn options_that_do_not_go_together_and_a_second_subscription_are_refused() {
    let (_publisher, mut bus) = two(64 << 10);
    let both = SubscribeOptions { replay: Some(1), ..after(1) };
    let error = bus.subscribe_with("t", both).expect_err("both");
    assert_eq!(error.code(), "ERR_INVALID_ARG_VALUE");
    assert!(bus.topics().is_empty());
    bus.subscribe_with("t", SubscribeOptions::default()).expect("as subscribe");
    assert!(matches!(bus.subscribe_with("t", replay(1)), Err(SubscribeError::Subscribed)));
}

fn durable(name: &str) -> SubscribeOptions {
    SubscribeOptions { durable: Some(name.into()), ..Default::default() }
}

/// As a process that is killed would leave it: nothing says that it goes.
fn reopened(bus: Bus, options: &Options) -> Bus {
    drop(bus);
    Bus::open(options.clone()).expect("open")
}

#[test]
fn a_durable_subscription_goes_on_after_the_last_message_that_was_handled() {
    let name = format!("past-durable-{}", std::process::id());
    let options = Options { size: 1 << 20, ..Options::new(name) };
    let mut publisher = Bus::open(options.clone()).expect("open");
    let mut bus = Bus::open(options.clone()).expect("open");
    publisher.publish("t", &1u64).expect("publish");
    bus.subscribe_with("t", durable("d")).expect("subscribe");
    let error = publisher.subscribe_with("t", durable("d")).expect_err("held");
    assert_eq!(error.code(), "ERR_IN_USE");
    assert!(matches!(error, SubscribeError::InUse { member, .. } if member == bus.member()));
    for n in 2..=6u64 {
        publisher.publish("t", &n).expect("publish");
    }
    assert_eq!((next(&mut bus), next(&mut bus)), (2, 3));
    // 2 is handled, for 3 was asked for; 3 is not.
    bus = reopened(bus, &options);
    bus.subscribe_with("t", durable("d")).expect("subscribe");
    let message = bus.recv().expect("recv");
    assert_eq!((message.sequence(), message.is_redelivered()), (3, true));
    bus.handled();
    bus = reopened(bus, &options);
    bus.subscribe_with("t", durable("d")).expect("subscribe");
    let message = bus.recv().expect("recv");
    assert_eq!((message.sequence(), message.is_redelivered()), (4, false));
    assert_eq!(next(&mut bus), 5);
    // Asked, though in vain: 5 is handled.
    assert_eq!(next(&mut bus), 6);
    assert!(bus.try_recv().expect("recv").is_none());
    bus = reopened(bus, &options);
    bus.subscribe_with("t", durable("d")).expect("subscribe");
    assert!(bus.try_recv().expect("recv").is_none());
    assert!(bus.unsubscribe("t"));
    publisher.publish("t", &7u64).expect("publish");
    bus.subscribe_with("t", durable("d")).expect("it begins anew");
    publisher.publish("t", &8u64).expect("publish");
    assert_eq!(next(&mut bus), 8);
}

/// A publisher that waits for nobody, and a durable subscriber of "t" that has handled the first message of it.
fn one_that_can_be_cut_off(what: &str) -> (Bus, Bus, Options) {
    let name = format!("past-cut-{what}-{}", std::process::id());
    let options = Options { size: 64 << 10, stall_timeout: Some(Duration::ZERO), ..Options::new(name) };
    let mut publisher = Bus::open(options.clone()).expect("open");
    let mut bus = Bus::open(options.clone()).expect("open");
    bus.subscribe_with("t", durable("d")).expect("subscribe");
    publish(&mut publisher, "t", 1..=1);
    assert_eq!(next(&mut bus), 1);
    bus.handled();
    (publisher, bus, options)
}

fn publish(publisher: &mut Bus, topic: &str, numbers: std::ops::RangeInclusive<u64>) {
    for n in numbers {
        publisher.publish(topic, &n).expect("publish");
    }
}

/// The gap of "t" that is told next, which begins at `from` and ends before what the slab holds: its last number.
fn overwritten(bus: &mut Bus, from: u64) -> u64 {
    let Err(RecvError::Gap(gaps)) = bus.recv_timeout(LONG) else { panic!("a gap is told first") };
    let [gap] = &gaps[..] else { panic!("{gaps:?}") };
    assert_eq!((gap.topic.as_str(), gap.from, gap.reason), ("t", from, GapReason::Overwritten));
    gap.to
}

#[test]
fn a_durable_subscription_that_is_cut_off_finds_what_the_slab_still_holds_and_is_told_the_rest() {
    let (mut publisher, mut bus, options) = one_that_can_be_cut_off("found");
    publish(&mut publisher, "t", 2..=1000);
    let lost_to = overwritten(&mut bus, 2);
    // A slab of 512 frames of two blocks.
    assert!((480..=500).contains(&lost_to), "{lost_to}");
    publish(&mut publisher, "t", 1001..=1001);
    for expected in lost_to + 1..=990 {
        let message = bus.recv_timeout(LONG).expect("recv").expect("a message");
        assert_eq!((message.sequence(), message.is_redelivered()), (expected, false));
        assert_eq!(message.decode::<u64>().expect("a number"), expected);
    }
    let stats = bus.stats();
    assert_eq!((stats.gaps, stats.lost), (1, lost_to - 1));
    // What is handed out so counts as handled, too: the next one of its name goes on behind it.
    bus = reopened(bus, &options);
    bus.subscribe_with("t", durable("d")).expect("subscribe");
    let again = bus.recv_timeout(LONG).expect("recv").expect("a message");
    assert_eq!((again.sequence(), again.is_redelivered()), (990, true));
    assert_eq!((991..=1001).map(|_| next(&mut bus)).collect::<Vec<_>>(), (991..=1001).collect::<Vec<_>>());
    assert!(bus.try_recv().expect("recv").is_none());
}

#[test]
fn a_durable_subscription_beside_others_finds_what_is_its_and_they_are_told_what_they_missed() {
    let (mut publisher, mut bus, _options) = one_that_can_be_cut_off("beside");
    bus.subscribe("plain").expect("subscribe");
    publish(&mut publisher, "t", 2..=3);
    // Both are taken in, one is handed out.
    assert_eq!(next(&mut bus), 2);
    publish(&mut publisher, "plain", 1..=10);
    publish(&mut publisher, "t", 4..=1000);
    // Here it notices that it was cut off.
    bus.subscribe("new").expect("subscribe");
    publish(&mut publisher, "new", 1..=1);
    assert_eq!(next(&mut bus), 3);
    let lost_to = overwritten(&mut bus, 4);
    for expected in lost_to + 1..=1000 {
        assert_eq!(bus.recv_timeout(LONG).expect("recv").expect("a message").sequence(), expected);
    }
    match bus.recv_timeout(LONG) {
        Err(RecvError::Gap(gaps)) => {
            let told: Vec<_> =
                gaps.iter().map(|gap| (gap.topic.as_str(), gap.from, gap.to, gap.reason)).collect();
            assert_eq!(told, [("plain", 1, 10, GapReason::Stalled)]);
        }
        other => panic!("expected a gap, got {other:?}"),
    }
    assert_eq!(bus.recv_timeout(LONG).expect("recv").expect("a message").topic(), "new");
    let stats = bus.stats();
    assert_eq!((stats.gaps, stats.lost), (2, lost_to - 3 + 10));
}

#[test]
fn where_a_pattern_matches_a_durable_subscriptions_topic_too_the_gap_is_told_once_for_both() {
    let (mut publisher, mut bus, _options) = one_that_can_be_cut_off("pattern");
    bus.psubscribe("t*").expect("psubscribe");
    publish(&mut publisher, "t", 2..=1000);
    let first = bus.recv_timeout(LONG).expect("recv").expect("a message");
    assert!(first.pattern().is_none() && first.sequence() > 2, "{first:?}");
    for expected in first.sequence() + 1..=1000 {
        assert_eq!(bus.recv_timeout(LONG).expect("recv").expect("a message").sequence(), expected);
    }
    match bus.recv_timeout(LONG) {
        Err(RecvError::Gap(gaps)) => {
            let told: Vec<_> = gaps.iter().map(|gap| (gap.from, gap.to, gap.reason)).collect();
            assert_eq!(told, [(2, 1000, GapReason::Stalled)]);
        }
        other => panic!("expected a gap, got {other:?}"),
    }
    publish(&mut publisher, "t", 1001..=1001);
    assert_eq!((next(&mut bus), next(&mut bus)), (1001, 1001));
    assert_eq!(bus.stats().gaps, 1);
}

#[test]
fn durable_options_that_cannot_be_are_refused() {
    let (_publisher, mut bus) = two(64 << 10);
    for options in [durable(""), durable("a\0b"), durable(&"x".repeat(256))] {
        let error = bus.subscribe_with("t", options).expect_err("no name");
        assert_eq!(error.code(), "ERR_INVALID_ARG_VALUE");
    }
    let error =
        bus.subscribe_with("t", SubscribeOptions { replay: Some(1), ..durable("d") }).expect_err("both");
    assert_eq!(error.code(), "ERR_INVALID_ARG_VALUE");
    assert!(bus.topics().is_empty());
}
