//! The floor of what copies: memcpy into a ring of equal slots and out of it, and two counters. One writer, one reader, no
//! topics, nobody may die. And the floor of what reads in place: the same without the copy out.

use super::shared::Shared;
use super::{Idle, Line, Trial};
use Ordering::{Acquire, Release};
use std::sync::atomic::{AtomicU64, Ordering};

/// Each counter has lines of its own.
const WRITTEN: usize = 0;
const READ: usize = 128;
const SLOTS: usize = 256;

struct Way {
    memory: Shared,
    len: usize,
    slots: u64,
    /// My own counter, and the other's as last seen.
    mine: u64,
    others: u64,
}

impl Way {
    fn open(trial: &Trial, topic: &str) -> Way {
        let slots = trial.messages().next_power_of_two() as u64;
        let memory = Shared::map(trial, topic, SLOTS + trial.len * slots as usize);
        Way { memory, len: trial.len, slots, mine: 0, others: 0 }
    }
    #[inline]
    fn slot(&self) -> *mut u8 {
        self.memory.at(SLOTS + (self.mine & (self.slots - 1)) as usize * self.len, self.len)
    }
}

/// `LENDS`: the reader looks at the bytes where they lie.
pub struct Ring<const LENDS: bool> {
    out: Option<Way>,
    into: Option<Way>,
    body: Vec<u8>,
}

impl<const LENDS: bool> Line for Ring<LENDS> {
    fn join(trial: &Trial, sends: Option<&str>, reads: Option<&str>) -> Self {
        let open = |topic| Way::open(trial, topic);
        Ring { out: sends.map(open), into: reads.map(open), body: vec![0; trial.len] }
    }

    #[inline]
    fn send(&mut self, body: &[u8]) {
        let way = self.out.as_mut().expect("one that sends");
        let mut idle = Idle::default();
        while way.mine - way.others == way.slots {
            way.others = way.memory.word::<AtomicU64>(READ).load(Acquire);
            if way.mine - way.others == way.slots {
                idle.wait();
            }
        }
        assert_eq!(body.len(), way.len);
        // SAFETY: a slot that the reader has done with, and as long as the body.
        unsafe { std::ptr::copy_nonoverlapping(body.as_ptr(), way.slot(), body.len()) };
        way.mine += 1;
        way.memory.word::<AtomicU64>(WRITTEN).store(way.mine, Release);
    }

    #[inline]
    fn take(&mut self, mut each: impl FnMut(&[u8])) -> bool {
        let way = self.into.as_mut().expect("one that reads");
        if way.mine == way.others {
            way.others = way.memory.word::<AtomicU64>(WRITTEN).load(Acquire);
            if way.mine == way.others {
                return false;
            }
        }
        if LENDS {
            // SAFETY: a slot that the writer has done with, and that is its own again only after the store below.
            each(unsafe { std::slice::from_raw_parts(way.slot(), way.len) });
        } else {
            // SAFETY: a slot that the writer has done with, and as long as the body.
            unsafe { std::ptr::copy_nonoverlapping(way.slot(), self.body.as_mut_ptr(), way.len) };
        }
        way.mine += 1;
        way.memory.word::<AtomicU64>(READ).store(way.mine, Release);
        if !LENDS {
            each(&self.body);
        }
        true
    }
}
