//! Deaths and freezes with a story of their own.

use super::amid::{Around, begin};
use super::frozen::{Ending, end, release};
use super::{all_is_well, alone, dies_at, lines, stops_at, victim};
use crate::member::{Got, TRAFFIC, name_of};
use crate::stage::{Fate, Person, Stage};
use std::collections::BTreeMap;
use std::time::Instant;

fn open_all(stage: &mut Stage) {
    stage.open_keeper();
    stage.open_neighbours();
}

/// Somebody stopped reading, was cut off, and dies while it joins again: `does` makes it notice.
pub fn a_reader_is_cut_off(stage: &mut Stage, point: &str, does: &'static str) {
    open_all(stage);
    let mut cut = victim(stage, 11, "open; subscribe 0-2");
    let mut cutter = victim(stage, 12, "stall 500; open");
    stage.all_neighbours("follow");
    stage.does(&mut cutter, "publish 1 1000 100");
    assert!(!stage.audit().reading.contains(&cut.number), "it is cut off");
    dies_at(stage, &mut cut, point, 0, does);
    stage.all_neighbours("traffic");
    stage.goes_on();
    stage.does(&mut cutter, "leave");
    all_is_well(stage, &mut [cut, cutter], &[Some(0), Some(0)]);
}

/// Who cut a stopped reader off dies at once. The reader comes back, and is told exactly what it missed.
pub fn the_cutter_dies(stage: &mut Stage, point: &str) {
    open_all(stage);
    let mut stopped = victim(stage, 11, "open; subscribe 0-2");
    let mut cutter = victim(stage, 12, "stall 500; open");
    stopped.player.stop();
    stage
        .until("it is stopped", |_| if stopped.player.is_stopped() { Ok(()) } else { Err("not yet".into()) });
    stage.all_neighbours("follow");
    dies_at(stage, &mut cutter, point, 0, "publish 1 1000 100");
    assert!(!stage.audit().reading.contains(&stopped.number), "it is cut off");
    stage.all_neighbours("traffic");
    stage.goes_on();
    stopped.player.go_on();
    stage.does(&mut stopped, "follow");
    stage.goes_on();
    stage.does(&mut stopped, "stop");
    // Silent before it is asked for what it has: to the last.
    stage.all_neighbours("stop");
    let (_, end) = stage.keeper().publish(0, 64);
    let path = std::env::temp_dir().join(format!("slabcast-kill-log-{}", std::process::id()));
    stage.does(&mut stopped, &format!("save {end} {}", path.display()));
    let text = std::fs::read_to_string(&path).expect("a log");
    std::fs::remove_file(path).expect("removed");
    let log: Vec<Got> = text.lines().map(Got::parse).collect();
    let gaps = stage.does(&mut stopped, "gaps");
    missed_exactly(&log, &gaps, &stage.keeper().log);
    stage.does(&mut stopped, "leave");
    all_is_well(stage, &mut [stopped, cutter], &[Some(0), Some(0)]);
}

/// What was received and what was told to be missed are together everything, and nothing is both.
fn missed_exactly(log: &[Got], gaps: &str, reference: &[Got]) {
    assert_ne!(gaps, "", "it missed something");
    for topic in TRAFFIC {
        let name = name_of(topic);
        let mut there: BTreeMap<u64, &str> = BTreeMap::new();
        for got in log.iter().filter(|got| got.topic == topic) {
            assert_eq!(there.insert(got.sequence, "received"), None);
        }
        for gap in gaps.split(' ').filter_map(|gap| gap.strip_prefix(&name)?.strip_prefix('=')) {
            let (from, to) = gap.split_once('-').expect("from and to");
            for sequence in from.parse().expect("a number")..=to.parse::<u64>().expect("a number") {
                assert_eq!(there.insert(sequence, "missed"), None, "{name} {sequence}: {gaps}");
            }
        }
        let published = reference.iter().filter(|got| got.topic == topic).count() as u64;
        assert_eq!(there.keys().copied().collect::<Vec<_>>(), (1..=published).collect::<Vec<_>>(), "{gaps}");
    }
}

/// Posted to, awake, and stopped before it drains: it holds the slab until it goes on or dies.
pub fn posted_to_and_not_drained(stage: &mut Stage, point: &str, ending: Ending) {
    open_all(stage);
    let mut reader = victim(stage, 11, "open; subscribe 0-2");
    begin(stage, Around::Asleep);
    stage.does(&mut reader, &format!("arm {point}|1|stop"));
    reader.may_stop = true;
    reader.player.tell("sleep");
    let number = reader.number;
    stage.until("it sleeps", |stage| {
        if stage.audit().asleep.contains(&number) { Ok(()) } else { Err("awake".into()) }
    });
    stage.keeper().publish(1, 100);
    assert_eq!(stage.fate(&mut reader), Fate::Stopped);
    let begun = stage.audit().alloc;
    stage.all_neighbours("traffic");
    stage.until("the slab is full", |stage| {
        let alloc = stage.audit().alloc;
        if alloc > begun + crate::member::SLAB - 6000 { Ok(()) } else { Err(format!("{alloc} from {begun}")) }
    });
    if ending == Ending::GoesOn {
        reader.player.go_on();
        let Fate::Answered(_) = stage.fate(&mut reader) else { panic!("it goes on") };
        stage.does(&mut reader, "follow");
        stage.neighbours.push(reader);
        // A neighbour like the others from now on; it publishes nothing.
        stage.goes_on_without_hearing_of(11);
        all_is_well(stage, &mut [], &[]);
    } else {
        release(&mut reader, ending);
        stage.goes_on();
        end(stage, &mut reader, ending, "sleep");
        all_is_well(stage, &mut [reader], &[Some(0)]);
    }
}

/// The registry lock is held for longer than anybody waits: they are told so, and everything else goes on.
pub fn nobody_gets_the_lock(stage: &mut Stage, point: &str, ending: Ending) {
    open_all(stage);
    let mut holder = victim(stage, 11, "open");
    let mut subscriber = victim(stage, 21, "open");
    let mut opener = victim(stage, 22, "");
    begin(stage, Around::Traffic);
    stops_at(stage, &mut holder, point, 0, "subscribe 20");
    subscriber.player.tell("subscribe 30");
    opener.player.tell("open");
    stage.goes_on();
    for person in [&mut subscriber, &mut opener] {
        assert_eq!(stage.fate(person), Fate::Answered("error ERR_TIMEOUT".into()));
    }
    stage.goes_on();
    let start = Instant::now();
    release(&mut holder, ending);
    stage.does(&mut subscriber, "subscribe 30");
    stage.does(&mut opener, "open");
    stage.longest = stage.longest.max(start.elapsed());
    end(stage, &mut holder, ending, "subscribe 20");
    for person in [&mut subscriber, &mut opener] {
        stage.does(person, "leave");
    }
    stage.goes_on();
    all_is_well(stage, &mut [holder], &[Some(0)]);
}

/// A leaver cannot wait for ever; it lives on, and the others take its place back once they can.
pub fn a_leaver_without_the_lock(stage: &mut Stage, point: &str, ending: Ending) {
    open_all(stage);
    let mut holder = victim(stage, 11, "open");
    let mut leaver = victim(stage, 21, "open; subscribe 1; subscribe 21");
    begin(stage, Around::Traffic);
    stops_at(stage, &mut holder, point, 0, "subscribe 20");
    assert_eq!(stage.does(&mut leaver, "leave"), "left");
    stage.goes_on();
    release(&mut holder, ending);
    end(stage, &mut holder, ending, "subscribe 20");
    stage.goes_on();
    // `leaver` lives until the end: nothing but its word says that it left.
    all_is_well(stage, &mut [holder, leaver], &[Some(0), Some(0)]);
}

/// Somebody is stopped while it leaves; the others take its place back and one more takes it. It goes on and does no harm.
pub fn its_place_is_taken_while_it_leaves(stage: &mut Stage, point: &str, ending: Ending) {
    open_all(stage);
    let mut leaver = victim(stage, 11, "open; subscribe 0-2");
    begin(stage, Around::Traffic);
    stops_at(stage, &mut leaver, point, 0, "leave");
    stage.goes_on();
    let number = leaver.number;
    stage.until("its place is free", |stage| {
        let members = stage.audit().members;
        if members.contains(&number) { Err(format!("{members:?}")) } else { Ok(()) }
    });
    let mut next = victim(stage, 12, "open; subscribe 0-2; follow");
    release(&mut leaver, ending);
    stage.goes_on();
    end(stage, &mut leaver, ending, "leave");
    let number = next.number;
    let audit = stage.audit();
    assert!(audit.reading.contains(&number), "{audit:?}");
    let bits = audit.subscribers.iter().filter(|(_, member)| *member == number).count();
    assert_eq!(bits, TRAFFIC.len(), "{audit:?}");
    stage.does(&mut next, "stop");
    stage.does(&mut next, "leave");
    all_is_well(stage, &mut [leaver, next], &[Some(0), Some(0)]);
}

/// The last leaver is stopped while it removes the bus; who wants to open it waits, and then makes it anew.
pub fn an_opener_waits_for_the_last_leaver(stage: &mut Stage, point: &str, ending: Ending) {
    let mut leaver = victim(stage, 11, "open; subscribe 0; publish 0 100");
    stops_at(stage, &mut leaver, point, 0, "leave");
    // A sweep does not wait for the lock, and does not touch what is being removed.
    let mut other = victim(stage, 22, "open-as another-bus; leave");
    let mut opener = victim(stage, 21, "");
    opener.player.tell("open");
    for _ in 0..5 {
        stage.does(&mut other, "open-as another-bus");
        stage.does(&mut other, "leave");
    }
    assert_eq!(opener.player.heard(), None, "the lock is held");
    let start = Instant::now();
    release(&mut leaver, ending);
    answered_well(stage, &mut opener);
    stage.longest = stage.longest.max(start.elapsed());
    end(stage, &mut leaver, ending, "leave");
    stage.does(&mut opener, "leave");
    alone::opens_anew(stage);
    stage.all_leave();
}

/// An opener is stopped with the lock's file in its hands; the bus is removed and made anew. The lock it has counts for
/// nothing: it waits for whoever holds the new one.
pub fn an_opener_holds_the_lock_of_a_bus_that_goes(stage: &mut Stage, point: &str, ending: Ending) {
    let mut last = victim(stage, 12, "open");
    let mut opener = victim(stage, 13, "");
    stops_at(stage, &mut opener, point, 0, "open");
    stage.does(&mut last, "leave");
    open_all(stage);
    let mut holder = victim(stage, 11, "open");
    begin(stage, Around::Traffic);
    stops_at(stage, &mut holder, "change: begun", 0, "subscribe 20");
    opener.player.go_on();
    stage.goes_on();
    assert_eq!(opener.player.heard(), None, "the lock is held");
    let start = Instant::now();
    release(&mut holder, ending);
    answered_well(stage, &mut opener);
    stage.longest = stage.longest.max(start.elapsed());
    end(stage, &mut holder, ending, "subscribe 20");
    stage.does(&mut opener, "leave");
    stage.goes_on();
    all_is_well(stage, &mut [opener, last, holder], &[Some(0); 3]);
}

fn answered_well(stage: &mut Stage, person: &mut Person) {
    let Fate::Answered(answer) = stage.fate(person) else { panic!("{} ended", person.id) };
    assert!(!answer.starts_with("error"), "{answer}");
}

/// A durable subscriber dies while it begins, reads or ends, and another goes on where it was: with `expected`, of messages with
/// the numbers 1 to 3, of which the first `read` came before it was told to do what it dies of.
pub fn a_durable_subscriber_dies(stage: &mut Stage, point: &str, dies: &DurableDeath) {
    open_all(stage);
    stage.all_neighbours("follow");
    let mut people = Vec::new();
    for (id, &(point, does)) in (20..).zip(dies.others) {
        let mut other = victim(stage, id, "open");
        match point {
            Some(point) => dies_at(stage, &mut other, point, 0, does),
            None => {
                for line in lines(does) {
                    stage.does(&mut other, line);
                }
                stage.does(&mut other, "leave");
            }
        }
        people.push(other);
    }
    let mut dead = victim(stage, 11, dies.before);
    for _ in 0..3 {
        stage.keeper().publish(1, 64);
    }
    dies_at(stage, &mut dead, point, dies.nth, dies.does);
    let mut heir = victim(stage, 12, "open");
    stage.does(&mut heir, "subscribe-durable 1");
    // What lies between is asked for as well, so that nothing is passed that comes by mistake.
    stage.keeper().publish(1, 64);
    let count = dies.expected.split(' ').count();
    assert_eq!(stage.does(&mut heir, &format!("take {count}")), dies.expected);
    stage.does(&mut heir, "leave");
    // Its place is kept.
    let mut next = victim(stage, 13, "open");
    stage.does(&mut next, "subscribe-durable 1");
    stage.keeper().publish(1, 64);
    assert_eq!(stage.does(&mut next, "take 1"), "5");
    stage.does(&mut next, "leave");
    stage.all_neighbours("traffic");
    stage.goes_on();
    people.extend([dead, heir, next]);
    let delivered = vec![Some(0); people.len()];
    all_is_well(stage, &mut people, &delivered);
}

/// How a durable subscriber comes to its end.
pub struct DurableDeath {
    /// Who did what before: died at a point of it, or left.
    pub others: &'static [(Option<&'static str>, &'static str)],
    pub before: &'static str,
    pub does: &'static str,
    pub nth: u32,
    /// What the next one is handed.
    pub expected: &'static str,
}
