//! Deaths while attaching to a bus on which others live, and while leaving it.

use super::{amid, death, time};
use crate::scenes::Around::Traffic;
use crate::suite::Case;

/// The points of attaching, and how often they were passed before.
pub const ATTACH: [(&str, u32); 12] = [
    ("open: folder made", 0),
    ("open: folder made", 1),
    ("open: lock made", 0),
    ("open: locked", 0),
    ("attach: numbered", 0),
    ("witness: made", 0),
    ("witness: locked", 0),
    ("attach: witnessed", 0),
    ("semaphore: made", 0),
    ("attach: audible", 0),
    ("attach: identified", 0),
    ("attach: attached", 0),
];
pub const LEAVE: [&str; 6] = [
    "leave: announced",
    "leave: locked",
    "leave: forgotten",
    "leave: detached",
    "detach: inaudible",
    "leave: files removed",
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (point, nth) in ATTACH {
        cases.push(amid(point, format!("one more, {}", time(nth)), Traffic, vec![death(nth, "", "open")]));
    }
    for point in LEAVE {
        let dies = death(0, "open; subscribe 0-2; subscribe 20", "leave");
        cases.push(amid(point, "one of many", Traffic, vec![dies]));
    }
    cases
}
