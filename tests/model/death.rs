//! Deaths in a model or a property test: `sync::step` asks here whether the thread is to end between two steps, as
//! SIGKILL would end it. The unwinding stands for the kill: nothing on the protocol's path repairs anything on drop.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What a thread that dies unwinds with.
struct Killed;

// loom runs its threads as coroutines of one OS thread: its own thread-locals tell them apart.
#[cfg(loom)]
loom::thread_local! {
    static DUE: Cell<Option<(&'static str, u32)>> = Cell::new(None);
}
#[cfg(not(loom))]
thread_local! {
    static DUE: Cell<Option<(&'static str, u32)>> = const { Cell::new(None) };
}

/// Any step.
#[cfg(not(loom))]
pub(crate) const ANY: &str = "*";

/// Runs `act`, which dies when it reaches the step `name` for the `nth` time (from 0). None: it died.
pub(crate) fn dying_at<T>(name: &'static str, nth: u32, act: impl FnOnce() -> T) -> Option<T> {
    DUE.with(|due| due.set(Some((name, nth))));
    let result = catch_unwind(AssertUnwindSafe(act));
    DUE.with(|due| due.set(None));
    match result {
        Ok(value) => Some(value),
        Err(payload) if payload.is::<Killed>() => None,
        Err(payload) => resume_unwind(payload),
    }
}

pub(crate) fn reached(name: &'static str) {
    let dies = DUE.with(|due| match due.get() {
        Some((step, 0)) if step == name || step == "*" => true,
        Some((step, left)) if step == name || step == "*" => {
            due.set(Some((step, left - 1)));
            false
        }
        _ => false,
    });
    if dies {
        resume_unwind(Box::new(Killed));
    }
}
