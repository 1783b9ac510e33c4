//! What who matches topics by their names has to know of the table: the topics that are there, and those that appeared since
//! it looked last (rule R11). A topic counts from when it was logged on, though its entry may not be valid yet: its name
//! stands by then, and nobody can have published to it before.

use super::{TopicId, Topics, log};
use crate::layout::TopicState;
use crate::sync::{Ordering, fence, load_words};
use Ordering::{Acquire, Relaxed};

impl Topics<'_> {
    /// Topics ever made.
    pub fn created(&self) -> u64 {
        self.header.registry.created.load(Acquire)
    }

    /// The topics that appeared since there were `seen`, and how many there are now. None: more than the log holds.
    pub fn appeared_since(&self, seen: u64) -> Option<(Vec<TopicId>, u64)> {
        let ids = log::since(self.logs.0, &self.header.registry.created, seen)?;
        let count = seen + ids.len() as u64;
        Some((ids, count))
    }

    /// All topics that bear a name, retired ones too, and how many were ever made: whoever is made after this look counts more.
    /// Some of them may be twice.
    pub fn all_now(&self) -> (Vec<TopicId>, u64) {
        // The last one may not be valid yet, and its entry tells nothing then: it is taken from the log. First: those before it
        // are valid by now.
        let (last, count) = loop {
            let count = self.created();
            let log = self.logs.0;
            let last = TopicId::of(log[count.wrapping_sub(1) as usize % log.len()].load(Relaxed));
            fence(Acquire);
            if self.created() == count {
                break ((count > 0).then_some(last), count);
            }
        };
        let named = (0u32..).zip(self.parts.topics.reserved()).filter_map(|(index, topic)| {
            let state = TopicState(topic.state.load(Acquire));
            (state.phase() != TopicState::FREE).then(|| TopicId { index, generation: state.generation() })
        });
        (named.chain(last).collect(), count)
    }

    /// Whether an entry is still, or is becoming, the topic an id was given for.
    pub fn is_of(&self, id: TopicId) -> bool {
        let topic = self.parts.topics.get(id.index);
        topic.is_some_and(|topic| TopicState(topic.state.load(Acquire)).generation() == id.generation)
    }

    /// The name of a topic that was logged, and the number it began after. None: its entry bears another one by now.
    pub fn beginning_of(&self, id: TopicId) -> Option<(Vec<u8>, u64)> {
        let topic = self.parts.topics.get(id.index)?;
        if !self.is_of(id) {
            return None;
        }
        let mut name = vec![0; topic.name_len()];
        load_words(&self.names[id.index as usize].0, &mut name);
        let base = topic.base.load(Relaxed);
        fence(Acquire);
        self.is_of(id).then_some((name, base))
    }
}
