//! Reading: join, drain, leave. One per member; its owner alone writes its cursor, low and sleep epoch.

use super::interest::Interest;
use super::stats::Traffic;
use crate::layout::{Frame, Member, MemberState, Parts, TopicState};
use crate::registry::TopicId;
use crate::ring::{At, Ring};
use crate::slab::{Floor, Slab};
use crate::sync::{Block, Ordering, fence, load_blocks, step};
use Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::collections::HashMap;

/// A copy of a frame's header. What a drain hands out is believed only once the drain has returned Ok.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub topic: TopicId,
    pub position: u64,
    pub sequence: u64,
    pub member: u32,
    pub pid: u32,
    pub time_ms: u64,
    pub flags: u16,
    pub len: usize,
}

/// Where a drain puts the frames it copies.
pub(crate) trait Sink {
    /// Whether a body of `len` bytes still fits: `false` ends the drain before this frame.
    fn fits(&mut self, len: usize) -> bool;
    /// Takes a frame; `copy` fills a buffer of `head.len` bytes. Only if `fits` said so just before.
    fn take(&mut self, head: &Head, copy: impl FnOnce(&mut [u8]));
    /// The reader was cut off: nothing taken in this drain may be believed.
    fn discard(&mut self);
}

/// Positions a look passes at the most: in some 0.1 ms, and as many messages as it takes to wake who sleeps on the slab. With fewer a
/// busy bus of others' messages would look like something to drain, and keep awake who wants none of them.
pub(super) const PASSED_AT_ONCE: u64 = 1 << 16;

/// Takes nothing: the drain ends before the first frame of interest.
pub(super) struct Nothing;

impl Sink for Nothing {
    fn fits(&mut self, _len: usize) -> bool {
        false
    }
    fn take(&mut self, _head: &Head, _copy: impl FnOnce(&mut [u8])) {}
    fn discard(&mut self) {}
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    /// Everything up to the tail as it was is read.
    All,
    /// The sink or the budget is full; there may be more.
    More,
    /// Somebody cut this reader off; it must join again.
    Cut,
    /// What stands in the slab cannot have been written by a publisher.
    Corrupt,
}

#[derive(Debug)]
pub(crate) struct Reader {
    index: u32,
    /// What I last stored, or the CAS that cut me off found.
    state: MemberState,
    cursor: u64,
    low: u64,
    consumed: u64,
    epoch: u64,
    delivered: Traffic,
}

impl Reader {
    /// For a member that was just attached and reads nothing yet.
    pub fn new(parts: &Parts<'_>, index: u32) -> Reader {
        let me = &parts.members[index as usize];
        let state = MemberState(me.identity.state.load(Acquire));
        let epoch = me.sleeping.load(Relaxed);
        Reader { index, state, cursor: 0, low: 0, consumed: 0, epoch, delivered: Traffic::default() }
    }

    fn me<'a>(&self, parts: &Parts<'a>) -> &'a Member {
        &parts.members[self.index as usize]
    }

    pub fn is_reading(&self) -> bool {
        self.state.is_reading()
    }
    /// Whether somebody cut this reader off and it has not joined again.
    pub fn was_cut_off(&self, parts: &Parts<'_>) -> bool {
        self.me(parts).identity.state.load(Acquire) != self.state.0
    }
    /// Messages of interest copied out so far.
    pub fn delivered(&self) -> Traffic {
        self.delivered
    }
    /// Whether the words only I write are what I stored, or one who cut me off: a look from time to time, for those words
    /// steer the others, and I do not read them.
    pub fn is_sound(&self, parts: &Parts<'_>) -> bool {
        let me = self.me(parts);
        let gates = (me.reading.low.load(Relaxed), me.reading.cursor.load(Relaxed));
        self.knows(MemberState(me.identity.state.load(Acquire)))
            && me.sleeping.load(Relaxed) == self.epoch
            && (!self.is_reading() || gates == (self.low, self.cursor))
            && self.low <= parts.alloc.load(Acquire)
            && self.cursor <= parts.tail.load(Acquire)
    }
    /// My state as I left it, or cut off since.
    fn knows(&self, state: MemberState) -> bool {
        state == self.state || self.is_reading() && state == self.state.with_phase(MemberState::CUT)
    }
    pub fn cursor(&self) -> u64 {
        self.cursor
    }
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Begins to hold the publishers back, from the tail on; also after having been cut off. Twice `floor()`: a
    /// publisher that computed its limit before it could see this reader may have reserved above the first.
    pub fn join(&mut self, parts: &Parts<'_>) {
        let me = self.me(parts);
        self.set_gate(me, Slab::of(parts).floor());
        step("join: gate set");
        let epoch = self.state.epoch() + 1;
        self.state = MemberState::new(self.state.number(), epoch, MemberState::READING);
        me.identity.state.store(self.state.0, SeqCst);
        step("join: reading");
        // R8, with the fence in limit().
        fence(SeqCst);
        self.set_gate(me, Slab::of(parts).floor());
        step("join: joined");
    }

    /// Begins a subscription, the member's bit standing in the topic's row: messages at the returned position and later
    /// are its; the topic's last before it has the returned number.
    pub fn begin(&self, parts: &Parts<'_>, interest: &mut Interest, topic: TopicId) -> (u64, u64) {
        // Partner: the fence in post_row(). A publisher that does not see the bit has moved the tail before.
        fence(SeqCst);
        let from = parts.tail.load(SeqCst);
        let before = self.numbers_before(parts, from, &[topic])[0];
        interest.begin(topic, from, before);
        (from, before)
    }

    /// After a cut-off and having joined again: what was missed of each topic, first and last; from the cursor on everything is
    /// delivered.
    pub fn missed(&mut self, parts: &Parts<'_>, interest: &mut Interest) -> Vec<(TopicId, u64, u64)> {
        let topics = interest.topics();
        let numbers = self.numbers_before(parts, self.cursor, &topics);
        let mut gaps = Vec::new();
        for (topic, number) in topics.into_iter().zip(numbers) {
            if let Some((from, to)) = interest.skip_to(topic, self.cursor, number) {
                gaps.push((topic, from, to));
            }
        }
        gaps
    }

    fn set_gate(&mut self, me: &Member, floor: Floor) {
        self.low = floor.position;
        self.cursor = floor.tail;
        me.reading.low.store(self.low, SeqCst);
        me.reading.cursor.store(self.cursor, SeqCst);
        self.consumed = self.cursor;
        me.reading.consumed.store(self.consumed, Release);
    }

    /// Holds nobody back any more.
    pub fn stop(&mut self, parts: &Parts<'_>) {
        self.state = self.state.with_phase(MemberState::ATTACHED);
        self.me(parts).identity.state.store(self.state.0, Release);
    }

    /// The listeners of all that was read have returned.
    pub fn consume(&mut self, parts: &Parts<'_>) {
        if self.is_reading() && self.consumed != self.cursor {
            self.consumed = self.cursor;
            // Release: whoever sees it sees what the listeners did.
            self.me(parts).reading.consumed.store(self.consumed, Release);
        }
    }

    /// Whether the tail stands past what was read.
    pub fn behind(&self, parts: &Parts<'_>) -> bool {
        parts.tail.load(Acquire) > self.cursor
    }

    /// Up to where one may drain. New topics are looked for after it (R11).
    pub fn tail(&self, parts: &Parts<'_>) -> u64 {
        parts.tail.load(Acquire)
    }

    /// Whether there is something for this reader before `tail`: messages of interest, or what a drain would tell. Passes
    /// what is not.
    pub fn meets(&mut self, parts: &Parts<'_>, interest: &mut Interest, tail: u64) -> bool {
        self.is_reading()
            && tail > self.cursor
            && self.drain(parts, interest, tail, PASSED_AT_ONCE, &mut Nothing) != Drained::All
    }

    /// Copies the frames of interest into `sink`, from the cursor to `tail`, at most `budget` positions.
    pub fn drain(
        &mut self,
        parts: &Parts<'_>,
        interest: &mut Interest,
        tail: u64,
        budget: u64,
        sink: &mut impl Sink,
    ) -> Drained {
        if !self.is_reading() {
            return Drained::All;
        }
        let me = self.me(parts);
        let ring = Ring::of(parts);
        let end = tail.min(self.cursor.saturating_add(budget));
        let mut position = self.cursor;
        let mut full = end < tail;
        let mut last_unit = None;
        // A tail never goes back.
        let mut torn = tail < self.cursor;
        let mut taken = Traffic::default();
        step("drain: begun");
        loop {
            let passed = ring.pass(position, end, |hash| interest.may_want(hash));
            last_unit = passed.last.map(|slot| slot.unit()).or(last_unit);
            position = passed.position;
            let slot = match passed.met {
                None => break,
                Some(At::Slot(slot)) => slot,
                Some(At::Lost) => {
                    torn = true;
                    break;
                }
            };
            let frame = Frame::at(parts.blocks, slot.unit());
            let (index, generation) = frame.topic();
            let topic = TopicId { index, generation };
            if interest.wants(topic, position) {
                let head = head(frame, topic);
                if head.position != position || head.len as u64 > parts.max_message {
                    torn = true;
                    break;
                }
                if !sink.fits(head.len) {
                    full = true;
                    break;
                }
                interest.pass(topic, head.sequence);
                taken.add(head.len);
                let body = slot.unit() as usize & (parts.blocks.len() - 1);
                sink.take(&head, |bytes| copy_body(parts.blocks, body, bytes));
            }
            last_unit = Some(slot.unit());
            position += 1;
        }
        // Of the last position passed, skipped or not: all that is left lies at or above it.
        let floor = last_unit.map(|unit| Frame::at(parts.blocks, unit).floor());
        step("drain: copied");
        // Everything above was copied without knowing whether it still stood. Partner: the publisher's fence between
        // seeing my state changed (limit) and its first byte.
        fence(Acquire);
        let state = MemberState(me.identity.state.load(Acquire));
        if state != self.state {
            interest.drop_passed();
            sink.discard();
            return if self.knows(state) { Drained::Cut } else { Drained::Corrupt };
        }
        if torn {
            interest.drop_passed();
            sink.discard();
            return Drained::Corrupt;
        }
        interest.keep_passed();
        self.delivered.add_all(taken);
        if let Some(floor) = floor {
            // R10: only now; with the first of these stores what was read may be overwritten.
            self.low = self.low.max(floor);
            self.cursor = position;
            me.reading.low.store(self.low, Release);
            step("drain: low moved");
            me.reading.cursor.store(self.cursor, Release);
            step("drain: passed");
        }
        if full { Drained::More } else { Drained::All }
    }

    /// The numbers of each topic's last message before `from`, a tail this reader read while reading: counters first,
    /// then whatever was committed since is looked at, for help() moves a counter before the tail. Of one that was cut off
    /// meanwhile they are the counters: it is not handed what lies between, and is told of what comes after.
    pub fn numbers_before(&self, parts: &Parts<'_>, from: u64, topics: &[TopicId]) -> Vec<u64> {
        let (numbers, found) = numbers_before(parts, from, topics);
        // As in drain(): believed only if I was not cut off meanwhile.
        fence(Acquire);
        let mine = self.me(parts).identity.state.load(Acquire) == self.state.0;
        if mine { found } else { numbers }
    }

    /// Says that I am about to sleep, by a new odd epoch; look once more after it (R9). Call with the semaphore
    /// emptied.
    pub fn arm(&mut self, parts: &Parts<'_>) {
        self.epoch = self.epoch.wrapping_add(1) | 1;
        self.me(parts).sleeping.store(self.epoch, SeqCst);
        step("sleep: armed");
        // Dekker's, with the fence in post(): either the poster sees me asleep, or I see its tail.
        fence(SeqCst);
    }

    /// Whether it said that it is about to sleep.
    pub fn is_armed(&self) -> bool {
        self.epoch & 1 == 1
    }

    /// Awake: nobody needs to post.
    pub fn disarm(&mut self, parts: &Parts<'_>) {
        if self.is_armed() {
            self.epoch = self.epoch.wrapping_add(1);
            self.me(parts).sleeping.store(self.epoch, Relaxed);
        }
    }
}

/// The counters of topics, and the numbers of their last messages before `from`: those are to be believed where what lies
/// between `from` and the tail cannot have been overwritten.
pub(super) fn numbers_before(parts: &Parts<'_>, from: u64, topics: &[TopicId]) -> (Vec<u64>, Vec<u64>) {
    let counter = |id: &TopicId| {
        let topic = parts.topics.get(id.index)?;
        let number = topic.sequence.load(SeqCst);
        // One that only patterns matched may have lost its place: the number is not its own.
        fence(Acquire);
        (TopicState(topic.state.load(Acquire)).generation() == id.generation).then_some(number)
    };
    let numbers: Vec<u64> = topics.iter().map(|id| counter(id).unwrap_or(0)).collect();
    let mut found = numbers.clone();
    let ring = Ring::of(parts);
    // A corrupt segment is told by the next drain or publish; here the counters are all there is.
    let _ = ring.help_at_tail();
    let tail = parts.tail.load(Acquire);
    if from == tail {
        return (numbers, found);
    }
    let places: HashMap<TopicId, usize> = topics.iter().copied().zip(0..).collect();
    // Backwards, so that the first message of a topic is the one that stays.
    for position in (from..tail).rev() {
        let At::Slot(slot) = ring.read(position) else { break };
        let frame = Frame::at(parts.blocks, slot.unit());
        let (index, generation) = frame.topic();
        let sequence = frame.sequence();
        if let Some(&at) = places.get(&TopicId { index, generation }) {
            found[at] = sequence.wrapping_sub(1);
        }
    }
    (numbers, found)
}

pub(super) fn head(frame: Frame<'_>, topic: TopicId) -> Head {
    Head {
        topic,
        position: frame.position(),
        sequence: frame.sequence(),
        member: frame.member().1,
        pid: frame.pid(),
        time_ms: frame.time_ms(),
        flags: frame.flags(),
        len: frame.len(),
    }
}

pub(super) fn copy_body(blocks: &[Block], header: usize, bytes: &mut [u8]) {
    load_blocks(blocks, header + 1, bytes);
}

/// Cuts a reader off that has not moved from `seen`: one CAS, so that one that moved on meanwhile is not hit twice.
pub(crate) fn cut_off(member: &Member, seen: MemberState) -> bool {
    let cut = seen.with_phase(MemberState::CUT);
    let done = member.identity.state.compare_exchange(seen.0, cut.0, AcqRel, Relaxed).is_ok();
    step("stall: cut off");
    done
}
