//! One attached thread: what it is doing with the slab, and who it is.

use crate::sync::{AtomicU32, AtomicU64, Line, Ordering::Relaxed};

#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Member {
    /// Slab position at or below my unfinished reservation, 0 = none. Its owner, one thread; the reaper after
    /// its death. Read by everyone's `floor()`.
    pub inflight: Line<AtomicU64>,
    /// Where I am in ring and slab. Its owner. Read by every publisher's `limit()`.
    pub reading: Line<Reading>,
    /// An epoch: odd = asleep, so that a publisher posts; even = awake. Its owner; runs on when the slot is reused.
    pub sleeping: Line<AtomicU64>,
    pub identity: Line<MemberIdentity>,
}

#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Reading {
    /// All I have not read lies at or above this slab position.
    pub low: AtomicU64,
    /// The next global position I read.
    pub cursor: AtomicU64,
    /// The listeners of everything before this position have returned. Its owner; read by who waits for that.
    pub consumed: AtomicU64,
    /// Position + 1 of the first message it took from a group whose listener has not returned; 0: there is none. Its owner,
    /// before the message is taken; read by who waits for that.
    pub holds: AtomicU64,
    /// Position + 1 of the furthest message it took from a group. As `holds`: what it took and has not consumed lies from there to here.
    pub reach: AtomicU64,
}

#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct MemberIdentity {
    /// A packed [`MemberState`]. Its owner; CAS Reading -> Cut by a publisher it stalls; the reaper.
    pub state: AtomicU64,
    /// The rest is written at attach, under the registry lock, before `state`.
    pub pid: AtomicU32,
    /// 0 = the main thread, else Node's `threadId`.
    pub thread: AtomicU32,
    /// When the process started, in the kernel's ticks since boot: with `pid` it names a process for good.
    pub started: AtomicU64,
    /// The PID namespace in which `pid` means something.
    pub namespace: AtomicU64,
    /// What leads to its semaphore when its path does not: the descriptor in its own process, for when the file is gone; on
    /// Windows the random part of its name.
    pub semaphore: AtomicU32,
    /// What it is to be woken for beside messages: bits of [`Watches`]. Its owner.
    pub watches: AtomicU32,
}

/// `MemberIdentity::watches`.
///
/// ```text
/// bit 0  members    a member came or went
/// bit 1  interest   a topic got its first subscriber by name, or lost its last
/// bit 2  patterns   a topic was made: it may be one that its patterns match
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watches(pub u32);

impl Watches {
    pub const MEMBERS: Watches = Watches(1);
    pub const INTEREST: Watches = Watches(2);
    pub const PATTERNS: Watches = Watches(4);
    /// What there may be to tell of.
    pub const NEWS: Watches = Watches(3);

    pub fn contains(self, other: Watches) -> bool {
        self.0 & other.0 == other.0
    }
    pub fn meets(self, other: Watches) -> bool {
        self.0 & other.0 != 0
    }
}

/// A process, for good: its pid alone would be given to another one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub pid: u32,
    /// The kernel's ticks since boot; 0 where it cannot be told.
    pub started: u64,
    /// The inode of the PID namespace; 0 where it cannot be told.
    pub namespace: u64,
}

impl Member {
    /// Whose it is. Written before the state that vouches for it.
    pub fn process(&self) -> Identity {
        Identity {
            pid: self.identity.pid.load(Relaxed),
            started: self.identity.started.load(Relaxed),
            namespace: self.identity.namespace.load(Relaxed),
        }
    }
}

#[cfg(not(loom))]
const _: () = {
    assert!(std::mem::size_of::<Member>() == 256);
    assert!(std::mem::size_of::<MemberIdentity>() <= 64);
};

/// `MemberIdentity::state`, packed so that one CAS cuts a reader off.
///
/// ```text
/// bits 63..32  number   of the member, unique in the life of the segment
/// bits 31..8   epoch    counts its joins: a reader that was cut off and joined again is another one
/// bits  7..0   phase
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemberState(pub u64);

impl MemberState {
    pub const FREE: u64 = 0;
    /// Attached, reads nothing, holds nobody back.
    pub const ATTACHED: u64 = 1;
    /// Its cursor and low gate the publishers.
    pub const READING: u64 = 2;
    /// Was reading until somebody it stalled cut it off; gates nobody; joins again when it notices.
    pub const CUT: u64 = 3;
    /// Its thread is gone though its process may live on: to be reaped.
    pub const LEAVING: u64 = 4;

    pub fn new(number: u32, epoch: u32, phase: u64) -> Self {
        MemberState((number as u64) << 32 | ((epoch & 0xff_ffff) as u64) << 8 | phase)
    }
    pub fn number(self) -> u32 {
        (self.0 >> 32) as u32
    }
    pub fn epoch(self) -> u32 {
        (self.0 >> 8) as u32 & 0xff_ffff
    }
    pub fn phase(self) -> u64 {
        self.0 & 0xff
    }
    pub fn with_phase(self, phase: u64) -> Self {
        MemberState(self.0 & !0xff | phase)
    }
    pub fn in_use(self) -> bool {
        self.phase() != Self::FREE
    }
    pub fn is_reading(self) -> bool {
        self.phase() == Self::READING
    }
}
