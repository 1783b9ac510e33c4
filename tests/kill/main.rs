//! Real processes, killed or stopped exactly between two steps: at every point `sync::step` names, in every circumstance in
//! which it is passed. `SLABCAST_CASE` picks cases by a part of their names, `SLABCAST_ROUNDS` repeats them.

mod actor;
mod cases;
mod member;
mod scenes;
mod stage;
mod suite;
#[path = "../rust/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::path::Path;

/// The names of all points in the source text.
fn points() -> BTreeSet<String> {
    let mut points = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(path).expect("text");
            let names = text.split("step(\"").skip(1).filter_map(|rest| rest.split_once("\")"));
            points.extend(names.map(|(name, _)| name.to_owned()));
        }
    }
    points
}

#[test]
fn every_point_has_a_case_and_every_case_a_point() {
    let points = points();
    let cases = cases::all();
    let covered: BTreeSet<String> = cases.iter().map(|case| case.point.to_owned()).collect();
    let points: BTreeSet<String> =
        points.into_iter().filter(|point| !cases::NOT_HERE.contains(&point.as_str())).collect();
    assert_eq!(points.difference(&covered).collect::<Vec<_>>(), Vec::<&String>::new(), "without a case");
    assert_eq!(covered.difference(&points).collect::<Vec<_>>(), Vec::<&String>::new(), "not in the source");
    let names: BTreeSet<String> = cases.iter().map(suite::Case::name).collect();
    assert_eq!(names.len(), cases.len(), "two cases of one name");
}

#[test]
fn the_living_lose_nothing_whoever_dies_where() {
    let wanted = std::env::var("SLABCAST_CASE").unwrap_or_default();
    let mut cases = cases::all();
    // A whole name is that case alone.
    let whole = cases.iter().any(|case| case.name() == wanted);
    cases.retain(|case| if whole { case.name() == wanted } else { case.name().contains(&wanted) });
    assert!(!cases.is_empty(), "no case is named so: {wanted}");
    for round in 0..support::rounds(1) {
        let failed = suite::run(&cases);
        assert!(failed.is_empty(), "round {round}, {} failed:\n{}", failed.len(), failed.join("\n"));
    }
}

/// One case, in a process of its own.
#[test]
fn case() {
    suite::play_what_is_asked(cases::all());
}

/// One process of a case.
#[test]
fn child() {
    let Some(role) = support::role() else { return };
    let words: Vec<&str> = role.split(' ').collect();
    let ["actor", id, bus, members, topics] = words[..] else { panic!("no such role: {role}") };
    let number = |text: &str| text.parse().expect("a number");
    actor::act(number(id), actor::options(bus, number(members), number(topics)));
}
