//! The time of day in whole milliseconds, for a message's timestamp: asked of the system when it may have moved on.
#![allow(unsafe_code)] // the processor's counter

use rustix::time::{ClockId, clock_gettime};

/// Not by SystemTime: its checks cost a quarter of the call, and this is on the way of messages.
#[inline]
pub(super) fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    (now.tv_sec as u64).wrapping_mul(1000) + now.tv_nsec as u64 / 1_000_000
}

/// Ticks of the processor's counter for which an answer stands: 16 to 33 us at 2 to 4 GHz.
const FRESH: u64 = 1 << 16;

/// Remembers an answer for some ticks of the processor's counter: reading that takes half of what the system's clock takes,
/// which is more than a commit. Another core's counter, out of step or not, is at worst asked about once more.
#[derive(Debug, Default)]
pub(super) struct Clock {
    ms: u64,
    asked_at: u64,
}

impl Clock {
    /// As [`now_ms`], late by 33 us at the most.
    #[inline]
    pub fn now_ms(&mut self) -> u64 {
        let Some(ticks) = ticks() else { return now_ms() };
        if self.ms == 0 || ticks.wrapping_sub(self.asked_at) >= FRESH {
            (self.ms, self.asked_at) = (now_ms(), ticks);
        }
        self.ms
    }
}

/// None where the counter's pace is not known to be of that order.
#[inline(always)]
fn ticks() -> Option<u64> {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has the instruction, and the system's own clock relies on it.
    let ticks = Some(unsafe { core::arch::x86_64::_rdtsc() });
    #[cfg(not(target_arch = "x86_64"))]
    let ticks = None;
    ticks
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
            let told = clock.now_ms();
            assert!((before.saturating_sub(1)..=now_ms()).contains(&told), "{before} {told}");
        }
    }
}
