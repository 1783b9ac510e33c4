//! Deaths while reading: joining, draining, falling asleep, ending a subscription.

use super::{amid, death, time};
use crate::scenes::Around::{Asleep, Traffic};
use crate::scenes::{Scene, a_reader_is_cut_off, the_cutter_dies};
use crate::suite::Case;

const READER: &str = "open; subscribe 0-2";

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for point in ["drain: begun", "drain: copied", "drain: low moved", "drain: passed"] {
        for nth in [0, 2] {
            let dies = death(nth, READER, "sleep; sleep; sleep; sleep");
            cases.push(amid(point, format!("drain {} amid traffic", nth + 1), Traffic, vec![dies]));
        }
    }
    for point in ["sleep: emptied", "sleep: armed"] {
        cases.push(amid(point, "on a silent bus", Asleep, vec![death(0, READER, "sleep")]));
    }
    for point in ["join: gate set", "join: reading", "join: joined"] {
        cases.push(amid(point, "first subscription", Traffic, vec![death(0, "open", "subscribe 1")]));
        for (when, does) in [("it reads", "read"), ("it subscribes", "subscribe 20")] {
            let when = format!("cut off, when {when} again");
            let scene = Scene::Told(Box::new(move |stage, point| a_reader_is_cut_off(stage, point, does)));
            cases.push(Case { point, when, scene });
        }
    }
    for point in ["subscribe: topic there", "subscribe: subscribed", "subscribe: begun"] {
        cases.push(amid(point, "a known topic", Traffic, vec![death(0, "open", "subscribe 1")]));
        cases.push(amid(point, "a new topic", Traffic, vec![death(0, READER, "subscribe 20")]));
    }
    for (point, nth) in [("replay: begun", 0), ("replay: copied", 0), ("replay: copied", 5)] {
        let when = format!("a topic that is published to, {}", time(nth));
        cases.push(amid(point, when, Traffic, vec![death(nth, "open; publish 1 100 8", "subscribe-past 1")]));
    }
    for point in ["unsubscribe: stopped", "unsubscribe: forgotten"] {
        cases.push(amid(point, "one of three", Traffic, vec![death(0, READER, "unsubscribe 1")]));
        cases.push(amid(
            point,
            "the only one",
            Traffic,
            vec![death(0, "open; subscribe 1", "unsubscribe 1")],
        ));
    }
    for point in ["psubscribe: watching", "psubscribe: subscribed"] {
        cases.push(amid(point, "the first", Traffic, vec![death(0, "open", "psubscribe")]));
        cases.push(amid(point, "on a silent bus", Asleep, vec![death(0, READER, "psubscribe")]));
    }
    cases.push(amid(
        "punsubscribe: stopped",
        "the only one",
        Traffic,
        vec![death(0, "open; psubscribe", "punsubscribe")],
    ));
    for (when, does) in [("when it subscribes", "subscribe 20"), ("when it reads", "publish 20 40; read")] {
        cases.push(amid("notice: subscribed", when, Traffic, vec![death(0, "open; psubscribe", does)]));
    }
    let scene = Scene::Told(Box::new(the_cutter_dies));
    cases.push(Case { point: "stall: cut off", when: "and the reader comes back".into(), scene });
    cases
}
