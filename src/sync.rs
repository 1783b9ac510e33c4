//! The seam to the memory model: atomics and fences (std's, or loom's in a model) and, in `copy`, the only code that
//! copies bytes other processes may be writing. Nothing else in the crate names an atomic type or makes a
//! slice of shared bytes.

mod copy;
pub(crate) use copy::{load_blocks, load_words, store_blocks, store_words};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{Ordering, fence};
#[cfg(loom)]
pub(crate) use modelled::{AtomicU32, AtomicU64};
#[cfg(loom)]
#[path = "../tests/model/atomics.rs"]
pub(crate) mod modelled;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// Atomics of this process alone, which no model looks at.
#[cfg(unix)]
pub(crate) mod process {
    pub(crate) use std::sync::atomic::{AtomicU32, Ordering};
}

use std::ops::Deref;

/// A SeqCst fence that comes after an atomic read-modify-write of this thread's, with no store in between that it is to order. On
/// x86-64 those are full barriers of the processor (a locked instruction drains the stores before it, and no load is done
/// ahead of it), so that only the compiler is to be held; an `mfence` more cost 16 ns, a quarter of a small message's commit.
#[inline(always)]
pub(crate) fn fence_after_rmw() {
    if cfg!(all(target_arch = "x86_64", not(loom))) {
        std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// A value alone on its cache line (64 bytes), so that its writer does not slow the neighbours' readers.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Line<T>(pub T);

impl<T> Deref for Line<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// 64 bytes of the slab, the unit in which frames are reserved.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Block(pub [AtomicU64; 8]);

/// A point between two steps, by name. Nothing in production; in a model or a property test the thread may end here as if
/// it had been killed, and with the feature `kill-points` the process may be, by SIGKILL, or stopped.
#[inline(always)]
pub(crate) fn step(_name: &'static str) {
    #[cfg(test)]
    crate::death::reached(_name);
    #[cfg(all(feature = "kill-points", not(test)))]
    crate::kill_points::reached(_name);
}

pub(crate) const WORD: usize = 8;
pub(crate) const BLOCK: usize = 64;
