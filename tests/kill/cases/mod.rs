//! The cases, by what the victim is doing. The name of a point says where; one of a kind stands for each circumstance in
//! which a point is passed.

mod durable;
mod frozen;
mod groups;
mod membership;
mod places;
mod publishing;
mod reading;
mod registry;
mod repairs;
mod vanished;

use crate::scenes::{Around, Death, Rescue, Scene};
use crate::suite::Case;
use crate::support::CAN_STOP;

pub fn all() -> Vec<Case> {
    let rooms = [
        publishing::cases(),
        reading::cases(),
        groups::cases(),
        registry::cases(),
        membership::cases(),
        places::cases(),
        repairs::cases(),
        vanished::cases(),
        if CAN_STOP { frozen::cases() } else { Vec::new() },
        durable::cases(),
    ];
    rooms.into_iter().flatten().filter(|case| !NOT_HERE.contains(&case.point)).collect()
}

/// Points that are not passed on this system, or where nothing can be tried. On Windows the registry lock has no file; nobody
/// is stopped, and so cut off and back again; and a file that somebody has open keeps its name, so that living members'
/// locks are there, and a dead one's memory is never without a pointer.
pub const NOT_HERE: &[&str] = if cfg!(windows) {
    &["open: lock made", "stall: cut off", "sweep: lost memory gone", "files: witnessed"]
} else {
    &[]
};

/// At the case's point, the `nth` time it is passed.
fn death(nth: u32, before: &'static str, does: &'static str) -> Death {
    Death { point: None, nth, before, does, delivered: Some(0) }
}

impl Death {
    /// Elsewhere than at the case's point.
    fn at(self, point: &'static str) -> Death {
        Death { point: Some(point), ..self }
    }
    fn delivered(self, delivered: impl Into<Option<u32>>) -> Death {
        Death { delivered: delivered.into(), ..self }
    }
}

const MEMBERS: u32 = 8;
const TOPICS: u32 = 64;

fn amid(point: &'static str, when: impl Into<String>, around: Around, deaths: Vec<Death>) -> Case {
    let scene = Scene::Amid { around, members: MEMBERS, topics: TOPICS, deaths };
    Case { point, when: when.into(), scene }
}

/// Twice: those who come next come to the same bus, or to another.
fn alone(point: &'static str, when: &str, deaths: Vec<Death>) -> [Case; 2] {
    [(Rescue::Same, "the bus is opened again"), (Rescue::Other, "another bus is opened")].map(
        |(rescue, next)| {
            let scene = Scene::Alone { rescue, deaths: deaths.clone() };
            Case { point, when: format!("{when}; {next}"), scene }
        },
    )
}

/// "the 2nd time", for names.
fn time(nth: u32) -> String {
    format!("time {}", nth + 1)
}
