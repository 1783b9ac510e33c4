//! loom's atomics, with the accesses of chosen words made plainer to loom's scheduler. loom leaves out orders that cannot
//! matter, and looks for those that can at the last access of a word only: where one thread loads a word, a second loads it
//! too and then stores, it does not see that the first load and the store could change places, and never tries. So a
//! watched word has a companion for each thread: a load stores to the thread's own, a store to all the others'. Nobody
//! ever loads them: no order between threads comes of it.

use loom::sync::atomic::{self, AtomicBool, Ordering, Ordering::Relaxed};
use std::cell::Cell;

/// The most threads of a model that share a watched word.
const THREADS: usize = 3;

loom::thread_local! {
    static THREAD: Cell<usize> = Cell::new(0);
}

/// Says which thread of the model this is; the first is 0 by itself.
#[cfg(test)]
pub(crate) fn this_is_thread(index: usize) {
    assert!(index < THREADS);
    THREAD.with(|thread| thread.set(index));
}

#[derive(Debug, Default)]
struct Watch(Option<[AtomicBool; THREADS]>);

impl Watch {
    fn load(&self) {
        if let Some(of_thread) = &self.0 {
            of_thread[THREAD.with(Cell::get)].store(true, Relaxed);
        }
    }
    fn store(&self) {
        let Some(of_thread) = &self.0 else { return };
        let me = THREAD.with(Cell::get);
        for (thread, companion) in of_thread.iter().enumerate() {
            if thread != me {
                companion.store(true, Relaxed);
            }
        }
    }
}

macro_rules! atomic {
    ($name:ident, $inner:ty, $value:ty) => {
        #[derive(Debug, Default)]
        pub(crate) struct $name {
            word: $inner,
            watch: Watch,
        }

        #[allow(dead_code)] // the whole face of std's, whether a width's every call is used or not
        impl $name {
            pub fn new(value: $value) -> Self {
                $name { word: <$inner>::new(value), watch: Watch::default() }
            }
            pub fn load(&self, order: Ordering) -> $value {
                self.watch.load();
                self.word.load(order)
            }
            pub fn store(&self, value: $value, order: Ordering) {
                self.watch.store();
                self.word.store(value, order);
            }
            pub fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.watch.store();
                self.word.compare_exchange(current, new, success, failure)
            }
            pub fn fetch_add(&self, more: $value, order: Ordering) -> $value {
                self.watch.store();
                self.word.fetch_add(more, order)
            }
            pub fn fetch_or(&self, bits: $value, order: Ordering) -> $value {
                self.watch.store();
                self.word.fetch_or(bits, order)
            }
            pub fn fetch_max(&self, value: $value, order: Ordering) -> $value {
                self.watch.store();
                self.word.fetch_max(value, order)
            }
            pub fn fetch_and(&self, bits: $value, order: Ordering) -> $value {
                self.watch.store();
                self.word.fetch_and(bits, order)
            }
        }
    };
}

atomic!(AtomicU32, atomic::AtomicU32, u32);
atomic!(AtomicU64, atomic::AtomicU64, u64);

impl AtomicU64 {
    /// For a word that threads load before they store to it, while others look.
    #[cfg(test)]
    pub fn watched() -> Self {
        AtomicU64 { watch: Watch(Some(Default::default())), ..AtomicU64::default() }
    }
}
