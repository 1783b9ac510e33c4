//! Deaths with nobody else on the bus: making it, removing it, replacing it, sweeping away what is left of it.

use super::membership::{ATTACH, LEAVE};
use super::{alone, death, time};
use crate::scenes::Death;
use crate::suite::Case;

const CREATE: [(&str, u32); 10] = [
    ("create: noting", 0),
    ("create: noted", 0),
    ("create: made", 0),
    ("create: reserved", 0),
    ("memory: reserved", 0),
    ("memory: reserved", 1),
    ("memory: reserved", 2),
    ("memory: told", 0),
    ("create: built", 0),
    ("create: named", 0),
];
/// Of removing the files of a bus, member files apart.
const REMOVE: [(&str, u32); 5] = [
    ("remove: memory gone", 0),
    ("remove: memory gone", 1),
    ("remove: unnamed", 0),
    ("remove: unlocked", 0),
    ("remove: folder gone", 0),
];

/// One that dies attached, with a message under way.
fn dead_member() -> Death {
    death(0, "open", "publish 1 100").at("publish: committed")
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (point, nth) in ATTACH.into_iter().chain(CREATE) {
        cases.extend(alone(point, &format!("the first, {}", time(nth)), vec![death(nth, "", "open")]));
    }
    let leave = |nth| death(nth, "open; subscribe 0; publish 0 100", "leave");
    for point in LEAVE.into_iter().chain(["remove: closed", "remove: unlinked"]) {
        cases.extend(alone(point, "the last", vec![leave(0)]));
    }
    for (point, nth) in REMOVE {
        cases.extend(alone(point, &format!("the last leaves, {}", time(nth)), vec![leave(nth)]));
        let sweeps = vec![dead_member(), death(nth, "", "open-as other-bus")];
        cases.extend(alone(point, &format!("in a sweep, {}", time(nth)), sweeps));
        let fails = vec![death(nth, "", "open-too-large")];
        cases.extend(alone(point, &format!("it could not be made, {}", time(nth)), fails));
    }
    // On Windows the dead one has but one file.
    for nth in 0..if cfg!(windows) { 1 } else { 2 } {
        let when = time(nth);
        let leaves = vec![dead_member(), leave(nth)];
        cases.extend(alone(
            "remove: one file",
            &format!("the last leaves beside a dead one, {when}"),
            leaves,
        ));
        let sweeps = vec![dead_member(), death(nth, "", "open-as other-bus")];
        cases.extend(alone("remove: one file", &format!("in a sweep, {when}"), sweeps));
        let replaces = vec![dead_member(), death(nth, "", "open")];
        cases.extend(alone("remove: one file", &format!("it is replaced, {when}"), replaces));
    }
    for point in ["open: lock made", "sweep: locked"] {
        cases.extend(alone(point, "in a sweep", vec![dead_member(), death(0, "", "open-as other-bus")]));
    }
    for point in ["replace: unlinked", "replace: unnamed", "create: noted", "create: made", "create: built"] {
        cases.extend(alone(point, "in the place of a dead bus", vec![dead_member(), death(0, "", "open")]));
    }
    // Two deaths in the making.
    for point in ["create: noting", "create: noted", "create: made"] {
        let made = death(0, "", "open").at("create: made");
        cases.extend(alone(point, "where one died making it", vec![made, death(0, "", "open")]));
    }
    let made = death(0, "", "open").at("create: made");
    let sweeps = vec![made, death(0, "", "open-as other-bus")];
    cases.extend(alone("remove: memory gone", "in a sweep of a half made bus", sweeps));
    // All its files are removed under one that dies then: nothing but the memory is left, which no pointer leads to.
    let lost = || death(0, "open; remove-files", "publish 1 100").at("publish: written");
    cases.extend(alone(
        "sweep: lost memory gone",
        "in a sweep",
        vec![lost(), death(0, "", "open-as other-bus")],
    ));
    cases
}
