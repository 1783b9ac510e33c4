//! The way to sleep: a look at the tail for as long as that pays (the option `spin`), then R9. Both faces take it.
//!
//! A spin is latency bought with CPU. It pays where messages tend to come within it, so its share of finds is kept, and where
//! it falls low it rests. It ends early where finds tend to come early. It needs a core of its own: with more awake readers than
//! cores it would take the time of those it waits for. It yields all the while, for others that the bus does not know.
//!
//! While it looks the member is not armed, and publishers spare the post. Whoever does not come here before it blocks must not
//! leave a member unarmed.

use super::reader::Reader;
use crate::layout::{MemberState, Parts};
use crate::sync::Ordering::Acquire;
use crate::sync::step;
use crate::wake::{Semaphore, asleep};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// The longest spin there may be: others of the event loop wait for it.
pub(crate) const SPIN_MAX: Duration = Duration::from_millis(1);
/// Looks between two yields.
#[cfg(not(loom))]
const POLLS: u32 = 32;
/// How long it holds what was counted of those awake: a look at each member is not for every spin.
const COUNTED_FOR: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(crate) struct Spin {
    /// Zero: none.
    pub budget: Duration,
    habit: Habit,
    crowd: Crowd,
}

impl Spin {
    pub fn new(budget: Duration) -> Spin {
        Spin { budget, habit: Habit::default(), crowd: Crowd::default() }
    }

    /// Looks, for at most `most`; then empties, arms and looks once more (R9). True: `look` found something, and nobody needs
    /// to post. False: armed; who waits now is posted to. Who was armed and is not to spin stays so.
    pub fn fall_asleep(
        &mut self,
        parts: &Parts<'_>,
        reader: &mut Reader,
        semaphore: &Semaphore,
        most: Duration,
        mut look: impl FnMut(&mut Reader) -> bool,
    ) -> bool {
        let budget = self.budget.min(most);
        let spins = !budget.is_zero() && self.habit.spins() && !self.crowd.is_there(parts, reader.index());
        if reader.is_armed() {
            if !spins {
                return false;
            }
            reader.disarm(parts);
        }
        if look(reader) {
            return true;
        }
        if spins {
            let budget = budget.min(self.habit.reach);
            let found = poll(budget, || look(reader));
            self.habit.learn(found, budget);
            if found.is_some() {
                return true;
            }
        }
        semaphore.empty();
        step("sleep: emptied");
        reader.arm(parts);
        if look(reader) {
            reader.disarm(parts);
            return true;
        }
        false
    }
}

/// Looks for that long: after which time it found something, or nothing.
#[cfg(not(loom))]
fn poll(budget: Duration, mut look: impl FnMut() -> bool) -> Option<Duration> {
    let start = Instant::now();
    loop {
        for _ in 0..POLLS {
            if look() {
                return Some(start.elapsed());
            }
            std::hint::spin_loop();
        }
        if start.elapsed() >= budget {
            return None;
        }
        // Whoever is to publish may wait for this core.
        thread::yield_now();
    }
}

/// In a model there is no time: twice.
#[cfg(loom)]
fn poll(_budget: Duration, mut look: impl FnMut() -> bool) -> Option<Duration> {
    (look() || look()).then_some(Duration::ZERO)
}

/// Whether spins pay, by the share of the last ones that found something, and for how long. A find now and then is enough, for a
/// spin costs less than a sleep and a post; none for long, and it rests, for longer each time.
#[derive(Debug)]
struct Habit {
    /// Of `Habit::ALL`; each spin counts an eighth.
    share: u32,
    /// Ways to sleep without a spin that are left.
    rest: u32,
    next_rest: u32,
    /// Beyond it nothing is to be expected: eight times what finds take. Whoever takes longer may be waiting for this core, and
    /// a yield does not always give it.
    reach: Duration,
}

impl Habit {
    const ALL: u32 = 1 << 16;
    /// Below it, it rests.
    const LEAST: u32 = Self::ALL / 8;
    /// After a rest: half a dozen spins in vain, and it rests again. Several, for finds may come with every other one.
    const TRIAL: u32 = Self::ALL / 4;
    const REST_MIN: u32 = 16;
    const REST_MAX: u32 = 1024;
    const REACH_MIN: Duration = Duration::from_micros(20);

    fn spins(&mut self) -> bool {
        let rests = self.rest > 0;
        self.rest = self.rest.saturating_sub(1);
        !rests
    }

    /// What a spin of that budget found, after which time. Far beyond the budget the core was another's: a yield may
    /// have given away a whole slice, and who sleeps gets the core back sooner than who yields.
    fn learn(&mut self, found: Option<Duration>, budget: Duration) {
        self.share -= self.share / 8;
        let in_time = found.filter(|took| *took <= budget.max(Self::REACH_MIN));
        let Some(took) = in_time else { return self.learn_of_nothing() };
        self.share += Self::ALL / 8;
        self.next_rest = Self::REST_MIN;
        self.reach = (self.reach - self.reach / 8 + took).clamp(Self::REACH_MIN, SPIN_MAX);
    }

    fn learn_of_nothing(&mut self) {
        self.reach = (2 * self.reach).min(SPIN_MAX);
        if self.share < Self::LEAST {
            self.reach = SPIN_MAX;
            self.share = Self::TRIAL;
            self.rest = self.next_rest;
            self.next_rest = (2 * self.next_rest).min(Self::REST_MAX);
        }
    }
}

impl Default for Habit {
    fn default() -> Habit {
        Habit { share: Self::ALL, rest: 0, next_rest: Self::REST_MIN, reach: SPIN_MAX }
    }
}

/// Whether more members are awake than cores are there.
#[derive(Debug, Default)]
struct Crowd {
    is_there: bool,
    counted: Option<Instant>,
}

impl Crowd {
    fn is_there(&mut self, parts: &Parts<'_>, me: u32) -> bool {
        // A model knows no time, and has no cores.
        if cfg!(loom) {
            return false;
        }
        if self.counted.is_none_or(|at| at.elapsed() >= COUNTED_FOR) {
            self.is_there = are_more_awake(parts, me, cores());
            self.counted = Some(Instant::now());
        }
        self.is_there
    }
}

/// Whether those that read and do not sleep are more than that, `me` among them. Who only publishes cannot be told from who
/// does nothing.
fn are_more_awake(parts: &Parts<'_>, me: u32, most: usize) -> bool {
    let others = parts.members.iter().enumerate().filter(|(index, member)| {
        let state = MemberState(member.identity.state.load(Acquire));
        *index != me as usize && state.is_reading() && asleep(member).is_none()
    });
    others.take(most).count() == most
}

/// Those this process may run on.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, |cores| cores.get()))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const EARLY: Duration = Duration::from_micros(5);

    /// Of `ways` to sleep, which spin, each finding something or not.
    fn spins(habit: &mut Habit, ways: usize, mut finds: impl FnMut(usize) -> bool) -> usize {
        let mut spins = 0;
        for way in 0..ways {
            if habit.spins() {
                spins += 1;
                habit.learn(finds(way).then_some(EARLY), SPIN_MAX);
            }
        }
        spins
    }

    #[test]
    fn spins_in_vain_become_rare() {
        let mut habit = Habit::default();
        let first = spins(&mut habit, 100, |_| false);
        assert!((10..60).contains(&first), "{first} of the first 100");
        spins(&mut habit, 10_000, |_| false);
        let later = spins(&mut habit, 100_000, |_| false);
        assert!((100..1000).contains(&later), "{later} of 100,000");
    }

    #[test]
    fn every_other_spin_in_vain_is_worth_it() {
        assert_eq!(spins(&mut Habit::default(), 10_000, |way| way % 2 == 0), 10_000);
    }

    #[test]
    fn a_find_long_after_the_budget_was_none() {
        let mut habit = Habit::default();
        (0..100).for_each(|_| habit.learn(Some(SPIN_MAX), EARLY));
        assert!(!habit.spins());
    }

    #[test]
    fn who_rested_long_spins_again_soon_after_finds_are_back() {
        let mut habit = Habit::default();
        spins(&mut habit, 100_000, |_| false);
        spins(&mut habit, Habit::REST_MAX as usize + 1, |_| true);
        assert_eq!(spins(&mut habit, 1000, |_| true), 1000);
    }

    #[test]
    fn a_spin_ends_with_its_budget_or_with_what_it_finds() {
        let mut looks = 0;
        let start = Instant::now();
        let found = poll(SPIN_MAX, || {
            looks += 1;
            false
        });
        assert!(found.is_none());
        assert!(start.elapsed() >= SPIN_MAX && looks >= POLLS, "{looks} looks");
        let found = poll(Duration::from_secs(60), || {
            looks -= 1;
            looks == 0
        });
        assert!(found.is_some_and(|took| took < Duration::from_secs(60)));
    }

    #[test]
    fn a_spin_reaches_as_far_as_finds_tend_to_come() {
        let mut habit = Habit::default();
        spins(&mut habit, 100, |_| true);
        let early = habit.reach;
        assert!(early < SPIN_MAX / 10, "{early:?}");
        habit.learn(None, SPIN_MAX);
        assert!(habit.reach > early);
        (0..100).for_each(|_| habit.learn(Some(SPIN_MAX / 2), SPIN_MAX));
        assert_eq!(habit.reach, SPIN_MAX);
        // They come later than they did: rested, it looks for as long as it may.
        spins(&mut habit, 100, |_| true);
        spins(&mut habit, 1000, |_| false);
        assert_eq!(habit.reach, SPIN_MAX);
    }
}
