//! What one can choose when opening a bus, with limits and defaults.

use super::spin::SPIN_MAX;
use crate::error::OpenError;
use crate::layout::{MEMBERS_MAX, Sizes};
use crate::segment::GROUPS;
use std::time::Duration;

const SIZE: u64 = 16 << 20;
const SIZE_MIN: u64 = 64 << 10;
const SIZE_MAX: u64 = 64 << 30;
const TOPICS: u32 = 131_072;
const TOPICS_MAX: u32 = 1 << 24;
const MEMBERS: u32 = 256;
const STALL_TIMEOUT: Duration = Duration::from_secs(2);
const INBOX: usize = 16 << 20;

/// How to open a bus. `size`, `max_message`, `topics` and `members` count for whoever opens it first; later openers get
/// what is there.
#[derive(Clone, Debug)]
pub struct Options {
    /// 1 to 64 of `A-Z a-z 0-9 . _ -`, not beginning with a dot. Two users never share a bus by accident.
    pub name: String,
    /// Bytes of the slab, rounded up to a power of two; 64 KiB to 64 GiB, default 16 MiB.
    pub size: u64,
    /// Bytes of one encoded message; at most, and by default, half of `size`.
    pub max_message: Option<u64>,
    /// Live topics; 1 to 16,777,216, default 131,072. Memory is taken as they appear.
    pub topics: u32,
    /// Attached threads; 1 to 4,096, default 256.
    pub members: u32,
    /// How long a stuck reader may hold this publisher back before it is cut off; default 2 s. Zero never waits,
    /// `None` never cuts.
    pub stall_timeout: Option<Duration>,
    /// Bytes of its own messages a bus takes in while it waits for room to publish; default 16 MiB.
    pub inbox: usize,
    /// How long [`Bus::recv`](crate::Bus::recv) looks before it sleeps, latency for CPU: at most 1 ms, default none. Only while
    /// messages tend to come within it, and there are as many cores as readers that are awake.
    pub spin: Duration,
    /// Permissions of the segment: 0o600 (default), or 0o660 to share it with the group, which Windows cannot.
    pub mode: u32,
    /// Told to others as the thread of this member; 0, the default, is the main thread.
    pub thread: u32,
}

impl Options {
    /// The defaults, for the bus of this name.
    pub fn new(name: impl Into<String>) -> Options {
        Options {
            name: name.into(),
            size: SIZE,
            max_message: None,
            topics: TOPICS,
            members: MEMBERS,
            stall_timeout: Some(STALL_TIMEOUT),
            inbox: INBOX,
            spin: Duration::ZERO,
            mode: 0o600,
            thread: 0,
        }
    }

    pub(crate) fn check(&self) -> Result<Sizes, OpenError> {
        let no = |option, expected: String| Err(OpenError::Option { option, expected });
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if !(1..=64).contains(&self.name.len())
            || !self.name.bytes().all(plain)
            || self.name.bytes().all(|b| b == b'.')
        {
            return no("name", "1 to 64 of A-Z a-z 0-9 . _ -, and not only dots".into());
        }
        if !(SIZE_MIN..=SIZE_MAX).contains(&self.size) {
            return no("size", format!("{SIZE_MIN} to {SIZE_MAX} bytes"));
        }
        let slab_bytes = self.size.next_power_of_two();
        let most = (slab_bytes / 2).min(u32::MAX as u64);
        let max_message = self.max_message.unwrap_or(most);
        if !(1..=most).contains(&max_message) {
            return no("maxMessage", format!("1 to {most} bytes, half of `size`"));
        }
        if !(1..=TOPICS_MAX).contains(&self.topics) {
            return no("topics", format!("1 to {TOPICS_MAX}"));
        }
        if !(1..=MEMBERS_MAX).contains(&self.members) {
            return no("members", format!("1 to {MEMBERS_MAX}"));
        }
        if self.spin > SPIN_MAX {
            return no("spin", format!("0 to {} us", SPIN_MAX.as_micros()));
        }
        if self.mode != 0o600 && !(GROUPS && self.mode == 0o660) {
            let groups =
                if GROUPS { "0o600 or 0o660" } else { "0o600: this system has no groups to share it with" };
            return no("mode", groups.into());
        }
        Ok(Sizes { slab_bytes, max_message, topics: self.topics, members: self.members })
    }
}
