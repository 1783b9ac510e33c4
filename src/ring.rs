//! The ring: the one order of all messages of a bus. A message exists from the moment a slot points at its frame;
//! everyone helps to finalise it. Not where the bytes come from (that is the slab's).

use crate::layout::{Corrupt, Frame, Parts, Slot, TopicTable};
use crate::sync::{AtomicU64, BLOCK, Block, Ordering, fence, step};
use Ordering::{AcqRel, Acquire, Relaxed};

#[derive(Clone, Copy)]
pub(crate) struct Ring<'a> {
    pub tail: &'a AtomicU64,
    pub slots: &'a [AtomicU64],
    pub blocks: &'a [Block],
    /// Only read here, to tell a frame's slab position from its unit.
    pub alloc: &'a AtomicU64,
    pub topics: TopicTable<'a>,
}

/// What stands at a position below the tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Slot(Slot),
    /// Overwritten: the reader was cut off and the ring went on.
    Lost,
}

/// How far `Ring::pass` went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    pub position: u64,
    /// The last slot that was passed.
    pub last: Option<Slot>,
    /// What stands at `position`; None: the end was reached.
    pub met: Option<At>,
}

impl<'a> Ring<'a> {
    pub fn of(parts: &Parts<'a>) -> Ring<'a> {
        Ring {
            tail: parts.tail,
            slots: parts.slots,
            blocks: parts.blocks,
            alloc: parts.alloc,
            topics: parts.topics,
        }
    }

    fn bits(&self) -> u32 {
        self.slots.len().trailing_zeros()
    }
    fn slot(&self, position: u64) -> &'a AtomicU64 {
        &self.slots[position as usize & (self.slots.len() - 1)]
    }

    /// Puts the frame at `unit`, written but for its place, at the end of the order. Returns its position; the tail is
    /// past it and the topic counts it when this returns.
    pub fn commit(&self, unit: u32, topic: u32, hash: u16) -> Result<u64, Corrupt> {
        let frame = Frame::at(self.blocks, unit);
        let counter = self.topics.get(topic).ok_or(Corrupt)?;
        loop {
            let position = self.tail.load(Acquire);
            let sequence = counter.sequence.load(Acquire).checked_add(1).ok_or(Corrupt)?;
            let previous = counter.last.load(Acquire);
            // R2: written anew on every try; another commit may have taken the number.
            frame.write_place(position, sequence, previous);
            step("publish: placed");
            let slot = self.slot(position);
            let seen = slot.load(Acquire);
            let lap = Slot::lap_of(position, self.bits());
            if Slot(seen).lap() == lap {
                self.help(position, Slot(seen))?;
                continue;
            }
            if Slot(seen).lap() != lap.wrapping_sub(1) {
                // The tail has gone round since it was read; if it has not, nobody wrote this slot in its turn.
                if self.tail.load(Acquire) == position {
                    return Err(Corrupt);
                }
                continue;
            }
            let mine = Slot::new(lap, hash, unit);
            // The linearization point. Release: whoever sees the slot sees the frame.
            if slot.compare_exchange(seen, mine.0, AcqRel, Relaxed).is_ok() {
                step("publish: committed");
                self.help(position, mine)?;
                return Ok(position);
            }
        }
    }

    /// Finalises what is committed at `position`, if the tail still stands there: chain, counter, tail. Every step is
    /// a CAS from the only value before, so any number may help and any of them may die.
    pub fn help(&self, position: u64, slot: Slot) -> Result<(), Corrupt> {
        let frame = Frame::at(self.blocks, slot.unit());
        let sequence = frame.sequence();
        let previous = frame.previous();
        let (topic, _) = frame.topic();
        let own = frame.position();
        fence(Acquire);
        // R4: past it, what was read may be reused memory.
        if self.tail.load(Acquire) != position {
            return Ok(());
        }
        // Believed since R4; still no index from shared memory is used unchecked.
        let counter = self.topics.get(topic).ok_or(Corrupt)?;
        let next = position.checked_add(1).ok_or(Corrupt)?;
        if own != position {
            // The slot leads to something else than what was committed here.
            return Err(Corrupt);
        }
        let _ = counter.last.compare_exchange(previous, self.slab_position(slot.unit()), AcqRel, Relaxed);
        step("help: chained");
        let _ = counter.sequence.compare_exchange(sequence.wrapping_sub(1), sequence, AcqRel, Relaxed);
        step("help: counted");
        let _ = self.tail.compare_exchange(position, next, AcqRel, Relaxed);
        step("help: finalised");
        Ok(())
    }

    /// Finalises a message whose publisher died or froze between its commit and its help.
    pub fn help_at_tail(&self) -> Result<(), Corrupt> {
        let position = self.tail.load(Acquire);
        let seen = Slot(self.slot(position).load(Acquire));
        if seen.lap() == Slot::lap_of(position, self.bits()) {
            self.help(position, seen)?;
        }
        Ok(())
    }

    /// The slot of a position below the tail the caller has read (acquire).
    pub fn read(&self, position: u64) -> At {
        // Relaxed: ordered by the tail, which moved past the position after the commit.
        let slot = Slot(self.slot(position).load(Relaxed));
        if slot.lap() == Slot::lap_of(position, self.bits()) { At::Slot(slot) } else { At::Lost }
    }

    /// Passes the slots from `from` to below `end` that are of no interest, by their hash. As to `read` one after the other, but 1.2 ns
    /// each where that takes 1.7: lap and place are worked out once for all up to the ring's end.
    pub fn pass(&self, from: u64, end: u64, is_wanted: impl Fn(u16) -> bool) -> Passed {
        let mut passed = Passed { position: from, last: None, met: None };
        while passed.position < end {
            // Up to the end of the lap.
            let lap = Slot::lap_of(passed.position, self.bits());
            let first = passed.position as usize & (self.slots.len() - 1);
            let run = (end - passed.position).min((self.slots.len() - first) as u64) as usize;
            for word in &self.slots[first..first + run] {
                // Relaxed: as in read().
                let slot = Slot(word.load(Relaxed));
                if slot.lap() != lap || is_wanted(slot.hash()) {
                    passed.met = Some(if slot.lap() == lap { At::Slot(slot) } else { At::Lost });
                    return passed;
                }
                passed.last = Some(slot);
                passed.position += 1;
            }
        }
        passed
    }

    /// The free-running slab position of a frame that is not overwritten: at most a slab below `alloc`.
    fn slab_position(&self, unit: u32) -> u64 {
        // Not stale: whoever sees the slot sees its reservation.
        let alloc = self.alloc.load(Acquire) / BLOCK as u64;
        let behind = (alloc as u32).wrapping_sub(unit) as u64;
        alloc.wrapping_sub(behind).wrapping_mul(BLOCK as u64)
    }
}
