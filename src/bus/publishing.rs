//! What an attached thread does to publish: one message or many into the bus, then the posts. The protocol itself is
//! `publisher.rs`.

use super::attachment::{Attachment, TopicRef};
use super::clock::Ticks;
use super::publisher::{Publication, Refused};
use crate::layout::frame_bytes;
use crate::sync::BLOCK;

impl Attachment {
    /// What the frames of messages that are published at once may take together: with more, those who read on in time
    /// might still never make room.
    pub fn max_at_once(&self) -> u64 {
        // The longest message is half a slab, and its header comes on top.
        self.shared.segment.sizes().slab_bytes / 2 + BLOCK as u64
    }

    /// What the frames of bodies so long take together.
    pub fn frames(lens: impl Iterator<Item = usize>) -> u64 {
        lens.map(frame_bytes).sum()
    }

    /// Publishes all bodies or none, by one reservation, and posts once. They take at most `max_at_once`.
    #[inline]
    pub fn publish_all<'b>(
        &mut self,
        topic: TopicRef,
        flags: u16,
        bodies: impl Iterator<Item = &'b [u8]> + Clone,
    ) -> Result<u64, Refused> {
        self.must_be_attached().map_err(|_| Refused::Corrupt)?;
        let shared = &self.shared;
        let parts = shared.parts();
        let now = Ticks::now();
        let what = Publication { topic: topic.id, hash: topic.hash, flags, time_ms: self.clock.ms_at(now) };
        let fanout = &mut self.fanout;
        // A sleeping reader of quiet topics holds the slab without knowing: nudged.
        let nudge = |who| fanout.nudge(&parts, &shared.place, who);
        let position = self.publisher.publish(&parts, what, bodies.clone(), nudge)?;
        self.published_to = position + 1;
        self.fanout.post_row(&parts, &shared.place, parts.row(topic.id.index), now);
        self.fanout.post_groups(&parts, &shared.place, topic.id, position, now);
        self.ahead.reached(self.publisher.end, &shared.segment);
        for body in bodies {
            self.counters.published.add(body.len());
        }
        Ok(position)
    }
    /// From now on `end_burst` follows what is published, soon.
    #[cfg(feature = "node")]
    pub fn publish_in_bursts(&mut self) {
        self.fanout.burst = Ticks::BURST;
    }

    /// Whether a post waits for the end of the burst.
    #[cfg(feature = "node")]
    pub fn owes_posts(&self) -> bool {
        self.fanout.owes_posts()
    }

    /// Posts to those who sleep and were not posted to for the last messages of a burst.
    pub fn end_burst(&mut self) {
        if self.membership.is_some() {
            self.fanout.end_burst(&self.shared.parts(), &self.shared.place, Ticks::now());
        }
    }
}
