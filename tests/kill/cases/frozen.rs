//! Processes stopped at a point: what the others cannot have meanwhile, and that they have it at once when it goes on or is
//! killed.

use super::death;
use super::publishing::{HELP, PUBLISH};
use crate::scenes::Around::{Asleep, Traffic};
use crate::scenes::{
    Death, Ending, Holds, Scene, a_leaver_without_the_lock, an_opener_holds_the_lock_of_a_bus_that_goes,
    an_opener_waits_for_the_last_leaver, its_place_is_taken_while_it_leaves, nobody_gets_the_lock,
    posted_to_and_not_drained,
};
use crate::suite::Case;

const ENDINGS: [(Ending, &str); 2] = [(Ending::GoesOn, "then goes on"), (Ending::Killed, "then is killed")];

type Story = fn(&mut crate::stage::Stage, &str, Ending);

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (ending, then) in ENDINGS {
        let mut frozen = |point, what: &str, around, holds, victim: Death| {
            let scene = Scene::Frozen { around, holds, ending, victim };
            cases.push(Case { point, when: format!("stopped {what}, {then}"), scene });
        };
        for (point, exists) in PUBLISH {
            let holds = if point == "publish: cleared" { Holds::Nothing } else { Holds::Slab };
            let victim = death(0, "open", "publish 1 300").delivered(exists as u32);
            frozen(point, "inside a publish", Asleep, holds, victim);
        }
        for point in HELP {
            let victim = death(0, "open", "publish 1 300").delivered(1);
            frozen(point, "inside a publish", Asleep, Holds::Slab, victim);
        }
        for point in ["post: due", "post: posted"] {
            let victim = death(0, "open", "publish 1 300 1000").delivered(1);
            frozen(point, "after a publish", Asleep, Holds::Nothing, victim);
        }
        for point in ["change: begun", "make: named", "subscribe: topic there"] {
            let victim = death(0, "open", "subscribe 20");
            frozen(point, "with the registry lock", Traffic, Holds::Registry, victim);
        }
        for point in ["open: locked", "witness: made", "attach: audible", "attach: attached"] {
            frozen(point, "with the registry lock", Traffic, Holds::Registry, death(0, "", "open"));
        }
        for point in ["leave: locked", "leave: detached"] {
            frozen(point, "with the registry lock", Traffic, Holds::Registry, death(0, "open", "leave"));
        }
        let mut story = |point, what: &str, tell: Story| {
            let scene = Scene::Told(Box::new(move |stage, point| tell(stage, point, ending)));
            cases.push(Case { point, when: format!("{what}, {then}"), scene });
        };
        story("drain: begun", "stopped after a post", posted_to_and_not_drained);
        story("make: named", "stopped with the registry lock for long", nobody_gets_the_lock);
        story("make: named", "stopped while another leaves", a_leaver_without_the_lock);
        story("leave: announced", "stopped until another has its place", its_place_is_taken_while_it_leaves);
        for point in ["remove: closed", "remove: unlinked", "remove: memory gone", "remove: unnamed"] {
            story(point, "stopped while another opens", an_opener_waits_for_the_last_leaver);
        }
        story(
            "open: lock made",
            "stopped while the bus is removed",
            an_opener_holds_the_lock_of_a_bus_that_goes,
        );
    }
    cases
}
