//! Deaths of members of groups: while they join, take, leave, and while the table of groups is put in order.

use super::{amid, death, time};
use crate::scenes::Around::{Paused, Traffic};
use crate::suite::Case;

/// What the first member of a group passes.
const BEGIN: [&str; 8] = [
    "change: begun",
    "group: entered",
    "group: named",
    "group: linked",
    "group: gate set",
    "group: joining",
    "group: placed",
    "group: joined",
];
const TAKE: [&str; 5] =
    ["take: copied", "take: held", "take: taken", "take: passed", "take: looking for more"];
const END: [&str; 3] = ["group: left", "group: ungated", "group: unlinked"];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (point, nth) in [("memory: reserved", 0), ("memory: reserved", 1), ("memory: told of groups", 0)] {
        let dies = death(nth, "open", "join 20");
        cases.push(amid(point, format!("the first of all groups, {}", time(nth)), Traffic, vec![dies]));
    }
    for point in BEGIN {
        // The topic is made first.
        let nth = (point == "change: begun") as u32;
        cases.push(amid(point, "by the first of a group", Traffic, vec![death(nth, "open", "join 20")]));
        // Nobody who looks after the bus sees it before it is in the way.
        cases.push(amid(point, "of a topic that all publish to", Paused, vec![death(0, "open", "join 1")]));
    }
    for point in TAKE {
        let dies = death(0, "open; join 20", "publish 20 100");
        cases.push(amid(point, "by the only one of a group", Traffic, vec![dies]));
        let dies = death(0, "open; join 1", "publish 1 100 100").delivered(None);
        cases.push(amid(point, "of a topic that all publish to", Traffic, vec![dies]));
    }
    for point in END {
        let dies = death(0, "open; join 20", "leave-group 20");
        cases.push(amid(point, "by the last of a group", Traffic, vec![dies]));
        let dies = death(0, "open; join 20; join 21; join 20 other", "leave");
        cases.push(amid(point, "by one of several who leaves the bus", Traffic, vec![dies]));
    }
    let half = || death(0, "open", "join 20").at("group: linked");
    let dies = vec![half(), death(0, "open", "subscribe 21")];
    cases.push(amid("recover: one group", "by a subscriber", Traffic, dies));
    cases
}
