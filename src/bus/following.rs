//! Subscriptions that begin in their topic's past, and catching up with it again.

use super::attachment::{Attachment, Live, Missed, TopicRef};
use super::replay::{History, Past, history};
use crate::error::TopicError;

impl Attachment {
    /// As `subscribe`, with what the topic's past holds before the position from which it is live.
    pub fn subscribe_from(&mut self, name: &str, past: Past) -> Result<(Live, History), TopicError> {
        let live = self.subscribe(name)?;
        let found = self.begin_in_the_past(live, past)?;
        Ok((live, found))
    }

    /// Of a topic that was just subscribed to.
    pub(super) fn begin_in_the_past(&mut self, live: Live, past: Past) -> Result<History, TopicError> {
        let found = self.past_of(live, past)?;
        self.interest.correct(live.topic.id, live.from, found.before);
        Ok(found)
    }

    /// A further subscription of this thread to a topic it reads, or one that fell behind: what the past holds, and from where it
    /// is live.
    pub fn catch_up(&mut self, topic: TopicRef, past: Past) -> Result<(Live, History), TopicError> {
        self.must_be_attached()?;
        let (from, before) = self.subscribe_again(topic);
        let live = Live { topic, from, before };
        Ok((live, self.past_of(live, past)?))
    }

    pub(super) fn past_of(
        &mut self,
        Live { topic, from, before }: Live,
        past: Past,
    ) -> Result<History, TopicError> {
        let found = history(&self.shared.parts(), topic.id, from, before, past)?;
        self.counters.gaps += found.lost.len() as u64;
        let lost = found.lost.iter().map(|(from, to, _)| to - from + 1);
        self.counters.lost = lost.fold(self.counters.lost, u64::saturating_add);
        Ok(found)
    }

    /// What of a past is not there any more is to be told before the message at `position`.
    pub fn note_lost(&mut self, topic: TopicRef, found: &History, position: u64) {
        let missed =
            |&(from, to, reason)| Missed { topic: topic.id, group: None, from, to, position, reason };
        self.gaps.extend(found.lost.iter().map(missed));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::bus::Options;
    use crate::bus::inside::cut_off;
    use crate::layout::MemberState;
    use crate::sync::Ordering::Acquire;
    use std::iter::once;
    use std::time::Duration;

    /// The number found at subscribing is the counter then, which may have moved on; the past ends before that.
    #[test]
    fn who_is_cut_off_while_it_subscribes_is_told_from_where_its_past_ended() {
        let options =
            Options { size: 64 << 10, ..Options::new(format!("unit-following-{}", std::process::id())) };
        let mut bus = Attachment::open(&options).expect("open");
        let mut other = Attachment::open(&options).expect("open");
        let topic = other.topic("t", Duration::from_secs(60)).expect("a topic");
        let mut publish = || other.publish_all(topic, 0, once(&b"x"[..])).expect("room");
        publish();
        let live = bus.subscribe("t").expect("subscribe");
        publish();
        let shared = bus.shared.clone();
        let member = &shared.parts().members[bus.publisher.index as usize];
        assert!(cut_off(member, MemberState(member.identity.state.load(Acquire))));
        // As subscribe() leaves it, where the cut-off came between its look at the tail and that at its own state.
        bus.interest.correct(topic.id, live.from, 2);
        let found = bus.begin_in_the_past(Live { before: 2, ..live }, Past::After(0)).expect("sound");
        assert_eq!((found.before, found.kept.len()), (1, 1));
        bus.rejoin();
        let gaps = bus.take_gaps(u64::MAX);
        assert_eq!((gaps.len(), gaps[0].1.from, gaps[0].1.to), (1, 2, 2));
    }
}
