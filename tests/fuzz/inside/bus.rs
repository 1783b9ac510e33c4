//! A whole bus, files and all, with three members in this thread, changed behind their backs. Beside that each call
//! returns: a slab that is full has an honest reader to blame, or somebody says that the segment is corrupt.

use super::readers::Readings;
use super::{Input, segment::NAMES, vandal};
use crate::bus::inside::{Attachment, Inspection, TopicRef};
use crate::bus::{Drained, Head, Options, Sink};
use crate::layout::Corrupt;
use crate::segment::Segment;
use std::collections::HashMap;
use std::iter::once;
use std::time::{Duration, Instant};

/// Rounds in which everybody reads and looks after the bus, until there must be room.
const ROUNDS: u64 = 4;

pub(super) struct Anything;

impl Sink for Anything {
    fn fits(&mut self, _len: usize) -> bool {
        true
    }
    fn take(&mut self, head: &Head, copy: impl FnOnce(&mut [u8])) {
        copy(&mut vec![0; head.len]);
    }
    fn discard(&mut self) {}
}

/// A member, the topics it is subscribed to by their names, and what else it reads.
type Held = (Attachment, HashMap<usize, TopicRef>, Readings);

struct Run {
    options: Options,
    members: Vec<Held>,
    start: Instant,
    /// Nothing was changed behind anybody's back.
    is_honest: bool,
}

/// Choices from here on are those of `readers.rs`: what was kept before these were there means what it meant.
const MORE: u8 = 224;

pub fn run(data: &[u8]) {
    let mut options = Options::new(format!("fuzz-{}", std::process::id()));
    options.size = super::segment::SIZES.slab_bytes;
    options.max_message = Some(super::segment::SIZES.max_message);
    options.topics = 8;
    options.members = 5;
    let mut run = Run { options, members: Vec::new(), start: Instant::now(), is_honest: true };
    for (at, name) in NAMES.iter().enumerate().take(3) {
        run.open();
        if let Some((member, topics, _)) = run.members.last_mut() {
            topics.extend(member.subscribe(name).ok().map(|live| (at, live.topic)));
        }
    }
    let mut input = Input(data);
    for _ in 0..100 {
        if input.is_empty() || run.members.is_empty() {
            break;
        }
        run.one(&mut input);
    }
    run.settle();
    run.members.clear();
    let place = crate::segment::Place::new(&run.options.name, run.options.mode);
    crate::segment::remove_bus(&place, None);
}

impl Run {
    fn open(&mut self) {
        if let Ok(member) = Attachment::open(&self.options) {
            self.members.push((member, HashMap::new(), Readings::default()));
        }
    }

    fn one(&mut self, input: &mut Input<'_>) {
        let at = input.below(self.members.len());
        let name = input.below(NAMES.len());
        let (member, topics, readings) = &mut self.members[at];
        let what = input.u8();
        let healthy = match what % 14 {
            _ if what >= MORE => readings.one(member, name, self.is_honest, input),
            0..=4 => {
                self.is_honest = false;
                vandal::corrupt(input, member.segment());
                Ok(())
            }
            5 | 6 => {
                let len = input.u16() as usize % 4097;
                publish(member, name, len).map(drop)
            }
            7 => drain(member),
            8 => member.tick().map(drop),
            9 => {
                let now = self.start + Duration::from_millis(input.u16() as u64);
                member.relieve(64, now, Duration::from_millis(1), Some(Duration::ZERO)).map(drop)
            }
            10 => match topics.remove(&name) {
                Some(topic) => {
                    member.unsubscribe(topic);
                    Ok(())
                }
                None => match member.subscribe(NAMES[name]) {
                    Ok(live) => {
                        topics.insert(name, live.topic);
                        Ok(())
                    }
                    Err(crate::TopicError::Corrupt) => Err(Corrupt),
                    Err(_) => Ok(()),
                },
            },
            11 => {
                let place = crate::segment::Place::new(&self.options.name, self.options.mode);
                if let Ok(other) = Segment::open(member.segment().id(), &place) {
                    let _ = Inspection::default().look(other.header(), &other.parts());
                }
                Ok(())
            }
            12 => Err(Corrupt),
            _ => {
                self.open();
                Ok(())
            }
        };
        if healthy.is_err() {
            // As both faces do: it leaves, and what it says from then on is the same.
            let (mut member, ..) = self.members.swap_remove(at);
            member.leave();
            assert!(
                member.tick().is_err()
                    && drain(&mut member).is_err()
                    && publish(&mut member, name, 1).is_err()
            );
        }
    }

    /// Everybody reads and ticks; then a message of each finds room, or its publisher learns that the bus is corrupt.
    fn settle(&mut self) {
        for round in 0..ROUNDS {
            self.all_look(round);
        }
        for at in 0..self.members.len() {
            self.all_look(ROUNDS);
            let Some((member, topics, _)) = self.members.get_mut(at) else { return };
            if let Some(name) = topics.keys().next() {
                assert_ne!(publish(member, *name, 4096), Ok(false), "full, and nobody says why");
            }
        }
    }

    fn all_look(&mut self, round: u64) {
        let now = self.start + Duration::from_secs(1000 + round);
        let second = Duration::from_secs(1);
        self.members.retain_mut(|(member, _, readings)| {
            let done = drain(member)
                .and_then(|()| readings.work(member))
                .and_then(|()| member.tick().map(drop))
                .and_then(|()| member.relieve(4096, now, second, Some(second)).map(drop));
            if done.is_err() {
                member.leave();
            }
            done.is_ok()
        });
    }
}

/// Ok(false): full.
fn publish(member: &mut Attachment, name: usize, len: usize) -> Result<bool, Corrupt> {
    let topic = match member.topic(NAMES[name], Duration::ZERO) {
        Ok(topic) => topic,
        Err(crate::TopicError::Corrupt) => return Err(Corrupt),
        Err(_) => return Ok(true),
    };
    match member.publish_all(topic, 0, once(&vec![7; len][..])) {
        Err(crate::bus::inside::Refused::Corrupt) => Err(Corrupt),
        result => Ok(result != Err(crate::bus::inside::Refused::Full)),
    }
}

fn drain(member: &mut Attachment) -> Result<(), Corrupt> {
    for _ in 0..64 {
        match member.drain(256, &mut Anything) {
            Drained::Corrupt => return Err(Corrupt),
            Drained::All => return Ok(()),
            Drained::More | Drained::Cut => {}
        }
    }
    Ok(())
}
