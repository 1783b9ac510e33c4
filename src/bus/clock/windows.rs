//! The system's clocks.

use std::sync::OnceLock;
use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};
use windows_sys::Win32::System::SystemInformation::GetSystemTimePreciseAsFileTime;

/// From 1601, where the system's time begins, to 1970.
const TO_1970_MS: u64 = 11_644_473_600_000;

/// The time of day; the coarse clock moves every 15 ms only.
#[inline]
pub fn now_ms() -> u64 {
    let mut now = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };
    // SAFETY: fills in what is ours.
    unsafe { GetSystemTimePreciseAsFileTime(&mut now) };
    let in_100_ns = (now.dwHighDateTime as u64) << 32 | now.dwLowDateTime as u64;
    (in_100_ns / 10_000).saturating_sub(TO_1970_MS)
}

/// A time that runs evenly.
#[inline]
#[cfg_attr(target_arch = "x86_64", expect(dead_code))] // there it is the processor's counter
pub fn now_ns() -> u64 {
    static PER_SECOND: OnceLock<u64> = OnceLock::new();
    let per_second = *PER_SECOND.get_or_init(|| {
        let mut ticks = 0;
        // SAFETY: fills in what is ours; it does not fail since Windows XP.
        unsafe { QueryPerformanceFrequency(&mut ticks) };
        ticks.max(1) as u64
    });
    let mut now = 0;
    // SAFETY: as above.
    unsafe { QueryPerformanceCounter(&mut now) };
    (now as u128 * 1_000_000_000 / per_second as u128) as u64
}
