//! A death beside living members: a keeper and two neighbours.

use super::{Death, all_is_well, dies_at, victim};
use crate::stage::{Person, Stage};

/// What the living do meanwhile.
#[derive(Clone, Copy, PartialEq)]
pub enum Around {
    /// The neighbours publish and receive, the keeper receives.
    Traffic,
    /// Nobody publishes; the neighbours sleep.
    Asleep,
    /// Nobody looks at the bus at all.
    Paused,
}

pub fn begin(stage: &mut Stage, around: Around) {
    match around {
        Around::Traffic => stage.all_neighbours("traffic"),
        Around::Asleep => {
            stage.all_neighbours("follow");
            let numbers: Vec<u32> = stage.neighbours.iter().map(|neighbour| neighbour.number).collect();
            stage.until("the neighbours sleep", |stage| {
                let asleep = stage.audit().asleep;
                if numbers.iter().all(|number| asleep.contains(number)) {
                    Ok(())
                } else {
                    Err(format!("{asleep:?}"))
                }
            });
        }
        Around::Paused => stage.keeper_reads = false,
    }
}

pub fn play(stage: &mut Stage, point: &'static str, around: Around, deaths: &[Death]) {
    stage.open_keeper();
    stage.open_neighbours();
    stage.keeper_reads = around != Around::Paused;
    let mut victims: Vec<Person> =
        deaths.iter().zip(11..).map(|(death, id)| victim(stage, id, death.before)).collect();
    begin(stage, around);
    for (victim, death) in victims.iter_mut().zip(deaths) {
        dies_at(stage, victim, death.point.unwrap_or(point), death.nth, death.does);
    }
    stage.keeper_reads = true;
    if around == Around::Asleep
        && let Some(more @ 1..) = deaths[0].delivered
    {
        arrives(stage, &victims[0], more);
    }
    if around != Around::Traffic {
        stage.all_neighbours("traffic");
    }
    stage.goes_on();
    // Who died between detaching and removing its files leaves them to the next who attaches; and who buried it, too.
    stage.buries_files = deaths.len() == 1 && !matches!(point, "leave: detached" | "detach: inaudible");
    let delivered: Vec<_> = deaths.iter().map(|death| death.delivered).collect();
    all_is_well(stage, &mut victims, &delivered);
}

/// What the dead one committed reaches the living though nobody else publishes.
pub fn arrives(stage: &mut Stage, victim: &Person, more: u32) {
    let told: u32 = victim.acknowledged.values().sum();
    let id = victim.id;
    let waited = stage.until("the message of the dead one arrives", |stage| {
        let got = stage.keeper().log.iter().filter(|got| got.publisher == id).count() as u32;
        if got == told + more { Ok(()) } else { Err(format!("{got} of {}", told + more)) }
    });
    stage.longest = stage.longest.max(waited);
}
