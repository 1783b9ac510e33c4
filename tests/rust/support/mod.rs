//! What tests with processes of the crate share: a place of their own, processes in a role, and chance from a seed. A test
//! target that uses it has a test named `child`, which plays the role it is started in.

#![allow(dead_code, unused_imports)] // each target uses what it needs

mod isolation;
mod place;
mod player;
mod random;

pub use isolation::{isolated, may_isolate, nothing_left, this_program};
pub use place::{folder_of, left};
pub use player::{AGAIN, CAN_STOP, Player, lines, role, say};
pub use random::Random;

use std::time::{Duration, Instant};

/// Nothing is expected to take this long.
pub const WATCHDOG: Duration = Duration::from_secs(120);

pub fn rounds(count: u64) -> u64 {
    count
        * std::env::var("SLABCAST_ROUNDS")
            .map_or(1, |text| text.parse().expect("SLABCAST_ROUNDS is a number"))
}

pub fn until(what: &str, mut condition: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < WATCHDOG, "waited {WATCHDOG:?} for this: {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
    start.elapsed()
}
