//! Looking after the bus: what every attached thread does once a second, and who finds the slab full at once. It helps at
//! the tail, looks for the dead and buries them, puts files back.

use super::attachment::Attachment;
use super::clock::now_ms;
use super::fanout::members_of;
use super::inspection::Inspection;
use super::stall::Stall;
use crate::layout::{Corrupt, MemberState, frame_bytes};
use crate::ring::Ring;
use crate::segment::{LockError, Round};
use crate::slab::Reads;
use crate::sync::Ordering::Acquire;
use crate::sync::step;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Ticks after which a member looks at everybody: for the dead whose neighbour lives but does not look.
const ROUNDS: u32 = 8;
/// How often somebody in the way of a full slab is asked whether it lives.
const ASKED_EVERY: Duration = Duration::from_millis(100);
/// Dead members buried at one go, and so under one lock: the rest is for the next turn.
pub(super) const BURIED_AT_ONCE: usize = 16;

/// What one member remembers of its looks.
#[derive(Debug, Default)]
pub(super) struct Care {
    stall: Stall,
    inspection: Inspection,
    split: Split,
    files: Files,
    ticks: u32,
    /// The dead were not all buried: the next tick looks at everybody.
    unburied: bool,
    asked: Asked,
}

impl Care {
    /// Whether this tick looks at everybody. The first one does: nobody else may be there to. The others take turns by
    /// their places.
    fn looks_at_all(&mut self, index: u32) -> bool {
        let tick = self.ticks;
        self.ticks = tick.wrapping_add(1);
        std::mem::take(&mut self.unburied) || tick == 0 || tick.wrapping_add(index).is_multiple_of(ROUNDS)
    }
}

/// Whether the bus' files could be put back where somebody removed them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Files {
    #[default]
    Kept,
    /// Once not: it may have been for want of a descriptor.
    Doubtful,
    Untold(String),
    Told,
}

impl Files {
    fn after(&mut self, kept: &Result<(), LockError>) {
        match (kept, &self) {
            (Err(LockError::Place(_)), Files::Kept) => *self = Files::Doubtful,
            (Err(LockError::Place(error)), Files::Doubtful) => *self = Files::Untold(error.to_string()),
            (Ok(()), Files::Doubtful) => *self = Files::Kept,
            _ => {}
        }
    }
}

/// What a look at one place of the member table finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nobody,
    Living,
    Dead(MemberState),
}

/// Whom member `me` buries of a table of `places`: it looks from its own place upwards, round the table, up to the first who
/// lives, and that one looks after who comes next. So the dead are found by the nearest before them who lives, whatever
/// the number of members, and a tick costs each one look. `all`: everybody is looked at. No more than can be buried at once.
fn dead_among(
    me: u32,
    places: u32,
    all: bool,
    mut look: impl FnMut(u32) -> Found,
) -> Vec<(u32, MemberState)> {
    let mut dead = Vec::new();
    for index in (me + 1..places).chain(0..me) {
        if dead.len() == BURIED_AT_ONCE {
            break;
        }
        match look(index) {
            Found::Nobody => {}
            Found::Dead(state) => dead.push((index, state)),
            Found::Living if all => {}
            Found::Living => break,
        }
    }
    dead
}

/// Who was asked lately whether it lives: while the slab is full, somebody in the way is met every few milliseconds.
#[derive(Debug, Default)]
struct Asked {
    last: HashMap<u32, (MemberState, Instant)>,
}

impl Asked {
    /// Whether it is to be asked now; then it was.
    fn is_due(&mut self, index: u32, state: MemberState, now: Instant) -> bool {
        let is_new = |(seen, at): &(MemberState, Instant)| *seen != state || now - *at >= ASKED_EVERY;
        let due = self.last.get(&index).is_none_or(is_new);
        if due {
            self.last.insert(index, (state, now));
        }
        due
    }
}

/// Whether another bus of the same name was made after this one's files had been removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Split {
    #[default]
    No,
    Untold,
    Told,
}

impl Attachment {
    /// At least every second, whatever else happens: finalises what a dead or frozen publisher left at the tail, and
    /// looks for the dead. True: drain now.
    pub fn tick(&mut self) -> Result<bool, Corrupt> {
        if self.is_forked() {
            return Ok(false);
        }
        self.inspect()?;
        let shared = self.shared.clone();
        let parts = shared.parts();
        Ring::of(&parts).help_at_tail()?;
        self.pay_owed(Duration::ZERO);
        self.look_after_groups();
        let all = self.care.looks_at_all(self.publisher.index) | std::mem::take(&mut self.fanout.suspect);
        self.reap_the_dead(all);
        if let Some(membership) = &mut self.membership {
            let kept = shared.keep_files(membership);
            if matches!(kept, Err(LockError::Split)) && self.care.split == Split::No {
                self.care.split = Split::Untold;
            }
            self.care.files.after(&kept);
        }
        self.watch.look(&parts, now_ms());
        // A change whose maker died before it posted.
        self.watching.look();
        Ok(self.has_work() || self.has_gaps() || self.has_news())
    }

    /// Whether what steers everybody, and what only this thread writes, can be what it is. Never in the middle of a publish.
    pub(super) fn inspect(&mut self) -> Result<(), Corrupt> {
        self.must_be_attached()?;
        let shared = &self.shared;
        let parts = shared.parts();
        shared.is_whole()?;
        self.care.inspection.look(shared.segment.header(), &parts)?;
        let announced = parts.members[self.publisher.index as usize].inflight.load(Acquire);
        if announced == 0 && self.reader.is_sound(&parts) { Ok(()) } else { Err(Corrupt) }
    }

    /// True once, when another bus of the same name was made after this one's files had been removed.
    pub fn take_split(&mut self) -> bool {
        let untold = self.care.split == Split::Untold;
        if untold {
            self.care.split = Split::Told;
        }
        untold
    }

    /// The reason, once, when the bus' files are gone and cannot be put back: nobody can open it.
    pub fn take_unkept(&mut self) -> Option<String> {
        let Files::Untold(reason) = &mut self.care.files else { return None };
        let reason = std::mem::take(reason);
        self.care.files = Files::Told;
        Some(reason)
    }

    /// Whether a post went to nobody since the last tick, or that left dead members: worth an early tick.
    pub fn suspects(&self) -> bool {
        self.fanout.suspect
    }

    fn reap_the_dead(&mut self, all: bool) {
        let shared = self.shared.clone();
        let parts = shared.parts();
        let mut round = Round::default();
        let look = |index: u32| {
            let member = &parts.members[index as usize];
            match MemberState(member.identity.state.load(Acquire)) {
                state if !state.in_use() => Found::Nobody,
                _ if shared.lives(member, &mut round) => Found::Living,
                state => Found::Dead(state),
            }
        };
        let dead = dead_among(self.publisher.index, parts.members.len() as u32, all, look);
        let (full, buried) = (dead.len() == BURIED_AT_ONCE, self.bury(&dead));
        // There may be more. Where nobody could be buried, haste is of no use.
        self.fanout.suspect |= full && buried;
    }

    /// True: somebody was buried.
    pub(super) fn bury(&mut self, dead: &[(u32, MemberState)]) -> bool {
        if dead.is_empty() {
            return false;
        }
        let shared = self.shared.clone();
        // Whoever holds the lock, holds it for microseconds; if not, the next tick comes.
        let Ok(guard) = shared.lock_registry(Duration::from_millis(2)) else {
            self.care.unburied = true;
            return false;
        };
        let buried = dead.iter().filter(|(index, seen)| shared.bury(&guard, *index, *seen)).count();
        if buried == 0 {
            return false;
        }
        self.counters.reaped += buried as u64;
        step("bury: posts due");
        self.fanout.post_all(&shared.parts(), &shared.place);
        true
    }

    /// While the slab is full, about every `interval`: looks who is in the way of `len` bytes, reaps the dead, cuts off
    /// who is stuck for `stall_timeout` (None: nobody). True: something was done, there may be room. Corrupt: there never
    /// will be.
    pub fn relieve(
        &mut self,
        len: usize,
        now: Instant,
        interval: Duration,
        stall_timeout: Option<Duration>,
    ) -> Result<bool, Corrupt> {
        self.inspect()?;
        let shared = self.shared.clone();
        let parts = shared.parts();
        let wanted = frame_bytes(len);
        let in_the_way =
            self.care.stall.look(&parts, self.publisher.index, wanted, now, interval, stall_timeout);
        let (mut done, mut dead, mut round) = (false, Vec::new(), Round::default());
        for one in in_the_way {
            if one.cut {
                // It learns of it when it looks; asleep, it would not look.
                self.fanout.nudge(&parts, &shared.place, one.who);
                self.counters.cut_offs += 1;
                done = true;
                continue;
            }
            let asked: Vec<u32> = match one.who {
                Reads::Member(index) => vec![index],
                Reads::Group(row) => {
                    // The one that was woken for it before may be stopped.
                    self.fanout.nudge(&parts, &shared.place, one.who);
                    members_of(parts.group_row(row)).collect()
                }
            };
            for index in asked {
                let Some(member) = parts.members.get(index as usize) else { continue };
                let state = MemberState(member.identity.state.load(Acquire));
                if state.in_use()
                    && self.care.asked.is_due(index, state, now)
                    && !shared.lives(member, &mut round)
                {
                    dead.push((index, state));
                }
            }
        }
        Ok(done | self.bury(&dead))
    }

    /// The slab has room again: nobody is to blame any more.
    pub fn relieved(&mut self) {
        self.care.stall.over();
        self.care.asked = Asked::default();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// `table` has a letter for each place: L lives, D dead, - nobody. Returns who is buried by `me`, and how many were
    /// looked at.
    fn buried(table: &str, me: u32, all: bool) -> (Vec<u32>, usize) {
        let mut looks = 0;
        let dead = dead_among(me, table.len() as u32, all, |index| match table.as_bytes()[index as usize] {
            b'L' => {
                looks += 1;
                Found::Living
            }
            b'D' => {
                looks += 1;
                Found::Dead(MemberState::new(index + 1, 0, MemberState::ATTACHED))
            }
            _ => Found::Nobody,
        });
        (dead.into_iter().map(|(index, _)| index).collect(), looks)
    }

    #[test]
    fn each_looks_after_the_dead_between_itself_and_the_next_who_lives() {
        assert_eq!(buried("L-DDL-DL", 0, false), (vec![2, 3], 3));
        assert_eq!(buried("L-DDL-DL", 4, false), (vec![6], 2));
        assert_eq!(buried("L-DDL-DL", 7, false), (vec![], 1));
        // Round the table.
        assert_eq!(buried("D-DL-DLD", 6, false), (vec![7, 0, 2], 4));
        assert_eq!(buried("DDLD", 2, false), (vec![3, 0, 1], 3));
        assert_eq!(buried("L", 0, false), (vec![], 0));
    }

    #[test]
    fn whoever_is_dead_is_looked_after_by_exactly_one_of_the_living() {
        // Every table of eight places.
        for number in 0..3u32.pow(8) {
            let table: String =
                (0..8).map(|at| ['L', 'D', '-'][(number / 3u32.pow(at) % 3) as usize]).collect();
            let places =
                |kind| (0..8u32).filter(|at| table.as_bytes()[*at as usize] == kind).collect::<Vec<_>>();
            let (living, dead) = (places(b'L'), places(b'D'));
            let mut found: Vec<u32> = living.iter().flat_map(|me| buried(&table, *me, false).0).collect();
            found.sort_unstable();
            assert_eq!(found, if living.is_empty() { vec![] } else { dead }, "{table}");
            // Each living one is asked by one: nobody asks everybody.
            let looks: usize = living.iter().map(|me| buried(&table, *me, false).1).sum();
            assert!(looks <= 8, "{table}: {looks}");
        }
    }

    #[test]
    fn everybody_is_looked_at_first_and_then_in_turns() {
        assert_eq!(buried("L-DLDD", 0, true), (vec![2, 4, 5], 4));
        for index in 0..ROUNDS {
            let mut care = Care::default();
            assert!(care.looks_at_all(index), "a newcomer's first tick");
            let after: Vec<bool> = (0..3 * ROUNDS).map(|_| care.looks_at_all(index)).collect();
            assert_eq!(after.iter().filter(|all| **all).count(), 3);
        }
        let in_step = |index| {
            let mut care = Care { ticks: 1, ..Care::default() };
            (0..ROUNDS).position(|_| care.looks_at_all(index))
        };
        let mut turns: Vec<_> = (0..ROUNDS).map(in_step).collect();
        turns.sort_unstable();
        assert_eq!(turns, (0..ROUNDS as usize).map(Some).collect::<Vec<_>>(), "each its own turn");
    }

    #[test]
    fn who_is_in_the_way_is_asked_at_once_and_then_now_and_again() {
        let (mut asked, start) = (Asked::default(), Instant::now());
        let state = |number| MemberState::new(number, 0, MemberState::READING);
        assert!(asked.is_due(3, state(1), start));
        assert!(!asked.is_due(3, state(1), start + ASKED_EVERY / 2));
        assert!(asked.is_due(4, state(2), start + ASKED_EVERY / 2), "another place");
        assert!(asked.is_due(3, state(3), start + ASKED_EVERY / 2), "another member");
        assert!(asked.is_due(3, state(3), start + 2 * ASKED_EVERY));
    }

    use crate::bus::stall::InTheWay;
    use crate::bus::{Attachment, Options, group};
    use crate::layout::{GroupState, Identity};
    use crate::sync::Ordering::Relaxed;

    fn open(what: &str) -> Attachment {
        let name = format!("unit-care-{what}-{}", std::process::id());
        Attachment::open(&Options { members: 64, ..Options::new(name) }).expect("open")
    }

    /// Makes a member that is dead: of a process that runs, but started later.
    fn dead_at(bus: &Attachment, index: u32) {
        let member = &bus.shared.parts().members[index as usize];
        let mine = Identity::mine();
        member.identity.pid.store(mine.pid, Relaxed);
        member.identity.started.store(mine.started + 1, Relaxed);
        member.identity.namespace.store(mine.namespace, Relaxed);
        let attached = &bus.shared.segment.header().registry.attached;
        let number = attached.fetch_add(1, Relaxed) as u32 + 1;
        member.identity.state.store(MemberState::new(number, 0, MemberState::ATTACHED).0, Relaxed);
    }

    #[test]
    fn many_dead_are_buried_in_turns_that_follow_each_other() {
        let mut bus = open("many");
        let dead = 2 * BURIED_AT_ONCE + 2;
        (1..=dead as u32).for_each(|index| dead_at(&bus, index));
        let mut turns = Vec::new();
        loop {
            let before = bus.stats().reaped;
            bus.tick().expect("sound");
            turns.push((bus.stats().reaped - before) as usize);
            if !bus.suspects() {
                break;
            }
        }
        assert_eq!(turns, [BURIED_AT_ONCE, BURIED_AT_ONCE, 2]);
        assert_eq!(bus.stats().members_attached, 1);
    }

    #[test]
    fn a_dead_sleeper_is_posted_to_once_and_found_by_the_next_tick() {
        let mut bus = open("sleeper");
        let living = open("sleeper");
        // Its first: it looks at everybody.
        bus.tick().expect("sound");
        // Behind one that lives and never looks.
        dead_at(&bus, 2);
        let parts = bus.shared.parts();
        parts.members[2].sleeping.store(7, Relaxed);
        let shared = bus.shared.clone();
        let topic = bus.topic("t", Duration::from_secs(60)).expect("a topic");
        shared.topics().set_subscriber(topic.id, 2, true);
        for _ in 0..100 {
            bus.publish_all(topic, 0, std::iter::once(&b"to nobody"[..])).expect("room");
        }
        assert_eq!(bus.stats().posts, 1);
        assert!(bus.suspects());
        bus.tick().expect("sound");
        assert_eq!(bus.stats().reaped, 1);
        assert!(!bus.suspects());
        drop(living);
    }

    #[test]
    fn who_died_while_it_joined_a_group_is_found_by_whoever_has_no_room() {
        let name = format!("unit-care-joining-{}", std::process::id());
        let mut bus = Attachment::open(&Options { size: 64 << 10, ..Options::new(name) }).expect("open");
        let topic = bus.topic("t", Duration::from_secs(60)).expect("a topic");
        dead_at(&bus, 2);
        let shared = bus.shared.clone();
        let parts = shared.parts();
        let guard = shared.lock_registry(Duration::from_secs(60)).expect("free");
        shared.segment.reserve_groups().expect("memory");
        let (row, _) = shared.topics().make_group(topic.id, b"g", 2).expect("a row");
        group::join(&parts, row, topic.id);
        let state = &parts.groups.get(row).expect("made").gate.state;
        state.store(GroupState::new(2, GroupState::JOINING).0, Relaxed);
        drop(guard);
        let publish = |bus: &mut Attachment| bus.publish_all(topic, 0, std::iter::once(&[0u8; 1000][..]));
        while publish(&mut bus).is_ok() {}
        // Whoever joins is not cut off, however long it takes.
        let (now, interval) = (Instant::now(), Duration::from_secs(60));
        for looks in 1..4 {
            let timeout = Some(Duration::ZERO);
            let in_the_way = bus.care.stall.look(&parts, 0, 1024, now + looks * interval, interval, timeout);
            assert_eq!(in_the_way, [InTheWay { who: Reads::Group(row), cut: false }]);
        }
        assert_eq!(bus.relieve(1000, now, interval, None), Ok(true));
        assert_eq!(bus.stats().reaped, 1);
        publish(&mut bus).expect("room");
    }

    #[test]
    fn leaving_does_not_wait_for_a_stopped_holder_of_the_lock_and_others_finish_it() {
        let mut keeper = open("leaving");
        let others: Vec<Attachment> = (0..20).map(|_| open("leaving")).collect();
        let shared = keeper.shared.clone();
        let guard = shared.lock_registry(Duration::from_secs(60)).expect("free");
        let start = Instant::now();
        drop(others);
        // A watchdog: 20 leavers that wait as long as openers do take 100 s.
        assert!(start.elapsed() < Duration::from_secs(50), "{:?}", start.elapsed());
        drop(guard);
        // The process of those who leave lives on: that they leave is what tells.
        let turns = ROUNDS * (20 / BURIED_AT_ONCE as u32 + 1);
        for _ in 0..turns {
            keeper.tick().expect("sound");
        }
        assert_eq!(keeper.stats().members_attached, 1);
        let number = keeper.number();
        let files = shared.place.member_files().expect("a folder");
        assert!(files.iter().all(|(of, _)| *of == number), "{files:?}");
        drop(keeper);
        assert!(!shared.place.folder().exists(), "the last one removed the bus");
    }

    /// On Windows a folder stays as long as something in it is open, and a member's lock is.
    #[cfg(unix)]
    #[test]
    fn files_that_cannot_be_put_back_are_told_once() {
        let mut bus = open("files");
        let folder = bus.shared.place.folder().to_owned();
        std::fs::remove_dir_all(&folder).expect("removed");
        std::fs::write(&folder, "not a folder").expect("written");
        let mut told = Vec::new();
        for _ in 0..5 {
            bus.tick().expect("it goes on");
            told.extend(bus.take_unkept());
        }
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(folder.to_str().expect("a path")), "{told:?}");
        std::fs::remove_file(&folder).expect("removed");
        bus.tick().expect("sound");
        assert!(bus.shared.place.pointer().exists(), "put back");
        assert_eq!(bus.take_unkept(), None);
    }

    #[test]
    fn the_lock_is_had_though_its_folder_is_removed_again_and_again() {
        let bus = open("removed");
        let shared = bus.shared.clone();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ = std::fs::remove_dir_all(shared.place.folder());
                }
            });
            let locked = (0..300).try_for_each(|_| shared.lock_registry(Duration::from_secs(60)).map(drop));
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            locked.expect("each time");
        });
    }

    #[test]
    fn one_that_lives_and_does_not_look_hides_nobody_for_long() {
        let mut bus = open("hidden");
        let living = open("hidden");
        bus.tick().expect("sound");
        dead_at(&bus, 2);
        for _ in 0..ROUNDS {
            bus.tick().expect("sound");
        }
        assert_eq!(bus.stats().reaped, 1);
        drop(living);
    }
}
