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
        frozen::cases(),
        durable::cases(),
    ];
    rooms.into_iter().flatten().collect()
}

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
