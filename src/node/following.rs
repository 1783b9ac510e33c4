//! Subscriptions that begin in their topic's past. What was copied of it waits here for JavaScript to take it, some at a time.

use super::failure::Failure;
use super::{GapWords, Member, TopicWords, words};
use crate::bus::{Attachment, Durable, History, Kept, Live, Mark, Past};
use crate::error::{GapReason, SubscribeError, TopicError};
use napi::bindgen_prelude::{Buffer, Either};
use napi_derive::napi;
use std::collections::{HashMap, VecDeque};

/// Messages and bytes of one chunk; a longer message is one alone.
const CHUNK: usize = 256;
const CHUNK_BYTES: usize = 256 << 10;

/// Numbers per message in a chunk: length, flags, sequence, position, member, pid, time.
const CHUNK_META: usize = 7;

#[napi(object)]
pub struct PastWords {
    /// So many of the last.
    pub replay: Option<f64>,
    /// All with a number above; where there is no `replay`.
    pub after: Option<f64>,
}

/// Where a subscription begins.
#[napi(object)]
pub struct FollowingWords {
    pub topic: TopicWords,
    /// Messages at this position and later are live.
    pub from: f64,
    /// The topic's last number before it.
    pub before: f64,
    /// What `takePast` is asked for, 0: there is nothing.
    pub past: u32,
    /// What of the past is lost.
    pub gaps: Vec<GapWords>,
}

/// Messages of the past: numbers, and their bodies one after the other.
#[napi(object)]
pub struct Chunk {
    pub meta: Vec<f64>,
    pub bytes: Buffer,
}

/// What subscriptions have copied and not yet taken.
#[derive(Default)]
pub(super) struct Pasts {
    waiting: HashMap<u32, VecDeque<Kept>>,
    last: u32,
}

impl Pasts {
    /// Keeps messages under a number of their own; 0 where there are none.
    fn keep(&mut self, kept: VecDeque<Kept>) -> u32 {
        if kept.is_empty() {
            return 0;
        }
        self.last = self.last.wrapping_add(1).max(1);
        self.waiting.insert(self.last, kept);
        self.last
    }

    fn take(&mut self, past: u32) -> Option<Chunk> {
        let waiting = self.waiting.get_mut(&past)?;
        let (mut count, mut len) = (0, 0);
        for kept in waiting.iter().take(CHUNK) {
            if count > 0 && len + kept.body.len() > CHUNK_BYTES {
                break;
            }
            count += 1;
            len += kept.body.len();
        }
        let mut meta = Vec::with_capacity(count * CHUNK_META);
        let mut bytes = Vec::with_capacity(len);
        for Kept { head, body } in waiting.drain(..count) {
            let words = [head.sequence, head.position, head.member as u64, head.pid as u64, head.time_ms];
            meta.extend([body.len() as f64, head.flags as f64]);
            meta.extend(words.map(|word| word as f64));
            bytes.extend_from_slice(&body);
        }
        if waiting.is_empty() {
            self.waiting.remove(&past);
        }
        Some(Chunk { meta, bytes: bytes.into() })
    }
}

impl From<PastWords> for Past {
    fn from(words: PastWords) -> Past {
        match words.replay {
            Some(count) => Past::Last(count as u64),
            None => Past::After(words.after.unwrap_or(0.0) as u64),
        }
    }
}

/// A durable subscription, begun.
#[napi(object)]
pub struct DurableWords {
    pub following: FollowingWords,
    /// What `beginMessage` and the like are asked for.
    pub bookmark: u32,
    /// Up to this number a listener was called for messages that may not have been handled.
    pub begun: f64,
}

#[napi]
impl Member {
    /// Subscribes to a topic under a name, whether this thread reads it already or not.
    #[napi(catch_unwind)]
    pub fn subscribe_durable(&self, topic: String, name: String) -> Either<DurableWords, Failure> {
        let closed = SubscribeError::from(TopicError::Closed);
        let begun = self
            .hot
            .borrow_mut()
            .attachment()
            .ok_or(closed)
            .and_then(|at| at.subscribe_durable(&topic, &name));
        let Durable { live, found, mark } = match begun {
            Ok(begun) => begun,
            Err(error) => return Either::B(error.into()),
        };
        match self.following(Either::A((live, found, topic))) {
            Either::A(following) => {
                Either::A(DurableWords { following, bookmark: mark.index, begun: mark.begun as f64 })
            }
            Either::B(failure) => Either::B(failure),
        }
    }

    /// A listener is about to be called for a message.
    #[napi(catch_unwind)]
    pub fn begin_message(&self, bookmark: u32, sequence: f64) {
        self.at_bookmark(bookmark, |at, mark| at.begin_message(mark, sequence as u64));
    }

    /// It has returned, or settled.
    #[napi(catch_unwind)]
    pub fn handle_message(&self, bookmark: u32, sequence: f64) {
        self.at_bookmark(bookmark, |at, mark| at.handle_message(mark, sequence as u64));
    }

    /// The subscription ended: the next of its name goes on, or, if it is forgotten, begins anew.
    #[napi(catch_unwind)]
    pub fn let_go(&self, bookmark: u32, forget: bool) {
        self.at_bookmark(
            bookmark,
            |at, mark| {
                if forget { at.forget_bookmark(mark) } else { at.release_bookmark(mark) }
            },
        );
    }

    fn at_bookmark(&self, bookmark: u32, act: impl FnOnce(&Attachment, Mark)) {
        if let Some(at) = self.hot.borrow_mut().attachment() {
            act(at, Mark { index: bookmark, begun: 0 });
        }
    }

    /// Subscribes to a topic this thread does not read, from its past on.
    #[napi(catch_unwind)]
    pub fn subscribe_from(&self, name: String, past: PastWords) -> Either<FollowingWords, Failure> {
        let begun = self.attached(|at| {
            let (live, found) = at.subscribe_from(&name, past.into())?;
            Ok((live, found, name.clone()))
        });
        self.following(begun)
    }

    /// A further subscription to a topic this thread reads; or one whose live messages could not all wait, `after` the last that
    /// could.
    #[napi(catch_unwind)]
    pub fn catch_up(&self, topic: TopicWords, past: PastWords) -> Either<FollowingWords, Failure> {
        let begun = self.attached(|at| {
            let topic = crate::bus::TopicRef::from(topic);
            let (live, found) = at.catch_up(topic, past.into())?;
            Ok((live, found, at.topic_name(topic.id).unwrap_or_default()))
        });
        self.following(begun)
    }

    fn following(&self, begun: Either<(Live, History, String), Failure>) -> Either<FollowingWords, Failure> {
        let (live, found, name) = match begun {
            Either::A(begun) => begun,
            Either::B(failure) => return Either::B(failure),
        };
        let gap = |(from, to, reason): (u64, u64, GapReason)| GapWords {
            topic: name.clone(),
            index: live.topic.id.index,
            group: None,
            from: from as f64,
            to: to as f64,
            reason: reason.name().into(),
        };
        Either::A(FollowingWords {
            topic: words(live.topic, live.from, found.before),
            from: live.from as f64,
            before: found.before as f64,
            gaps: found.lost.into_iter().map(gap).collect(),
            past: self.pasts.borrow_mut().keep(found.kept),
        })
    }

    /// The next messages of a past; null when all were taken.
    #[napi(catch_unwind)]
    pub fn take_past(&self, past: u32) -> Option<Chunk> {
        self.pasts.borrow_mut().take(past)
    }

    /// Nobody takes the rest.
    #[napi(catch_unwind)]
    pub fn forget_past(&self, past: u32) {
        self.pasts.borrow_mut().waiting.remove(&past);
    }
}
