//! The Node face: convert, call, return. One [`Member`] is one environment's place on one bus; JavaScript's handles of
//! that bus share it. No state is global: worker_threads load this library too.
//!
//! The calls a message takes are raw functions without arguments (`hot.rs`); everything else is a method here.

mod arrays;
mod census;
mod ending;
mod failure;
mod following;
mod handles;
mod hot;
#[cfg(any(windows, target_vendor = "apple"))]
mod kinship;
mod listener;
#[cfg(unix)]
mod pump;
mod stats;
mod turns;
mod uv;
mod waiter;
mod wakeup;

use crate::bus::{Attachment, Glob, GroupRef, Options, Watches};
use crate::error::{Gap, TopicError};
use crate::registry::TopicId;
use census::{MemberWords, NewsWords, TopicInfoWords};
use failure::Failure;
use following::Pasts;
use hot::Hot;
use napi::bindgen_prelude::{Either, Function, Object, Unknown};
use napi::{Env, JsValue};
use napi_derive::napi;
use stats::StatsWords;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use wakeup::Wakeup;

/// What JavaScript chose, checked for types and ranges there; sizes not given are the defaults.
#[napi(object)]
pub struct OpenOptions {
    pub name: String,
    pub size: Option<f64>,
    pub max_message: Option<f64>,
    pub topics: Option<u32>,
    pub members: Option<u32>,
    pub mode: u32,
    pub thread: u32,
    /// libuv is not to be used although it is there.
    pub thread_wake: bool,
}

#[napi(object)]
pub struct TopicWords {
    pub index: u32,
    pub generation: u32,
    pub hash: u32,
    /// Of a subscription: messages at this position and later are its.
    pub from: f64,
    /// The topic's last number before it.
    pub before: f64,
}

#[napi(object)]
pub struct PatternWords {
    pub id: u32,
    /// Messages at this position and later are its.
    pub from: f64,
}

/// A topic that patterns match.
#[napi(object)]
pub struct MatchWords {
    pub topic: String,
    /// Which of them, in the order in which they came, and the topic's last numbers before each.
    pub patterns: Vec<u32>,
    pub before: Vec<f64>,
}

/// A topic's group, as a member of it knows it.
#[napi(object)]
pub struct GroupWords {
    pub row: u32,
    pub index: u32,
    pub generation: u32,
    pub hash: u32,
}

/// Whom a request is put to: members, and the rows of groups.
#[napi(object)]
pub struct AskedWords {
    pub members: Vec<u32>,
    pub groups: Vec<u32>,
}

#[napi(object)]
pub struct Beginning {
    /// Messages at this position and later.
    pub from: f64,
    /// The topic's last number before it.
    pub before: f64,
}

#[napi(object)]
pub struct GapWords {
    pub topic: String,
    /// Of its entry.
    pub index: u32,
    /// Whose members missed them together.
    pub group: Option<String>,
    pub from: f64,
    pub to: f64,
    pub reason: String,
}

#[napi(object)]
pub struct Facts {
    pub member: u32,
    pub max_message: f64,
    pub max_at_once: f64,
    /// How many the table has room for.
    pub topics: u32,
}

/// One environment's place on one bus.
#[napi]
pub struct Member {
    hot: Rc<RefCell<Hot>>,
    wakeup: Rc<dyn Wakeup>,
    pasts: RefCell<Pasts>,
}

#[napi]
impl Member {
    /// Attaches this thread; `on_wake` is called from the event loop while there is something to look at. `defer` is
    /// `setImmediate`.
    #[napi(catch_unwind)]
    pub fn open(
        env: Env,
        options: OpenOptions,
        on_wake: Function<(), Unknown>,
        defer: Function<(), ()>,
    ) -> Either<Member, Failure> {
        match Member::try_open(env, options, on_wake, defer) {
            Ok(member) => Either::A(member),
            Err(failure) => Either::B(*failure),
        }
    }

    fn try_open(
        env: Env,
        options: OpenOptions,
        on_wake: Function<(), Unknown>,
        defer: Function<(), ()>,
    ) -> Result<Member, Box<Failure>> {
        let by_thread = options.thread_wake;
        let defaults = Options::new(options.name);
        let options = Options {
            size: options.size.map_or(defaults.size, |size| size as u64),
            max_message: options.max_message.map(|bytes| bytes as u64),
            topics: options.topics.unwrap_or(defaults.topics),
            members: options.members.unwrap_or(defaults.members),
            mode: options.mode,
            thread: options.thread,
            ..defaults
        };
        let attachment = Attachment::open(&options)?;
        let semaphore = attachment.waitable().ok_or_else(|| Failure::from(TopicError::Closed))?;
        let hot = Rc::new(RefCell::new(Hot::new(attachment)));
        let of_wakeup = hot.clone();
        let on_closed = Box::new(move || {
            // Refused only if this ends the process from inside a call: then it is as if it had been killed.
            if let Ok(mut hot) = of_wakeup.try_borrow_mut() {
                hot.leave();
            }
        });
        // SAFETY: called from JavaScript, with functions it passed.
        #[allow(unsafe_code)]
        let wakeup = unsafe { wakeup::start(env, by_thread, semaphore, on_wake.raw(), defer, on_closed) };
        Ok(Member { hot, wakeup: wakeup.map_err(Failure::system)?, pasts: RefCell::default() })
    }

    #[napi(catch_unwind)]
    pub fn facts(&self) -> Either<Facts, Failure> {
        self.attached(|at| {
            let (max_message, max_at_once) = (at.max_message() as f64, at.max_at_once() as f64);
            Ok(Facts { member: at.number(), max_message, max_at_once, topics: at.topics() })
        })
    }

    /// The functions of `hot.rs`, bound to this member.
    #[napi(catch_unwind)]
    pub fn hot<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        hot::functions(env, &self.hot)
    }

    /// The topic of that name, made if need be; waits for the registry at most `wait_ms`.
    #[napi(catch_unwind)]
    pub fn topic(&self, name: String, wait_ms: f64) -> Either<TopicWords, Failure> {
        let wait = Duration::from_secs_f64(wait_ms / 1000.0);
        self.attached(|at| Ok(words(at.topic(&name, wait)?, 0, 0)))
    }

    #[napi(catch_unwind)]
    pub fn subscribe(&self, name: String) -> Either<TopicWords, Failure> {
        self.attached(|at| at.subscribe(&name).map(|live| words(live.topic, live.from, live.before)))
    }

    #[napi(catch_unwind)]
    pub fn unsubscribe(&self, topic: TopicWords) {
        if let Some(at) = self.hot.borrow_mut().attachment() {
            at.unsubscribe(topic.into());
        }
    }

    /// Makes this thread a member of a topic's group, which it is not yet.
    #[napi(catch_unwind)]
    pub fn join_group(&self, topic: String, group: String) -> Either<GroupWords, Failure> {
        self.attached(|at| {
            let GroupRef { row, topic, .. } = at.join_group(&topic, &group)?;
            let (TopicId { index, generation }, hash) = (topic.id, topic.hash.into());
            Ok(GroupWords { row, index, generation, hash })
        })
    }

    /// Returns what the group missed, as far as this thread has noticed it and not told.
    #[napi(catch_unwind)]
    pub fn leave_group(&self, row: u32) -> Vec<GapWords> {
        let mut hot = self.hot.borrow_mut();
        let Some(at) = hot.attachment() else { return Vec::new() };
        let left = at.leave_group(row);
        let gaps = left.map(|group| at.take_gaps_of_group(&group)).unwrap_or_default();
        gaps.into_iter().map(gap_words).collect()
    }

    /// Where a further subscription to a topic this thread reads begins.
    #[napi(catch_unwind)]
    pub fn subscribe_again(&self, topic: TopicWords) -> Beginning {
        let mut hot = self.hot.borrow_mut();
        let (from, before) = hot.attachment().map_or((0, 0), |at| at.subscribe_again(topic.into()));
        Beginning { from: from as f64, before: before as f64 }
    }

    /// Subscribes to all topics that a pattern matches.
    #[napi(catch_unwind)]
    pub fn psubscribe(&self, pattern: String) -> Either<PatternWords, Failure> {
        self.attached(|at| {
            at.psubscribe(&pattern).map(|live| PatternWords { id: live.id, from: live.from as f64 })
        })
    }

    #[napi(catch_unwind)]
    pub fn punsubscribe(&self, id: u32) {
        if let Some(at) = self.hot.borrow_mut().attachment() {
            at.punsubscribe(id);
        }
    }

    /// Which patterns match the topic of an entry; None: none does.
    #[napi(catch_unwind)]
    pub fn matches(&self, index: u32) -> Option<MatchWords> {
        let mut hot = self.hot.borrow_mut();
        let matched = hot.attachment()?.matches(index)?;
        let by = || matched.by.iter();
        Some(MatchWords {
            topic: matched.name.to_string(),
            patterns: by().map(|by| by.pattern).collect(),
            before: by().map(|by| by.before as f64).collect(),
        })
    }

    /// While a publish of `len` bytes finds no room, about every `interval_ms`: cuts off who has been stuck for
    /// `stall_timeout_ms` (Infinity: nobody) and reaps the dead. 1: look again at once; 0: not; 3: corrupt; 4: closed.
    #[napi(catch_unwind)]
    pub fn relieve(&self, len: u32, interval_ms: f64, stall_timeout_ms: f64) -> u32 {
        let interval = Duration::from_secs_f64(interval_ms / 1000.0);
        let timeout = Duration::try_from_secs_f64(stall_timeout_ms / 1000.0).ok();
        self.hot.borrow_mut().relieve(len as usize, interval, timeout)
    }

    /// There was room again.
    #[napi(catch_unwind)]
    pub fn relieved(&self) {
        if let Some(at) = self.hot.borrow_mut().attachment() {
            at.relieved();
        }
    }

    /// Every second. 1: there is something to drain; 0: not; 3: corrupt; 4: closed.
    #[napi(catch_unwind)]
    pub fn tick(&self) -> u32 {
        self.hot.borrow_mut().tick()
    }

    /// True once: another bus of the same name was made after this one's files had been removed.
    #[napi(catch_unwind)]
    pub fn take_split(&self) -> bool {
        self.hot.borrow_mut().attachment().is_some_and(|at| at.take_split())
    }

    /// The reason, once, when the bus' files are gone and cannot be put back.
    #[napi(catch_unwind)]
    pub fn take_unkept(&self) -> Option<String> {
        self.hot.borrow_mut().attachment().and_then(|at| at.take_unkept())
    }

    #[napi(catch_unwind)]
    pub fn take_gaps(&self) -> Vec<GapWords> {
        let gaps = self.hot.borrow_mut().attachment().map(|at| at.take_gaps(u64::MAX)).unwrap_or_default();
        gaps.into_iter().map(gap_words).collect()
    }

    #[napi(catch_unwind)]
    pub fn stats(&self) -> Either<StatsWords, Failure> {
        self.attached(|at| Ok(at.stats().into()))
    }

    #[napi(catch_unwind)]
    pub fn topics(&self, pattern: Option<String>) -> Either<Vec<TopicInfoWords>, Failure> {
        self.attached(|at| {
            let glob = pattern.as_deref().map(Glob::new).transpose()?;
            Ok(at.topics_now(glob.as_ref()).into_iter().map(Into::into).collect())
        })
    }

    #[napi(catch_unwind)]
    pub fn members(&self) -> Either<Vec<MemberWords>, Failure> {
        self.attached(|at| Ok(at.members_now().into_iter().map(Into::into).collect()))
    }

    /// From now on `takeNews` tells of these: 1 members, 2 interest.
    #[napi(catch_unwind)]
    pub fn watch(&self, what: u32) {
        if let Some(at) = self.hot.borrow_mut().attachment() {
            at.watch(Watches(what));
        }
    }

    #[napi(catch_unwind)]
    pub fn take_news(&self) -> Vec<NewsWords> {
        let news = self.hot.borrow_mut().attachment().map(|at| at.news()).unwrap_or_default();
        news.into_iter().map(Into::into).collect()
    }

    /// Whom a request of a topic of requests is put to now.
    #[napi(catch_unwind)]
    pub fn asked(&self, name: String) -> AskedWords {
        let asked = self.hot.borrow_mut().attachment().map(|at| at.asked(&name)).unwrap_or_default();
        AskedWords { members: asked.members, groups: asked.groups }
    }

    /// The members that read a topic.
    #[napi(catch_unwind)]
    pub fn readers_of(&self, name: String) -> Vec<u32> {
        self.hot.borrow_mut().attachment().map_or(Vec::new(), |at| at.readers_of(&name))
    }

    /// Of requests that were put to groups of a topic, by row and position, those that nobody there answers to: their indices.
    #[napi(catch_unwind)]
    pub fn lost_in_groups(&self, name: String, rows: Vec<u32>, positions: Vec<f64>) -> Vec<u32> {
        let asked: Vec<(u32, u64)> =
            rows.into_iter().zip(positions.into_iter().map(|position| position as u64)).collect();
        self.hot.borrow_mut().attachment().map_or(Vec::new(), |at| at.lost_in_groups(&name, &asked))
    }

    /// Past what this thread has published.
    #[napi(catch_unwind)]
    pub fn published_to(&self) -> f64 {
        self.hot.borrow_mut().attachment().map_or(0.0, |at| at.published_to() as f64)
    }

    /// Whether others see this thread as subscribed by name to a topic that it reads. Waits for the registry at most `wait_ms`.
    #[napi(catch_unwind)]
    pub fn set_named(&self, topic: TopicWords, on: bool, wait_ms: f64) -> Option<Failure> {
        let wait = Duration::from_secs_f64(wait_ms / 1000.0);
        match self.attached(|at| at.set_named(topic.into(), on, wait)) {
            Either::A(()) => None,
            Either::B(failure) => Some(failure),
        }
    }

    /// Those of some members that have left or died.
    #[napi(catch_unwind)]
    pub fn gone(&self, members: Vec<u32>) -> Vec<u32> {
        self.hot.borrow_mut().attachment().map_or(Vec::new(), |at| at.gone(&members))
    }

    /// The position of the next message of the bus.
    #[napi(catch_unwind)]
    pub fn position(&self) -> f64 {
        self.hot.borrow_mut().attachment().map_or(0.0, |at| at.position() as f64)
    }

    /// The position of the next message this thread reads.
    #[napi(catch_unwind)]
    pub fn cursor(&self) -> f64 {
        self.hot.borrow_mut().attachment().map_or(0.0, |at| at.cursor() as f64)
    }

    /// Whether all that this thread has published was consumed by everybody who reads.
    #[napi(catch_unwind)]
    pub fn is_settled(&self) -> bool {
        self.hot.borrow_mut().attachment().is_none_or(|at| at.is_settled())
    }

    /// Wakes this thread's loop in its next turn.
    #[napi(catch_unwind)]
    pub fn post_self(&self) {
        if let Some(at) = self.hot.borrow_mut().attachment() {
            at.post_self();
        }
    }

    /// Whether this member keeps the process alive.
    #[napi(catch_unwind)]
    pub fn set_ref(&self, referenced: bool) {
        self.wakeup.set_ref(referenced);
    }

    /// How long, in us, this thread looks before it sleeps. Without effect where only a thread can wait.
    #[napi(catch_unwind)]
    pub fn set_spin(&self, micros: u32) {
        let hot = Rc::downgrade(&self.hot);
        // Borrowed only if the process is being ended from inside a call.
        let look = move |most| {
            let hot = hot.upgrade();
            hot.is_some_and(|hot| hot.try_borrow_mut().is_ok_and(|mut hot| hot.look(most)))
        };
        let spin = Duration::from_micros(micros.into());
        self.hot.borrow_mut().set_spin(spin, &self.wakeup, || Box::new(look));
    }

    /// Leaves the bus and gives back what it held; nothing is woken any more. Idempotent.
    #[napi(catch_unwind)]
    pub fn close(&mut self, env: Env) {
        // First: nobody waits any more for the semaphore that leaving closes.
        self.wakeup.close();
        self.pasts.take();
        let mut hot = self.hot.borrow_mut();
        hot.leave();
        // SAFETY: a call of the environment, and the bus was just left.
        #[allow(unsafe_code)]
        unsafe {
            hot.unshare(env.raw())
        };
    }

    /// What `act` finds; ERR_CLOSED once left.
    fn attached<T>(&self, act: impl FnOnce(&mut Attachment) -> Result<T, TopicError>) -> Either<T, Failure> {
        let mut hot = self.hot.borrow_mut();
        match hot.attachment().ok_or(TopicError::Closed).and_then(act) {
            Ok(found) => Either::A(found),
            Err(error) => Either::B(error.into()),
        }
    }
}

/// Where the requests of a topic go.
#[napi(catch_unwind)]
#[cfg_attr(test, allow(dead_code))] // the binding exports nothing there
pub fn ask_topic(topic: String) -> String {
    crate::bus::ask_topic(&topic)
}

/// Where the answers to the requests of a member go.
#[napi(catch_unwind)]
#[cfg_attr(test, allow(dead_code))] // the binding exports nothing there
pub fn reply_topic(member: u32) -> String {
    crate::bus::reply_topic(member)
}

fn gap_words((id, Gap { topic, group, from, to, reason }): (TopicId, Gap)) -> GapWords {
    let (from, to) = (from as f64, to as f64);
    GapWords { topic, index: id.index, group, from, to, reason: reason.name().into() }
}

fn words(topic: crate::bus::TopicRef, from: u64, before: u64) -> TopicWords {
    TopicWords {
        index: topic.id.index,
        generation: topic.id.generation,
        hash: topic.hash as u32,
        from: from as f64,
        before: before as f64,
    }
}

impl From<TopicWords> for crate::bus::TopicRef {
    fn from(words: TopicWords) -> Self {
        let id = TopicId { index: words.index, generation: words.generation };
        crate::bus::TopicRef { id, hash: words.hash as u16 }
    }
}
