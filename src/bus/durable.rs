//! Durable subscriptions: each goes on where the one of its topic and name before it stopped. What it has handled stands in a
//! bookmark in the segment; it reads as any other, and holds nobody back while it is away.

use super::attachment::{Attachment, Live, TopicRef, check_topic};
use super::interest::Reason;
use super::replay::{History, Past};
use super::shared::LOCK_WAIT;
use crate::error::{SubscribeError, TopicError};
use crate::layout::{Bookmark, Member, MemberState, NAME_MAX};
use crate::registry::{NoBookmark, bookmark_key, hash_bits, in_use, name_hash};
use crate::segment::Round;
use crate::sync::Ordering::{Acquire, Relaxed};
use crate::sync::step;
use std::time::{Duration, Instant};

/// A durable subscription, begun.
#[derive(Debug)]
pub(crate) struct Durable {
    pub live: Live,
    /// What it missed while there was none.
    pub found: History,
    pub mark: Mark,
}

/// Its bookmark, as its holder knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub index: u32,
    /// Up to this number a listener was called for messages that may not have been handled.
    pub begun: u64,
}

impl Attachment {
    /// Subscribes to a topic under a name: live the first time, then from the last message handled on. Also to a topic that this
    /// thread reads already.
    pub fn subscribe_durable(&mut self, topic: &str, name: &str) -> Result<Durable, SubscribeError> {
        self.check_process()?;
        check_topic(topic.as_bytes())?;
        if !(1..=NAME_MAX).contains(&name.len()) || name.contains('\0') {
            let expected = "1 to 255 bytes of UTF-8 without NUL";
            return Err(SubscribeError::Option { option: "durable", expected });
        }
        let start = Instant::now();
        let (live, is_first, handled, mark) = loop {
            let wait = LOCK_WAIT.saturating_sub(start.elapsed());
            match self.try_durable(topic.as_bytes(), name.as_bytes(), wait) {
                Err(SubscribeError::Topic(TopicError::Busy(_))) if self.may_try_again(start, LOCK_WAIT) => {}
                result => break result?,
            }
        };
        let past = Past::After(handled);
        let found = if is_first { self.begin_in_the_past(live, past)? } else { self.past_of(live, past)? };
        Ok(Durable { live, found, mark })
    }

    /// Where it is live, whether it is this thread's first to the topic, what was handled, and the bookmark.
    fn try_durable(
        &mut self,
        topic: &[u8],
        name: &[u8],
        wait: Duration,
    ) -> Result<(Live, bool, u64, Mark), SubscribeError> {
        let shared = self.shared.clone();
        self.inspect().map_err(TopicError::from)?;
        let guard = shared.lock_registry(wait).map_err(TopicError::from)?;
        let mut bookmarks = shared.bookmarks().map_err(TopicError::from)?;
        bookmarks.recover();
        if !bookmarks.is_sound() {
            return Err(TopicError::Corrupt.into());
        }
        let key = bookmark_key(topic, name);
        let hash = name_hash(&key);
        let known = bookmarks.find(&key, hash).map_err(TopicError::from)?;
        if let Some(bookmark) = known.and_then(|index| bookmarks.get(index)) {
            self.check_holder(bookmark)?;
        }
        // Whatever can fail comes before the subscription.
        let index = match known {
            Some(index) => index,
            None => {
                if bookmarks.wants_memory() {
                    shared.segment.reserve_bookmarks().map_err(TopicError::from)?;
                    bookmarks = shared.bookmarks().map_err(TopicError::from)?;
                }
                bookmarks.vacancy()?
            }
        };
        let topic_hash = name_hash(topic);
        let (id, made) = self.find_or_make(topic, topic_hash, true)?;
        let topic = TopicRef { id, hash: hash_bits(topic_hash) };
        let is_first = !self.interest.has_for(id, Reason::Name);
        let (live, is_news) = if is_first {
            self.begin_reading(topic)
        } else {
            let (from, before) = self.subscribe_again(topic);
            (Live { topic, from, before }, false)
        };
        step("durable: reading");
        let me = self.publisher.number;
        let (handled, begun) = if known.is_some() {
            bookmarks.take(index, me)
        } else {
            bookmarks.make(index, &key, hash, live.before, me).map(|()| (live.before, live.before))
        }
        .map_err(TopicError::from)?;
        drop(guard);
        self.tell_watchers(made, is_news);
        Ok((live, is_first, handled, Mark { index, begun }))
    }

    /// An error while a living member, or another subscription of this thread, holds it.
    fn check_holder(&self, bookmark: &Bookmark) -> Result<(), SubscribeError> {
        let number = bookmark.holder.load(Acquire);
        let of_number = |member: &&Member| {
            MemberState(member.identity.state.load(Acquire)).number() == number && in_use(member)
        };
        let Some(member) = self.shared.parts().members.iter().find(of_number) else { return Ok(()) };
        let pid = member.identity.pid.load(Relaxed);
        if number == self.publisher.number || self.shared.lives(member, &mut Round::default()) {
            return Err(SubscribeError::InUse { member: number, pid });
        }
        Ok(())
    }

    /// A listener is about to be called for a message.
    pub fn begin_message(&self, mark: Mark, sequence: u64) {
        self.with_bookmark(mark, |bookmark, me| bookmark.begin(me, sequence));
    }

    /// It has returned: the message never comes again.
    pub fn handle_message(&self, mark: Mark, sequence: u64) {
        self.with_bookmark(mark, |bookmark, me| bookmark.handle(me, sequence));
    }

    /// The subscription ended; the next one goes on.
    #[cfg(feature = "node")]
    pub fn release_bookmark(&self, mark: Mark) {
        self.with_bookmark(mark, |bookmark, me| bookmark.release(me));
    }

    /// The subscription ended for good.
    pub fn forget_bookmark(&self, mark: Mark) {
        let table = &self.shared.segment.header().bookmarks;
        self.with_bookmark(mark, |bookmark, me| bookmark.forget(table, me));
    }

    fn with_bookmark(&self, mark: Mark, act: impl FnOnce(&Bookmark, u32)) {
        if self.membership.is_none() || self.is_forked() {
            return;
        }
        // Its memory is there since it was taken.
        if let Some(bookmark) = self.shared.segment.bookmarks().0.get(mark.index as usize) {
            act(bookmark, self.publisher.number);
        }
    }
}

impl From<NoBookmark> for SubscribeError {
    fn from(error: NoBookmark) -> Self {
        match error {
            NoBookmark::Full { capacity } => SubscribeError::TooMany { capacity },
            NoBookmark::Corrupt => TopicError::Corrupt.into(),
        }
    }
}
