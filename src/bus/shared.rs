//! One bus in one process: the mapping, its folder and its lock, shared by all threads that are attached to it. Opening
//! the first, attaching, leaving, removing the last: each under the registry lock.

use super::care::BURIED_AT_ONCE;
use super::failures::os;
use super::fanout::Fanout;
use super::inspection::{Inspection, is_possible};
use crate::error::OpenError;
use crate::layout::{Corrupt, Identity, MemberState, Parts, Watches};
use crate::reap::reap;
use crate::registry::{AttachError, Bookmarks, Newcomer, TopicId, Topics, attach, detach, in_use, moved};
use crate::segment::{
    Generation, Guard, LockError, Place, Presence, RegistryLock, Round, Segment, SegmentError, Witness,
    anyone_lives, is_alive, remove_bus, remove_file, unlink_memory,
};
use crate::sync::Ordering::{Acquire, Release};
use crate::sync::step;
use crate::wake::Semaphore;
use dashmap::DashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

/// How long opening and subscribing wait for the registry lock: its holders need microseconds.
pub(crate) const LOCK_WAIT: Duration = Duration::from_millis(if cfg!(fuzzing) { 1 } else { 5000 });

/// How long leaving waits for it: others finish that as well. Who seems to be the last has nobody who would, before
/// somebody opens a bus again.
const LEAVE_WAIT: Duration = Duration::from_millis(100);
const LAST_WAIT: Duration = Duration::from_millis(1000);

/// The buses this process has open. Threads that open the same one share its mapping.
pub(super) static OPEN: LazyLock<DashMap<PathBuf, Weak<Shared>>> = LazyLock::new(DashMap::new);

#[derive(Debug)]
pub(crate) struct Shared {
    pub segment: Segment,
    pub place: Place,
    /// Replaced when its file was removed under the living.
    lock: Mutex<Arc<RegistryLock>>,
    /// Names looked up so far. An id that no longer holds is noticed when it is used.
    pub names: DashMap<Box<[u8]>, TopicId>,
    /// A forked copy holds the parent's descriptors, and with them its locks.
    process: Generation,
}

/// One thread's place on a bus, and the two files that go with it.
#[derive(Debug)]
pub(crate) struct Membership {
    pub index: u32,
    pub number: u32,
    pub semaphore: Semaphore,
    pub witness: Witness,
    /// Says, when all files are gone, that somebody is here.
    pub presence: Presence,
}

impl Shared {
    pub(super) fn new(segment: Segment, place: &Place, lock: Arc<RegistryLock>) -> Arc<Shared> {
        Arc::new(Shared {
            segment,
            place: place.clone(),
            lock: Mutex::new(lock),
            names: DashMap::new(),
            process: Generation::mine(),
        })
    }

    /// Whether this is a copy of another process'.
    pub(super) fn is_forked(&self) -> bool {
        self.process.is_past()
    }

    pub fn parts(&self) -> Parts<'_> {
        self.segment.parts()
    }

    pub(super) fn lock(&self) -> Arc<RegistryLock> {
        // Nothing can panic while it is held.
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    pub(super) fn set_lock(&self, lock: Arc<RegistryLock>) {
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = lock;
    }

    pub fn topics(&self) -> Topics<'_> {
        Topics {
            header: self.segment.header(),
            logs: self.segment.logs(),
            buckets: self.segment.buckets(),
            names: self.segment.names(),
            parts: self.segment.parts(),
            capacity: self.segment.sizes().topics,
        }
    }

    /// Where durable subscriptions go on. Those that are reserved by now can be touched.
    pub fn bookmarks(&self) -> Result<Bookmarks<'_>, SegmentError> {
        self.segment.ensure_bookmarks()?;
        let (all, keys) = self.segment.bookmarks();
        Ok(Bookmarks { table: &self.segment.header().bookmarks, buckets: self.segment.marks(), all, keys })
    }

    pub(super) fn attach(&self, guard: &Guard, thread: u32) -> Result<Membership, OpenError> {
        let attached = self.try_attach(guard, thread);
        if attached.is_err() && self.is_deserted() {
            // A first opener that cannot attach to the bus it made leaves nothing behind.
            self.remove(guard);
        }
        attached
    }

    fn try_attach(&self, guard: &Guard, thread: u32) -> Result<Membership, OpenError> {
        self.topics().recover();
        self.look().map_err(|_| OpenError::Corrupt("its header".into()))?;
        let parts = self.parts();
        let mine = Identity::mine();
        let newcomer = match self.choose_place(guard) {
            Ok(newcomer) => newcomer,
            Err(AttachError::Full { capacity }) => return Err(OpenError::TooManyMembers { capacity }),
            Err(AttachError::Corrupt) => return Err(OpenError::Corrupt("its members' numbers".into())),
        };
        self.remove_strays();
        let mode = self.place.mode();
        let (lock, fifo) =
            (self.place.member_lock(newcomer.number), self.place.member_semaphore(newcomer.number));
        let presence =
            Presence::declare(self.place.mark()).map_err(|error| os(self.place.folder(), error))?;
        let witness = Witness::create(&lock, mine, mode).map_err(|error| os(&lock, error))?;
        step("attach: witnessed");
        let semaphore = Semaphore::create(&fifo, mode).map_err(|error| {
            self.remove_member_files(newcomer.number);
            os(&fifo, error)
        })?;
        step("attach: audible");
        attach(&parts, newcomer, mine, thread, semaphore.descriptor());
        moved(self.segment.header());
        Ok(Membership { index: newcomer.index, number: newcomer.number, semaphore, witness, presence })
    }

    /// A free place. Before it says that there is none, some of those of the dead are taken back.
    fn choose_place(&self, guard: &Guard) -> Result<Newcomer, AttachError> {
        let parts = self.parts();
        let chosen = Newcomer::choose(self.segment.header(), &parts);
        if chosen.is_ok() {
            return chosen;
        }
        let (mut buried, mut round) = (0, Round::default());
        for (index, member) in parts.members.iter().enumerate() {
            let seen = MemberState(member.identity.state.load(Acquire));
            if in_use(member) && !self.lives(member, &mut round) {
                buried += self.bury(guard, index as u32, seen) as usize;
            }
            if buried == BURIED_AT_ONCE {
                break;
            }
        }
        if buried == 0 {
            return chosen;
        }
        Fanout::default().post_all(&parts, &self.place);
        Newcomer::choose(self.segment.header(), &parts)
    }

    /// Takes the place of a dead member back, with its files. True: the caller posts to every member.
    pub fn bury(&self, _guard: &Guard, index: u32, seen: MemberState) -> bool {
        let topics = self.topics();
        topics.recover();
        let buried = matches!(reap(&self.parts(), &topics, index, seen), Ok(true));
        if buried && self.owns_files() {
            self.remove_member_files(seen.number());
            step("bury: files removed");
        }
        buried
    }

    /// Whether nobody is attached who lives. Where the table of members cannot be believed, their files tell.
    fn is_deserted(&self) -> bool {
        let mut round = Round::default();
        let nobody = self
            .parts()
            .members
            .iter()
            .all(|member| number_in_use(member).is_none_or(|_| !self.lives(member, &mut round)));
        nobody && (self.look().is_ok() || !anyone_lives(&self.place))
    }

    /// As someone who sees it for the first time.
    fn look(&self) -> Result<(), Corrupt> {
        Inspection::default().look(self.segment.header(), &self.parts())
    }

    fn remove(&self, _guard: &Guard) {
        self.segment.mark_closed();
        step("remove: closed");
        // By the name known here: the file that has it might not be readable now.
        unlink_memory(&self.place, self.segment.id());
        step("remove: unlinked");
        if self.owns_files() {
            remove_bus(&self.place, Some(self.segment.id()));
        }
    }

    /// Removes the files of members that are none any more: a death between making them and attaching, or between
    /// detaching and removing them.
    fn remove_strays(&self) {
        let parts = self.parts();
        let numbers: Vec<u32> = parts.members.iter().filter_map(number_in_use).collect();
        for (number, path) in self.place.member_files().unwrap_or_default() {
            if !numbers.contains(&number) {
                let _ = remove_file(&path);
            }
        }
    }

    /// Removes a member's files; it is attached no more.
    pub fn remove_member_files(&self, number: u32) {
        let _ = remove_file(&self.place.member_semaphore(number));
        step("detach: inaudible");
        let _ = remove_file(&self.place.member_lock(number));
    }

    /// Gives the place of a living member back. The last one removes the bus.
    pub fn leave(&self, membership: Membership) {
        let index = membership.index;
        let parts = self.parts();
        let member = &parts.members[index as usize];
        // Before anybody can see that this member leaves: who then makes the bus anew must find nobody present.
        drop(membership.presence);
        // It may have been taken for dead, and the place be somebody else's by now; or hold what nobody wrote.
        let header = self.segment.header();
        let is_mine = |state: MemberState| {
            state.number() == membership.number && state.in_use() || !is_possible(header, state)
        };
        let state = MemberState(member.identity.state.load(Acquire));
        if is_mine(state) {
            // From here on whoever looks may do the rest: this thread might not get the lock.
            let leaving = MemberState::new(membership.number, state.epoch(), MemberState::LEAVING);
            member.identity.state.store(leaving.0, Release);
            step("leave: announced");
            member.inflight.store(0, Release);
        }
        let wait = if self.is_deserted() { LAST_WAIT } else { LEAVE_WAIT };
        let guard = match self.lock_registry(wait) {
            Ok(guard) => guard,
            Err(error) => return self.leave_unlocked(error),
        };
        step("leave: locked");
        // Another may have reaped it while we waited.
        if is_mine(MemberState(member.identity.state.load(Acquire))) {
            self.topics().recover();
            self.topics().forget_member(index);
            step("leave: forgotten");
            detach(member);
            moved(header);
            step("leave: detached");
            Fanout::default().post_watchers(&parts, &self.place, Watches::NEWS);
        }
        drop(membership.semaphore);
        drop(membership.witness);
        if self.owns_files() {
            self.remove_member_files(membership.number);
        }
        step("leave: files removed");
        if self.is_deserted() {
            self.remove(&guard);
        }
    }

    /// Others reap whoever leaves without the lock. Where another bus has the name, nobody else will ever find this memory.
    fn leave_unlocked(&self, error: LockError) {
        if matches!(error, LockError::Split) && self.is_deserted() {
            self.segment.mark_closed();
            Segment::unlink(self.segment.id());
        }
    }

    /// Whether the segment has the memory it speaks of.
    pub fn is_whole(&self) -> Result<(), Corrupt> {
        self.segment.ensure_topics().map_err(|_| Corrupt)
    }

    /// Whether a member in use lives.
    pub fn lives(&self, member: &crate::layout::Member, round: &mut Round) -> bool {
        let state = MemberState(member.identity.state.load(Acquire));
        is_possible(self.segment.header(), state) && is_alive(member, &self.place, round)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Only our own entry: another thread may have opened the bus anew meanwhile.
        OPEN.remove_if(self.place.folder(), |_, weak| weak.strong_count() == 0);
    }
}

fn number_in_use(member: &crate::layout::Member) -> Option<u32> {
    in_use(member).then(|| MemberState(member.identity.state.load(Acquire)).number())
}
