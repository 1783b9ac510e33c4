//! Deaths of durable subscribers: in the table of bookmarks, and around a message.

use crate::scenes::{DurableDeath, Scene, a_durable_subscriber_dies};
use crate::suite::Case;

const BEGIN: &str = "subscribe-durable 1";
const READER: &str = "open; subscribe-durable 1";
const BEGINNER: DurableDeath =
    DurableDeath { others: &[], before: "open", does: BEGIN, nth: 0, expected: "4" };

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |point: &'static str, when: &str, dies: DurableDeath| {
        let scene = Scene::Told(Box::new(move |stage, point| a_durable_subscriber_dies(stage, point, &dies)));
        cases.push(Case { point, when: when.into(), scene });
    };
    for point in [
        "memory: told of bookmarks",
        "durable: reading",
        "bookmark: taken",
        "bookmark: named",
        "bookmark: linked",
        "bookmark: kept",
    ] {
        case(point, "the first of its name", BEGINNER);
    }
    for point in ["bookmark: taken", "bookmark: named", "bookmark: linked", "bookmark: kept"] {
        let others: &[_] = &[(None, "subscribe-durable 2; unsubscribe 2")];
        case(point, "where another was forgotten", DurableDeath { others, ..BEGINNER });
    }
    let others: &[_] = &[(None, BEGIN)];
    let dies = DurableDeath { others, expected: "1 2 3 4", ..BEGINNER };
    case("bookmark: held", "a second of its name", dies);
    let others: &[_] = &[(Some("bookmark: linked"), "subscribe-durable 2")];
    case("bookmarks: emptied", "after another death", DurableDeath { others, ..BEGINNER });
    for (nth, expected) in [(0, "1! 2 3 4"), (1, "2! 3 4"), (2, "3! 4")] {
        let dies = DurableDeath { others: &[], before: READER, does: "take 3", nth, expected };
        case("bookmark: begun", &format!("message {}", nth + 1), dies);
    }
    for (nth, expected) in [(0, "2 3 4"), (2, "4")] {
        let dies = DurableDeath { others: &[], before: READER, does: "take 3", nth, expected };
        case("bookmark: handled", &format!("message {}", nth + 1), dies);
    }
    let dies = DurableDeath { others: &[], before: READER, does: "unsubscribe 1", nth: 0, expected: "4" };
    case("bookmark: gone", "it begins anew", dies);
    cases
}
