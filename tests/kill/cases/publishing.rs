//! Deaths inside `publish`: before its commit nothing of the message is to be seen, after it all of it is.

use super::{amid, death};
use crate::scenes::Around::{Asleep, Paused, Traffic};
use crate::suite::Case;

/// The points of one publish, and whether the message exists there.
pub const PUBLISH: [(&str, bool); 7] = [
    ("publish: announced", false),
    ("publish: reserved", false),
    ("publish: header written", false),
    ("publish: written", false),
    ("publish: placed", false),
    ("publish: committed", true),
    ("publish: cleared", true),
];
pub const HELP: [&str; 3] = ["help: chained", "help: counted", "help: finalised"];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (point, exists) in PUBLISH {
        let dies = |nth, before, does| vec![death(nth, before, does).delivered(exists as u32)];
        cases.extend([
            amid(point, "amid traffic", Traffic, dies(4, "open", "publish 1 3000 50")),
            amid(point, "on a silent bus", Asleep, dies(0, "open", "publish 1 300")),
            amid(
                point,
                "round the end of the slab",
                Asleep,
                dies(0, "open; approach 3072", "publish 1 3000"),
            ),
            amid(point, "in the last room of the slab", Paused, dies(0, "open; fill 3072", "publish 1 3000")),
        ]);
    }
    // At the second of three at once: what is committed of them is there, the rest is not, and the room of all comes back.
    for (point, there) in [
        ("publish: header written", 1),
        ("publish: written", 1),
        ("publish: placed", 1),
        ("publish: committed", 2),
        ("help: chained", 2),
        ("help: counted", 2),
        ("help: finalised", 2),
    ] {
        let dies = death(1, "open", "publish-many 1 300 3").delivered(there);
        cases.push(amid(point, "in the middle of three at once", Asleep, vec![dies]));
    }
    for (point, there) in [("publish: announced", 0), ("publish: reserved", 0), ("publish: cleared", 3)] {
        let dies = death(0, "open", "publish-many 1 300 3").delivered(there);
        cases.push(amid(point, "three at once", Asleep, vec![dies]));
    }
    for point in HELP {
        // Its own message, or one of the others' that was in its way.
        let amid_traffic = death(4, "open", "publish 1 3000 50").delivered(None);
        cases.push(amid(point, "amid traffic", Traffic, vec![amid_traffic]));
        let own = death(0, "open", "publish 1 300").delivered(1);
        cases.push(amid(point, "finalising its own message", Asleep, vec![own]));
        // Another died between its commit and its help.
        let committed = death(0, "open", "publish 1 3000").at("publish: committed").delivered(1);
        let helpers = [
            ("before it can commit", "open", "publish 2 300"),
            ("in the look once a second", "open", "tick"),
            ("while it subscribes", "open", "subscribe 1"),
        ];
        for (when, before, does) in helpers {
            let deaths = vec![committed, death(0, before, does)];
            cases.push(amid(point, format!("finalising a dead one's message {when}"), Paused, deaths));
        }
    }
    for point in ["post: due", "post: posted"] {
        for nth in [0, 1] {
            let which = ["first", "second"][nth as usize];
            let dies = death(nth, "open", "publish 1 300 1000").delivered(1);
            cases.push(amid(point, format!("the {which} sleeper"), Asleep, vec![dies]));
        }
        let nudges = death(0, "open", "publish 20 1000 1000");
        cases.push(amid(point, "nudging who sleeps with the slab half full", Asleep, vec![nudges]));
    }
    cases
}
