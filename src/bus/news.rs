//! What changes on a bus besides messages: members that come and go, topics that get their first subscriber or lose their last.
//!
//! Changes are told by comparing: what stands in the tables now with what was told last. So a death in the middle of one leaves
//! nothing wrong for longer than a tick, and what came and went between two looks is not told. Who makes a change posts to those
//! who watch its kind, by the same handshake as a message (R9): they look again before they sleep.

use super::attachment::Attachment;
use super::census::{RESERVED, attached};
use crate::layout::{Header, Watches};
use crate::registry::TopicId;
use crate::sync::Ordering::{Acquire, SeqCst};
use crate::sync::fence;
use std::collections::{BTreeMap, HashMap};

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Joined {
        member: u32,
        pid: u32,
        thread: u32,
    },
    Left {
        member: u32,
        pid: u32,
        thread: u32,
    },
    /// The first subscriber by name came, or the last one left.
    Interest {
        topic: String,
        active: bool,
    },
}

/// What this thread watches, and what it knows of it.
#[derive(Debug, Default)]
pub(crate) struct Watching {
    watches: Watches,
    /// By number: process and thread.
    members: BTreeMap<u32, (u32, u32)>,
    moved: u32,
    /// The topics somebody is subscribed to, by their names.
    wanted: HashMap<TopicId, String>,
    changed: u64,
    /// Whatever the counters say.
    overdue: bool,
}

impl Watching {
    /// The next look is a whole one.
    pub fn look(&mut self) {
        self.overdue = self.watches != Watches::default();
    }

    /// Whether something may have changed.
    pub fn is_due(&self, header: &Header) -> bool {
        let registry = &header.registry;
        self.overdue
            || self.watches.contains(Watches::MEMBERS) && registry.moved.load(Acquire) != self.moved
            || self.watches.contains(Watches::INTEREST) && registry.changed.load(Acquire) != self.changed
    }
}

impl Attachment {
    /// From now on `news` tells of changes of these kinds, and this thread is woken for them.
    pub fn watch(&mut self, more: Watches) {
        let new = Watches(more.0 & !self.watching.watches.0);
        if new == Watches::default() || self.must_be_attached().is_err() {
            return;
        }
        self.watching.watches = Watches(self.watching.watches.0 | new.0);
        let shared = self.shared.clone();
        let (parts, header) = (shared.parts(), shared.segment.header());
        let me = &parts.members[self.publisher.index as usize];
        me.identity.watches.fetch_or(new.0, SeqCst);
        // Partner: the fence in post_watchers(). Who does not see me watch has made a change that I see now.
        fence(SeqCst);
        if new.contains(Watches::MEMBERS) {
            self.watching.moved = header.registry.moved.load(Acquire);
            self.watching.members = self.present();
        }
        if new.contains(Watches::INTEREST) {
            let topics = shared.topics();
            self.watching.changed = topics.changes();
            let wanted = topics.live().filter(|id| topics.is_wanted(*id));
            self.watching.wanted = wanted.filter_map(|id| Some((id, self.topic_name(id)?))).collect();
        }
    }

    /// Whether `news` may have something.
    pub fn has_news(&self) -> bool {
        self.must_be_attached().is_ok() && self.watching.is_due(self.shared.segment.header())
    }

    /// What has changed since it was last asked.
    pub fn news(&mut self) -> Vec<News> {
        let mut news = Vec::new();
        if !self.has_news() {
            return news;
        }
        self.watching.overdue = false;
        if self.watching.watches.contains(Watches::MEMBERS) {
            self.news_of_members(&mut news);
        }
        if self.watching.watches.contains(Watches::INTEREST) {
            self.news_of_interest(&mut news);
        }
        news
    }

    fn news_of_members(&mut self, news: &mut Vec<News>) {
        // First: what changes from here on moves it again.
        self.watching.moved = self.shared.segment.header().registry.moved.load(Acquire);
        let now = self.present();
        let before = std::mem::replace(&mut self.watching.members, now);
        let now = &self.watching.members;
        for (&member, &(pid, thread)) in before.iter().filter(|(member, _)| !now.contains_key(member)) {
            news.push(News::Left { member, pid, thread });
        }
        for (&member, &(pid, thread)) in now.iter().filter(|(member, _)| !before.contains_key(member)) {
            news.push(News::Joined { member, pid, thread });
        }
    }

    fn news_of_interest(&mut self, news: &mut Vec<News>) {
        let shared = self.shared.clone();
        let topics = shared.topics();
        let seen = self.watching.changed;
        self.watching.changed = topics.changes();
        let changed = topics.changed_since(seen).unwrap_or_else(|| {
            let known = self.watching.wanted.keys().copied();
            topics.live().filter(|id| topics.is_wanted(*id)).chain(known).collect()
        });
        for id in changed {
            if !topics.is_wanted(id) {
                let ended = self.watching.wanted.remove(&id);
                news.extend(ended.map(|topic| News::Interest { topic, active: false }));
            } else if let Some(topic) = self.topic_name(id)
                && self.watching.wanted.insert(id, topic.clone()).is_none()
            {
                news.push(News::Interest { topic, active: true });
            }
        }
        news.retain(|one| !matches!(one, News::Interest { topic, .. } if topic.starts_with(RESERVED)));
    }

    /// Everybody. Me, too: I am there before I watch, and as long as I do.
    fn present(&self) -> BTreeMap<u32, (u32, u32)> {
        let parts = self.shared.parts();
        let all = parts.members.iter().filter_map(attached);
        all.map(|(number, pid, thread)| (number, (pid, thread))).collect()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::bus::Options;
    use std::time::Duration;

    /// The change is made and posted for before the watcher is armed, so that the post is emptied with the semaphore.
    #[test]
    fn what_changed_before_one_who_watches_is_armed_keeps_it_awake() {
        let options = Options::new(format!("unit-news-{}", std::process::id()));
        let mut watcher = Attachment::open(&options).expect("open");
        watcher.watch(Watches::NEWS);
        assert!(!watcher.fall_asleep(Duration::ZERO), "nothing has changed");
        watcher.rouse();
        let mut other = Attachment::open(&options).expect("open");
        assert!(watcher.fall_asleep(Duration::ZERO), "somebody came");
        assert!(matches!(watcher.news()[..], [News::Joined { .. }]));
        let live = other.subscribe("t").expect("subscribe");
        assert!(watcher.fall_asleep(Duration::ZERO), "a first subscriber");
        assert!(matches!(watcher.news()[..], [News::Interest { active: true, .. }]));
        assert!(!watcher.fall_asleep(Duration::ZERO), "told");
        watcher.rouse();
        other.unsubscribe(live.topic);
        assert!(watcher.fall_asleep(Duration::ZERO), "the last one left");
        drop(other);
        assert!(matches!(watcher.news()[..], [News::Left { .. }, News::Interest { active: false, .. }]));
    }
}
