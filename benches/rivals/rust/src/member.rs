//! A process of a trial: one that publishes and one that subscribes, or one that asks and one that answers. The same for every
//! system.

use crate::clock::{cpu, now};
use crate::message::{Check, write};
use crate::systems::{Idle, Line, Trial};
use std::time::Duration;

/// What a process says of itself, in one line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// When it began to count (who publishes) or saw the last message (who subscribes), ns.
    pub at: u64,
    /// Messages that counted.
    pub messages: u64,
    /// CPU seconds meanwhile.
    pub cpu: f64,
    /// Round trips, ns.
    pub p50: u64,
    pub p99: u64,
}

/// Messages before the first that counts: twice as many as may be on their way, so that all memory has been touched.
fn warm(trial: &Trial) -> u64 {
    trial.messages() as u64 * 2
}

/// How often the clock is looked at.
const LOOK: u64 = 64;
/// Round trips before the first that counts.
const WARM_TRIPS: u64 = 2_000;

pub fn publish<L: Line>(trial: &Trial, seconds: f64) -> Report {
    let mut line = L::join(trial, Some("there"), None);
    let mut body = vec![0x5a; trial.len];
    let warm = warm(trial);
    for number in 0..warm {
        write(&mut body, number, false);
        line.send(&body);
    }
    let (start, used) = (now(), cpu());
    let end = start + (seconds * 1e9) as u64;
    let mut number = warm;
    loop {
        let is_last = number.is_multiple_of(LOOK) && now() >= end;
        write(&mut body, number, is_last);
        line.send(&body);
        number += 1;
        if is_last {
            break;
        }
    }
    let report = Report { at: start, messages: number - warm, cpu: cpu() - used, ..Report::default() };
    await_end(line);
    report
}

pub fn subscribe<L: Line>(trial: &Trial, ready: impl FnOnce()) -> Report {
    let mut line = L::join(trial, None, Some("there"));
    ready();
    let warm = warm(trial);
    let mut check = Check::new(trial.len);
    let mut used = None;
    let mut idle = Idle::default();
    while !check.is_over {
        if line.take(|body| check.see(body)) {
            idle.reset();
            if used.is_none() && check.next > warm {
                used = Some(cpu());
            }
        } else {
            idle.wait();
        }
    }
    let at = now();
    must_be_right(&check);
    Report { at, messages: check.next - warm, cpu: cpu() - used.unwrap_or_default(), ..Report::default() }
}

/// Asks until the time is over, each time when the answer to the one before is there.
pub fn ask<L: Line>(trial: &Trial, seconds: f64) -> Report {
    let mut line = L::join(trial, Some("there"), Some("back"));
    let mut body = vec![0x5a; trial.len];
    let mut check = Check::new(trial.len);
    let mut trips = Vec::with_capacity(1 << 24);
    let (mut number, mut end, mut used) = (0, u64::MAX, 0.0);
    while !check.is_over {
        if number == WARM_TRIPS {
            used = cpu();
            end = now() + (seconds * 1e9) as u64;
        }
        let start = now();
        write(&mut body, number, start >= end);
        line.send(&body);
        let mut idle = Idle::default();
        while check.next == number {
            if !line.take(|body| check.see(body)) {
                idle.wait();
            }
        }
        if number >= WARM_TRIPS {
            trips.push((now() - start) as u32);
        }
        number += 1;
    }
    let cpu = cpu() - used;
    must_be_right(&check);
    trips.sort_unstable();
    let at = |part: f64| trips[((trips.len() - 1) as f64 * part) as usize] as u64;
    Report { at: 0, messages: trips.len() as u64, cpu, p50: at(0.5), p99: at(0.99) }
}

pub fn answer<L: Line>(trial: &Trial, ready: impl FnOnce()) -> Report {
    let mut line = L::join(trial, Some("back"), Some("there"));
    ready();
    let mut check = Check::new(trial.len);
    let mut body = vec![0; trial.len];
    let mut idle = Idle::default();
    let mut used = 0.0;
    while !check.is_over {
        let seen = check.next;
        let something = line.take(|asked| {
            check.see(asked);
            body.copy_from_slice(asked);
        });
        if check.next > seen {
            line.send(&body);
            idle.reset();
            if check.next == WARM_TRIPS {
                used = cpu();
            }
        } else if !something {
            idle.wait();
        }
    }
    let used = cpu() - used;
    must_be_right(&check);
    await_end(line);
    Report { messages: check.next, cpu: used, ..Report::default() }
}

fn must_be_right(check: &Check) {
    if let Some(wrong) = &check.wrong {
        eprintln!("{wrong}");
        std::process::exit(2);
    }
}

/// Stays until told that the other end has all: of some systems memory goes with who wrote it.
fn await_end<L>(line: L) {
    crate::trial::wait_for_word();
    drop(line);
}

/// Ends this process if it takes much longer than it may.
pub fn watch(seconds: f64) {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs_f64(seconds + 30.0));
        eprintln!("stuck");
        std::process::exit(3);
    });
}
