//! A death with nobody else on the bus: while the first opens it, while the last leaves it, while somebody clears away what
//! others left.

use super::{Death, die_in_turn};
use crate::member::TRAFFIC;
use crate::stage::Stage;
use crate::support::{folder_of, may_isolate, nothing_left};
use std::collections::BTreeSet;

/// Who comes next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rescue {
    /// Two at once, to the same bus.
    Same,
    /// Two at once, to another bus: what is left is swept away.
    Other,
}

pub fn play(stage: &mut Stage, point: &'static str, rescue: Rescue, deaths: &[Death]) {
    let dead = stage.bus.clone();
    let _victims = die_in_turn(stage, point, deaths);
    if rescue == Rescue::Other {
        stage.bus = format!("{dead}-other");
    }
    opens_anew(stage);
    if rescue == Rescue::Other {
        // Not told from what others have there, where all share one /dev/shm; but this folder is nobody else's.
        assert!(!folder_of(&dead).exists(), "what the dead one left is swept away");
    }
    stage.all_leave();
    nothing_left(may_isolate(), &dead, "all left");
}

/// Two open the bus at once and find it new and whole.
pub fn opens_anew(stage: &mut Stage) {
    let start = std::time::Instant::now();
    let mut neighbour = stage.person(1);
    neighbour.player.tell("open");
    stage.open_keeper();
    let answer = stage.fate(&mut neighbour);
    stage.longest = stage.longest.max(start.elapsed());
    let crate::stage::Fate::Answered(answer) = answer else { panic!("{answer:?}") };
    let number = answer.strip_prefix("opened ").unwrap_or_else(|| panic!("{answer}"));
    neighbour.number = number.parse().expect("a number");
    let numbers = [stage.keeper().bus.member(), neighbour.number];
    assert_eq!(numbers.into_iter().collect::<BTreeSet<_>>().len(), 2, "each is a member of its own");
    for topic in TRAFFIC {
        stage.does(&mut neighbour, &format!("subscribe {topic}"));
    }
    stage.neighbours.push(neighbour);
    let audit = stage.audit();
    assert_eq!(audit.members.iter().copied().collect::<BTreeSet<_>>(), numbers.into_iter().collect());
    assert_eq!((audit.tail, audit.dirty), (0, false), "a new bus");
    stage.all_neighbours("traffic");
    stage.goes_on();
    stage.all_received_the_same(&mut [], &[]);
    stage.settles();
    stage.takes_a_newcomer();
    stage.only_files_of_the_living();
}
