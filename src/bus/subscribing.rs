//! Subscribing from Rust with more than a topic's name.

use super::durable::{Durable, Mark};
use super::inbox::Kind;
use super::message::REDELIVERED;
use super::replay::{History, Past};
use super::{Bus, Live, users};
use crate::error::{SubscribeError, TopicError};
use crate::registry::TopicId;
use std::collections::HashMap;
use std::sync::Arc;

/// How to subscribe. The default is what [`Bus::subscribe`] does: live, nothing from before.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-replay-{}", std::process::id());
/// use slabcast::{Bus, Options, SubscribeOptions};
///
/// let mut bus = Bus::open(Options::new(name))?;
/// bus.publish_many("prices", [1, 2, 3])?;
/// bus.subscribe_with("prices", SubscribeOptions { replay: Some(2), ..Default::default() })?;
/// bus.publish("prices", &4)?;
/// for expected in 2..=4 {
///     assert_eq!(bus.recv()?.decode::<u32>()?, expected);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct SubscribeOptions {
    /// First the last messages of the topic that are kept, so many or as many as there are, then live: without a hole or a double.
    /// Not with `after`.
    pub replay: Option<u64>,
    /// First all kept messages of the topic with a number above, then live: without a hole or a double. What is not kept any more
    /// is told as [`RecvError::Gap`](crate::RecvError::Gap) before the first. Above the topic's last number, as of an earlier life
    /// of the bus: only live. Not with `replay`.
    pub after: Option<u64>,
    /// Goes on where the subscription of this topic and name, 1 to 255 bytes without NUL, stopped; the first time: live. A message
    /// is handled when the next one is asked for, by any of the calls that receive, or by [`Bus::handled`]. Handled ones never come
    /// again; others do, and those that were received before say so ([`Message::is_redelivered`]). One at a time for all the bus.
    /// Dropping the [`Bus`] and death keep the place, [`Bus::unsubscribe`] forgets it, and so does the bus when all have left. It
    /// holds nobody back while it is away: what is overwritten meanwhile is told as a gap. Nor does being cut off lose more: what the
    /// slab still holds comes, and the rest is told. Not with `replay` or `after`.
    pub durable: Option<String>,
}

/// The durable subscriptions of a bus.
#[derive(Debug, Default)]
pub(super) struct Durables {
    marks: HashMap<TopicId, Mark>,
    /// What was received last, if it is one's: its number.
    in_hand: Option<(Mark, u64)>,
}

impl Bus {
    /// As [`subscribe`](Self::subscribe), with options. Messages of the past are copied at once, at most as many as the slab
    /// holds, and wait in this bus to be received; they count against the option `inbox`.
    pub fn subscribe_with(&mut self, topic: &str, options: SubscribeOptions) -> Result<(), SubscribeError> {
        let past = match (options.replay, options.after) {
            (None, None) => None,
            (Some(count), None) => Some(Past::Last(count)),
            (None, Some(after)) => Some(Past::After(after)),
            (Some(_), Some(_)) => {
                return Err(SubscribeError::Option { option: "after", expected: "absent beside `replay`" });
            }
        };
        if past.is_some() && options.durable.is_some() {
            return Err(SubscribeError::Option {
                option: "durable",
                expected: "alone: it knows where to go on",
            });
        }
        if past.is_none() && options.durable.is_none() {
            return Ok(self.subscribe(topic)?);
        }
        let topic = users(topic)?;
        if self.subscribed.contains_key(topic) {
            return Err(SubscribeError::Subscribed);
        }
        self.begin(topic, past, options.durable.as_deref()).inspect_err(|error| {
            if matches!(error, SubscribeError::Topic(TopicError::Corrupt)) {
                self.at.leave();
            }
        })
    }

    fn begin(
        &mut self,
        topic: &str,
        past: Option<Past>,
        durable: Option<&str>,
    ) -> Result<(), SubscribeError> {
        let (live, found, mark) = match (past, durable) {
            (_, Some(name)) => {
                let Durable { live, found, mark } = self.at.subscribe_durable(topic, name)?;
                (live, found, Some(mark))
            }
            (past, None) => {
                let (live, found) = self.at.subscribe_from(topic, past.unwrap_or(Past::Last(0)))?;
                (live, found, None)
            }
        };
        let name = self.know(topic, topic, Kind::Messages, live);
        self.take_past(&name, live, found, mark.map_or(0, |mark| mark.begun));
        if let Some(mark) = mark {
            self.durables.marks.insert(live.topic.id, mark);
        }
        Ok(())
    }

    /// Says that the message received last was handled, if it is of a durable subscription. So does the next call that receives.
    pub fn handled(&mut self) {
        if let Some((mark, sequence)) = self.durables.in_hand.take() {
            self.at.handle_message(mark, sequence);
        }
    }

    /// Notes that the next message in the inbox is handed out, before it is.
    #[inline]
    pub(super) fn begin_durable(&mut self) {
        if !self.durables.marks.is_empty()
            && let Some(head) = self.inbox.head()
            && let Some(&mark) = self.durables.marks.get(&head.topic)
        {
            self.at.begin_message(mark, head.sequence);
            self.durables.in_hand = Some((mark, head.sequence));
        }
    }

    /// What durable subscriptions were cut off from and the slab still holds waits behind what was taken in before. Before a drain,
    /// for who subscribes may have joined again; and after it: a drain that does has brought nothing.
    pub(super) fn catch_up_durables(&mut self) -> Result<(), TopicError> {
        if self.durables.marks.is_empty() || !self.at.has_gaps() {
            return Ok(());
        }
        let marks: Vec<(TopicId, Mark)> = self.durables.marks.iter().map(|(id, mark)| (*id, *mark)).collect();
        for (id, mark) in marks {
            let Some(named) = self.names.get(&id.index).filter(|named| named.topic.id == id) else {
                continue;
            };
            let (topic, name) = (named.topic, named.name.clone());
            for (live, found) in self.at.find_missed(topic)? {
                self.take_past(&name, live, found, mark.begun);
            }
        }
        Ok(())
    }

    pub(super) fn forget_durable(&mut self, topic: TopicId) {
        if let Some(mark) = self.durables.marks.remove(&topic) {
            self.at.forget_bookmark(mark);
        }
    }

    /// `begun`: up to this number messages were handed out before.
    fn take_past(&mut self, name: &Arc<str>, live: Live, found: History, begun: u64) {
        let first = found.kept.front().map_or(live.from, |kept| kept.head.position);
        self.at.note_lost(live.topic, &found, first);
        let kept = found.kept.into_iter().map(|mut kept| {
            if kept.head.sequence <= begun {
                kept.head.flags |= REDELIVERED;
            }
            kept
        });
        self.inbox.put(name, kept);
    }
}
