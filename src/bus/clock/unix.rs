//! The system's clocks: asked in the process itself, without a system call.

use rustix::time::{ClockId, clock_gettime};

/// The time of day. Not by SystemTime: its checks cost a quarter of the call, and this is on the way of messages.
#[inline]
pub fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    (now.tv_sec as u64).wrapping_mul(1000) + now.tv_nsec as u64 / 1_000_000
}

/// A time that runs evenly.
#[inline]
#[cfg_attr(target_arch = "x86_64", expect(dead_code))] // there it is the processor's counter
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    (now.tv_sec as u64).wrapping_mul(1_000_000_000) + now.tv_nsec as u64
}
