//! The time of day in whole milliseconds, for a message's timestamp: asked of the system when it may have moved on.
#![allow(unsafe_code)] // the processor's counter

#[cfg_attr(unix, path = "clock/unix.rs")]
#[cfg_attr(windows, path = "clock/windows.rs")]
mod system;
pub(super) use system::now_ms;

/// A time that runs evenly, in ticks: of the processor's counter, some of 0.25 to 1 ns; elsewhere in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticks(u64);

impl Ticks {
    /// 16 to 33 us at 2 to 4 GHz.
    const FRESH: u64 = 1 << 16;
    /// How long after a post another to the same member counts as of the same burst: 130 to 260 us at 2 to 4 GHz.
    #[cfg(feature = "node")]
    pub const BURST: u64 = 1 << 19;

    #[inline(always)]
    pub fn now() -> Ticks {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: every x86-64 processor has the instruction, and the system's own clock relies on it.
        return Ticks(unsafe { core::arch::x86_64::_rdtsc() });
        #[cfg(not(target_arch = "x86_64"))]
        return Ticks(system::now_ns());
    }

    /// Ticks gone by since then. Another core's counter may be out of step: at worst a very long time.
    #[inline]
    pub fn since(self, then: Ticks) -> u64 {
        self.0.wrapping_sub(then.0)
    }
}

/// Remembers an answer for some ticks: reading the counter takes half of what the system's clock takes, which is more than a
/// commit.
#[derive(Debug, Default)]
pub(super) struct Clock {
    ms: u64,
    asked_at: Ticks,
}

impl Clock {
    /// As [`now_ms`], late by 33 us at the most.
    #[inline]
    pub fn ms_at(&mut self, now: Ticks) -> u64 {
        if self.ms == 0 || now.since(self.asked_at) >= Ticks::FRESH {
            (self.ms, self.asked_at) = (now_ms(), now);
        }
        self.ms
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_remembered_time_is_never_late_by_more_than_a_millisecond() {
        let mut clock = Clock::default();
        let start = now_ms();
        while now_ms() < start + 50 {
            let before = now_ms();
            let told = clock.ms_at(Ticks::now());
            assert!((before.saturating_sub(1)..=now_ms()).contains(&told), "{before} {told}");
        }
    }
}
