//! A small real segment, changed behind the back of everything that reads one: slab, ring, reader, topic table, places,
//! reaper. Not the files around it (bus.rs).

use super::{Input, vandal};
use crate::bus::inside::{
    Fanout, Inspection, Interest, Publication, Publisher, Reader, Reason, Refused, Stall, Ticks, cut_off,
    is_possible,
};
use crate::bus::{Head, Sink};
use crate::layout::{Identity, MemberState, Parts, Sizes};
use crate::reap::reap;
use crate::registry::{Newcomer, TopicId, Topics, attach, hash_bits, name_hash};
use crate::ring::Ring;
use crate::segment::{Place, Segment, memory_id};
use crate::slab::Slab;
use crate::sync::Ordering::{Acquire, Relaxed};
use std::time::{Duration, Instant};

pub(super) const SIZES: Sizes = Sizes { slab_bytes: 64 << 10, max_message: 4096, topics: 8, members: 4 };
pub(super) const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

thread_local! {
    static GROUND: (Segment, Vec<u64>) = ground();
}

/// One segment for all runs, and what it looked like when it was new.
fn ground() -> (Segment, Vec<u64>) {
    let id = memory_id(getrandom::u64().expect("a number"));
    let segment = Segment::create(&id, &Place::new("fuzz", 0o600), SIZES).expect("a segment");
    // Whoever ends this process leaves nothing behind.
    Segment::unlink(&id);
    let new = segment.words().iter().map(|word| word.load(Relaxed)).collect();
    (segment, new)
}

/// What one member holds in its own memory.
struct Member {
    publisher: Publisher,
    reader: Reader,
    interest: Interest,
    fanout: Fanout,
    stall: Stall,
    inspection: Inspection,
}

struct Bodies {
    room: usize,
    count: usize,
}

impl Sink for Bodies {
    fn fits(&mut self, len: usize) -> bool {
        assert!(len as u64 <= SIZES.max_message, "longer than any message");
        len <= self.room
    }
    fn take(&mut self, head: &Head, copy: impl FnOnce(&mut [u8])) {
        copy(&mut vec![0; head.len]);
        self.room -= head.len;
        self.count += 1;
    }
    fn discard(&mut self) {
        self.count = 0;
    }
}

pub fn run(data: &[u8]) {
    fresh(|segment| Run::new(segment).all(&mut Input(data)));
}

/// The segment as it was when it was new.
pub(super) fn fresh<T>(act: impl FnOnce(&Segment) -> T) -> T {
    GROUND.with(|(segment, new)| {
        for (word, value) in segment.words().iter().zip(new) {
            word.store(*value, Relaxed);
        }
        act(segment)
    })
}

pub(super) struct Run<'a> {
    segment: &'a Segment,
    place: Place,
    members: Vec<Member>,
    ids: Vec<TopicId>,
}

impl<'a> Run<'a> {
    /// Three members, two of them subscribed, and some messages.
    pub fn new(segment: &'a Segment) -> Run<'a> {
        let place = Place::new("fuzz-nobody-is-here", 0o600);
        let mut run = Run { segment, place, members: Vec::new(), ids: Vec::new() };
        for _ in 0..3 {
            run.attach();
        }
        for (member, name) in [(0, 0), (1, 0), (1, 1)] {
            run.subscribe(member, name);
        }
        for i in 0..6 {
            run.publish(i % 3, i % 3, i * 50);
        }
        run
    }

    fn parts(&self) -> Parts<'a> {
        self.segment.parts()
    }

    pub fn topics(&self) -> Topics<'a> {
        let segment = self.segment;
        Topics {
            header: segment.header(),
            logs: segment.logs(),
            buckets: segment.buckets(),
            names: segment.names(),
            parts: segment.parts(),
            capacity: segment.sizes().topics,
        }
    }

    pub fn attach(&mut self) {
        let parts = self.parts();
        let Ok(newcomer) = Newcomer::choose(self.segment.header(), &parts) else { return };
        attach(&parts, newcomer, Identity { pid: 1, started: 1, namespace: 1 }, 0, 0);
        self.members.push(Member {
            publisher: Publisher::new(newcomer.index, newcomer.number, 1),
            reader: Reader::new(&parts, newcomer.index),
            interest: Interest::default(),
            fanout: Fanout::default(),
            stall: Stall::default(),
            inspection: Inspection::default(),
        });
    }

    /// As `Attachment::find_or_make`.
    pub fn find_or_make(&mut self, name: usize) -> Option<TopicId> {
        let (topics, name) = (self.topics(), NAMES[name].as_bytes());
        self.segment.ensure_topics().ok()?;
        topics.recover();
        let hash = name_hash(name);
        let id = match topics.find_locked(name, hash).ok()? {
            Some(id) => id,
            None => {
                if !topics.is_sound() {
                    return None;
                }
                if topics.wants_memory() {
                    self.segment.reserve_topics().ok()?;
                }
                topics.make(name, hash).ok()?
            }
        };
        self.ids.push(id);
        Some(id)
    }

    fn subscribe(&mut self, member: usize, name: usize) {
        let Some(id) = self.find_or_make(name) else { return };
        let (parts, topics) = (self.parts(), self.topics());
        let bits = hash_bits(name_hash(NAMES[name].as_bytes()));
        let Member { reader, interest, publisher, .. } = &mut self.members[member];
        if interest.topics().contains(&id) {
            return;
        }
        if !reader.is_reading() {
            reader.join(&parts);
        }
        interest.add(id, bits, Reason::Name);
        topics.set_subscriber(id, publisher.index, true);
        reader.begin(&parts, interest, id);
    }

    #[cfg(test)]
    pub fn drain(&mut self, member: usize) -> crate::bus::Drained {
        let Member { reader, interest, .. } = &mut self.members[member];
        let parts = self.segment.parts();
        let tail = reader.tail(&parts);
        reader.drain(&parts, interest, tail, 1000, &mut Bodies { room: usize::MAX, count: 0 })
    }
    #[cfg(test)]
    pub fn look(&mut self, member: usize) -> Result<(), crate::layout::Corrupt> {
        self.members[member].inspection.look(self.segment.header(), &self.segment.parts())
    }
    #[cfg(test)]
    pub fn is_sound(&self, member: usize) -> bool {
        self.members[member].reader.is_sound(&self.parts())
    }
    #[cfg(test)]
    pub fn arm(&mut self, member: usize) {
        let parts = self.parts();
        self.members[member].reader.arm(&parts);
        self.members[member].reader.disarm(&parts);
    }

    /// None: no such topic.
    pub fn publish(&mut self, member: usize, name: usize, len: usize) -> Option<Result<u64, Refused>> {
        let (parts, hash) = (self.parts(), name_hash(NAMES[name].as_bytes()));
        let topic = self.topics().find(NAMES[name].as_bytes(), hash)?;
        let Member { publisher, fanout, .. } = &mut self.members[member];
        let what = Publication { topic, hash: hash_bits(hash), flags: 0, time_ms: 1 };
        let nudge = |who| fanout.nudge(&parts, &self.place, who);
        let published = publisher.publish(&parts, what, std::iter::once(&vec![7; len][..]), nudge);
        if published.is_ok() {
            fanout.post_row(&parts, &self.place, parts.row(topic.index), Ticks::default());
        }
        Some(published)
    }

    fn all(&mut self, input: &mut Input<'_>) {
        for _ in 0..200 {
            if input.is_empty() || self.members.is_empty() {
                return;
            }
            self.one(input);
        }
    }

    fn one(&mut self, input: &mut Input<'_>) {
        let (parts, topics, header) = (self.parts(), self.topics(), self.segment.header());
        let at = input.below(self.members.len());
        let name = input.below(NAMES.len());
        let id = match self.ids.len() {
            0 => TopicId { index: input.u8() as u32, generation: 1 },
            count => self.ids[input.below(count)],
        };
        let member = &mut self.members[at];
        let index = member.publisher.index;
        match input.below(20) {
            0..=3 => vandal::corrupt(input, self.segment),
            4 | 5 => {
                let len = input.u16() as usize % (SIZES.max_message as usize + 1);
                self.publish(at, name, len);
            }
            6 => {
                let mut bodies = Bodies { room: input.u16() as usize, count: 0 };
                let budget = input.u8() as u64 * 8 + 1;
                let tail = member.reader.tail(&parts);
                member.reader.drain(&parts, &mut member.interest, tail, budget, &mut bodies);
            }
            7 => drop(self.find_or_make(name)),
            8 => self.subscribe(at, name),
            9 => {
                let any = TopicId { index: input.u8() as u32, generation: input.u8() as u32 };
                for id in [id, any] {
                    topics.name_of(id);
                    topics.is_live(id);
                    if topics.is_same(id) {
                        topics.set_subscriber(id, index, false);
                        let bits = hash_bits(name_hash(NAMES[name].as_bytes()));
                        member.interest.remove(id, bits, Reason::Name);
                    }
                }
            }
            10 => {
                topics.forget_member(index);
            }
            11 => {
                member.reader.join(&parts);
                member.reader.missed(&parts, &mut member.interest);
            }
            12 => drop(Ring::of(&parts).help_at_tail()),
            13 => {
                Slab::of(&parts).floor();
                member.publisher.limit = Slab::of(&parts).limit(|_| {});
            }
            14 => {
                let now = Instant::now();
                for wait in [Duration::ZERO, Duration::from_millis(1)] {
                    member.stall.look(&parts, index, 64, now + wait, wait, Some(wait));
                }
                member.stall.over();
            }
            15 => {
                let state = MemberState(parts.members[index as usize].identity.state.load(Acquire));
                parts.members[index as usize].process();
                if is_possible(header, state) && input.u8().is_multiple_of(4) {
                    let _ = reap(&parts, &topics, index, state);
                } else {
                    cut_off(&parts.members[index as usize], state);
                }
            }
            16 => self.attach(),
            17 => {
                member.reader.arm(&parts);
                member.fanout.post_all(&parts, &self.place);
                member.reader.disarm(&parts);
            }
            18 => {
                let _ = member.inspection.look(header, &parts);
                member.reader.is_sound(&parts);
                let _ = self.segment.ensure_topics();
            }
            _ => {
                header.registry.dirty.store(1, Relaxed);
                topics.recover();
            }
        }
    }
}
