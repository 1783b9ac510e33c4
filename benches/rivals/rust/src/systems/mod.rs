//! The systems that are compared, each as one process speaks it.

#[cfg(feature = "aeron")]
pub mod aeron;
pub mod fifo;
pub mod futex;
pub mod iceoryx;
pub mod ring;
mod shared;
pub mod slabcast;

/// What the processes of one trial agree on.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Unique: of what lies in shared memory.
    pub name: String,
    /// Bytes of a body.
    pub len: usize,
    /// Bytes that may be on their way, the same for all; each system counts them as it can.
    pub window: usize,
}

impl Trial {
    /// Messages that may be on their way, where they are counted: a body has a header beside it in most systems.
    pub fn messages(&self) -> usize {
        self.window / (self.len + 64)
    }
}

/// A process' end of a trial. Nothing is lost and nothing overtakes: who sends waits while there is no room.
pub trait Line: Sized {
    /// Joins: what it sends goes to the topic `sends`, what it takes comes from `reads`. Returns when nothing that it sends
    /// from now on can be missed by one that joined before.
    fn join(trial: &Trial, sends: Option<&str>, reads: Option<&str>) -> Self;
    fn send(&mut self, body: &[u8]);
    /// Hands over what is there, or some of it. False: nothing was. Those that cannot poll sleep until there is something.
    fn take(&mut self, each: impl FnMut(&[u8])) -> bool;
}

/// How all wait that poll: a while in place, then letting others run.
#[derive(Default)]
pub struct Idle {
    tries: u32,
}

impl Idle {
    const SPIN: u32 = 256;

    #[inline]
    pub fn wait(&mut self) {
        self.tries += 1;
        if self.tries < Idle::SPIN {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
    #[inline]
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}
