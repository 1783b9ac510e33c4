//! What a member wants to read, and how far it has: one bit for each value of the hash bits a slot carries, so that
//! foreign messages are passed without touching their frames, and the exact topics behind them.

use crate::registry::TopicId;
use std::collections::HashMap;

const BITS: usize = 1 << 16;

#[derive(Debug)]
pub(crate) struct Interest {
    map: Box<[u64; BITS / 64]>,
    /// How many of my topics share a bit; it goes with the last of them.
    shared: HashMap<u16, u32>,
    /// By topic index. Grows to the highest index subscribed to.
    exact: Vec<Wanted>,
    count: usize,
    /// Delivered by the drain under way, (topic index, sequence): counted once the drain is believed.
    passed: Vec<(u32, u64)>,
}

/// Why a topic is wanted: it is so until the last reason is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Name = 1,
    /// Of however many patterns match it.
    Pattern = 2,
}

#[derive(Clone, Copy, Debug, Default)]
struct Wanted {
    /// Generation + 1 of the topic I want here, 0 = none.
    generation: u64,
    /// Bits of [`Reason`].
    reasons: u8,
    /// Earlier positions are not mine.
    from: u64,
    /// The sequence of the last message delivered, or of the last before `from`.
    last: u64,
}

impl Default for Interest {
    fn default() -> Self {
        Interest {
            map: Box::new([0; BITS / 64]),
            shared: HashMap::new(),
            exact: Vec::new(),
            count: 0,
            passed: Vec::new(),
        }
    }
}

impl Interest {
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn may_want(&self, hash: u16) -> bool {
        self.map[hash as usize / 64] >> (hash % 64) & 1 == 1
    }

    pub fn wants(&self, topic: TopicId, position: u64) -> bool {
        let generation = topic.generation as u64 + 1;
        self.exact.get(topic.index as usize).is_some_and(|w| w.generation == generation && position >= w.from)
    }

    /// Whether a topic is wanted, for whatever reason.
    pub fn has(&self, topic: TopicId) -> bool {
        self.wanted(topic).is_some()
    }
    pub fn has_for(&self, topic: TopicId, reason: Reason) -> bool {
        self.wanted(topic).is_some_and(|wanted| wanted.reasons & reason as u8 != 0)
    }
    fn wanted(&self, topic: TopicId) -> Option<&Wanted> {
        self.exact.get(topic.index as usize).filter(|wanted| wanted.generation == topic.generation as u64 + 1)
    }

    /// From now on messages of the topic are looked at; delivered only after `begin`.
    pub fn add(&mut self, topic: TopicId, hash: u16, reason: Reason) {
        if self.has(topic) {
            self.exact[topic.index as usize].reasons |= reason as u8;
            return;
        }
        let index = topic.index as usize;
        if self.exact.len() <= index {
            self.exact.resize((index + 1).next_power_of_two(), Wanted::default());
        }
        let generation = topic.generation as u64 + 1;
        self.exact[index] = Wanted { generation, reasons: reason as u8, from: u64::MAX, last: 0 };
        self.count += 1;
        *self.shared.entry(hash).or_insert(0) += 1;
        self.map[hash as usize / 64] |= 1 << (hash % 64);
    }

    /// Messages at `from` and later are delivered; the topic's last before it has the number `before`. One that has begun for
    /// another reason goes on as it was.
    pub fn begin(&mut self, topic: TopicId, from: u64, before: u64) {
        let wanted = &mut self.exact[topic.index as usize];
        if wanted.from == u64::MAX {
            wanted.from = from;
            wanted.last = before;
        }
    }

    /// The topic's last number before its beginning at `from` is another than was thought; unless it had begun before.
    pub fn correct(&mut self, topic: TopicId, from: u64, before: u64) {
        let wanted = &mut self.exact[topic.index as usize];
        if wanted.from == from {
            wanted.last = before;
        }
    }

    /// True: it is not wanted any more, for no reason.
    pub fn remove(&mut self, topic: TopicId, hash: u16, reason: Reason) -> bool {
        if !self.has(topic) {
            return true;
        }
        let wanted = &mut self.exact[topic.index as usize];
        wanted.reasons &= !(reason as u8);
        if wanted.reasons != 0 {
            return false;
        }
        *wanted = Wanted::default();
        self.count -= 1;
        if let Some(count) = self.shared.get_mut(&hash) {
            *count -= 1;
            if *count == 0 {
                self.shared.remove(&hash);
                self.map[hash as usize / 64] &= !(1 << (hash % 64));
            }
        }
        true
    }

    pub fn topics(&self) -> Vec<TopicId> {
        let wanted = self.exact.iter().enumerate().filter(|(_, wanted)| wanted.generation != 0);
        wanted.map(|(at, w)| TopicId { index: at as u32, generation: (w.generation - 1) as u32 }).collect()
    }

    /// Notes a delivery of the drain under way.
    pub fn pass(&mut self, topic: TopicId, sequence: u64) {
        self.passed.push((topic.index, sequence));
    }
    /// The drain is believed: so are its deliveries.
    pub fn keep_passed(&mut self) {
        for (index, sequence) in self.passed.drain(..) {
            self.exact[index as usize].last = sequence;
        }
    }
    pub fn drop_passed(&mut self) {
        self.passed.clear();
    }

    /// After a cut-off, reading on at `from` where the topic's last message before has `number`: what was missed, first
    /// and last.
    pub fn skip_to(&mut self, topic: TopicId, from: u64, number: u64) -> Option<(u64, u64)> {
        let wanted = &mut self.exact[topic.index as usize];
        wanted.from = wanted.from.max(from);
        // Not before it is known: a garbled counter may have been the last there is.
        let missed = (number > wanted.last).then(|| (wanted.last + 1, number));
        wanted.last = wanted.last.max(number);
        missed
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_bit_goes_only_with_the_last_topic_that_shares_it() {
        let mut interest = Interest::default();
        let (a, b) = (TopicId { index: 1, generation: 1 }, TopicId { index: 2, generation: 9 });
        for topic in [a, b] {
            interest.add(topic, 7, Reason::Name);
            interest.begin(topic, 0, 0);
        }
        interest.remove(a, 7, Reason::Name);
        assert!(interest.may_want(7) && !interest.wants(a, 0) && interest.wants(b, 0));
        interest.remove(b, 7, Reason::Name);
        assert!(!interest.may_want(7) && interest.is_empty());
    }

    #[test]
    fn another_generation_of_an_entry_is_another_topic() {
        let mut interest = Interest::default();
        interest.add(TopicId { index: 3, generation: 0 }, 1, Reason::Name);
        interest.begin(TopicId { index: 3, generation: 0 }, 5, 0);
        assert!(!interest.wants(TopicId { index: 3, generation: 1 }, 9));
        assert!(!interest.wants(TopicId { index: 3, generation: 0 }, 4));
        assert!(interest.wants(TopicId { index: 3, generation: 0 }, 5));
        interest.remove(TopicId { index: 3, generation: 1 }, 1, Reason::Name);
        assert!(interest.wants(TopicId { index: 3, generation: 0 }, 5));
    }

    #[test]
    fn a_gap_is_what_lies_between_the_last_delivered_and_the_number_found() {
        let mut interest = Interest::default();
        let topic = TopicId { index: 0, generation: 1 };
        interest.add(topic, 1, Reason::Name);
        interest.begin(topic, 10, 41);
        assert_eq!(interest.skip_to(topic, 20, 41), None);
        interest.pass(topic, 42);
        interest.drop_passed();
        assert_eq!(interest.skip_to(topic, 30, 50), Some((42, 50)));
        interest.pass(topic, 51);
        interest.keep_passed();
        assert_eq!(interest.skip_to(topic, 40, 52), Some((52, 52)));
    }

    #[test]
    fn a_topic_is_wanted_until_its_last_reason_is_gone() {
        let mut interest = Interest::default();
        let topic = TopicId { index: 4, generation: 2 };
        interest.add(topic, 1, Reason::Pattern);
        interest.begin(topic, 5, 0);
        interest.add(topic, 1, Reason::Name);
        interest.begin(topic, 9, 0);
        assert!(interest.wants(topic, 5), "what began before goes on");
        assert!(!interest.remove(topic, 1, Reason::Pattern));
        assert!(!interest.has_for(topic, Reason::Pattern) && interest.has_for(topic, Reason::Name));
        assert!(interest.may_want(1) && interest.wants(topic, 5));
        assert!(interest.remove(topic, 1, Reason::Name));
        assert!(!interest.may_want(1) && interest.is_empty());
    }
}
