//! Deaths under the registry lock, in the middle of a change.

use super::{MEMBERS, amid, death, time};
use crate::scenes::Around::Traffic;
use crate::scenes::Scene;
use crate::suite::Case;

const MAKE: [&str; 8] = [
    "change: begun",
    "make: taken",
    "make: numbered",
    "make: named",
    "make: linked",
    "make: logged",
    "make: counted",
    "make: valid",
];
/// All of the table: three topics have subscribers, 61 have none.
const FULL: &str = "open; make 20-80";
/// The same, with one of the 61 given to another name and the rest retired.
const RETIRED: &str = "open; make 20-80; subscribe 100";

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for point in MAKE {
        cases.push(amid(point, "by a subscriber", Traffic, vec![death(0, "open", "subscribe 20")]));
        cases.push(amid(point, "by a publisher", Traffic, vec![death(0, "open", "publish 20 100")]));
        // Of a full table the first change retires.
        let nth = (point == "change: begun") as u32;
        let dies = death(nth, FULL, "subscribe 100");
        cases.push(amid(point, "of an entry that had another name", Traffic, vec![dies]));
    }
    let dies = death(0, FULL, "subscribe 100");
    cases.push(amid("make: unlinked", "of an entry that had another name", Traffic, vec![dies]));
    let dies = death(0, RETIRED, "subscribe 101");
    cases.push(amid("make: unlinked", "of an entry retired long before", Traffic, vec![dies]));
    for nth in [0, 30, 60] {
        // While the slab goes round, history of only some of the 61 may be overwritten: only those are retired at once.
        let dies = death(nth, FULL, "subscribe 100-160");
        cases.push(amid("retire: one", time(nth), Traffic, vec![dies]));
    }
    cases.push(amid("retire: all", "by a subscriber", Traffic, vec![death(0, FULL, "subscribe 100")]));
    cases.push(amid("retire: all", "by a publisher", Traffic, vec![death(0, FULL, "publish 100 100")]));
    for point in ["revive: taken out", "change: begun"] {
        let dies = death(0, RETIRED, "subscribe 50");
        cases.push(amid(point, "of a retired topic that lives again", Traffic, vec![dies]));
    }
    let dies = death(0, "open", "subscribe 20");
    cases.push(amid("interest: changed", "by the first subscriber", Traffic, vec![dies]));
    let dies = death(0, "open; subscribe 20", "unsubscribe 20");
    cases.push(amid("interest: changed", "by the last one who leaves", Traffic, vec![dies]));
    for (point, nth) in
        [("memory: reserved", 0), ("memory: reserved", 1), ("memory: reserved", 2), ("memory: told", 0)]
    {
        // The first 512 entries are there from the beginning.
        let deaths = vec![death(nth, "open; make 20-528", "subscribe 600")];
        let scene = Scene::Amid { around: Traffic, members: MEMBERS, topics: 600, deaths };
        cases.push(Case { point, when: format!("the table grows, {}", time(nth)), scene });
    }
    cases
}
