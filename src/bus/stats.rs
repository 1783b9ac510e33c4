//! What `stats()` tells: where the bus stands, who holds its slab, and what this thread has done. The counters are plain
//! numbers of one thread; nobody else reads them, and a message costs an addition.

use super::held::Held;

/// A bus and one thread's place on it, at one moment. Everything that counts something this member has done counts from
/// its attaching on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// This member's number, as others see it in [`Message::publisher`](crate::Message::publisher).
    pub member: u32,
    /// This process.
    pub pid: u32,
    /// What was given as [`Options::thread`](crate::Options::thread).
    pub thread: u32,
    /// Threads attached to the bus, this one among them.
    pub members_attached: u32,
    /// Those of them that are subscribed to something and not cut off.
    pub members_reading: u32,
    /// Threads that may be attached at once.
    pub members_capacity: u32,
    /// Places of the topic table that have been taken, by topics that live or by some that wait for others to take their
    /// place.
    pub topics_made: u32,
    /// Topics there may be at once.
    pub topics_capacity: u32,
    /// Messages ever published on the bus, and so the position of the next one.
    pub position: u64,
    /// Size of the slab.
    pub slab_bytes: u64,
    /// Bytes of the slab that somebody still reads or writes, and that cannot be reused.
    pub slab_used: u64,
    /// Who keeps the slab from being reused beyond that; `None` when nobody does.
    pub held: Option<Held>,
    /// What this member put into the slab.
    pub published: Traffic,
    /// What this member took out of it for its subscriptions.
    pub delivered: Traffic,
    /// How often it woke up others, a system call each.
    pub posts: u64,
    /// How often it slept and went on.
    pub wakes: u64,
    /// Gaps it had, one for each topic and cut-off.
    pub gaps: u64,
    /// Messages it missed in them.
    pub lost: u64,
    /// Readers it cut off.
    pub cut_offs: u64,
    /// Dead members it removed.
    pub reaped: u64,
}

/// Messages, and the bytes of their bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// How many messages.
    pub messages: u64,
    /// Bytes of their bodies, as encoded.
    pub bytes: u64,
}

impl Traffic {
    pub(crate) fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }
    pub(crate) fn add_all(&mut self, more: Traffic) {
        self.messages += more.messages;
        self.bytes += more.bytes;
    }
}

/// What one thread counts, beside what its parts do.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub published: Traffic,
    pub wakes: u64,
    pub gaps: u64,
    pub lost: u64,
    pub cut_offs: u64,
    pub reaped: u64,
}
