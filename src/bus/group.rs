//! A group's gate: the place its members share in ring and slab. How it begins, and how one message is taken from it by exactly one
//! of them. Who is in it, `registry/groups.rs` knows; when to look and whom to wake, `working.rs`.
//!
//! Nobody writes into a frame: what decides is one CAS of the group's cursor, from before a message to past it, and with it the
//! message's number. Until that CAS everything copied is a guess, and a cursor that has not moved says that what it stood at was
//! still held.

use super::attachment::TopicRef;
use super::reader::{Head, Nothing, PASSED_AT_ONCE, Sink, copy_body, head, numbers_before};
use crate::layout::{Frame, Group, GroupCursor, GroupState, Member, Parts};
use crate::registry::TopicId;
use crate::ring::{At, Ring};
use crate::slab::Slab;
use crate::sync::{Ordering, fence, step};
use Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// How often another may be faster before one takes a breath.
const TRIES: u32 = 64;

/// What became of an attempt to take a message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Took {
    /// Everything up to the tail as it was is taken, or of other topics.
    Nothing,
    /// This one, by nobody else.
    Message(Head),
    /// Nothing yet, and there is more to look at.
    More,
    /// There is one that the sink had no room for.
    Full,
    /// The group was cut off and is to be joined again.
    Cut,
    /// What stands in the slab cannot have been written by a publisher.
    Corrupt,
}

/// Begins to hold the publishers back for a group, from the tail on; also after it was cut off, or after a death in the middle of
/// this. Under the registry lock, the group having a member. Returns what nobody will take of what was published since the last one
/// that was taken: first and last number.
pub(crate) fn join(parts: &Parts<'_>, row: u32, topic: TopicId) -> Option<(u64, u64)> {
    let gate = &parts.groups.get(row)?.gate;
    let slab = Slab::of(parts);
    // From here on nobody takes, however late: what was taken is known for good.
    let old = GroupCursor(gate.cursor.fetch_or(GroupCursor::CLOSED, AcqRel));
    let taken = old.taken(gate.taken.load(Acquire));
    gate.low.store(slab.floor().position, SeqCst);
    step("group: gate set");
    let epoch = GroupState(gate.state.load(Acquire)).epoch() + 1;
    gate.state.store(GroupState::new(epoch, GroupState::JOINING).0, SeqCst);
    step("group: joining");
    // R8, with the fence in limit(): as a member joins.
    fence(SeqCst);
    let floor = slab.floor();
    gate.low.store(floor.position, SeqCst);
    // Held by now, and nobody is cut off who joins: what is found is believed.
    let number = numbers_before(parts, floor.tail, &[topic]).1[0];
    let cursor = GroupCursor::new(floor.tail, number);
    // Closed until the whole number is there too: a death in between leaves a gap too small, never one too large.
    gate.cursor.store(cursor.closed().0, Release);
    step("group: placed");
    gate.taken.store(number, Release);
    gate.cursor.store(cursor.0, Release);
    gate.state.store(GroupState::new(epoch, GroupState::READING).0, Release);
    step("group: joined");
    (number > taken).then(|| (taken + 1, number))
}

/// Takes the group's next message into `sink` for member `me`, looking at most at `budget` positions.
pub(crate) fn take(
    parts: &Parts<'_>,
    row: u32,
    topic: TopicRef,
    me: &Member,
    budget: u64,
    sink: &mut impl Sink,
) -> Took {
    let (Some(group), Some(counter)) = (parts.groups.get(row), parts.topics.get(topic.id.index)) else {
        return Took::Corrupt;
    };
    let gate = &group.gate;
    for _ in 0..TRIES {
        let state = GroupState(gate.state.load(Acquire));
        let cursor = GroupCursor(gate.cursor.load(Acquire));
        if !state.is_reading() || cursor.is_closed() {
            return Took::Cut;
        }
        // Before the counter, which help() moves first: every message before this tail is counted there.
        let tail = parts.tail.load(Acquire);
        let counted = counter.sequence.load(Acquire);
        let taken = cursor.taken(gate.taken.load(Acquire));
        let from = cursor.position(tail);
        if from >= tail {
            return Took::Nothing;
        }
        let end = tail.min(from.saturating_add(budget));
        // All of the topic is taken: what lies between is others', whatever it is.
        let (start, end) = if counted == taken { (tail, tail) } else { (from, end) };
        let seen = look(parts, topic, start, end, sink);
        // Of the last position passed: all that is left lies at or above it.
        let floor = (seen.position > from).then(|| floor_at(parts, seen.position - 1));
        step("take: copied");
        // What was copied stood there only if nobody took it or cut the group off meanwhile. Partner: the publisher's fence
        // before its first byte, which comes after it saw the cursor, or the state, changed.
        fence(Acquire);
        let is_same = gate.state.load(Acquire) == state.0 && gate.cursor.load(Acquire) == cursor.0;
        if !is_same {
            seen.give_up(sink);
            continue;
        }
        let floor = match floor {
            // The first there is does not fit.
            None if !seen.is_torn => return Took::Full,
            Some(Some(floor)) if !seen.is_torn => floor,
            _ => {
                seen.give_up(sink);
                return Took::Corrupt;
            }
        };
        let number = seen.head.map_or(taken, |head| head.sequence);
        let held = hold(me, &seen);
        step("take: held");
        // The linearization point: of all who copied it, one has it.
        let past = GroupCursor::new(seen.position, number);
        if gate.cursor.compare_exchange(cursor.0, past.0, AcqRel, Relaxed).is_err() {
            unhold(me, held);
            seen.give_up(sink);
            continue;
        }
        step("take: taken");
        // R10: only now may what was read be overwritten. Late, each says less than is true already.
        gate.low.fetch_max(floor, Release);
        gate.taken.fetch_max(number, Release);
        step("take: passed");
        return match seen.head {
            Some(head) => Took::Message(head),
            None if seen.is_full => Took::Full,
            None if seen.position >= tail => Took::Nothing,
            None => Took::More,
        };
    }
    Took::More
}

/// Whether there is something for the group's members; passes what is not.
pub(crate) fn has_work(parts: &Parts<'_>, row: u32, topic: TopicRef, me: &Member) -> Took {
    take(parts, row, topic, me, PASSED_AT_ONCE, &mut Nothing)
}

/// What a look found: how far it went, and the message just before that, if there is one.
struct Seen {
    position: u64,
    head: Option<Head>,
    is_full: bool,
    is_torn: bool,
}

impl Seen {
    fn give_up(&self, sink: &mut impl Sink) {
        if self.head.is_some() {
            sink.discard();
        }
    }
}

fn look(parts: &Parts<'_>, topic: TopicRef, from: u64, end: u64, sink: &mut impl Sink) -> Seen {
    let ring = Ring::of(parts);
    let mut seen = Seen { position: from, head: None, is_full: false, is_torn: false };
    while seen.position < end {
        let At::Slot(slot) = ring.read(seen.position) else {
            seen.is_torn = true;
            break;
        };
        if slot.hash() == topic.hash {
            let frame = Frame::at(parts.blocks, slot.unit());
            let (index, generation) = frame.topic();
            if topic.id == (TopicId { index, generation }) {
                let head = head(frame, topic.id);
                if head.position != seen.position || head.len as u64 > parts.max_message {
                    seen.is_torn = true;
                } else if sink.fits(head.len) {
                    let body = slot.unit() as usize & (parts.blocks.len() - 1);
                    sink.take(&head, |bytes| copy_body(parts.blocks, body, bytes));
                    seen.head = Some(head);
                    seen.position += 1;
                } else {
                    seen.is_full = true;
                }
                break;
            }
        }
        seen.position += 1;
    }
    seen
}

/// The floor in the header of the frame at a position; None: it is overwritten, or there is none.
fn floor_at(parts: &Parts<'_>, position: u64) -> Option<u64> {
    match Ring::of(parts).read(position) {
        At::Slot(slot) => Some(Frame::at(parts.blocks, slot.unit()).floor()),
        At::Lost => None,
    }
}

/// Says, before it is taken, that a message of mine is not consumed yet: of those that are not, where the first and the last in the bus
/// stand, for groups are looked at by turns. Returns what was said until then.
fn hold(me: &Member, seen: &Seen) -> Option<(u64, u64)> {
    seen.head?;
    let (first, last) = (me.reading.holds.load(Relaxed), me.reading.reach.load(Relaxed));
    me.reading.reach.store(last.max(seen.position), Release);
    me.reading.holds.store(if first == 0 { seen.position } else { first.min(seen.position) }, Release);
    Some((first, last))
}

/// Another took it.
fn unhold(me: &Member, before: Option<(u64, u64)>) {
    if let Some((first, last)) = before {
        me.reading.holds.store(first, Release);
        me.reading.reach.store(last, Release);
    }
}

/// Cuts a group off that has not moved from `seen`, as a reader.
pub(crate) fn cut_off(group: &Group, seen: GroupState) -> bool {
    let cut = seen.with_phase(GroupState::CUT);
    group.gate.state.compare_exchange(seen.0, cut.0, AcqRel, Relaxed).is_ok()
}
