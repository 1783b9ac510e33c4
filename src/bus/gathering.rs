//! Letting messages gather before a look: for readers that are faster than who publishes.
//!
//! Each look takes the memory that both share from the publisher, and a reader that looks as soon as a message is there makes both of
//! them wait for it at every message: two that are apart by 10 us get more through than two that follow each other closely, 1.3 times
//! as much on cores that share a cache, up to three times on cores that do not. So who finds several at a time, at a rate
//! that only a burst has, waits a little before it looks again; twice as long each time, until enough come at once.
//! Who finds one at a time, as in questions and answers, waits for less than an answer takes, and who finds nothing does not wait, nor
//! who left some where they are for want of room.
//!
//! An event loop naps where the wait is long: the batches are as large as if it spun, and the core is others' meanwhile.

use super::clock::Ticks;
use std::time::Duration;

/// Where no burst is seen: less than it takes another core to answer. 130 to 260 ns at 2 to 4 GHz; 0.5 us where ticks are ns.
const SHORTEST: u64 = 1 << 9;
/// What a message in a burst may be late by: 4 to 8 us at 2 to 4 GHz; 16 us where ticks are ns.
const LONGEST: u64 = 1 << 14;
/// The same where one naps: 66 to 130 us at 2 to 4 GHz; 262 us where ticks are ns.
const LONGEST_NAP: u64 = 1 << 18;
/// What is asked of the system: it takes some 55 us for the shortest.
const NAP: Duration = Duration::from_micros(1);
/// Where the shortest takes long, as on Windows, nobody naps.
#[cfg(any(feature = "node", all(test, not(loom))))]
const NAPS: bool = cfg!(unix);
/// A burst has a message at least this often: more than a million in a second.
const APART: u64 = 1 << 11;
/// So many at once are enough: what a look costs is nothing to each of them.
const MANY: u64 = 256;

/// When a reader looks again.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    looked: Ticks,
    /// Not before so many ticks after that.
    pause: u64,
    /// More were there than were taken: they need not be waited for.
    has_more: bool,
    naps: bool,
}

impl Gathering {
    /// For an event loop.
    #[cfg(any(feature = "node", all(test, not(loom))))]
    pub fn napping() -> Gathering {
        Gathering { naps: NAPS, ..Gathering::default() }
    }

    /// Right before a look. Bounded, whatever is or is not published.
    #[inline]
    pub fn wait(&self) {
        if self.waits() {
            while Ticks::now().since(self.looked) < self.pause {
                if self.pause > LONGEST {
                    return std::thread::sleep(NAP);
                }
                std::hint::spin_loop();
            }
        }
    }

    #[inline]
    fn waits(&self) -> bool {
        self.pause > 0 && !self.has_more
    }

    /// A look found so many messages, and left more where they are.
    #[inline]
    pub fn found(&mut self, messages: usize, has_more: bool) {
        let now = Ticks::now();
        self.pause = next(self.pause, messages as u64, now.since(self.looked), self.longest());
        self.looked = now;
        self.has_more = has_more;
    }

    fn longest(&self) -> u64 {
        if self.naps { LONGEST_NAP } else { LONGEST }
    }
}

/// The pause after one of `pause` ticks, when `found` messages came within `ticks`.
fn next(pause: u64, found: u64, ticks: u64, longest: u64) -> u64 {
    let is_burst = found > 1 && ticks / found <= APART;
    match found {
        0 => 0,
        _ if !is_burst => SHORTEST,
        _ if found < MANY => (pause * 2).clamp(SHORTEST, longest),
        _ => pause,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// What the pause becomes when messages come `apart` ticks apart.
    fn settles(apart: u64, longest: u64) -> u64 {
        let mut pause = SHORTEST;
        for _ in 0..100 {
            // A look takes some time of its own.
            let ticks = pause + 300;
            pause = next(pause, ticks / apart, ticks, longest);
        }
        pause
    }

    #[test]
    fn in_a_burst_it_grows_until_many_come_at_once_or_it_is_long_enough() {
        assert_eq!(settles(400, LONGEST), LONGEST);
        let pause = settles(20, LONGEST);
        assert!(pause < LONGEST && (pause + 300) / 20 >= MANY, "{pause}");
    }

    #[test]
    fn who_naps_waits_for_longer() {
        assert!(settles(400, LONGEST_NAP) > LONGEST);
        assert_eq!(Gathering::default().longest(), LONGEST);
        assert_eq!(Gathering::napping().longest(), if NAPS { LONGEST_NAP } else { LONGEST });
    }

    #[test]
    fn who_left_some_for_want_of_room_does_not_wait_for_more() {
        let mut gathering = Gathering { pause: LONGEST, ..Gathering::default() };
        gathering.found(MANY as usize, true);
        assert!(!gathering.waits());
        gathering.found(MANY as usize, false);
        assert!(gathering.waits());
    }

    #[test]
    fn who_gets_one_at_a_time_or_messages_far_apart_waits_the_shortest() {
        assert_eq!(next(LONGEST, 1, 300, LONGEST), SHORTEST);
        assert_eq!(next(LONGEST, 3, 4 * APART, LONGEST), SHORTEST);
    }

    #[test]
    fn who_finds_nothing_does_not_wait() {
        assert_eq!(next(LONGEST, 0, 300, LONGEST), 0);
        let mut gathering = Gathering { looked: Ticks::now(), pause: LONGEST, ..Gathering::default() };
        gathering.found(0, false);
        assert_eq!(gathering.pause, 0);
    }
}
