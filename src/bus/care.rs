//! Looking after the bus: what every attached thread does once a second, and who finds the slab full at once. It helps at
//! the tail, looks for the dead and buries them, puts files back.

use super::attachment::{Attachment, now_ms};
use super::inspection::Inspection;
use super::stall::Stall;
use crate::layout::{Corrupt, MemberState, frame_bytes};
use crate::registry::in_use;
use crate::ring::Ring;
use crate::segment::LockError;
use crate::sync::Ordering::Acquire;
use crate::sync::step;
use std::time::{Duration, Instant};

/// What one member remembers of its looks.
#[derive(Debug, Default)]
pub(super) struct Care {
    stall: Stall,
    inspection: Inspection,
    split: Split,
}

/// Whether another bus of the same name was made after this one's files had been removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Split {
    #[default]
    No,
    Untold,
    Told,
}

impl Attachment {
    /// At least every second, whatever else happens: finalises what a dead or frozen publisher left at the tail, and
    /// looks for the dead. True: drain now.
    pub fn tick(&mut self) -> Result<bool, Corrupt> {
        if self.is_forked() {
            return Ok(false);
        }
        self.inspect()?;
        let shared = self.shared.clone();
        let parts = shared.parts();
        Ring::of(&parts).help_at_tail()?;
        self.pay_owed(Duration::ZERO);
        self.reap_the_dead();
        if let Some(membership) = &mut self.membership {
            let kept = shared.keep_files(membership);
            if matches!(kept, Err(LockError::Split)) && self.care.split == Split::No {
                self.care.split = Split::Untold;
            }
        }
        self.watch.look(&parts, now_ms());
        Ok(self.is_behind() || self.has_gaps())
    }

    /// Whether what steers everybody, and what only this thread writes, can be what it is. Never in the middle of a publish.
    pub(super) fn inspect(&mut self) -> Result<(), Corrupt> {
        self.must_be_attached()?;
        let shared = &self.shared;
        let parts = shared.parts();
        shared.is_whole()?;
        self.care.inspection.look(shared.segment.header(), &parts)?;
        let announced = parts.members[self.publisher.index as usize].inflight.load(Acquire);
        if announced == 0 && self.reader.is_sound(&parts) { Ok(()) } else { Err(Corrupt) }
    }

    /// True once, when another bus of the same name was made after this one's files had been removed.
    pub fn take_split(&mut self) -> bool {
        let untold = self.care.split == Split::Untold;
        if untold {
            self.care.split = Split::Told;
        }
        untold
    }

    /// Whether a post went to nobody since the last look: worth an early look for the dead.
    pub fn suspects(&mut self) -> bool {
        std::mem::take(&mut self.fanout.suspect)
    }

    fn reap_the_dead(&mut self) {
        let shared = self.shared.clone();
        let parts = shared.parts();
        for (index, member) in parts.members.iter().enumerate() {
            let state = MemberState(member.identity.state.load(Acquire));
            if in_use(member) && index as u32 != self.publisher.index && !shared.lives(member) {
                self.bury(index as u32, state);
            }
        }
    }

    fn bury(&mut self, index: u32, seen: MemberState) -> bool {
        let shared = self.shared.clone();
        let parts = shared.parts();
        // Whoever holds the lock, holds it for microseconds; if not, the next tick comes.
        let Ok(guard) = shared.lock_registry(Duration::from_millis(2)) else { return false };
        if !shared.bury(&guard, index, seen) {
            return false;
        }
        self.counters.reaped += 1;
        step("bury: posts due");
        self.fanout.post_all(&parts, &shared.place);
        true
    }

    /// While the slab is full, about every `interval`: looks who is in the way of `len` bytes, reaps the dead, cuts off
    /// who is stuck for `stall_timeout` (None: nobody). True: something was done, there may be room. Corrupt: there never
    /// will be.
    pub fn relieve(
        &mut self,
        len: usize,
        now: Instant,
        interval: Duration,
        stall_timeout: Option<Duration>,
    ) -> Result<bool, Corrupt> {
        self.inspect()?;
        let shared = self.shared.clone();
        let parts = shared.parts();
        let wanted = frame_bytes(len);
        let in_the_way =
            self.care.stall.look(&parts, self.publisher.index, wanted, now, interval, stall_timeout);
        let mut done = false;
        for member in in_the_way {
            if member.cut {
                // It learns of it when it looks; asleep, it would not look.
                self.fanout.nudge(&parts, &shared.place, member.index);
                self.counters.cut_offs += 1;
                done = true;
            } else if !shared.lives(&parts.members[member.index as usize]) {
                done |= self.bury(member.index, member.state);
            }
        }
        Ok(done)
    }

    /// The slab has room again: nobody is to blame any more.
    pub fn relieved(&mut self) {
        self.care.stall.over();
    }
}
