//! The floor of waking: one message in shared memory each way, and a futex. Only for round trips: the next message overwrites
//! the one before.

use super::shared::Shared;
use super::{Line, Trial};
use Ordering::{Acquire, Release};
use std::sync::atomic::{AtomicU32, Ordering};

const BODY: usize = 64;

pub struct Futex {
    out: Option<Shared>,
    into: Option<Shared>,
    taken: u32,
    body: Vec<u8>,
}

fn futex(word: &AtomicU32, operation: i32, value: u32) {
    let forever = std::ptr::null::<libc::timespec>();
    // SAFETY: the word is mapped; the kernel compares or wakes, and writes nothing.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, forever) };
}

impl Line for Futex {
    fn join(trial: &Trial, sends: Option<&str>, reads: Option<&str>) -> Self {
        let open = |topic| Shared::map(trial, topic, BODY + trial.len);
        Futex { out: sends.map(open), into: reads.map(open), taken: 0, body: vec![0; trial.len] }
    }

    fn send(&mut self, body: &[u8]) {
        let out = self.out.as_ref().expect("one that sends");
        // SAFETY: the other has read the message before: it answered, or has asked again.
        unsafe { std::ptr::copy_nonoverlapping(body.as_ptr(), out.at(BODY, body.len()), body.len()) };
        let word = out.word::<AtomicU32>(0);
        word.fetch_add(1, Release);
        futex(word, libc::FUTEX_WAKE, 1);
    }

    fn take(&mut self, mut each: impl FnMut(&[u8])) -> bool {
        let into = self.into.as_ref().expect("one that reads");
        let word = into.word::<AtomicU32>(0);
        while word.load(Acquire) == self.taken {
            futex(word, libc::FUTEX_WAIT, self.taken);
        }
        self.taken += 1;
        let len = self.body.len();
        // SAFETY: the other writes the next only when this is answered.
        unsafe { std::ptr::copy_nonoverlapping(into.at(BODY, len), self.body.as_mut_ptr(), len) };
        each(&self.body);
        true
    }
}
