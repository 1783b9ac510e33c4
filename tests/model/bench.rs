//! What models have in common: a bus on the heap with its members' halves, messages that can be recognised and told from
//! torn ones, and the checks of what must hold in the end whatever happened.

pub(super) use super::heap::{Heap, topic};
use crate::bus::inside::{Fanout, Interest, Publication, Publisher, Reader, Reason, Refused, Ticks};
use crate::bus::{Drained, Head, Sink};
use crate::layout::{Frame, Parts, Slot};
use crate::registry::TopicId;
use crate::ring::{At, Ring};
use crate::slab::Slab;
use crate::sync::modelled::this_is_thread;
use crate::sync::{BLOCK, Ordering::Acquire};
use loom::thread::JoinHandle;
use std::collections::HashMap;
use std::iter::once;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Thread `index` (from 1) of a model.
pub(super) fn spawn<T: 'static>(index: usize, act: impl FnOnce() -> T + 'static) -> JoinHandle<T> {
    loom::thread::spawn(move || {
        this_is_thread(index);
        act()
    })
}

/// Runs `model` in every order with at most `preemptions` preemptions, or SLABCAST_MODEL_PREEMPTIONS for all models, and
/// says how many orders there were.
pub(super) fn explore(what: &str, preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let asked = std::env::var("SLABCAST_MODEL_PREEMPTIONS").ok().and_then(|n| n.parse().ok());
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(asked.unwrap_or(preemptions));
    builder.max_branches = 6000;
    let runs = Arc::new(Mutex::new(0u64));
    let start = Instant::now();
    let count = runs.clone();
    builder.check(move || {
        *count.lock().expect("unpoisoned") += 1;
        model();
    });
    let runs = *runs.lock().expect("unpoisoned");
    println!("{what}: {runs} executions, {:.1} s", start.elapsed().as_secs_f64());
}

/// The steps a publisher can die after.
pub(super) const PUBLISH_STEPS: [&str; 9] = [
    "publish: announced",
    "publish: reserved",
    "publish: header written",
    "publish: written",
    "publish: placed",
    "publish: committed",
    "help: chained",
    "help: counted",
    "help: finalised",
];

pub(super) fn publisher(index: u32) -> Publisher {
    Publisher::new(index, index + 1, 1)
}

/// A publisher that has computed its limit already, so that a model need not watch it do so.
pub(super) fn publisher_with_room(parts: &Parts<'_>, index: u32) -> Publisher {
    let limit = Slab::of(parts).limit(|_| {});
    Publisher { limit, ..publisher(index) }
}

/// Publishes message `id`: bare, or with a body that repeats the id (in a block of its own).
pub(super) fn publish(
    publisher: &mut Publisher,
    parts: &Parts<'_>,
    topic: TopicId,
    id: u64,
    bare: bool,
) -> Result<u64, Refused> {
    let what = Publication { topic, hash: 7, flags: 0, time_ms: id };
    let body = id.to_ne_bytes();
    publisher.publish(parts, what, once(if bare { &[] } else { &body[..] }), |_| {})
}

/// Publishes two bare messages at once, both with `id`.
pub(super) fn publish_two(
    publisher: &mut Publisher,
    parts: &Parts<'_>,
    topic: TopicId,
    id: u64,
) -> Result<u64, Refused> {
    let what = Publication { topic, hash: 7, flags: 0, time_ms: id };
    publisher.publish(parts, what, [&[][..], &[]].into_iter(), |_| {})
}

/// As `publish`, posting to the sleepers as `Attachment::publish` does.
pub(super) fn publish_and_post(
    publisher: &mut Publisher,
    fanout: &mut Fanout,
    parts: &Parts<'_>,
    place: &crate::segment::Place,
    topic: TopicId,
    id: u64,
) {
    publish(publisher, parts, topic, id, true).expect("there is room");
    fanout.post_row(parts, place, parts.row(topic.index), Ticks::default());
    fanout.post_groups(parts, place, topic, id, Ticks::default());
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Got {
    pub position: u64,
    pub sequence: u64,
    pub topic: TopicId,
    pub id: u64,
}

#[derive(Default)]
pub(super) struct Batch(pub Vec<Got>);

impl Sink for Batch {
    fn fits(&mut self, _len: usize) -> bool {
        true
    }
    fn take(&mut self, head: &Head, copy: impl FnOnce(&mut [u8])) {
        let mut body = vec![0; head.len];
        copy(&mut body);
        // Torn: not a message, but the drain may still disbelieve it.
        let whole = body.is_empty() || body == head.time_ms.to_ne_bytes();
        let id = if whole { head.time_ms } else { u64::MAX };
        self.0.push(Got { position: head.position, sequence: head.sequence, topic: head.topic, id });
    }
    fn discard(&mut self) {
        self.0.clear();
    }
}

/// A reading member and all it was ever told.
pub(super) struct Listener {
    pub reader: Reader,
    pub interest: Interest,
    pub got: Vec<Got>,
    /// (topic, first, last) missed.
    pub gaps: Vec<(TopicId, u64, u64)>,
}

impl Listener {
    /// Subscribed to all topics from the position at which it joins.
    pub fn join(parts: &Parts<'_>, index: u32) -> Listener {
        let mut listener = Listener {
            reader: Reader::new(parts, index),
            interest: Interest::default(),
            got: Vec::new(),
            gaps: Vec::new(),
        };
        listener.reader.join(parts);
        for index in 0..parts.topics.all.len() as u32 {
            listener.interest.add(topic(index), 7, Reason::Name);
            listener.interest.begin(topic(index), listener.reader.cursor(), 0);
        }
        listener
    }

    /// One drain alone.
    pub fn drain_once(&mut self, parts: &Parts<'_>, got: &mut Vec<Got>) -> Drained {
        let tail = self.reader.tail(parts);
        self.take(got, |reader, interest, batch| reader.drain(parts, interest, tail, 100, batch))
    }

    /// What a drain of whatever kind gives.
    pub fn take(
        &mut self,
        got: &mut Vec<Got>,
        drain: impl FnOnce(&mut Reader, &mut Interest, &mut Batch) -> Drained,
    ) -> Drained {
        let mut batch = Batch::default();
        let drained = drain(&mut self.reader, &mut self.interest, &mut batch);
        for got in &batch.0 {
            assert_ne!(got.id, u64::MAX, "a torn message was believed: {got:?}");
        }
        got.append(&mut batch.0);
        drained
    }

    /// One drain, and if it was cut off, the return. Whether it found anything.
    pub fn drain(&mut self, parts: &Parts<'_>) -> bool {
        let mut got = Vec::new();
        match self.drain_once(parts, &mut got) {
            Drained::Cut => {
                assert!(got.is_empty(), "a cut-off reader believed {got:?}");
                self.reader.join(parts);
                self.gaps.extend(self.reader.missed(parts, &mut self.interest));
            }
            Drained::All => {}
            drained => panic!("a drain ended with {drained:?}"),
        }
        let found = !got.is_empty();
        self.got.append(&mut got);
        found
    }

    /// Reads what is left and checks that all together is every message from `from` on, once, in order.
    pub fn finish(&mut self, parts: &Parts<'_>, from: u64) {
        self.drain(parts);
        let positions: Vec<u64> = self.got.iter().map(|got| got.position).collect();
        let expected: Vec<u64> = (from..parts.tail.load(Acquire)).collect();
        assert_eq!(positions, expected, "positions have holes or come twice: {:?}", self.got);
        for index in 0..parts.topics.all.len() as u32 {
            let mut of_topic = self.got.iter().filter(|got| got.topic.index == index);
            let first = of_topic.clone().next().map_or(0, |got| got.sequence);
            assert!(
                of_topic.clone().zip(first..).all(|(got, n)| got.sequence == n),
                "sequences have holes: {:?}",
                self.got
            );
            // The counter is that of the last message.
            if let Some(last) = of_topic.next_back() {
                assert_eq!(parts.topics.all[index as usize].sequence.load(Acquire), last.sequence);
            }
        }
    }

    /// The ids of a publisher's messages, in the order in which they came. Message `id` is of publisher `id / 100`.
    pub fn ids_of(&self, publisher: u64) -> Vec<u64> {
        self.got.iter().map(|got| got.id).filter(|id| id / 100 == publisher).collect()
    }
}

/// Every frame from position `from` on, as it stands: (position, slab position, topic, sequence, previous).
pub(super) struct Standing {
    pub position: u64,
    pub slab_position: u64,
    pub topic: TopicId,
    pub sequence: u64,
    pub previous: u64,
}

/// The frames from position `from` to the tail. Only where no unit has wrapped and nothing was overwritten since.
pub(super) fn standing(parts: &Parts<'_>, from: u64) -> Vec<Standing> {
    let ring = Ring::of(parts);
    (from..parts.tail.load(Acquire))
        .map(|position| {
            let At::Slot(slot) = ring.read(position) else { panic!("position {position} is lost") };
            let frame = Frame::at(parts.blocks, Slot::unit(slot));
            let (index, generation) = frame.topic();
            assert_eq!(frame.position(), position, "a frame bears another position");
            Standing {
                position,
                slab_position: slot.unit() as u64 * BLOCK as u64,
                topic: TopicId { index, generation },
                sequence: frame.sequence(),
                previous: frame.previous(),
            }
        })
        .collect()
}

/// Checks that the frames of each topic are chained: each to the one before, the topic to the last.
pub(super) fn check_chains(parts: &Parts<'_>, frames: &[Standing]) {
    let mut last: HashMap<u32, u64> = HashMap::new();
    for frame in frames {
        if let Some(before) = last.insert(frame.topic.index, frame.slab_position) {
            assert_eq!(
                frame.previous, before,
                "position {} is not chained to the one before",
                frame.position
            );
        }
    }
    for (index, slab_position) in last {
        assert_eq!(
            parts.topics.all[index as usize].last.load(Acquire),
            slab_position,
            "topic {index} lost its last"
        );
    }
}

/// Checks that the whole slab is free again: nobody reads, nobody writes.
pub(super) fn check_space(parts: &Parts<'_>) {
    let slab = Slab::of(parts);
    let limit = slab.limit(|who| panic!("{who:?} lags behind"));
    assert_eq!(limit.position, parts.alloc.load(Acquire) + slab.bytes(), "slab space is lost");
}
