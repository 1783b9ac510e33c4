//! Letting messages gather before a look: for readers that are faster than who publishes.
//!
//! Each look takes the memory that both share from the publisher, and a reader that looks as soon as a message is there makes both of
//! them wait for it at every message: two that are apart by 10 us get more through than two that follow each other closely, 1.3 times
//! as much on cores that share a cache, up to three times on cores that do not. So who finds several at a time, at a rate
//! that only a burst has, waits a little before it looks again; twice as long each time, until enough come at once.
//! Who finds one at a time, as in questions and answers, waits for less than an answer takes, and who finds nothing does not wait.

use super::clock::Ticks;

/// Where no burst is seen: less than it takes another core to answer. 130 to 260 ns at 2 to 4 GHz; 0.5 us where ticks are ns.
const SHORTEST: u64 = 1 << 9;
/// What a message in a burst may be late by: 4 to 8 us at 2 to 4 GHz; 16 us where ticks are ns.
const LONGEST: u64 = 1 << 14;
/// A burst has a message at least this often: more than a million in a second.
const APART: u64 = 1 << 11;
/// So many at once are enough: what a look costs is nothing to each of them.
const MANY: u64 = 256;

/// When a reader looks again.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    looked: Ticks,
    /// Not before so many ticks after that.
    pause: u64,
}

impl Gathering {
    /// Right before a look. Bounded, whatever is or is not published.
    #[inline]
    pub fn wait(&self) {
        if self.pause > 0 {
            while Ticks::now().since(self.looked) < self.pause {
                std::hint::spin_loop();
            }
        }
    }

    /// A look found so many messages.
    #[inline]
    pub fn found(&mut self, messages: usize) {
        let now = Ticks::now();
        self.pause = next(self.pause, messages as u64, now.since(self.looked));
        self.looked = now;
    }
}

/// The pause after one of `pause` ticks, when `found` messages came within `ticks`.
fn next(pause: u64, found: u64, ticks: u64) -> u64 {
    let is_burst = found > 1 && ticks / found <= APART;
    match found {
        0 => 0,
        _ if !is_burst => SHORTEST,
        _ if found < MANY => (pause * 2).clamp(SHORTEST, LONGEST),
        _ => pause,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// What the pause becomes when messages come `apart` ticks apart.
    fn settles(apart: u64) -> u64 {
        let mut pause = SHORTEST;
        for _ in 0..100 {
            // A look takes some time of its own.
            let ticks = pause + 300;
            pause = next(pause, ticks / apart, ticks);
        }
        pause
    }

    #[test]
    fn in_a_burst_it_grows_until_many_come_at_once_or_it_is_long_enough() {
        assert_eq!(settles(400), LONGEST);
        let pause = settles(20);
        assert!(pause < LONGEST && (pause + 300) / 20 >= MANY, "{pause}");
    }

    #[test]
    fn who_gets_one_at_a_time_or_messages_far_apart_waits_the_shortest() {
        assert_eq!(next(LONGEST, 1, 300), SHORTEST);
        assert_eq!(next(LONGEST, 3, 4 * APART), SHORTEST);
    }

    #[test]
    fn who_finds_nothing_does_not_wait() {
        assert_eq!(next(LONGEST, 0, 300), 0);
        let mut gathering = Gathering { looked: Ticks::now(), pause: LONGEST };
        gathering.found(0);
        assert_eq!(gathering.pause, 0);
    }
}
