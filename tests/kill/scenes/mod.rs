//! What happens around a death: who lives beside the victim, and what they are asked afterwards.

mod alone;
mod amid;
mod frozen;
mod told;
mod vanished;

pub use alone::Rescue;
pub use amid::Around;
pub use frozen::{Ending, Holds};
pub use told::{
    DurableDeath, a_durable_subscriber_dies, a_leaver_without_the_lock, a_reader_is_cut_off,
    an_opener_holds_the_lock_of_a_bus_that_goes, an_opener_waits_for_the_last_leaver,
    its_place_is_taken_while_it_leaves, nobody_gets_the_lock, posted_to_and_not_drained, the_cutter_dies,
};

pub use vanished::files_are_put_back;

use crate::stage::{Fate, Person, Stage};

/// One process that dies, and of what. Lines for it (see `actor`) are parted by "; ".
#[derive(Clone, Copy)]
pub struct Death {
    /// None: the case's.
    pub point: Option<&'static str>,
    pub nth: u32,
    pub before: &'static str,
    pub does: &'static str,
    /// How many of the messages it was publishing are delivered, if that is certain.
    pub delivered: Option<u32>,
}

/// A scene of its own, at the case's point.
type Story = Box<dyn Fn(&mut Stage, &str) + Send + Sync>;

pub enum Scene {
    Amid { around: Around, members: u32, topics: u32, deaths: Vec<Death> },
    Alone { rescue: Rescue, deaths: Vec<Death> },
    Frozen { around: Around, holds: Holds, ending: Ending, victim: Death },
    Told(Story),
}

impl Scene {
    pub fn play(&self, stage: &mut Stage, point: &'static str) {
        match self {
            Scene::Amid { around, members, topics, deaths } => {
                (stage.members, stage.topics) = (*members, *topics);
                amid::play(stage, point, *around, deaths);
            }
            Scene::Alone { rescue, deaths } => alone::play(stage, point, *rescue, deaths),
            Scene::Frozen { around, holds, ending, victim } => {
                frozen::play(stage, point, *around, *holds, *ending, victim);
            }
            Scene::Told(tell) => tell(stage, point),
        }
    }
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split("; ").filter(|line| !line.is_empty())
}

/// Starts a victim and lets it do what it does before.
fn victim(stage: &mut Stage, id: u32, before: &'static str) -> Person {
    let mut victim = stage.person(id);
    for line in lines(before) {
        stage.does(&mut victim, line);
    }
    victim
}

/// Arms the point and lets the victim run into it; fails if it does not.
fn ends_at(
    stage: &mut Stage,
    victim: &mut Person,
    act: &str,
    point: &str,
    nth: u32,
    does: &'static str,
) -> Fate {
    stage.does(victim, &format!("arm {point}|{nth}|{act}"));
    victim.may_stop = act == "stop";
    for line in lines(does) {
        match stage.told(victim, line) {
            Fate::Answered(_) => {}
            fate => return fate,
        }
    }
    panic!("{point} was not reached for the {nth}th time: {}", stage.does(victim, "disarm"));
}

fn dies_at(stage: &mut Stage, victim: &mut Person, point: &str, nth: u32, does: &'static str) {
    assert_eq!(ends_at(stage, victim, "kill", point, nth, does), Fate::Killed);
}

fn stops_at(stage: &mut Stage, victim: &mut Person, point: &str, nth: u32, does: &'static str) {
    assert_eq!(ends_at(stage, victim, "stop", point, nth, does), Fate::Stopped);
}

/// Everybody in turn, the case's death last.
fn die_in_turn(stage: &mut Stage, point: &'static str, deaths: &[Death]) -> Vec<Person> {
    let mut victims: Vec<Person> =
        deaths.iter().zip(11..).map(|(death, id)| victim(stage, id, death.before)).collect();
    for (victim, death) in victims.iter_mut().zip(deaths) {
        dies_at(stage, victim, death.point.unwrap_or(point), death.nth, death.does);
    }
    victims
}

/// What must hold for all who lived through it, and after they are gone.
fn all_is_well(stage: &mut Stage, victims: &mut [Person], delivered: &[Option<u32>]) {
    stage.all_received_the_same(victims, delivered);
    stage.settles();
    if stage.buries_files {
        stage.no_files_of(victims);
    }
    stage.takes_a_newcomer();
    stage.only_files_of_the_living();
    stage.all_leave();
}
