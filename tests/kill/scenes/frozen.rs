//! A process that is stopped at a point, and goes on or is killed.

use super::amid::{Around, arrives, begin};
use super::{Death, all_is_well, stops_at, victim};
use crate::member::SLAB;
use crate::stage::{Fate, Person, Stage};
use std::time::Instant;

/// What the others cannot have while it is stopped.
#[derive(Clone, Copy, PartialEq)]
pub enum Holds {
    Nothing,
    /// Reservations beyond a slab above its own.
    Slab,
    /// The registry: new topics, attaching.
    Registry,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ending {
    GoesOn,
    Killed,
}

/// A frame of the traffic is at most this long.
const LARGEST: u64 = 5200;

pub fn play(
    stage: &mut Stage,
    point: &'static str,
    around: Around,
    holds: Holds,
    ending: Ending,
    death: &Death,
) {
    stage.open_keeper();
    stage.open_neighbours();
    let mut frozen = victim(stage, 11, death.before);
    let mut waiting = if holds == Holds::Registry {
        vec![victim(stage, 21, "open"), victim(stage, 22, "")]
    } else {
        vec![]
    };
    begin(stage, around);
    stops_at(stage, &mut frozen, point, death.nth, death.does);
    match death.delivered {
        // Committed: the others finalise it.
        Some(more @ 1..) => arrives(stage, &frozen, more),
        Some(0) => assert!(!stage.keeper().log.iter().any(|got| got.publisher == 11), "not committed"),
        None => {}
    }
    stage.all_neighbours("traffic");
    match holds {
        Holds::Nothing => stage.goes_on(),
        Holds::Slab => fills_up(stage),
        Holds::Registry => {
            wait_for_the_lock(stage, &mut waiting);
        }
    }
    let start = Instant::now();
    release(&mut frozen, ending);
    for person in &mut waiting {
        let Fate::Answered(answer) = stage.fate(person) else { panic!("{} ended", person.id) };
        assert!(!answer.starts_with("error"), "{answer}");
    }
    if !waiting.is_empty() {
        stage.longest = stage.longest.max(start.elapsed());
    }
    for mut person in waiting {
        // Subscribed and not reading, it would be in the way.
        stage.does(&mut person, "leave");
        person.player.end();
    }
    // It may have subscribed, and does not read: it leaves first.
    if ending == Ending::GoesOn {
        end(stage, &mut frozen, ending, death.does);
    }
    stage.goes_on();
    if ending == Ending::Killed {
        end(stage, &mut frozen, ending, death.does);
    }
    let delivered = if ending == Ending::Killed { death.delivered } else { Some(0) };
    all_is_well(stage, &mut [frozen], &[delivered]);
}

/// It is stopped no longer. Who waits for what it held waits from here on, and not until its corpse is cleared away.
pub fn release(frozen: &mut Person, ending: Ending) {
    match ending {
        Ending::Killed => frozen.player.kill_now(),
        Ending::GoesOn => frozen.player.go_on(),
    }
}

/// One that was released is dead, or has done what it was about to do and leaves.
pub fn end(stage: &mut Stage, frozen: &mut Person, ending: Ending, does: &str) {
    if ending == Ending::Killed {
        assert_eq!(stage.fate(frozen), Fate::Killed);
        return;
    }
    let Fate::Answered(answer) = stage.fate(frozen) else { panic!("it goes on") };
    assert!(!answer.starts_with("error"), "{does}: {answer}");
    if answer != "left" {
        stage.does(frozen, "leave");
    }
}

/// The others go on until they would need what the stopped one holds, and not a byte further.
fn fills_up(stage: &mut Stage) {
    let limit = |stage: &mut Stage| {
        let audit = stage.audit();
        (audit.alloc, audit.inflight.iter().map(|(_, at)| *at).min().map(|at| at + SLAB))
    };
    stage.until("the slab is full", |stage| match limit(stage) {
        (alloc, Some(limit)) if alloc + LARGEST > limit => Ok(()),
        found => Err(format!("{found:?}")),
    });
    let (alloc, limit) = limit(stage);
    assert!(Some(alloc) <= limit, "{alloc} is beyond {limit:?}");
}

/// One wants a new topic, one wants to attach: not answered while the lock is held. What needs no lock goes on.
fn wait_for_the_lock(stage: &mut Stage, waiting: &mut [Person]) {
    waiting[0].player.tell("subscribe 30");
    waiting[1].player.tell("open");
    stage.goes_on();
    for person in waiting {
        assert_eq!(person.player.heard(), None, "the lock is held");
    }
}
