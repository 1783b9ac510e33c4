//! What the micro benches measure: the processor time of their thread. On a machine that does other work as well it shows
//! only through the caches; of one that sleeps or waits nothing shows, and none of them does.

use criterion::Criterion;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// A measure of criterion, which divides and prints it as it does time.
pub struct ThreadTime;

/// What the thread has had of the processor.
pub fn now() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

pub fn config() -> Criterion<ThreadTime> {
    let times =
        Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    times.sample_size(50).with_measurement(ThreadTime)
}

impl Measurement for ThreadTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        now()
    }
    fn end(&self, start: Duration) -> Duration {
        now() - start
    }
    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }
    fn zero(&self) -> Duration {
        Duration::ZERO
    }
    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }
    fn formatter(&self) -> &dyn ValueFormatter {
        static AS_TIME: WallTime = WallTime;
        AS_TIME.formatter()
    }
}
