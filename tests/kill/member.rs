//! One member of the bus as every process of this suite has it: what it publishes can be told from all else, and what it
//! receives is looked at to the last byte and kept.

use slabcast::{Bus, Gap, Options, RecvError, SubscribeError, SubscribeOptions, TopicError};
use std::collections::BTreeMap;
use std::time::Duration;

/// The topics all living members subscribe to.
pub const TRAFFIC: std::ops::Range<u32> = 0..3;
/// Bytes of the slab.
pub const SLAB: u64 = 64 << 10;

pub fn name_of(topic: u32) -> String {
    format!("topic:{topic}")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Got {
    pub position: u64,
    pub sequence: u64,
    pub publisher: u32,
    pub topic: u32,
    /// Which of this publisher's messages in this topic, from 1.
    pub n: u32,
}

impl std::fmt::Display for Got {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Got { position, sequence, publisher, topic, n } = self;
        write!(f, "{position} {sequence} {publisher} {topic} {n}")
    }
}

impl Got {
    pub fn parse(line: &str) -> Got {
        let words: Vec<u64> = line.split(' ').map(|word| word.parse().expect("a number")).collect();
        let [position, sequence, publisher, topic, n] = words[..] else { panic!("{line}") };
        Got { position, sequence, publisher: publisher as u32, topic: topic as u32, n: n as u32 }
    }
}

/// How many messages somebody published, by topic.
pub type Counts = BTreeMap<u32, u32>;

pub struct Member {
    pub bus: Bus,
    /// As in the bytes of its messages; not the member's number.
    pub id: u32,
    pub published: Counts,
    pub log: Vec<Got>,
    pub gaps: Vec<Gap>,
}

const HEAD: usize = 16;

/// Every byte says whose it is and where it belongs.
fn body(publisher: u32, topic: u32, n: u32, len: usize) -> Vec<u8> {
    let len = len.max(HEAD);
    let mut bytes = Vec::with_capacity(len);
    for word in [publisher, topic, n, len as u32] {
        bytes.extend(word.to_le_bytes());
    }
    let seed = publisher.wrapping_mul(31).wrapping_add(topic * 7).wrapping_add(n.wrapping_mul(13));
    bytes.extend((HEAD..len).map(|at| (at as u32).wrapping_mul(0x9e37_79b9).wrapping_add(seed) as u8));
    bytes
}

impl Member {
    pub fn new(bus: Bus, id: u32) -> Member {
        Member { bus, id, published: Counts::new(), log: Vec::new(), gaps: Vec::new() }
    }

    pub fn open(options: Options, id: u32) -> Member {
        Member::new(Bus::open(options).expect("open"), id)
    }

    pub fn subscribe(&mut self, topic: u32) -> Result<(), TopicError> {
        self.bus.subscribe(&name_of(topic))
    }

    /// From the first message that is kept.
    pub fn subscribe_past(&mut self, topic: u32) -> Result<(), SubscribeError> {
        self.bus.subscribe_with(&name_of(topic), SubscribeOptions { after: Some(0), ..Default::default() })
    }

    /// Under a name that is the same for all.
    pub fn subscribe_durable(&mut self, topic: u32) -> Result<(), SubscribeError> {
        let options = SubscribeOptions { durable: Some("d".into()), ..Default::default() };
        self.bus.subscribe_with(&name_of(topic), options)
    }

    /// Waits for so many messages and handles them: their numbers, with a ! behind what came before.
    pub fn take(&mut self, count: usize) -> String {
        let one = |_| {
            let message = self.bus.recv().expect("recv");
            format!("{}{}", message.sequence(), if message.is_redelivered() { "!" } else { "" })
        };
        let taken: Vec<String> = (0..count).map(one).collect();
        self.bus.handled();
        taken.join(" ")
    }

    pub fn follow_all(&mut self) {
        TRAFFIC.for_each(|topic| self.subscribe(topic).expect("subscribe"));
    }

    /// Returns the number of the message among this member's in the topic, and its position.
    pub fn publish(&mut self, topic: u32, len: usize) -> (u32, u64) {
        let n = self.published.get(&topic).copied().unwrap_or(0) + 1;
        let position = self.bus.publish_raw(&name_of(topic), &body(self.id, topic, n, len)).expect("publish");
        self.published.insert(topic, n);
        (n, position)
    }

    /// Publishes so many at once. Returns the last's number in its topic, and its position.
    pub fn publish_many(&mut self, topic: u32, len: usize, count: u32) -> (u32, u64) {
        let first = self.published.get(&topic).copied().unwrap_or(0) + 1;
        let last = first + count - 1;
        let bodies: Vec<Vec<u8>> = (first..=last).map(|n| body(self.id, topic, n, len)).collect();
        let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
        let position = self.bus.publish_raw_many(&name_of(topic), &bodies).expect("publish").expect("some");
        self.published.insert(topic, last);
        (last, position)
    }

    /// Takes what comes within `wait`, and what there is then.
    pub fn receive(&mut self, wait: Duration) -> usize {
        let before = self.log.len();
        let mut wait = wait;
        // Bounded: there may be no end of it.
        while self.log.len() < before + 256 {
            match self.bus.recv_timeout(wait) {
                Ok(Some(message)) => self.log.push(look_at(&message)),
                Ok(None) => break,
                Err(RecvError::Gap(gaps)) => self.gaps.extend(gaps),
                Err(error) => panic!("{error}"),
            }
            wait = Duration::ZERO;
        }
        self.log.len() - before
    }

    /// Whether a message of this publisher was received that is its `n`th in the topic, or a later one.
    pub fn has(&self, publisher: u32, topic: u32, n: u32) -> bool {
        self.log.iter().rev().any(|got| (got.publisher, got.topic) == (publisher, topic) && got.n >= n)
    }
}

fn look_at(message: &slabcast::Message) -> Got {
    let bytes = message.bytes();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let (publisher, topic, n, len) = (word(0), word(4), word(8), word(12));
    assert_eq!(message.topic(), name_of(topic));
    assert!(bytes == body(publisher, topic, n, len as usize), "torn at {}", message.position());
    Got { position: message.position(), sequence: message.sequence(), publisher, topic, n }
}
