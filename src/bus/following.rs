//! Subscriptions that begin in their topic's past, and catching up with it again.

use super::attachment::{Attachment, Live, Missed, TopicRef};
use super::interest::Reason;
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

    /// What the slab still holds of what a subscription by name was cut off from: that is missed no more, neither told nor counted.
    /// Between having joined again and the next drain, so that it comes before what is read from then on.
    pub(super) fn find_missed(&mut self, topic: TopicRef) -> Result<Vec<(Live, History)>, TopicError> {
        // A pattern that matches it, too, has missed them all the same: that is told once, for both.
        let is_told = self.interest.has_for(topic.id, Reason::Pattern);
        let mut missed = Vec::new();
        self.gaps.retain_mut(|gap| {
            let is_its = gap.topic == topic.id && gap.group.is_none() && !gap.is_sought;
            if is_its {
                gap.is_sought = true;
                missed.push((gap.from, gap.to, gap.position));
            }
            is_told || !is_its
        });
        let mut all = Vec::new();
        for (from, to, position) in missed {
            let (live, past) = (Live { topic, from: position, before: to }, Past::After(from - 1));
            let found = if is_told {
                let found = history(&self.shared.parts(), topic.id, position, to, past)?;
                History { lost: Vec::new(), ..found }
            } else {
                self.counters.gaps -= 1;
                self.counters.lost = self.counters.lost.saturating_sub(to - from + 1);
                self.past_of(live, past)?
            };
            all.push((live, found));
        }
        Ok(all)
    }

    /// What of a past is not there any more is to be told before the message at `position`.
    pub fn note_lost(&mut self, topic: TopicRef, found: &History, position: u64) {
        let missed = |&(from, to, reason)| Missed {
            topic: topic.id,
            group: None,
            from,
            to,
            position,
            reason,
            is_sought: true,
        };
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
