//! Deaths of those who repair what another dead one left: whoever comes next repairs both.

use super::{TOPICS, amid, death, time};
use crate::scenes::Around::Paused;
use crate::scenes::{Death, Scene};
use crate::suite::Case;

const REAP: [&str; 6] = [
    "reap: helped",
    "reap: space given back",
    "reap: forgotten",
    "reap: detached",
    "detach: inaudible",
    "bury: files removed",
];
const READER: &str = "open; subscribe 0-2; subscribe 20";

/// Dead in the middle of a message, subscribed to topics of its own too.
fn dead_writer() -> Death {
    death(0, READER, "publish 1 3000").at("publish: written")
}

/// Dead with a message committed that nobody has finalised.
fn dead_committer() -> Death {
    death(0, READER, "publish 1 3000").at("publish: committed").delivered(1)
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for point in REAP.into_iter().chain(["bury: posts due", "post: due", "post: posted"]) {
        let looks = death(0, "open", "tick");
        cases.push(amid(point, "burying in the look once a second", Paused, vec![dead_writer(), looks]));
    }
    for point in REAP.into_iter().chain(["bury: posts due"]) {
        let is_full = death(0, "open", "publish 20 3000 100");
        cases.push(amid(point, "burying for the sake of room", Paused, vec![dead_writer(), is_full]));
    }
    for (point, first) in REAP
        .into_iter()
        .chain(["post: due"])
        .map(|point| (point, dead_writer()))
        .chain(super::publishing::HELP.map(|point| (point, dead_committer())))
    {
        let scene = Scene::Amid {
            around: Paused,
            // As many as there are with the dead one.
            members: 4,
            topics: TOPICS,
            deaths: vec![first, death(0, "", "open")],
        };
        cases.push(Case { point, when: "burying for the sake of a place".into(), scene });
    }
    for point in ["reap: helped", "reap: space given back"] {
        let looks = death(0, "open", "tick");
        cases.push(amid(point, "burying one that had committed", Paused, vec![dead_committer(), looks]));
    }
    let half_made = death(0, "open", "subscribe 20").at("make: named");
    let half_retired = death(20, "open; make 20-80", "subscribe 100").at("retire: one");
    for (point, nth) in [("recover: emptied", 0), ("recover: one", 0), ("recover: one", 3)] {
        for (who, before, does) in [
            ("a subscriber", "open", "subscribe 21"),
            ("an opener", "", "open"),
            ("a leaver", "open", "leave"),
            ("who unsubscribes", "open; subscribe 0-2", "unsubscribe 1"),
            ("who looks once a second", "open", "tick"),
        ] {
            let when = format!("by {who}, {}", time(nth));
            cases.push(amid(point, when, Paused, vec![half_made, death(nth, before, does)]));
        }
    }
    for nth in [0, 30] {
        let when = format!("topics half retired, {}", time(nth));
        cases.push(amid(
            "recover: one",
            when,
            Paused,
            vec![half_retired, death(nth, "open", "subscribe 101")],
        ));
    }
    cases
}
