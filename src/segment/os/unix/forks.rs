//! Counting the forks that lead here: the C library calls back in the copy.
#![allow(unsafe_code)] // the C library calls back

use crate::sync::process::{AtomicU32, Ordering::Relaxed};
use std::sync::Once;

/// Forks without exec between the first process and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);
static WATCHED: Once = Once::new();

/// A process as it was at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation(u32);

impl Generation {
    pub fn mine() -> Generation {
        WATCHED.call_once(|| {
            // SAFETY: the handler only adds to an atomic, which is all that a child of threads may do.
            unsafe { libc::pthread_atfork(None, None, Some(forked)) };
        });
        Generation(FORKS.load(Relaxed))
    }

    /// Whether this is another process by now. Relaxed: a fork copies the count with everything else.
    #[inline]
    pub fn is_past(self) -> bool {
        FORKS.load(Relaxed) != self.0
    }
}

unsafe extern "C" fn forked() {
    FORKS.fetch_add(1, Relaxed);
}
